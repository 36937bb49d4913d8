//! The only place that starts programs.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use crate::core::environment::Environment;
use crate::failure::Failure;

/// Replaces silo by a program, found on the `PATH` of the environment it gets; returns only when that failed.
///
/// Exit code 127 when it does not exist and 126 when it cannot be run, as shells do.
pub fn exec(program: &OsStr, arguments: &[OsString], environment: &Environment, folder: Option<&Path>) -> Failure {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter());
    if let Some(folder) = folder {
        command.current_dir(folder);
    }
    let error = command.exec();
    let name = program.to_string_lossy();
    match error.kind() {
        std::io::ErrorKind::NotFound => Failure::new(format!("`{name}` was not found"))
            .hint(format!("Install it, or check PATH: `command -v {}`", shell_words::quote(&name)))
            .code(127),
        _ => Failure::file("run", Path::new(program), &error).code(126),
    }
}
