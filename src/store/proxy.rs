//! The proxy that serves routes (D29): whether it runs, and where. It holds a lock as long as it lives, however it ends; the file
//! beside it says on which port.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, lock};

/// Largest file that is read, in bytes.
const LIMIT: u64 = 4096;

/// A proxy that runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Its process id.
    pub pid: u32,
    /// The port of loopback it listens on.
    pub port: u16,
}

impl Running {
    /// The address of a host through it.
    pub fn address(&self, host: &str) -> String {
        match self.port {
            80 => format!("http://{host}"),
            port => format!("http://{host}:{port}"),
        }
    }
}

/// The proxy that runs; none where none does. A look at a lock and one small file.
pub fn running(dirs: &Dirs) -> Option<Running> {
    lock::holder(&dirs.proxy_lock())?;
    serde_json::from_slice(&files::read(&dirs.proxy(), LIMIT).ok()??.bytes).ok()
}

/// Says where the proxy is; who holds its lock calls it.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn tell(dirs: &Dirs, running: Running) -> Result<(), Failure> {
    let text = serde_json::to_string(&running).expect("numbers always serialise") + "\n";
    writing::replace(&dirs.proxy(), text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
}

/// Takes back what [`tell`] said.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn forget(dirs: &Dirs) -> Result<(), Failure> {
    files::remove(&dirs.proxy())
}
