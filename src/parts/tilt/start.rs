//! Tilt, started: `tilt up` in the terminal or in the background, or `tilt ci`.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::super::part::Run;
use super::super::scope::{Scope, Site};
use crate::backend::tilt;
use crate::core::config::TILT_PORT;
use crate::core::instance::lockfile::{ProcessRecord, TILT};
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::{clock, files, net, processes, signals};

/// How long a Tilt in the background may take until it listens.
const READY: Duration = Duration::from_mins(1);
/// How long after that it may take until it can be asked.
const ASKABLE: Duration = Duration::from_secs(5);
/// How long one try to reach it may take.
const CONNECT: Duration = Duration::from_millis(200);
/// How much of its log is looked at when it ended, in bytes.
const LOG_MAX: u64 = 16 * 1024 * 1024;

/// Starts it; the exit code is Tilt's where it kept the terminal.
pub(super) fn start(site: &Site<'_>, run: Run<'_>) -> Result<u8, Failure> {
    let mut arguments: Vec<OsString> = vec!["up".into()];
    match run {
        Run::Foreground(words) | Run::Background(words) => arguments.extend(words.iter().cloned()),
        Run::Once { timeout, words } => {
            arguments = vec!["ci".into()];
            arguments.extend(timeout.map(|timeout| format!("--timeout={timeout}").into()));
            arguments.extend(words.iter().cloned());
        }
    }
    let root = &site.scope.project.root;
    let tilt = Cmd { program: "tilt", arguments, environment: &site.environment, folder: root };
    let address = site.settled.vars.tilt_address(site.settled.known.port(TILT_PORT));
    site.scope.context.ui.step(&format!("Starting Tilt... {address}"));
    // Tilt itself stays up, and says so in its log alone.
    let (Run::Foreground(words) | Run::Background(words) | Run::Once { words, .. }) = run;
    if words.is_empty() && !files::is_file(&root.join("Tiltfile")) {
        site.scope.context.ui.warn(&format!("There is no Tiltfile in `{}`: Tilt has nothing to run", shown(root)));
    }
    if let Run::Background(_) = run {
        return in_background(site, &tilt);
    }
    let ended = in_terminal(site, &tilt)?;
    Ok(match (ended, signals::asked()) {
        // Tilt answers with 0 to a stop; what comes next must not take a run that was cut off for one that went well.
        (_, Some(asked)) if matches!(run, Run::Once { .. }) => asked.code(),
        // Stopping was asked for: Tilt answers with 0 or 1, as its version has it.
        (Ended::Code(0 | 1), Some(asked)) if !asked.sent => 0,
        (ended, _) => ended.code(),
    })
}

/// Starts Tilt in the background and waits until it listens and can be asked. It listens a little before `tilt get` and
/// `tilt logs` find it, and these are what comes next.
fn in_background(site: &Site<'_>, tilt: &Cmd<'_>) -> Result<u8, Failure> {
    let Scope { context, project, .. } = site.scope;
    let log = context.dirs.log(&project.root, TILT);
    let mut child = tilt.detach(&log)?;
    if let Err(failure) = note(site, Some(child.pid())) {
        // One that nobody has recorded would be found by nobody.
        cmd::send(child.pid(), nix::libc::SIGTERM);
        return Err(failure);
    }
    let port = site.settled.known.port(TILT_PORT);
    let start = Instant::now();
    let mut listens: Option<Instant> = None;
    loop {
        if child.has_ended() {
            note(site, None)?;
            let text = files::read(&log, LOG_MAX)?.map(|content| content.bytes).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<String> = text.lines().map(|line| format!("  | {}", one_line(line))).collect();
            let mut failure = Failure::new("Tilt ended at once");
            failure.excerpt = Some(lines[lines.len().saturating_sub(10)..].join("\n"));
            return Err(failure.hint(format!("Its whole log is `{}`", shown(&log))));
        }
        if listens.is_none() && net::answers(port, CONNECT) {
            listens = Some(Instant::now());
        }
        // Where it cannot be asked at all, it runs anyway.
        let found =
            |since: Instant| since.elapsed() > ASKABLE || tilt::resources(tilt.environment, tilt.folder).is_ok();
        if listens.is_some_and(found) {
            context.ui.step(&format!(
                "Tilt runs in the background (pid {}); see `silo logs -f`, stop with `silo down`",
                child.pid()
            ));
            return Ok(0);
        }
        if listens.is_none() && start.elapsed() > READY {
            return Err(Failure::new(format!(
                "Tilt (pid {}) does not listen on port {port} after {} s",
                child.pid(),
                READY.as_secs()
            ))
            .hint("See why: `silo logs`; stop it with `silo down`"));
        }
        signals::check()?;
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Runs Tilt with silo's terminal; the lockfile knows its pid meanwhile.
fn in_terminal(site: &Site<'_>, tilt: &Cmd<'_>) -> Result<Ended, Failure> {
    let ended = tilt.run(|pid| note(site, Some(pid)));
    note(site, None)?;
    ended
}

/// Tells the lockfile of Tilt. What is said of it is found before the registry's lock is taken: on macOS a program tells.
fn note(site: &Site<'_>, pid: Option<u32>) -> Result<(), Failure> {
    let Scope { context, project, .. } = site.scope;
    let record = pid.map(|pid| ProcessRecord {
        program: TILT,
        pid,
        started_at: Some(clock::now()),
        birth: processes::look(pid).and_then(|process| process.birth()),
    });
    context.note(project, |state| state.record(record))
}
