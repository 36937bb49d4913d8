//! `silo init`: a starter `silo.toml`, trusted, with silo's own files git-ignored.

use std::path::Path;

use crate::core::config::DEFAULT_OUTPUT;
use crate::core::formats::{compose, dotenv};
use crate::core::instance::lockfile;
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::parts::extension;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::trust;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

const TEMPLATE: &str = include_str!("init/template.toml");
const BANNER: &str = include_str!("init/banner.txt");

pub(super) fn run(context: &Context, extension: bool) -> Result<u8, Failure> {
    let path = context.folder.join(context.config.as_deref().unwrap_or(Path::new(CONFIG_NAME)));
    if path.file_name().is_none() {
        return Err(
            Failure::new(format!("`{}` names no file", shown(&path))).hint("Name one: `silo init -c silo.toml`")
        );
    }
    if extension && files::exists(&path) {
        return extension::extend(context, &files::canonical(path.parent().unwrap_or(&context.folder))?).map(|()| 0);
    }
    if files::exists(&path) {
        return Err(
            Failure::new(format!("`{}` already exists", shown(&path))).hint("Edit it, or remove it to start over")
        );
    }
    writing::replace(&path, TEMPLATE.as_bytes(), Writing::SHARED)?;
    let project = Project::read(&path)?;
    let untrusted = |failure: Failure| failure.hint("`silo.toml` is written; trust it with `silo allow`");
    trust::allow(&context.dirs, &project).map_err(untrusted)?;
    let config = context.config.as_ref().map_or_else(String::new, |file| format!(" -c {}", quoted(file)));
    context.ui.step(&format!("Writing `{}`, trusted as it is (after an edit: `silo allow{config}`)", shown(&path)));
    let by_hand = |failure: Failure| {
        let names = [lockfile::FILE_NAME, DEFAULT_OUTPUT].map(|name| format!("`{name}`")).join(" and ");
        failure.hint(format!("`silo.toml` is written and trusted; add {names} to `.gitignore` by hand"))
    };
    if ignore(&project.root, &[lockfile::FILE_NAME, DEFAULT_OUTPUT]).map_err(by_hand)? {
        context.ui.step("Adding silo's own files to `.gitignore`");
    }
    if extension {
        extension::extend(context, &project.root)?;
    }
    if path.ends_with(CONFIG_NAME) && files::canonical(&context.dirs.home).is_ok_and(|home| home == project.root) {
        context.ui.warn(&format!(
            "This is the home folder: all below it is in this instance, but for projects of their own; `rm {}` ends that",
            quoted(&path)
        ));
    }
    context.ui.answer(BANNER)?;
    let looked_into = compose::NAMES.iter().chain(&dotenv::NAMES);
    let there: Vec<String> =
        looked_into.filter(|name| files::exists(&project.root.join(name))).map(|name| format!("`{name}`")).collect();
    if !there.is_empty() {
        context.ui.step(&format!("Then `silo doctor`: what every instance would share of {}", there.join(", ")));
    }
    Ok(0)
}

/// Adds silo's own files to `.gitignore` in a git work tree; true when something was added.
pub(super) fn ignore(root: &Path, names: &[&str]) -> Result<bool, Failure> {
    if !root.ancestors().any(|folder| files::exists(&folder.join(".git"))) {
        return Ok(false);
    }
    let path = root.join(".gitignore");
    // It may lead anywhere.
    if files::is_link(&path) {
        return Ok(false);
    }
    let old = files::read(&path, 1024 * 1024)?.map(|content| content.bytes).unwrap_or_default();
    let old = String::from_utf8_lossy(&old);
    let has = |name: &str| old.lines().any(|line| line.trim().trim_start_matches('/') == name);
    let missing: Vec<&str> = names.iter().copied().filter(|name| !has(name)).collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let start = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    writing::append(&path, &format!("{start}{}\n", missing.join("\n")))?;
    Ok(true)
}
