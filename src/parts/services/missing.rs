//! Files that this worktree does not have and another one has: git brings no ignored ones along.

use std::path::{Path, PathBuf};

use crate::failure::{quoted, shown_below};
use crate::parts::scope::Scope;
use crate::parts::workspace::{copy, source};
use crate::store::worktree;
use crate::sys::files;

/// Those of some missing paths that another worktree has, the main one first; and that one.
pub(super) fn elsewhere<'a>(root: &Path, gone: &[&'a Path]) -> Option<(PathBuf, Vec<&'a Path>)> {
    if gone.is_empty() {
        return None;
    }
    let uid = rustix::process::geteuid().as_raw();
    let others = worktree::membership(root, uid).map(|found| worktree::siblings(&found, uid)).unwrap_or_default();
    let there = |other: &Path| -> Vec<&'a Path> {
        let has = |path: &&Path| path.starts_with(root) && files::exists(&of(other, root, path));
        gone.iter().copied().filter(has).collect()
    };
    let found = others.into_iter().rev().filter(|other| other != root).map(|other| (there(&other), other));
    found.into_iter().find(|(found, _)| !found.is_empty()).map(|(found, other)| (other, found))
}

/// The same path in another worktree.
pub(super) fn of(other: &Path, root: &Path, path: &Path) -> PathBuf {
    other.join(path.strip_prefix(root).unwrap_or(path))
}

/// Whether `silo adopt` brings a path along from another worktree.
pub(super) fn is_adopted(scope: &Scope<'_>, other: &Path, path: &Path) -> bool {
    let root = &scope.project.root;
    let place = path.strip_prefix(root).unwrap_or(path);
    source::of(root).as_deref() == Some(other)
        && copy::brings(&scope.settings.workspace, root, other, place)
        && source::is_ignored(other, place, &scope.context.outside())
}

/// The command that brings a path along from another worktree.
pub(super) fn bring(scope: &Scope<'_>, other: &Path, path: &Path) -> String {
    if is_adopted(scope, other, path) {
        return "silo adopt".to_owned();
    }
    let from = of(other, &scope.project.root, path);
    let folder = path.parent().filter(|folder| !files::exists(folder));
    let make = folder.map_or_else(String::new, |folder| format!("mkdir -p {} && ", quoted(folder)));
    format!("{make}cp -a {} {}", quoted(&from), quoted(path))
}

/// What to do about files that compose's own words name, that are missing here, and that another worktree has.
pub(super) fn hints(scope: &Scope<'_>, words: &str) -> Vec<String> {
    let root = scope.project.root.as_path();
    let words = words.split(|c: char| c.is_whitespace() || "\"'`,;()".contains(c));
    let named = words.map(|word| Path::new(word.trim_end_matches([':', '.'])));
    let mut gone: Vec<&Path> = named.filter(|path| path.starts_with(root) && !files::exists(path)).collect();
    gone.sort();
    gone.dedup();
    let Some((other, found)) = elsewhere(root, &gone) else { return Vec::new() };
    found.iter().map(|path| format!("Another worktree has it: `{}`", bring(scope, &other, path))).collect()
}

/// What is said where compose reads the project without the `.env` that another worktree has.
pub(super) fn notice(scope: &Scope<'_>) -> Option<String> {
    let root = scope.project.root.as_path();
    let path = root.join(".env");
    let gone: Vec<&Path> = [path.as_path()].into_iter().filter(|path| !files::exists(path)).collect();
    let (other, _) = elsewhere(root, &gone)?;
    let bring = bring(scope, &other, &path);
    let shown = shown_below(root, &path);
    Some(format!("This worktree has no `{shown}`, and another one has: `{bring}` brings it along"))
}
