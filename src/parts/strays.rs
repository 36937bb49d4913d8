//! What of an instance still holds its ports though the instance does not run: servers that outlived what
//! started them, or were started by hand. They are named, and ended where that is asked for.

use std::path::Path;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use nix::libc::{SIGKILL, SIGTERM};

use super::context::Context;
use super::servers::Servers;
use crate::core::instance::identity::Identity;
use crate::core::leases::block;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::store::instances::Settled;
use crate::sys::cmd;
use crate::sys::listeners::{self, Kind};
use crate::sys::processes::{self, Process};

/// How long one gets to end after TERM before it is killed, and again until it is gone.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many processes one port may have.
const MOST: usize = 16;
/// How often it is looked whether it is.
const LOOK: Duration = Duration::from_millis(20);

/// A process of an instance that listens on a port of the instance; not one that silo was called from.
pub fn on(port: u16, root: &Path) -> Option<Process> {
    let is_above = |process: &Process| processes::above().iter().any(|above| above.pid == process.pid);
    let holders = listeners::holders(|asked| asked == port).into_iter();
    let served = holders.filter(|holder| holder.socket.kind != Kind::Connection).filter_map(|holder| holder.process);
    served.filter(|process| processes::belongs_to(process, root)).find(|process| !is_above(process))
}

/// The same, where its own environment proves that it was started inside; that it works in the folder is no proof.
fn proved(port: u16, root: &Path) -> Option<Process> {
    on(port, root).filter(|process| processes::is_inside(process, root))
}

/// A line for each port of an instance that somebody holds after the instance was stopped, own servers first; what its own
/// kept cluster publishes is as it should be.
pub fn lines(context: &Context, settled: &Settled, own: &Identity, root: &Path) -> Vec<String> {
    let (known, ports) = (&settled.known, &block::spread(&settled.known.ports, &settled.blocks));
    let servers = Servers::look(&context.outside(), &[(root, ports)]);
    let mut lines = servers.left_running(&known.name, ports, root);
    let served = servers.served((&own.prefix, &known.name), ports, root);
    lines.extend(served.others.iter().map(|(variable, who)| {
        let port = ports.get(variable).copied().unwrap_or_default();
        format!("Port {port} ({}) is held by {who}", block::variable(variable))
    }));
    lines
}

/// Ends every process that was started in the instance and listens on one of its ports: TERM, then KILL, each only for the very process that was
/// looked at.
///
/// # Errors
/// A [`Failure`] when one is still there after both, or something starts it again and again.
pub fn end(context: &Context, ports: &IndexMap<String, u16>, root: &Path) -> Result<(), Failure> {
    for (name, port) in ports {
        let variable = block::variable(name);
        // A socket may be several processes' own.
        for _ in 0..MOST {
            let Some(process) = proved(*port, root) else { break };
            let (name, pid) = (one_line(&process.name), process.pid);
            context.ui.step(&format!("Ending `{name}` (pid {pid}), which listens on {port} ({variable})"));
            if !ends(&process, SIGTERM) && !ends(&process, SIGKILL) {
                return Err(Failure::new(format!("`{name}` (pid {pid}) does not end"))
                    .hint(format!("See what it is: `ps -fp {pid}`")));
            }
        }
        if let Some(process) = proved(*port, root) {
            let (name, pid) = (one_line(&process.name), process.pid);
            return Err(Failure::new(format!("Something starts `{name}` again on port {port} ({variable})"))
                .hint(format!("See what does: `ps -o pid,ppid,args -p {pid}`")));
        }
    }
    Ok(())
}

fn ends(process: &Process, signal: i32) -> bool {
    let lives = || processes::look(process.pid).is_some_and(|now| now.is_still(process));
    if lives() {
        cmd::send(process.pid, signal);
    }
    let start = Instant::now();
    while lives() && start.elapsed() < PATIENCE {
        std::thread::sleep(LOOK);
    }
    !lives()
}
