//! The volumes that an instance's `keep` names: remembered in the history of its root, for once the folder is gone nothing else says
//! so.

use std::path::Path;

use super::{history, registry};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;

/// Remembers which volumes are kept for the instance of a root that has this name now; where that is known, nothing is written and
/// nobody waited for.
///
/// # Errors
/// A [`Failure`] when the lock is not available in time, or that names the path.
pub fn note(dirs: &Dirs, root: &Path, project: &str, kept: &[String], wait: &Wait<'_>) -> Result<(), Failure> {
    let known = history::of(dirs, root).map_or_else(Vec::new, |history| history.kept);
    let mut kept = kept.to_vec();
    kept.sort();
    if known == kept {
        return Ok(());
    }
    registry::with_lock(dirs, wait, |_| history::note_kept(dirs, root, project, &kept))
}
