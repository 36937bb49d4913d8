//! Waiting until parts are ready, each asked in its own way: for `silo wait`, and for a gate before its tool.

use std::time::{Duration, Instant};

use super::context::Context;
use super::part::{Part, Pending, Readiness, ReadyCheck};
use super::scope::Scope;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::sys::processes::{self, Process};
use crate::sys::writing::{self, Writing};
use crate::sys::{files, signals};

/// How often a part is asked at first, and how rarely in the end.
const PAUSE: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(1));
/// How many times as long as a question takes is paused after it, so that waiting costs little.
const REST: u32 = 9;
/// Most of a mark that is read, in bytes.
const MARK: u64 = 4096;

/// Asks again and again; `limit` counts from `start`, for all parts together.
///
/// # Errors
/// A [`Failure`] when it is not ready in time or cannot be any more, or when a signal came.
pub fn until_ready(check: &mut ReadyCheck<'_>, start: Instant, limit: Duration) -> Result<(), Failure> {
    let is_over = || start.elapsed() > limit;
    loop {
        let asked = Instant::now();
        match check()? {
            Readiness::Ready => return Ok(()),
            Readiness::Silent(failure) if is_over() => return Err(failure),
            Readiness::Waiting(Pending { what, log }) if is_over() => {
                let failure = Failure::new(format!("Not ready after {} s: {}", limit.as_secs(), one_line(&what)));
                return Err(failure.hint(format!("See why: `{}`", logs_line(log.as_deref()))));
            }
            Readiness::Silent(_) | Readiness::Waiting(_) => {}
        }
        let wish = (asked.elapsed() * REST).max(start.elapsed() / 4).clamp(PAUSE.0, PAUSE.1);
        pause(wish.min(limit.saturating_sub(start.elapsed()).max(PAUSE.0)))?;
    }
}

/// The command that shows the log of one resource, or of all.
pub fn logs_line(resource: Option<&str>) -> String {
    resource.map_or_else(|| "silo logs".to_owned(), |name| format!("silo logs {}", shell_words::quote(&one_line(name))))
}

/// Waits, unless a signal comes.
///
/// # Errors
/// As [`signals::check`].
pub fn pause(time: Duration) -> Result<(), Failure> {
    let until = Instant::now() + time;
    loop {
        signals::check()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(PAUSE.0));
    }
}

/// For a gate: waits until a part that was started is ready for the first time. One that was waited for is not asked again
/// until it is another process: the tool's next call costs nothing, and what broke later is the user's to see.
///
/// # Errors
/// As [`until_ready`].
pub fn first_time(scope: &Scope<'_>, part: &dyn Part, limit: Duration) -> Result<(), Failure> {
    let Scope { context, project, state, .. } = scope;
    let state = state.clone().unwrap_or_default();
    let Some(process) = part.process(&state, &project.root) else { return Ok(()) };
    let (path, mark) = (context.dirs.waited(&project.root), mark(&process));
    let is_marked = || files::read(&path, MARK).ok().flatten().is_some_and(|there| there.bytes == mark.as_bytes());
    // What the part itself has started must not wait for the part.
    if is_marked() || processes::above().iter().any(|above| above.pid == process.pid) {
        return Ok(());
    }
    signals::watch();
    let waited = wait(context, scope, part, limit);
    if signals::asked().is_none() {
        writing::replace(&path, mark.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })?;
    }
    waited
}

fn wait(context: &Context, scope: &Scope<'_>, part: &dyn Part, limit: Duration) -> Result<(), Failure> {
    let Some(mut check) = part.readiness(scope)? else { return Ok(()) };
    // Where it is ready, nothing is told.
    if matches!(check()?, Readiness::Ready) {
        return Ok(());
    }
    let _spinner = context.ui.spin(&format!("Waiting until {} is ready", part.title()));
    until_ready(&mut check, Instant::now(), limit)
}

fn mark(process: &Process) -> String {
    process.birth().unwrap_or_else(|| format!("{} {:?}", process.pid, process.started))
}
