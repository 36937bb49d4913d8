//! Keeping what an agent found. It has written all of it, so it is read by descriptor, after its end: no link is followed, nothing but
//! regular files is opened, and how much is bounded in every direction.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, fstat, openat};
use rustix::io::Errno;

use crate::core::agents::findings::{ALL, DEPTH, ENTRIES, FILE, FILES, NAMED, PATH, is_name};
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::sys::writing::{self, Writing};
use crate::sys::{files, trees};

/// What was kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Kept {
    /// How many files.
    pub(super) files: usize,
    /// What was left out, each with the reason.
    pub(super) skipped: Vec<String>,
}

struct Keeper<'a> {
    to: &'a Path,
    bytes: u64,
    entries: usize,
    left_out: usize,
    kept: Kept,
}

/// Reads the folder that an agent wrote to into one of silo's own, which is emptied first.
pub(super) fn keep(from: &Path, to: &Path) -> Result<Kept, Failure> {
    trees::remove(to)?;
    let mut keeper = Keeper { to, bytes: 0, entries: 0, left_out: 0, kept: Kept::default() };
    match openat(CWD, from, OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()) {
        Ok(folder) => keeper.folder(&folder, Path::new(""))?,
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
        Err(Errno::ACCESS) => keeper.skip(Path::new("."), "its folder is closed"),
        Err(error) => return Err(Failure::file("read", from, &error.into())),
    }
    if keeper.left_out > NAMED {
        keeper.kept.skipped.push(format!("… and {} more that it left are not kept", keeper.left_out - NAMED));
    }
    Ok(keeper.kept)
}

impl Keeper<'_> {
    fn skip(&mut self, path: &Path, why: &str) {
        self.left_out += 1;
        if self.left_out <= NAMED {
            let name = one_line(&shown(path));
            self.kept.skipped.push(format!("Its finding `{name}` is not kept: {why}"));
        }
    }

    fn folder(&mut self, folder: &OwnedFd, path: &Path) -> Result<(), Failure> {
        let Ok(entries) = Dir::read_from(folder) else {
            self.skip(path, "its folder cannot be read");
            return Ok(());
        };
        let mut names: Vec<Vec<u8>> = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            self.entries += 1;
            if self.entries > ENTRIES {
                self.skip(path, "there are too many");
                break;
            }
            names.push(name.to_vec());
        }
        // In an order that is the same each time.
        names.sort();
        for name in names {
            let place = path.join(OsStr::from_bytes(&name));
            if !is_name(&name) || place.as_os_str().len() > PATH {
                self.skip(&place, "its name cannot be kept");
                continue;
            }
            // Not blocking: a pipe without a writer must not hold silo.
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
            match openat(folder, OsStr::from_bytes(&name), flags, Mode::empty()) {
                Ok(opened) => self.entry(&opened, &place)?,
                Err(Errno::LOOP | Errno::MLINK) => self.skip(&place, "it is a link"),
                Err(Errno::NXIO) => self.skip(&place, "it is not a file"),
                Err(Errno::ACCESS | Errno::PERM) => self.skip(&place, "it is closed"),
                Err(error) => self.skip(&place, &std::io::Error::from(error).to_string()),
            }
        }
        Ok(())
    }

    fn entry(&mut self, opened: &OwnedFd, place: &Path) -> Result<(), Failure> {
        let Ok(stat) = fstat(opened) else {
            self.skip(place, "it cannot be looked at");
            return Ok(());
        };
        let size = u64::try_from(stat.st_size).unwrap_or(u64::MAX);
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory if place.components().count() > DEPTH => self.skip(place, "it lies too deep"),
            FileType::Directory => return self.folder(opened, place),
            FileType::RegularFile if stat.st_nlink != 1 => self.skip(place, "it is a link"),
            FileType::RegularFile if self.kept.files >= FILES => self.skip(place, "there are too many"),
            FileType::RegularFile if size > FILE => self.skip(place, "it is too large"),
            FileType::RegularFile if self.bytes + size > ALL => self.skip(place, "all of them are too large"),
            FileType::RegularFile => return self.file(opened, place),
            _ => self.skip(place, "it is not a file"),
        }
        Ok(())
    }

    fn file(&mut self, opened: &OwnedFd, place: &Path) -> Result<(), Failure> {
        let Some(bytes) = whole(opened) else {
            self.skip(place, "it cannot be read");
            return Ok(());
        };
        let to: PathBuf = self.to.join(place);
        files::make_folder(to.parent().expect("it lies in the folder"))?;
        writing::replace(&to, &bytes, Writing::PRIVATE)?;
        self.bytes += bytes.len() as u64;
        self.kept.files += 1;
        Ok(())
    }
}

/// All of a file, which is not larger than one may be.
fn whole(opened: &OwnedFd) -> Option<Vec<u8>> {
    let limit = usize::try_from(FILE).unwrap_or(usize::MAX);
    let (mut bytes, mut piece) = (Vec::new(), vec![0; 64 * 1024]);
    loop {
        match rustix::io::read(opened, &mut piece) {
            Ok(0) => return Some(bytes),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(Errno::INTR) => {}
            Err(_) => return None,
        }
        if bytes.len() > limit {
            return None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn regular_files_are_kept_and_everything_else_is_named() {
        let top = tempfile::tempdir().expect("a folder");
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        fs::create_dir_all(from.join("a/b")).expect("made");
        fs::write(from.join("a/b/report.md"), "found").expect("written");
        fs::write(from.join("setuid"), "x").expect("written");
        fs::set_permissions(from.join("setuid"), fs::Permissions::from_mode(0o4755)).expect("ours");
        symlink("/etc/passwd", from.join("link")).expect("made");
        symlink("/", from.join("top")).expect("made");
        fs::hard_link(from.join("setuid"), from.join("twin")).expect("made");
        nix::unistd::mkfifo(&from.join("pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
        fs::File::create(from.join("sparse")).and_then(|file| file.set_len(1 << 40)).expect("made");
        fs::write(from.join("two\nlines"), "x").expect("written");
        let deep = (0..12).fold(from.clone(), |path, _| path.join("d"));
        fs::create_dir_all(&deep).expect("made");
        let kept = keep(&from, &to).expect("it is read");
        assert_eq!(kept.files, 1);
        assert_eq!(fs::read_to_string(to.join("a/b/report.md")).expect("kept"), "found");
        assert_eq!(fs::metadata(to.join("a/b/report.md")).expect("kept").permissions().mode() & 0o7777, 0o600);
        let said = kept.skipped.join("\n");
        for why in [
            "`link` is not kept: it is a link",
            "`top` is not kept: it is a link",
            "`setuid` is not kept: it is a link",
            "`pipe` is not kept: it is not a file",
            "`sparse` is not kept: it is too large",
            "its name cannot be kept",
            "it lies too deep",
        ] {
            assert!(said.contains(why), "{why} in\n{said}");
        }
        assert!(!to.join("link").exists() && !to.join("sparse").exists());
    }

    #[test]
    fn thousands_of_files_are_cut_off_and_counted() {
        let top = tempfile::tempdir().expect("a folder");
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        fs::create_dir(&from).expect("made");
        for at in 0..FILES + 40 {
            fs::write(from.join(format!("{at}")), "").expect("written");
        }
        let kept = keep(&from, &to).expect("it is read");
        assert_eq!((kept.files, kept.skipped.len()), (FILES, NAMED + 1));
        assert_eq!(kept.skipped[NAMED], "… and 20 more that it left are not kept");
        assert_eq!(keep(&top.path().join("none"), &to), Ok(Kept::default()));
        assert!(!to.exists(), "what was kept of an earlier try is gone");
    }
}
