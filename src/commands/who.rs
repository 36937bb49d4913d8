//! `silo who PORT`: who holds a port, recorded and seen: a lease, a process, a container.

use std::path::Path;

use serde_json::{Value, json};

use crate::backend::docker::{Docker, Owner};
use crate::core::leases::Instance;
use crate::core::leases::ports::Probe;
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::store::registry;
use crate::sys::processes::Process;
use crate::sys::{listeners, net, processes};

/// Everything found out about a port.
struct Holders<'a> {
    lease: Option<(&'a Instance, &'a str)>,
    process: Option<Process>,
    /// The instance in which the process was started.
    instance: Option<&'a Instance>,
    container: Option<Owner>,
    taken: bool,
}

pub(super) fn run(context: &Context, port: u16, as_json: bool) -> Result<u8, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let held = |instance: &'_ &Instance| instance.ports.values().any(|held| *held == port);
    let process = listeners::holder(port);
    // Without gates: to look starts nothing.
    let outside = context.outside();
    let docker = Docker { environment: &outside, folder: Path::new("/") };
    let holders = Holders {
        lease: leases.instances.iter().find(held).and_then(|instance| {
            let (variable, _) = instance.ports.iter().find(|(_, held)| **held == port)?;
            Some((instance, variable.as_str()))
        }),
        instance: process.as_ref().and_then(|process| {
            leases.instances.iter().find(|instance| processes::belongs_to(process, Path::new(&instance.root)))
        }),
        container: docker.publisher(port),
        taken: process.is_some() || net::probe(port) == Probe::Busy,
        process,
    };
    match as_json {
        true => context.ui.answer_json(&object(port, &holders))?,
        false => context.ui.answer(&text(port, &holders))?,
    }
    let nobody = holders.lease.is_none() && holders.container.is_none() && !holders.taken;
    Ok(if nobody { code::FAILURE } else { 0 })
}

fn text(port: u16, holders: &Holders<'_>) -> String {
    let mut lines = Vec::new();
    if let Some((instance, variable)) = holders.lease {
        lines.push(format!("Leased to {} as {variable} ({})", instance.name, shown(Path::new(&instance.root))));
    }
    if let Some(container) = &holders.container {
        let of = match (container.compose.as_str(), container.cluster.as_str()) {
            ("", "") => String::new(),
            ("", cluster) => format!(" of the cluster {}", one_line(cluster)),
            (compose, _) => format!(" of the compose project {}", one_line(compose)),
        };
        lines.push(format!("Published by the container {}{of}", one_line(&container.container)));
    }
    if let Some(process) = &holders.process {
        let folder = process.folder.as_ref().map_or_else(String::new, |folder| format!(" in {}", shown(folder)));
        let of = holders.instance.map_or_else(String::new, |instance| format!(", started in {}", instance.name));
        lines.push(format!("Held by {} (pid {}{of}){folder}", one_line(&process.name), process.pid));
    } else if holders.taken && holders.container.is_none() {
        lines.push("Held by a program of another user".to_owned());
    } else if holders.lease.is_some() && holders.container.is_none() {
        lines.push("Nobody listens on it now".to_owned());
    }
    if lines.is_empty() {
        return format!("Nobody holds port {port}\n");
    }
    lines.join("\n") + "\n"
}

fn object(port: u16, holders: &Holders<'_>) -> Value {
    json!({
        "port": port,
        "taken": holders.taken,
        "lease": holders.lease.map(|(instance, variable)| json!({
            "instance": instance.name, "variable": variable, "root": instance.root,
        })),
        "process": holders.process.as_ref().map(|process| json!({
            "pid": process.pid, "name": process.name, "folder": process.folder,
            "instance": holders.instance.map(|instance| &instance.name),
        })),
        "container": holders.container.as_ref().map(|owner| json!({
            "name": owner.container,
            "cluster": Some(&owner.cluster).filter(|cluster| !cluster.is_empty()),
            "composeProject": Some(&owner.compose).filter(|compose| !compose.is_empty()),
        })),
    })
}
