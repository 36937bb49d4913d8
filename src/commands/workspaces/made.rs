//! Making the folder of a workspace, and taking back what a making that was cut off left. The holder of the workspace's lock
//! does both.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::copied;
use super::origin::Origin;
use crate::backend::worktrees::Git;
use crate::core::text::source::one_line;
use crate::core::workspaces::folder;
use crate::core::workspaces::record::{Kind, Stage, Workspace};
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::store::workspaces;
use crate::sys::{clock, files, processes, signals, trees, unfinished};

/// How long a git that was left alone may go on.
const GIT: Duration = Duration::from_mins(5);
/// How often it is looked whether it does.
const LOOK: Duration = Duration::from_millis(50);

/// Makes the folder, and records it before and after.
///
/// # Errors
/// A [`Failure`] of what is in the way; nothing is left then.
pub(super) fn make(context: &Context, origin: &Origin, name: &str, from: Option<&str>) -> Result<Workspace, Failure> {
    let mut workspace = Workspace {
        name: name.to_owned(),
        kind: origin.kind,
        origin: origin.text()?.to_owned(),
        folder: free_folder(context, origin, name)?,
        place: origin.place.to_string_lossy().into_owned(),
        stage: Stage::Making,
        made_branch: false,
        base: None,
        whole: None,
        created: clock::now(),
    };
    match origin.kind {
        Kind::Worktree => worktree(context, origin, &mut workspace, from)?,
        _ if from.is_some() => {
            return Err(Failure::new("`--from` names a commit, and there is no git repository here")
                .hint("Leave it out: the folder is copied as it is"));
        }
        Kind::Copy | Kind::Template => copied::copy(context, origin, &mut workspace)?,
    }
    workspace.stage = Stage::Furnishing;
    workspaces::save(&context.dirs, &workspace)?;
    Ok(workspace)
}

/// Where the workspace is to be: beside the repository, or in the folder of the user's settings.
fn free_folder(context: &Context, origin: &Origin, name: &str) -> Result<String, Failure> {
    let above = match &context.settings.workspaces {
        Some(folder) => {
            folder.strip_prefix("~/").map_or_else(|| PathBuf::from(folder), |rest| context.dirs.home.join(rest))
        }
        None if origin.kind == Kind::Template => beside(&files::canonical(&context.folder)?),
        None => origin.top.parent().unwrap_or(Path::new("/")).to_path_buf(),
    };
    files::make_folder(&above)?;
    let above = files::canonical(&above)?;
    let known = workspaces::all(&context.dirs);
    let is_free = |path: &PathBuf| !files::exists(path) && !known.iter().any(|one| Path::new(&one.folder) == path);
    let called = origin.called();
    let plain = above.join(folder::plain(&called, name));
    let apart = above.join(folder::told_apart(&called, name));
    let free = [&plain, &apart].into_iter().find(|path| is_free(path)).ok_or_else(|| {
        Failure::new(format!("Both `{}` and `{}` already exist", shown(&plain), shown(&apart))).hint(format!(
            "See what they are: `ls -ld {} {}`",
            quoted(&plain),
            quoted(&apart)
        ))
    })?;
    free.to_str().map(str::to_owned).ok_or_else(|| {
        Failure::new(format!("The folder `{}` is not named in UTF-8", shown(&above)))
            .hint("Name another one below `[workspaces]` in the settings: `silo doc settings`")
    })
}

/// Where a template's workspace goes: here, or outside of the repository this is in.
fn beside(folder: &Path) -> PathBuf {
    let top = folder.ancestors().find(|folder| files::exists(&folder.join(".git")));
    top.and_then(Path::parent).unwrap_or(folder).to_path_buf()
}

fn worktree(context: &Context, origin: &Origin, workspace: &mut Workspace, from: Option<&str>) -> Result<(), Failure> {
    let (outside, name) = (context.outside(), workspace.name.clone());
    let git = Git::of(&outside, &origin.top);
    let line = one_line(&name);
    if !git.takes_branch(&name)? {
        return Err(Failure::new(format!("git does not accept the branch name `{line}`"))
            .hint("Use letters, digits, `-`, `.`, `_` and `/`, for example `silo new feature/login`"));
    }
    if let Some(other) = git.checkouts()?.iter().find(|one| one.branch.as_ref() == Some(&name) && !one.is_bare) {
        let folder = Path::new(&other.folder);
        return Err(Failure::new(format!("The branch `{line}` is checked out in `{}`", shown(folder)))
            .hint(format!("Go there: `cd {}`", quoted(folder)))
            .hint("Or name another branch: `silo new OTHER-NAME`"));
    }
    let begins = match (git.branch(&name)?, from) {
        (Some(_), Some(_)) => {
            return Err(Failure::new(format!("There is a branch `{line}` already, so `--from` does not apply"))
                .hint("Leave out `--from` to use it, or name another branch: `silo new OTHER-NAME --from REF`"));
        }
        (Some(tip), None) => {
            workspace.base = Some(tip);
            None
        }
        (None, from) => {
            let at = from.map_or(&origin.top, |_| &origin.here);
            let commit = git.at(at).commit(from.unwrap_or("HEAD"))?.ok_or_else(|| no_commit(from))?;
            workspace.made_branch = true;
            workspace.base = Some(commit.clone());
            Some(commit)
        }
    };
    workspaces::save(&context.dirs, workspace)?;
    let _spinner = context.ui.spin(&format!("Making the worktree `{}`", shown(Path::new(&workspace.folder))));
    match git.add(&workspace.folder, &name, begins.as_deref()) {
        Ok(None) => Ok(()),
        Ok(Some(hook)) => {
            context.ui.warn(&format!("The worktree is there, but a hook of the repository failed: {}", hook.what));
            Ok(())
        }
        Err(failure) => {
            // It is being taken back; one more signal stops that.
            let asked = signals::asked();
            signals::forget();
            let back = take_back(context, workspace);
            let failure = asked.map_or(failure.clone(), |asked| failure.code(asked.code()));
            Err(match back {
                Ok(()) => failure,
                Err(left) => failure.hint(format!("Not all of it is taken back: {}", left.what)),
            })
        }
    }
}

fn no_commit(from: Option<&str>) -> Failure {
    match from {
        Some(from) => {
            let from = one_line(from);
            Failure::new(format!("`{from}` is not a commit in this repository")).hint(format!(
                "Fetch it first: `git fetch origin {}`, then `--from FETCH_HEAD`",
                shell_words::quote(&from)
            ))
        }
        None => Failure::new("This repository has no commit yet, and a worktree begins at one")
            .hint("Make one: `git add silo.toml && git commit -m Begin`"),
    }
}

/// Takes back what a making that was cut off left. What it cannot have made stays, and is named.
///
/// # Errors
/// A [`Failure`] for what stays.
pub(super) fn take_back(context: &Context, workspace: &Workspace) -> Result<(), Failure> {
    let outside = context.outside();
    let (origin, folder) = (Path::new(&workspace.origin), Path::new(&workspace.folder));
    if workspace.kind == Kind::Worktree && files::exists(origin) {
        let git = Git::of(&outside, origin);
        // A git that was only starting when silo was killed writes its record meanwhile: then it is done again, and that counts.
        if take_folder_back(context, &git, workspace).is_err() {
            take_folder_back(context, &git, workspace)?;
        }
        if let (true, Some(base)) = (workspace.made_branch, &workspace.base)
            && git.branch(&workspace.name)?.as_ref() == Some(base)
        {
            git.remove_branch(&workspace.name, base)?;
        }
    }
    if workspace.kind != Kind::Worktree && files::exists(folder) {
        let of_origin = |path: &PathBuf| {
            let place = path.strip_prefix(folder).unwrap_or(path);
            files::exists(&origin.join(place)) || unfinished::is_one(path)
        };
        let foreign: Vec<PathBuf> = trees::files_below(folder).into_iter().filter(|path| !of_origin(path)).collect();
        refuse_foreign(folder, &foreign.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>())?;
        trees::remove(folder)?;
    }
    workspaces::forget(&workspaces::place_of(&context.dirs, workspace))
}

/// Takes back the folder of a worktree, and what git keeps of it.
fn take_folder_back(context: &Context, git: &Git<'_>, workspace: &Workspace) -> Result<(), Failure> {
    let folder = Path::new(&workspace.folder);
    await_git(context, folder)?;
    if files::exists(folder) {
        let foreign = not_of_the_checkout(git, workspace)?;
        refuse_foreign(folder, &foreign)?;
        trees::remove(folder)?;
    }
    git.forget(&workspace.folder)
}

/// Refuses where something lies in a half made workspace that silo did not put there.
fn refuse_foreign(folder: &Path, foreign: &[String]) -> Result<(), Failure> {
    if foreign.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "`{}` was half made, and now holds what silo did not put there: {}",
        shown(folder),
        foreign.iter().take(3).map(|path| one_line(path)).collect::<Vec<_>>().join(", ")
    ))
    .hint(format!("Move that away, or the folder as a whole: `mv {0} {0}.mine`", quoted(folder))))
}

/// Waits for a git that goes on making a worktree after silo was killed: it would fill the folder again.
fn await_git(context: &Context, folder: &Path) -> Result<(), Failure> {
    let text = folder.to_string_lossy();
    let is_at_it = || {
        processes::named("git").into_iter().find(|git| {
            let is_there = git.folder.as_ref().is_some_and(|at| at.starts_with(folder));
            is_there || processes::words(git.pid).is_some_and(|words| words.iter().any(|word| *word == text))
        })
    };
    let (start, mut told) = (Instant::now(), false);
    while let Some(git) = is_at_it() {
        signals::check()?;
        if start.elapsed() > GIT {
            return Err(Failure::new(format!("git (pid {}) still works in `{}`", git.pid, shown(folder)))
                .hint(format!("Wait for it, or end it: `kill {}`; then run this again", git.pid)));
        }
        if !std::mem::replace(&mut told, true) {
            context.ui.step(&format!("Waiting for the git (pid {}) that is still making it", git.pid));
        }
        std::thread::sleep(LOOK);
    }
    Ok(())
}

/// What lies in a half made worktree and is no file of its commit.
fn not_of_the_checkout(git: &Git<'_>, workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let Some(base) = &workspace.base else { return Ok(Vec::new()) };
    git.not_in_commit(Path::new(&workspace.folder), base)
}
