//! Lock files (D1, D117), held with `flock` until the act is done or the process ends, however it ends. Children do not
//! inherit them. The holder leaves its process id in the file. They are made once and never replaced; one of an instance
//! is removed with it by who holds it, so whoever gets a lock looks whether it is still the one at the path.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::sys::files;
use crate::sys::processes::{self, Process};

/// After how long a held lock is tried again at first, and at least.
const SOON: Duration = Duration::from_millis(1);
/// After how long at most.
const LATE: Duration = Duration::from_millis(32);
/// After how long a waiting command says so.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long to wait where only a real holder is to refuse: one who merely looks has the lock for a moment.
pub const AT_ONCE: Wait<'_> = Wait { limit: Duration::from_millis(200), tell: &|_| () };

/// How long to wait for a lock, and whom to tell.
pub struct Wait<'a> {
    /// The longest wait.
    pub limit: Duration,
    /// Called once, with a sentence, when the wait gets long.
    pub tell: &'a dyn Fn(&str),
}

/// What a gate writes into a lock: who comes next is informed, or waits, as is right for that.
pub const GATE: &str = "gate";

/// What `silo heal` writes into a lock, which is waited for as a gate is.
pub const HEAL: &str = "heal";

/// What `silo prune` writes into a lock: another one waits for it, for both do the same.
pub const PRUNE: &str = "prune";

/// Runs `act` while holding a lock; `what` names it in the sentence about waiting.
///
/// # Errors
/// `busy` of the holder, as in ", held by process 42" or empty, when the lock is not available in time; a [`Failure`] when
/// the file cannot be used; or of `act` itself.
pub fn hold<T>(
    path: &Path,
    what: &str,
    wait: &Wait<'_>,
    busy: impl FnOnce(String) -> Failure,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    hold_as("", path, what, wait, busy, act)
}

/// The same as a holder of some kind, which [`kind`] tells meanwhile.
///
/// # Errors
/// As [`hold`].
pub fn hold_as<T>(
    kind: &str,
    path: &Path,
    what: &str,
    wait: &Wait<'_>,
    busy: impl FnOnce(String) -> Failure,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    let started = Instant::now();
    let mut lock = open(path)?;
    let mut told = false;
    loop {
        let removed = match lock.try_write() {
            Ok(mut guard) if is_at(&guard, path) => {
                sign(&mut guard, kind);
                return act();
            }
            Ok(_) => true,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => false,
            Err(error) => {
                let failure = Failure::file("lock", path, &error);
                return Err(
                    failure.hint("Where its disk has no locks (some network disks), set XDG_STATE_HOME to another one")
                );
            }
        };
        if removed {
            lock = open(path)?;
            continue;
        }
        if started.elapsed() >= wait.limit {
            return Err(busy(held_by(path)));
        }
        if started.elapsed() >= PATIENCE && !told {
            told = true;
            (wait.tell)(&format!("Waiting for {what}{}", held_by(path)));
        }
        std::thread::sleep(pause(started.elapsed(), wait.limit));
    }
}

/// Runs `act` while holding a folder of somebody else's, in which nothing is written for that: those who ask in the same way take
/// turns. After `limit`, or where its disk has no locks, it is run anyway.
pub fn in_turn<T>(folder: &Path, limit: Duration, act: impl FnOnce() -> T) -> T {
    let Ok(file) = File::open(folder) else { return act() };
    let started = Instant::now();
    let mut lock = fd_lock::RwLock::new(file);
    loop {
        match lock.try_write() {
            Ok(_held) => return act(),
            Err(error) if error.kind() == ErrorKind::WouldBlock && started.elapsed() < limit => {
                std::thread::sleep(pause(started.elapsed(), limit));
            }
            Err(_) => return act(),
        }
    }
}

/// How long to pause before the next try: longer and longer at first, so that a short wait ends soon and a crowd leaves
/// the holder time to get done; then shorter the nearer the limit is, so that who has waited long comes before the rest.
fn pause(waited: Duration, limit: Duration) -> Duration {
    let left = limit.saturating_sub(waited).as_secs_f64() / limit.as_secs_f64().max(f64::EPSILON);
    waited.clamp(SOON, LATE).mul_f64(left * left).max(SOON)
}

/// Who holds a lock now, as in ", held by process 42" or empty where that is not known; none when it is free. The lock is
/// not made. Those who look do not see each other.
pub fn holder(path: &Path) -> Option<String> {
    let file = OpenOptions::new().read(true).write(true).open(path).ok()?;
    fd_lock::RwLock::new(file).try_read().is_err().then(|| held_by(path))
}

/// The process that holds a lock; none when it is free, or its holder has yet to sign.
pub fn holding(path: &Path) -> Option<u32> {
    let signed = || holder(path).and(signature(path));
    let before = signed()?;
    // Between getting the lock and signing it the file names who had it before; that is over in no time.
    std::thread::sleep(SOON * 10);
    signed().filter(|now| *now == before)
}

/// Of what kind the holder of a lock is; none when it is free.
pub fn kind(path: &Path) -> Option<String> {
    let signed = || {
        let mut text = String::new();
        File::open(path).and_then(|file| file.take(200).read_to_string(&mut text)).ok()?;
        Some(text.lines().nth(2).unwrap_or_default().to_owned())
    };
    // As for `holding`: what is there may be the one's before.
    holding(path).and_then(|_| signed())
}

/// The process that holds a lock and has signed it, a program of that name; none when it is free.
pub fn signer(path: &Path, program: &str) -> Option<Process> {
    let process = processes::look(holding(path)?)?;
    is_signed_by(path, &process, program).then_some(process)
}

/// Whether a process is the one that signed a lock, and not another that has its id by now, or in another container: a lock
/// is seen across containers, an id means nothing there.
fn is_signed_by(path: &Path, process: &Process, program: &str) -> bool {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(200).read_to_string(&mut text));
    let birth = text.lines().nth(1).filter(|birth| !birth.is_empty());
    read.is_ok()
        && match (birth, process.birth()) {
            (Some(signed), Some(_)) => process.was_born(signed) == Some(true),
            // Where the system tells no births, or an older silo signed: it must be such a program at least.
            _ => process.name == program,
        }
}

/// Opens the file, made where it is missing. Its folder may be removed, with an instance that is forgotten, just after it
/// was made.
fn open(path: &Path) -> Result<fd_lock::RwLock<File>, Failure> {
    let mut tries = 0;
    loop {
        files::make_folder(path.parent().expect("a lock lies in a folder"))?;
        match OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && tries < 100 => tries += 1,
            opened => return opened.map(fd_lock::RwLock::new).map_err(|error| Failure::file("open", path, &error)),
        }
    }
}

/// Whether an open file is the one at a path, and not one that was there before.
fn is_at(file: &File, path: &Path) -> bool {
    let id = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let there = std::fs::metadata(path).ok().map(id);
    there.is_some() && there == file.metadata().ok().map(id)
}

/// Leaves the holder's process id and birth in the lock file, for the message of whoever waits; a failure to do so is no matter.
fn sign(lock: &mut File, kind: &str) {
    let pid = std::process::id();
    let birth = processes::own_birth().unwrap_or_default();
    let text = format!("{pid}\n{birth}\n{kind}\n");
    let _ = lock.rewind().and_then(|()| lock.set_len(0)).and_then(|()| lock.write_all(text.as_bytes()));
}

/// Who holds a lock, as in ", held by process 42"; empty when that is not known.
fn held_by(path: &Path) -> String {
    signature(path).map_or_else(String::new, |pid| format!(", held by process {pid}"))
}

/// The process id in a lock file.
fn signature(path: &Path) -> Option<u32> {
    let mut text = String::new();
    File::open(path).and_then(|file| file.take(200).read_to_string(&mut text)).ok()?;
    text.lines().next()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn refused(_: String) -> Failure {
        Failure::new("it is held")
    }

    #[test]
    fn those_who_hold_a_folder_take_turns_and_leave_nothing_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let inside = std::sync::atomic::AtomicU32::new(0);
        let act = || {
            assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0, "one at a time");
            std::thread::sleep(Duration::from_millis(2));
            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| in_turn(folder.path(), Duration::from_mins(1), act));
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).expect("it is there").count(), 0);
        assert_eq!(in_turn(&folder.path().join("none"), Duration::ZERO, || 3), 3);
        assert_eq!(in_turn(folder.path(), Duration::ZERO, || in_turn(folder.path(), Duration::ZERO, || 4)), 4);
    }

    #[test]
    fn a_lock_that_was_removed_while_somebody_waited_for_it_is_made_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("instance/up.lock");
        let (told, is_told) = mpsc::channel();
        let path = &path;
        std::thread::scope(|scope| {
            let waiting = hold(path, "it", &AT_ONCE, refused, || {
                let waiting = scope.spawn(move || {
                    let wait = Wait { limit: Duration::from_mins(1), tell: &|_| told.send(()).expect("it is awaited") };
                    hold(path, "it", &wait, refused, || Ok(holder(path).is_some()))
                });
                is_told.recv().expect("it waits");
                files::remove(path)?;
                files::remove_folder(&folder.path().join("instance"))?;
                Ok(waiting)
            });
            let held = waiting.expect("the lock is free").join().expect("it does not panic");
            assert_eq!(held, Ok(true), "who comes next sees the lock that is held");
        });
        assert_eq!(holder(path), None);
    }

    #[test]
    fn who_has_waited_long_tries_oftener_than_who_came_late() {
        let (limit, second) = (Duration::from_secs(30), Duration::from_secs(1));
        assert_eq!(pause(Duration::ZERO, limit), SOON);
        assert_eq!(pause(Duration::from_secs(29), limit), SOON);
        assert!(pause(second, limit) > 20 * SOON);
        let pauses: Vec<Duration> = (1..=30).map(|waited| pause(waited * second, limit)).collect();
        assert!(pauses.is_sorted_by(|earlier, later| earlier >= later), "{pauses:?}");
        assert_eq!(pause(Duration::ZERO, Duration::ZERO), SOON);
    }

    #[test]
    fn a_held_lock_is_seen_and_those_who_look_do_not_see_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("lock");
        assert_eq!(holder(&path), None);
        hold(&path, "it", &AT_ONCE, refused, || {
            assert_eq!(holder(&path), Some(format!(", held by process {}", std::process::id())));
            assert_eq!(holding(&path), Some(std::process::id()));
            assert_eq!(kind(&path).as_deref(), Some(""));
            assert_eq!(hold(&path, "it", &AT_ONCE, refused, || Ok(())), Err(refused(String::new())));
            Ok(())
        })
        .expect("it is free");
        assert_eq!(holding(&path), None);
        let as_gate = hold_as(GATE, &path, "it", &AT_ONCE, refused, || Ok(kind(&path)));
        assert_eq!((as_gate, kind(&path)), (Ok(Some(GATE.to_owned())), None));
        let looking = fd_lock::RwLock::new(File::options().read(true).write(true).open(&path).expect("it was made"));
        let _held = looking.try_read().expect("nobody holds it");
        assert_eq!(holder(&path), None);
    }
}
