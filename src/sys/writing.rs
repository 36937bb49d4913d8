//! Writing files: replaced as a whole, never truncated; but for one that a container has mounted. Every error names the path.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::SystemTime;

use rustix::io::Errno;
use rustix::process::geteuid;

use super::files::exists;
use super::unfinished::{self, beside};
use crate::failure::Failure;

/// How a file is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writing {
    /// Permission bits; the umask applies.
    pub mode: u32,
    /// Whether it must survive a power cut.
    pub durable: bool,
    /// A modification time to give it.
    pub modified: Option<SystemTime>,
}

impl Writing {
    /// Readable by the user alone, and durable.
    pub const PRIVATE: Self = Self { mode: 0o600, durable: true, modified: None };
    /// Readable by everybody, and durable.
    pub const SHARED: Self = Self { mode: 0o644, durable: true, modified: None };
}

/// Replaces a file as a whole: written beside it, then renamed over it, so that a reader or a crash meets the old
/// content or the new one. Each writer has a name of its own for the new file; what a killed one leaves, the next removes.
///
/// # Errors
/// A [`Failure`] that names the path; the old content is then still there.
pub fn replace(path: &Path, bytes: &[u8], writing: Writing) -> Result<(), Failure> {
    replace_with(path, bytes, writing, |_| Ok(()))
}

/// Replaces a file as [`replace`] does, but what is not whole yet lies in another folder of the same disk: for a folder in which a
/// program takes up every file that appears.
///
/// # Errors
/// A [`Failure`] that names the path; the old content is then still there.
pub fn replace_by_way_of(folder: &Path, path: &Path, bytes: &[u8], writing: Writing) -> Result<(), Failure> {
    let whole = beside(&folder.join(path.file_name().expect("every path written has a file name")));
    replace(&whole, bytes, writing)?;
    fs::rename(&whole, path).map_err(|error| Failure::file("write", path, &error))
}

/// Makes a file that is not there yet, in a folder that nobody reads before it is whole.
///
/// # Errors
/// A [`Failure`] that names the path: something is there, or it cannot be written.
pub fn make(path: &Path, bytes: &[u8], writing: Writing) -> Result<(), Failure> {
    let open = OpenOptions::new().write(true).create_new(true).mode(writing.mode).open(path);
    let written = open.and_then(|mut file| {
        hand_over(&file, path);
        file.write_all(bytes)?;
        if writing.durable { sync(&file) } else { Ok(()) }
    });
    written.map_err(|error| Failure::file("write", path, &error))
}

/// Writes over a file that is there: for a small one that a container has mounted, which would not see another in its place. A crash may
/// leave half of it.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn over(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = OpenOptions::new().write(true).open(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_len(bytes.len() as u64)?;
        sync(&file)
    });
    written.map_err(|error| Failure::file("write", path, &error))
}

/// Gives a file one more name, unless something has that already.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn name_also(path: &Path, also: &Path) -> Result<(), Failure> {
    match fs::hard_link(path, also) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        done => done.map_err(|error| Failure::file("write", also, &error)),
    }
}

/// Replaces a file that is there as [`replace`] does, and keeps its permission bits and its group.
///
/// # Errors
/// A [`Failure`] that names the path; the old content is then still there.
pub fn replace_alike(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    use std::os::unix::fs::MetadataExt as _;
    let old = fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
    replace_with(path, bytes, Writing::PRIVATE, |file| {
        if file.metadata()?.gid() != old.gid() {
            std::os::unix::fs::fchown(file, None, Some(old.gid()))?;
        }
        file.set_permissions(old.permissions())
    })
}

fn replace_with(
    path: &Path,
    bytes: &[u8],
    writing: Writing,
    finish: impl Fn(&File) -> std::io::Result<()>,
) -> Result<(), Failure> {
    let fail = |error: std::io::Error| Failure::file("write", path, &error);
    unfinished::sweep(path);
    let beside = beside(path);
    let written = write_new(&beside, bytes, writing, finish).and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        // The failure to report is the write's; a leftover is replaced by the next writer.
        let _ = fs::remove_file(&beside);
        return Err(fail(error));
    }
    if writing.durable {
        let folder = path.parent().expect("every path written has a folder");
        // A folder that may be written but not read cannot be opened for this.
        match File::open(folder) {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            opened => opened.and_then(|folder| sync(&folder)).map_err(fail)?,
        }
    }
    Ok(())
}

/// Waits until a file or folder is on the disk, where its file system has such a thing.
pub(super) fn sync(file: &File) -> std::io::Result<()> {
    let without = [Errno::INVAL, Errno::NOTSUP, Errno::NOSYS].map(Errno::raw_os_error);
    match file.sync_all() {
        Err(error) if error.raw_os_error().is_some_and(|number| without.contains(&number)) => Ok(()),
        synced => synced,
    }
}

fn write_new(
    path: &Path,
    bytes: &[u8],
    writing: Writing,
    finish: impl Fn(&File) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let open = || OpenOptions::new().write(true).create_new(true).mode(writing.mode).open(path);
    let mut file = match open() {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            open()?
        }
        other => other?,
    };
    hand_over(&file, path);
    file.write_all(bytes)?;
    finish(&file)?;
    if let Some(modified) = writing.modified {
        file.set_modified(modified)?;
    }
    if writing.durable { sync(&file) } else { Ok(()) }
}

/// Gives a file that root has made to whom its folder belongs: a container's root works in a project that is mounted from
/// its user's home. Where that cannot be, the file is root's.
pub(super) fn hand_over(file: &File, path: &Path) {
    use std::os::unix::fs::{MetadataExt as _, fchown};
    let folder = path.parent().filter(|_| geteuid().is_root());
    let folder = folder.and_then(|folder| fs::metadata(folder).ok());
    if let Some(folder) = folder.filter(|folder| folder.uid() != 0) {
        let _ = fchown(file, Some(folder.uid()), Some(folder.gid()));
    }
}

/// Gives a file another modification time; it must exist.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn set_modified(path: &Path, modified: SystemTime) -> Result<(), Failure> {
    let set = OpenOptions::new().write(true).open(path).and_then(|file| file.set_modified(modified));
    set.map_err(|error| Failure::file("touch", path, &error))
}

/// A new, empty file for a program's output, for the user alone.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn log(path: &Path) -> Result<File, Failure> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.map_err(|error| Failure::file("write", path, &error))
}

/// Makes a symbolic link say `target`; one that says so already is left alone.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn link(path: &Path, target: &Path) -> Result<(), Failure> {
    if fs::read_link(path).is_ok_and(|old| old == target) {
        return Ok(());
    }
    let beside = beside(path);
    let made = std::os::unix::fs::symlink(target, &beside).and_then(|()| fs::rename(&beside, path));
    // The failure to report is the link's.
    made.inspect_err(|_| drop(fs::remove_file(&beside))).map_err(|error| Failure::file("link", path, &error))
}

/// Adds lines to the end of a text file, which is made when it is missing; existing content stays untouched, and half a
/// text is taken back.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn append(path: &Path, text: &str) -> Result<(), Failure> {
    let fail = |error| Failure::file("write", path, &error);
    let new = !exists(path);
    let mut file = OpenOptions::new().append(true).create(true).open(path).map_err(fail)?;
    if new {
        hand_over(&file, path);
    }
    let before = file.metadata().map_err(fail)?.len();
    file.write_all(text.as_bytes()).map_err(|error| {
        // The failure to report is the write's.
        let _ = file.set_len(before);
        fail(error)
    })
}

/// Adds a line to a file of lines, for the user alone. One that is larger than `most` bytes is put `aside` first, in place of the
/// one before; a line that was cut off stays one.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn add_line(path: &Path, line: &str, most: u64, aside: &Path) -> Result<(), Failure> {
    let fail = |error| Failure::file("write", path, &error);
    let open = || OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path);
    let mut file = open().map_err(fail)?;
    if file.metadata().map_err(fail)?.len() > most {
        fs::rename(path, aside).map_err(fail)?;
        file = open().map_err(fail)?;
    }
    hand_over(&file, path);
    let before = file.metadata().map_err(fail)?.len();
    let mut last = [b'\n'];
    if before > 0 {
        std::os::unix::fs::FileExt::read_exact_at(&file, &mut last, before - 1).map_err(fail)?;
    }
    let start = if last == [b'\n'] { "" } else { "\n" };
    file.write_all(format!("{start}{line}").as_bytes()).map_err(|error| {
        // The failure to report is the write's.
        let _ = file.set_len(before);
        fail(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::files::names_in;

    #[test]
    fn replacing_leaves_nothing_beside_and_survives_a_leftover() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file");
        fs::write(folder.path().join("file.4194305-0.silo-tmp"), "left by a crash").expect("written");
        replace(&path, b"one", Writing::PRIVATE).expect("written");
        replace(&path, b"two", Writing::SHARED).expect("written");
        assert_eq!(fs::read(&path).expect("readable"), b"two");
        assert_eq!(names_in(folder.path()), [path]);
    }

    #[test]
    fn lines_are_added_and_a_large_file_is_put_aside() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder");
        let (path, aside) = (folder.path().join("lines"), folder.path().join("lines.1"));
        let read = |path: &Path| fs::read_to_string(path).unwrap_or_default();
        add_line(&path, "one\n", 8, &aside).expect("written");
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
        append(&path, "cut").expect("written");
        add_line(&path, "two\n", 8, &aside).expect("written");
        assert_eq!(read(&path), "one\ncut\ntwo\n");
        add_line(&path, "three\n", 8, &aside).expect("written");
        assert_eq!((read(&aside).as_str(), read(&path).as_str()), ("one\ncut\ntwo\n", "three\n"));
    }
}
