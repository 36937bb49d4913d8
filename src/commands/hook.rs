//! `silo hook SHELL`: the script for the shell's start file.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::Context;
use crate::cli::ShellName;
use crate::core::shell::Shell;
use crate::failure::Failure;
use crate::sys::{dirs, files};

pub(super) fn run(context: &Context, shell: ShellName) -> Result<u8, Failure> {
    let program = program(context)?;
    context.ui.answer_bytes(&of_name(shell).hook(program.as_os_str().as_bytes()));
    Ok(0)
}

/// The shell a name stands for.
pub(super) fn of_name(name: ShellName) -> Shell {
    match name {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
    }
}

/// silo's own absolute path, as it was called and with links kept: the file behind a link may move with an upgrade.
pub(super) fn program(context: &Context) -> Result<PathBuf, Failure> {
    let called = Path::new(&context.program);
    let found = if called.as_os_str().as_bytes().contains(&b'/') {
        let folder = dirs::working_folder(&context.environment)?;
        Some(folder.join(called))
    } else {
        let path = context.environment.get("PATH").unwrap_or(OsStr::new(""));
        std::env::split_paths(path)
            .map(|folder| folder.join(called))
            .find(|file| file.is_absolute() && files::is_file(file))
    };
    match found.filter(|file| files::is_file(file)) {
        Some(file) => Ok(file),
        None => std::env::current_exe().map_err(|error| Failure::file("find", called, &error)),
    }
}
