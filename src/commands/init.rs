//! `silo init`: a starter `silo.toml` (spec, "`silo init`"), trusted, with silo's own files git-ignored.

use std::path::Path;

use super::Context;
use crate::core::config::DEFAULT_OUTPUT;
use crate::core::lockfile;
use crate::failure::{Failure, shown};
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::trust;
use crate::sys::files::{self, Writing};

const TEMPLATE: &str = include_str!("init/template.toml");
const BANNER: &str = include_str!("init/banner.txt");

pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let path = context.folder.join(context.config.as_deref().unwrap_or(Path::new(CONFIG_NAME)));
    if path.file_name().is_none() {
        return Err(
            Failure::new(format!("`{}` names no file", shown(&path))).hint("Name one: `silo init -c silo.toml`")
        );
    }
    if files::exists(&path) {
        return Err(
            Failure::new(format!("`{}` already exists", shown(&path))).hint("Edit it, or remove it to start over")
        );
    }
    files::replace(&path, TEMPLATE.as_bytes(), Writing::SHARED)?;
    let project = Project::read(&path)?;
    trust::allow(&context.dirs, &project)?;
    context.ui.step(&format!("Writing `{}`", shown(&path)));
    if ignore(&project.root)? {
        context.ui.step("Adding silo's own files to `.gitignore`");
    }
    context.ui.answer(BANNER)?;
    Ok(0)
}

/// Adds the lockfile and the env file to `.gitignore` in a git work tree; true when something was added.
fn ignore(root: &Path) -> Result<bool, Failure> {
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
    let missing: Vec<&str> = [lockfile::FILE_NAME, DEFAULT_OUTPUT]
        .into_iter()
        .filter(|name| !old.lines().any(|line| line.trim().trim_start_matches('/') == *name))
        .collect();
    if missing.is_empty() {
        return Ok(false);
    }
    let start = if old.is_empty() || old.ends_with('\n') { "" } else { "\n" };
    files::append(&path, &format!("{start}{}\n", missing.join("\n")))?;
    Ok(true)
}
