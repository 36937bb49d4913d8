//! What the project here left in Docker before silo: volumes with data that no instance uses, and services that still run.

use super::scene::Scene;
use crate::core::services::stop_line;
use crate::core::text::suggest::ticked;
use crate::parts::finding::Finding;
use crate::parts::services::{Former, seed_line};

/// Asks the engine; one that does not answer finds nothing.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some((here, settings)) = scene.here.as_ref().zip(scene.settings()) else { return Vec::new() };
    if settings.compose.is_none() {
        return Vec::new();
    }
    let Ok(former) = Former::of(&scene.dirs, &here.root, &settings, &scene.outside) else {
        return Vec::new();
    };
    let volume = |(key, former): &(String, String)| {
        let what = format!("The volume `{former}` is from before silo; the instance has a `{key}` of its own");
        Finding::note("former-volume", what)
            .at(&here.root)
            .why("What the services wrote before silo is in it, and no instance sees that")
            .remedy(format!("{}; or, where nobody needs it: docker volume rm {former}", seed_line(key, former)))
    };
    let running = |(project, services): &(String, Vec<String>)| {
        let what = format!("Services from before silo still run: {}", ticked(services));
        Finding::note("former-services", what)
            .at(&here.root)
            .why("They hold ports of this machine, and write to volumes that no instance sees")
            .remedy(stop_line(project))
    };
    let own = |(key, former): &(String, String)| {
        let what = format!("The volume `{former}` was this instance's `{key}`, which is another one now");
        Finding::note("former-volume", what)
            .at(&here.root)
            .why("What the services wrote before is in it, and the instance does not see that")
            .remedy(format!("{}; or, where nobody needs it: docker volume rm {former}", seed_line(key, former)))
    };
    former
        .volumes
        .iter()
        .map(volume)
        .chain(former.own.iter().map(own))
        .chain(former.running.iter().map(running))
        .collect()
}
