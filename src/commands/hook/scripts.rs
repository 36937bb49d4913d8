//! The files of the hook of a shell without functions, tcsh: the scripts it reads, and beside them the word that
//! `silo deactivate` leaves for one shell. An alias could not hand every other call on as it is.

use std::path::{Path, PathBuf};

use crate::core::shell::environment::Environment;
use crate::core::shell::{self, MARK, Mark, Shell};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::processes::{self, Process};
use crate::sys::writing::{self, Writing};

/// Largest file of these that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// What a word's name begins with; the rest is the shell's process id.
const OFF: &str = "off.";

/// Writes the scripts of a shell where they do not yet say this; the one its start file reads.
pub(super) fn write(environment: &Environment, shell: &Shell) -> Result<PathBuf, Failure> {
    let dirs = Dirs::find(environment)?;
    let folder = folder(&dirs, shell);
    let mut last = PathBuf::new();
    for (name, script) in shell.scripts() {
        last = folder.join(name);
        let there = files::read(&last, LIMIT)?;
        if there.is_none_or(|there| there.bytes != script) {
            dirs.require_own(environment)?;
            files::make_folder(&folder)?;
            writing::replace(&last, &script, Writing { durable: false, ..Writing::PRIVATE })?;
        }
    }
    forget_the_dead(&folder);
    Ok(last)
}

/// Leaves word for the shell this was typed in, to be off at its next prompt; whether it is one that reads it.
pub(in super::super) fn leave_word(dirs: &Dirs, environment: &Environment) -> Result<bool, Failure> {
    let Some(mark) = environment.text(MARK).and_then(Mark::parse) else { return Ok(false) };
    let above = processes::above();
    let Some(process) = above.first().filter(|parent| parent.pid == mark.pid) else { return Ok(false) };
    let mut without_functions = shell::ALL.into_iter().filter(|shell| !shell.has_functions());
    let Some(shell) = without_functions.find(|shell| shell.runs_as(&process.name)) else {
        return Ok(false);
    };
    files::make_folder(&folder(dirs, shell))?;
    let birth = process.birth().unwrap_or_default();
    writing::replace(&word(dirs, shell, mark.pid), birth.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })?;
    Ok(true)
}

/// Takes the word away that the shell of this environment has read; one with functions was left none.
pub(in super::super) fn take_word(dirs: &Dirs, environment: &Environment, shell: &Shell) -> Result<(), Failure> {
    match environment.text(MARK).and_then(Mark::parse) {
        Some(mark) if !shell.has_functions() => files::remove(&word(dirs, shell, mark.pid)),
        _ => Ok(()),
    }
}

/// Removes the words for shells that ended before they read them: their process ids are used again.
fn forget_the_dead(folder: &Path) {
    for path in files::names_in(folder) {
        let pid = path.file_name().and_then(|name| name.to_str()?.strip_prefix(OFF)?.parse().ok());
        let Some(pid) = pid else { continue };
        let birth = files::read(&path, LIMIT).ok().flatten().map(|content| content.bytes).unwrap_or_default();
        let lives = |shell: Process| shell.birth().is_none_or(|now| now.as_bytes() == birth);
        if !processes::look(pid).is_some_and(lives) {
            // One that cannot be removed is tried again by the next shell.
            let _ = files::remove(&path);
        }
    }
}

fn folder(dirs: &Dirs, shell: &Shell) -> PathBuf {
    dirs.state.join("shell").join(shell.name)
}

fn word(dirs: &Dirs, shell: &Shell, pid: u32) -> PathBuf {
    folder(dirs, shell).join(format!("{OFF}{pid}"))
}
