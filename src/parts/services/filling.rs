//! The mark of a volume that is being filled: it stands from before the first byte until after the last one, so that a half-filled
//! volume is never taken for a whole one, however silo ended.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::backend::docker::Docker;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files as disk;
use crate::sys::writing::{self, Writing};

/// Largest mark that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// What is being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filling {
    /// The volume that is filled.
    pub(super) volume: String,
    /// The command that does it again.
    pub(super) again: String,
    /// Containers that were stopped for it and are to be started again.
    pub(super) stopped: Vec<String>,
}

/// The mark of the instance of a root; none where nothing is half done. One that cannot be read counts as one of an unknown volume.
pub(super) fn load(dirs: &Dirs, root: &Path) -> Option<Filling> {
    let content = disk::read(&path(dirs, root), LIMIT).ok()??;
    let unknown = || Filling { volume: String::new(), again: "silo seed".to_owned(), stopped: Vec::new() };
    Some(serde_json::from_slice(&content.bytes).unwrap_or_else(|_| unknown()))
}

/// Sets the mark.
pub(super) fn save(dirs: &Dirs, root: &Path, filling: &Filling) -> Result<(), Failure> {
    let path = path(dirs, root);
    disk::make_folder(path.parent().expect("it lies in a folder"))?;
    writing::replace(&path, &serde_json::to_vec(filling).expect("strings serialise"), Writing::PRIVATE)
}

/// Takes it away.
pub(super) fn clear(dirs: &Dirs, root: &Path) -> Result<(), Failure> {
    disk::remove(&path(dirs, root))
}

/// Refuses to start anything beside a half-filled volume. Where there is no mark, nobody is asked.
pub(super) fn check(dirs: &Dirs, root: &Path, docker: Docker<'_>) -> Result<(), Failure> {
    let Some(filling) = load(dirs, root) else { return Ok(()) };
    let Filling { volume, again, stopped } = &filling;
    if !volume.is_empty() && docker.volumes()?.iter().all(|one| one.name != *volume) {
        return clear(dirs, root);
    }
    let failure = Failure::new(format!("The volume `{volume}` is half filled: `{again}` did not end"));
    let failure = failure.hint(format!("Fill it again: `{again}`")).hint(format!(
        "Or do without: `docker rm --force $(docker ps -aq --filter volume={volume}) && docker volume rm {volume}`"
    ));
    Err(match stopped.is_empty() {
        true => failure,
        false => failure.hint(format!("What was stopped for it: `docker start {}`", stopped.join(" "))),
    })
}

/// Whether there is a mark at all: one look at a file.
pub(super) fn is_marked(dirs: &Dirs, root: &Path) -> bool {
    disk::is_file(&path(dirs, root))
}

fn path(dirs: &Dirs, root: &Path) -> PathBuf {
    dirs.instance(root).join("filling")
}
