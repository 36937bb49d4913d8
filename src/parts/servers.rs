//! What listens on the ports of instances, whoever started it: a part, compose, somebody by hand, or a stranger.

use std::collections::HashSet;
use std::path::Path;

use indexmap::IndexMap;

use super::holder::{Whose, whose};
use crate::backend::engine::Engine;
use crate::backend::publishers::Owner;
use crate::core::instance::identity::{K3dParts, identity};
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::block;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::sys::listeners::{Holder, Kind};
use crate::sys::{listeners, processes};

/// How the names begin of programs that listen for containers and virtual machines.
const FORWARDERS: [&str; 9] =
    ["docker", "com.docker", "rootlessk", "rootlessp", "slirp4netns", "pasta", "conmon", "OrbStack", "ssh"];

/// All sockets on leased ports, looked up once for many instances, and the containers that publish some.
#[derive(Default)]
pub struct Servers {
    holders: Vec<Holder>,
    /// Asked only where a socket is not seen to be an instance's own.
    containers: Vec<Owner>,
    /// Why the containers are not known, where an engine is there and does not answer.
    pub unknown: Option<Failure>,
}

/// Who listens on the ports of one instance, by variable.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Served {
    /// The instance itself, by what of it, named for people.
    pub own: IndexMap<String, String>,
    /// Somebody else, who is named for people.
    pub others: IndexMap<String, String>,
}

impl Served {
    /// The same without what the instance keeps when it is stopped, as a cluster does that is not deleted.
    #[must_use]
    pub fn without(&self, ports: &IndexMap<String, u16>, kept: &[u16]) -> Self {
        let is_kept = |name: &String| ports.get(name).is_some_and(|port| kept.contains(port));
        let own =
            self.own.iter().filter(|(name, _)| !is_kept(name)).map(|(name, by)| (name.clone(), by.clone())).collect();
        Self { own, others: self.others.clone() }
    }

    /// Who has the port or a port of the block of a variable: somebody else, and the instance itself.
    pub fn of(&self, variable: &str) -> (Option<String>, Option<String>) {
        let all = |part: &IndexMap<String, String>| {
            let mut told: Vec<&str> = Vec::new();
            for (_, who) in part.iter().filter(|(name, _)| block::variable(name) == variable) {
                if !told.contains(&who.as_str()) {
                    told.push(who);
                }
            }
            (!told.is_empty()).then(|| told.join(" and "))
        };
        (all(&self.others), all(&self.own))
    }

    /// What a program of an older silo has started has no sign of the instance and may be anywhere: while that program runs,
    /// all is believed to be its own.
    #[must_use]
    pub fn believing(mut self, state: Option<&InstanceState>, root: &Path) -> Self {
        let record = state.filter(|_| !self.others.is_empty()).and_then(InstanceState::process);
        let older =
            record.and_then(|record| processes::recorded(&record, root)).filter(|one| !processes::is_inside_any(one));
        if older.is_some() {
            self.own.extend(std::mem::take(&mut self.others));
        }
        self
    }
}

impl Servers {
    /// Looks at the ports of these instances, each with its root. The environment must be without gates.
    pub fn look(environment: &Environment, instances: &[(&Path, &IndexMap<String, u16>)]) -> Self {
        let servers = Self::of_processes(instances.iter().flat_map(|(_, ports)| ports.values()));
        let is_told = |root: &Path, port: u16| {
            let mut on = servers.on(port).peekable();
            on.peek().is_none()
                || on.all(|one| one.process.as_ref().is_some_and(|one| processes::belongs_to(one, root)))
        };
        let all_told = instances.iter().all(|(root, ports)| ports.values().all(|port| is_told(root, *port)));
        let engine = Engine::of(environment, Path::new("/")).soon();
        match if all_told { Ok(Vec::new()) } else { engine.publishers(None) } {
            Ok(containers) => Self { containers, ..servers },
            Err(failure) => Self { unknown: Some(failure), ..servers },
        }
    }

    /// Looks at processes only.
    pub fn of_processes<'a>(ports: impl IntoIterator<Item = &'a u16>) -> Self {
        let ports: HashSet<u16> = ports.into_iter().copied().collect();
        let mut holders = if ports.is_empty() { Vec::new() } else { listeners::holders(|port| ports.contains(&port)) };
        holders.retain(|holder| holder.socket.kind != Kind::Connection);
        Self { holders, ..Self::default() }
    }

    /// Looks at processes that say whose they are: those that are seen, and do not hand on to a container or a machine.
    pub fn of_seen<'a>(ports: impl IntoIterator<Item = &'a u16>) -> Self {
        let mut servers = Self::of_processes(ports);
        let says = |name: &str| !FORWARDERS.iter().any(|forwarder| name.starts_with(forwarder));
        servers.holders.retain(|holder| holder.process.as_ref().is_some_and(|process| says(&process.name)));
        servers
    }

    fn on(&self, port: u16) -> impl Iterator<Item = &Holder> {
        self.holders.iter().filter(move |holder| holder.socket.port == port)
    }

    /// Who listens on the ports of an instance.
    pub fn served(&self, (prefix, name): (&str, &str), ports: &IndexMap<String, u16>, root: &Path) -> Served {
        let own = identity(prefix, name, K3dParts { cluster: true, registry: true }, "");
        let mut served = Served::default();
        for (variable, port) in ports {
            let holders: Vec<Holder> = self.on(*port).cloned().collect();
            if holders.is_empty() {
                continue;
            }
            let containers = || self.containers.iter().filter(|owner| owner.publishes(*port)).cloned().collect();
            match whose(*port, &holders, root, &own, containers) {
                Whose::Own(who) => {
                    served.own.insert(variable.clone(), who);
                }
                Whose::Others(who) => {
                    served.others.insert(variable.clone(), who);
                }
            }
        }
        served
    }

    /// A line for each process that was started in an instance and still listens on its ports, with what ends it: nobody has
    /// ended it, and freeing a lease does not.
    pub fn left_running(&self, name: &str, ports: &IndexMap<String, u16>, root: &Path) -> Vec<String> {
        let mut found: IndexMap<u32, (String, Vec<String>)> = IndexMap::new();
        for port in ports.values() {
            let processes = self.on(*port).filter_map(|holder| holder.process.as_ref());
            for process in processes.filter(|process| processes::belongs_to(process, root)) {
                let (_, ports) = found.entry(process.pid).or_insert_with(|| (one_line(&process.name), Vec::new()));
                let port = port.to_string();
                if !ports.contains(&port) {
                    ports.push(port);
                }
            }
        }
        let line = |(pid, (program, ports)): (u32, (String, Vec<String>))| {
            format!("{name}: `{program}` (pid {pid}) still listens on {}; `kill {pid}` ends it", ports.join(" "))
        };
        found.into_iter().map(line).collect()
    }
}
