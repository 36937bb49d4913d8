//! `silo hook SHELL`: the script for the shell's start file.

pub(super) mod install;
mod login;
pub(super) mod scripts;
pub(super) mod start_files;

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use crate::core::shell::environment::Environment;
use crate::core::shell::{Shell, Wanted};
use crate::failure::Failure;
use crate::store::settings;
use crate::sys::dirs::Dirs;
use crate::sys::{cmd, program};
use crate::ui::Ui;

pub(super) fn run(ui: Ui, environment: &Environment, called: &OsStr, shell: &Shell) -> Result<u8, Failure> {
    let program = program::own_path(environment, called)?;
    let script = if shell.has_functions() { PathBuf::new() } else { scripts::write(environment, shell)? };
    ui.answer_bytes(&shell.hook(&Wanted {
        silo: program.as_os_str().as_bytes(),
        script: script.as_os_str().as_bytes(),
        wraps_cd: Dirs::find(environment).map_or(true, |dirs| settings::wraps_cd(&dirs)),
        is_on_path: cmd::find("silo", environment).is_some(),
    }))?;
    Ok(0)
}
