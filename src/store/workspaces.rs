//! The records of workspaces (D118): a folder each in silo's state, with the record and the lock of who makes or removes it. A
//! record is there before anything of its workspace is, and goes last, so that whatever was cut off is found again.

use std::path::{Path, PathBuf};

use crate::core::workspaces::record::{self, Workspace};
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::lock;
use crate::sys::writing::{self, Writing};

/// The file of the record itself.
const RECORD: &str = "record";
/// Largest record that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The folder of a workspace's record.
pub fn place(dirs: &Dirs, origin: &str, name: &str) -> PathBuf {
    dirs.workspaces().join(record::id(origin, name))
}

/// The folder of a record.
pub fn place_of(dirs: &Dirs, workspace: &Workspace) -> PathBuf {
    place(dirs, &workspace.origin, &workspace.name)
}

/// What who makes or removes a workspace holds.
pub fn lock_of(place: &Path) -> PathBuf {
    place.join("lock")
}

/// The record in a place; none where there is none.
///
/// # Errors
/// A [`Failure`] when it cannot be read, or is not whole.
pub fn load(place: &Path) -> Result<Option<Workspace>, Failure> {
    let path = place.join(RECORD);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(None) };
    let read: Option<Workspace> = serde_json::from_slice(&content.bytes).ok();
    // Of another workspace than its folder's, it would let silo remove what it did not make.
    match read.filter(|read| place.file_name().is_some_and(|id| id == read.id().as_str())) {
        Some(workspace) => Ok(Some(workspace)),
        None => Err(Failure::new(format!("The record of a workspace is damaged: `{}`", shown(&path)))
            .hint(format!("See which one it is, then put it aside: `mv {0} {0}.broken`", quoted(&path)))),
    }
}

/// Writes a record.
///
/// # Errors
/// A [`Failure`] that names the path; the old record is then still there.
pub fn save(dirs: &Dirs, workspace: &Workspace) -> Result<(), Failure> {
    let place = place_of(dirs, workspace);
    files::make_folder(&place)?;
    let text = serde_json::to_string_pretty(workspace).expect("strings always serialise") + "\n";
    writing::replace(&place.join(RECORD), text.as_bytes(), Writing::PRIVATE)
}

/// All workspaces, by origin and name; damaged records are left out.
pub fn all(dirs: &Dirs) -> Vec<Workspace> {
    let places = files::names_in(&dirs.workspaces());
    let mut all: Vec<Workspace> = places.iter().filter_map(|place| load(place).ok()?).collect();
    all.sort_by(|one, other| (&one.origin, &one.name).cmp(&(&other.origin, &other.name)));
    all
}

/// Clears up after who was killed between taking a lock and writing the record, or removing both. One that is held is left alone, and
/// one that cannot be removed does no harm.
pub fn sweep(dirs: &Dirs) {
    for place in files::names_in(&dirs.workspaces()) {
        if files::exists(&place.join(RECORD)) || lock::holder(&lock_of(&place)).is_some() {
            continue;
        }
        let _ = lock::hold(&lock_of(&place), "it", &lock::AT_ONCE, Failure::new, || {
            if files::exists(&place.join(RECORD)) { Ok(()) } else { forget(&place) }
        });
    }
}

/// The workspace that a folder is in.
pub fn around(dirs: &Dirs, folder: &Path) -> Option<Workspace> {
    all(dirs).into_iter().find(|workspace| folder.starts_with(&workspace.folder))
}

/// Forgets a workspace; the holder of its lock calls it.
///
/// # Errors
/// A [`Failure`] when a file cannot be removed.
pub fn forget(place: &Path) -> Result<(), Failure> {
    // The record goes before the lock, and nothing of it is left where that is gone.
    let lock = lock_of(place);
    files::names_in(place).iter().filter(|path| **path != lock).try_for_each(|path| files::remove(path))?;
    files::remove(&lock)?;
    files::remove_folder(place)?;
    files::remove_folder(place.parent().unwrap_or(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::workspaces::record::{Kind, Stage};

    #[test]
    fn a_record_is_found_by_its_own_name_alone_and_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_path_buf();
        let dirs = Dirs { state: home.join("state"), data: home.clone(), config: home.clone(), home };
        let workspace = Workspace {
            name: "feature/x".into(),
            kind: Kind::Worktree,
            origin: "/r/app".into(),
            folder: "/r/app.feature-x".into(),
            place: String::new(),
            stage: Stage::Making,
            made_branch: true,
            base: None,
            whole: None,
            created: "2026-01-01T00:00:00Z".into(),
        };
        save(&dirs, &workspace).expect("written");
        assert_eq!(all(&dirs), std::slice::from_ref(&workspace));
        assert_eq!(around(&dirs, Path::new("/r/app.feature-x/src")), Some(workspace.clone()));
        assert_eq!(around(&dirs, Path::new("/r/app.feature-xy")), None);
        let place = place_of(&dirs, &workspace);
        let moved = dirs.workspaces().join("0123456789abcdef");
        std::fs::rename(&place, &moved).expect("moved");
        assert!(load(&moved).expect_err("it is another's").what.contains("is damaged"));
        std::fs::rename(&moved, &place).expect("moved");
        forget(&place).expect("removed");
        assert!(!files::exists(&dirs.workspaces()));
    }
}
