//! git, asked which files of a checkout it ignores and which it tracks.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::worktrees::Git;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;

/// How long git may take to look through a checkout.
const LIMIT: Duration = Duration::from_mins(2);

/// The ignored files of a checkout below a folder, relative to it; a folder of which all is ignored stands for what is in it.
///
/// # Errors
/// A [`Failure`] when git is missing or says no.
pub fn list(folder: &Path, environment: &Environment) -> Result<Vec<(PathBuf, bool)>, Failure> {
    let words = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
    let mut found: Vec<(PathBuf, bool)> = ask(folder, environment, &words)?
        .into_iter()
        .map(|path| match path.strip_suffix(b"/") {
            Some(folder) => (PathBuf::from(OsStr::from_bytes(folder)), true),
            None => (PathBuf::from(OsStr::from_bytes(&path)), false),
        })
        .collect();
    // Of an untracked folder git names the ignored files, too.
    let folders: Vec<PathBuf> =
        found.iter().filter(|(_, is_folder)| *is_folder).map(|(path, _)| path.clone()).collect();
    found.retain(|(path, _)| !folders.iter().any(|folder| path != folder && path.starts_with(folder)));
    Ok(found)
}

/// The files below a folder that git does not ignore, relative to it, and whether it tracks each.
///
/// # Errors
/// As [`list`].
pub fn others(folder: &Path, environment: &Environment) -> Result<Vec<(PathBuf, bool)>, Failure> {
    let listed = ask(folder, environment, &["ls-files", "-z", "-t", "--cached", "--others", "--exclude-standard"])?;
    let entry = |line: Vec<u8>| {
        let (tag, path) = line.split_at_checked(2)?;
        Some((PathBuf::from(OsStr::from_bytes(path)), !tag.starts_with(b"?")))
    };
    Ok(listed.into_iter().filter_map(entry).collect())
}

fn ask(folder: &Path, environment: &Environment, words: &[&str]) -> Result<Vec<Vec<u8>>, Failure> {
    // A program that git would ask for what has changed is none of this.
    let words = [&["-c", "core.fsmonitor=false"], words].concat();
    let listed = Git::of(environment, folder).bytes(&words, LIMIT)?;
    Ok(listed.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect())
}
