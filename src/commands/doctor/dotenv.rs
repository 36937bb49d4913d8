//! What the project's `.env` files and `.envrc` fix for every instance: read, never run.

use std::collections::BTreeMap;
use std::path::Path;

use super::compose;
use super::scene::Scene;
use crate::core::formats::dotenv::{self, Fixed, NAMES, RC, Shared};
use crate::core::instance::envfile;
use crate::parts::finding::Finding;
use crate::sys::files;

/// Largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let (Some(here), Some(_)) = (&scene.here, scene.settings()) else { return Vec::new() };
    let mut known = compose::names(scene);
    // These two are names for templates alone.
    known.retain(|name, _| !["name", "prefix"].contains(&name.as_str()));
    NAMES.iter().flat_map(|name| in_file(&here.root.join(name), name, &known)).collect()
}

fn in_file(path: &Path, name: &str, known: &BTreeMap<String, Option<u16>>) -> Vec<Finding> {
    // What cannot be read says nothing; the env file itself may have such a name.
    let Ok(Some(content)) = files::read(path, LIMIT) else { return Vec::new() };
    if envfile::is_ours(&content.bytes) {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(&content.bytes);
    dotenv::scan(&text, known).into_iter().map(|fixed| told(path, name, fixed)).collect()
}

fn told(path: &Path, name: &str, fixed: Fixed) -> Finding {
    let Fixed { line, name: variable, shared } = fixed;
    let is_rc = name == RC;
    let finding = match shared {
        Shared::Name if is_rc => {
            Finding::problem("dotenv-name", format!("`{RC}` sets `{variable}`, which silo sets, too"))
                .why("direnv acts after silo, and its value wins, which is the same in every instance")
                .mend("Leave the line out; silo's value is there (silo doc migration)")
        }
        // Most readers let the environment win, so that the line only counts outside instances.
        Shared::Name => Finding::note("dotenv-name", format!("`{name}` sets `{variable}`, which silo sets, too"))
            .why("honcho, foreman, direnv's `dotenv` and `. ./.env` let the file win: each instance then has the same value")
            .mend("Leave the line out, unless what reads it lets the environment win"),
        Shared::Port { port, lease, is_url } => {
            let table = if is_url { "urls" } else { "env" };
            let mend = match is_rc {
                true => format!("In `{variable}` write ${lease} for {port} (silo doc migration)"),
                false => format!(
                    "Below [{table}] in silo.toml: {variable}, with ${{{lease}}} for {port}; then leave the line out"
                ),
            };
            Finding::problem("dotenv-port", format!("`{variable}` in `{name}` names the port {port} of `{lease}`"))
                .why("Programs of every instance talk to the one that has this port")
                .mend(mend)
        }
    };
    finding.at_line(path, line)
}
