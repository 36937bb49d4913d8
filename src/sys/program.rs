//! Where silo itself lies.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{cmd, dirs, files};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;

/// silo's own absolute path, as it was called and with links kept: the file behind a link may move with an upgrade.
///
/// # Errors
/// A [`Failure`] when the system does not tell.
pub fn own_path(environment: &Environment, called: &OsStr) -> Result<PathBuf, Failure> {
    let called = Path::new(called);
    let found = if called.is_absolute() {
        Some(called.to_path_buf())
    } else if called.as_os_str().as_bytes().contains(&b'/') {
        Some(dirs::working_folder(environment)?.join(called))
    } else {
        cmd::find_in(called.as_os_str(), environment, Path::is_absolute)
    };
    match found.filter(|file| files::is_executable(file)) {
        Some(file) => Ok(file),
        None => std::env::current_exe().map_err(|error| Failure::file("find", called, &error)),
    }
}
