//! What `silo init` finds in a folder: the services of its compose files, the ports of `.env` files, parts and start scripts.
//! Files are read and nothing is run; what cannot be read is left to `silo doctor`.

mod cilo;
mod services;

use std::collections::BTreeMap;
use std::path::Path;

use crate::core::config::starter::{self, Starter};
use crate::core::formats::scripts::{self, Line};
use crate::core::formats::{commandline, dotenv};
use crate::core::shell::environment::Environment;
use crate::failure::shown_below;
use crate::parts;
use crate::parts::part::Scan;
use crate::parts::unread;

/// Names that `.env` files have before anybody has made one.
const EXAMPLES: [&str; 2] = [".env.example", ".env.sample"];

/// What people start at their desks counts before what runs elsewhere.
const PROCFILES: [&str; 2] = ["Procfile.dev", "Procfile"];

/// Reads what is there: what `silo.toml` may declare, and what no instance can have for itself.
pub(super) fn look(root: &Path, environment: &Environment) -> (Starter, Vec<String>) {
    let scans: Vec<Scan> = parts::ALL.iter().map(|part| part.scan(root)).collect();
    let text = |name: &str| unread::text_within(root, &root.join(name)).unwrap_or_default();
    let mut starter = Starter { cluster: scans.iter().any(|scan| scan.needs_cluster), ..Starter::default() };

    // The names a project has chosen already count most.
    let env: Vec<(&str, String, u16)> = dotenv::NAMES
        .iter()
        .chain(&EXAMPLES)
        .flat_map(|name| dotenv::ports(&text(name)).into_iter().map(|(variable, port)| (*name, variable, port)))
        .collect();
    let chosen: BTreeMap<String, Option<u16>> =
        env.iter().rev().map(|(_, variable, port)| (variable.clone(), Some(*port))).collect();
    let (cilo, mut notes) = cilo::look(root);
    let files = services::files(root, &scans, cilo.as_ref(), environment);
    notes.extend(services::add(root, &files, &chosen, &mut starter));
    starter.cilo = cilo.filter(|_| starter.compose.is_some());
    if starter.cilo.is_some() {
        starter.was_in(cilo::FILE);
    }
    for (file, variable, port) in &env {
        starter.add(variable, *port, file);
    }
    for one in scans.iter().flat_map(|scan| &scan.ports).filter(|port| port.is_held) {
        let name = one.owner.as_deref().map_or_else(|| format!("HOST_PORT_{}", one.port), starter::variable);
        starter.add(&name, one.port, &shown_below(root, &one.file));
    }
    let package = scripts::package(&text("package.json"), commandline::with_fallbacks).unwrap_or_default();
    let starts = |line: &&Line| ["dev", "start", "serve", "preview"].contains(&line.owner.as_str());
    for line in package.iter().filter(starts) {
        for written in &line.ports {
            let own = written.variable.as_deref().unwrap_or("WEB_PORT");
            starter.add_as(&[own, &starter::variable(&line.owner)], written.port, "package.json");
        }
    }
    for file in PROCFILES {
        for line in scripts::procfile(&text(file), commandline::with_fallbacks) {
            for written in &line.ports {
                let name = written.variable.clone().unwrap_or_else(|| starter::variable(&line.owner));
                starter.add(&name, written.port, file);
            }
        }
    }
    (starter, notes)
}
