//! `silo who [PORT]`: who holds a port or an address, recorded and seen: a lease, processes with their addresses, containers.

mod address;
mod all;
mod asked;

use std::path::Path;

use serde_json::{Value, json};

use crate::backend::engine::Engine;
use crate::backend::publishers::{self, Owner};
use crate::core::leases::Instance;
use crate::core::leases::block;
use crate::core::leases::ports::Probe;
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::parts::holder::{by_process, on, said};
use crate::store::registry;
use crate::sys::listeners::{Holder, Kind};
use crate::sys::processes::Process;
use crate::sys::{listeners, net, processes};

/// Everything found out about a port.
struct Holders<'a> {
    lease: Option<(&'a Instance, &'a str)>,
    sockets: Vec<Holder>,
    /// All instances, for those in which a process was started.
    instances: &'a [Instance],
    containers: Vec<Owner>,
    /// Why the containers are not known.
    unknown: Option<&'a Failure>,
    taken: bool,
}

pub(super) fn run(context: &Context, word: Option<&str>, as_json: bool) -> Result<u8, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let Some(word) = word else { return all::run(context, &leases, as_json) };
    if let Some(address) = address::asked(word) {
        return address::run(context, &leases, address, as_json);
    }
    // Without gates: to look starts nothing.
    let outside = context.outside();
    let asked = asked::ports(context, &leases, word)?;
    let all = listeners::holders(|one| asked.contains(&one));
    let only = asked.first().copied().filter(|_| asked.len() == 1);
    let published = Engine::of(&outside, Path::new("/")).soon().publishers(only);
    let look = |port: u16| {
        let sockets: Vec<Holder> = all.iter().filter(|one| one.socket.port == port).cloned().collect();
        let containers = published.iter().flatten().filter(|owner| only.is_some() || owner.publishes(port));
        let holders = Holders {
            lease: leases.holder(port).and_then(|instance| Some((instance, instance.variable_of(port)?.0))),
            containers: containers.cloned().collect(),
            unknown: published.as_ref().err(),
            taken: !sockets.is_empty() || net::probe(port) == Probe::Busy,
            instances: &leases.instances,
            sockets,
        };
        (port, holders)
    };
    let seen: Vec<(u16, Holders<'_>)> = asked.iter().copied().map(look).collect();
    let Some(((port, first), others)) = seen.split_first() else { return Ok(code::FAILURE) };
    if let Some(failure) = &first.unknown {
        context.ui.warn(&format!("{}; containers are left out", failure.what));
    }
    match (as_json, others) {
        (true, []) => context.ui.answer_json(&object(*port, first))?,
        (true, _) => {
            let mut whole = object(*port, first);
            whole["others"] = others.iter().map(|(port, holders)| object(*port, holders)).collect();
            context.ui.answer_json(&whole)?;
        }
        (false, []) => context.ui.answer(&text(*port, first))?,
        (false, _) => context.ui.answer(&of_block(&seen))?,
    }
    let nobody = |holders: &Holders<'_>| holders.lease.is_none() && holders.containers.is_empty() && !holders.taken;
    Ok(if seen.iter().all(|(_, holders)| nobody(holders)) { code::FAILURE } else { 0 })
}

/// The ports of a block, of which each may be somebody else's.
fn of_block(seen: &[(u16, Holders<'_>)]) -> String {
    let mut lines: Vec<String> = seen.first().and_then(|(port, holders)| leased(*port, holders)).into_iter().collect();
    let before = lines.len();
    for (port, holders) in seen {
        lines.extend(by(*port, holders).iter().map(|line| format!("{port}: {line}")));
    }
    if lines.len() == before {
        lines.push("Nobody listens on them now".to_owned());
    }
    lines.join("\n") + "\n"
}

fn text(port: u16, holders: &Holders<'_>) -> String {
    let mut lines: Vec<String> = leased(port, holders).into_iter().collect();
    lines.extend(by(port, holders));
    match lines.len() {
        0 => format!("Nobody holds port {port}\n"),
        1 if holders.lease.is_some() => format!("{}\nNobody listens on it now\n", lines[0]),
        _ => lines.join("\n") + "\n",
    }
}

/// Whose lease it is.
fn leased(port: u16, holders: &Holders<'_>) -> Option<String> {
    let (instance, variable) = holders.lease?;
    let first = instance.ports.get(variable).copied().unwrap_or(port);
    let among = match instance.blocks.contains_key(variable) {
        true => format!(" {}", block::shown(variable, first, &instance.blocks)),
        false => String::new(),
    };
    Some(format!("Leased to {} as {variable}{among} ({})", instance.name, shown(Path::new(&instance.root))))
}

/// Who has it.
fn by(port: u16, holders: &Holders<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(holders.containers.iter().map(|owner| published(holders, owner)));
    // A container's socket is one of the engine's own program, which only says the same again.
    let is_told = |one: &&Holder| {
        let is_seen = one.process.as_ref().is_some_and(|process| !publishers::is_engines(&process.name));
        is_seen || !holders.containers.iter().any(|owner| owner.has(one.socket.address, port))
    };
    for (holder, addresses) in by_process(holders.sockets.iter().filter(is_told)) {
        lines.push(line(holders, holder, &addresses));
    }
    if holders.sockets.is_empty() && holders.containers.is_empty() && holders.taken {
        lines.push(format!("Held by {}", listeners::UNSEEN));
    }
    lines
}

/// One container: the service that it is, or the cluster's.
fn published(holders: &Holders<'_>, owner: &Owner) -> String {
    let name = one_line(&owner.container);
    let of = match (owner.compose.as_str(), owner.cluster.as_str()) {
        ("", "") => String::new(),
        ("", cluster) => format!(" of the cluster {}", one_line(cluster)),
        (compose, _) => match holders.instance_of(owner) {
            Some(instance) => format!(" of {}", instance.name),
            None => format!(" of the compose project {}", one_line(compose)),
        },
    };
    if owner.service.is_empty() {
        return format!("Published by the container {name}{of}");
    }
    let status = one_line(&owner.status);
    format!("Published by the service {}{of}: container {name}, {status}", one_line(&owner.service))
}

/// One process, or one user's program that is not seen, with the addresses of its sockets.
fn line(holders: &Holders<'_>, holder: &Holder, addresses: &[String]) -> String {
    let kind = if holder.socket.kind == Kind::Connection { "In use by a connection of" } else { "Held by" };
    let Some(process) = &holder.process else { return format!("{kind} {}{}", said(holder), on(addresses)) };
    // That of the engine says nothing of who published the port.
    let folder = process.folder.as_ref().filter(|_| !publishers::is_engines(&process.name));
    let folder = folder.map_or_else(String::new, |folder| format!(" in {}", shown(folder)));
    let of = holders.started_in(process).map_or_else(String::new, |instance| format!(", started in {}", instance.name));
    format!("{kind} {} (pid {}{of}){folder},{}", one_line(&process.name), process.pid, on(addresses))
}

impl Holders<'_> {
    /// The instance in which a process was started.
    fn started_in(&self, process: &Process) -> Option<&Instance> {
        self.instances.iter().find(|instance| processes::belongs_to(process, Path::new(&instance.root)))
    }

    /// The instance whose service a container is. One that silo did not make is, if it was made in the instance's folder.
    fn instance_of(&self, owner: &Owner) -> Option<&Instance> {
        self.instances.iter().find(|one| {
            one.qualified() == owner.compose
                && (one.id == owner.instance || Path::new(&owner.folder).starts_with(&one.root))
        })
    }

    fn container(&self, owner: &Owner) -> Value {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        json!({
            "name": owner.container,
            "cluster": given(&owner.cluster),
            "composeProject": given(&owner.compose),
            "service": given(&owner.service),
            "instance": self.instance_of(owner).map(|instance| &instance.name),
            "status": given(&owner.status),
        })
    }

    fn process(&self, process: &Process) -> Value {
        let instance = self.started_in(process).map(|instance| &instance.name);
        json!({ "pid": process.pid, "name": process.name, "folder": process.folder, "instance": instance })
    }
}

fn object(port: u16, holders: &Holders<'_>) -> Value {
    let socket = |holder: &Holder| {
        json!({
            "address": holder.socket.address,
            "kind": match holder.socket.kind {
                Kind::Listens => "tcp",
                Kind::Datagrams => "udp",
                Kind::Connection => "connection",
            },
            "user": holder.socket.user,
            "process": holder.process.as_ref().map(|process| holders.process(process)),
        })
    };
    json!({
        "port": port,
        "taken": holders.taken,
        "lease": holders.lease.map(|(instance, variable)| json!({
            "instance": instance.name, "variable": variable, "root": instance.root,
        })),
        // The first of each, as before there could be more.
        "process": holders.sockets.iter().find_map(|holder| holder.process.as_ref()).map(|one| holders.process(one)),
        "container": holders.containers.first().map(|one| holders.container(one)),
        "sockets": holders.sockets.iter().map(socket).collect::<Vec<_>>(),
        "containers": holders.containers.iter().map(|one| holders.container(one)).collect::<Vec<_>>(),
        "containersUnknown": holders.unknown.as_ref().map(|failure| &failure.what),
    })
}
