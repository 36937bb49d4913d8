//! Whose a busy port is (D3): this instance's own process or container, or somebody else's. And which ports of a
//! lockfile without a lease this very instance holds, so that taking it over moves nothing that runs.

use std::path::Path;

use crate::backend::docker::Docker;
use crate::core::config::ConfigFile;
use crate::core::instance::identity::{Identity, K3dParts, identity};
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::ports::Probe;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::store::ask::{Ask, Occasion};
use crate::store::project::Project;
use crate::store::registry;
use crate::sys::dirs::Dirs;
use crate::sys::{listeners, net, processes};

/// Who holds a port, when it is not the instance of a root: not one of its processes, nor a container of its cluster or of
/// its compose project. The environment must be without gates: one before `docker` would ask this again.
pub fn foreign(environment: &Environment, root: &Path, own: &Identity, port: u16) -> Option<String> {
    let holder = listeners::holder(port);
    if holder.as_ref().is_some_and(|holder| processes::belongs_to(holder, root)) {
        return None;
    }
    let docker = Docker { environment, folder: root };
    if let Some(owner) = docker.publisher(port) {
        let ours = owner.compose == own.compose_name || Some(&owner.cluster) == own.k3d_cluster_name.as_ref();
        return (!ours).then(|| format!("the container `{}`", owner.container));
    }
    Some(holder.map_or_else(
        || "a program of another user".to_owned(),
        |holder| format!("`{}` (pid {})", one_line(&holder.name), holder.pid),
    ))
}

/// The busy ports that a lockfile remembers, the registry does not know, and this instance holds. All of them where the
/// lockfile's process runs here: what it has started may be anywhere. A lockfile that cannot be read has none; settling says so.
pub fn own_ports(
    dirs: &Dirs,
    outside: &dyn Fn() -> Environment,
    project: &Project,
    config: &ConfigFile,
    ask: &Ask<'_>,
) -> Vec<u16> {
    let Some((lockfile, _)) = project.lockfile().ok().flatten().filter(|_| !ask.force) else { return Vec::new() };
    let state = lockfile.instance;
    let mut busy: Vec<u16> = state.ports.values().copied().collect();
    busy.retain(|port| net::probe(*port) == Probe::Busy);
    let leased = || registry::peek(dirs).is_ok_and(|leases| leases.at(project.root_text()).is_some());
    if busy.is_empty() || leased() {
        return Vec::new();
    }
    if state.process().and_then(|record| processes::recorded(&record, &project.root)).is_none() {
        busy.retain(|port| is_own(outside, project, config, &state, (*port, ask.occasion != Occasion::Typed)));
    }
    busy
}

/// Docker is not asked on a `cd`. A port there that no program of this user's holds is believed to be the cluster's, where
/// the lockfile tells of one; `silo up` asks, and moves what is not.
fn is_own(
    outside: &dyn Fn() -> Environment,
    project: &Project,
    config: &ConfigFile,
    state: &InstanceState,
    (port, on_cd): (u16, bool),
) -> bool {
    if on_cd {
        let holder = listeners::holder(port);
        return holder.map_or(state.k3d_cluster_created, |holder| processes::belongs_to(&holder, &project.root));
    }
    let parts = K3dParts { cluster: true, registry: true };
    let own = identity(&config.prefix, &state.name, parts, "");
    foreign(&outside(), &project.root, &own, port).is_none()
}
