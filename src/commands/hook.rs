//! `silo hook SHELL`: the script for the shell's start file.

pub(super) mod install;
mod login;
pub(super) mod tcsh;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::cli::ShellName;
use crate::core::shell::Shell;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::program;
use crate::ui::Ui;

pub(super) fn run(ui: Ui, environment: &Environment, called: &OsStr, shell: ShellName) -> Result<u8, Failure> {
    let program = program::own_path(environment, called)?;
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
