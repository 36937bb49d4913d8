//! What `silo init` finds in a folder: the ports of its compose files, `.env` files, parts and start scripts. Files are read
//! and nothing is run; what cannot be read is left to `silo doctor`.

use std::collections::BTreeMap;
use std::path::Path;

use crate::core::config::starter::{self, Starter};
use crate::core::formats::compose::{self, Fixed, Setting, Used};
use crate::core::formats::dotenv;
use crate::core::formats::scripts::{self, Line};
use crate::failure::shown;
use crate::parts;
use crate::parts::part::Scan;
use crate::parts::unread;
use crate::sys::files;

/// Names that `.env` files have before anybody has made one.
const EXAMPLES: [&str; 2] = [".env.example", ".env.sample"];

/// Reads what is there.
pub(super) fn look(root: &Path) -> Starter {
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
    compose_ports(root, &scans, &chosen, &mut starter);
    for (file, variable, port) in &env {
        starter.add(variable, *port, file);
    }
    for one in scans.iter().flat_map(|scan| &scan.ports).filter(|port| port.is_held) {
        let name = one.owner.as_deref().map_or_else(|| format!("HOST_PORT_{}", one.port), starter::variable);
        starter.add(&name, one.port, &below(root, &one.file));
    }
    let package = scripts::package(&text("package.json")).unwrap_or_default();
    let starts = |line: &&Line| ["dev", "start", "serve", "preview"].contains(&line.owner.as_str());
    for line in package.iter().filter(starts) {
        for written in &line.ports {
            let own = written.variable.as_deref().unwrap_or("WEB_PORT");
            starter.add_as(&[own, &starter::variable(&line.owner)], written.port, "package.json");
        }
    }
    for line in scripts::procfile(&text("Procfile")) {
        for written in &line.ports {
            starter.add(
                &written.variable.clone().unwrap_or_else(|| starter::variable(&line.owner)),
                written.port,
                "Procfile",
            );
        }
    }
    starter
}

/// The host ports of the compose files.
fn compose_ports(root: &Path, scans: &[Scan], chosen: &BTreeMap<String, Option<u16>>, starter: &mut Starter) {
    // Of the usual names compose takes the first, and the override that goes with it.
    let first = |names: &[&str]| names.iter().map(|name| root.join(name)).find(|path| files::is_file(path));
    let usual = [first(&compose::NAMES), first(&compose::OVERRIDES)].into_iter().flatten();
    let named = scans.iter().flat_map(|scan| scan.compose_files.clone());
    let mut used = Used::new();
    let mut found: Vec<(String, Fixed)> = Vec::new();
    for path in usual.chain(named) {
        let Ok(text) = unread::text_within(root, &path) else { continue };
        let Ok(scan) = compose::scan(&text, &|_| Setting::Unset) else { continue };
        used.extend(scan.used);
        found.extend(scan.fixed.into_iter().map(|fixed| (below(root, &path), fixed)));
    }
    found.retain(|(_, fixed)| fixed.port.as_ref().is_some_and(|port| port.many == 1));
    compose::name_all(&mut found.iter_mut().map(|(_, fixed)| fixed).collect::<Vec<_>>(), chosen, &used);
    for (place, Fixed { port, .. }) in &found {
        let Some(port) = port else { continue };
        let usual = port.container.and_then(starter::known).filter(|name| {
            port.read.is_none() && port.variable.1 && !chosen.contains_key(name) && !starter.ports.contains_key(name)
        });
        starter.add(usual.as_ref().unwrap_or(&port.variable.0), port.first, place);
    }
}

/// A file as it is named from the project's root.
fn below(root: &Path, path: &Path) -> String {
    shown(path.strip_prefix(root).unwrap_or(path))
}
