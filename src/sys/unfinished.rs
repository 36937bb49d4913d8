//! What writers that were killed left: files that were never renamed to the name they were to have. Each has the process
//! id of its writer; what a living one is writing is never touched.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};

use super::files;

/// The end of the name of a file that is not yet whole.
const LEFT: &str = ".silo-tmp";

/// The name under which the file of a path is written until it is whole; another one at each call.
pub(super) fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut name = path.file_name().expect("every path written has a file name").to_owned();
    name.push(format!(".{}-{}{LEFT}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// What lies in a folder, and the name of the file each was to become.
pub fn files_in(folder: &Path) -> Vec<(PathBuf, OsString)> {
    let left = files::names_in(folder).into_iter().filter_map(|left| {
        let found = left.file_name()?.as_bytes().strip_suffix(LEFT.as_bytes())?;
        let at = found.iter().rposition(|byte| *byte == b'.')?;
        let writer = std::str::from_utf8(&found[at + 1..]).ok()?.split_once('-')?.0.parse().ok()?;
        let gone = test_kill_process(Pid::from_raw(writer)?) == Err(Errno::SRCH);
        gone.then(|| (left.clone(), OsStr::from_bytes(&found[..at]).to_owned()))
    });
    left.collect()
}

/// Whether a path is one of these, or lies in one that is a folder.
pub fn is_one(path: &Path) -> bool {
    path.iter().any(|part| part.as_bytes().ends_with(LEFT.as_bytes()))
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
