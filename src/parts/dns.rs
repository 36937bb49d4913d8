//! The user's own name server: started, told from others, and stopped (D27).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::backend::dnsmasq;
use crate::core::config::user_network::NetworkSettings;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::store::names;
use crate::sys::cmd;
use crate::sys::dirs::Dirs;
use crate::sys::processes::{self, Process};
use crate::sys::writing::{self, Writing};
use crate::sys::{dns, files, lock};

/// How long it may take until it answers.
const START: Duration = Duration::from_secs(5);
/// How long it may take until it has ended.
const STOP: Duration = Duration::from_secs(5);
/// How long one answer may take.
const ASK: Duration = Duration::from_millis(200);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(20);
/// Largest record and log that are read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// A name server that was started, and so is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its process id.
    pub pid: u32,
    /// The process as no clock changes it, where the system tells.
    pub birth: Option<String>,
    /// Where it listens.
    pub port: u16,
    /// What the names it knows end in.
    pub suffix: String,
}

/// What became of a start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Started {
    /// It answers now.
    Now,
    /// It did before.
    Before,
}

fn record(dirs: &Dirs) -> PathBuf {
    dirs.dns().join("server")
}

/// The name server that was started last; none after it was stopped.
pub fn recorded(dirs: &Dirs) -> Option<Server> {
    let content = files::read(&record(dirs), LIMIT).ok()??;
    serde_json::from_slice(&content.bytes).ok()
}

impl Server {
    /// Its process, where it lives: one of that number, name and birth.
    pub fn process(&self) -> Option<Process> {
        let process = processes::look(self.pid).filter(|process| process.name == dnsmasq::PROGRAM)?;
        let is_it = self.birth.as_ref().is_none_or(|birth| process.was_born(birth) != Some(false));
        is_it.then_some(process)
    }

    /// Whether it answers.
    fn answers(&self) -> bool {
        dns::ask(self.port, &self.suffix, ASK).is_ok()
    }

    /// Whether it lives and answers.
    pub fn serves(&self) -> bool {
        self.process().is_some() && self.answers()
    }
}

/// Starts the name server, unless it answers already as it is to.
///
/// # Errors
/// A [`Failure`] when dnsmasq is missing, or does not come to answer; its last words stand in it.
pub fn up(dirs: &Dirs, settings: &NetworkSettings, outside: &Environment) -> Result<Started, Failure> {
    names::prepare(dirs)?;
    in_turn(dirs, || start(dirs, settings, outside))
}

/// Acts while no other `silo` starts or stops it.
fn in_turn<T>(dirs: &Dirs, act: impl FnOnce() -> T) -> T {
    lock::in_turn(&dirs.dns(), START + STOP, act)
}

fn start(dirs: &Dirs, settings: &NetworkSettings, outside: &Environment) -> Result<Started, Failure> {
    let (port, suffix) = (settings.dns_port, settings.suffix.as_str());
    if let Some(server) = recorded(dirs) {
        if (server.port, server.suffix.as_str()) == (port, suffix) && server.serves() {
            return Ok(Started::Before);
        }
        stop(dirs)?;
    }
    let (folder, hosts, log) = (dirs.dns(), names::folder(dirs), dirs.dns().join("log"));
    let is_root = rustix::process::geteuid().is_root();
    let mut server = dnsmasq::server(outside, &folder, &hosts, suffix, port, is_root);
    if cmd::find(dnsmasq::PROGRAM, outside).is_none() {
        if !files::is_executable(Path::new(SBIN)) {
            return Err(Failure::new("dnsmasq is not installed").hint(dnsmasq::INSTALL));
        }
        // Where packages put it, which is not in every user's `PATH`.
        server.program = SBIN;
    }
    // Its answers would be taken for those of the one to be started.
    if dns::ask(port, suffix, ASK).is_ok() {
        return Err(taken(port));
    }
    let mut child = server.detach(&log)?;
    let birth = processes::look(child.pid()).and_then(|process| process.birth());
    let started = Server { pid: child.pid(), birth, port, suffix: suffix.to_owned() };
    let text = serde_json::to_vec(&started).expect("numbers and strings serialise");
    writing::replace(&record(dirs), &text, Writing { durable: false, ..Writing::PRIVATE })?;
    let start = Instant::now();
    loop {
        if child.has_ended() {
            files::remove(&record(dirs))?;
            let said = files::read(&log, LIMIT)?.map(|log| String::from_utf8_lossy(&log.bytes).trim().to_owned());
            return Err(Failure { excerpt: said, ..taken(port) });
        }
        if started.answers() {
            return Ok(Started::Now);
        }
        if start.elapsed() > START {
            stop(dirs)?;
            return Err(Failure::new(format!("dnsmasq does not answer on 127.0.0.1:{port} within 5 seconds"))
                .hint("Run it again"));
        }
        std::thread::sleep(LOOK);
    }
}

/// The port is somebody's, as far as can be told.
fn taken(port: u16) -> Failure {
    Failure::new(format!("dnsmasq does not start on 127.0.0.1:{port}"))
        .hint(format!("See who has the port: `silo who {port}`"))
        .hint("Or name another one: `dns_port` below `[network]` in the settings (`silo doc settings`)")
}

/// Where Debian's package puts it.
const SBIN: &str = "/usr/sbin/dnsmasq";

/// Stops the name server; false where none runs.
///
/// # Errors
/// A [`Failure`] when it does not end, or the record cannot be removed.
pub fn down(dirs: &Dirs) -> Result<bool, Failure> {
    in_turn(dirs, || stop(dirs))
}

fn stop(dirs: &Dirs) -> Result<bool, Failure> {
    let process = recorded(dirs).and_then(|server| server.process());
    if let Some(process) = &process {
        cmd::send(process.pid, rustix::process::Signal::TERM.as_raw());
        let start = Instant::now();
        while processes::look(process.pid).is_some_and(|now| now.is_still(process)) {
            if start.elapsed() > STOP {
                return Err(Failure::new(format!("dnsmasq (pid {}) does not end", process.pid))
                    .hint(format!("End it: `kill -9 {}`", process.pid)));
            }
            std::thread::sleep(LOOK);
        }
    }
    files::remove(&record(dirs))?;
    Ok(process.is_some())
}
