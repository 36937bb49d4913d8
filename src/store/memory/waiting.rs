//! Which runs of agents have findings on the disk that are not saved yet. The note is written before the first try, beside the findings,
//! and goes with the last one: what a crash, a server that is down or the end of an instance leaves is saved by a later call.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::memory::talk::Run;
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, folders};

/// Largest note that is read, in bytes.
const LIMIT: u64 = 64 * 1024;
/// The note of a run, in its folder.
const NOTE: &str = "memory.json";
/// The folder of its findings, beside that.
pub const FINDINGS: &str = "findings";

/// A run that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// The root of its instance.
    pub root: String,
    /// Its server, where that is one of the user's `memory.toml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Whose findings they are.
    #[serde(flatten)]
    pub run: Run,
}

/// Notes that the findings in a run's folder are to be saved.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn note(folder: &Path, waiting: &Waiting) -> Result<(), Failure> {
    let text = serde_json::to_string(waiting).expect("texts always serialise") + "\n";
    writing::replace(&folder.join(NOTE), text.as_bytes(), Writing::PRIVATE)
}

/// Takes the note back: they are saved.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn forget(folder: &Path) -> Result<(), Failure> {
    files::remove(&folder.join(NOTE))
}

/// What a run's folder notes; none where there is nothing to save.
///
/// # Errors
/// A [`Failure`] when the note cannot be read, or is none.
pub fn of(folder: &Path) -> Result<Option<Waiting>, Failure> {
    let path = folder.join(NOTE);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(None) };
    serde_json::from_slice(&content.bytes).map(Some).map_err(|_| {
        let (note, folder) = (quoted(&path), quoted(&folder.join(FINDINGS)));
        Failure::new(format!("The note about a run that waits is damaged: `{}`", shown(&path))).hint(format!(
            "Save it by hand, with the agent's name: `rm {note} && silo memory sync {folder} --agent NAME --run ID`"
        ))
    })
}

/// Runs that wait, each with its folder, in the order of the folders' names.
pub type Notes = Vec<(PathBuf, Waiting)>;

/// Every run that waits, and what is wrong with the first note that is damaged.
///
/// # Errors
/// A [`Failure`] when the folder of all runs cannot be read.
pub fn all(dirs: &Dirs) -> Result<(Notes, Option<Failure>), Failure> {
    let mut folders = folders::list(&dirs.agents())?;
    folders.sort();
    let (mut found, mut damaged) = (Vec::new(), None);
    for folder in folders {
        match of(&folder) {
            Ok(Some(waiting)) => found.push((folder, waiting)),
            Ok(None) => {}
            Err(failure) => damaged = damaged.or(Some(failure)),
        }
    }
    Ok((found, damaged))
}
