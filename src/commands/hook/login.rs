//! What a new login shell knows, asked of the shell itself: the user's start files decide, and only the shell understands
//! them. It gets none of this terminal's variables but those a login sets.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::shell::environment::Environment;
use crate::core::shell::{self, Shell};
use crate::sys::cmd::{self, Cmd};
use crate::sys::files;

/// How long the user's start files may take.
const LIMIT: Duration = Duration::from_secs(5);
/// What a login sets before any start file is read.
const GIVEN: [&str; 9] =
    ["HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"];
/// Where programs are before any start file is read.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin";

/// What a login shell says of itself.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Login {
    path: OsString,
    /// zsh's own folder, where a start file sets one.
    pub(super) zdotdir: Option<PathBuf>,
}

impl Login {
    /// Asks a login shell; one that is missing or does not answer knows nothing.
    pub(super) fn ask(shell: &Shell, outside: &Environment) -> Self {
        let Some(path) = shell.login_path else { return Self::default() };
        let pairs = GIVEN.iter().filter_map(|name| Some((*name, outside.get(name)?)));
        let mut environment: Environment = pairs.collect();
        environment.set("PATH", PATH);
        environment.set("TERM", "dumb");
        let own = outside.text("SHELL").filter(|own| shell::of_program(own) == Some(shell)).map(PathBuf::from);
        let Some(program) = own.or_else(|| cmd::find(shell.name, outside)) else { return Self::default() };
        let script = format!("printf '\\036%s\\036%s\\036' {path} \"$ZDOTDIR\"");
        let asked = Cmd {
            program: &program.to_string_lossy(),
            arguments: ["-l", "-c", &script].map(OsString::from).into(),
            environment: &environment,
            folder: Path::new("/"),
        };
        let answer = asked.capture(LIMIT).map_or_else(|_| Vec::new(), |captured| captured.stdout);
        let mut parts = answer.split(|byte| *byte == 0x1e).skip(1);
        let (Some(path), Some(zdotdir), Some(_)) = (parts.next(), parts.next(), parts.next()) else {
            return Self::default();
        };
        let zdotdir = Some(PathBuf::from(OsString::from_vec(zdotdir.to_vec()))).filter(|folder| folder.is_absolute());
        Self { path: OsString::from_vec(path.to_vec()), zdotdir }
    }

    /// Whether this very program is what a login shell finds as `silo`.
    pub(super) fn finds(&self, program: &Path) -> bool {
        let environment: Environment = [("PATH", self.path.as_os_str())].into_iter().collect();
        let found = cmd::find_in(OsStr::new("silo"), &environment, Path::is_absolute);
        found.is_some_and(|found| files::same(&found, program))
    }
}
