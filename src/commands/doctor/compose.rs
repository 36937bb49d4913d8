//! What the project's Tiltfile and compose files fix for every instance: read, never run.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::finding::Finding;
use super::scene::Scene;
use crate::core::compose::{self, Fixed, Kind};
use crate::core::ports::PortSpec;
use crate::core::tiltfile;
use crate::failure::shown;
use crate::sys::files;

/// The names compose looks for.
pub(super) const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// The names it adds to the first of them.
const OVERRIDES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml"];
/// Largest file that is read, in bytes, and the most files.
const LIMITS: (u64, usize) = (1024 * 1024, 64);

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some(here) = &scene.here else { return Vec::new() };
    let (mut found, named) = tiltfiles(&here.root.join("Tiltfile"));
    let usual = NAMES.iter().chain(&OVERRIDES).map(|name| here.root.join(name)).filter(|path| files::is_file(path));
    let mut seen = BTreeSet::new();
    let known = known_ports(scene);
    for path in usual.chain(named).take(LIMITS.1) {
        if seen.insert(files::canonical(&path).unwrap_or_else(|_| path.clone())) {
            found.extend(compose_file(&path, &known));
        }
    }
    found
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
        let Some(text) = text(&path) else { continue };
        let scan = tiltfile::scan(&text);
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

fn text(path: &Path) -> Option<String> {
    let content = files::read(path, LIMITS.0).ok()??;
    Some(String::from_utf8_lossy(&content.bytes).into_owned())
}

/// The ports of `silo.toml` with a default, by which a fixed one is known.
fn known_ports(scene: &Scene) -> Vec<(String, u16)> {
    let ports = scene.settings().map(|settings| settings.ports).unwrap_or_default();
    let default = |(name, spec)| match spec {
        PortSpec::Default(port) => Some((name, port)),
        PortSpec::Random => None,
    };
    ports.into_iter().filter_map(default).collect()
}

fn compose_file(path: &Path, known: &[(String, u16)]) -> Vec<Finding> {
    let Some(text) = text(path) else { return Vec::new() };
    match compose::scan(&text, known) {
        Ok(fixed) => fixed.iter().map(|fixed| told(path, fixed, known)).collect(),
        Err(unreadable) => {
            let finding =
                Finding::note("compose-unreadable", format!("The compose file is not YAML: {}", unreadable.why))
                    .at_line(path, unreadable.line)
                    .why("What it fixes for every instance could not be looked for")
                    .mend(format!("docker compose -f {} config --quiet", shell_words::quote(&shown(path))));
            vec![finding]
        }
    }
}

fn told(path: &Path, fixed: &Fixed, known: &[(String, u16)]) -> Finding {
    let Fixed { kind, owner, value, instead, .. } = fixed;
    let finding = match kind {
        Kind::ContainerName => Finding::problem(
            "compose-container-name",
            format!("`container_name: {value}` of the service `{owner}` is the same in every instance"),
        )
        .why("A second instance cannot start the service: the name is taken on the whole machine")
        .mend(format!("Leave the line out, or write: container_name: {instead}")),
        Kind::HostPort => {
            let (variable, port) = fixed.port.clone().unwrap_or_default();
            let is_known = known.iter().any(|(name, _)| *name == variable);
            let declare = if is_known { String::new() } else { format!("   ({variable} = {port} below [ports] in silo.toml)") };
            Finding::problem("compose-port", format!("The host port in `{value}` of the service `{owner}` is fixed"))
                .why("A second instance cannot start the service, or its programs talk to the first one's")
                .mend(format!("Write: {instead}{declare}"))
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
