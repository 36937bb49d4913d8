//! `silo exec`: run a command inside the instance, for agents and scripts without a shell hook.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::Context;
use crate::core::activation::{self, Undo};
use crate::core::environment::Environment;
use crate::failure::Failure;
use crate::store::instances::{Ask, Settled};
use crate::store::project::Project;
use crate::sys::cmd;

pub(super) fn run(context: &Context, command: &[OsString]) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let settled = context.settle(&project, &config, &Ask::default())?;
    let environment = inside(context, &project, &settled);
    let (program, arguments) = command.split_first().expect("clap requires a command");
    Err(cmd::exec(program, arguments, &environment, Some(&context.folder)))
}

/// This environment with the instance entered, undo record included, so that a shell below can leave.
pub(super) fn inside(context: &Context, project: &Project, settled: &Settled) -> Environment {
    let mut environment = context.environment.clone();
    let undo = Undo::of(&environment);
    let root = project.root.as_os_str().as_bytes();
    for change in activation::enter(&environment, undo.as_ref(), root, &settled.known.vars) {
        match change.value {
            Some(value) => environment.set(change.name, OsString::from_vec(value)),
            None => environment.remove(&change.name),
        }
    }
    let folder: &OsStr = context.folder.as_os_str();
    environment.set("PWD", folder);
    environment
}
