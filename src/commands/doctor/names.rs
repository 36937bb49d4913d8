//! Names against the engine (D27): a container that was recreated by hand, an address that moved, a file that was cut, a name server
//! that has ended. The engine is the truth.

use std::path::{Path, PathBuf};

use super::root::MOMENT;
use super::scene::Scene;
use crate::backend::engine::{Container, Engine};
use crate::core::text::digest;
use crate::failure::quoted;
use crate::parts::finding::{Finding, Fix};
use crate::parts::{dns, names as expected};
use crate::store::{names, registry};
use crate::sys::files;

/// Every file of names that says something else than the engine, and a name server that is wanted and does not answer.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in left(scene) {
        found.push(
            Finding::problem("names-left", "A file of names belongs to no instance")
                .at(&file)
                .why("Its names lead to addresses that may be another instance's by now")
                .remedy(format!("rm {}", quoted(&file)))
                .fix(Fix::Remove(file)),
        );
    }
    // Others may have changed it since the scene was looked at.
    let leases = registry::peek(&scene.dirs).unwrap_or_default();
    let with_subnet: Vec<_> = leases.instances.iter().filter(|one| one.subnet.is_some()).collect();
    if !with_subnet.is_empty() {
        let engine = Engine::of(&scene.outside, Path::new("/")).soon();
        // An engine that does not answer says nothing about names.
        let containers: Option<Vec<Container>> = engine.is_local().then(|| engine.containers(None).ok()).flatten();
        for instance in with_subnet {
            let root = Path::new(&instance.root);
            let Some(containers) = &containers else { break };
            let (text, _) = expected::expected(&scene.dirs, instance, containers);
            if names::published(&scene.dirs, root).ok().flatten().unwrap_or_default() != text {
                let what = format!("The names of `{}` lead elsewhere than its services", instance.name);
                found.push(
                    Finding::problem("names-stale", what)
                        .at(&names::file(&scene.dirs, root))
                        .why("They lead nowhere, or to a container that has the address now")
                        .remedy("silo doctor --fix")
                        .fix(Fix::Names(root.to_path_buf())),
                );
            }
        }
    }
    if let Some(server) = dns::recorded(&scene.dirs).filter(|server| !server.serves()) {
        found.push(
            Finding::problem(
                "dns-down",
                format!("The name server on 127.0.0.1:{} has ended or does not answer", server.port),
            )
            .at(&scene.dirs.dns())
            .why("No name of a service is found")
            .remedy("silo dns up")
            .fix(Fix::Dns),
        );
    }
    found
}

/// The files that belong to no instance. An instance has its lease before its file, and for a moment less long.
fn left(scene: &Scene) -> Vec<PathBuf> {
    let now = || {
        let files = files::names_in(&names::folder(&scene.dirs));
        let leases = registry::peek(&scene.dirs).unwrap_or_default();
        let ids: Vec<String> = leases.instances.iter().map(|one| digest::root_id(one.root.as_bytes())).collect();
        let is_left = |file: &PathBuf| !file.file_name().is_some_and(|name| ids.iter().any(|id| name == id.as_str()));
        files.into_iter().filter(is_left).collect::<Vec<_>>()
    };
    let mut left = now();
    if !left.is_empty() {
        std::thread::sleep(MOMENT);
        let still = now();
        left.retain(|file| still.contains(file));
    }
    left
}
