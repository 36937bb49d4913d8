//! From what a workspace is made: the repository's main checkout, wherever in it silo was called.

use std::path::{Path, PathBuf};

use crate::backend::worktrees::{self, Git};
use crate::core::workspaces::record::Kind;
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::store::project;
use crate::sys::{cmd, files};

/// What a workspace is made from.
pub(super) struct Origin {
    /// What is made.
    pub(super) kind: Kind,
    /// The main checkout, the bare repository, or the folder to copy.
    pub(super) top: PathBuf,
    /// The checkout silo was called in, or `top`.
    pub(super) here: PathBuf,
    /// Where ignored files can be brought from: the main checkout, or `here` where there is none.
    pub(super) source: PathBuf,
    /// The way from the top of a checkout to the project.
    pub(super) place: PathBuf,
}

impl Origin {
    /// As it is called in the context's folder: of a repository a worktree, or where that is asked for and without one a copy.
    ///
    /// # Errors
    /// A [`Failure`] where there is nothing to make a workspace from.
    pub(super) fn of(context: &Context, copy: bool) -> Result<Self, Failure> {
        let folder = files::canonical(&context.folder)?;
        let environment = context.outside();
        let with_git = cmd::find("git", &environment).is_some();
        let is_checkout = folder.ancestors().any(|folder| files::exists(&folder.join(".git")));
        if !with_git && is_checkout {
            return Err(worktrees::missing());
        }
        let git = Git::of(&environment, &folder);
        if !with_git || !git.is_repository()? {
            return Self::without_git(&folder);
        }
        let checkouts = git.checkouts()?;
        let here = git.top()?.map(PathBuf::from);
        let main = checkouts.first().map(|main| (PathBuf::from(&main.folder), main.is_bare));
        // The first of git's list is a guess where its folder lies elsewhere: in a submodule, with a separate one.
        let (top, is_bare) = match main {
            Some((main, true)) => (main, true),
            Some((main, false)) if files::exists(&main.join(".git")) => (main, false),
            _ => (here.clone().unwrap_or_else(|| folder.clone()), false),
        };
        let here = here.unwrap_or_else(|| top.clone());
        let project = context.config.as_ref().map(|file| context.folder.join(file));
        let project =
            project.or_else(|| project::find_upward(&folder)).and_then(|file| file.parent().map(Path::to_path_buf));
        let place = project.and_then(|root| Some(root.strip_prefix(&here).ok()?.to_path_buf())).unwrap_or_default();
        if copy && is_bare {
            return Err(Failure::new(format!("`{}` is a bare repository, which has no files to copy", shown(&top)))
                .hint("Make a worktree of it: leave out `--copy`"));
        }
        let kind = if copy { Kind::Copy } else { Kind::Worktree };
        let source = if is_bare { here.clone() } else { top.clone() };
        Ok(Self { kind, top, here, source, place })
    }

    fn without_git(folder: &Path) -> Result<Self, Failure> {
        let file = project::find_upward(folder).ok_or_else(|| {
            Failure::new(format!("No git repository and no `silo.toml` in `{}` or above", shown(folder)))
                .hint(format!("Make one of them first: `git init {0}`, or `silo init -C {0}`", quoted(folder)))
        })?;
        Ok(Self::copy_of(Kind::Copy, file.parent().unwrap_or(folder).to_path_buf()))
    }

    /// A copy of a folder.
    pub(super) fn copy_of(kind: Kind, top: PathBuf) -> Self {
        let (here, source) = (top.clone(), top.clone());
        Self { kind, top, here, source, place: PathBuf::new() }
    }

    /// The path that is recorded.
    ///
    /// # Errors
    /// A [`Failure`] for a path that is not UTF-8.
    pub(super) fn text(&self) -> Result<&str, Failure> {
        self.top.to_str().ok_or_else(|| {
            Failure::new(format!("The folder `{}` is not named in UTF-8", shown(&self.top)))
                .hint("Rename it; the records of silo are text")
        })
    }

    /// What people call the repository or folder.
    pub(super) fn called(&self) -> String {
        let text = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let own = text(&self.top);
        if own.starts_with('.') {
            return self.top.parent().map(text).unwrap_or_default();
        }
        own.strip_suffix(".git").map_or(own.clone(), str::to_owned)
    }
}
