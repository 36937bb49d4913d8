//! `docker compose`, called for one project: what its files come to, and what is done with its services.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::docker::where_it_is_down;
use super::engine::program;
use crate::core::formats::compose::{NAMES, OVERRIDES};
use crate::core::formats::dotenv;
use crate::core::shell::environment::Environment;
use crate::core::text::version::Version;
use crate::failure::{Failure, shown};
use crate::sys::cmd::{Captured, Cmd, Ended};
use crate::sys::files;

/// What to type where compose is missing or too old.
pub const INSTALL: &str = "Install Docker Compose 2.24.4 or newer: https://docs.docker.com/compose/install";
/// The first version that knows `!reset` and `!override`, without which an override would isolate nothing.
const LEAST: Version = Version(2, 24, 4);
/// How long a question may take.
const ASK: Duration = Duration::from_secs(20);
/// Largest `.env` that is read, in bytes.
const DOTENV: u64 = 1024 * 1024;

/// compose with an environment to call it in.
#[derive(Debug, Clone, Copy)]
pub struct Compose<'a> {
    /// The environment.
    pub environment: &'a Environment,
    /// The project's root.
    pub folder: &'a Path,
    /// The compose project's name.
    pub project: &'a str,
}

/// Which compose there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// One that can isolate.
    Fits,
    /// One that cannot, by its version.
    Old(String),
    /// None.
    Missing,
}

/// The compose files of a root in the order in which compose merges them: those that `silo.toml` names, those of
/// `COMPOSE_FILE`, or what compose looks for.
///
/// # Errors
/// A [`Failure`] that says what is missing.
pub fn files_of(root: &Path, named: Option<&[String]>, environment: &Environment) -> Result<Vec<PathBuf>, Failure> {
    let listed: Option<Vec<PathBuf>> = match named {
        Some(named) => Some(named.iter().map(|name| root.join(name)).collect()),
        None => variable(root, "COMPOSE_FILE", environment).filter(|list| !list.is_empty()).map(|list| {
            let separator = variable(root, "COMPOSE_PATH_SEPARATOR", environment).filter(|one| !one.is_empty());
            list.split(separator.as_deref().unwrap_or(":")).map(|name| root.join(name)).collect()
        }),
    };
    let found = listed.unwrap_or_else(|| {
        let first = |names: &[&str]| names.iter().map(|name| root.join(name)).find(|path| files::is_file(path));
        let base = first(&NAMES);
        let over = base.as_ref().and_then(|_| first(&OVERRIDES));
        base.into_iter().chain(over).collect()
    });
    if found.is_empty() {
        return Err(Failure::new(format!("There is no compose file in `{}`", shown(root)))
            .hint("Name it in silo.toml: `files = [\"deploy/compose.yaml\"]` below `[compose]`"));
    }
    match found.iter().find(|path| !files::is_file(path)) {
        None => Ok(found),
        Some(path) => Err(Failure::new(format!("The compose file `{}` is not there", shown(path))).hint(
            "Correct `files` below `[compose]` in silo.toml, or `COMPOSE_FILE`, which counts where there is none",
        )),
    }
}

/// A variable as compose sees it: the environment's, or else that of the root's `.env`.
pub fn variable(root: &Path, name: &str, environment: &Environment) -> Option<String> {
    if let Some(value) = environment.text(name) {
        return Some(value.to_owned());
    }
    let content = files::read(&root.join(".env"), DOTENV).ok()??;
    let text = String::from_utf8(content.bytes).ok()?;
    dotenv::value_of(&text, name).map(|value| value.trim_matches(['"', '\'']).to_owned())
}

impl Compose<'_> {
    /// Makes sure that compose is there and knows what an override needs.
    ///
    /// # Errors
    /// A [`Failure`] that says what to install.
    pub fn check(&self) -> Result<(), Failure> {
        match self.found(ASK)? {
            Found::Fits => Ok(()),
            Found::Old(text) => {
                Err(Failure::new(format!("Docker Compose {text} is too old to isolate services")).hint(INSTALL))
            }
            Found::Missing => Err(Failure::new("Docker Compose is not installed").hint(INSTALL)),
        }
    }

    /// Asks compose for its version.
    ///
    /// # Errors
    /// A [`Failure`] when it does not answer in time.
    pub fn found(&self, limit: Duration) -> Result<Found, Failure> {
        let cmd = self.docker(&["compose", "version", "--short"]);
        let answer = cmd.capture(limit)?;
        let text = String::from_utf8_lossy(&answer.stdout).trim().trim_start_matches('v').to_owned();
        Ok(match (answer.ended, Version::find(&text)) {
            (Ended::Code(0), Some(version)) if version >= LEAST => Found::Fits,
            (Ended::Code(0), Some(_)) => Found::Old(text),
            _ => Found::Missing,
        })
    }

    /// What the files come to, in JSON, every profile included and every variable filled in, but for those of an `env_file`:
    /// that is not read. `flags` are compose's own flags that change how the files are read.
    ///
    /// # Errors
    /// A [`Failure`] with compose's own last lines.
    pub fn model(&self, files: &[PathBuf], flags: &[OsString]) -> Result<String, Failure> {
        let words = ["--profile", "*", "config", "--no-env-resolution", "--format", "json"].map(OsString::from);
        let words: Vec<OsString> = flags.iter().cloned().chain(words).collect();
        let cmd = self.with_files(files, &words);
        let answer = cmd.capture(ASK)?.success(&cmd).map_err(|failure| {
            let Failure { excerpt, hints, .. } = where_it_is_down(failure);
            Failure { excerpt, hints, ..Failure::new("Docker Compose cannot read the project's compose files") }
                .hint("Try it after each edit: `silo exec -- docker compose config --quiet`")
        })?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    /// A command for the project with these files, the override last.
    pub fn with_files(&self, files: &[PathBuf], words: &[OsString]) -> Cmd<'_> {
        let mut arguments: Vec<OsString> = vec!["compose".into(), "--project-name".into(), self.project.into()];
        for file in files {
            arguments.extend(["--file".into(), file.into()]);
        }
        arguments.extend(words.iter().cloned());
        Cmd { program: program(self.environment), arguments, environment: self.environment, folder: self.folder }
    }

    /// Runs a command to its end and takes what it prints.
    ///
    /// # Errors
    /// As [`Cmd::capture`].
    pub fn capture(&self, files: &[PathBuf], words: &[&str], limit: Duration) -> Result<Captured, Failure> {
        let words: Vec<OsString> = words.iter().map(Into::into).collect();
        self.with_files(files, &words).capture(limit)
    }

    fn docker(&self, words: &[&str]) -> Cmd<'_> {
        let arguments = words.iter().map(Into::into).collect();
        Cmd { program: program(self.environment), arguments, environment: self.environment, folder: self.folder }
    }
}
