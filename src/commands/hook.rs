//! `silo hook SHELL`: the script for the shell's start file.

pub(super) mod install;
mod login;
pub(super) mod scripts;
pub(super) mod start_files;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::core::shell::Shell;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::store::settings;
use crate::sys::dirs::Dirs;
use crate::sys::program;
use crate::ui::Ui;

pub(super) fn run(ui: Ui, environment: &Environment, called: &OsStr, shell: &Shell) -> Result<u8, Failure> {
    let program = program::own_path(environment, called)?;
    let script = if shell.has_functions() { PathBuf::new() } else { scripts::write(environment, shell)? };
    let wraps_cd = Dirs::find(environment).map_or(true, |dirs| settings::wraps_cd(&dirs));
    ui.answer_bytes(&shell.hook(program.as_os_str().as_bytes(), script.as_os_str().as_bytes(), wraps_cd))?;
    Ok(0)
}
