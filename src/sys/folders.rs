//! What lies in a folder, for those who must not take one that cannot be read for empty.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The paths in a folder; none when there is no folder.
///
/// # Errors
/// A [`Failure`] that names the folder.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let entries = match folder.read_dir() {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()),
    };
    entries.map_err(|error| Failure::file("read", folder, &error))
}
