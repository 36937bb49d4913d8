//! What folders take on the disk, measured while a program that may mean harm writes into them (D33). No link is followed, nothing is
//! held but one path's folders, and a piece of work is small, so that who measures can look at other things in between. Files that
//! processes have open and that have no name any more count where this user may see them.

mod nameless;

use std::collections::HashSet;
use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use nameless::{Nameless, Step};

/// How many entries are looked at in one piece of work.
const PIECE: usize = 2000;
/// How many bytes of names of folders that are still to be looked at are held.
const NAMES: usize = 8 * 1024 * 1024;
/// How many files with several names are held, so that each counts once; those beyond count for each name.
const LINKED: usize = 200_000;
/// How often a measuring begins again because a folder was moved away under it.
const RESTARTS: u8 = 20;
/// What an entry counts at least, in bytes: an empty file takes something too.
const LEAST: u64 = 512;

/// How a measuring stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stand {
    /// There is more to look at.
    Going,
    /// All was looked at: so many bytes are taken.
    Done(u64),
    /// More than the limit is taken.
    Over,
    /// It cannot be measured, and why.
    Unmeasured(&'static str),
}

/// One folder on the way down.
struct Level {
    inode: u64,
    left: Vec<CString>,
}

/// A measuring under way.
pub struct Measuring {
    all: Vec<PathBuf>,
    roots: Vec<PathBuf>,
    restarts: u8,
    limit: u64,
    taken: u64,
    device: u64,
    devices: HashSet<u64>,
    /// The folder that is looked at, and its entries that are still to come.
    here: Option<(OwnedFd, Option<Dir>)>,
    above: Vec<Level>,
    names: usize,
    linked: HashSet<(u64, u64)>,
    /// What is looked at last.
    nameless: Option<Nameless>,
}

impl std::fmt::Debug for Measuring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Measuring").field("taken", &self.taken).finish_non_exhaustive()
    }
}

/// Opens a folder for reading, which the user may have to let themselves do first.
fn open(at: &OwnedFd, name: &CString) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    match rustix::fs::openat(at, name.as_c_str(), flags, Mode::empty()) {
        Err(Errno::ACCESS) => {
            rustix::fs::chmodat(at, name.as_c_str(), Mode::RWXU, AtFlags::empty())?;
            rustix::fs::openat(at, name.as_c_str(), flags, Mode::empty())
        }
        opened => opened,
    }
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless, clippy::cast_sign_loss)] // The widths differ between systems.
fn numbers(found: &Stat) -> (u64, u64, u64) {
    (found.st_dev as u64, found.st_ino as u64, found.st_blocks as u64)
}

impl Measuring {
    /// Starts to measure folders, up to a limit in bytes.
    pub fn new(roots: &[PathBuf], limit: u64) -> Self {
        let all: Vec<PathBuf> = roots.iter().rev().cloned().collect();
        Self {
            roots: all.clone(),
            all,
            restarts: 0,
            limit,
            taken: 0,
            device: 0,
            devices: HashSet::new(),
            here: None,
            above: Vec::new(),
            names: 0,
            linked: HashSet::new(),
            nameless: None,
        }
    }

    /// Looks at some more entries.
    pub fn go_on(&mut self) -> Stand {
        let mut left = PIECE;
        while left > 0 {
            left -= 1;
            match self.one() {
                Ok(None) => {}
                Ok(Some(stand)) => return stand,
                Err(reason) => return Stand::Unmeasured(reason),
            }
            if self.taken > self.limit {
                return Stand::Over;
            }
        }
        Stand::Going
    }

    fn count(&mut self, found: &Stat) {
        let (device, inode, blocks) = numbers(found);
        let is_folder = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        if !is_folder && found.st_nlink > 1 {
            if self.linked.contains(&(device, inode)) {
                return;
            }
            if self.linked.len() < LINKED {
                self.linked.insert((device, inode));
            }
        }
        self.taken = self.taken.saturating_add(blocks.saturating_mul(512).max(LEAST));
    }

    /// The next entry, the next folder, or the next root.
    fn one(&mut self) -> Result<Option<Stand>, &'static str> {
        match &mut self.here {
            None => self.next_root(),
            Some((_, Some(entries))) => match entries.read() {
                Some(Ok(entry)) => {
                    let name = entry.file_name();
                    match name.to_bytes() {
                        b"." | b".." => Ok(None),
                        _ => {
                            let name = name.to_owned();
                            self.entry(name)
                        }
                    }
                }
                // A folder that goes away while it is read has no more.
                Some(Err(Errno::NOENT)) | None => {
                    self.here = self.here.take().map(|(folder, _)| (folder, None));
                    Ok(None)
                }
                Some(Err(_)) => Err("a folder cannot be read"),
            },
            Some((_, None)) => self.next_folder(),
        }
    }

    fn next_root(&mut self) -> Result<Option<Stand>, &'static str> {
        let Some(root) = self.roots.pop() else { return Ok(self.nameless()) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let open = || rustix::fs::open(&root, flags, Mode::empty());
        let opened = match open() {
            Err(Errno::ACCESS) => {
                // Opening it again says whether that has helped.
                let _ = rustix::fs::chmod(&root, Mode::RWXU);
                open()
            }
            opened => opened,
        };
        let folder = opened.map_err(|_| "it cannot be opened")?;
        let found = rustix::fs::fstat(&folder).map_err(|_| "it cannot be looked at")?;
        let (device, inode, _) = numbers(&found);
        self.device = device;
        self.devices.insert(device);
        self.count(&found);
        self.enter(folder, inode)
    }

    fn enter(&mut self, folder: OwnedFd, inode: u64) -> Result<Option<Stand>, &'static str> {
        let entries = Dir::read_from(&folder).map_err(|_| "a folder cannot be read")?;
        self.here = Some((folder, Some(entries)));
        self.above.push(Level { inode, left: Vec::new() });
        Ok(None)
    }

    fn entry(&mut self, name: CString) -> Result<Option<Stand>, &'static str> {
        let (folder, _) = self.here.as_ref().expect("entries are of a folder");
        let found = match rustix::fs::statat(folder, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(found) => found,
            Err(Errno::NOENT) => return Ok(None),
            // The folder can be read and not be entered: that is put right here.
            Err(Errno::ACCESS) => {
                rustix::fs::fchmod(folder, Mode::RWXU).map_err(|_| "a folder cannot be entered")?;
                match rustix::fs::statat(folder, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(found) => found,
                    Err(Errno::NOENT) => return Ok(None),
                    Err(_) => return Err("a file cannot be looked at"),
                }
            }
            Err(_) => return Err("a file cannot be looked at"),
        };
        if numbers(&found).0 != self.device {
            return Ok(None);
        }
        self.count(&found);
        if FileType::from_raw_mode(found.st_mode) == FileType::Directory {
            self.names += name.as_bytes().len() + size_of::<CString>();
            if self.names > NAMES {
                return Err("there are too many folders");
            }
            self.above.last_mut().expect("entries are of a folder").left.push(name);
        }
        Ok(None)
    }

    /// Goes into the next folder below this one, or back up.
    fn next_folder(&mut self) -> Result<Option<Stand>, &'static str> {
        let (folder, _) = self.here.take().expect("there is a folder");
        let level = self.above.last_mut().expect("each folder has its level");
        if let Some(name) = level.left.pop() {
            self.names -= name.as_bytes().len() + size_of::<CString>();
            let below = match open(&folder, &name) {
                Ok(below) => below,
                // It went away, or is not a folder any more.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {
                    self.here = Some((folder, None));
                    return Ok(None);
                }
                Err(_) => return Err("a folder cannot be opened"),
            };
            let found = rustix::fs::fstat(&below).map_err(|_| "a folder cannot be looked at")?;
            let (device, inode, _) = numbers(&found);
            if device != self.device {
                self.here = Some((folder, None));
                return Ok(None);
            }
            return self.enter(below, inode);
        }
        self.above.pop();
        let Some(parent) = self.above.last() else { return Ok(None) };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let up =
            rustix::fs::openat(&folder, "..", flags, Mode::empty()).map_err(|_| "a folder cannot be left again")?;
        let found = rustix::fs::fstat(&up).map_err(|_| "a folder cannot be looked at")?;
        if numbers(&found).1 != parent.inode {
            if self.restarts == RESTARTS {
                return Err("its folders are moved all the time");
            }
            let roots = self.all.clone();
            *self = Self { roots: roots.clone(), restarts: self.restarts + 1, ..Self::new(&[], self.limit) };
            self.all = roots;
            return Ok(None);
        }
        self.here = Some((up, None));
        Ok(None)
    }
}

impl Measuring {
    /// The next open file without a name, or the next process.
    fn nameless(&mut self) -> Option<Stand> {
        match self.nameless.get_or_insert_with(|| Nameless::of(Path::new("/proc"))).step() {
            Step::Done => return Some(Stand::Done(self.taken)),
            Step::Going => {}
            Step::File(found) => {
                let (device, inode, blocks) = numbers(&found);
                if self.devices.contains(&device) {
                    let is_new = self.linked.len() >= LINKED || self.linked.insert((device, inode));
                    self.taken = self.taken.saturating_add(if is_new { blocks.saturating_mul(512) } else { 0 });
                }
            }
        }
        None
    }
}

/// How many bytes are free for this user on the disk of a path; none where that cannot be told.
pub fn free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// With what a folder shows in place of `/proc`: any process of this machine may have a file without a name on the same disk, and
    /// close it at any moment.
    fn measured_with(processes: &Path, roots: &[PathBuf], limit: u64) -> Stand {
        let mut measuring = Measuring { nameless: Some(Nameless::of(processes)), ..Measuring::new(roots, limit) };
        loop {
            match measuring.go_on() {
                Stand::Going => {}
                stand => return stand,
            }
        }
    }

    fn measured(roots: &[PathBuf], limit: u64) -> Stand {
        measured_with(tempfile::tempdir().expect("a folder").path(), roots, limit)
    }

    fn done(stand: Stand) -> u64 {
        match stand {
            Stand::Done(bytes) => bytes,
            other => panic!("{other:?}"),
        }
    }

    fn taken(root: &Path) -> u64 {
        done(measured(&[root.to_path_buf()], u64::MAX))
    }

    #[test]
    fn files_count_once_and_links_lead_nowhere() {
        let (top, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let write = |path: &Path| fs::write(path, vec![1; 1_000_000]).expect("written");
        let before = taken(top.path());
        write(&other.path().join("large"));
        std::os::unix::fs::symlink(other.path(), top.path().join("link")).expect("made");
        fs::create_dir_all(top.path().join("a/b")).expect("made");
        write(&top.path().join("a/b/file"));
        for name in ["one", "two"] {
            fs::hard_link(top.path().join("a/b/file"), top.path().join(name)).expect("made");
        }
        let once = taken(top.path());
        assert!((1_000_000..1_100_000).contains(&(once - before)), "{before} {once}");
        assert_eq!(measured(&[top.path().to_path_buf()], 900_000), Stand::Over);
        // One that is closed is opened.
        fs::set_permissions(top.path().join("a/b"), fs::Permissions::from_mode(0o000)).expect("it is ours");
        assert_eq!(taken(top.path()), once);
        let both = [top.path().to_path_buf(), other.path().to_path_buf()];
        assert!(matches!(measured(&both, u64::MAX), Stand::Done(all) if all > once + 900_000));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_without_a_name_counts_once_while_it_is_open() {
        use std::os::fd::AsRawFd as _;
        let (top, processes) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
        let path = top.path().join("file");
        fs::write(&path, vec![1; 1_000_000]).expect("written");
        let (file, roots) = (fs::File::open(&path).expect("it is there"), [top.path().to_path_buf()]);
        for process in ["1", "2"] {
            let opened = processes.path().join(process).join("fd");
            fs::create_dir_all(&opened).expect("made");
            let own = format!("/proc/self/fd/{}", file.as_raw_fd());
            std::os::unix::fs::symlink(own, opened.join("3")).expect("made");
        }
        let taken = || done(measured_with(processes.path(), &roots, u64::MAX));
        let named = taken();
        fs::remove_file(&path).expect("it is ours");
        let without = taken();
        assert!([named, without].iter().all(|bytes| (1_000_000..1_100_000).contains(bytes)), "{named} {without}");
        assert_eq!(measured_with(processes.path(), &roots, 900_000), Stand::Over);
        for process in ["1", "2"] {
            fs::remove_dir_all(processes.path().join(process)).expect("it is ours");
        }
        assert!(taken() < 100_000, "nobody has it open");
    }

    #[test]
    fn a_tree_is_measured_however_deep_it_is() {
        let top = tempfile::tempdir().expect("a folder");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut at = rustix::fs::open(top.path(), flags, Mode::empty()).expect("it is there");
        for _ in 0..3000 {
            rustix::fs::mkdirat(&at, "deep", Mode::RWXU).expect("made");
            at = rustix::fs::openat(&at, "deep", flags, Mode::empty()).expect("it is there");
        }
        let flags = OFlags::WRONLY | OFlags::CREATE;
        let file = rustix::fs::openat(&at, "file", flags, Mode::RUSR).expect("made");
        rustix::io::write(&file, &vec![1; 100_000]).expect("written");
        assert!(taken(top.path()) >= 100_000);
        // Not even removing it may go down by calls of its own.
        drop(top);
    }
}
