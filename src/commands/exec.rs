//! `silo exec`: run a command inside the instance, for agents and scripts without a shell hook.

use std::ffi::OsString;
use std::path::Path;

use crate::failure::{Failure, quoted};
use crate::parts::context::Context;
use crate::parts::enter;
use crate::parts::strangers;
use crate::store::ask::Ask;
use crate::sys::cmd;

pub(super) fn run(context: &Context, command: &[OsString]) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let settled = context.settle(&project, &config, &Ask::default())?;
    strangers::warn(context, &project, &settled, strangers::Asked::Processes);
    let environment = enter::inside(context, &project, &settled);
    let (program, arguments) = command.split_first().expect("clap requires a command");
    let failure = cmd::exec(program, arguments, &environment, Some(&context.folder));
    let line = program.to_string_lossy();
    if failure.code == 127 && arguments.is_empty() && line.contains(char::is_whitespace) {
        // A whole line in quotes, as for `sh -c`: nobody has a program of that name.
        let hint = format!("A line for a shell: `silo exec -- sh -c {}`", quoted(Path::new(program)));
        return Err(Failure { hints: vec![hint], ..failure });
    }
    Err(failure)
}
