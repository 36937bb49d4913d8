//! Tilt: whether it runs, for whom, and how it is stopped (design D13-D15).

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::core::environment::Environment;
use crate::core::lockfile::InstanceState;
use crate::failure::Failure;
use crate::sys::cmd::Cmd;
use crate::sys::processes::{self, Process};
use crate::sys::{clock, cmd};

/// The name of its processes.
const PROGRAM: &str = "tilt";
/// What to type when Tilt is missing.
pub const INSTALL: &str = "Install Tilt: https://docs.tilt.dev/install.html";
/// How long a question may take.
const ASK: Duration = Duration::from_secs(10);
/// How long Tilt gets to end after TERM: it gives its own servers 2 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// The Tilt a lockfile tells of, if that very process still runs here: name, start and folder must agree, for a pid is
/// used again (design D14).
pub fn running(state: &InstanceState, root: &Path) -> Option<Process> {
    let process = processes::look(state.tilt_pid?)?;
    let by_clock = || process.is(PROGRAM, clock::parse(state.tilt_started_at.as_deref()?)?).then_some(());
    match state.tilt_birth.as_deref().and_then(|birth| process.was_born(birth)) {
        Some(same) => same.then_some(())?,
        None => by_clock()?,
    }
    (process.name == PROGRAM && process.folder.as_deref() == Some(root)).then_some(process)
}

/// A Tilt that works in this root and that the lockfile does not know.
pub fn outside(known: Option<&Process>, root: &Path) -> Option<Process> {
    let mut found = processes::named_in(PROGRAM, root);
    found.retain(|process| known.is_none_or(|known| known.pid != process.pid && known.pid != process.parent));
    found.into_iter().next()
}

/// Makes sure Tilt is installed.
///
/// # Errors
/// A [`Failure`] that says how to install it.
pub fn require(environment: &Environment) -> Result<(), Failure> {
    match cmd::find("tilt", environment) {
        Some(_) => Ok(()),
        None => Err(Failure::new("`tilt` is not installed")
            .hint(INSTALL)
            .hint("Ports and variables need no Tilt: `cd` with the shell hook, `silo env`, or `silo exec -- CMD`")),
    }
}

/// One resource as Tilt tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// `runtimeStatus`.
    pub runtime: String,
    /// `updateStatus`.
    pub update: String,
}

impl Resource {
    /// Whether it has nothing left to do: both states are done or do not apply.
    pub fn is_ready(&self) -> bool {
        let done = |state: &str| matches!(state, "ok" | "not_applicable" | "none" | "");
        done(&self.runtime) && done(&self.update) && (self.runtime == "ok" || self.update == "ok")
            || (self.runtime == "not_applicable" && self.update == "not_applicable")
    }

    /// Both states, for people.
    pub fn words(&self) -> String {
        format!("runtime {}, update {}", self.runtime, self.update)
    }
}

/// Every resource of the Tilt whose port the environment names.
///
/// # Errors
/// A [`Failure`] when Tilt does not answer, or with something else than its JSON.
pub fn resources(environment: &Environment, folder: &Path) -> Result<Vec<Resource>, Failure> {
    let arguments = ["get", "uiresources", "-o", "json"].map(Into::into).to_vec();
    let cmd = Cmd { program: "tilt", arguments, environment, folder };
    let answer = cmd.capture(ASK)?.success(&cmd)?;
    let text = String::from_utf8_lossy(&answer);
    let json = text.find('{').and_then(|at| serde_json::from_str::<Value>(&text[at..]).ok());
    let items = json.as_ref().and_then(|json| json["items"].as_array());
    let items = items.ok_or_else(|| Failure::new(format!("`{}` printed something other than JSON", cmd.shown())))?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = |item: &Value| Resource {
        name: word(&item["metadata"]["name"]),
        runtime: word(&item["status"]["runtimeStatus"]),
        update: word(&item["status"]["updateStatus"]),
    };
    Ok(items.iter().map(resource).collect())
}

/// Stops a running Tilt with TERM, once: a second signal would leave its servers as orphans.
///
/// # Errors
/// A [`Failure`] when it still runs after ten seconds.
pub fn stop(process: &Process) -> Result<(), Failure> {
    cmd::send(process.pid, nix::libc::SIGTERM);
    let start = Instant::now();
    while processes::look(process.pid).is_some_and(|now| now.is_still(process)) {
        if start.elapsed() > PATIENCE {
            return Err(Failure::new(format!("Tilt (pid {}) did not stop within 10 s", process.pid))
                .hint(format!("Look what it waits for, or end it hard: `kill -9 {}`", process.pid)));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
