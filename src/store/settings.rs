//! The user's settings file.

use std::path::PathBuf;

use crate::core::config::user::{UserSettings, parse};
use crate::failure::{Failure, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// Largest settings file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Where the settings are.
pub fn place(dirs: &Dirs) -> PathBuf {
    dirs.config.join("config.toml")
}

/// The user's settings; the defaults where there is no file.
///
/// # Errors
/// A [`Failure`] with line, column and caret, or that names the path.
pub fn load(dirs: &Dirs) -> Result<UserSettings, Failure> {
    let path = place(dirs);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(UserSettings::default()) };
    let text = Failure::unless_text(&shown(&path), &content.bytes)?;
    parse(text).map_err(|error| {
        let what = error.problem.to_string();
        Failure::located(&what, &shown(&path), text, &error.span).hint(error.problem.hint())
    })
}

/// Whether the shell hook may wrap `cd`. A shell that starts is not shown mistakes: the first answer of the hook reports them.
pub fn wraps_cd(dirs: &Dirs) -> bool {
    load(dirs).unwrap_or_default().wrap_cd
}
