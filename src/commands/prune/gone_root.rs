//! A root that is gone, as `silo prune` sees it.

use std::path::PathBuf;

use crate::core::leases::Instance;
use crate::parts::leftovers::Leftovers;

/// A root that is gone, and what there still is of its instance.
pub(super) struct GoneRoot {
    pub(super) root: PathBuf,
    /// Its entry in the registry; none when that was freed before.
    pub(super) entry: Option<Instance>,
    /// Every name its instance has had.
    pub(super) names: Vec<String>,
    pub(super) left: Leftovers,
}
