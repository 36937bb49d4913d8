//! A pager: the program that shows a long text page by page.

use std::io::Write as _;

use super::cmd::{self, Cmd};
use super::signals;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;

/// What `less` is told where the user tells it nothing: to end at once where all fits, to pass colours on, and to leave the text on
/// the screen.
const LESS: &str = "FRX";

/// The line for `sh` that starts the user's pager: what `PAGER` says, else `less` where it is installed. None where the user wants none,
/// by `PAGER=` or `PAGER=cat`, or the terminal cannot move its cursor.
pub fn chosen(environment: &Environment) -> Option<String> {
    if environment.text("TERM").is_none_or(|term| term == "dumb") {
        return None;
    }
    let line = match environment.get("PAGER") {
        Some(_) => environment.text("PAGER")?.trim().to_owned(),
        None => cmd::find("less", environment).map(|_| "less".to_owned())?,
    };
    (!line.is_empty() && line != "cat").then_some(line)
}

/// Shows a text in the pager that is started by a line for `sh`, until the user leaves it. False where it could not be started, and
/// showed nothing.
///
/// # Errors
/// A [`Failure`] when `sh` cannot be started or waited for.
pub fn show(line: &str, environment: &Environment, text: &[u8]) -> Result<bool, Failure> {
    let mut environment = environment.clone();
    if environment.get("LESS").is_none() {
        environment.set("LESS", LESS);
    }
    // Ctrl-C is the pager's.
    signals::watch();
    let arguments = vec!["-c".into(), line.into()];
    let shell = Cmd { program: "sh", arguments, environment: &environment, folder: std::path::Path::new("/") };
    let mut child = shell.fed()?;
    if let Some(mut pipe) = child.stdin.take() {
        // Who has seen enough reads no further.
        let _ = pipe.write_all(text);
    }
    let status = child.wait().map_err(|error| Failure::file("wait for", std::path::Path::new("sh"), &error))?;
    // As `sh` says of a program that it did not find, or could not run.
    Ok(!matches!(status.code(), Some(126 | 127)))
}
