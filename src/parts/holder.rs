//! Whose a busy port is (D3): this instance's own process or container, or somebody else's. And which ports of a
//! lockfile without a lease this very instance holds, so that taking it over moves nothing that runs.

use std::path::Path;
use std::time::Duration;

use crate::backend::engine::Engine;
use crate::backend::publishers::{Owner, is_engines};
use crate::core::config::{API_PORT, ConfigFile, REGISTRY_PORT, Text};
use crate::core::formats::kubeconfig;
use crate::core::instance::identity::{Identity, K3dParts, identity};
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::block;
use crate::core::leases::ports::Probe;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::store::ask::{Ask, Occasion};
use crate::store::project::Project;
use crate::store::registry;
use crate::store::shared::{self, Repository};
use crate::sys::dirs::Dirs;
use crate::sys::listeners::{Holder, Kind};
use crate::sys::{files, listeners, net, processes};

/// Largest kubeconfig that is read, in bytes.
const KUBECONFIG: u64 = 1024 * 1024;

/// How often and how soon it is looked again for which container an engine listens on a port.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// Whose the sockets on a port are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// All are this instance's, named for people.
    Own(String),
    /// These are somebody else's, for people.
    Others(String),
}

/// Whose the sockets on a port are. A stranger among them is a stranger, for a browser may meet either. `publishers` tells the
/// containers that publish the port; it is asked only where a process does not say enough.
pub fn whose(
    port: u16,
    holders: &[Holder],
    root: &Path,
    own: &Identity,
    publishers: impl FnOnce() -> Vec<Owner>,
) -> Whose {
    let mut strangers: Vec<&Holder> = holders
        .iter()
        .filter(|one| !one.process.as_ref().is_some_and(|one| processes::belongs_to(one, root)))
        .collect();
    let of_processes = |holders: &[&Holder]| -> Vec<String> {
        let told = by_process(holders.iter().copied());
        told.iter().map(|(first, addresses)| format!("{}{}", said(first), on(addresses))).collect()
    };
    let own_processes = || {
        let seen =
            holders.iter().filter(|one| one.process.as_ref().is_some_and(|one| processes::belongs_to(one, root)));
        of_processes(&seen.collect::<Vec<_>>())
    };
    if strangers.is_empty() && !holders.is_empty() {
        return Whose::Own(own_processes().join(" and "));
    }
    let owners = publishers();
    // A container's port is listened on by a process of Docker's.
    strangers.retain(|one| !owners.iter().any(|owner| owner.has(one.socket.address, port)));
    let shared =
        owners.iter().any(|owner| owner.compose.starts_with(shared::PREFIX)).then(|| Repository::of(root).project);
    let is_shared = |owner: &Owner| shared.as_ref().is_some_and(|shared| *shared == owner.compose);
    let is_own = |owner: &&Owner| {
        is_shared(owner) || owner.compose == own.compose_name || Some(&owner.cluster) == own.k3d_cluster_name.as_ref()
    };
    let mut named: Vec<String> = owners.iter().filter(|owner| !is_own(owner)).map(container).collect();
    named.extend(of_processes(&strangers));
    if named.is_empty() && owners.is_empty() {
        named.push(listeners::UNSEEN.to_owned());
    }
    if named.is_empty() {
        return Whose::Own(owners.iter().map(own_container).chain(own_processes()).collect::<Vec<_>>().join(" and "));
    }
    Whose::Others(named.join(" and "))
}

/// Who holds a port, when it is not the instance of a root: not one of its processes, nor a container of its cluster or of
/// its compose project. The environment must be without gates: one before `docker` would ask this again.
pub fn foreign(environment: &Environment, root: &Path, own: &Identity, port: u16) -> Option<String> {
    look(environment, root, own, port, 0).map(|(who, _)| who)
}

/// The same for a port on which the instance may run: where the engine has it and does not say for which container, nothing that
/// runs is moved away from it. That takes up to a second where nobody tells whose the port is.
pub fn surely_foreign(environment: &Environment, root: &Path, own: &Identity, port: u16) -> Option<String> {
    look(environment, root, own, port, TRIES).filter(|(_, is_sure)| *is_sure).map(|(who, _)| who)
}

/// Who holds a port that is not the instance's own, and whether that is sure; looked at again so many times where it is not known for
/// which container an engine listens.
fn look(environment: &Environment, root: &Path, own: &Identity, port: u16, mut tries: u32) -> Option<(String, bool)> {
    let engine = Engine::of(environment, root).soon();
    // An engine that does not run may have left its programs, which have names.
    let may_be_unseen = !engine.is_absent();
    let may_be_the_engines =
        |one: &&Holder| one.process.as_ref().map_or(may_be_unseen, |process| is_engines(&process.name));
    let is_strange = |one: &Holder| !one.process.as_ref().is_some_and(|one| processes::belongs_to(one, root));
    loop {
        let holders = listeners::holders(|one| one == port);
        let (mut is_silent, mut is_published) = (false, false);
        let publishers = || {
            let owners = engine.publishers(Some(port));
            is_silent = owners.is_err();
            let owners = owners.unwrap_or_default();
            is_published = !owners.is_empty();
            owners
        };
        let Whose::Others(who) = whose(port, &holders, root, own, publishers) else { return None };
        // Who held it may have closed it since the port was found busy.
        if net::probe(port) == Probe::Free {
            return None;
        }
        let mut strangers = holders.iter().filter(|one| is_strange(one)).peekable();
        let is_for_somebody = !is_published
            && if strangers.peek().is_some() { strangers.all(|one| may_be_the_engines(&one)) } else { may_be_unseen };
        if !is_for_somebody || is_silent || tries == 0 {
            return Some((who, !(is_for_somebody && is_silent)));
        }
        // The engine listens for a container a moment before it lists it as one that runs, and maybe a moment longer.
        tries -= 1;
        std::thread::sleep(PAUSE);
    }
}

/// The sockets of each process, and of those whose process is not seen: the first one, and the addresses of all.
pub fn by_process<'a>(holders: impl IntoIterator<Item = &'a Holder>) -> Vec<(&'a Holder, Vec<String>)> {
    let mut found: Vec<(&Holder, Vec<String>)> = Vec::new();
    for holder in holders {
        let pid = |one: &Holder| one.process.as_ref().map(|process| process.pid);
        let is_udp = holder.socket.kind == Kind::Datagrams;
        let address = format!("{}{}", holder.socket.address, if is_udp { " (UDP)" } else { "" });
        let same = |(one, _): &&mut (&Holder, _)| {
            (pid(one), one.socket.user, one.socket.kind == Kind::Connection)
                == (pid(holder), holder.socket.user, holder.socket.kind == Kind::Connection)
        };
        match found.iter_mut().find(same) {
            Some((_, addresses)) if addresses.contains(&address) => {}
            Some((_, addresses)) => addresses.push(address),
            None => found.push((holder, vec![address])),
        }
    }
    found
}

/// A container that publishes a port, for people.
fn container(owner: &Owner) -> String {
    format!("the container `{}`", one_line(&owner.container))
}

/// One of the instance itself: by its service, where it has one.
fn own_container(owner: &Owner) -> String {
    match owner.service.as_str() {
        "" => container(owner),
        service => format!("the service `{}`", one_line(service)),
    }
}

/// ` on ADDRESS and ADDRESS`.
pub fn on(addresses: &[String]) -> String {
    format!(" on {}", addresses.join(" and "))
}

/// Who has a socket, for people.
pub fn said(holder: &Holder) -> String {
    let who = match (&holder.process, holder.socket.user) {
        (Some(process), _) => format!("`{}` (pid {})", one_line(&process.name), process.pid),
        (None, Some(user)) if user == rustix::process::geteuid().as_raw() => "a program that is not seen".to_owned(),
        (None, _) => "a program of another user".to_owned(),
    };
    match holder.socket.kind {
        Kind::Connection => format!("a connection of {who}"),
        Kind::Listens | Kind::Datagrams => who,
    }
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
    let mut busy: Vec<(String, u16)> = block::spread(&state.ports, &state.blocks).into_iter().collect();
    busy.retain(|(_, port)| net::probe(*port) == Probe::Busy);
    let leased = || registry::peek(dirs).is_ok_and(|leases| leases.at(project.root_text()).is_some());
    if busy.is_empty() || leased() {
        return Vec::new();
    }
    if state.process().and_then(|record| processes::recorded(&record, &project.root)).is_none() {
        let environment = (ask.occasion == Occasion::Typed).then(outside);
        busy.retain(|(name, port)| match &environment {
            Some(environment) => {
                let parts = K3dParts { cluster: true, registry: true };
                let own = identity(&config.prefix, &state.name, parts, "");
                surely_foreign(environment, &project.root, &own, *port).is_none()
            }
            None => is_own_on_cd(dirs, project, config, &state, (name, *port)),
        });
    }
    busy.into_iter().map(|(_, port)| port).collect()
}

/// Docker is not asked on a `cd`. A port there that no program of this user's holds is believed to be the cluster's, where it could
/// be; `silo up` asks, and moves what is not.
fn is_own_on_cd(
    dirs: &Dirs,
    project: &Project,
    config: &ConfigFile,
    state: &InstanceState,
    (name, port): (&str, u16),
) -> bool {
    let holders = listeners::holders(|one| one == port);
    let seen: Vec<_> = holders.iter().filter_map(|holder| holder.process.as_ref()).collect();
    if !seen.is_empty() {
        return seen.iter().all(|process| processes::belongs_to(process, &project.root));
    }
    // What listens for a container is root's, or this user's own; never another user's.
    let own = [0, rustix::process::geteuid().as_raw()];
    holders.iter().all(|holder| holder.socket.user.is_none_or(|user| own.contains(&user)))
        && could_be_clusters(dirs, config, state, (name, port))
}

/// Whether the lockfile says that a cluster was made, this user's own kubeconfig of it says so too, for a lockfile may be a
/// stranger's (D5), and the cluster would publish the port of this variable.
fn could_be_clusters(dirs: &Dirs, config: &ConfigFile, state: &InstanceState, (name, port): (&str, u16)) -> bool {
    let settings = config.settings(state.profile.as_deref()).filter(|settings| settings.k3d.cluster);
    let (true, Some(settings)) = (state.k3d_cluster_created, settings) else { return false };
    let own =
        identity(&config.prefix, &state.name, K3dParts { cluster: true, registry: true }, &dirs.home.to_string_lossy());
    let (Some(cluster), Some(path)) = (own.k3d_cluster_name, own.kubeconfig_path) else { return false };
    let there = files::read(Path::new(&path), KUBECONFIG).ok().flatten();
    let Some(text) = there.map(|there| String::from_utf8_lossy(&there.bytes).into_owned()) else { return false };
    let published = |text: &Text| text.value.contains(&format!("${{{name}}}"));
    kubeconfig::is_only_of(&text, &cluster)
        && match name {
            API_PORT => kubeconfig::api_port(&text) == Some(port),
            _ => name == REGISTRY_PORT.0 && settings.k3d.registry || settings.k3d_args.iter().any(published),
        }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

    use super::*;

    #[test]
    fn a_port_that_was_closed_meanwhile_is_nobody_s() {
        let environment: Environment = [("PATH", "/nowhere"), ("DOCKER_HOST", "unix:///nowhere")].into_iter().collect();
        let own = identity("localnet", "dev", K3dParts { cluster: false, registry: false }, "");
        let who = |port| foreign(&environment, Path::new("/nowhere"), &own, port);
        let held = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let held = held.expect("there are sockets");
        bind(&held, &SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).expect("there are ports");
        let port = rustix::net::getsockname(&held).ok().and_then(|at| SocketAddr::try_from(at).ok());
        let port = port.expect("it is bound").port();
        assert_eq!(who(port).as_deref(), Some(listeners::UNSEEN));
        drop(held);
        // A child of another test's thread has all that is open until it runs its program.
        let end = std::time::Instant::now() + Duration::from_mins(1);
        while who(port).is_some() {
            assert!(std::time::Instant::now() < end, "{:?}", who(port));
        }
    }
}
