//! The checkout from which ignored files are brought along, and which of them are meant.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::backend::ignored;
use crate::core::shell::environment::Environment;
use crate::core::text::glob::Globs;
use crate::failure::Failure;
use crate::store::worktree;
use crate::sys::{bring, files};

/// The same place in the main checkout of a root's repository; of a bare one, in the worktree on its branch. None where the root is
/// that itself, or in no repository of the user's.
pub fn of(root: &Path) -> Option<PathBuf> {
    let uid = geteuid().as_raw();
    let membership = worktree::membership(root, uid)?;
    let main = worktree::main_of(&membership, uid)?;
    (main != root).then_some(main)
}

/// A file or folder of a checkout that git does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Where, from the root of the checkout.
    pub(super) place: PathBuf,
    /// Whether it is a folder, and no link to one.
    pub(super) is_folder: bool,
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Files that are picked by their own path.
    Files,
    /// Files that are picked, or in a folder that is.
    FilesBelow,
    /// Folders that are picked.
    Folders,
}

/// The ignored files of a checkout; all of them where it is in no repository.
pub(super) struct Ignored<'a> {
    root: &'a Path,
    listed: Vec<(PathBuf, bool)>,
}

impl<'a> Ignored<'a> {
    /// Asks git.
    ///
    /// # Errors
    /// A [`Failure`] when git cannot say.
    pub(super) fn of(root: &'a Path, environment: &Environment) -> Result<Self, Failure> {
        let listed = match in_git(root) {
            true => ignored::list(root, environment)?,
            false => relative(root, bring::entries(root).unwrap_or_default()),
        };
        Ok(Self { root, listed })
    }

    /// What of it is there now and git did not name as a whole before.
    pub(super) fn new_since(&self, before: &Self) -> Vec<&Path> {
        let is_new = |(path, _): &&(PathBuf, bool)| !before.listed.iter().any(|(known, _)| path.starts_with(known));
        self.listed.iter().filter(is_new).map(|(path, _)| path.as_path()).collect()
    }

    /// Those that globs pick, sorted.
    pub(super) fn picked(&self, globs: &Globs, wanted: Wanted) -> Vec<Found> {
        let mut found = Vec::new();
        if !globs.is_empty() {
            self.listed.iter().for_each(|(place, is_folder)| self.look(globs, wanted, place, *is_folder, &mut found));
        }
        found.sort_by(|one, other| one.place.cmp(&other.place));
        found
    }

    fn look(&self, globs: &Globs, wanted: Wanted, place: &Path, is_folder: bool, found: &mut Vec<Found>) {
        let bytes = place.as_os_str().as_bytes();
        if place.file_name() == Some(OsStr::new(".git")) {
            return;
        }
        let picked = match wanted {
            Wanted::Files => !is_folder && globs.picks_itself(bytes, false),
            Wanted::FilesBelow => !is_folder && globs.picks(bytes, false),
            Wanted::Folders => is_folder && globs.picks_itself(bytes, true),
        };
        if picked {
            found.push(Found { place: place.to_owned(), is_folder });
            return;
        }
        let path = self.root.join(place);
        // A checkout of its own, such as another worktree, is nothing of this one.
        if !is_folder || !globs.reaches_into(bytes) || files::exists(&path.join(".git")) {
            return;
        }
        match bring::entries(&path) {
            Some(entries) => relative(self.root, entries)
                .iter()
                .for_each(|(place, is_folder)| self.look(globs, wanted, place, *is_folder, found)),
            // Where files are wanted, a folder among them is one that cannot be looked into.
            None if wanted != Wanted::Folders => found.push(Found { place: place.to_owned(), is_folder }),
            None => {}
        }
    }
}

/// Whether git ignores what is at a place of a checkout; where it does not say, it does not.
pub fn is_ignored(root: &Path, place: &Path, environment: &Environment) -> bool {
    let listed = ignored::list(root, environment).unwrap_or_default();
    listed.iter().any(|(path, _)| place.starts_with(path))
}

/// Whether a folder is in a repository of the user's.
pub(super) fn in_git(root: &Path) -> bool {
    worktree::membership(root, geteuid().as_raw()).is_some()
}

fn relative(root: &Path, entries: Vec<(PathBuf, bool)>) -> Vec<(PathBuf, bool)> {
    entries.into_iter().filter_map(|(path, kind)| Some((path.strip_prefix(root).ok()?.to_owned(), kind))).collect()
}
