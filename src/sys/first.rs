//! What the first process of a container does (D33): it starts one program, takes in every orphan, and its end is the end of all others.

use std::io::ErrorKind;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::{WaitOptions, wait};

use super::cmd::{Cmd, Ended};
use crate::failure::{Failure, reason};

/// The exit code for a program that is not there, as shells have it.
const NOT_FOUND: u8 = 127;
/// The exit code for a program that cannot be run, as shells have it.
const NOT_RUNNABLE: u8 = 126;

/// The first process of a container; it does not exist elsewhere, where [`First::signal_all`] would reach every process of the user.
#[derive(Debug, Clone, Copy)]
pub struct First(());

impl First {
    /// None where this is not the first process.
    pub fn here() -> Option<Self> {
        (std::process::id() == 1).then_some(Self(()))
    }

    /// Starts a program without input, in a process group of its own; gives its process id.
    ///
    /// # Errors
    /// A [`Failure`] with exit code 127 when it is not there, and 126 when it cannot be run.
    pub fn start(self, cmd: &Cmd<'_>) -> Result<u32, Failure> {
        let program = cmd.program;
        cmd.start_alone().map_err(|error| match error.kind() {
            ErrorKind::NotFound => Failure::new(format!("The image has no program `{program}`, or not what that needs to run"))
                .hint("Name one that is in the image; a script needs the program of its first line, and most programs need a C library")
                .code(NOT_FOUND),
            _ => Failure::new(format!("Cannot run `{program}` of the image: {}", reason(&error)))
                .hint("Make it executable where the image is built; it must be for this kind of processor")
                .code(NOT_RUNNABLE),
        })
    }

    /// The next child that has ended, orphans included, and how; none where none has.
    pub fn reap(self) -> Option<(u32, Ended)> {
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => {
                    let pid = pid.as_raw_nonzero().get().unsigned_abs();
                    match (status.exit_status(), status.terminating_signal()) {
                        (Some(code), _) => return Some((pid, Ended::Code(code))),
                        (_, Some(signal)) => return Some((pid, Ended::Signal(signal))),
                        // Stopped or let go on: it lives.
                        _ => {}
                    }
                }
                Err(error) if error == rustix::io::Errno::INTR => {}
                _ => return None,
            }
        }
    }

    /// Sends a signal to each other process of the container.
    pub fn signal_all(self, signal: Signal) {
        // That there is none is what is wanted.
        let _ = kill(Pid::from_raw(-1), signal);
    }

    /// Whether any other process is left in the container.
    pub fn has_others(self) -> bool {
        kill(Pid::from_raw(-1), None) != Err(Errno::ESRCH)
    }
}
