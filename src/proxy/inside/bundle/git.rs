//! Git of the image, asked in a repository of silo's own, which has no settings and no hooks, and borrows the objects of the agent's.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use silo::core::shell::environment::Environment;
use silo::core::text::source::one_line;
use silo::sys::cmd::{Captured, Cmd, Ended};
use silo::sys::{files, writing};

use super::no::No;

/// Settings that hold whatever stands in files.
const SETTINGS: [&str; 14] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "tag.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "pack.threads=1",
    "pack.windowMemory=64m",
    "submodule.recurse=false",
];

/// The repository of silo's own.
pub(super) struct Git {
    /// Where it lies.
    pub(super) folder: PathBuf,
    /// What lies open.
    pub(super) tree: PathBuf,
    environment: Environment,
    until: Instant,
}

impl Git {
    /// Makes the repository, beside what is to be written; what one has left that was killed goes first.
    pub(super) fn make(
        environment: &Environment,
        folder: PathBuf,
        tree: &Path,
        base: &str,
        until: Instant,
    ) -> Result<Self, No> {
        silo::sys::trees::remove(&folder).map_err(No::of)?;
        let mut own = Environment::default();
        if let Some(path) = environment.get("PATH") {
            own.set("PATH", path);
        }
        let home = folder.join("home");
        for (name, value) in [
            ("GIT_CONFIG_NOSYSTEM", "1"),
            ("GIT_CONFIG_GLOBAL", "/dev/null"),
            ("GIT_TERMINAL_PROMPT", "0"),
            ("GIT_NO_LAZY_FETCH", "1"),
            ("GIT_NO_REPLACE_OBJECTS", "1"),
            ("GIT_EDITOR", "true"),
            ("GIT_PAGER", "cat"),
            ("LC_ALL", "C"),
        ] {
            own.set(name, value);
        }
        own.set("HOME", home.as_os_str());
        own.set("GIT_DIR", folder.as_os_str());
        let git = Self { folder, tree: tree.to_owned(), environment: own, until };
        let format = if base.len() == 64 { "--object-format=sha256" } else { "--quiet" };
        git.must(&["init", "--quiet", "--bare", "--template=", format, "."], b"")?;
        Ok(git)
    }

    /// Takes objects from where they lie, and knows where the history was cut.
    pub(super) fn borrow(&self, agents: &Path) -> Result<(), No> {
        let alternates = self.folder.join("objects/info/alternates");
        let objects = agents.join("objects");
        let line = [objects.as_os_str().as_encoded_bytes(), b"\n"].concat();
        files::make_folder(&self.folder.join("objects/info")).map_err(No::of)?;
        writing::replace(&alternates, &line, writing::Writing::PRIVATE).map_err(No::of)?;
        // What cannot be read is as if the history was whole.
        if let Ok(Some(shallow)) = files::read(&agents.join("shallow"), 1024 * 1024) {
            writing::replace(&self.folder.join("shallow"), &shallow.bytes, writing::Writing::PRIVATE)
                .map_err(No::of)?;
        }
        Ok(())
    }

    /// Says who commits, and when.
    pub(super) fn sign(&mut self, name: &OsStr, email: &OsStr, date: Option<&str>) {
        for variable in ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME"] {
            self.environment.set(variable, name);
        }
        for variable in ["GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"] {
            self.environment.set(variable, email);
        }
        for variable in ["GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"] {
            if let Some(date) = date {
                self.environment.set(variable, date);
            }
        }
    }

    /// Calls git in the folder with what lies open, or one below it.
    pub(super) fn call_in(
        &self,
        tree: &Path,
        index: Option<&Path>,
        words: &[&str],
        input: &[u8],
    ) -> Result<Captured, No> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            return Err(No::Time);
        }
        let mut environment = self.environment.clone();
        environment.set("GIT_WORK_TREE", tree.as_os_str());
        environment.set("GIT_INDEX_FILE", index.unwrap_or(&self.folder.join("index")).as_os_str());
        let mut arguments: Vec<OsString> = Vec::new();
        // Making the repository has no work tree.
        let is_init = words[0] == "init";
        if is_init {
            environment.remove("GIT_WORK_TREE");
            environment.remove("GIT_INDEX_FILE");
        }
        for setting in SETTINGS {
            arguments.extend(["-c".into(), setting.into()]);
        }
        arguments.extend(words.iter().map(OsString::from));
        let folder = if is_init { &self.folder } else { tree };
        if is_init {
            files::make_folder(folder).map_err(No::of)?;
        }
        let git = Cmd { program: "git", arguments, environment: &environment, folder };
        let captured = match git.capture_with(left, input) {
            Ok(captured) => captured,
            Err(_) if Instant::now() >= self.until => return Err(No::Time),
            Err(failure) => return Err(No::of(failure)),
        };
        // SIGXFSZ: a file became larger than it may.
        match captured.ended {
            Ended::Signal(25) => Err(No::TooLarge),
            _ => Ok(captured),
        }
    }

    /// Calls git, whichever way it ends.
    pub(super) fn call(&self, words: &[&str], input: &[u8]) -> Result<Captured, No> {
        self.call_in(&self.tree, None, words, input)
    }

    /// What a call of git prints that must succeed.
    pub(super) fn must(&self, words: &[&str], input: &[u8]) -> Result<Vec<u8>, No> {
        let captured = self.call(words, input)?;
        match captured.ended {
            Ended::Code(0) => Ok(captured.stdout),
            _ => Err(failed(words, &captured)),
        }
    }

    /// The same as one line.
    pub(super) fn line(&self, words: &[&str]) -> Result<String, No> {
        let printed = self.must(words, b"")?;
        Ok(String::from_utf8_lossy(&printed).trim().to_owned())
    }

    /// Whether a commit is there, with all before it down to the base.
    pub(super) fn is_whole(&self, commit: &str, base: Option<&str>) -> Result<bool, No> {
        let not = base.map(|base| format!("^{base}"));
        let mut words = vec!["rev-list", "--objects", "--quiet", commit];
        words.extend(not.as_deref());
        Ok(self.call(&words, b"")?.ended == Ended::Code(0))
    }

    /// Whether a commit is there.
    pub(super) fn has(&self, commit: &str) -> Result<bool, No> {
        let ended = self.call(&["cat-file", "-e", &format!("{commit}^{{commit}}")], b"")?.ended;
        Ok(ended == Ended::Code(0))
    }

    /// How many commits are in one of these and in none of those.
    pub(super) fn count(&self, commits: &[&str], not: &[&str]) -> Result<u64, No> {
        let mut words = vec!["rev-list", "--count"];
        words.extend(commits);
        words.push("--not");
        words.extend(not);
        self.line(&words)?.parse().map_err(|_| No::Failed("git counts no commits".to_owned()))
    }
}

/// Why a call has failed.
pub(super) fn failed(words: &[&str], captured: &Captured) -> No {
    let said = String::from_utf8_lossy(&captured.stderr);
    // Of a signal that has ended what it calls, git says no more than that.
    if said.contains("File too large") || said.contains("pack-objects died") && !said.contains("fatal:") {
        return No::TooLarge;
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it says nothing");
    let word = words.iter().find(|word| !word.starts_with('-')).unwrap_or(&"");
    No::Failed(format!("`git {word}`: {}", one_line(last).chars().take(300).collect::<String>()))
}
