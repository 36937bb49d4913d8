//! The programs that parts need.

use super::part::Tool;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd;

/// Those of some tools that are not installed.
pub fn missing<'a>(tools: impl IntoIterator<Item = &'a Tool>, environment: &Environment) -> Vec<&'a Tool> {
    let is_there = |name: &str| cmd::find(name, environment).is_some();
    tools.into_iter().filter(|tool| !is_there(tool.name) && !tool.or.is_some_and(is_there)).collect()
}

/// Makes sure that tools are installed.
///
/// # Errors
/// A [`Failure`] that names all that are not, and how to install them.
pub fn require(tools: &[Tool], environment: &Environment) -> Result<(), Failure> {
    match refusal(&missing(tools, environment)) {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// The failure that names these tools as missing; none without any.
pub fn refusal(missing: &[&Tool]) -> Option<Failure> {
    let (last, more) = missing.split_last()?;
    let last = format!("`{}`", last.name);
    let failure = match more {
        [] => Failure::new(format!("{last} is not installed")),
        more => {
            let names: Vec<String> = more.iter().map(|tool| format!("`{}`", tool.name)).collect();
            Failure::new(format!("{} and {last} are not installed", names.join(", ")))
        }
    };
    Some(missing.iter().fold(failure, |failure, tool| failure.hint(tool.install)))
}
