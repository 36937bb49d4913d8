//! All roots silo knows, seen once and side by side: what one left is its own only as far as no other root can
//! claim it.

use std::collections::HashSet;
use std::path::Path;

use super::leftovers::Claim;
use crate::core::leases::{Instance, Leases};
use crate::core::text::digest;
use crate::failure::Failure;
use crate::store::history::{self, History};
use crate::store::registry;
use crate::sys::dirs::Dirs;

/// What is known of all roots at one moment.
pub struct Neighbours {
    /// The registry.
    pub leases: Leases,
    /// Sorted by root.
    pub histories: Vec<History>,
    /// Ids that have an heir.
    inherited: HashSet<String>,
    /// Roots with a history that are there, or on a disk that only is not mounted.
    living: HashSet<String>,
}

impl Neighbours {
    /// Looks at all of them.
    ///
    /// # Errors
    /// A [`Failure`] when the registry cannot be read.
    pub fn gather(dirs: &Dirs) -> Result<Self, Failure> {
        let leases = registry::peek(dirs)?;
        let histories = history::all(dirs);
        let roots = histories.iter().map(|history| &history.root);
        let living = roots.filter(|root| history::lives(dirs, Path::new(root))).cloned().collect();
        let inherited = histories.iter().flat_map(|history| history.heir_of.iter().cloned()).collect();
        Ok(Self { leases, histories, inherited, living })
    }

    /// Every name the instance of a root has or has had.
    pub fn names(&self, root: &Path, entry: Option<&Instance>) -> Vec<String> {
        let had = self.history(root).map_or_else(Vec::new, |history| history.names.clone());
        let mut names: Vec<String> = had.into_iter().chain(entry.map(Instance::qualified)).collect();
        names.sort();
        names.dedup();
        names
    }

    /// By what the things of a root are known. A name that another root has, or had and is still there, proves
    /// nothing, for the things under it may be that root's; and an id that another has taken over proves nothing alone.
    pub fn claim(&self, root: &Path, names: &[String]) -> Claim {
        let text = root.to_string_lossy();
        let others =
            || self.histories.iter().filter(|history| history.root != text && self.living.contains(&history.root));
        let is_free = |name: &String| {
            self.leases.named(name).is_none_or(|holder| holder.root == text)
                && !others().any(|other| other.names.contains(name))
        };
        let own = id(root);
        let sole = !self.inherited.contains(&own);
        let mut ids = self.history(root).map_or_else(|| vec![own.clone()], History::ids);
        ids.retain(|id| *id == own || !others().any(|other| other.ids().contains(id)));
        let free = names.iter().filter(|name| is_free(name)).cloned().collect();
        let kept = self.history(root).map_or_else(Vec::new, |history| history.kept.clone());
        Claim { ids, had: names.to_vec(), names: free, noted: Vec::new(), kept, sole }
    }

    /// The history of a root.
    pub fn history(&self, root: &Path) -> Option<&History> {
        let at = self.histories.binary_search_by_key(&root.to_str()?, |history| &history.root).ok()?;
        self.histories.get(at)
    }
}

fn id(root: &Path) -> String {
    digest::root_id(root.as_os_str().as_encoded_bytes())
}
