//! Lock files (design D1): made once, never replaced or removed, held with `flock` until the act is done or the process
//! ends, however it ends. Children do not inherit them. The holder leaves its process id in the file.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::failure::Failure;
use crate::sys::files;

/// How often a held lock is tried again.
const RETRY: Duration = Duration::from_millis(4);
/// After how long a waiting command says so.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long to wait for a lock, and whom to tell.
pub struct Wait<'a> {
    /// The longest wait.
    pub limit: Duration,
    /// Called once, with a sentence, when the wait gets long.
    pub tell: &'a dyn Fn(&str),
}

/// Runs `act` while holding a lock; `what` names it in the sentence about waiting.
///
/// # Errors
/// `busy` of the holder, as in ", held by process 42" or empty, when the lock cannot be had in time; a [`Failure`] when
/// the file cannot be used; or of `act` itself.
pub fn hold<T>(
    path: &Path,
    what: &str,
    wait: &Wait<'_>,
    busy: impl FnOnce(String) -> Failure,
    act: impl FnOnce() -> Result<T, Failure>,
) -> Result<T, Failure> {
    files::make_folder(path.parent().expect("a lock lies in a folder"))?;
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let mut lock = fd_lock::RwLock::new(open.map_err(|error| Failure::file("open", path, &error))?);
    let started = Instant::now();
    let mut told = false;
    loop {
        match lock.try_write() {
            Ok(mut guard) => {
                sign(&mut guard);
                return act();
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => {
                let failure = Failure::file("lock", path, &error);
                return Err(
                    failure.hint("Where its disk has no locks (some network disks), set XDG_STATE_HOME to another one")
                );
            }
        }
        if started.elapsed() >= wait.limit {
            return Err(busy(held_by(path)));
        }
        if started.elapsed() >= PATIENCE && !told {
            told = true;
            (wait.tell)(&format!("Waiting for {what}{}", held_by(path)));
        }
        std::thread::sleep(RETRY);
    }
}

/// Whether somebody holds a lock now; the lock is not made.
pub fn is_held(path: &Path) -> bool {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(path) else { return false };
    fd_lock::RwLock::new(file).try_write().is_err()
}

/// Leaves the holder's process id in the lock file, for the message of whoever waits; a failure to do so is no matter.
fn sign(lock: &mut File) {
    let text = format!("{}\n", std::process::id());
    let _ = lock.rewind().and_then(|()| lock.set_len(0)).and_then(|()| lock.write_all(text.as_bytes()));
}

fn held_by(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!(", held by process {pid}"),
        _ => String::new(),
    }
}
