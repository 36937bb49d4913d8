//! The user's `memory.toml`, which may have passwords: it must be the user's alone, and no error shows a line of it.

use std::path::{Path, PathBuf};

use crate::core::config::memory_servers::{Servers, parse};
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// Largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Where the file is.
pub fn place(dirs: &Dirs) -> PathBuf {
    dirs.config.join("memory.toml")
}

/// The servers of the file; none where there is no file.
///
/// # Errors
/// A [`Failure`] with its place: others can read it, or it is not understood.
pub fn load(dirs: &Dirs) -> Result<Servers, Failure> {
    let path = place(dirs);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(Servers::new()) };
    if files::mode_behind(&path).is_none_or(|mode| mode & 0o077 != 0) {
        return Err(Failure::new(format!("Others can read `{}`, which has passwords", shown(&path)))
            .hint(format!("Keep it to yourself: `chmod 600 {}`", quoted(&path))));
    }
    understood(&path, &content.bytes)
}

fn understood(path: &Path, bytes: &[u8]) -> Result<Servers, Failure> {
    let text = Failure::unless_text(&shown(path), bytes)?;
    parse(text).map_err(|error| Failure { excerpt: None, ..Failure::config(&error, &shown(path), text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_a_line_that_may_hold_a_password() {
        for text in [
            "[servers.a]\nurl = \"postgres://u:SECRET@h:x/d\"\n",
            "[servers.a]\nurl = \"postgres://u:SECRET@h/d\n",
            "[servers.a]\npassword = \"SECRET\"\n",
            "[servers.a]\npassword = SECRET\n",
            "[servers.a]\nurl = 5\npassword = \"SECRET\"\n",
        ] {
            let shown = understood(Path::new("/c/memory.toml"), text.as_bytes()).expect_err(text).to_string();
            assert!(!shown.contains("SECRET") && shown.contains("/c/memory.toml:"), "{shown}");
        }
    }
}
