//! Looking at files and folders, reading with limits, and removing. Every error names the path.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Access, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::failure::{Failure, quoted, shown};

/// A file's content and when it was last changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// All its bytes.
    pub bytes: Vec<u8>,
    /// Its modification time, taken from the very file that was read.
    pub modified: SystemTime,
}

/// Reads a regular file of at most `limit` bytes; `None` when there is none.
///
/// # Errors
/// A [`Failure`] that names the path: it is a folder or pipe, too large, or cannot be read.
pub fn read(path: &Path, limit: u64) -> Result<Option<Content>, Failure> {
    // Not blocking: a named pipe in a stranger's folder must not hold the prompt.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).expect("it is a small constant");
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(Failure::file("read", path, &error)),
    };
    let metadata = file.metadata().map_err(|error| Failure::file("read", path, &error))?;
    if !metadata.is_file() {
        return Err(Failure::new(format!("Cannot read `{}`: it is not a plain file", shown(path)))
            .hint(format!("Look at it: `ls -ld {}`", quoted(path))));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len().min(limit)).unwrap_or(0));
    (&file).take(limit + 1).read_to_end(&mut bytes).map_err(|error| Failure::file("read", path, &error))?;
    if bytes.len() as u64 > limit {
        return Err(Failure::new(format!("Cannot read `{}`: it is larger than {} KiB", shown(path), limit / 1024))
            .hint(format!("Look at it: `ls -l {}`", quoted(path))));
    }
    let modified = metadata.modified().map_err(|error| Failure::file("read", path, &error))?;
    Ok(Some(Content { bytes, modified }))
}

/// Whether a regular file is there, links followed.
pub fn is_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file())
}

/// Whether a folder is there, links followed.
pub fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// Whether a regular file is there that somebody may run.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// Whether anything is at the path; something that cannot be looked at is there.
pub fn exists(path: &Path) -> bool {
    !matches!(fs::symlink_metadata(path), Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory))
}

/// Whether the path itself is a symbolic link.
pub fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

/// Where a symbolic link leads, as it says; none for anything else.
pub fn target(path: &Path) -> Option<PathBuf> {
    fs::read_link(path).ok()
}

/// Whether a socket is there, links followed.
pub fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket())
}

/// How many bytes a file has, links followed; 0 where it cannot be looked at.
pub fn size(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len())
}

/// Makes a folder and its parents, for the user alone; existing ones stay as they are.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn make_folder(path: &Path) -> Result<(), Failure> {
    let mut tries = 0;
    loop {
        match fs::DirBuilder::new().recursive(true).mode(0o700).create(path) {
            // Another `silo` removes a parent that it takes for empty.
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 100 => tries += 1,
            made => {
                let parent = || path.ancestors().find(|folder| is_folder(folder));
                return made.map_err(|error| Failure::folder(path, parent(), &error));
            }
        }
    }
}

/// Makes a folder with the mode of another one; the user may write in it.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn make_folder_like(path: &Path, like: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().mode(mode(like).unwrap_or(0o700) & 0o777 | 0o700).create(path);
    made.map_err(|error| Failure::folder(path, path.parent(), &error))
}

/// Makes a folder of the system's and its parents, for everybody to read; existing ones stay as they are.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn make_folder_for_all(path: &Path) -> Result<(), Failure> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o755).create(path);
    made.map_err(|error| Failure::folder(path, path.ancestors().find(|folder| is_folder(folder)), &error))
}

/// A file's modification time, or none when it is not available.
pub fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// Removes a file; one that is not there is no error.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn remove(path: &Path) -> Result<(), Failure> {
    match fs::remove_file(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Failure::file("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// The permission bits of a file or folder, links not followed.
pub fn mode(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::symlink_metadata(path).ok().map(|metadata| metadata.permissions().mode() & 0o7777)
}

/// The permission bits of what a path leads to, links followed.
pub fn mode_behind(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt as _;
    metadata(path).map(|metadata| metadata.permissions().mode() & 0o7777)
}

/// Fills bytes from a device.
///
/// # Errors
/// A [`Failure`] that names the path.
pub(super) fn fill_from(device: &Path, bytes: &mut [u8]) -> Result<(), Failure> {
    let filled = fs::File::open(device).and_then(|mut device| device.read_exact(bytes));
    filled.map_err(|error| Failure::file("read", device, &error))
}

/// Whether the user may change a file, or make files in a folder.
pub fn is_writable(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

/// Whether the user is kept from reading a file that is there.
pub fn is_unreadable(path: &Path) -> bool {
    rustix::fs::access(path, Access::READ_OK) == Err(Errno::ACCESS)
}

/// The folder on the way to a path, or the path itself, that the user may not enter.
pub fn closed_folder(path: &Path) -> Option<&Path> {
    // From the top: below one that is closed nothing can be asked.
    let folders: Vec<&Path> = path.ancestors().filter(|folder| !folder.as_os_str().is_empty()).collect();
    let is_closed = |folder: &&Path| rustix::fs::access(*folder, Access::EXEC_OK) == Err(Errno::ACCESS);
    folders.into_iter().rev().find(is_closed).filter(|folder| is_folder(folder))
}

/// Lets the user alone read and write a file of theirs; where that cannot be, whoever opens it next will say why.
pub fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if is_file(path) && !is_link(path) {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(0o600));
    }
}

/// The path without links and dots; the file or folder must exist.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn canonical(path: &Path) -> Result<PathBuf, Failure> {
    fs::canonicalize(path).map_err(|error| Failure::file("find", path, &error))
}

/// The names in a folder; empty when it cannot be read.
pub fn names_in(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// What the system says of a file or folder, links followed; none when it cannot be asked.
pub(super) fn metadata(path: &Path) -> Option<fs::Metadata> {
    fs::metadata(path).ok()
}

/// Removes an empty folder; one that is not there, or holds something, is no error.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn remove_folder(path: &Path) -> Result<(), Failure> {
    match fs::remove_dir(path) {
        Err(error) if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty) => {
            Err(Failure::file("remove", path, &error))
        }
        _ => Ok(()),
    }
}

/// Moves a file or folder to another path of the same disk.
///
/// # Errors
/// A [`Failure`] that names the path; it is where it was then.
pub fn rename(path: &Path, to: &Path) -> Result<(), Failure> {
    fs::rename(path, to).map_err(|error| Failure::file("move", path, &error))
}

/// Moves whatever is at a path out of the way, to the first free name `PATH.broken`, `PATH.broken-2`, …, and returns it;
/// none when nothing is there.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn put_aside(path: &Path) -> Result<Option<PathBuf>, Failure> {
    if !exists(path) {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let names = std::iter::once(format!("{name}.broken")).chain((2..).map(|n| format!("{name}.broken-{n}")));
    let aside = names.map(|name| path.with_file_name(name)).find(|aside| !exists(aside)).expect("names do not run out");
    fs::rename(path, &aside).map_err(|error| Failure::file("move away", path, &error))?;
    Ok(Some(aside))
}

/// The user who owns a file or folder, links not followed.
pub fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    fs::symlink_metadata(path).ok().map(|metadata| metadata.uid())
}

/// How a file stands: its time of change in ns, its size in bytes and its number; none where there is none.
pub fn look(path: &Path) -> Option<(i128, u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let metadata = fs::metadata(path).ok()?;
    let time = i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec());
    Some((time, metadata.len(), metadata.ino()))
}

/// The number of a file or folder on its disk.
pub fn number(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt as _;
    fs::metadata(path).ok().map(|metadata| metadata.ino())
}

/// When a folder was made, in nanoseconds since 1970, where its disk keeps that: with its number it is this very folder, for
/// disks give numbers out again.
pub fn birth(path: &Path) -> Option<u64> {
    let made = fs::metadata(path).ok()?.created().ok()?;
    made.duration_since(std::time::UNIX_EPOCH).ok()?.as_nanos().try_into().ok()
}

/// Whether two paths are one folder, by device and inode.
pub fn same(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

/// What lies at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing.
    Nothing,
    /// A file of so many bytes.
    File(u64),
    /// A symbolic link, wherever it leads.
    Link,
    /// A folder.
    Folder,
    /// A pipe, a socket, a device.
    Other,
}

/// What lies at a path; no link is followed at its end.
pub fn kind(path: &Path) -> Kind {
    let Ok(found) = rustix::fs::lstat(path) else { return Kind::Nothing };
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Kind::File(u64::try_from(found.st_size).unwrap_or(u64::MAX)),
        FileType::Symlink => Kind::Link,
        FileType::Directory => Kind::Folder,
        _ => Kind::Other,
    }
}

/// Lets the user read a file of theirs that is closed; where that cannot be, reading says so.
pub fn let_read(path: &Path) {
    if rustix::fs::access(path, Access::READ_OK) == Err(Errno::ACCESS) {
        let _ = rustix::fs::chmod(path, Mode::RUSR | Mode::WUSR);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pipes_folders_and_huge_files_are_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        let refused = read(folder.path(), 10).expect_err("it is a folder");
        assert!(refused.what.ends_with("it is not a plain file"), "{refused}");
        let path = folder.path().join("big");
        fs::write(&path, [0; 2048]).expect("written");
        assert!(read(&path, 1024).expect_err("it is large").what.ends_with("larger than 1 KiB"));
        assert_eq!(read(&folder.path().join("none"), 10), Ok(None));
        nix::unistd::mkfifo(&folder.path().join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        assert!(read(&folder.path().join("pipe"), 10).expect_err("it is a pipe").what.contains("not a plain file"));
    }

    #[test]
    fn a_folder_is_made_though_others_remove_the_one_above_it_while_it_is_empty() {
        let top = tempfile::tempdir().expect("a folder");
        let above = top.path().join("above");
        for _ in 0..500 {
            std::thread::scope(|scope| {
                // Less often than it is tried again.
                scope.spawn(|| (0..50).for_each(|_| remove_folder(&above).expect("it is writable")));
                make_folder(&above.join("folder")).expect("it is writable");
            });
            remove_folder(&above.join("folder")).expect("it is writable");
        }
    }
}
