//! `silo list --workspaces`: what silo made, and how it is. git and the disk are asked of all side by side, with a time limit.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::furnished;
use crate::backend::worktrees::Git;
use crate::core::shell::environment::Environment;
use crate::core::text::columns::{Cell, Tone, table};
use crate::core::text::source::{one_line, size, span};
use crate::core::workspaces::record::{Stage, Workspace};
use crate::failure::{Failure, shown_from};
use crate::parts::context::Context;
use crate::store::{registry, workspaces, worktree};
use crate::sys::{clock, files, lock, together, trees};

/// How long git and the disk may take.
const LIMIT: Duration = Duration::from_secs(3);

/// How a workspace is found.
struct Seen {
    workspace: Workspace,
    state: &'static str,
    instance: Option<String>,
    branch: Option<String>,
    /// Whether anything in it is not committed; none where git did not say in time.
    dirty: Option<bool>,
    /// What it takes on the disk, in bytes; none where that took too long.
    bytes: Option<u64>,
}

pub(in super::super) fn run(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let all = observe(context)?;
    if as_json {
        context.ui.answer_json(&Value::Array(all.iter().map(object).collect()))?;
        return Ok(0);
    }
    let heads = ["name", "state", "branch", "age", "changes", "disk", "instance", "folder"];
    let rows: Vec<Vec<Cell>> = all.iter().map(|seen| row(context, seen)).collect();
    if rows.is_empty() {
        let none = "No workspace yet. Run `silo new NAME` in a repository to make one.";
        context.ui.lines(&[vec![Cell::plain(none)]])?;
        return Ok(0);
    }
    context.ui.lines(&table(&heads, &rows, context.ui.width(&context.environment)))?;
    for seen in all.iter().filter(|seen| seen.state.starts_with("half")) {
        let name = shell_words::quote(&one_line(&seen.workspace.name)).into_owned();
        context.ui.step(&format!("`{name}` was cut off; `silo rm {name}` takes away what there is"));
    }
    Ok(0)
}

fn observe(context: &Context) -> Result<Vec<Seen>, Failure> {
    let all = workspaces::all(&context.dirs);
    let leases = registry::peek(&context.dirs)?;
    let outside = context.outside();
    let dirty = together::ask(all.clone(), LIMIT, move |one| is_dirty(&outside, one));
    let bytes = together::ask(all.clone(), LIMIT, |one| trees::bytes(Path::new(&one.folder)));
    let user = rustix::process::geteuid().as_raw();
    let seen = all.into_iter().zip(dirty).zip(bytes).map(|((workspace, dirty), bytes)| {
        let folder = Path::new(&workspace.folder);
        let is_there = files::exists(folder);
        let held = lock::holder(&workspaces::lock_of(&workspaces::place_of(&context.dirs, &workspace))).is_some();
        let state = match workspace.stage {
            Stage::Making | Stage::Furnishing if held => "being made",
            Stage::Removing if held => "being removed",
            Stage::There | Stage::Furnishing if !is_there => "gone",
            stage => stage.word(),
        };
        let root = furnished::root(&workspace);
        let instance = leases.at(&root.to_string_lossy()).map(|entry| entry.name.clone());
        let branch = worktree::branch(folder, user);
        Seen { state, instance, branch, dirty: dirty.flatten(), bytes: bytes.filter(|_| is_there), workspace }
    });
    Ok(seen.collect())
}

fn is_dirty(outside: &Environment, workspace: &Workspace) -> Option<bool> {
    let folder = Path::new(&workspace.folder);
    files::exists(folder).then(|| Git::of(outside, folder).is_dirty().ok())?
}

fn row(context: &Context, seen: &Seen) -> Vec<Cell> {
    let age = clock::since(&seen.workspace.created).map_or_else(String::new, |age| span(age.as_secs()));
    let changes = match seen.dirty {
        Some(true) => "changed",
        Some(false) => "none",
        None => "",
    };
    let tone = if seen.state == "there" { Tone::Good } else { Tone::Bad };
    vec![
        Cell::plain(&one_line(&seen.workspace.name)),
        Cell::new(seen.state, tone),
        Cell::plain(&one_line(seen.branch.as_deref().unwrap_or_default())),
        Cell::plain(&age),
        Cell::plain(changes),
        Cell::plain(&seen.bytes.map_or_else(String::new, size)),
        Cell::plain(seen.instance.as_deref().unwrap_or_default()),
        Cell::tail(&shown_from(&context.dirs.home, Path::new(&seen.workspace.folder))),
    ]
}

fn object(seen: &Seen) -> Value {
    json!({
        "workspace": seen.workspace.name,
        "state": seen.state,
        "kind": seen.workspace.kind,
        "origin": seen.workspace.origin,
        "folder": seen.workspace.folder,
        "branch": seen.branch,
        "base": seen.workspace.base,
        "created": seen.workspace.created,
        "changed": seen.dirty,
        "bytes": seen.bytes,
        "instance": seen.instance,
    })
}
