//! Other users of the machine, for tests: root can become one and give files away; who is not root is one already, and
//! has modes to take rights from itself.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use rustix::process::geteuid;

use crate::machine::files_below;
use crate::sandbox::{Ran, SILO, Sandbox};

/// Users that no system gives out: the one whose home the sandbox is, and a stranger.
pub(crate) const ANNA: u32 = 54_321;
pub(crate) const STRANGER: u32 = 54_322;

/// Whether root runs the tests.
pub(crate) fn is_root() -> bool {
    geteuid().is_root()
}

/// Gives a folder and everything in it to a user; only root can.
pub(crate) fn give(folder: &Path, user: u32) {
    let give_one = |path: &Path| {
        std::os::unix::fs::lchown(path, Some(user), Some(user))
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    };
    give_one(folder);
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder is readable").path();
        if path.is_dir() && !path.is_symlink() { give(&path, user) } else { give_one(&path) }
    }
}

/// A sandbox whose home, state and projects belong to somebody who is not root, and which everybody may enter.
pub(crate) struct Anna {
    pub(crate) sandbox: Sandbox,
}

impl Anna {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        if is_root() {
            // The program may lie where only root can go.
            fs::remove_file(sandbox.path("bin/silo")).expect("it is there");
            // `cp` and not this process: a test beside this one may fork while the file is open, and nobody could run it.
            let mut cp = sandbox.command("cp", "");
            cp.arg(SILO).arg(sandbox.path("bin/silo"));
            sandbox.finish(cp).success();
            mode(&sandbox.path(""), 0o755);
            for folder in ["home", "state", "data", "config", "projects"] {
                chown(sandbox.path(folder), Some(ANNA), Some(ANNA)).expect("root may");
            }
        }
        Self { sandbox }
    }

    /// A project of hers.
    pub(crate) fn project(&self, name: &str, toml: &str) -> std::path::PathBuf {
        let app = self.sandbox.project(name, toml);
        if is_root() {
            give(&app, ANNA);
        }
        app
    }

    /// Any program, run by her.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, dir: impl AsRef<Path>) -> Command {
        let mut command = self.sandbox.command(program, dir);
        if is_root() {
            command.uid(ANNA).gid(ANNA);
        }
        command
    }

    /// silo, run by her.
    #[must_use]
    pub(crate) fn run(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Ran {
        let mut silo = self.command(self.sandbox.path("bin/silo"), dir);
        silo.args(args);
        self.sandbox.finish(silo)
    }
}

/// Sets the permission bits of a file or folder.
pub(crate) fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

/// Every file below a folder with its owner, mode and content.
pub(crate) fn owned(folder: &Path) -> Vec<(String, u32, u32, String)> {
    use std::os::unix::fs::MetadataExt as _;
    let of = |file: String| {
        let path = folder.join(&file);
        let metadata = fs::symlink_metadata(&path).expect("it is there");
        // A pipe would be read for ever.
        let content = if metadata.is_file() { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
        (file, metadata.uid(), metadata.mode() & 0o777, content)
    };
    files_below(folder).into_iter().map(of).collect()
}
