//! Files of the project that `silo doctor` reads, and what it says of one it cannot read.

use std::path::Path;

use super::finding::Finding;
use crate::failure::{Failure, quoted};
use crate::sys::files;

/// Largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// What comes of a file that cannot be understood.
pub const WHY: &str = "What it fixes for every instance could not be looked for";

/// What a file holds; nothing where there is none.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path, LIMIT)?.map(|content| content.bytes).unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that is there and cannot be looked into.
pub fn finding(id: &'static str, failure: Failure, path: &Path) -> Finding {
    Finding::note(id, failure.what).at(path).why(WHY).mend(format!("ls -lLd {}", quoted(path)))
}
