//! Which workspace a word on the command line means: its name, here first, or its folder.

use std::path::Path;

use crate::core::text::source::one_line;
use crate::core::text::suggest::nearest;
use crate::core::workspaces::record::Workspace;
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::store::workspaces;
use crate::sys::files;

/// Finds a workspace.
///
/// # Errors
/// A [`Failure`] where there is none of that name, or several.
pub(super) fn find(context: &Context, word: &str) -> Result<Workspace, Failure> {
    let all = workspaces::all(&context.dirs);
    let folder = files::canonical(&context.folder.join(word)).ok();
    if let Some(at) = all.iter().find(|one| folder.as_deref() == Some(Path::new(&one.folder)) && word.contains('/')) {
        return Ok(at.clone());
    }
    let named: Vec<&Workspace> = all.iter().filter(|one| one.name == word).collect();
    let here = context.folder.as_path();
    let around = all.iter().find(|one| here.starts_with(&one.folder)).map(|one| one.origin.clone());
    let is_here = |one: &&&Workspace| here.starts_with(&one.origin) || around.as_ref() == Some(&one.origin);
    match (named.iter().find(is_here), &named[..]) {
        (Some(one), _) | (None, [one]) => Ok((*one).clone()),
        (None, []) => Err(unknown(word, &all)),
        (None, [first, ..]) => {
            let folders: Vec<String> = named.iter().map(|one| shown(Path::new(&one.folder))).collect();
            Err(Failure::new(format!("Several workspaces are called `{}`: {}", one_line(word), folders.join(", ")))
                .hint(format!("Name the folder of one instead: `{}`", quoted(Path::new(&first.folder)))))
        }
    }
}

fn unknown(word: &str, all: &[Workspace]) -> Failure {
    let failure = Failure::new(format!("silo made no workspace called `{}`", one_line(word)));
    let failure = match nearest(word, all.iter().map(|one| one.name.as_str())) {
        Some(near) => failure.hint(format!("The nearest name is `{}`", one_line(near))),
        None => failure,
    };
    failure.hint("See which there are: `silo list --workspaces`; git's own are removed by `git worktree remove FOLDER`")
}
