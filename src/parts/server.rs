//! Starting and stopping the servers of `silo-proxy`, the program beside silo: the proxy and the gateway. Each holds a lock as long as
//! it lives.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc::SIGTERM;

use super::beside;
use super::context::Context;
use crate::failure::Failure;
use crate::store::gateway;
use crate::sys::cmd::{self, Cmd};
use crate::sys::dirs::Dirs;
use crate::sys::processes::Process;
use crate::sys::{files, lock};

/// How long one may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// Largest log that is shown, in bytes.
const LOG: u64 = 1024 * 1024;

/// One of the servers.
pub struct Server {
    /// What it is called in a sentence.
    pub what: &'static str,
    /// The word that starts it.
    pub word: &'static str,
    /// The lock it holds.
    pub lock: PathBuf,
    /// What it says in the background.
    pub log: PathBuf,
}

/// The gateway.
pub fn gateway(dirs: &Dirs) -> Server {
    let (lock, log) = (gateway::lock_path(dirs), gateway::log_path(dirs));
    Server { what: "gateway", word: "gateway", lock, log }
}

/// Sees to it that a gateway runs: the one that does, or a new one, in the background where that is wanted, else in silo's place.
///
/// # Errors
/// A [`Failure`] with what it said, where it does not start.
pub fn gateway_up(context: &Context, detach: bool) -> Result<gateway::Running, Failure> {
    let running = || gateway::running(&context.dirs);
    match running() {
        Some(running) => Ok(running),
        None => gateway(&context.dirs).up(context, detach, running),
    }
}

impl Server {
    /// Starts it in silo's place, or in the background until `running` tells that it serves.
    ///
    /// # Errors
    /// A [`Failure`] with what it said, where it does not start.
    pub fn up<T>(&self, context: &Context, detach: bool, running: impl Fn() -> Option<T>) -> Result<T, Failure> {
        let (path, environment) = (beside::proxy(context)?, context.outside());
        let arguments: Vec<OsString> = vec![self.word.into()];
        if !detach {
            return Err(cmd::exec(path.as_os_str(), &arguments, &environment, Some(Path::new("/"))));
        }
        let folder = self.log.parent().expect("it lies in a folder");
        files::make_folder(folder)?;
        let program = path.to_string_lossy();
        let cmd = Cmd { program: &program, arguments, environment: &environment, folder: Path::new("/") };
        // Shells that start it at once take turns, and the second one finds that of the first.
        lock::in_turn(folder, PATIENCE, || self.start(&cmd, &running))
    }

    /// Starts it in the background; where another `silo` has begun to, that one counts.
    fn start<T>(&self, cmd: &Cmd<'_>, running: &impl Fn() -> Option<T>) -> Result<T, Failure> {
        let start = Instant::now();
        let mut child = None;
        loop {
            if let Some(running) = running() {
                return Ok(running);
            }
            let is_held = lock::holder(&self.lock).is_some();
            if child.is_none() && !is_held {
                child = Some(cmd.detach(&self.log)?);
            }
            // One that finds the lock held by another ends at once.
            let has_ended = child.as_mut().is_some_and(cmd::Detached::has_ended);
            if has_ended && !is_held || start.elapsed() > PATIENCE {
                return Err(self.unstarted());
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Why it did not start, as its log says.
    fn unstarted(&self) -> Failure {
        let said = files::read(&self.log, LOG).ok().flatten().map(|log| log.bytes).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines().filter(|line| !line.trim().is_empty());
        let first = lines.next().unwrap_or("it says nothing").trim_start_matches("Error: ").to_owned();
        let mut failure = Failure::new(format!("The {} did not start: {first}", self.what));
        for line in lines {
            match (line.strip_prefix("Hint: "), line.trim_start().strip_prefix("--> ")) {
                (Some(hint), _) => failure = failure.hint(hint),
                (_, Some(place)) => failure.place = Some(place.to_owned()),
                _ => {}
            }
        }
        failure
    }

    /// The process that holds its lock.
    pub fn process(&self) -> Option<Process> {
        lock::signer(&self.lock, beside::PROXY)
    }

    /// Stops it, and waits until it has ended.
    ///
    /// # Errors
    /// A [`Failure`] when it does not end.
    pub fn down(&self, context: &Context) -> Result<u8, Failure> {
        let what = self.what;
        let Some(process) = self.process() else {
            context.ui.step(&format!("No {what} runs"));
            return Ok(0);
        };
        cmd::send(process.pid, SIGTERM);
        let start = Instant::now();
        // Another `silo` may start the next one at once.
        while lock::holding(&self.lock) == Some(process.pid) {
            if start.elapsed() > PATIENCE {
                let pid = process.pid;
                return Err(Failure::new(format!("The {what} (pid {pid}) did not stop"))
                    .hint(format!("End it hard: `kill -9 {pid}`")));
            }
            std::thread::sleep(LOOK);
        }
        context.ui.step(&format!("The {what} has stopped"));
        Ok(0)
    }
}
