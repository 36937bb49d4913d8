//! A worktree that is being filled, and what came of it.

use std::path::{Path, PathBuf};

use crate::core::config::Settings;
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::enter;
use crate::store::instances::Settled;
use crate::store::placed::Placed;
use crate::store::project::Project;

/// How it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct How {
    /// Whether folders of `clone` are copied where the disk cannot share their blocks.
    pub slow: bool,
}

/// What was done, each path from the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outcome {
    /// The instance's name.
    pub instance: String,
    /// Files that were copied.
    pub copied: Vec<PathBuf>,
    /// Folders that were cloned, or copied.
    pub cloned: Vec<PathBuf>,
    /// Files that were filled.
    pub rendered: Vec<PathBuf>,
    /// Commands that were run.
    pub ran: Vec<String>,
    /// What was left out, and why.
    pub left_out: Vec<(PathBuf, String)>,
}

/// A worktree that is being filled.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context,
    pub(super) project: &'a Project,
    /// The checkout that has the files, where there is one.
    pub(super) source: Option<&'a Path>,
    pub(super) settings: Settings,
    pub(super) settled: Settled,
    /// The environment outside of every instance, for git.
    pub(super) outside: Environment,
    pub(super) how: How,
    pub(super) placed: Placed,
    pub(super) outcome: Outcome,
}

impl Work<'_> {
    /// The root that is filled.
    pub(super) fn root(&self) -> &Path {
        &self.project.root
    }

    /// Files of silo's own, which are never brought along.
    pub(super) fn is_own(&self, place: &Path) -> bool {
        let own = [self.project.file.as_path(), &self.project.lockfile_path(), Path::new(&self.settled.known.env_file)];
        own.contains(&self.root().join(place).as_path())
    }

    /// Says that something is left out.
    pub(super) fn leave_out(&mut self, place: &Path, why: &str) {
        self.context.ui.warn(&format!("Left out `{}`: {why}", shown(place)));
        self.outcome.left_out.push((place.to_owned(), why.to_owned()));
    }

    /// Writes down what is there now.
    pub(super) fn save(&self) -> Result<(), Failure> {
        self.placed.save(&self.context.dirs, self.root())
    }

    /// The instance's environment, in its root, as for `silo exec`.
    pub(super) fn inside(&self) -> Environment {
        let mut environment = enter::inside(self.context, self.project, &self.settled);
        environment.set("PWD", self.root().as_os_str());
        environment
    }
}
