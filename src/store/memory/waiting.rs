//! Which runs of agents have findings on the disk that are not saved yet. The note is written before the first try, beside the findings,
//! and goes with the last one: what a crash, a server that is down or the end of an instance leaves is saved by a later call.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::core::memory::talk::Run;
use crate::failure::Failure;
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
/// A [`Failure`] when the note cannot be read.
pub fn of(folder: &Path) -> Result<Option<Waiting>, Failure> {
    let Some(content) = files::read(&folder.join(NOTE), LIMIT)? else { return Ok(None) };
    Ok(serde_json::from_slice(&content.bytes).ok())
}

/// Every run that waits, with its folder, in the order of the folders' names.
///
/// # Errors
/// A [`Failure`] when a folder or a note cannot be read.
pub fn all(dirs: &Dirs) -> Result<Vec<(PathBuf, Waiting)>, Failure> {
    let mut folders = folders::list(&dirs.agents())?;
    folders.sort();
    let each = folders.into_iter().map(|folder| Ok(of(&folder)?.map(|waiting| (folder, waiting))));
    Ok(each.collect::<Result<Vec<_>, Failure>>()?.into_iter().flatten().collect())
}
