//! What connects instances, against the engine (D26, D28): a link that its instance left behind, one to an instance that is gone, and a
//! shared service that nobody uses.

use std::path::Path;

use super::scene::Scene;
use crate::backend::engine::{Container, Engine};
use crate::core::text::source::one_line;
use crate::failure::quoted;
use crate::parts::finding::Finding;
use crate::parts::shared;

/// Asks the engine, where it is one of this machine; one that does not answer says nothing.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let engine = Engine::of(&scene.outside, Path::new("/")).soon();
    if scene.leases.instances.is_empty() || engine.is_absent() {
        return Vec::new();
    }
    let (Ok(links), Ok(all)) = (engine.links(), engine.containers(None)) else { return Vec::new() };
    let by_id = |id: &str| scene.leases.instances.iter().find(|one| one.id == id);
    let mut found = Vec::new();
    for link in links {
        let has = |project: &str| all.iter().any(|one| one.project == project);
        let name = one_line(&link.name);
        match (by_id(&link.from), by_id(&link.to)) {
            (Some(own), None) => {
                let root = Path::new(&own.root);
                let what = format!("`{}` is linked to `{}`, which is gone", own.name, one_line(link.target()));
                found.push(
                    Finding::note("link-gone", what)
                        .at(root)
                        .why("Nothing is reached by it, and its network has addresses that others could have")
                        .remedy(format!("silo up -d -C {}", quoted(root))),
                );
            }
            (Some(own), Some(_)) if !has(&link.project) => {
                let root = Path::new(&own.root);
                found.push(
                    Finding::note("link-left", format!("The network `{name}` is there, and `{}` is down", own.name))
                        .at(root)
                        .why("Its addresses are nobody else's as long as it is there")
                        .remedy(format!("silo down -C {}", quoted(root))),
                );
            }
            // Between two that are not known here it is another user's.
            (None, Some(own)) => {
                let inside = all.iter().filter(|one| one.networks.contains(&link.name));
                let out = inside.map(|one| format!("docker network disconnect -f {name} {} && ", one_line(&one.name)));
                let what = format!("The network `{name}` links an instance that is gone to `{}`", own.name);
                found.push(
                    Finding::note("link-left", what)
                        .at(Path::new(&own.root))
                        .why("Nobody uses it, and its addresses are nobody else's as long as it is there")
                        .remedy(out.collect::<String>() + &format!("docker network rm {name}")),
                );
            }
            _ => {}
        }
    }
    found.extend(unused(&all));
    found
}

/// Every project of shared services that run and are in no network with a container that is up.
fn unused(all: &[Container]) -> Vec<Finding> {
    let mut projects: Vec<&str> = all
        .iter()
        .filter(|one| !one.shared.is_empty() && one.state == "running")
        .map(|one| one.project.as_str())
        .collect();
    projects.sort_unstable();
    projects.dedup();
    let is_unused = |project: &&str| !shared::is_used(all, project);
    let finding = |project: &str| {
        let of_it = all.iter().filter(|one| one.project == project);
        let services: Vec<String> = of_it.map(|one| one_line(&one.service)).collect();
        Finding::note(
            "share-unused",
            format!("No instance uses what `{}` shares: {}", one_line(project), services.join(", ")),
        )
        .why("It runs on, as after plain `docker rm` of the last one that used it")
        .remedy(format!("docker compose -p {} down", one_line(project)))
    };
    projects.into_iter().filter(is_unused).map(finding).collect()
}
