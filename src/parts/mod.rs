//! What an instance can run (D21), and what the commands share to run it.
//!
//! A part answers the questions of [`Part`]; [`ALL`] is the one list of them. A new part is a file here, its keys in
//! `core/config` and its page.

pub mod agents;
mod announcement;
pub mod beside;
mod cluster;
pub mod context;
pub mod dns;
pub mod enter;
mod fill;
pub mod finding;
pub mod gaps;
pub mod holder;
pub mod kept;
pub mod leftovers;
pub mod lifecycle;
pub mod look;
pub mod memory;
pub mod moved;
pub mod named;
pub mod names;
pub mod nearby;
pub mod neighbours;
pub mod part;
pub mod ready;
pub mod renaming;
pub mod scan;
pub mod scope;
pub mod seen;
pub mod server;
pub mod servers;
pub mod services;
pub mod shared;
pub mod starter;
pub mod strangers;
pub mod strays;
mod tilt;
pub mod told;
pub mod tools;
pub mod turn;
pub mod unread;
pub mod wanted;
pub mod workspace;

use std::path::Path;

use crate::core::config::{Gate, Settings};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use context::Context;
use leftovers::{Claim, Inventory, Leftovers};
use part::{Declared, Part};

pub use tilt::extension;

/// Every part, in the order in which they are brought up; they are taken down the other way round.
pub const ALL: [&dyn Part; 5] =
    [&services::Services, &agents::Agents, &cluster::Cluster, &announcement::Announcement, &tilt::Tilt];

/// The parts that a project has.
pub fn declared(settings: &Settings, root: &Path) -> Vec<&'static dyn Part> {
    let with = |wanted| ALL.into_iter().filter(move |part| part.declared(settings, root) == wanted);
    let mut parts: Vec<_> = with(Declared::Yes).collect();
    if parts.iter().any(|part| part.is_left_to_others(settings)) {
        let others_start = parts.iter().any(|part| !part.scan(root).compose_files.is_empty());
        parts.retain(|part| !(others_start && part.is_left_to_others(settings)));
    }
    if parts.is_empty() { with(Declared::Alone).collect() } else { parts }
}

/// Whether a project has something to run.
pub fn can_run(settings: &Settings, root: &Path) -> bool {
    declared(settings, root).iter().any(|part| !part.lacks_files(settings, root))
}

/// Whether a project has this part.
pub fn has(part: &dyn Part, settings: &Settings, root: &Path) -> bool {
    declared(settings, root).iter().any(|declared| declared.title() == part.title())
}

/// The part a gate needs; none where it needs only the vars.
pub fn behind(gate: Gate) -> Option<&'static dyn Part> {
    ALL.into_iter().find(|part| part.gate() == Some(gate))
}

/// Makes sure that the tools of some parts are installed.
///
/// # Errors
/// A [`Failure`] that names all that are not, and how to install them.
pub fn require(parts: &[&dyn Part], environment: &Environment) -> Result<(), Failure> {
    let lacks = |part: &&&dyn Part| !tools::missing(part.tools(), environment).is_empty();
    let missing = tools::missing(parts.iter().flat_map(|part| part.tools()), environment);
    let hints = parts.iter().filter(lacks).filter_map(|part| part.without_tools());
    match tools::refusal(&missing) {
        Some(failure) => Err(hints.fold(failure, Failure::hint)),
        None => Ok(()),
    }
}

/// What the instance of a root that is gone left in Docker, as far as its claim goes.
pub fn left(inventory: &Inventory, claim: &Claim) -> Leftovers {
    let own = ALL.into_iter().flat_map(|part| part.left(inventory, claim));
    own.chain(inventory.of_compose(claim)).collect()
}

/// Brings to its end what goes on of a root that is gone.
///
/// # Errors
/// A [`Failure`] of the first part that cannot.
pub fn finish(context: &Context, root: &Path) -> Result<(), Failure> {
    ALL.into_iter().try_for_each(|part| part.finish(context, root))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::left;
    use super::leftovers::{Claim, Inventory, Kind, Labelled, Leftovers};
    use crate::backend::agents_left::OfAgents;

    fn pairs(list: &[(&str, &str)]) -> Vec<Labelled> {
        list.iter().map(|(name, owner)| ((*name).to_owned(), (*owner).to_owned())).collect()
    }

    #[test]
    fn only_what_a_label_or_the_exact_name_proves_is_an_instances() {
        let inventory = Inventory {
            clusters: pairs(&[
                ("localnet-x", "id-x"),
                ("localnet-x-2", "id-2"),
                ("localnet-y", "id-y"),
                // Somebody's container has the id.
                ("production", "id-x"),
            ]),
            registries: pairs(&[
                ("localnet-x-registry.localhost", "localnet-x"),
                ("localnet-y-registry.localhost", "localnet-y"),
                ("shared-registry", "localnet-x"),
            ]),
            containers: pairs(&[("x-db-1", "localnet-x"), ("x2-db-1", "localnet-x-2")]),
            networks: pairs(&[
                ("localnet-x", ""),
                ("localnet-x_default", "localnet-x"),
                ("localnet-x-2", ""),
                ("bridge", ""),
                ("localnet-old", "somebody"),
                ("k3d-localnet-x", ""),
                ("k3d-localnet-old", ""),
                ("k3d-localnet-z", ""),
            ]),
            volumes: pairs(&[
                ("localnet-x_data", "localnet-x"),
                ("localnet-x-data", ""),
                ("localnet-x_keep", "localnet-x"),
                ("localnet-x_own", ""),
            ]),
            images: pairs(&[
                ("localnet-x-web", "localnet-x"),
                ("localnet-x-2-web", "localnet-x"),
                ("localnet-x2", "localnet-x"),
                ("shop:1", "localnet-x"),
            ]),
            copiers: pairs(&[
                ("silo-seed-id-x-localnet-x_v", "id-x"),
                ("any", "id-x"),
                ("silo-seed-id-x-localnet-x_w", "id-y"),
            ]),
            living: BTreeMap::new(),
            bearers: BTreeMap::new(),
            agents: OfAgents {
                containers: pairs(&[("silo-agent-r-1", "id-a"), ("silo-agent-r-2", "id-x-2")]),
                networks: pairs(&[("silo-agent-r-1", "id-a")]),
                images: pairs(&[("silo-agent/id-a-r", "id-a"), ("silo-agent/id-old-r", "id-old")]),
            },
        };
        let claim = |id: &str, names: &[&str], sole| Claim {
            ids: vec![id.to_owned()],
            had: ["localnet-x", "localnet-old"].map(str::to_owned).to_vec(),
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            noted: Vec::new(),
            kept: vec!["localnet-x_keep".to_owned()],
            sole,
        };
        let all = left(&inventory, &claim("id-x", &["localnet-x", "localnet-old"], true));
        assert_eq!(
            all.lines(),
            [
                "cluster localnet-x",
                "containers localnet-x-registry.localhost, x-db-1, silo-seed-id-x-localnet-x_v",
                "networks k3d-localnet-old, localnet-x, localnet-x_default",
                "volume localnet-x_data",
                "images localnet-x-2-web, localnet-x-web",
            ]
        );
        let own = claim("id-x", &["localnet-x"], true);
        assert_eq!(inventory.kept(&own).collect::<Vec<_>>(), ["localnet-x_keep", "localnet-x_own"]);
        // What has another instance's id is that one's, and so is all of its project.
        let mut shared = inventory.clone();
        shared.bearers.insert("localnet-x".to_owned(), ["id-x", "id-other"].map(str::to_owned).into());
        assert_eq!(shared.others(&own).collect::<Vec<_>>(), ["localnet-x"]);
        assert_eq!(left(&shared, &own).named(Kind::Volume), [""; 0]);
        // The cluster of that name is another root's now, and so is its registry.
        assert_eq!(left(&inventory, &claim("id-z", &["localnet-y"], true)), Leftovers::default());
        // Where an id is somebody else's too, the name must be the instance's own.
        assert_eq!(left(&inventory, &claim("id-x", &["localnet-y"], false)), Leftovers::default());
        assert_eq!(left(&inventory, &claim("id-x", &[], true)).lines(), ["cluster localnet-x"]);
        // What is of agents is an instance's by its id, and that of a root which another has taken over is that one's.
        let agents = ["container silo-agent-r-1", "network silo-agent-r-1", "image silo-agent/id-a-r"];
        assert_eq!(left(&inventory, &claim("id-a", &[], true)).lines(), agents);
        assert_eq!(left(&inventory, &claim("id-a", &[], false)), Leftovers::default());
        let heir = Claim { ids: ["id-a", "id-old"].map(str::to_owned).to_vec(), ..claim("id-a", &[], true) };
        let images = left(&inventory, &heir);
        assert_eq!(images.named(Kind::Image), ["silo-agent/id-a-r", "silo-agent/id-old-r"]);
        // What has no label is its own by what silo has noted alone.
        let inventory =
            Inventory { clusters: pairs(&[("localnet-x", ""), ("localnet-z", "")]), ..Inventory::default() };
        assert_eq!(left(&inventory, &claim("id-x", &["localnet-x"], true)), Leftovers::default());
        let noted = Claim { noted: vec!["localnet-x".to_owned()], ..claim("id-x", &["localnet-x"], true) };
        assert_eq!(left(&inventory, &noted).lines(), ["cluster localnet-x"]);
    }
}
