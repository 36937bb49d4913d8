//! The flags of what runs in containers: `--name VALUE` or `--name=VALUE`, and what stands behind `--`.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::time::Duration;

use silo::core::text::source::one_line;
use silo::failure::{Failure, code};

/// Words of a command line, taken from the front.
pub(super) struct Words<'a> {
    command: &'static str,
    left: std::slice::Iter<'a, OsString>,
    value: Option<OsString>,
    flag: String,
}

impl<'a> Words<'a> {
    pub(super) fn new(command: &'static str, words: &'a [OsString]) -> Self {
        Self { command, left: words.iter(), value: None, flag: String::new() }
    }

    /// The next flag with its dashes; none at the end, and at `--`, behind which [`Words::rest`] is.
    pub(super) fn flag(&mut self) -> Result<Option<String>, Failure> {
        if self.value.is_some() {
            return Err(self.usage(&format!("`{}` has no value", self.flag)));
        }
        let Some(word) = self.left.next() else { return Ok(None) };
        if word == "--" {
            return Ok(None);
        }
        let bytes = word.as_bytes();
        let end = bytes.iter().position(|byte| *byte == b'=').unwrap_or(bytes.len());
        let flag = String::from_utf8_lossy(&bytes[..end]).into_owned();
        if !flag.starts_with("--") {
            return Err(self.usage(&format!("`{flag}` stands where a flag is expected")));
        }
        self.value = bytes.get(end + 1..).map(|value| OsString::from_vec(value.to_vec()));
        self.flag.clone_from(&flag);
        Ok(Some(flag))
    }

    /// The value of the flag.
    pub(super) fn value(&mut self) -> Result<OsString, Failure> {
        let value = self.value.take().or_else(|| self.left.next().cloned());
        value.ok_or_else(|| self.usage(&format!("`{}` lacks its value", self.flag)))
    }

    /// The value of the flag, as something it can be read as.
    pub(super) fn parsed<T: std::str::FromStr>(&mut self) -> Result<T, Failure> {
        let value = self.value()?;
        let parsed = value.to_str().and_then(|value| value.parse().ok());
        parsed.ok_or_else(|| self.usage(&format!("`{}` cannot be `{}`", self.flag, shown(&value))))
    }

    /// The value of the flag in seconds.
    pub(super) fn seconds(&mut self) -> Result<Duration, Failure> {
        let seconds: f64 = self.parsed()?;
        let read = Duration::try_from_secs_f64(seconds);
        read.map_err(|_| self.usage(&format!("`{}` cannot be `{seconds}`", self.flag)))
    }

    /// What stands behind `--`.
    pub(super) fn rest(&self) -> &'a [OsString] {
        self.left.as_slice()
    }

    /// A flag that there is not.
    pub(super) fn unknown(&self) -> Failure {
        self.usage(&format!("there is no `{}`", self.flag))
    }

    /// A mistake on the command line.
    pub(super) fn usage(&self, mistake: &str) -> Failure {
        let failure = Failure::new(format!("`silo-proxy {}` was called wrongly: {}", self.command, one_line(mistake)));
        failure.hint("silo calls it; what it takes: `silo doc containment`").code(code::USAGE)
    }
}

/// A word for people.
pub(super) fn shown(word: &OsStr) -> String {
    one_line(&word.to_string_lossy())
}
