//! A project: its root, its `silo.toml`, and the lockfile and env file silo keeps in it.

use std::ops::Range;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::core::config::{self, ConfigError, ConfigFile};
use crate::core::instance::envfile;
use crate::core::instance::lockfile::{self, Lockfile, LockfileError};
use crate::core::text::digest;
use crate::failure::{Failure, quoted, shown};
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// The config file's usual name.
pub const CONFIG_NAME: &str = "silo.toml";
/// Largest config file and lockfile that are read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// A config file that was found and read, but not yet understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    /// Canonical folder of the config file.
    pub root: PathBuf,
    /// Path of the config file in it.
    pub file: PathBuf,
    /// The config file's bytes.
    pub content: Vec<u8>,
    /// When the config file was last changed.
    pub modified: SystemTime,
}

/// Finds the nearest `silo.toml` upward from an absolute folder.
pub fn find_upward(folder: &Path) -> Option<PathBuf> {
    folder.ancestors().map(|folder| folder.join(CONFIG_NAME)).find(|file| files::is_file(file))
}

/// Whether a link on the way to a folder below a canonical root leads out of it, so that a stranger's repository would have
/// silo write elsewhere. A folder that is not there yet lies where the nearest one above it does.
///
/// # Errors
/// A [`Failure`] when a link leads nowhere or a folder cannot be looked at.
pub fn leads_out(root: &Path, folder: &Path) -> Result<bool, Failure> {
    let there = folder.ancestors().find(|folder| files::exists(folder)).unwrap_or(root);
    Ok(!files::canonical(there)?.starts_with(root))
}

/// Where the lockfile of a root lies.
pub(super) fn lockfile_path(root: &Path) -> PathBuf {
    root.join(lockfile::FILE_NAME)
}

/// The lockfile in a root with the digest of its bytes; `None` when there is none.
///
/// # Errors
/// A [`Failure`] when it cannot be read or is not a lockfile.
pub fn lockfile_of(root: &Path) -> Result<Option<(Lockfile, String)>, Failure> {
    let path = lockfile_path(root);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(None) };
    let error = match Lockfile::parse(&content.bytes) {
        Ok(lockfile) => return Ok(Some((lockfile, digest::of(&content.bytes)))),
        Err(error) => error,
    };
    let mut failure = Failure::new(format!("Cannot read the lockfile `{}`: {error}", shown(&path)));
    if matches!(error, LockfileError::Cut { .. }) {
        failure = failure.hint("If the folder is just being copied, run this again when that is done");
    }
    Err(failure
        .hint("The registry remembers this instance's name and ports")
        .hint(format!("Put it aside with `mv {0} {0}.broken`, then run `silo env`", quoted(&path))))
}

impl Project {
    /// Reads the config file `explicit`, or the nearest one upward from `folder`.
    ///
    /// # Errors
    /// A [`Failure`] when there is none or it cannot be read.
    pub fn load(folder: &Path, explicit: Option<&Path>) -> Result<Self, Failure> {
        let file = match explicit {
            Some(file) => folder.join(file),
            None => find_upward(folder).ok_or_else(|| {
                let failure = Failure::new(format!("No `silo.toml` in `{}` or above", shown(folder)));
                let standing = folder.ancestors().find(|folder| files::is_folder(folder));
                match standing.filter(|standing| *standing != folder) {
                    Some(standing) => failure.hint(format!("The folder is gone: `cd {}`", quoted(standing))),
                    None => failure.hint("Run `silo init` in the project's folder to make one"),
                }
            })?,
        };
        Self::read(&file)
    }

    /// Reads one config file.
    ///
    /// # Errors
    /// A [`Failure`] when it is not there, cannot be read, or its path is not UTF-8 (the registry is text).
    pub fn read(file: &Path) -> Result<Self, Failure> {
        let content = files::read(file, LIMIT)?.ok_or_else(|| {
            Failure::new(format!("No config file at `{}`", shown(file)))
                .hint(format!("Run `silo init -c {}` to make one", quoted(file)))
        })?;
        // The folder is where the file is named, even when the file itself is a link.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let root = files::canonical(folder)?;
        let file = root.join(file.file_name().unwrap_or_default());
        if root.to_str().is_none() {
            return Err(Failure::new(format!("The folder `{}` is not named in UTF-8", shown(&root)))
                .hint("Rename it; the registry and the lockfile are text"));
        }
        Ok(Self { root, file, content: content.bytes, modified: content.modified })
    }

    /// The root as text.
    pub fn root_text(&self) -> &str {
        self.root.to_str().expect("`read` refuses others")
    }

    /// The config file's name, for messages.
    pub fn shown_name(&self) -> String {
        self.file.file_name().map_or_else(|| CONFIG_NAME.to_owned(), |name| shown(Path::new(name)))
    }

    /// Digest of the config file's bytes.
    pub fn digest(&self) -> String {
        digest::of(&self.content)
    }

    /// The path as trust records name it.
    pub fn file_bytes(&self) -> &[u8] {
        self.file.as_os_str().as_bytes()
    }

    /// Understands the config file.
    ///
    /// # Errors
    /// A [`Failure`] with line, column and caret.
    pub fn config(&self) -> Result<ConfigFile, Failure> {
        let text = Failure::unless_text(&self.shown_name(), &self.content)?;
        config::parse(text).map_err(|error| self.config_failure(&error))
    }

    /// A mistake in the config file, with its line.
    pub fn config_failure(&self, error: &ConfigError) -> Failure {
        Failure::config(error, &self.shown_name(), std::str::from_utf8(&self.content).unwrap_or_default())
    }

    /// What is wrong at a place of the config file only where the rest of the project is known, with its line.
    pub fn misfit(&self, what: &str, span: &Range<usize>) -> Failure {
        Failure::located(what, &self.shown_name(), std::str::from_utf8(&self.content).unwrap_or_default(), span)
    }

    /// Path of the lockfile.
    pub fn lockfile_path(&self) -> PathBuf {
        lockfile_path(&self.root)
    }

    /// The lockfile with the digest of its bytes; `None` when there is none.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be read or is not a lockfile.
    pub fn lockfile(&self) -> Result<Option<(Lockfile, String)>, Failure> {
        lockfile_of(&self.root)
    }

    /// Digest of the lockfile's bytes as they are now, and when they were written; `None` when it is missing or unreadable.
    pub fn lockfile_state(&self) -> Option<(String, SystemTime)> {
        let content = files::read(&self.lockfile_path(), LIMIT).ok().flatten()?;
        Some((digest::of(&content.bytes), content.modified))
    }

    /// Writes the lockfile and returns the digest of its bytes.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn save_lockfile(&self, lockfile: &Lockfile) -> Result<String, Failure> {
        let text = lockfile.render();
        writing::replace(&self.lockfile_path(), text.as_bytes(), Writing::SHARED)?;
        Ok(digest::of(text.as_bytes()))
    }

    /// The env file's path, when silo may write there: inside the project and not a file somebody else wrote (D10).
    ///
    /// # Errors
    /// A [`Failure`] that names the path and the way out.
    pub fn env_file(&self, output: &str) -> Result<EnvFile, Failure> {
        let path = self.root.join(output);
        let refuse = |why: &str| {
            Failure::new(format!("Will not write the env file `{}`: {why}", shown(&path)))
                .hint("Set `output` in `silo.toml` to another file, or move this one away")
        };
        let folder = path.parent().unwrap_or(&self.root);
        if !files::exists(folder) {
            return Err(refuse("its folder does not exist"));
        }
        if leads_out(&self.root, folder)? {
            return Err(refuse("a link leads out of the project"));
        }
        if files::is_link(&path) {
            return Err(refuse("it is a link"));
        }
        let content = files::read(&path, LIMIT)?.map(|content| content.bytes);
        match &content {
            Some(bytes) if !envfile::is_ours(bytes) => Err(refuse("silo did not write the file that is there")),
            _ => Ok(EnvFile { path, content }),
        }
    }
}

/// An env file that silo may write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    /// Where it is.
    pub path: PathBuf,
    /// What it holds now; `None` when it is missing.
    pub content: Option<Vec<u8>>,
}

impl EnvFile {
    /// Whether writing `text` would change more than the time.
    pub fn differs(&self, text: &str) -> bool {
        !self.content.as_ref().is_some_and(|old| envfile::same_but_time(old, text.as_bytes()))
    }

    /// Writes it, for the user alone: URLs may hold passwords.
    ///
    /// # Errors
    /// A [`Failure`] that names the path.
    pub fn save(&self, text: &str) -> Result<(), Failure> {
        writing::replace(&self.path, text.as_bytes(), Writing::PRIVATE)
    }
}
