//! Where silo keeps its own files (design D1, D6): state and trust, never below `$TMPDIR` (D19).

use std::path::{Path, PathBuf};

use crate::core::digest;
use crate::core::environment::Environment;
use crate::failure::Failure;
use crate::sys::files;

/// The user's folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dirs {
    /// The home folder, absolute.
    pub home: PathBuf,
    /// Registry, stamps, generated shell start files.
    pub state: PathBuf,
    /// Trust records.
    pub data: PathBuf,
    /// The user's own settings.
    pub config: PathBuf,
}

impl Dirs {
    /// Finds the folders; relative and empty XDG variables are ignored, as the XDG specification asks.
    ///
    /// # Errors
    /// A [`Failure`] when `HOME` is not an absolute path: the password database is not asked, for a static glibc
    /// program cannot (design D20).
    pub fn find(environment: &Environment) -> Result<Self, Failure> {
        let home = environment.get("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let (Some(home), Some(dirs)) = (home, directories::ProjectDirs::from("", "", "silo")) else {
            return Err(Failure::new("HOME is not set to an absolute path").hint("Run `export HOME=/home/NAME` first"));
        };
        // The variables count on macOS too, where `directories` does not ask for them and has no folder for state.
        let xdg = |name: &str, default: &Path| {
            let set = environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
            set.map_or_else(|| default.to_path_buf(), |path| path.join("silo"))
        };
        let state = xdg("XDG_STATE_HOME", dirs.state_dir().unwrap_or_else(|| dirs.data_local_dir()));
        let config = xdg("XDG_CONFIG_HOME", &home.join(".config/silo"));
        Ok(Self { state, data: xdg("XDG_DATA_HOME", dirs.data_dir()), config, home })
    }

    /// Where each root that has or had an instance has a folder.
    pub fn instances(&self) -> PathBuf {
        self.state.join("instances")
    }

    /// The stamp of a project root.
    pub fn stamp(&self, root: &Path) -> PathBuf {
        use std::os::unix::ffi::OsStrExt as _;
        self.instances().join(digest::root_id(root.as_os_str().as_bytes())).join("stamp")
    }

    /// The memo of a project root.
    pub fn memo(&self, root: &Path) -> PathBuf {
        self.stamp(root).with_file_name("memo")
    }

    /// The lock that one `silo up` of a project holds while it runs.
    pub fn up_lock(&self, root: &Path) -> PathBuf {
        self.stamp(root).with_file_name("up.lock")
    }

    /// What a Tilt in the background prints.
    pub fn tilt_log(&self, root: &Path) -> PathBuf {
        self.stamp(root).with_file_name("tilt.log")
    }
}

/// The working folder: `$PWD` where it names it, links kept as the shell hook keeps them; else what the system says.
///
/// # Errors
/// A [`Failure`] when the folder is gone and `$PWD` does not say what it was.
pub fn working_folder(environment: &Environment) -> Result<PathBuf, Failure> {
    let named = environment.get("PWD").map(PathBuf::from).filter(|folder| folder.is_absolute());
    match (named, std::env::current_dir()) {
        (Some(named), Ok(_)) if files::same(&named, Path::new(".")) => Ok(named),
        (_, Ok(folder)) => Ok(folder),
        // The folder was removed under the shell; its parents may still hold a project.
        (Some(named), Err(_)) => Ok(named),
        (None, Err(error)) => Err(Failure::file("find", Path::new("."), &error).hint("Go somewhere else: `cd`")),
    }
}
