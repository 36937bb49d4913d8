//! Unix sockets in a folder, whose paths may be longer than the system takes: on Linux the folder is named by a descriptor of it.

use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Mode, OFlags};

use super::socket;
use crate::failure::{Failure, shown};

/// The longest path of a socket, in bytes, without the zero at its end (`unix(7)`, `unix(4)` on macOS).
pub const LONGEST: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// A folder with sockets.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    opened: OwnedFd,
}

impl Folder {
    /// Opens a folder.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let opened = rustix::fs::open(path, flags, Mode::empty())
            .map_err(|error| Failure::file("open", path, &std::io::Error::from(error)))?;
        Ok(Self { path: path.to_path_buf(), opened })
    }

    /// A path of a socket in it that the system takes, as long as this is open.
    ///
    /// # Errors
    /// A [`Failure`] where there is none: the path is too long, and the system has no other way.
    pub fn path(&self, name: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        let is_short = path.as_os_str().len() <= LONGEST;
        if !is_short && cfg!(target_os = "linux") {
            return Ok(PathBuf::from(format!("/proc/self/fd/{}", self.opened.as_raw_fd())).join(name));
        }
        if is_short {
            return Ok(path);
        }
        Err(Failure::new(format!("The path `{}` is too long for a socket", shown(&path)))
            .hint("Set XDG_STATE_HOME to a folder with a shorter path"))
    }

    /// Keeps a socket in it to this user.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn make_private(&self, name: &str) -> Result<(), Failure> {
        rustix::fs::chmodat(&self.opened, name, Mode::RUSR | Mode::WUSR, AtFlags::empty())
            .map_err(|error| Failure::file("keep to this user", &self.path.join(name), &std::io::Error::from(error)))
    }

    /// Whether somebody listens on a socket in it.
    pub fn listens(&self, name: &str) -> bool {
        self.path(name).is_ok_and(|path| !socket::nobody(&path))
    }
}
