//! What went wrong, where, and how to go on (D12). Errors of the core become one here; hints are worded here.

use std::ops::Range;
use std::path::Path;

use rustix::io::Errno;

use crate::core::config::ConfigError;
use crate::core::config::profile::ProfileError;
use crate::core::leases::ports::RangeFull;
use crate::core::text::source;
use crate::core::text::suggest::{nearest, ticked};

/// Exit codes of silo itself (D11); `exec` and `shell` pass on their child's.
pub mod code {
    /// Something failed.
    pub const FAILURE: u8 = 1;
    /// The command line cannot be understood.
    pub const USAGE: u8 = 2;
    /// The `silo.toml` is not trusted.
    pub const NOT_TRUSTED: u8 = 3;
    /// Not inside an active instance.
    pub const NOT_ACTIVE: u8 = 4;
}

/// One failure, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed, with the value that is to blame.
    pub what: String,
    /// `silo.toml:4:12` or a path.
    pub place: Option<String>,
    /// The line in question with a caret below it.
    pub excerpt: Option<String>,
    /// How to go on, a sentence each.
    pub hints: Vec<String>,
    /// The exit code.
    pub code: u8,
    /// Whether the same call may succeed in a moment.
    pub transient: bool,
}

impl Failure {
    /// A failure with exit code 1.
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), place: None, excerpt: None, hints: Vec::new(), code: code::FAILURE, transient: false }
    }

    /// A file or folder that could not be used: `verb` is what was tried, as in "read".
    pub fn file(verb: &str, path: &Path, error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        let failure = Self::new(format!("Cannot {verb} `{}`: {}", shown(path), reason(error)));
        if error.raw_os_error() == Some(Errno::IO.raw_os_error()) {
            return failure.hint("The disk failed; what the system says of it: `dmesg | tail`");
        }
        match error.kind() {
            Kind::StorageFull | Kind::QuotaExceeded => failure.hint("Free some space on that disk; nothing was lost"),
            Kind::PermissionDenied => {
                let folder = path.parent().unwrap_or(path);
                failure.hint(format!("See who owns it, and the folder: `ls -ld {} {}`", quoted(folder), quoted(path)))
            }
            Kind::ReadOnlyFilesystem => {
                failure.hint("Set XDG_STATE_HOME and XDG_DATA_HOME to folders that can be written")
            }
            Kind::FileTooLarge => {
                failure.hint("The limit of this shell is too low: `ulimit -f unlimited`; nothing was lost")
            }
            Kind::NotFound if verb == "find" => {
                failure.hint(format!("Look at the name; if it is right, make it: `mkdir -p {}`", quoted(path)))
            }
            Kind::NotFound => {
                failure.hint(format!("Make its folder first: `mkdir -p {}`", quoted(path.parent().unwrap_or(path))))
            }
            Kind::NotADirectory => failure.hint("A part of that path is a file; move it away"),
            _ => failure.hint(format!("Look at it: `ls -ld {}`", quoted(path))),
        }
    }

    /// A folder that could not be made; `standing` is the last one on the way that is there.
    pub fn folder(path: &Path, standing: Option<&Path>, error: &std::io::Error) -> Self {
        let failure = Failure::file("make the folder", path, error);
        match standing {
            Some(standing) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                Self { hints: Vec::new(), ..failure }.hint(format!("See who owns it: `ls -ld {}`", quoted(standing)))
            }
            _ => failure,
        }
    }

    /// Adds a way to go on.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Sets the exit code.
    #[must_use]
    pub fn code(mut self, code: u8) -> Self {
        self.code = code;
        self
    }

    /// The text of a file that is written by hand.
    ///
    /// # Errors
    /// A failure with the line that is not UTF-8.
    pub fn unless_text<'a>(shown: &str, bytes: &'a [u8]) -> Result<&'a str, Self> {
        std::str::from_utf8(bytes).map_err(|error| {
            let line = bytes[..error.valid_up_to()].split(|byte| *byte == b'\n').count();
            let failure = Self::new(format!("`{shown}` is not UTF-8 text (line {line})"));
            Self { place: Some(format!("{shown}:{line}")), ..failure }.hint("Save it as UTF-8 in the editor")
        })
    }

    /// A mistake at a place of the text file `shown`. What it says is one line, whatever of the file it repeats: a
    /// stranger's file must not forge a line such as a hint.
    pub fn located(what: &str, shown: &str, text: &str, span: &Range<usize>) -> Self {
        let place = source::locate(text, span);
        Self {
            what: source::one_line(what),
            place: Some(format!("{shown}:{}:{}", place.line, place.column)),
            excerpt: Some(place.excerpt),
            ..Self::new("")
        }
    }

    /// A mistake in the config file `shown` with the given text.
    pub fn config(error: &ConfigError, shown: &str, text: &str) -> Self {
        let failure = Self::located(&error.problem.to_string(), shown, text, &error.span);
        error.problem.hints().iter().fold(failure, |failure, hint| failure.hint(source::one_line(hint)))
    }

    /// No port is left to lease.
    pub fn range_full(full: &RangeFull) -> Self {
        Self::new(format!("No port is left for `{}`: other instances hold {} leases", full.name, full.leases))
            .hint("Run `silo prune` to free the leases of projects that are gone")
    }

    /// A profile that is not available.
    pub fn profile(error: &ProfileError) -> Self {
        let failure = Self::new(error.to_string());
        match error {
            ProfileError::NeedsForce { requested, .. } => {
                failure.hint(format!("Run `silo env --profile {requested} --force`; its ports may change"))
            }
            ProfileError::Unknown { name, known } => {
                let near = nearest(name, known.iter().map(String::as_str));
                let failure = near
                    .iter()
                    .fold(failure, |failure, near| failure.hint(format!("The nearest known name is `{near}`")));
                failure.hint(format!("Profiles in `silo.toml`: {}", ticked(known)))
            }
            ProfileError::NoneDefined { .. } => {
                failure.hint("Add `[profiles.NAME]` to `silo.toml`, or leave out --profile and SILO_PROFILE")
            }
            ProfileError::Gone { .. } => failure.hint("Run `silo env --force` to go on without a profile"),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.what)?;
        if let Some(place) = &self.place {
            write!(f, "\n  --> {place}")?;
        }
        if let Some(excerpt) = &self.excerpt {
            write!(f, "\n{excerpt}")?;
        }
        self.hints.iter().try_for_each(|hint| write!(f, "\nHint: {hint}"))
    }
}

/// A path for people: control characters replaced.
pub fn shown(path: &Path) -> String {
    source::one_line(&path.to_string_lossy())
}

/// A path for people who know where their home is: `~/` for that.
pub fn shown_from(home: &Path, path: &Path) -> String {
    match path.strip_prefix(home) {
        Ok(rest) if rest.as_os_str().is_empty() => "~".to_owned(),
        Ok(rest) => format!("~/{}", shown(rest)),
        Err(_) => shown(path),
    }
}

/// A path as it is named from a folder it lies in, for people.
pub fn shown_below(folder: &Path, path: &Path) -> String {
    shown(path.strip_prefix(folder).unwrap_or(path))
}

/// A path as part of a command line that can be pasted; what a terminal does not show as it is becomes bash's and zsh's
/// `$'…'`.
pub fn quoted(path: &Path) -> String {
    let bytes = path.as_os_str().as_encoded_bytes();
    // A tab that is typed asks for completions.
    if shown(path).as_bytes() == bytes && !bytes.contains(&b'\t') {
        return shell_words::quote(&shown(path)).into_owned();
    }
    let escaped = bytes.iter().map(|byte| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    });
    format!("$'{}'", escaped.collect::<Vec<_>>().concat())
}

/// The system's words for an error, without Rust's "(os error N)".
pub fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_mistake_shows_line_caret_and_hint() {
        let text = "version = 1\n[ports]\nWEB_PORT = 70000\n";
        let error = crate::core::config::parse(text).expect_err("the port is too high");
        expect_test::expect![[r#"
            Port `WEB_PORT` has an invalid value: 70000
              --> silo.toml:3:12
            3 | WEB_PORT = 70000
              |            ^^^^^
            Hint: Use a number from 1 to 65535, or "random""#]]
        .assert_eq(&Failure::config(&error, "silo.toml", text).to_string());
    }

    #[test]
    fn a_config_file_cannot_forge_a_line() {
        for text in [
            "version = 1\n\"a\\nHint: b\" = 1\n",
            "version = 1\n[ports]\n\"a\\nHint: b\" = 1\n",
            "version = 1\n[ports]\nWEB_PORT = \"a\\nHint: b\"\n",
            "version = 1\n[profiles.\"a\\nHint: b\"]\n",
            "version = 1\n[gates]\n\"a\\nHint: b\" = \"env\"\n",
        ] {
            let error = crate::core::config::parse(text).expect_err("no name and no port has a newline");
            let shown = Failure::config(&error, "silo.toml", text).to_string();
            assert!(shown.contains("a\u{fffd}Hint: b") && !shown.contains("\nHint: b"), "{shown}");
        }
    }

    #[test]
    fn a_file_error_names_the_path_and_a_way_out() {
        let error = std::io::Error::from_raw_os_error(13);
        let failure = Failure::file("write", Path::new("/a b/x"), &error);
        assert_eq!(
            failure.to_string(),
            "Cannot write `/a b/x`: Permission denied\nHint: See who owns it, and the folder: `ls -ld '/a b' '/a b/x'`"
        );
    }
}
