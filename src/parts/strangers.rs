//! A warning of each stranger on a leased port: what is started on it fails, or a browser meets the wrong server.

use super::context::Context;
use super::servers::Servers;
use crate::core::leases::block;
use crate::core::leases::ports::Probe;
use crate::store::instances::Settled;
use crate::store::project::Project;
use crate::sys::net;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Processes that are seen, which costs a command nothing.
    Processes,
    /// Docker too, where a process does not say whose it is.
    Docker,
}

/// Warns of strangers on the ports of a settled instance.
pub fn warn(context: &Context, project: &Project, settled: &Settled, asked: Asked) {
    let (ports, identity) = (&block::spread(&settled.known.ports, &settled.blocks), &settled.identity);
    // A try to bind costs a hundredth of the kernel's tables, and whoever listens or takes datagrams is in its way.
    if ports.values().all(|port| net::probe(*port) == Probe::Free) {
        return;
    }
    let servers = match asked {
        Asked::Processes => Servers::of_seen(ports.values()),
        Asked::Docker => Servers::look(&context.outside(), &[(&project.root, ports)]),
    };
    let served = servers.served((&identity.prefix, &identity.name), ports, &project.root);
    if served.others.is_empty() {
        return;
    }
    let state = project.lockfile().ok().flatten().map(|(lockfile, _)| lockfile.instance);
    let served = served.believing(state.as_ref(), &project.root);
    for (name, who) in &served.others {
        let port = ports.get(name).copied().unwrap_or_default();
        let name = block::variable(name);
        context.ui.warn(&format!("Port {port} ({name}) is held by {who}; `silo env --move {name}` moves it"));
    }
}
