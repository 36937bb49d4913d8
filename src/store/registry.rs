//! The registry file under its lock (D1): `registry.lock` is made once and never replaced, `registry.toml` is
//! replaced as a whole. Locking the data file itself and renaming over it loses updates.

use std::path::{Path, PathBuf};

use super::{history, project};
use crate::core::leases::rebuild::{self, Rebuilt, RootRecord};
use crate::core::leases::{Instance, Leases, LeasesError};
use crate::core::text::source::counted;
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::lock::{self, Wait};
use crate::sys::unfinished;
use crate::sys::writing::{self, Writing};

/// Largest registry that is read, in bytes; the whole port range leased fills less than a tenth of it.
const LIMIT: u64 = 64 * 1024 * 1024;

/// The way on from a damaged registry.
const REMEDY: &str = "Run `silo doctor --fix`: it puts the registry aside and makes it again; no port moves";

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
        writing::replace(&self.path, self.leases.render().as_bytes(), Writing::PRIVATE)
    }
}

/// Runs `act` while holding the registry's lock. No child process may be started in it.
///
/// # Errors
/// A [`Failure`] when the lock is not available in time (it names the holder), when the registry cannot be read, or of
/// `act` itself.
pub fn with_lock<T>(
    dirs: &Dirs,
    wait: &Wait<'_>,
    act: impl FnOnce(&mut Locked) -> Result<T, Failure>,
) -> Result<T, Failure> {
    hold(dirs, wait, || {
        let path = place(dirs);
        unfinished::sweep(&path);
        let mut locked = match read(&path)? {
            Some(leases) => Locked { leases, path },
            None => Locked { leases: remade(dirs, &[]).leases, path },
        };
        if !locked.leases.instances.is_empty() && !files::exists(&locked.path) {
            locked.save()?;
            let many = counted(locked.leases.instances.len(), "instance");
            (wait.tell)(&format!("The registry was gone; made again from lockfiles: {many}"));
        }
        act(&mut locked)
    })
}

/// Runs `act` under the registry's lock, whatever the registry holds.
fn hold<T>(dirs: &Dirs, wait: &Wait<'_>, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    lock::hold(&lock_path(dirs), "the registry", wait, |holder| busy(dirs, &holder), act)
}

/// Reads the registry without its lock: a whole file, for it is only ever replaced. Where it is gone, what it would be.
///
/// # Errors
/// A [`Failure`] when it cannot be read.
pub fn peek(dirs: &Dirs) -> Result<Leases, Failure> {
    Ok(read(&place(dirs))?.unwrap_or_else(|| remade(dirs, &[]).leases))
}

/// Whether the registry is a newer silo's, which alone can read it.
pub fn is_newer(dirs: &Dirs) -> bool {
    let content = files::read(&place(dirs), LIMIT).ok().flatten();
    let text = content.and_then(|content| String::from_utf8(content.bytes).ok());
    text.is_some_and(|text| matches!(Leases::parse(&text), Err(LeasesError::Version { .. })))
}

/// What [`repair`] did.
#[derive(Debug, Clone, PartialEq)]
pub struct Repaired {
    /// The new registry, and what two instances claimed.
    pub rebuilt: Rebuilt,
    /// Where the damaged one is now.
    pub aside: Option<PathBuf>,
}

/// Puts a registry that cannot be read aside, and makes it again from what it still says and from the lockfiles of every
/// known root. A registry that can be read is left alone, and so is a newer silo's.
///
/// # Errors
/// A [`Failure`] when the lock is not available or a file not be moved or written; the damaged registry is never removed.
pub fn repair(dirs: &Dirs, wait: &Wait<'_>) -> Result<Option<Repaired>, Failure> {
    hold(dirs, wait, || {
        let path = place(dirs);
        if read(&path).is_ok() {
            return Ok(None);
        }
        files::make_private(&path);
        let bytes = files::read(&path, LIMIT).ok().flatten().map(|content| content.bytes).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let rebuilt = match Leases::parse(&text) {
            // It was only not to be opened.
            Ok(leases) => {
                return Ok(Some(Repaired { rebuilt: Rebuilt { leases, disputed: Vec::new() }, aside: None }));
            }
            Err(LeasesError::Version { .. }) => return read(&path).map(|_| None),
            Err(_) => remade(dirs, &rebuild::salvage(&text)),
        };
        let aside = files::put_aside(&path)?;
        Locked { leases: rebuilt.leases.clone(), path }.save()?;
        Ok(Some(Repaired { rebuilt, aside }))
    })
}

/// The registry as the lockfiles of all known roots and the salvaged entries tell it.
fn remade(dirs: &Dirs, salvaged: &[Instance]) -> Rebuilt {
    let histories = history::all(dirs);
    let known =
        salvaged.iter().map(|instance| instance.root.clone()).chain(histories.into_iter().map(|history| history.root));
    let record = |root: String| {
        let state = project::lockfile_of(Path::new(&root)).ok().flatten().map(|(lockfile, _)| lockfile.instance);
        let salvaged = salvaged.iter().find(|instance| instance.root == root).cloned();
        RootRecord { folder: number(&root), root, lockfile: state, salvaged }
    };
    rebuild::rebuild(known.map(record).collect())
}

/// The number of a root's folder, as its entry has it; a larger one cannot stand in TOML.
pub(super) fn number(root: &str) -> Option<u64> {
    files::number(Path::new(root)).filter(|number| i64::try_from(*number).is_ok())
}

/// Where the lock is.
pub fn lock_path(dirs: &Dirs) -> PathBuf {
    dirs.state.join("registry.lock")
}

fn busy(dirs: &Dirs, holder: &str) -> Failure {
    let failure = Failure { transient: true, ..Failure::new(format!("The registry is busy{holder}")) };
    failure.hint(format!("See who has it: `fuser -v {}`", quoted(&lock_path(dirs))))
}

/// Where the registry is.
pub fn place(dirs: &Dirs) -> PathBuf {
    dirs.state.join("registry.toml")
}

fn read(path: &Path) -> Result<Option<Leases>, Failure> {
    match files::read(path, LIMIT) {
        Ok(content) => content.map(|content| understand(path, content.bytes)).transpose(),
        Err(failure) => Err(failure.hint(REMEDY)),
    }
}

fn understand(path: &Path, bytes: Vec<u8>) -> Result<Leases, Failure> {
    let cannot = |why: &str| Failure::new(format!("Cannot read the registry `{}`: {why}", shown(path)));
    let broken = |why: &str| {
        cannot(why).hint("Nothing was changed. Every lease is also in its project's `.silo.lock`").hint(REMEDY)
    };
    let text = String::from_utf8(bytes).map_err(|_| broken("it is not UTF-8 text"))?;
    Leases::parse(&text).map_err(|error| match error {
        LeasesError::Version { .. } => {
            cannot(&error.to_string()).hint("Install the newer silo again: `silo doc install` says how")
        }
        _ => broken(&error.to_string()),
    })
}
