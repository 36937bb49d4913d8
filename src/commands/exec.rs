//! `silo exec`: run a command inside the instance, for agents and scripts without a shell hook.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::Context;
use crate::core::shell::activation::{self, BARRED, Given, Undo};
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, quoted};
use crate::store::instances::{Ask, Settled};
use crate::store::project::Project;
use crate::sys::cmd;

pub(super) fn run(context: &Context, command: &[OsString]) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let settled = context.settle(&project, &config, &Ask::default())?;
    let environment = inside(context, &project, &settled);
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

/// This environment with the instance entered, undo record included, so that a shell below can leave.
pub(super) fn inside(context: &Context, project: &Project, settled: &Settled) -> Environment {
    entered(context, &context.folder, &settled.known.given(project.root_text()))
}

/// The same without gates, for what silo itself starts: a gate would ask silo for what it is just bringing up. Nor do
/// they come back in a shell below that enters by itself.
pub(super) fn behind_gates(context: &Context, project: &Project, settled: &Settled) -> Environment {
    entered(context, &project.root, &Given { path: Some(BARRED), ..settled.known.given(project.root_text()) })
}

fn entered(context: &Context, folder: &Path, given: &Given<'_>) -> Environment {
    let mut environment = context.environment.clone();
    let undo = Undo::of(&environment);
    for change in activation::enter(&environment, undo.as_ref(), given) {
        match change.value {
            Some(value) => environment.set(change.name, OsString::from_vec(value)),
            None => environment.remove(&change.name),
        }
    }
    environment.set("PWD", folder.as_os_str());
    environment
}
