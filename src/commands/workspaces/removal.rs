//! Removing a workspace: first a look at what would be lost, then everything it runs and holds, then its folder, and its record
//! last. Each step can be done again, so that one that was cut off is finished by the next.

use std::path::{Path, PathBuf};

use super::{losses, made, takedown};
use crate::backend::worktrees::Git;
use crate::core::text::source::one_line;
use crate::core::workspaces::record::{Kind, Stage, Workspace};
use crate::failure::{Failure, quoted, shown};
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::store::workspaces;
use crate::sys::lock::{self, Wait};
use crate::sys::{cmd, files, trees};

/// How many paths a refusal names.
const NAMED: usize = 3;

/// Removes a workspace, unless something would be lost that nobody else has; with `force`, whatever would be.
///
/// # Errors
/// A [`Failure`] that names what would be lost, or what could not be removed.
pub(super) fn remove(context: &Context, workspace: &Workspace, force: bool) -> Result<(), Failure> {
    let place = workspaces::place_of(&context.dirs, workspace);
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    let busy = |holder| {
        Failure::new(format!("The workspace `{}` is being made or removed{holder}", one_line(&workspace.name)))
            .hint("Wait for it, then run this again")
    };
    lock::hold(&workspaces::lock_of(&place), "the other `silo`", &wait, busy, || {
        // Another one may have been faster.
        let Some(workspace) = workspaces::load(&place)? else { return workspaces::forget(&place) };
        if workspace.stage == Stage::Making {
            return made::take_back(context, &workspace);
        }
        may_go(context, &workspace, force)?;
        go(context, &workspace, force)
    })
}

/// Refuses while something would be lost or cannot be removed.
fn may_go(context: &Context, workspace: &Workspace, force: bool) -> Result<(), Failure> {
    let folder = Path::new(&workspace.folder);
    if !files::exists(folder) {
        return Ok(());
    }
    if files::same(folder, Path::new(&workspace.origin)) {
        return Err(Failure::new(format!("`{}` is the main checkout, not a workspace", shown(folder))));
    }
    let found = losses::of(context, workspace)?;
    if !force && !found.is_empty() {
        let name = shell_words::quote(&workspace.name).into_owned();
        let failure = Failure::new(format!("Removing it would lose something in `{}`", shown(folder)));
        let lines: Vec<String> = found.iter().map(|line| format!("  | {line}")).collect();
        return Err(Failure { excerpt: Some(lines.join("\n")), ..failure }
            .hint("Commit or move away what is worth it, and leave the folder")
            .hint(format!("Or lose it: `silo rm --force {}`", one_line(&name))));
    }
    let stuck = trees::in_the_way(folder, NAMED);
    if stuck.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stuck.iter().map(|path| format!("`{}`", shown(path))).collect();
    let line: Vec<String> = stuck.iter().map(|path| quoted(path)).collect();
    Err(Failure::new(format!("This user cannot remove {}; nothing was removed", names.join(", ")))
        .hint(format!("Containers write as their own users; remove it as root: `sudo rm -rf {}`", line.join(" "))))
}

/// Takes away all of a workspace. The holder of its lock calls it.
///
/// # Errors
/// A [`Failure`] of the first step that fails; what is left is known by the record.
pub(super) fn finish(context: &Context, workspace: &Workspace) -> Result<(), Failure> {
    go(context, workspace, false)
}

/// The same; with `force` also where something of its instance does not go down.
fn go(context: &Context, workspace: &Workspace, force: bool) -> Result<(), Failure> {
    let (folder, aside) = (Path::new(&workspace.folder), aside(workspace));
    let name = one_line(&workspace.name);
    let _spinner = context.ui.spin(&format!("Removing `{name}`"));
    match takedown::parts(context, workspace) {
        Err(failure) if force => context.ui.warn(&failure.what),
        Err(failure) => {
            let line = format!("silo rm --force {}", shell_words::quote(&name));
            return Err(failure.hint(format!("The workspace is there as it was; to remove it anyway: `{line}`")));
        }
        Ok(()) => {}
    }
    // While the folder is there: an agent's branch goes into its repository.
    match parts::finish(context, folder) {
        Err(failure) if force => context.ui.warn(&failure.what),
        done => done?,
    }
    if workspace.stage != Stage::Removing {
        workspaces::save(&context.dirs, &Workspace { stage: Stage::Removing, ..workspace.clone() })?;
    }
    if files::exists(folder) {
        // From here on it is silo's, whoever makes a folder of that name.
        match files::rename(folder, &aside) {
            // The user was as fast.
            Err(_) if !files::exists(folder) => {}
            done => done?,
        }
    }
    trees::remove(&aside)?;
    takedown::leases(context, workspace)?;
    if workspace.kind == Kind::Worktree {
        of_git(context, workspace)?;
    }
    workspaces::forget(&workspaces::place_of(&context.dirs, workspace))
}

/// Where the folder lies while it is being removed.
fn aside(workspace: &Workspace) -> PathBuf {
    let folder = Path::new(&workspace.folder);
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    folder.with_file_name(format!(".{name}.{}.silo-removing", &workspace.id()[..6]))
}

/// Has git forget the worktree, and its branch where that was made with it and holds nothing of its own.
fn of_git(context: &Context, workspace: &Workspace) -> Result<(), Failure> {
    let (outside, origin) = (context.outside(), Path::new(&workspace.origin));
    if !files::exists(origin) || cmd::find("git", &outside).is_none() {
        return Ok(());
    }
    let git = Git::of(&outside, origin);
    if !git.is_repository()? {
        return Ok(());
    }
    git.forget(&workspace.folder)?;
    let name = one_line(&workspace.name);
    let Some(tip) = git.branch(&workspace.name)?.filter(|_| workspace.made_branch) else { return Ok(()) };
    if git.checkouts()?.iter().any(|one| one.branch.as_ref() == Some(&workspace.name)) {
        return Ok(());
    }
    if git.held_by_branch_alone(&workspace.name)?.is_empty() {
        return git.remove_branch(&workspace.name, &tip);
    }
    context.ui.step(&format!("The branch `{name}` stays, for it has commits of its own"));
    Ok(())
}
