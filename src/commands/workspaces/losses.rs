//! What would be lost with a workspace: work that no commit, branch or remote holds, files that only lie there, and programs
//! that stand in its folder.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{copied, furnished, takedown};
use crate::backend::worktrees::Git;
use crate::core::config::DEFAULT_OUTPUT;
use crate::core::instance::lockfile::FILE_NAME;
use crate::core::text::source::{counted, one_line, printable};
use crate::core::workspaces::porcelain::Change;
use crate::core::workspaces::record::{Kind, Workspace};
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::starter::Starter;
use crate::parts::workspace::put_there as put_there_by;
use crate::store::placed::Placed;
use crate::store::project::{self, CONFIG_NAME, Project};
use crate::sys::processes::{self, Process};
use crate::sys::{files, trees, unfinished};

/// How long programs in the folder may take to end by themselves, and how often it is looked whether they have.
const MOMENT: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(50);
/// How many of a kind are named.
const NAMED: usize = 5;

/// What would be lost, a line each.
///
/// # Errors
/// A [`Failure`] where git does not say.
pub(super) fn of(context: &Context, workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let folder = Path::new(&workspace.folder);
    let mut lines = standing(context, workspace);
    // What a silo that was killed has asked something ends by itself.
    let start = Instant::now();
    while !lines.is_empty() && start.elapsed() < MOMENT {
        std::thread::sleep(LOOK);
        lines = standing(context, workspace);
    }
    if workspace.kind == Kind::Worktree {
        let outside = context.outside();
        of_repository(context, &Git::of(&outside, folder), workspace, &mut lines)?;
    } else {
        of_copy(context, workspace, &mut lines)?;
    }
    Ok(lines)
}

/// The programs that have the folder as working folder, but for what the instance itself runs, which is stopped first.
fn standing(context: &Context, workspace: &Workspace) -> Vec<String> {
    let folder = Path::new(&workspace.folder);
    let root = furnished::root(workspace);
    let state = project::lockfile_of(&root).ok().flatten().map(|(lockfile, _)| lockfile.instance).unwrap_or_default();
    let mut own: Vec<u32> =
        parts::ALL.iter().filter_map(|part| part.process(&state, &root)).map(|one| one.pid).collect();
    if let Some(starter) = Project::read(&root.join(CONFIG_NAME)).ok().and_then(|one| Starter::of(&context.dirs, &one))
    {
        own.push(starter.pid());
    }
    own.push(std::process::id());
    let all = processes::below(folder);
    let is_own = |process: &Process| {
        let above = std::iter::successors(Some(process.clone()), |one| processes::look(one.parent));
        above.take(64).any(|one| own.contains(&one.pid))
    };
    let others: Vec<&Process> = all.iter().filter(|process| !is_own(process)).collect();
    let name = |process: &&Process| format!("`{}` (pid {})", one_line(&process.name), process.pid);
    match others[..] {
        [] => Vec::new(),
        _ => vec![format!("running in there: {}", some(&others.iter().map(name).collect::<Vec<_>>()))],
    }
}

/// What silo put into each root of a workspace.
fn put_there(context: &Context, workspace: &Workspace) -> Result<Vec<(PathBuf, Placed)>, Failure> {
    let roots = takedown::roots(context, workspace)?;
    roots.into_iter().map(|root| Ok((root.clone(), put_there_by(&context.dirs, &root)?))).collect()
}

fn of_copy(context: &Context, workspace: &Workspace, lines: &mut Vec<String>) -> Result<(), Failure> {
    let folder = Path::new(&workspace.folder);
    let silos = silos_own(&furnished::root(workspace));
    let put = put_there(context, workspace)?;
    let is_anew = |path: &Path| path.ancestors().take_while(|one| *one != folder).any(is_made_anew);
    let is_silos = |path: &Path| silos.iter().any(|own| own == path) || unfinished::is_one(path);
    let worth = |path: &PathBuf| !is_silos(path) && !is_put(&put, path) && !is_anew(path);
    let lost = copied::changed(workspace).into_iter().filter(worth);
    let lost: Vec<String> =
        lost.map(|one| printable(&one.strip_prefix(folder).unwrap_or(&one).to_string_lossy())).collect();
    if !lost.is_empty() {
        lines.push(format!("changed or new since it was copied: {}", some(&lost)));
    }
    Ok(())
}

/// Whether silo put a file there, and it has not changed since.
fn is_put(put: &[(PathBuf, Placed)], file: &Path) -> bool {
    put.iter().any(|(root, placed)| file.strip_prefix(root).is_ok_and(|place| placed.is_file_as_put(root, place)))
}

fn of_repository(
    context: &Context,
    git: &Git<'_>,
    workspace: &Workspace,
    lines: &mut Vec<String>,
) -> Result<(), Failure> {
    let folder = Path::new(&workspace.folder);
    let silos = silos_own(&furnished::root(workspace));
    let changes = git.changes()?;
    let path = |path: &str| printable(path);
    // What a silo that was killed was writing is no work of anybody's.
    let is_left = |path: &str| unfinished::is_one(Path::new(path));
    let is_silos = |one: &Change| one.is_untracked() && (silos.contains(&folder.join(&one.path)) || is_left(&one.path));
    let open = changes.iter().filter(|one| !one.is_ignored() && !is_silos(one));
    let open: Vec<String> = open.map(|one| path(&one.path)).collect();
    if !open.is_empty() {
        lines.push(format!("not committed: {}", some(&open)));
    }
    let ignored = changes.iter().filter(|one| one.is_ignored() && !is_left(&one.path));
    let ignored = ignored.flat_map(|one| worth(&folder.join(&one.path), &silos));
    let put = put_there(context, workspace)?;
    // One that is gone by now is none to lose.
    let ignored = ignored.filter(|file| !is_put(&put, file) && files::exists(file));
    let ignored: Vec<String> =
        ignored.map(|one| path(&one.strip_prefix(folder).unwrap_or(&one).to_string_lossy())).collect();
    if !ignored.is_empty() {
        lines.push(format!("ignored by git, and nowhere else: {}", some(&ignored)));
    }
    let commits = git.held_by_head_alone()?;
    if !commits.is_empty() {
        let commits: Vec<String> = commits.iter().map(|line| printable(line)).collect();
        lines.push(format!("commits of no branch: {}", commits.join(", ")));
    }
    for module in git.submodules()? {
        let inside = folder.join(&module);
        let git = git.at(&inside);
        let commits = git.held_by_no_remote()?;
        if !commits.is_empty() {
            let commits: Vec<String> = commits.iter().map(|line| printable(line)).collect();
            lines.push(format!("commits of the submodule {}: {}", path(&module), commits.join(", ")));
        }
        if git.has_stash()? {
            lines.push(format!("a stash of the submodule {}", path(&module)));
        }
    }
    Ok(())
}

/// What silo itself keeps in a project, and makes again.
fn silos_own(root: &Path) -> Vec<PathBuf> {
    let project = Project::read(&root.join(CONFIG_NAME)).ok();
    let output = project.as_ref().and_then(|project| Some((project, project.config().ok()?.output)));
    let env_file = output.and_then(|(project, output)| Some(project.env_file(&output).ok()?.path));
    let default = root.join(DEFAULT_OUTPUT);
    [Some(root.join(FILE_NAME)), Some(default), env_file].into_iter().flatten().collect()
}

/// The files of an ignored path that are worth keeping: not what silo made, nor what programs fill again from elsewhere.
fn worth(path: &Path, silos: &[PathBuf]) -> Vec<PathBuf> {
    if silos.iter().any(|own| own == path) {
        return Vec::new();
    }
    if !files::is_folder(path) || files::is_link(path) {
        return vec![path.to_path_buf()];
    }
    let below = trees::files_but(path, &is_made_anew);
    below.into_iter().filter(|file| !silos.contains(file) && !unfinished::is_one(file)).collect()
}

/// Whether a folder says of itself that it can be made again: packages of a package manager, compiled files, a cache
/// (<https://bford.info/cachedir/>).
fn is_made_anew(folder: &Path) -> bool {
    let named = folder.file_name().is_some_and(|name| name == "node_modules" || name == "__pycache__");
    named || files::is_file(&folder.join("CACHEDIR.TAG")) || files::is_file(&folder.join("pyvenv.cfg"))
}

/// The first of many, and how many more.
fn some(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown}, and {}", counted(more, "other")),
    }
}
