//! The registry file under its lock (design D1): `registry.lock` is made once and never replaced, `registry.toml` is
//! replaced as a whole. Locking the data file itself and renaming over it loses updates.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::core::leases::{Leases, LeasesError};
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files::{self, Writing};

/// Largest registry that is read, in bytes; the whole port range leased fills less than a tenth of it.
const LIMIT: u64 = 64 * 1024 * 1024;
/// How often a held lock is tried again.
const RETRY: Duration = Duration::from_millis(4);
/// After how long a waiting command says so.
const PATIENCE: Duration = Duration::from_millis(500);

/// How long to wait for the lock, and whom to tell.
pub struct Wait<'a> {
    /// The longest wait.
    pub limit: Duration,
    /// Called once, with a sentence, when the wait gets long.
    pub tell: &'a dyn Fn(&str),
}

/// The registry while its lock is held.
#[derive(Debug)]
pub struct Locked {
    /// What it says now; changes count once [`Locked::save`] is called.
    pub leases: Leases,
    path: PathBuf,
}

impl Locked {
    /// Writes the registry.
    ///
    /// # Errors
    /// A [`Failure`] that names the path; the old registry is then still there.
    pub fn save(&self) -> Result<(), Failure> {
        files::replace(&self.path, self.leases.render().as_bytes(), Writing::PRIVATE)
    }
}

/// Runs `act` while holding the registry's lock. No child process may be started in it.
///
/// # Errors
/// A [`Failure`] when the lock cannot be had in time (it names the holder), when the registry cannot be read, or of
/// `act` itself.
pub fn with_lock<T>(
    dirs: &Dirs,
    wait: &Wait<'_>,
    act: impl FnOnce(&mut Locked) -> Result<T, Failure>,
) -> Result<T, Failure> {
    files::make_folder(&dirs.state)?;
    let lock_path = dirs.state.join("registry.lock");
    let mut lock = fd_lock::RwLock::new(open_lock(&lock_path)?);
    let started = Instant::now();
    let mut told = false;
    loop {
        match lock.try_write() {
            Ok(mut guard) => {
                sign(&mut guard);
                let path = dirs.state.join("registry.toml");
                files::sweep(&path);
                let mut locked = Locked { leases: load(&path)?, path };
                return act(&mut locked);
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(error) => return Err(Failure::file("lock", &lock_path, &error)),
        }
        if started.elapsed() >= wait.limit {
            return Err(busy(&lock_path));
        }
        if started.elapsed() >= PATIENCE && !told {
            told = true;
            (wait.tell)(&format!("Waiting for the registry{}", held_by(&lock_path)));
        }
        std::thread::sleep(RETRY);
    }
}

/// Reads the registry without its lock: a whole file, for it is only ever replaced.
///
/// # Errors
/// A [`Failure`] when it cannot be read.
pub fn peek(dirs: &Dirs) -> Result<Leases, Failure> {
    load(&dirs.state.join("registry.toml"))
}

fn open_lock(path: &Path) -> Result<File, Failure> {
    let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    open.map_err(|error| Failure::file("open", path, &error))
}

/// Leaves the holder's process id in the lock file, for the message of whoever waits; a failure to do so is no matter.
fn sign(lock: &mut File) {
    let mut text = std::process::id().to_string();
    text.push('\n');
    let _ = lock.rewind().and_then(|()| lock.set_len(0)).and_then(|()| lock.write_all(text.as_bytes()));
}

fn held_by(lock_path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(lock_path).and_then(|file| file.take(20).read_to_string(&mut text));
    match (read, text.trim().parse::<u32>()) {
        (Ok(_), Ok(pid)) => format!(", held by process {pid}"),
        _ => String::new(),
    }
}

fn busy(lock_path: &Path) -> Failure {
    let failure = Failure { transient: true, ..Failure::new(format!("The registry is busy{}", held_by(lock_path))) };
    failure.hint(format!("Look who has it: `fuser -v {}`", quoted(lock_path)))
}

fn load(path: &Path) -> Result<Leases, Failure> {
    let Some(content) = files::read(path, LIMIT)? else { return Ok(Leases::parse("").expect("nothing is a registry")) };
    let broken = |why: &str| {
        Failure::new(format!("Cannot read the registry `{}`: {why}", shown(path)))
            .hint("Nothing was changed. Leases are also in each project's `.silo.lock`")
            .hint(format!("Put it aside with `mv {0} {0}.broken`, then run `silo env` in each project", quoted(path)))
    };
    let text = String::from_utf8(content.bytes).map_err(|_| broken("it is not UTF-8 text"))?;
    Leases::parse(&text).map_err(|error| match error {
        LeasesError::Version(_) => Failure::new(format!("Cannot read the registry `{}`: {error}", shown(path)))
            .hint("Install the newer silo again"),
        LeasesError::Malformed { .. } => broken(&error.to_string()),
    })
}
