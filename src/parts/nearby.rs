//! The files of a project by their names, in its root and a few folders below: not in those of other projects or of
//! dependencies, through no link, and no more than a few thousand entries.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use crate::store::project::CONFIG_NAME;
use crate::sys::files;

/// How many folders lie between root and file at most.
const DEPTH: usize = 3;
/// The most entries that are looked at.
const ENTRIES: usize = 4000;
/// The most files that are told.
const MOST: usize = 64;
/// Folders of dependencies and of what was built.
const FOREIGN: [&str; 9] =
    ["node_modules", "vendor", "target", "dist", "build", "venv", "bower_components", "site-packages", "testdata"];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Nearby {
    /// The files, those of the root first.
    pub files: Vec<PathBuf>,
    /// Whether there was more than is looked at.
    pub is_cut: bool,
}

/// Finds files whose names are wanted.
pub fn look(root: &Path, is_wanted: &dyn Fn(&str) -> bool) -> Nearby {
    let mut found = Nearby::default();
    let mut waiting = VecDeque::from([(root.to_path_buf(), 0)]);
    let mut entries = 0;
    while let Some((folder, depth)) = waiting.pop_front() {
        let mut paths = files::names_in(&folder);
        paths.sort();
        for path in paths {
            entries += 1;
            if entries > ENTRIES || found.files.len() == MOST {
                found.is_cut = true;
                return found;
            }
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if is_wanted(name) && !files::is_folder(&path) {
                found.files.push(path);
            } else if depth < DEPTH && is_own_folder(&path, name) {
                waiting.push_back((path, depth + 1));
            }
        }
    }
    found
}

/// Whether a path is a folder of this very project.
fn is_own_folder(path: &Path, name: &str) -> bool {
    let may_be = !name.starts_with('.') && !FOREIGN.contains(&name) && !files::is_link(path) && files::is_folder(path);
    may_be && !files::exists(&path.join(CONFIG_NAME)) && !files::exists(&path.join(".git"))
}
