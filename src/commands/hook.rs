//! `silo hook SHELL`: the script for the shell's start file.

pub(super) mod install;
mod login;
pub(super) mod tcsh;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::cli::ShellName;
use crate::core::shell::Shell;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd;
use crate::sys::{dirs, files};
use crate::ui::Ui;

pub(super) fn run(ui: Ui, environment: &Environment, called: &OsStr, shell: ShellName) -> Result<u8, Failure> {
    let program = program(environment, called)?;
    let shell = of_name(shell);
    let script = if shell == Shell::Tcsh { tcsh::script(environment)? } else { PathBuf::new() };
    ui.answer_bytes(&shell.hook(program.as_os_str().as_bytes(), script.as_os_str().as_bytes()))?;
    Ok(0)
}

/// The shell a name stands for.
pub(super) fn of_name(name: ShellName) -> Shell {
    match name {
        ShellName::Bash => Shell::Bash,
        ShellName::Zsh => Shell::Zsh,
        ShellName::Fish => Shell::Fish,
        ShellName::Nu => Shell::Nu,
        ShellName::Elvish => Shell::Elvish,
        ShellName::Tcsh => Shell::Tcsh,
    }
}

/// silo's own absolute path, as it was called and with links kept: the file behind a link may move with an upgrade.
pub(super) fn program(environment: &Environment, called: &OsStr) -> Result<PathBuf, Failure> {
    let called = Path::new(called);
    let found = if called.is_absolute() {
        Some(called.to_path_buf())
    } else if called.as_os_str().as_bytes().contains(&b'/') {
        Some(dirs::working_folder(environment)?.join(called))
    } else {
        cmd::find_in(called.as_os_str(), environment, Path::is_absolute)
    };
    match found.filter(|file| files::is_executable(file)) {
        Some(file) => Ok(file),
        None => std::env::current_exe().map_err(|error| Failure::file("find", called, &error)),
    }
}
