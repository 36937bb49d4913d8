//! Asking the memory: `silo-proxy memory` is started with the request on its standard input, for a password in it is nobody else's.

use std::path::Path;
use std::time::Duration;

use crate::core::memory::talk::{Answer, Found, Request, Target, What};
use crate::failure::Failure;
use crate::parts::beside;
use crate::parts::context::Context;
use crate::sys::cmd::{Cmd, Ended};

/// How long an answer may take; a bit more than `silo-proxy` itself waits.
const PATIENCE: Duration = Duration::from_mins(1);

/// Asks a server.
///
/// # Errors
/// A [`Failure`] where it cannot be asked, or says no.
pub fn ask(context: &Context, to: &Target, what: What) -> Result<Answer, Failure> {
    let program = beside::proxy(context)?;
    let program = program.to_string_lossy();
    let environment = context.outside();
    let request = Request { to: to.clone(), what };
    let input = serde_json::to_vec(&request).expect("texts and numbers always serialise");
    let cmd =
        Cmd { program: &program, arguments: vec!["memory".into()], environment: &environment, folder: Path::new("/") };
    let captured = cmd.capture_with(PATIENCE, &input)?;
    let answer = match captured.ended {
        Ended::Code(0) => serde_json::from_slice(&captured.stdout).ok(),
        _ => None,
    };
    match answer {
        Some(Answer::Failed { what, place, hints, code }) => {
            Err(Failure { what, place, hints, code, ..Failure::new("") })
        }
        Some(answer) => Ok(answer),
        None => {
            captured.success(&cmd)?;
            Err(Failure::new(format!("`{program}` is of another version than silo"))
                .hint("Install both together again: `silo doc install`"))
        }
    }
}

/// Findings that are asked for, and whether there are more.
///
/// # Errors
/// As [`ask`].
pub fn found(context: &Context, to: &Target, what: What) -> Result<(Vec<Found>, bool), Failure> {
    match ask(context, to, what)? {
        Answer::Found(found, more) => Ok((found, more)),
        _ => Ok((Vec::new(), false)),
    }
}

/// How many there were to do.
///
/// # Errors
/// As [`ask`].
pub fn done(context: &Context, to: &Target, what: What) -> Result<u64, Failure> {
    match ask(context, to, what)? {
        Answer::Done(number) => Ok(number),
        _ => Ok(0),
    }
}
