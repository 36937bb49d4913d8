//! What the project's compose files fix for every instance, and what its parts' own files say: read, never run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::git::Git;
use super::scene::Scene;
use crate::core::config::OWN_PORTS;
use crate::core::formats::compose::{self, Fixed, HostPort, Kind, NAMES, OVERRIDES, Scan, Setting, Used};
use crate::core::formats::dotenv;
use crate::core::instance::vars;
use crate::core::leases::ports::PortSpec;
use crate::core::shell::varname;
use crate::failure::quoted;
use crate::parts;
use crate::parts::finding::Finding;
use crate::parts::unread;
use crate::sys::files;

/// The most files that are read.
const MOST: usize = 64;

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some(here) = &scene.here else { return Vec::new() };
    let scans: Vec<_> = parts::ALL.iter().map(|part| part.scan(&here.root)).collect();
    let named: Vec<PathBuf> = scans.iter().flat_map(|scan| scan.compose_files.clone()).collect();
    let mut found: Vec<Finding> = scans.into_iter().flat_map(|scan| scan.found).collect();
    let usual = NAMES.iter().chain(&OVERRIDES).map(|name| here.root.join(name)).filter(|path| files::exists(path));
    let (mut seen, mut used, mut open) = (BTreeSet::new(), Used::new(), Vec::new());
    let setting = setting(scene, &here.root);
    let mut scanned = Vec::new();
    for path in usual.chain(named).take(MOST) {
        if seen.insert(files::canonical(&path).unwrap_or_else(|_| path.clone())) {
            let scan = scan(&path, &setting).map(|scan| {
                let lines = scan.used.iter().filter_map(|(name, line)| Some((name, (*line)?)));
                open.extend(
                    lines
                        .filter(|(name, _)| setting(name) == Setting::Unset)
                        .map(|(name, line)| unset(&path, name, line)),
                );
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
            Ok(fixed) => found.extend(fixed.iter().map(|fixed| told(&path, fixed, &setting))),
            Err(finding) => found.push(*finding),
        }
    }
    found.append(&mut open);
    found
}

/// What a variable that compose reads is from instance to instance: silo gives each its own, the shell and a `.env` of this
/// folder alone may; one that all worktrees have from git or through a link does not.
fn setting(scene: &Scene, root: &Path) -> impl Fn(&str) -> Setting + use<> {
    let own = names(scene);
    // With a `silo.toml` that cannot be read nothing is known of what it declares.
    let is_read = scene.settings().is_some();
    let path = root.join(".env");
    let text = unread::text(&path).unwrap_or_default();
    let is_away = files::is_link(&path) && files::canonical(&path).is_ok_and(|path| !path.starts_with(root));
    let is_shared = is_away || (!text.is_empty() && Git::of(scene, root).tracks(".env"));
    let outside = scene.outside.clone();
    move |name| {
        if !is_read || own.contains_key(name) || outside.get(name).is_some() {
            return Setting::Varies;
        }
        match dotenv::value_of(&text, name) {
            None => Setting::Unset,
            Some(value) if is_shared && !value.contains('$') => Setting::Shared(value.to_owned()),
            Some(_) => Setting::Varies,
        }
    }
}

/// A port that nothing stands behind.
fn unset(path: &Path, name: &str, line: usize) -> Finding {
    Finding::note("compose-unset", format!("Nothing sets `{name}`, which the ports are read from"))
        .at_line(path, line)
        .why("docker compose takes it for empty, and the port is left to chance")
        .mend("Declare it below [ports] in silo.toml; the names silo sets already: silo diff")
}

/// The names silo knows, with the defaults of the ports that `silo.toml` declares; what silo leases for itself has none that a
/// file may have.
pub(super) fn names(scene: &Scene) -> BTreeMap<String, Option<u16>> {
    let mut names: BTreeMap<String, Option<u16>> = OWN_PORTS.map(|name| (name.to_owned(), None)).into();
    let Some(settings) = scene.settings() else { return names };
    names.extend(vars::built_in_names(&settings).into_iter().map(|name| (name.to_owned(), None)));
    names.extend(
        settings
            .hosts
            .into_keys()
            .chain(settings.urls.into_keys())
            .chain(settings.env.into_keys())
            .map(|name| (name, None)),
    );
    for (name, spec) in settings.ports {
        let default = match spec {
            PortSpec::Default(port) => Some(port).filter(|_| !OWN_PORTS.contains(&name.as_str())),
            PortSpec::Random => None,
        };
        names.insert(name, default);
    }
    names
}

fn scan(path: &Path, setting: &dyn Fn(&str) -> Setting) -> Result<Scan, Box<Finding>> {
    let text = unread::text(path).map_err(|failure| unread::finding("compose-unreadable", failure, path))?;
    compose::scan(&text, setting).map_err(|unreadable| {
        Finding::note("compose-unreadable", format!("The compose file is not YAML: {}", unreadable.why))
            .at_line(path, unreadable.line)
            .why(unread::WHY)
            .mend(format!("docker compose -f {} config --quiet", quoted(path)))
            .into()
    })
}

fn told(path: &Path, fixed: &Fixed, setting: &dyn Fn(&str) -> Setting) -> Finding {
    let Fixed { kind, owner, value, .. } = fixed;
    let same = format!("is {}the same in every instance{}", worth(fixed), because(fixed, setting));
    let finding = match kind {
        Kind::ContainerName => Finding::problem(
            "compose-container-name",
            format!("`container_name: {value}` of the service `{owner}` {same}"),
        )
        .why("A second instance cannot start the service: the name is taken on the whole machine")
        .mend(rename("container_name", fixed)),
        Kind::HostPort => told_port(fixed, setting),
        Kind::VolumeName | Kind::NetworkName => {
            let noun = if *kind == Kind::VolumeName { "volume" } else { "network" };
            Finding::problem("compose-name", format!("`name: {value}` of the {noun} `{owner}` {same}"))
                .why("Instances share it: what one writes or removes, the others see")
                .mend(rename("name", fixed))
        }
        Kind::ProjectName => {
            let because = because(fixed, setting);
            Finding::note("compose-project", format!("`name: {value}` names the project the same in every instance{because}"))
                .why("Inside an instance COMPOSE_PROJECT_NAME goes before it; outside, `docker compose` acts on one project for all")
                .mend(rename("name", fixed))
        }
    };
    finding.at_line(path, fixed.line)
}

fn told_port(fixed: &Fixed, setting: &dyn Fn(&str) -> Setting) -> Finding {
    let Fixed { owner, value, instead, port, .. } = fixed;
    let HostPort { first, many, variable: (variable, is_new), read, .. } =
        port.as_ref().expect("each host port is told with its parts");
    let declare = if *is_new { format!("   ({variable} = {first} below [ports] in silo.toml)") } else { String::new() };
    let mend = match many {
        // The line stays as it is.
        1 if *is_new && read.as_ref() == Some(variable) => format!("Below [ports] in silo.toml: {variable} = {first}"),
        1 => format!("Write: {instead}{declare}"),
        _ => format!("Give each of the {many} ports a line and a variable of its own, the first: {instead}{declare}"),
    };
    let (noun, is) = if *many == 1 { ("port in", "is") } else { ("ports in", "are") };
    let same = match because(fixed, setting) {
        because if because.is_empty() => format!("{is} fixed"),
        because => format!("{is} {}the same in every instance{because}", worth(fixed)),
    };
    Finding::problem("compose-port", format!("The host {noun} `{value}` of the service `{owner}` {same}"))
        .why("A second instance cannot start the service, or its programs talk to the first one's")
        .mend(mend)
}

/// What a text with variables comes to.
fn worth(fixed: &Fixed) -> String {
    if fixed.meant.from.is_empty() { String::new() } else { format!("`{}`, ", fixed.meant.value) }
}

/// Why a text with variables is the same everywhere.
fn because(fixed: &Fixed, setting: &dyn Fn(&str) -> Setting) -> String {
    let from = &fixed.meant.from;
    match from.iter().find(|name| matches!(setting(name), Setting::Shared(_))) {
        Some(shared) => format!(": all worktrees share the `.env` that sets `{shared}`"),
        None => from.first().map_or_else(String::new, |unset| format!(": nothing sets `{unset}`")),
    }
}

/// How a name becomes the instance's own.
fn rename(key: &str, fixed: &Fixed) -> String {
    let own = |name: &&str| varname::check(name).is_ok();
    match compose::whole(&fixed.value).filter(own) {
        Some(variable) => format!("Below [env] in silo.toml: {variable} = \"{}\"", fixed.instead),
        None => format!("Leave the line out, or write: {key}: {}", fixed.instead),
    }
}
