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

/// A Tilt that works in this root, that the lockfile does not know and that was not started inside the instance (D14).
pub fn outside(known: Option<&Process>, root: &Path) -> Option<Process> {
    let mut found = serving();
    found.retain(|process| process.folder.as_deref() == Some(root) && !processes::is_inside(process, root));
    found.retain(|process| known.is_none_or(|known| known.pid != process.pid && known.pid != process.parent));
    found.into_iter().next()
}

/// Every Tilt that serves, as `tilt up` and `tilt ci` do; what asks one (`tilt logs -f`, an editor's `tilt lsp`) has the same
/// name. A gate of silo's has it too, until it becomes the tool.
pub fn serving() -> Vec<Process> {
    let serves = |process: &Process| {
        let words = processes::words(process.pid).unwrap_or_default();
        // A script's own words begin with the program that runs it.
        let named = words.iter().position(|word| Path::new(word).file_name().is_some_and(|name| name == TILT));
        let verb = words.iter().skip(named.map_or(1, |at| at + 1)).find(|word| !word.starts_with('-'));
        words.is_empty() || verb.is_some_and(|verb| ["up", "ci"].contains(&verb.as_str()))
    };
    processes::named(TILT).into_iter().filter(|one| !processes::is_this_program(one.pid)).filter(serves).collect()
}

/// Of some that serve, the one that was started inside the instance of a root, as by `silo exec -- tilt up`: its environment
/// proves it (D14), and it works in the root or below.
pub fn inside(serving: &[Process], root: &Path) -> Option<Process> {
    let works_here = |process: &&Process| process.folder.as_ref().is_some_and(|folder| folder.starts_with(root));
    let own: Vec<&Process> =
        serving.iter().filter(works_here).filter(|process| processes::is_inside(process, root)).collect();
    // The first of a family.
    own.iter().find(|process| own.iter().all(|other| other.pid != process.parent)).map(|process| (*process).clone())
}

/// One resource as Tilt reports it.
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

    /// Whether something has been done for it. Tilt's own, that reports the Tiltfile, is done before any other begins.
    fn has_run(&self) -> bool {
        !self.name.starts_with('(') && (self.runtime == "ok" || self.update == "ok")
    }

    /// Whether it failed and no longer runs by itself.
    fn has_failed(&self) -> bool {
        self.update == "error"
    }

    /// Its name and both states, for people.
    fn words(&self) -> String {
        format!("{} (runtime {}, update {})", self.name, self.runtime, self.update)
    }
}

/// Resources that stand in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// They and their states, in words.
    pub what: String,
    /// The name of the first of them.
    pub first: Option<String>,
}

/// What there is still to wait for; none when all is ready.
///
/// Tilt lists what a Tiltfile declares a moment after it has read it, one by one in any order. Where nothing has run yet,
/// there may be more to come, so that is believed only when it was the same `before`.
/// (<https://github.com/tilt-dev/tilt/blob/master/internal/engine/uiresource/subscriber.go>)
pub fn unready(resources: &[Resource], before: &[Resource]) -> Option<Waiting> {
    let alone = |what: &str| Some(Waiting { what: what.to_owned(), first: None });
    match of(resources, |one| !one.is_ready()) {
        None if resources.is_empty() => alone("Tilt has not read the Tiltfile yet"),
        None if resources != before && !resources.iter().any(Resource::has_run) => alone("nothing has run yet"),
        waiting => waiting,
    }
}

/// What has failed where nothing is being done that could change it: a Tiltfile, a build, something that runs once. Tilt tries
/// them again when a file changes; what waits for one of them waits until then.
pub fn failed(resources: &[Resource]) -> Option<Waiting> {
    of(resources, Resource::has_failed).filter(|_| !resources.iter().any(|one| one.update == "in_progress"))
}

fn of(resources: &[Resource], which: impl Fn(&Resource) -> bool) -> Option<Waiting> {
    let those: Vec<&Resource> = resources.iter().filter(|one| which(one)).collect();
    let first = those.first()?.name.clone();
    let words: Vec<String> = those.iter().map(|one| one.words()).collect();
    Some(Waiting { what: words.join(", "), first: Some(first) })
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

/// Stops a running Tilt with TERM, once: a second signal would leave its servers as orphans. Where a process passes signals
/// on to it, that one gets it, and knows that its Tilt did not end by itself.
///
/// # Errors
/// A [`Failure`] when it still runs after ten seconds.
pub fn stop(process: &Process, through: Option<u32>) -> Result<(), Failure> {
    cmd::send(through.unwrap_or(process.pid), nix::libc::SIGTERM);
    let start = Instant::now();
    while processes::look(process.pid).is_some_and(|now| now.is_still(process)) {
        if start.elapsed() > PATIENCE {
            return Err(Failure::new(format!("Tilt (pid {}) did not stop within 10 s", process.pid))
                .hint(format!("See what it waits for, or end it hard: `kill -9 {}`", process.pid)));
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
        assert!(unready(&reads, &[]).is_some_and(|waiting| waiting.what.starts_with("(Tiltfile) (runtime")));
        assert_eq!(unready(&alone, &reads).map(|waiting| waiting.what).as_deref(), Some("nothing has run yet"));
        assert_eq!(unready(&alone, &alone), None);
        let [tiltfile] = alone;
        let manual = [tiltfile.clone(), one("seed", "none", "none")];
        assert!(unready(&manual, std::slice::from_ref(&tiltfile)).is_some());
        assert_eq!(unready(&[tiltfile, one("seed", "none", "none"), one("web", "ok", "ok")], &manual), None);
        assert!(unready(&[one("web", "ok", "ok"), one("new", "", "")], &[]).is_some());
    }

    #[test]
    fn what_failed_counts_once_nothing_is_done_that_could_change_it() {
        let once = one("migrate", "not_applicable", "error");
        let behind = one("api", "pending", "pending");
        let found = failed(&[behind.clone(), once.clone()]).expect("what waits for it waits for ever");
        assert_eq!(
            (found.what.as_str(), found.first.as_deref()),
            ("migrate (runtime not_applicable, update error)", Some("migrate"))
        );
        assert_eq!(failed(&[once, one("web", "pending", "in_progress")]), None);
        // A pod is started again by the cluster.
        assert_eq!(failed(&[one("web", "error", "ok"), behind]), None);
    }
}
