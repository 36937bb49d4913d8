//! The services of the project here: compose itself, what no override isolates, ports without a variable, and scripts that go past
//! the instance. Read, never run; compose is asked for its version, the engine for its networks.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::compose;
use super::scene::Scene;
use crate::backend::compose::{Compose, Found, INSTALL};
use crate::backend::engine::{Engine, program};
use crate::core::config::{ComposeLayer, Published};
use crate::core::formats::calls::{Says, calls};
use crate::core::formats::compose::{Fixed, Given, Kind, Machine, NAMES, Scan};
use crate::core::formats::scripts;
use crate::core::services::{is_shared, is_shared_device, kept};
use crate::parts::finding::Finding;
use crate::parts::{nearby, unread};
use crate::sys::{cmd, files};

/// How long compose may take to say its version.
const LIMIT: Duration = Duration::from_secs(3);
/// Folders of scripts, whose names have no ending.
const FOLDERS: [&str; 4] = ["bin", "script", "scripts", "tools"];
/// Files that say how things are run.
const FILES: [&str; 6] = ["package.json", "justfile", "Justfile", ".justfile", "Taskfile.yml", "Taskfile.yaml"];
/// What comes of a call that has a name of its own.
const PAST: &str = "It acts on no instance, whichever worktree it runs in";

/// Everything about the services of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some(here) = &scene.here else { return Vec::new() };
    let root = &here.root;
    let declared = scene.settings().and_then(|settings| settings.compose);
    let has_files = NAMES.iter().any(|name| files::is_file(&root.join(name)));
    if declared.is_none() && !has_files {
        return Vec::new();
    }
    let mut found: Vec<Finding> = tool(scene, root, declared.is_some()).into_iter().collect();
    found.extend(pools(scene));
    let (Some(layer), Some(scans)) = (declared, compose::isolated(scene)) else { return found };
    for (path, scan) in &scans {
        found.extend(scan.machine.iter().filter_map(|one| shared(scene, root, &layer, path, one)));
        found.extend(scan.fixed.iter().filter_map(|one| unnamed(&layer, path, one)));
    }
    found.extend(in_scripts(root, &Containers::of(&scans)));
    found
}

/// Compose where it is missing, or too old to isolate anything.
fn tool(scene: &Scene, root: &Path, is_declared: bool) -> Option<Finding> {
    // Without docker that is said already.
    cmd::find(program(&scene.outside), &scene.outside)?;
    let compose = Compose { environment: &scene.outside, folder: root, project: "" };
    let (id, what) = match compose.found(LIMIT) {
        Ok(Found::Fits) => return None,
        Ok(Found::Old(version)) => {
            ("compose-old", format!("Docker Compose is {version}, and silo needs 2.24.4 or newer to isolate services"))
        }
        Ok(Found::Missing) => ("compose-missing", "Docker Compose is not installed".to_owned()),
        Err(failure) => ("compose-missing", format!("Docker Compose does not tell its version: {}", failure.what)),
    };
    Some(Finding::problem(id, what).only_if(is_declared).why("`silo up` cannot start the services").remedy(INSTALL))
}

/// The engine's address ranges where few are left.
fn pools(scene: &Scene) -> Option<Finding> {
    let engine = Engine::of(&scene.outside, Path::new("/")).soon();
    let pools = engine.pools().ok()??;
    pools.are_nearly_full().then(|| {
        Finding::note("docker-pools", format!("{} of the {} networks that Docker has addresses for are used", pools.used, pools.fits))
            .why("Each instance with services needs one or more: the next `silo up` may fail with `could not find an available, non-overlapping IPv4 address pool`")
            .remedy(
                "What gone instances left goes with `silo prune --clusters`; more fit with \
                 \"default-address-pools\": [{\"base\": \"10.200.0.0/14\", \"size\": 24}] in /etc/docker/daemon.json, and a restart of Docker",
            )
    })
}

/// What no override isolates.
fn shared(scene: &Scene, root: &Path, layer: &ComposeLayer, path: &Path, one: &Machine) -> Option<Finding> {
    let home = &scene.dirs.home;
    let keep: Vec<String> = layer.keep.iter().flatten().map(|text| kept(&text.value, root, home)).collect();
    let service = &one.service;
    let add = |path: &str| format!("If instances are to share it: keep = [\"{path}\"] below [compose] in silo.toml");
    let (what, why, remedy) = match &one.what {
        Given::Network => (
            format!("`{service}` uses the host's own network (`network_mode: host`)"),
            "Its ports are the same in every instance: the second one finds them taken",
            "Leave it out, and publish what the service listens on".to_owned(),
        ),
        Given::Socket(socket) => (
            format!("`{service}` has the engine's socket `{socket}`"),
            "It can do anything on this machine, and sees the containers of every instance",
            "If that is meant: `# silo: shared` on the line".to_owned(),
        ),
        Given::Path(written) => {
            let folder = path.parent().unwrap_or(root);
            let absolute = kept(written, folder, home);
            is_shared(&absolute, root.to_str()?, &keep).then_some(())?;
            let what = format!("`{service}` can write to `{written}`, outside the project");
            (what, "It is the same in every instance, and only one that has it runs at a time", add(&absolute))
        }
        Given::Device(device) => {
            is_shared_device(device, &keep).then_some(())?;
            let what = format!("`{service}` has the device `{device}`");
            (what, "It is the same in every instance, and only one that has it runs at a time", add(device))
        }
    };
    Some(Finding::note("compose-shared", what).at_line(path, one.line).why(why).remedy(remedy))
}

/// A published port without a variable, or several.
fn unnamed(layer: &ComposeLayer, path: &Path, one: &Fixed) -> Option<Finding> {
    let port = one.port.as_ref().filter(|_| one.kind == Kind::HostPort)?;
    let target = port.container?;
    let has = |target: &u16| {
        let is_it = |named: &Published| named.service == one.owner && named.target == *target && named.udp == port.udp;
        layer.ports.values().any(is_it)
    };
    let last = target.saturating_add(u16::try_from(port.many - 1).unwrap_or(u16::MAX));
    if (target..=last).all(|target| has(&target)) {
        return None;
    }
    let service = &one.owner;
    let protocol = if port.udp { "/udp" } else { "" };
    let default = if port.first == target { String::new() } else { format!("{}:", port.first) };
    let (name, is_new) = &port.variable;
    // A number of [ports] that the file writes out is its lease only by chance.
    let remedy = match is_new {
        _ if port.many > 1 => format!(
            "Below [compose.ports] in silo.toml a line for each of them, the first: {name} = \"{default}{service}:{target}{protocol}\""
        ),
        true => format!("Below [compose.ports] in silo.toml: {name} = \"{default}{service}:{target}{protocol}\""),
        false => format!("Write: {}", one.instead),
    };
    let (what, why) = match port.many {
        1 => (
            format!("Port {target} of `{service}` has no variable"),
            "It is published on another free port at each start, and nothing on this machine knows which",
        ),
        _ => (
            format!("Not each of the ports {target}-{last} of `{service}` has a variable"),
            "Without one a port is published on another free port at each start, and nothing on this machine knows which",
        ),
    };
    Some(Finding::note("compose-port-unnamed", what).at_line(path, one.line).why(why).remedy(remedy))
}

/// The names that containers would have without silo, with their services.
struct Containers {
    fixed: Vec<(String, String)>,
    services: Vec<String>,
}

impl Containers {
    fn of(scans: &[(PathBuf, Scan)]) -> Self {
        let fixed = scans.iter().flat_map(|(_, scan)| &scan.fixed).filter(|one| one.kind == Kind::ContainerName);
        let services = scans.iter().flat_map(|(_, scan)| &scan.services).map(|service| service.name.clone());
        Self {
            fixed: fixed.map(|one| (one.meant.value.clone(), one.owner.clone())).collect(),
            services: services.collect(),
        }
    }

    /// The service of a name: the fixed one, or what compose makes of any project's name, such as `shop-db-1` and `shop_db_1`.
    fn service(&self, name: &str) -> Option<&str> {
        if let Some((_, service)) = self.fixed.iter().find(|(known, _)| known == name) {
            return Some(service);
        }
        let is_it = |service: &&String| {
            ['-', '_'].iter().any(|mark| {
                let rest = name.strip_suffix(&format!("{mark}{service}{mark}1"));
                rest.is_some_and(|project| !project.is_empty())
            })
        };
        self.services.iter().find(is_it).map(String::as_str)
    }
}

fn in_scripts(root: &Path, containers: &Containers) -> Vec<Finding> {
    let is_script = |name: &str| {
        FILES.contains(&name)
            || scripts::MAKEFILES.contains(&name)
            || scripts::is_procfile(name)
            || [".sh", ".bash", ".zsh", ".fish", ".mk", ".just"].iter().any(|end| name.ends_with(end))
    };
    let mut paths = nearby::look(root, &is_script).files;
    for folder in FOLDERS.map(|folder| root.join(folder)) {
        let plain = |path: &PathBuf| path.extension().is_none() && files::is_executable(path);
        paths.extend(files::names_in(&folder).into_iter().filter(plain).take(MOST));
    }
    let mut found = Vec::new();
    for path in paths {
        // Other checks report what cannot be read.
        let Ok(text) = unread::text_within(root, &path) else { continue };
        found.extend(
            calls(&text, &|name| containers.service(name).is_some())
                .into_iter()
                .filter_map(|(line, says)| Some(told(root, &path, says, containers)?.at_line(&path, line))),
        );
    }
    found
}

/// The most scripts of a folder that are read.
const MOST: usize = 64;

fn told(root: &Path, path: &Path, says: Says, containers: &Containers) -> Option<Finding> {
    Some(match says {
        Says::Container(name, verb, instead) => {
            let service = containers.service(&name)?;
            let remedy = match instead {
                Some(instead) => format!("docker compose {instead} {service}"),
                None => format!("docker {verb} \"$(docker compose ps --quiet {service})\""),
            };
            Finding::problem(
                "script-container-name",
                format!("`docker {verb} {name}` names the container of the service `{service}`"),
            )
            .why("In an instance the container has another name, so that two can run side by side")
            .remedy(format!("Write: {remedy}"))
        }
        Says::Project(name) if name.contains('$') => return None,
        Says::Project(name) => {
            Finding::problem("script-project-name", format!("`docker compose` is told the project's name: `{name}`"))
                .why(PAST)
                .remedy("Leave the flag out: in an instance its own name counts")
        }
        Says::File(file) => {
            if file.contains('$') || file == "-" {
                return None;
            }
            // A script runs in the root or where it lies.
            let folders = [root, path.parent().unwrap_or(root)];
            let is_own = folders.iter().any(|folder| unread::plain(&folder.join(&file)).starts_with(root));
            if is_own {
                return None;
            }
            Finding::note("script-compose-file", format!("`docker compose` is told the file `{file}`, outside the project"))
                .why(PAST)
                .remedy("If instances share what it starts: `# silo: shared` on the line; else let a file of the project include it")
        }
    })
}
