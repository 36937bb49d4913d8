//! Bringing files and folders from one checkout to another (D30). Links are made again and never followed; what is there is never
//! overwritten; what is not whole yet has another name. Where the disk can, both share their blocks until one changes.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{Error, ErrorKind, Result as Tried};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{
    DirBuilderExt as _, FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use rustix::fs::{OFlags, RenameFlags};
use rustix::io::Errno;

use super::unfinished::{self, beside};
use super::writing::hand_over;
use crate::failure::Failure;

/// How bytes come along.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Blocks are shared, or nothing comes.
    Clone,
    /// Blocks are shared where the disk can, else copied.
    Copy,
}

/// What became of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Arrival {
    /// It is here, but for these, each with why it was left out.
    Here(Vec<(PathBuf, &'static str)>),
    /// Something was here already, and stays.
    There,
    /// It was left out, and why.
    LeftOut(&'static str),
    /// It is not there any more: somebody removed it meanwhile.
    Gone,
    /// The disk cannot share blocks between the two.
    CannotClone,
}

/// From which checkout to which.
#[derive(Debug, Clone, Copy)]
pub struct Trip<'a> {
    /// The checkout that has it.
    pub from: &'a Path,
    /// The one that gets it.
    pub to: &'a Path,
}

/// Why one path did not come.
enum Halt {
    /// The disk cannot share blocks.
    CannotClone,
    /// This one is not available.
    LeftOut(&'static str),
    /// It is not there any more.
    Gone,
    /// Something failed here.
    Failed(PathBuf, Error),
}

const UNREADABLE: &str = "it cannot be read";

fn unreadable(error: &Error) -> Halt {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Halt::Gone,
        _ => Halt::LeftOut(UNREADABLE),
    }
}

impl Trip<'_> {
    /// Brings a file, or a link as it is, that lies at this place in both checkouts, from `content` where that is given. A `private` one
    /// is the user's alone.
    ///
    /// # Errors
    /// A [`Failure`] that names the path that could not be written; nothing is left of it.
    pub fn file(&self, place: &Path, content: Option<&Path>, private: bool) -> Result<Arrival, Failure> {
        let (from, to) = (self.from.join(place), self.to.join(place));
        if super::files::exists(&to) {
            return Ok(Arrival::There);
        }
        unfinished::sweep(&to);
        match arrive(&to, |beside| self.one(content.unwrap_or(&from), beside, Way::Copy, private))? {
            Arrival::Gone if content.is_some() => Ok(Arrival::LeftOut(UNREADABLE)),
            arrival => Ok(arrival),
        }
    }

    /// Brings a folder with all that is in it.
    ///
    /// # Errors
    /// A [`Failure`] that names the path that could not be written; nothing is left of the folder.
    pub fn folder(&self, place: &Path, way: Way) -> Result<Arrival, Failure> {
        let (from, to) = (self.from.join(place), self.to.join(place));
        if super::files::exists(&to) {
            return Ok(Arrival::There);
        }
        for (left, name) in unfinished::files_in(to.parent().unwrap_or(&to)) {
            if Some(name.as_os_str()) == to.file_name() {
                remove(&left);
            }
        }
        let mut skipped = Vec::new();
        let arrival = arrive(&to, |beside| self.tree(&from, beside, way, &mut skipped))?;
        Ok(if arrival == Arrival::Here(Vec::new()) { Arrival::Here(skipped) } else { arrival })
    }

    fn tree(&self, from: &Path, to: &Path, way: Way, skipped: &mut Vec<(PathBuf, &'static str)>) -> Result<(), Halt> {
        let mode = fs::symlink_metadata(from).map_err(|error| unreadable(&error))?.permissions().mode();
        let entries = fs::read_dir(from).map_err(|error| unreadable(&error))?;
        let failed = |error| Halt::Failed(to.to_owned(), error);
        DirBuilder::new().mode(0o700).create(to).map_err(failed)?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&error))?;
            let (from, to) = (entry.path(), to.join(entry.file_name()));
            let brought = match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.tree(&from, &to, way, skipped),
                Ok(_) => self.one(&from, &to, way, false),
                Err(error) => Err(unreadable(&error)),
            };
            match brought {
                // Editors and builds make and remove files all the time.
                Err(Halt::Gone) => {}
                Err(Halt::LeftOut(why)) => {
                    skipped.push((from.strip_prefix(self.from).unwrap_or(&from).to_owned(), why));
                }
                brought => brought?,
            }
        }
        // The owner's rights are needed until it is full.
        fs::set_permissions(to, Permissions::from_mode(mode & 0o7777 | 0o700)).map_err(failed)
    }

    fn one(&self, from: &Path, to: &Path, way: Way, private: bool) -> Result<(), Halt> {
        let failed = |error| Halt::Failed(to.to_owned(), error);
        let found = fs::symlink_metadata(from).map_err(|error| unreadable(&error))?;
        if found.is_symlink() {
            let leads = fs::read_link(from).map_err(|error| unreadable(&error))?;
            // What leads into the other checkout by its full path leads to the same place in this one.
            let leads = leads.strip_prefix(self.from).map(|inside| self.to.join(inside)).unwrap_or(leads);
            return std::os::unix::fs::symlink(leads, to).map_err(failed);
        }
        let kind = found.file_type();
        if let Some(why) = left_out(kind.is_fifo(), kind.is_socket(), kind.is_file()) {
            return Err(Halt::LeftOut(why));
        }
        let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).expect("they are small constants");
        let opened = OpenOptions::new().read(true).custom_flags(flags).open(from);
        let source = opened.map_err(|error| unreadable(&error))?;
        if !source.metadata().is_ok_and(|now| now.is_file()) {
            return Err(Halt::LeftOut("it is not a plain file any more"));
        }
        let (target, is_shared) = create(&source, to).map_err(failed)?;
        hand_over(&target, to);
        match way {
            _ if is_shared || found.len() == 0 => {}
            Way::Clone => return Err(Halt::CannotClone),
            Way::Copy => {
                std::io::copy(&mut &source, &mut &target).map_err(failed)?;
            }
        }
        let mode = found.permissions().mode() & if private { 0o700 } else { 0o777 };
        let modified = found.modified().ok();
        let finished = target.set_permissions(Permissions::from_mode(mode | 0o200));
        finished.and_then(|()| modified.map_or(Ok(()), |time| target.set_modified(time))).map_err(failed)?;
        if mode & 0o200 == 0 {
            target.set_permissions(Permissions::from_mode(mode)).map_err(failed)?;
        }
        Ok(())
    }
}

/// Makes something beside a path, and gives it the name once it is whole.
fn arrive(to: &Path, make: impl FnOnce(&Path) -> Result<(), Halt>) -> Result<Arrival, Failure> {
    let beside = beside(to);
    let failed = |error| Halt::Failed(to.to_owned(), error);
    let whole = make(&beside).and_then(|()| place(&beside, to).map_err(failed));
    if whole.is_err() {
        remove(&beside);
    }
    match whole {
        Ok(()) => Ok(Arrival::Here(Vec::new())),
        Err(Halt::CannotClone) => Ok(Arrival::CannotClone),
        Err(Halt::LeftOut(why)) => Ok(Arrival::LeftOut(why)),
        Err(Halt::Gone) => Ok(Arrival::Gone),
        Err(Halt::Failed(_, error)) if error.kind() == ErrorKind::AlreadyExists => Ok(Arrival::There),
        Err(Halt::Failed(path, error)) => Err(Failure::file("write", &path, &error)),
    }
}

/// Why something is not brought along.
fn left_out(pipe: bool, socket: bool, file: bool) -> Option<&'static str> {
    match (pipe, socket, file) {
        (true, ..) => Some("it is a pipe"),
        (_, true, _) => Some("it is a socket"),
        (.., false) => Some("it is a device"),
        _ => None,
    }
}

/// A new file for the bytes of another one, and whether it has them: then both share their blocks.
#[cfg(target_os = "macos")]
fn create(source: &File, to: &Path) -> Tried<(File, bool)> {
    let flags = rustix::fs::CloneFlags::NOFOLLOW | rustix::fs::CloneFlags::NOOWNERCOPY;
    match rustix::fs::fclonefileat(source, rustix::fs::CWD, to, flags) {
        Ok(()) => {
            fs::set_permissions(to, Permissions::from_mode(0o600))?;
            Ok((OpenOptions::new().write(true).open(to)?, true))
        }
        Err(error) if cannot_share(error) => Ok((new(to)?, false)),
        Err(error) => Err(error.into()),
    }
}

/// A new file for the bytes of another one, and whether it has them: then both share their blocks.
#[cfg(not(target_os = "macos"))]
fn create(source: &File, to: &Path) -> Tried<(File, bool)> {
    let target = new(to)?;
    match rustix::fs::ioctl_ficlone(&target, source) {
        Ok(()) => Ok((target, true)),
        Err(error) if cannot_share(error) => Ok((target, false)),
        Err(error) => Err(error.into()),
    }
}

fn new(path: &Path) -> Tried<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Whether the disk, and not this file, is why blocks are not shared.
fn cannot_share(error: Errno) -> bool {
    [Errno::NOTSUP, Errno::XDEV, Errno::INVAL, Errno::NOTTY, Errno::NOSYS, Errno::PERM, Errno::TXTBSY].contains(&error)
}

/// Gives what is whole its name, unless that is taken.
fn place(beside: &Path, to: &Path) -> Tried<()> {
    match rustix::fs::renameat_with(rustix::fs::CWD, beside, rustix::fs::CWD, to, RenameFlags::NOREPLACE) {
        // Not every disk can refuse to replace.
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) if !super::files::exists(to) => fs::rename(beside, to),
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => Err(ErrorKind::AlreadyExists.into()),
        placed => Ok(placed?),
    }
}

/// Removes a file, or a folder with all that is in it, that silo made; one that cannot be removed does no harm.
fn remove(path: &Path) {
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}

/// Makes the folders on the way to a place of a checkout, with the modes they have in the other one.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn make_way(trip: &Trip<'_>, place: &Path) -> Result<(), Failure> {
    let mut way = PathBuf::new();
    for part in place.parent().into_iter().flat_map(Path::components) {
        way.push(part);
        let (from, to) = (trip.from.join(&way), trip.to.join(&way));
        if super::files::exists(&to) {
            continue;
        }
        let rights = fs::symlink_metadata(&from).map_or(0o700, |found| found.permissions().mode() & 0o777 | 0o700);
        let made = DirBuilder::new().mode(rights).create(&to);
        if let Err(error) = made.as_ref().map(drop)
            && error.kind() != ErrorKind::AlreadyExists
        {
            return Err(Failure::folder(&to, to.parent(), error));
        }
    }
    Ok(())
}

/// What lies in a folder, links not followed: each path, and whether it is a folder; sorted by bytes. None where it cannot be read.
pub fn entries(folder: &Path) -> Option<Vec<(PathBuf, bool)>> {
    let read = fs::read_dir(folder).ok()?;
    let kind = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    let mut found: Vec<(PathBuf, bool)> = read.flatten().map(|entry| (entry.path(), kind(&entry))).collect();
    found.sort_by(|one, other| one.0.as_os_str().as_bytes().cmp(other.0.as_os_str().as_bytes()));
    Some(found)
}

/// When the system last saw a file or folder changed, content or rights, in ns since 1970; links are not followed. No program can set
/// it back.
pub fn changed(path: &Path) -> Option<i128> {
    let found = fs::symlink_metadata(path).ok()?;
    Some(i128::from(found.ctime()) * 1_000_000_000 + i128::from(found.ctime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_meanwhile_is_neither_here_nor_left_out() {
        let top = tempfile::tempdir().expect("a folder");
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        fs::create_dir_all(from.join("all")).expect("made");
        fs::create_dir(&to).expect("made");
        let trip = Trip { from: &from, to: &to };
        assert_eq!(trip.file(Path::new("none"), None, false), Ok(Arrival::Gone));
        assert_eq!(trip.folder(Path::new("none"), Way::Copy), Ok(Arrival::Gone));
        // An editor and a build in the midst of it.
        let (is_over, names) = (std::sync::atomic::AtomicBool::new(false), ["a.swp", "b", "c", "d.o"]);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !is_over.load(std::sync::atomic::Ordering::Acquire) {
                    for name in names {
                        fs::write(from.join("all").join(name), "x").expect("written");
                    }
                    fs::create_dir(from.join("all/folder")).expect("made");
                    fs::remove_dir(from.join("all/folder")).expect("it is empty");
                    for name in names {
                        fs::remove_file(from.join("all").join(name)).expect("it is there");
                    }
                }
            });
            let all: Vec<Arrival> = (0..2000)
                .map(|_| {
                    let came = trip.folder(Path::new("all"), Way::Copy).expect("it is writable");
                    fs::remove_dir_all(to.join("all")).expect("it came");
                    came
                })
                .filter(|came| *came != Arrival::Here(Vec::new()))
                .collect();
            is_over.store(true, std::sync::atomic::Ordering::Release);
            assert_eq!(all, []);
        });
    }
}
