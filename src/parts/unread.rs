//! Files of the project that `silo doctor` reads, and what it says of one it cannot read.

use std::path::{Component, Path, PathBuf};

use super::finding::Finding;
use crate::failure::{Failure, quoted, shown};
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

/// The same of a project's file; a link that leads out of the project is not followed.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn text_within(root: &Path, path: &Path) -> Result<String, Failure> {
    let plain = plain(path);
    let leads_out = || files::canonical(path).is_ok_and(|real| !real.starts_with(root));
    if plain.starts_with(root) && leads_out() {
        return Err(Failure::new(format!("Cannot read `{}`: a link leads out of the project", shown(path)))
            .hint(format!("Look at it: `ls -ld {}`", quoted(path))));
    }
    text(path)
}

/// A path without `.` and `..`, as it is written.
pub fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

/// A file that is there and cannot be looked into.
pub fn finding(id: &'static str, failure: Failure, path: &Path) -> Finding {
    Finding::note(id, failure.what).at(path).why(WHY).remedy(format!("ls -lLd {}", quoted(path)))
}
