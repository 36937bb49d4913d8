//! git for agents (D33): a clone that is theirs, and their commits brought back from a file. No git of this machine ever opens a
//! folder that an agent could write to: what it finds there would run here.

use std::path::Path;
use std::time::Duration;

use super::worktrees::Git;
use crate::core::agents::record::Cloned;
use crate::failure::{Failure, shown};

/// How long a repository may take to be cloned.
const CLONE: Duration = Duration::from_mins(30);
/// How long the commits of an agent may take to be checked and taken.
const FETCH: Duration = Duration::from_mins(10);
const ASK: Duration = Duration::from_mins(1);
/// Nothing that the user has set for repositories runs in a clone for somebody else.
const QUIET: [&str; 10] = [
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.fsmonitor=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
    "-c",
    "submodule.recurse=false",
];

impl Git<'_> {
    /// Clones the checkout into a folder, with what its branch has and nothing else: by git's own way and not by copying files, or
    /// dropped commits and the stash would come along. Returns what it is a clone of.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines, or where the repository has no commit.
    pub fn clone_for(&self, top: &Path, to: &Path) -> Result<Cloned, Failure> {
        let Some(base) = self.at(top).commit("HEAD")? else {
            return Err(Failure::new(format!("The repository `{}` has no commit to begin with", shown(top)))
                .hint("Commit something first, or give the agent none: `repository = false`"));
        };
        let (from, folder) = (top.to_string_lossy(), to.to_string_lossy());
        let clone =
            ["clone", "--no-local", "--single-branch", "--no-tags", "--quiet", "--template=", "--", &from, &folder];
        self.bytes(&[&QUIET[..], &clone[..]].concat(), CLONE)?;
        // Where it came from is a path of this machine, which it does not reach.
        self.at(to).bytes(&[&QUIET[..], &["remote", "remove", "origin"]].concat(), ASK)?;
        Ok(Cloned { from: from.into_owned(), repository: self.at(top).common_dir()?, base })
    }

    /// Takes a branch from a bundle that somebody else wrote: each object is checked, and nothing but this branch changes. Returns
    /// how many commits it has beyond `base`.
    ///
    /// # Errors
    /// A [`Failure`] with git's last lines: then the branch is as it was.
    pub fn take_branch(&self, bundle: &Path, branch: &str, base: &str) -> Result<u64, Failure> {
        let (file, reference) = (bundle.to_string_lossy(), format!("refs/heads/{branch}"));
        let refspec = format!("{reference}:{reference}");
        let fetch = [
            "-c",
            "fetch.fsckObjects=true",
            "-c",
            "transfer.fsckObjects=true",
            "-c",
            "fetch.writeCommitGraph=false",
            "-c",
            "fetch.unpackLimit=1",
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-write-fetch-head",
            "--no-auto-maintenance",
            &file,
            &refspec,
        ];
        self.bytes(&[&QUIET[..], &fetch[..]].concat(), FETCH)?;
        let range = format!("{base}..{reference}");
        let counted = self.bytes(&["rev-list", "--count", &range, "--"], ASK)?;
        Ok(String::from_utf8_lossy(&counted).trim().parse().unwrap_or(0))
    }
}
