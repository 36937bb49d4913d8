//! Files that processes have open and that have no name any more, as `/proc` shows them.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// A look at the open files of all processes, one at a time. What cannot be looked at is passed over.
pub(super) struct Nameless {
    folder: PathBuf,
    /// The processes that are still to be looked at, and of the one that is, its open files.
    processes: Option<Dir>,
    opened: Option<Dir>,
}

/// What one step found.
pub(super) enum Step {
    /// There is more to look at.
    Going,
    /// A file without a name. One that several have open is found again.
    File(Stat),
    /// All was looked at.
    Done,
}

impl Nameless {
    /// Of `/proc`, or a folder that looks so; of nobody where the system has none or it may not be read.
    pub(super) fn of(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), processes: open(folder), opened: None }
    }

    /// The next open file, or the next process.
    pub(super) fn step(&mut self) -> Step {
        let Some(processes) = &mut self.processes else { return Step::Done };
        let Some(opened) = &mut self.opened else {
            let Some(Ok(entry)) = processes.read() else { return Step::Done };
            let name = entry.file_name().to_string_lossy();
            if name.bytes().all(|byte| byte.is_ascii_digit()) {
                self.opened = open(&self.folder.join(&*name).join("fd"));
            }
            return Step::Going;
        };
        let Some(Ok(entry)) = opened.read() else {
            self.opened = None;
            return Step::Going;
        };
        match opened.fd().and_then(|folder| rustix::fs::statat(folder, entry.file_name(), AtFlags::empty())) {
            Ok(found) if found.st_nlink == 0 && FileType::from_raw_mode(found.st_mode) == FileType::RegularFile => {
                Step::File(found)
            }
            _ => Step::Going,
        }
    }
}

fn open(folder: &Path) -> Option<Dir> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    Dir::new(rustix::fs::open(folder, flags, Mode::empty()).ok()?).ok()
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::MetadataExt as _;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn one_is_there_while_a_process_has_it_open() {
        let top = tempfile::tempdir().expect("a folder");
        let path = top.path().join("file");
        let file = File::create(&path).expect("written");
        let own = file.metadata().map(|found| (found.dev(), found.ino())).expect("it is there");
        let is_seen = || {
            let mut look = Nameless::of(Path::new("/proc"));
            loop {
                match look.step() {
                    Step::File(found) if (found.st_dev, found.st_ino) == own => return true,
                    Step::Done => return false,
                    Step::Going | Step::File(_) => {}
                }
            }
        };
        assert!(!is_seen(), "it has a name");
        fs::remove_file(&path).expect("it is ours");
        assert!(is_seen());
        drop(file);
        // A child that another test is just starting may have it too, until it is another program.
        let start = Instant::now();
        while is_seen() {
            assert!(start.elapsed() < Duration::from_mins(1), "nobody has it");
        }
    }
}
