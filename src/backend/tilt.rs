//! Tilt: whether it runs, for whom, and how it is stopped (D13-D15).

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::core::instance::lockfile::TILT;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd;
use crate::sys::cmd::Cmd;
use crate::sys::processes::{self, Process};

/// What to type when Tilt is missing.
pub const INSTALL: &str = "Install Tilt: https://docs.tilt.dev/install.html";
/// How long a question may take.
const ASK: Duration = Duration::from_secs(10);
/// How long Tilt gets to end after TERM: it gives its own servers 2 s.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Tilt that works in this root and that the lockfile does not know.
pub fn outside(known: Option<&Process>, root: &Path) -> Option<Process> {
    let mut found = processes::named_in(TILT, root);
    found.retain(|process| known.is_none_or(|known| known.pid != process.pid && known.pid != process.parent));
    found.into_iter().next()
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
    /// Whether it has nothing left to do. `none` is said of what nobody has triggered yet (`auto_init=False`) and of what is
    /// disabled, such as all that `tilt up NAME` leaves out; nothing at all while Tilt has not looked yet.
    /// (<https://github.com/tilt-dev/tilt/blob/master/pkg/apis/core/v1alpha1/updatestatus_types.go>)
    fn is_ready(&self) -> bool {
        let done = |state: &str| matches!(state, "ok" | "not_applicable" | "none");
        done(&self.runtime) && done(&self.update)
    }

    /// Whether something has been done for it. Tilt's own, that tells of the Tiltfile, is done before any other begins.
    fn has_run(&self) -> bool {
        !self.name.starts_with('(') && (self.runtime == "ok" || self.update == "ok")
    }

    /// Its name and both states, for people.
    fn words(&self) -> String {
        format!("{} (runtime {}, update {})", self.name, self.runtime, self.update)
    }
}

/// What there is still to wait for; none when all is ready.
///
/// Tilt lists what a Tiltfile declares a moment after it has read it, one by one in any order. Where nothing has run yet,
/// there may be more to come, so that is believed only when it was the same `before`.
/// (<https://github.com/tilt-dev/tilt/blob/master/internal/engine/uiresource/subscriber.go>)
pub fn unready(resources: &[Resource], before: &[Resource]) -> Option<String> {
    let waiting: Vec<String> = resources.iter().filter(|one| !one.is_ready()).map(Resource::words).collect();
    match waiting[..] {
        [] if resources.is_empty() => Some("Tilt has not read the Tiltfile yet".to_owned()),
        [] if resources != before && !resources.iter().any(Resource::has_run) => Some("nothing has run yet".to_owned()),
        [] => None,
        _ => Some(waiting.join(", ")),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn one(name: &str, runtime: &str, update: &str) -> Resource {
        Resource { name: name.into(), runtime: runtime.into(), update: update.into() }
    }

    #[test]
    fn what_may_be_the_beginning_of_a_list_is_believed_when_it_stays() {
        let reads = [one("(Tiltfile)", "not_applicable", "in_progress")];
        let alone = [one("(Tiltfile)", "not_applicable", "ok")];
        assert!(unready(&[], &[]).is_some());
        assert!(unready(&reads, &[]).is_some_and(|waiting| waiting.starts_with("(Tiltfile) (runtime")));
        assert_eq!(unready(&alone, &reads).as_deref(), Some("nothing has run yet"));
        assert_eq!(unready(&alone, &alone), None);
        let [tiltfile] = alone;
        let manual = [tiltfile.clone(), one("seed", "none", "none")];
        assert!(unready(&manual, std::slice::from_ref(&tiltfile)).is_some());
        assert_eq!(unready(&[tiltfile, one("seed", "none", "none"), one("web", "ok", "ok")], &manual), None);
        assert!(unready(&[one("web", "ok", "ok"), one("new", "", "")], &[]).is_some());
    }
}
