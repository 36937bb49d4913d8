//! What writers that were killed left: files that were never renamed to the name they were to have. Each bears the process
//! id of its writer; what a living one is writing is never touched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::files;

/// What lies in a folder, and the name of the file each was to become.
pub fn files_in(folder: &Path) -> Vec<(PathBuf, OsString)> {
    let left = files::names_in(folder).into_iter().filter_map(|left| {
        let found = left.file_name()?.as_bytes().strip_suffix(files::LEFT.as_bytes())?;
        let at = found.iter().rposition(|byte| *byte == b'.')?;
        let writer = std::str::from_utf8(&found[at + 1..]).ok()?.split_once('-')?.0.parse().ok()?;
        let gone = test_kill_process(Pid::from_raw(writer)?) == Err(Errno::SRCH);
        gone.then(|| (left.clone(), OsStr::from_bytes(&found[..at]).to_owned()))
    });
    left.collect()
}

/// Removes what was to become a file.
pub fn sweep(path: &Path) {
    let folder = path.parent().unwrap_or(Path::new("/"));
    remove(files_in(folder).into_iter().filter(|(_, name)| Some(name.as_os_str()) == path.file_name()));
}

/// As [`sweep`], for every file in a folder that is silo's own.
pub fn sweep_folder(folder: &Path) {
    remove(files_in(folder).into_iter());
}

fn remove(left: impl Iterator<Item = (PathBuf, OsString)>) {
    for (path, _) in left {
        // One that cannot be removed does no harm.
        let _ = files::remove(&path);
    }
}
