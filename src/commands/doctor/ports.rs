//! Leases against listeners: a leased port may be held by its own instance, and by nobody else.

use std::path::Path;
use std::time::Duration;

use super::scene::Scene;
use crate::core::instance::identity::{K3dParts, identity};
use crate::core::leases::block;
use crate::core::leases::ports::Probe;
use crate::core::text::source::one_line;
use crate::failure::quoted;
use crate::parts;
use crate::parts::finding::Finding;
use crate::parts::holder::foreign;
use crate::parts::strays;
use crate::store::project::{CONFIG_NAME, Project};
use crate::sys::processes::{self, Process};
use crate::sys::{files, listeners, net, together};

/// How long process table and Docker may take.
const LIMIT: Duration = Duration::from_secs(3);

/// A leased port that somebody listens on.
struct Busy {
    root: String,
    prefix: String,
    instance: String,
    variable: String,
    port: u16,
}

/// Whether `silo up` has something to run in a root; one that cannot be read is not judged.
fn can_run(root: &Path) -> bool {
    let config = Project::read(&root.join(CONFIG_NAME)).and_then(|project| project.config());
    config.ok().and_then(|config| config.settings(None)).is_none_or(|settings| parts::can_run(&settings, root))
}

/// A process of an instance on one of its ports that nobody looks after: what started it is gone.
fn orphan(port: u16, root: &Path) -> Option<Process> {
    let stray = strays::on(port, root)?;
    let parent = processes::look(stray.parent);
    let adopted = |parent: Process| ["init", "systemd", "launchd"].contains(&parent.name.as_str());
    (stray.parent <= 1 || parent.is_some_and(adopted)).then_some(stray)
}

/// Every leased port that somebody else holds, or an orphan of the instance's own.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let listening = listeners::ports();
    let is_busy = |port: u16| match &listening {
        Some(ports) => ports.contains(&port),
        None => net::probe(port) == Probe::Busy,
    };
    let mut busy = Vec::new();
    for instance in &scene.leases.instances {
        for (variable, port) in instance.spread().into_iter().filter(|(_, port)| is_busy(*port)) {
            let (root, prefix, name) = (instance.root.clone(), instance.prefix.clone(), instance.name.clone());
            let variable = block::variable(&variable).to_owned();
            busy.push(Busy { root, prefix, instance: name, variable, port });
        }
    }
    let environment = scene.outside.clone();
    let answers = together::ask(busy, LIMIT, move |busy| {
        let root = Path::new(&busy.root);
        let held_by_own = files::exists(root).then(|| orphan(busy.port, root)).flatten();
        if let Some(process) = held_by_own {
            let Busy { instance, variable, port, .. } = busy;
            let name = one_line(&process.name);
            let what = format!("`{name}` (pid {}) of `{instance}` still listens on {port} ({variable})", process.pid);
            return Some(
                Finding::note("port-orphan", what)
                    .at(root)
                    .why("What started it is gone, as after `kill -9`; unless it is meant to stay, the next start of it fails")
                    .remedy(format!("silo up --kill -C {}", quoted(root))),
            );
        }
        let own = identity(&busy.prefix, &busy.instance, K3dParts { cluster: true, registry: true }, "");
        let who = files::exists(root).then(|| foreign(&environment, root, &own, busy.port)).flatten()?;
        let Busy { instance, variable, port, .. } = busy;
        let finding =
            Finding::problem("port-taken", format!("Port {port} ({variable} of `{instance}`) is held by {who}"));
        let (why, remedy) = match can_run(root) {
            true => ("What this instance starts on it fails; `silo up` moves the lease, and says so", "up"),
            false => {
                ("What this instance starts on it fails; chosen again, no port is one that is in use", "env --force")
            }
        };
        Some(finding.at(root).why(why).remedy(format!("silo {remedy} -C {}", quoted(root))))
    });
    answers.into_iter().flatten().flatten().collect()
}
