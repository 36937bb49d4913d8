//! Worktrees as instances: what a new one is filled with (D30).

mod clone;
pub mod copy;
pub mod furnish;
mod init;
mod render;
pub mod source;
pub mod work;

use std::path::Path;

use crate::failure::Failure;
use crate::store::placed::Placed;
use crate::sys::dirs::Dirs;

/// What silo put into a root: with its folder, everything else is lost.
///
/// # Errors
/// A [`Failure`] when the record cannot be read.
pub fn put_there(dirs: &Dirs, root: &Path) -> Result<Placed, Failure> {
    Placed::of(dirs, root)
}
