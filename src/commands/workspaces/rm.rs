//! `silo rm`: remove workspaces, with what they run and what that keeps.

use super::{named, removal};
use crate::cli::RmArgs;
use crate::core::text::source::one_line;
use crate::failure::{Failure, code};
use crate::parts::context::Context;
use crate::store::workspaces;
use crate::sys::signals;

pub(in super::super) fn run(context: &Context, arguments: &RmArgs) -> Result<u8, Failure> {
    workspaces::sweep(&context.dirs);
    let all = arguments.names.iter().map(|name| named::find(context, name)).collect::<Result<Vec<_>, _>>()?;
    if arguments.force && !arguments.yes {
        let names: Vec<String> = all.iter().map(|one| one_line(&one.name)).collect();
        let question = format!("Remove {} with all that is in there?", names.join(", "));
        match context.ui.confirm(&question) {
            Some(true) => {}
            Some(false) => {
                context.ui.step("Nothing was removed");
                return Ok(code::FAILURE);
            }
            None => {
                return Err(Failure::new("Nothing was removed: there is no terminal to ask on")
                    .code(code::USAGE)
                    .hint("Run `silo rm --force --yes NAME`"));
            }
        }
    }
    signals::watch();
    let mut failures = Vec::new();
    for workspace in &all {
        signals::check()?;
        failures.extend(removal::remove(context, workspace, arguments.force).err());
    }
    let Some(last) = failures.pop() else { return Ok(0) };
    for failure in &failures {
        context.ui.fail(failure);
    }
    Err(last)
}
