//! What the project's Tiltfile and compose files fix for every instance: read, never run.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::scene::Scene;
use crate::core::config::OWN_PORTS;
use crate::core::formats::compose::{self, Fixed, HostPort, Kind, NAMES, OVERRIDES, Scan, Used};
use crate::core::formats::dotenv;
use crate::core::formats::tiltfile;
use crate::core::instance::vars;
use crate::core::leases::ports::PortSpec;
use crate::failure::{Failure, quoted};
use crate::sys::files;

/// Largest file that is read, in bytes, and the most files.
const LIMITS: (u64, usize) = (1024 * 1024, 64);

/// What comes of a file that cannot be understood.
const UNREAD: &str = "What it fixes for every instance could not be looked for";

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some(here) = &scene.here else { return Vec::new() };
    let (mut found, named) = tiltfiles(&here.root.join("Tiltfile"));
    let usual = NAMES.iter().chain(&OVERRIDES).map(|name| here.root.join(name)).filter(|path| files::exists(path));
    let (mut seen, mut used, mut open) = (BTreeSet::new(), Used::new(), Vec::new());
    let known = known(scene, &here.root);
    let mut scanned = Vec::new();
    for path in usual.chain(named).take(LIMITS.1) {
        if seen.insert(files::canonical(&path).unwrap_or_else(|_| path.clone())) {
            let scan = scan(&path).map(|scan| {
                let lines = scan.used.iter().filter_map(|(name, line)| Some((name, (*line)?)));
                open.extend(lines.filter(|(name, _)| !known(name)).map(|(name, line)| unset(&path, name, line)));
                used.extend(scan.used);
                scan.fixed
            });
            scanned.push((path, scan));
        }
    }
    // The ports of all files together: one variable is one port.
    let mut fixed: Vec<&mut Fixed> = scanned.iter_mut().flat_map(|(_, scan)| scan.iter_mut().flatten()).collect();
    compose::name_all(&mut fixed, &names(scene), &used);
    for (path, scan) in scanned {
        match scan {
            Ok(fixed) => found.extend(fixed.iter().map(|fixed| told(&path, fixed))),
            Err(finding) => found.push(*finding),
        }
    }
    found.append(&mut open);
    found
}

/// Whether compose finds a variable inside the instance: silo sets it, the shell or the project's `.env` has it.
fn known(scene: &Scene, root: &Path) -> impl Fn(&str) -> bool {
    let own = names(scene);
    // With a `silo.toml` that cannot be read nothing is known of what it declares.
    let is_read = scene.settings().is_some();
    let text = text(&root.join(".env")).unwrap_or_default();
    let outside = scene.outside.clone();
    move |name| {
        !is_read || own.contains_key(name) || outside.get(name).is_some() || dotenv::names(&text).any(|set| set == name)
    }
}

/// A port that nothing stands behind.
fn unset(path: &Path, name: &str, line: usize) -> Finding {
    Finding::note("compose-unset", format!("Nothing sets `{name}`, which the ports are read from"))
        .at_line(path, line)
        .why("docker compose takes it for empty, and the port is left to chance")
        .mend("Declare it below [ports] in silo.toml; the names silo sets already: silo diff")
}

/// The Tiltfile and those it loads: findings, and the compose files they name.
fn tiltfiles(first: &Path) -> (Vec<Finding>, Vec<PathBuf>) {
    let (mut found, mut named) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from([first.to_path_buf()]);
    while let Some(path) = waiting.pop_front() {
        let Some(canonical) = files::canonical(&path).ok().filter(|canonical| !seen.contains(canonical)) else {
            continue;
        };
        if seen.len() == LIMITS.1 {
            break;
        }
        seen.insert(canonical);
        let scan = match text(&path) {
            Ok(text) => tiltfile::scan(&text),
            Err(failure) => {
                found.push(unread("tiltfile-unreadable", failure, &path));
                continue;
            }
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        found.extend(scan.bare.iter().map(|line| {
            Finding::problem("compose-bare", "`docker_compose()` does not get this instance's project name")
                .at_line(&path, *line)
                .why("Tilt ignores COMPOSE_PROJECT_NAME and names the project after the folder, so that instances share containers and volumes")
                .mend("silo init --tilt, then load('./tilt-extensions/silo/docker_compose/Tiltfile', 'silo_docker_compose') and call that")
        }));
        // As people would name it: `./` in the middle says nothing.
        let below = |name: &String| folder.join(name).components().collect::<PathBuf>();
        named.extend(scan.compose_files.iter().map(below));
        waiting.extend(scan.loads.iter().map(below));
    }
    (found, named)
}

/// What a file holds; nothing where there is none.
fn text(path: &Path) -> Result<String, Failure> {
    let bytes = files::read(path, LIMITS.0)?.map(|content| content.bytes).unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A file that is there and cannot be looked into.
fn unread(id: &'static str, failure: Failure, path: &Path) -> Finding {
    Finding::note(id, failure.what).at(path).why(UNREAD).mend(format!("ls -lLd {}", quoted(path)))
}

/// The names silo knows, with the defaults of the ports that `silo.toml` declares; what silo leases for itself has none that a
/// file may have.
pub(super) fn names(scene: &Scene) -> BTreeMap<String, Option<u16>> {
    let mut names: BTreeMap<String, Option<u16>> = OWN_PORTS.map(|name| (name.to_owned(), None)).into();
    let Some(settings) = scene.settings() else { return names };
    names.extend(vars::built_in_names(&settings).into_iter().map(|name| (name.to_owned(), None)));
    names.extend(settings.hosts.into_keys().chain(settings.urls.into_keys()).map(|name| (name, None)));
    for (name, spec) in settings.ports {
        let default = match spec {
            PortSpec::Default(port) => Some(port).filter(|_| !OWN_PORTS.contains(&name.as_str())),
            PortSpec::Random => None,
        };
        names.insert(name, default);
    }
    names
}

fn scan(path: &Path) -> Result<Scan, Box<Finding>> {
    let text = text(path).map_err(|failure| unread("compose-unreadable", failure, path))?;
    compose::scan(&text).map_err(|unreadable| {
        Finding::note("compose-unreadable", format!("The compose file is not YAML: {}", unreadable.why))
            .at_line(path, unreadable.line)
            .why(UNREAD)
            .mend(format!("docker compose -f {} config --quiet", quoted(path)))
            .into()
    })
}

fn told(path: &Path, fixed: &Fixed) -> Finding {
    let Fixed { kind, owner, value, instead, .. } = fixed;
    let finding = match kind {
        Kind::ContainerName => Finding::problem(
            "compose-container-name",
            format!("`container_name: {value}` of the service `{owner}` is the same in every instance"),
        )
        .why("A second instance cannot start the service: the name is taken on the whole machine")
        .mend(format!("Leave the line out, or write: container_name: {instead}")),
        Kind::HostPort => {
            let HostPort { first, many, variable: (variable, is_new), .. } =
                fixed.port.as_ref().expect("each host port is told with its parts");
            let declare = if *is_new { format!("   ({variable} = {first} below [ports] in silo.toml)") } else { String::new() };
            let noun = if *many == 1 { "port in" } else { "ports in" };
            let is = if *many == 1 { "is" } else { "are" };
            let mend = match many {
                1 => format!("Write: {instead}{declare}"),
                _ => format!("Give each of the {many} ports a line and a variable of its own, the first: {instead}{declare}"),
            };
            Finding::problem("compose-port", format!("The host {noun} `{value}` of the service `{owner}` {is} fixed"))
                .why("A second instance cannot start the service, or its programs talk to the first one's")
                .mend(mend)
        }
        Kind::VolumeName | Kind::NetworkName => {
            let noun = if *kind == Kind::VolumeName { "volume" } else { "network" };
            Finding::problem("compose-name", format!("`name: {value}` of the {noun} `{owner}` is the same in every instance"))
                .why("Instances share it: what one writes or removes, the others see")
                .mend(format!("Leave the line out, or write: name: {instead}"))
        }
        Kind::ProjectName => {
            Finding::note("compose-project", format!("`name: {value}` names the project the same in every instance"))
                .why("Inside an instance COMPOSE_PROJECT_NAME goes before it; outside, `docker compose` acts on one project for all")
                .mend(format!("Leave the line out, or write: name: {instead}"))
        }
    };
    finding.at_line(path, fixed.line)
}
