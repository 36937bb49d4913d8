//! The `silo up` that holds `up.lock` of an instance: it is still starting it, or keeps a program in its terminal.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::libc::SIGTERM;

use super::part::Part;
use crate::core::instance::lockfile::InstanceState;
use crate::failure::Failure;
use crate::store::project::Project;
use crate::sys::dirs::Dirs;
use crate::sys::processes::{self, Process};
use crate::sys::{cmd, lock};

/// How long it gets to end: its own child may need a moment.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);

/// A `silo up` of an instance.
pub struct Starter {
    process: Process,
    lock: PathBuf,
}

impl Starter {
    /// The one of a project; none where nobody holds the lock, or this command runs below it, as in a lifecycle hook.
    pub fn of(dirs: &Dirs, project: &Project) -> Option<Self> {
        let lock = dirs.up_lock(&project.root);
        let process = lock::signer(&lock, "silo")?;
        let is_above = || processes::above().iter().any(|above| above.pid == process.pid);
        let is_it = process.pid != std::process::id() && !is_above();
        is_it.then_some(Self { process, lock })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.pid
    }

    /// Whether it has a program in its terminal, and passes signals on to it.
    pub fn keeps(&self, program: &Process) -> bool {
        program.parent == self.process.pid && processes::are_in_one_group(program.pid, self.process.pid)
    }

    /// Whether one of the parts that run is in its terminal: it has started all then.
    pub fn has_started(&self, parts: &[&dyn Part], state: &InstanceState, project: &Project) -> bool {
        parts.iter().filter_map(|part| part.process(state, &project.root)).any(|program| self.keeps(&program))
    }

    /// Asks it to stop, and waits until it has released the instance.
    ///
    /// # Errors
    /// A [`Failure`] when it does not.
    pub fn end(&self) -> Result<(), Failure> {
        if !self.holds() {
            return Ok(());
        }
        cmd::send(self.process.pid, SIGTERM);
        let start = Instant::now();
        while self.holds() {
            if start.elapsed() > PATIENCE {
                let (pid, seconds) = (self.process.pid, PATIENCE.as_secs());
                return Err(Failure::new(format!(
                    "The `silo up` on the way (pid {pid}) did not stop within {seconds} s"
                ))
                .hint(format!("See what it waits for, or end it hard: `kill -9 {pid}`")));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn holds(&self) -> bool {
        lock::holder(&self.lock).is_some()
            && processes::look(self.process.pid).is_some_and(|now| now.is_still(&self.process))
    }
}
