//! What the gateway keeps (D34): whether one runs and where, the digests of placeholder keys, and the journal of what they have spent.
//! Real keys stand in the user's file alone, which nothing here copies.

pub mod book;
pub mod file;
pub mod instance;
pub mod keys;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::core::config::providers;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, lock};

/// Largest file about a gateway that runs, in bytes.
const LIMIT: u64 = 4096;

/// A gateway that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// The port of loopback it listens on.
    pub port: u16,
}

impl Running {
    /// Its address.
    pub fn address(self) -> String {
        providers::url(self.port)
    }
}

/// The lock that the gateway holds while it runs.
pub fn lock_path(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("gateway.lock")
}

/// What the gateway says in the background.
pub fn log_path(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("gateway.log")
}

fn place(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("gateway.json")
}

/// The gateway that runs; none where none does.
pub fn running(dirs: &Dirs) -> Option<Running> {
    lock::holder(&lock_path(dirs))?;
    serde_json::from_slice(&files::read(&place(dirs), LIMIT).ok()??.bytes).ok()
}

/// Says where the gateway is; who holds its lock calls it.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn tell(dirs: &Dirs, running: Running) -> Result<(), Failure> {
    let text = serde_json::to_string(&running).expect("numbers always serialise") + "\n";
    writing::replace(&place(dirs), text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
}

/// Takes back what [`tell`] said.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn forget(dirs: &Dirs) -> Result<(), Failure> {
    files::remove(&place(dirs))
}
