//! The files of tcsh's hook: the scripts it reads, and beside them the word that `silo deactivate` leaves for one shell.
//! tcsh has no functions, and an alias could not hand every other call on as it is.

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

/// The file tcsh reads the hook from, and the one beside it, written where they do not yet say this.
pub(super) fn script(environment: &Environment) -> Result<PathBuf, Failure> {
    let dirs = Dirs::find(environment)?;
    let folder = folder(&dirs);
    let file = folder.join("hook.tcsh");
    // In this order: shells that run may read the second at any moment.
    let scripts = [(folder.join(shell::TCSH_CHANGE), shell::tcsh_change()), (file.clone(), shell::TCSH_SCRIPT.into())];
    for (file, script) in scripts {
        let there = files::read(&file, LIMIT)?;
        if there.is_none_or(|there| there.bytes != script.as_bytes()) {
            dirs.require_own(environment)?;
            files::make_folder(&folder)?;
            writing::replace(&file, script.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })?;
        }
    }
    forget_the_dead(&folder);
    Ok(file)
}

/// Leaves word for the tcsh this was typed in, to be off at its next prompt; whether it is one that reads it.
pub(in super::super) fn leave_word(dirs: &Dirs, environment: &Environment) -> Result<bool, Failure> {
    let Some(mark) = environment.text(MARK).and_then(Mark::parse) else { return Ok(false) };
    let above = processes::above();
    let Some(shell) = above.first().filter(|parent| parent.pid == mark.pid && is_tcsh(parent)) else {
        return Ok(false);
    };
    files::make_folder(&folder(dirs))?;
    let birth = shell.birth().unwrap_or_default();
    writing::replace(&word(dirs, mark.pid), birth.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })?;
    Ok(true)
}

/// Takes the word away that the shell of this environment has read.
pub(in super::super) fn take_word(dirs: &Dirs, environment: &Environment) -> Result<(), Failure> {
    match environment.text(MARK).and_then(Mark::parse) {
        Some(mark) => files::remove(&word(dirs, mark.pid)),
        None => Ok(()),
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

/// tcsh is often what is behind the name csh; login shells are called with a dash before it.
fn is_tcsh(process: &Process) -> bool {
    matches!(process.name.trim_start_matches('-'), "tcsh" | "csh")
}

fn folder(dirs: &Dirs) -> PathBuf {
    dirs.state.join("shell").join(Shell::Tcsh.name())
}

fn word(dirs: &Dirs, pid: u32) -> PathBuf {
    folder(dirs).join(format!("{OFF}{pid}"))
}
