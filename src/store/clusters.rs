//! The clusters an instance has made: remembered in the history of its root until they are known to be gone, whatever the
//! instance is called or its profile has by then.

use std::path::Path;

use super::{history, registry};
use crate::core::instance::name;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;

/// What is known of the clusters of one root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Made {
    /// Those it made and that are not known to be gone.
    pub noted: Vec<String>,
    /// The names that a cluster of its may have: of every name it has had.
    names: Vec<String>,
    /// The ids its clusters are labelled with.
    pub ids: Vec<String>,
}

impl Made {
    /// Of the instance of a root.
    pub fn of(dirs: &Dirs, root: &Path) -> Self {
        let ids = history::ids(dirs, root);
        let Some(history) = history::of(dirs, root) else { return Self { ids, ..Self::default() } };
        let names = history.names.iter().map(|name| name::k3d(name)).collect();
        Self { noted: history.clusters, names, ids }
    }

    /// Whether a cluster is the instance's, by the id its label names: a label alone proves nothing, for anybody may write one, and
    /// without one silo must have noted it.
    pub fn has(&self, cluster: &str, owner: Option<&String>) -> bool {
        let is = |one: &String| one == cluster;
        match owner {
            Some(owner) => self.ids.contains(owner) && (self.names.iter().any(is) || self.noted.iter().any(is)),
            None => self.noted.iter().any(is),
        }
    }

    /// Whether a cluster of this name could be the instance's.
    pub fn may_have(&self, cluster: &str) -> bool {
        self.names.iter().chain(&self.noted).any(|one| one == cluster)
    }
}

/// Remembers that a cluster was made for the instance of a root, or is gone; under the registry's lock, as the rest of a history.
///
/// # Errors
/// A [`Failure`] when the lock is not available in time, or that names the path.
pub fn note(dirs: &Dirs, root: &Path, wait: &Wait<'_>, cluster: &str, is_there: bool) -> Result<(), Failure> {
    registry::with_lock(dirs, wait, |_| history::note_cluster(dirs, root, cluster, is_there))
}
