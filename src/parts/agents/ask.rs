//! What a run prints and does, asked or changed by another `silo` than the one that runs it.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::end::end;
use super::order::GRACE;
use super::outside::Outside;
use super::screens::Screens;
use crate::backend::engine::program;
use crate::core::agents::names;
use crate::core::agents::record::{Run, Stage};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::agents::{self, Place};
use crate::sys::attend::{self, Attend, Stream};
use crate::sys::{lock, signals};

/// How long the `silo` that runs an agent may take to bring its work home.
pub(super) const HOME: Duration = Duration::from_mins(15);
const LOOK: Duration = Duration::from_millis(50);

struct Shown {
    screens: Screens,
    /// Whether it has printed anything that is the agent's for sure.
    any: bool,
}

impl Attend for Shown {
    fn take(&mut self, stream: Stream, piece: &[u8]) -> Result<(), Failure> {
        self.any |= stream == Stream::Out;
        self.screens.show(stream, piece)
    }

    fn look(&mut self) -> Result<(), Failure> {
        match signals::asked() {
            Some(asked) => Err(Failure::new("Stopped by a signal").code(asked.code())),
            None => Ok(()),
        }
    }
}

/// Shows what a run has printed so far; false where its container is gone.
///
/// # Errors
/// A [`Failure`] when the engine does not answer.
pub fn show_log(context: &Context, run: &Run, follow: bool) -> Result<bool, Failure> {
    let outside = Outside::of(context);
    let container = names::container(&run.id);
    if outside.engine().state(&container)?.is_none() {
        return Ok(false);
    }
    let mut shown = Shown { screens: Screens::new(context.ui), any: false };
    match attend::attend(&outside.docker().log(&container, follow), &mut shown) {
        Err(_) if signals::asked().is_some() => Ok(true),
        // It may have come to its end meanwhile, with which its log is kept.
        Ok(ended) if ended.code() != 0 && !shown.any => Ok(outside.engine().state(&container)?.is_some()),
        done => done.map(|_| true),
    }
}

/// Shows what a run has printed and was kept; nothing of it acts on a terminal.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn shown(context: &Context, bytes: &[u8]) -> Result<(), Failure> {
    Screens::new(context.ui).show(Stream::Out, bytes)
}

/// What runs a command in the container of a run: the program, its arguments, its environment.
pub fn exec_words(
    context: &Context,
    run: &Run,
    is_terminal: bool,
    command: &[OsString],
) -> (&'static str, Vec<OsString>, Environment) {
    let outside = Outside::of(context);
    let mut words: Vec<OsString> = vec!["exec".into(), "--interactive".into()];
    words.extend(is_terminal.then(|| "--tty".into()));
    words.push(names::container(&run.id).into());
    words.extend(command.iter().cloned());
    (program(&outside.environment), words, outside.environment)
}

/// Ends a run: who runs it brings its work home, or this `silo` where there is nobody.
///
/// # Errors
/// A [`Failure`] when it does not end.
pub fn stop(context: &Context, run: &Run) -> Result<(), Failure> {
    let outside = Outside::of(context);
    let container = names::container(&run.id);
    let lock = Place::of(&context.dirs, &run.id).lock();
    outside.require_of(run)?;
    if run.stage == Stage::Running {
        outside.docker().stop_container(&container, 2 * GRACE)?;
    }
    let start = Instant::now();
    loop {
        match agents::load(&context.dirs, &run.id)? {
            None => return Ok(()),
            Some(now) if now.stage == Stage::Ended => return Ok(()),
            Some(_) if lock::holder(&lock).is_none() => {
                let done = lock::hold(&lock, "the agent", &lock::AT_ONCE, Failure::new, || {
                    match agents::load(&context.dirs, &run.id)? {
                        Some(now) if now.stage != Stage::Ended => end(context, now).map(|_| ()),
                        _ => Ok(()),
                    }
                });
                match done {
                    // Somebody else is working on it.
                    Err(_) if lock::holder(&lock).is_some() => {}
                    done => return done,
                }
            }
            Some(_) => {}
        }
        signals::check()?;
        if start.elapsed() > HOME {
            return Err(Failure::new(format!("The run `{}` has not ended so far", run.id))
                .hint("See how far it is: `silo agent list`"));
        }
        std::thread::sleep(LOOK);
    }
}

/// Forgets a run that has ended: its record, its log and what it found.
///
/// # Errors
/// A [`Failure`] when something cannot be removed.
pub fn forget(context: &Context, id: &str) -> Result<(), Failure> {
    let lock = Place::of(&context.dirs, id).lock();
    let busy = |holder| {
        Failure::new(format!("The run `{id}` is being ended{holder}")).hint("Wait for it, then run this again")
    };
    lock::hold(&lock, "the agent", &lock::AT_ONCE, busy, || agents::forget(&context.dirs, id))
}
