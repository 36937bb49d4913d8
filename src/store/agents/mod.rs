//! The records of agents' runs (D33): a folder each in silo's state, with the record, the lock of who runs or ends it, and what is
//! kept of it. A record is there before anything of its run is, so that whatever was cut off is found again.

pub mod wall;

use std::path::{Path, PathBuf};

use crate::core::agents::names;
use crate::core::agents::record::Run;
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::lock;
use crate::sys::trees;
use crate::sys::writing::{self, Writing};

/// Largest record that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Where what belongs to a run lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place(PathBuf);

impl Place {
    /// The folder of a run with this ID.
    pub fn of(dirs: &Dirs, id: &str) -> Self {
        Self(dirs.agents().join(id))
    }

    /// The folder itself.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// What who starts, runs or ends it holds.
    pub fn lock(&self) -> PathBuf {
        self.0.join("lock")
    }

    /// The record.
    pub fn record(&self) -> PathBuf {
        self.0.join("record")
    }

    /// What only a run needs: the clone, what is mounted, and what the agent may write to.
    pub fn work(&self) -> PathBuf {
        self.0.join("work")
    }

    /// The clone.
    pub fn clone_folder(&self) -> PathBuf {
        self.work().join("clone")
    }

    /// Where the agent leaves what it found.
    pub fn left(&self) -> PathBuf {
        self.work().join("findings")
    }

    /// Where the bundle is written to.
    pub fn bundles(&self) -> PathBuf {
        self.work().join("bundle")
    }

    /// What silo has read of what the agent found.
    pub fn findings(&self) -> PathBuf {
        self.0.join("findings")
    }

    /// What it printed.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }

    /// Commits on other branches of its own.
    pub fn others(&self) -> PathBuf {
        self.0.join("others.bundle")
    }

    /// The sockets of its wall.
    pub fn sockets(&self) -> PathBuf {
        self.0.join("wall")
    }
}

/// The record of an ID; none where there is none.
///
/// # Errors
/// A [`Failure`] when it cannot be read, or is not whole.
pub fn load(dirs: &Dirs, id: &str) -> Result<Option<Run>, Failure> {
    let path = Place::of(dirs, id).record();
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(None) };
    let read: Option<Run> = serde_json::from_slice(&content.bytes).ok();
    // Of another run than its folder's, it would let silo remove what it did not make.
    match read.filter(|read| read.id == id && names::is_id(id)) {
        Some(run) => Ok(Some(run)),
        None => Err(Failure::new(format!("The record of an agent is damaged: `{}`", shown(&path)))
            .hint(format!("Look which one it is, then put it aside: `mv {0} {0}.broken`", quoted(&path)))),
    }
}

/// Writes a record.
///
/// # Errors
/// A [`Failure`] that names the path; the old record is then still there.
pub fn save(dirs: &Dirs, run: &Run) -> Result<(), Failure> {
    let place = Place::of(dirs, &run.id);
    files::make_folder(place.folder())?;
    let text = serde_json::to_string_pretty(run).expect("strings always serialise") + "\n";
    writing::replace(&place.record(), text.as_bytes(), Writing::PRIVATE)
}

/// All runs, the oldest first; damaged records are left out.
pub fn all(dirs: &Dirs) -> Vec<Run> {
    let folders = files::names_in(&dirs.agents());
    let ids = folders.iter().filter_map(|folder| folder.file_name()?.to_str());
    let mut all: Vec<Run> = ids.filter_map(|id| load(dirs, id).ok()?).collect();
    all.sort_by(|one, other| (&one.created, &one.id).cmp(&(&other.created, &other.id)));
    all
}

/// Removes all that is left of a run; the holder of its lock calls it.
///
/// # Errors
/// A [`Failure`] when something cannot be removed.
pub fn forget(dirs: &Dirs, id: &str) -> Result<(), Failure> {
    let place = Place::of(dirs, id);
    let lock = place.lock();
    // The record goes last but for the lock: until then who comes next finds the rest.
    let rest = files::names_in(place.folder());
    for path in rest.iter().filter(|path| **path != lock && **path != place.record()) {
        match files::is_folder(path) && !files::is_link(path) {
            true => trees::remove(path)?,
            false => files::remove(path)?,
        }
    }
    files::remove(&place.record())?;
    files::remove(&lock)?;
    files::remove_folder(place.folder())?;
    files::remove_folder(&dirs.agents())
}

/// Clears up after who was killed between taking a lock and writing the record. One that is held is left alone, and one that cannot
/// be removed does no harm.
pub fn sweep(dirs: &Dirs) {
    for folder in files::names_in(&dirs.agents()) {
        let Some(id) = folder.file_name().and_then(|name| name.to_str()).filter(|id| names::is_id(id)) else {
            continue;
        };
        let place = Place::of(dirs, id);
        if files::exists(&place.record()) || lock::holder(&place.lock()).is_some() {
            continue;
        }
        let _ = lock::hold(&place.lock(), "it", &lock::AT_ONCE, Failure::new, || {
            if files::exists(&place.record()) { Ok(()) } else { forget(dirs, id) }
        });
    }
}
