//! The registry file under its lock (design D1): `registry.lock` is made once and never replaced, `registry.toml` is
//! replaced as a whole. Locking the data file itself and renaming over it loses updates.

use std::path::{Path, PathBuf};

use crate::core::leases::{Leases, LeasesError};
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files::{self, Writing};
use crate::sys::lock::{self, Wait};

/// Largest registry that is read, in bytes; the whole port range leased fills less than a tenth of it.
const LIMIT: u64 = 64 * 1024 * 1024;

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
    let lock_path = dirs.state.join("registry.lock");
    let busy = |holder| {
        let failure = Failure { transient: true, ..Failure::new(format!("The registry is busy{holder}")) };
        failure.hint(format!("Look who has it: `fuser -v {}`", quoted(&lock_path)))
    };
    lock::hold(&lock_path, "the registry", wait, busy, || {
        let path = dirs.state.join("registry.toml");
        files::sweep(&path);
        act(&mut Locked { leases: load(&path)?, path })
    })
}

/// Reads the registry without its lock: a whole file, for it is only ever replaced.
///
/// # Errors
/// A [`Failure`] when it cannot be read.
pub fn peek(dirs: &Dirs) -> Result<Leases, Failure> {
    load(&dirs.state.join("registry.toml"))
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
