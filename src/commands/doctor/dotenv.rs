//! What the project's `.env` files and `.envrc` fix for every instance: read, never run.

use std::collections::BTreeMap;
use std::path::Path;

use super::compose;
use super::scene::Scene;
use crate::core::formats::dotenv::{self, Fixed, RC, Shared};
use crate::core::formats::mise;
use crate::core::formats::scripts::Unreadable;
use crate::core::instance::envfile;
use crate::failure::shown;
use crate::parts::finding::Finding;
use crate::parts::{nearby, unread};

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let (Some(here), Some(_)) = (&scene.here, scene.settings()) else { return Vec::new() };
    let mut known = compose::names(scene);
    // These two are names for templates alone.
    known.retain(|name, _| !["name", "prefix"].contains(&name.as_str()));
    let is_wanted = |name: &str| dotenv::is_name(name) || mise::NAMES.contains(&name);
    let files = nearby::look(&here.root, &is_wanted).files;
    files.iter().flat_map(|path| in_file(&here.root, path, &known)).collect()
}

fn in_file(root: &Path, path: &Path, known: &BTreeMap<String, Option<u16>>) -> Vec<Finding> {
    // In the root a link to another worktree's file is usual (docs/migration.md).
    let read = if path.parent() == Some(root) { unread::text(path) } else { unread::text_within(root, path) };
    let text = match read {
        Ok(text) => text,
        Err(failure) => return vec![unread::finding("dotenv-unreadable", failure, path)],
    };
    // The env file itself may have such a name.
    if envfile::is_ours(text.as_bytes()) {
        return Vec::new();
    }
    let name = shown(path.strip_prefix(root).unwrap_or(path));
    let tool = Tool::of(path);
    let fixed = match tool {
        Tool::Mise => match mise::set(&text) {
            Ok(set) => {
                dotenv::judge(set.iter().map(|(line, name, value)| (*line, name.as_str(), value.as_str())), known)
            }
            Err(Unreadable { line, why }) => {
                let finding = Finding::note("dotenv-unreadable", format!("`{name}` is not TOML: {why}"));
                return vec![finding.at_line(path, line).why(unread::WHY).remedy("mise config")];
            }
        },
        _ => dotenv::scan(&text, known),
    };
    fixed.into_iter().map(|fixed| told(path, &name, tool, fixed)).collect()
}

/// Who reads a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Direnv,
    Mise,
    Any,
}

impl Tool {
    fn of(path: &Path) -> Self {
        match path.file_name().and_then(|name| name.to_str()) {
            Some(RC) => Self::Direnv,
            Some(name) if mise::NAMES.contains(&name) => Self::Mise,
            _ => Self::Any,
        }
    }
}

fn told(path: &Path, name: &str, tool: Tool, fixed: Fixed) -> Finding {
    let Fixed { line, name: variable, shared } = fixed;
    let finding = match shared {
        Shared::Name if tool == Tool::Mise => {
            Finding::problem("dotenv-name", format!("`{name}` sets `{variable}`, which silo sets, too"))
                .why("mise sets it at the prompt, too: which value counts depends on the hook that comes last")
                .remedy("Leave the line out; silo's value is there (silo doc migration)")
        }
        Shared::Name if tool == Tool::Direnv => {
            Finding::problem("dotenv-name", format!("`{name}` sets `{variable}`, which silo sets, too"))
                .why("direnv acts after silo, and its value wins, which is the same in every instance")
                .remedy("Leave the line out; silo's value is there (silo doc migration)")
        }
        // Most readers let the environment win, so that the line only counts outside instances.
        Shared::Name => Finding::note("dotenv-name", format!("`{name}` sets `{variable}`, which silo sets, too"))
            .why("honcho, foreman, direnv's `dotenv` and `. ./.env` let the file win: each instance then has the same value")
            .remedy("Leave the line out, unless what reads it lets the environment win"),
        Shared::Port { port, lease, is_url } => {
            let table = if is_url { "urls" } else { "env" };
            let remedy = match tool == Tool::Direnv {
                true => format!("In `{variable}` write ${lease} for {port} (silo doc migration)"),
                false => format!(
                    "Below [{table}] in silo.toml: {variable}, with ${{{lease}}} for {port}; then leave the line out"
                ),
            };
            Finding::problem("dotenv-port", format!("`{variable}` in `{name}` names the port {port} of `{lease}`"))
                .why("Programs of every instance talk to the one that has this port")
                .remedy(remedy)
        }
    };
    finding.at_line(path, line)
}
