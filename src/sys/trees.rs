//! Whole folders: what is in the way of removing one, and removing it. No link is followed.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access;

use crate::failure::Failure;

/// How often a folder is tried in which something appears while it is removed.
const TRIES: u32 = 20;
/// How long to wait before each.
const PAUSE: Duration = Duration::from_millis(25);

/// The paths below a folder, or the folder itself, that this user cannot remove, at most so many: what lies in folders of other
/// users. A folder of the user's own that is closed is opened by [`remove`].
pub fn in_the_way(folder: &Path, most: usize) -> Vec<PathBuf> {
    let own = rustix::process::geteuid();
    let mut found = Vec::new();
    let parent = folder.parent().unwrap_or(folder);
    if rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        found.push(folder.to_path_buf());
        return found;
    }
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(metadata) = fs::symlink_metadata(&next) else { continue };
        if !metadata.is_dir() {
            continue;
        }
        let is_open = rustix::fs::access(&next, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK).is_ok();
        let is_own = metadata.uid() == own.as_raw() || own.is_root();
        let is_sticky = metadata.mode() & 0o1000 != 0 && !is_own;
        let entries: Vec<fs::DirEntry> = match fs::read_dir(&next) {
            Ok(entries) => entries.flatten().collect(),
            Err(_) if is_own => continue,
            Err(_) => {
                found.push(next);
                continue;
            }
        };
        for entry in entries {
            let Ok(inside) = entry.metadata() else { continue };
            let others = is_sticky && inside.uid() != own.as_raw();
            if !is_own && !is_open || others {
                found.push(entry.path());
            } else if inside.is_dir() {
                folders.push(entry.path());
            }
            if found.len() >= most {
                return found;
            }
        }
    }
    found
}

/// Every file, link and the like below a folder; what cannot be read is passed over.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    files_but(folder, &|_| false)
}

/// The same without folders for which it holds, the folder itself included.
pub fn files_but(folder: &Path, is_left_out: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(next) = folders.pop() {
        if is_left_out(&next) {
            continue;
        }
        for entry in fs::read_dir(&next).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}

/// What a folder and all that is in it take on the disk, in bytes; blocks that files share count for each.
pub fn bytes(folder: &Path) -> u64 {
    let taken = |path: &Path| fs::symlink_metadata(path).map_or(0, |found| found.blocks() * 512);
    files_below(folder).iter().map(|path| taken(path)).sum::<u64>() + taken(folder)
}

/// Removes a folder and all that is in it; one that is not there is no error.
///
/// # Errors
/// A [`Failure`] that names the folder; what could be removed is gone then.
pub fn remove(folder: &Path) -> Result<(), Failure> {
    let (mut tries, mut is_opened) = (0, false);
    loop {
        match fs::remove_dir_all(folder) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // Caches of packages close their folders against writing.
            Err(error) if error.kind() == ErrorKind::PermissionDenied && !is_opened => {
                is_opened = true;
                open(folder);
            }
            // A program writes there until it sees that the folder goes.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty && tries < TRIES => {
                tries += 1;
                std::thread::sleep(PAUSE);
            }
            Err(error) => return Err(Failure::file("remove", folder, &error)),
        }
    }
}

/// Lets the user write in the folders of theirs below one.
fn open(folder: &Path) {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        let Ok(metadata) = fs::symlink_metadata(&next) else { continue };
        if metadata.is_dir() {
            // Where that cannot be, removing says so.
            let _ = fs::set_permissions(&next, fs::Permissions::from_mode(metadata.mode() & 0o7777 | 0o700));
            folders.extend(fs::read_dir(&next).into_iter().flatten().flatten().map(|entry| entry.path()));
        }
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_closed_folder_of_ones_own_goes_and_what_a_link_leads_to_stays() {
        let top = tempfile::tempdir().expect("a folder");
        let (folder, other) = (top.path().join("a"), top.path().join("other"));
        fs::create_dir_all(folder.join("cache/mod")).expect("made");
        fs::create_dir(&other).expect("made");
        fs::write(folder.join("cache/mod/file"), "x").expect("written");
        fs::write(other.join("file"), "x").expect("written");
        std::os::unix::fs::symlink(&other, folder.join("link")).expect("made");
        for closed in ["cache/mod", "cache"] {
            fs::set_permissions(folder.join(closed), fs::Permissions::from_mode(0o500)).expect("it is ours");
        }
        assert_eq!(in_the_way(&folder, 3), [] as [PathBuf; 0]);
        remove(&folder).expect("it is ours");
        assert!(!folder.exists() && other.join("file").exists());
        remove(&folder).expect("it is gone");
    }

    #[test]
    fn a_folder_goes_in_which_a_program_still_writes() {
        let top = tempfile::tempdir().expect("a folder");
        let folder = top.path().join("a");
        for _ in 0..20 {
            (0..50).for_each(|number| fs::create_dir_all(folder.join(format!("{number}/in"))).expect("made"));
            let write = |number: u32| fs::write(folder.join(format!("49/{number}")), "x");
            std::thread::scope(|scope| {
                // It ends with its work, or once it sees that its folder is gone.
                scope.spawn(|| (0..100).find(|number| write(*number).is_err()));
                remove(&folder).expect("it ends");
            });
            assert!(!folder.exists());
        }
    }
}
