//! What the instance of a root that is there has in Docker: what outlives it there, and what is left under a name it no longer
//! has. It is named, never removed.

use std::path::{Path, PathBuf};

use super::context::Context;
use super::leftovers::{Cleaner, Inventory, Kind, Leftovers};
use super::look;
use super::neighbours::Neighbours;
use crate::backend::agents_left::OfAgents;
use crate::core::config::API_PORT;
use crate::core::instance::name;
use crate::core::leases::Instance;
use crate::store::history::{self, History};
use crate::store::instances::Settled;
use crate::store::project::Project;
use crate::sys::dirs::Dirs;

/// What lies in Docker of the instance of a root, by each name it has had, oldest first; names without anything are left out.
pub struct Kept(Vec<(String, Leftovers)>);

impl Kept {
    /// Under every name.
    pub fn of_all(inventory: &Inventory, neighbours: &Neighbours, root: &Path) -> Self {
        let entry = neighbours.leases.at(&root.to_string_lossy());
        let names = neighbours.names(root, entry);
        Self(names.into_iter().map(|name| (name.clone(), left(inventory, neighbours, root, &name))).collect()).tidied()
    }

    /// Under the names it no longer has, and a cluster that its profile no longer has.
    pub fn of_earlier(inventory: &Inventory, neighbours: &Neighbours, root: &Path) -> Self {
        let entry = neighbours.leases.at(&root.to_string_lossy());
        let now = entry.map(Instance::qualified);
        let mut all = Self::of_all(inventory, neighbours, root);
        let has_cluster = entry.is_none_or(|entry| entry.ports.contains_key(API_PORT));
        for (_, left) in all.0.iter_mut().filter(|(name, _)| Some(name) == now.as_ref()) {
            *left = if has_cluster { Leftovers::default() } else { left.only(Kind::Cluster, left) };
        }
        all.tidied()
    }

    fn tidied(mut self) -> Self {
        self.0.retain(|(_, left)| !left.is_none());
        self
    }

    /// A line for each name, with what makes it the instance's again.
    pub fn lines(&self, prefix: &str) -> Vec<String> {
        let line = |(qualified, left): &(String, Leftovers)| {
            let what = left.lines().join(", ");
            match qualified.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')) {
                Some(name) => format!("Left in Docker: {what}; to use it again: `silo env {name}`"),
                None => format!("Left in Docker of `{qualified}`: {what}"),
            }
        };
        self.0.iter().map(line).collect()
    }
}

/// The roots that are there and whose instance has had another name, or a cluster that it has no port for: what could be left of
/// it is looked for in Docker.
pub fn roots(dirs: &Dirs, neighbours: &Neighbours) -> Vec<PathBuf> {
    let could = |history: &&History| {
        let entry = neighbours.leases.at(&history.root);
        let is_now = |name: &String| entry.is_some_and(|entry| entry.qualified() == *name);
        let has_cluster = entry.is_some_and(|entry| entry.ports.contains_key(API_PORT));
        !history.names.iter().all(is_now) || !history.clusters.is_empty() && !has_cluster
    };
    let there = neighbours.histories.iter().filter(could).map(|history| PathBuf::from(&history.root));
    there.filter(|root| look::missing(dirs, root).is_none()).collect()
}

/// Says what an instance that is new, or has a new name, left in Docker under its old names.
pub fn tell_of_earlier(context: &Context, project: &Project, settled: &Settled) {
    if settled.registered.is_some() && settled.renamed_from.is_none() {
        return;
    }
    let now = settled.identity.compose_name.as_str();
    // Where it never had another name, Docker is not asked.
    if history::of(&context.dirs, &project.root).is_none_or(|history| history.names.iter().all(|name| name == now)) {
        return;
    }
    let Some((inventory, neighbours)) = stock(context) else { return };
    for line in Kept::of_earlier(&inventory, &neighbours, &project.root).lines(&settled.identity.prefix) {
        context.ui.step(&line);
    }
}

/// A line for each kept volume of a root which is gone, and for each cluster that silo has noted for it and that nothing else proves
/// its own: an older silo's bear
/// no label, and by now somebody else may have made one of that name.
pub fn unproved(inventory: &Inventory, neighbours: &Neighbours, root: &Path) -> Vec<String> {
    let noted = neighbours.history(root).map_or(&[][..], |history| &history.clusters);
    let all = inventory.clusters.iter().filter(|(name, owner)| owner.is_empty() && noted.contains(name));
    let line = |name: &String| {
        format!("Kept: cluster {name}, for it has no label of silo's; if nobody needs it: `k3d cluster delete {name}`")
    };
    let clusters = all.map(|(name, _)| line(name));
    let claim = neighbours.claim(root, &neighbours.names(root, neighbours.leases.at(&root.to_string_lossy())));
    let volume = |name: &String| {
        let why = match claim.kept.contains(name) {
            true => "which `keep` names",
            false => "for compose did not make it",
        };
        format!("Kept: volume {name}, {why}; if nobody needs it: `docker volume rm {name}`")
    };
    clusters.chain(inventory.kept(&claim).map(volume)).collect()
}

/// Takes stock of Docker for a command that does not need it: none where it is not there or does not answer.
pub fn stock(context: &Context) -> Option<(Inventory, Neighbours)> {
    let outside = context.outside();
    let cleaner = Cleaner { environment: &outside };
    let inventory = cleaner.is_there().then(|| cleaner.inventory())?;
    match inventory.and_then(|inventory| Ok((inventory, Neighbours::gather(&context.dirs)?))) {
        Ok(both) => Some(both),
        Err(failure) => {
            context.ui.detail(&failure.what);
            None
        }
    }
}

fn left(inventory: &Inventory, neighbours: &Neighbours, root: &Path, name: &str) -> Leftovers {
    let mut inventory = inventory.clone();
    // A project that is used in a folder is somebody's who lives; here it is this instance's own.
    inventory.living.retain(|_, folder| !Path::new(folder).starts_with(root));
    let mut claim = neighbours.claim(root, &[name.to_owned()]);
    let noted = neighbours.history(root).map_or_else(Vec::new, |history| history.clusters.clone());
    // What is of agents has the instance's id, whatever its name: it is told under the one it has now.
    let now = neighbours.leases.at(&root.to_string_lossy()).map(Instance::qualified);
    if now.is_some_and(|now| now != name) {
        inventory.agents = OfAgents::default();
    }
    claim.noted = noted.into_iter().filter(|cluster| *cluster == name::k3d(name)).collect();
    super::left(&inventory, &claim)
}
