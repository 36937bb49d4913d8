//! Whose a busy port is, asked of the process table and of Docker (design D3): an instance's own processes and containers
//! may hold its leases, anybody else's are in the way. And which ports of a lockfile without a lease this very instance
//! holds, so that taking it over moves nothing that runs.

use std::path::Path;

use super::Context;
use crate::backend::docker::Docker;
use crate::backend::tilt;
use crate::core::config::ConfigFile;
use crate::core::environment::Environment;
use crate::core::identity::{Identity, K3dParts, identity};
use crate::core::lockfile::InstanceState;
use crate::core::ports::Probe;
use crate::store::instances::Ask;
use crate::store::project::Project;
use crate::store::registry;
use crate::sys::{listeners, net, processes};

/// By what an instance's own processes and containers are known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    /// The canonical root.
    pub(super) root: &'a Path,
    /// The compose project's name.
    pub(super) compose: Option<&'a str>,
    /// The cluster's name, where there is one.
    pub(super) cluster: Option<&'a str>,
}

impl<'a> Owner<'a> {
    /// The instance of a root, by its names.
    pub(super) fn of(root: &'a Path, identity: &'a Identity) -> Self {
        let cluster = identity.k3d_cluster_name.as_deref();
        Self { root, compose: Some(&identity.compose_name), cluster }
    }
}

/// Who holds a busy port, when it is not this instance: not one of its processes, nor a container of its cluster or of
/// its compose project. Docker is called from `environment`, which must have no gate before it.
pub(super) fn foreign(environment: &Environment, owner: &Owner<'_>, port: u16) -> Option<String> {
    let holder = listeners::holder(port);
    if holder.as_ref().is_some_and(|holder| processes::belongs_to(holder, owner.root)) {
        return None;
    }
    let docker = Docker { environment, folder: owner.root };
    if let Some(found) = docker.publisher(port) {
        let ours = Some(found.compose.as_str()) == owner.compose || Some(found.cluster.as_str()) == owner.cluster;
        return (!ours).then(|| format!("the container `{}`", found.container));
    }
    Some(holder.map_or_else(
        || "a program of another user".to_owned(),
        |holder| format!("`{}` (pid {})", holder.name, holder.pid),
    ))
}

/// The busy ports that a lockfile remembers, the registry does not know, and this instance holds. All of them where the
/// lockfile's Tilt runs here: what it has started may be anywhere. A lockfile that cannot be read has none; settling says so.
pub(super) fn own_ports(context: &Context, project: &Project, config: &ConfigFile, ask: &Ask<'_>) -> Vec<u16> {
    let Some((lockfile, _)) = project.lockfile().ok().flatten().filter(|_| !ask.force) else { return Vec::new() };
    let state = lockfile.instance;
    let mut busy: Vec<u16> = state.ports.values().copied().collect();
    busy.retain(|port| net::probe(*port) == Probe::Busy);
    let leased = || registry::peek(&context.dirs).is_ok_and(|leases| leases.at(project.root_text()).is_some());
    if busy.is_empty() || leased() {
        return Vec::new();
    }
    if tilt::running(&state, &project.root).is_none() {
        busy.retain(|port| is_own(context, project, config, &state, (*port, ask.on_cd)));
    }
    busy
}

/// Docker is not asked on a `cd`. A port there that no program of this user's holds is believed to be the cluster's, where
/// the lockfile tells of one; `silo up` asks, and moves what is not.
fn is_own(
    context: &Context,
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
    foreign(&context.environment, &Owner::of(&project.root, &own), port).is_none()
}
