//! The user's `gateway.toml`, which has real keys: it must be the user's alone, and no error shows a line that may hold one.

use std::path::{Path, PathBuf};

use crate::core::config::providers::{Providers, parse};
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// Largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;
/// What a line may begin with that is shown in an error.
const HARMLESS: [&str; 16] = [
    "[",
    "port",
    "shape",
    "url",
    "timeout",
    "ca",
    "models",
    "input",
    "output",
    "cache_",
    "window",
    "max_output",
    "budget",
    "requests",
    "tokens",
    "#",
];

/// Where the file is.
pub fn place(dirs: &Dirs) -> PathBuf {
    dirs.config.join("gateway.toml")
}

/// The file; none where there is none.
///
/// # Errors
/// A [`Failure`] with its place: others can read it, or it is not understood.
pub fn load(dirs: &Dirs) -> Result<Option<Providers>, Failure> {
    let path = place(dirs);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(None) };
    if files::mode_behind(&path).is_none_or(|mode| mode & 0o077 != 0) {
        return Err(Failure::new(format!("Others can read `{}`, which has keys", shown(&path)))
            .hint(format!("Keep it to yourself: `chmod 600 {}`", quoted(&path))));
    }
    understood(&path, &content.bytes).map(Some)
}

fn understood(path: &Path, bytes: &[u8]) -> Result<Providers, Failure> {
    let text = Failure::unless_text(&shown(path), bytes)?;
    parse(text).map_err(|error| {
        let failure = Failure::config(&error, &shown(path), text);
        Failure { excerpt: failure.excerpt.filter(|excerpt| is_harmless(excerpt)), ..failure }
    })
}

/// Whether the line of an excerpt begins with a key that is none, and names none further on.
fn is_harmless(excerpt: &str) -> bool {
    let line = excerpt.lines().next().and_then(|line| line.split_once(" | ")).map_or("", |(_, line)| line).trim();
    let has_key = line.to_ascii_lowercase().contains("key") || line.contains('@') || line.contains("sk-");
    !has_key && HARMLESS.iter().any(|start| line.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_shows_a_line_that_may_hold_a_key() {
        let shown = |text: &str| understood(Path::new("/c/gateway.toml"), text.as_bytes()).expect_err(text).to_string();
        assert!(shown("[providers.p]\nshape = \"x\"\n").contains("2 | shape = \"x\""));
        for text in [
            "[providers.p]\nkey = \"SECRET\n",
            "[providers.p]\nkey = SECRET\n",
            "[providers.p]\nKEY = \"SECRET\"\n",
            "[providers.p]\nkey = 'SECRET' 'x'\n",
            "[providers.p]\napi_key = \"SECRET\"\n",
            "[providers.p]\ntoken = \"SECRET\"\n",
            "[providers.p]\nSECRET\n",
            "[providers.p]\nshape = \"openai\"\nurl = \"https://u:SECRET@h\"\n",
            "[providers.p]\nshape = \"openai\"\nurl = \"https://h\"\nkey = \"SECRET \u{e9}\"\n",
            "providers.p = { shape = \"openai\", key = \"SECRET\" }\n",
            "[providers.p]\nkey = \"\"\"\nSECRET\n",
        ] {
            let shown = shown(text);
            assert!(!shown.contains("SECRET"), "{text}: {shown}");
            assert!(shown.contains("/c/gateway.toml:"), "{shown}");
        }
    }
}
