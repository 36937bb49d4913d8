//! The services of a folder's compose files, each file read as it is: which ports get which variables, and what of this
//! machine no override can isolate.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};

use crate::backend::compose as backend;
use crate::core::config::starter::{Composed, ServicePort, Starter};
use crate::core::formats::cilo::Cilo;
use crate::core::formats::compose::{self, Fixed, Key, Seen, Setting, Used};
use crate::core::formats::dotenv;
use crate::core::shell::environment::Environment;
use crate::failure::shown_below;
use crate::parts::part::Scan;
use crate::parts::unread;
use crate::sys::files as disk;

/// Most files that are read by way of `include`.
const MANY: usize = 50;

/// The compose files of a folder.
pub(super) struct Files {
    /// In the order in which compose merges them.
    paths: Vec<PathBuf>,
    /// Whether compose finds them itself.
    are_found: bool,
}

/// Those that compose finds, or else those that a part starts.
pub(super) fn files(root: &Path, scans: &[Scan], cilo: Option<&Cilo>, environment: &Environment) -> Files {
    let found = backend::files_of(root, None, environment);
    // What the project says for cilo counts more, where it is another list.
    let listed: Vec<PathBuf> = cilo.iter().flat_map(|cilo| &cilo.files).map(|file| root.join(file)).collect();
    let are_there = !listed.is_empty() && listed.iter().all(|path| disk::is_file(path));
    if are_there && found.as_ref().ok() != Some(&listed) {
        return Files { paths: listed, are_found: false };
    }
    if let Ok(paths) = found {
        return Files { paths, are_found: true };
    }
    let named = scans.iter().flat_map(|scan| scan.compose_files.clone());
    Files { paths: named.filter(|path| disk::is_file(path)).collect(), are_found: false }
}

/// Adds what they publish; answers what is the same in every instance.
pub(super) fn add(
    root: &Path,
    files: &Files,
    chosen: &BTreeMap<String, Option<u16>>,
    starter: &mut Starter,
) -> Vec<String> {
    let mut read = Read::default();
    let env = unread::text_within(root, &root.join(".env")).unwrap_or_default();
    let setting = |name: &str| match dotenv::value_of(&env, name) {
        Some(value) => Setting::Shared(value.to_owned()),
        None => Setting::Unset,
    };
    read.all(root, files.paths.clone().into(), &setting);
    if read.places.is_empty() {
        return Vec::new();
    }
    let listed = files.paths.iter().filter(|_| !files.are_found).map(|path| shown_below(root, path));
    let named = listed.filter(|place| read.places.contains(place)).collect();
    starter.compose = Some(Composed { files: named, ..Composed::default() });
    read.places.iter().for_each(|place| starter.was_in(place));
    let mut found: Vec<&mut Fixed> = read.found.iter_mut().map(|(_, fixed)| fixed).collect();
    compose::name_all(&mut found, chosen, &read.used);
    read.declare(chosen, starter);
    read.shared()
}

/// What the files say together.
#[derive(Default)]
struct Read {
    places: Vec<String>,
    used: Used,
    services: BTreeMap<String, Seen>,
    found: Vec<(String, Fixed)>,
}

impl Read {
    fn all(&mut self, root: &Path, mut queue: VecDeque<PathBuf>, setting: &dyn Fn(&str) -> Setting) {
        let mut seen: Vec<PathBuf> = Vec::new();
        while let Some(path) = queue.pop_front() {
            if seen.contains(&path) || seen.len() == MANY {
                continue;
            }
            seen.push(path.clone());
            let Ok(text) = unread::text_within(root, &path) else { continue };
            let Ok(scan) = compose::scan(&text, setting) else { continue };
            self.places.push(shown_below(root, &path));
            let folder = path.parent().unwrap_or(root);
            queue.extend(scan.included.iter().map(|name| folder.join(name)));
            self.used.extend(scan.used);
            // What a later file puts in place of theirs is not published.
            let is_replaced = |fixed: &Fixed| scan.replaced.contains(&(fixed.owner.clone(), Key::Ports));
            self.found.retain(|(_, fixed)| !is_replaced(fixed));
            let ports = scan.fixed.into_iter().filter(|fixed| fixed.port.as_ref().is_some_and(|port| port.many == 1));
            self.found.extend(ports.map(|fixed| (shown_below(root, &path), fixed)));
            for service in scan.services {
                let over = service.clone();
                let merged = self.services.entry(service.name.clone()).or_insert(service);
                merged.image = over.image.or(merged.image.take());
                merged.mode = over.mode.or(merged.mode.take());
                merged.socket = over.socket.or(merged.socket.take());
            }
        }
    }

    fn declare(&self, chosen: &BTreeMap<String, Option<u16>>, starter: &mut Starter) {
        let mut nth: BTreeMap<&str, usize> = BTreeMap::new();
        for (place, fixed) in &self.found {
            let Some(port) = &fixed.port else { continue };
            let service = self.services.get(&fixed.owner);
            let of_service = nth.entry(&fixed.owner).or_default();
            let (is_named, name) = (port.read.is_some() || !port.variable.1, &port.variable.0);
            // Where the container listens on the same variable, that is all it needs.
            if port.follows && is_named {
                starter.add(name, port.first, place);
            } else if let Some(target) = port.container.filter(|_| !service.is_some_and(Seen::is_elsewhere)) {
                let one = ServicePort { service: fixed.owner.clone(), target, first: port.first, udp: port.udp };
                let mut names = if is_named { vec![name.clone()] } else { Vec::new() };
                let free = one.names(service.and_then(|service| service.image.as_deref()), *of_service);
                names.extend(
                    free.into_iter().filter(|name| !chosen.contains_key(name) && !self.used.contains_key(name)),
                );
                starter.publish(&names, &one, place);
            }
            *of_service += 1;
        }
    }

    fn shared(&self) -> Vec<String> {
        let one = |service: &Seen| {
            let name = &service.name;
            let host = (service.mode.as_deref() == Some("host")).then(|| {
                format!(
                    "`{name}` uses the host's own network (`network_mode: host`): its ports are the same in every instance"
                )
            });
            let socket = service.socket.as_ref();
            host.into_iter().chain(
                socket.map(|socket| format!("`{name}` has the engine's socket `{socket}`, and so all of this machine")),
            )
        };
        self.services.values().flat_map(one).collect()
    }
}
