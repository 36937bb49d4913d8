//! A root that is gone, as `silo prune` sees it.

use std::path::PathBuf;

use crate::core::leases::Instance;
use crate::parts::leftovers::Leftovers;
use crate::parts::neighbours::Neighbours;

/// A root that is gone, and what there still is of its instance.
pub(super) struct GoneRoot {
    pub(super) root: PathBuf,
    /// Its entry in the registry; none when that was freed before.
    pub(super) entry: Option<Instance>,
    /// Every name its instance has had.
    pub(super) names: Vec<String>,
    pub(super) left: Leftovers,
    /// What is kept, for nothing proves it its own, each with the reason.
    pub(super) unproved: Vec<String>,
}

impl GoneRoot {
    /// As all roots together describe it; `entry` is its own in the registry.
    pub(super) fn of(neighbours: &Neighbours, root: PathBuf, entry: Option<&Instance>) -> Self {
        let names = neighbours.names(&root, entry);
        Self { root, entry: entry.cloned(), names, left: Leftovers::default(), unproved: Vec::new() }
    }
}
