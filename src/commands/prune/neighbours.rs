//! All roots silo knows, seen once and side by side: what one that is gone left is its own only as far as no other root can
//! claim it.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::Doomed;
use crate::backend::leftovers::{Claim, Leftovers};
use crate::core::leases::{Instance, Leases};
use crate::core::text::digest;
use crate::failure::Failure;
use crate::store::memo::{self, Memo};
use crate::store::registry;
use crate::sys::dirs::Dirs;

/// What is known of all roots at one moment.
pub(super) struct Neighbours {
    pub(super) leases: Leases,
    /// Sorted by root.
    pub(super) memos: Vec<Memo>,
    /// Ids that have an heir.
    inherited: HashSet<String>,
    /// Roots with a memo that are there, or on a disk that only is not mounted.
    living: HashSet<String>,
}

impl Neighbours {
    /// Looks at all of them.
    pub(super) fn gather(dirs: &Dirs) -> Result<Self, Failure> {
        let leases = registry::peek(dirs)?;
        let memos = memo::all(dirs);
        let roots = memos.iter().map(|memo| &memo.root);
        let living = roots.filter(|root| memo::lives(dirs, Path::new(root))).cloned().collect();
        let inherited = memos.iter().flat_map(|memo| memo.heir_of.iter().cloned()).collect();
        Ok(Self { leases, memos, inherited, living })
    }

    /// A root that is gone, and its entry in the registry if it has one.
    pub(super) fn doomed(&self, root: PathBuf, entry: Option<&Instance>) -> Doomed {
        let had = self.memo(&root).map_or_else(Vec::new, |memo| memo.names.clone());
        let mut names: Vec<String> = had.into_iter().chain(entry.map(Instance::qualified)).collect();
        names.sort();
        names.dedup();
        Doomed { root, entry: entry.cloned(), names, left: Leftovers::default() }
    }

    /// By what the things of a gone root are known. A name that another root has, or had and is still there, proves
    /// nothing, for the things under it may be that root's; and an id that another has taken over proves nothing alone.
    pub(super) fn claim(&self, root: &Path, names: &[String]) -> Claim {
        let text = root.to_string_lossy();
        let others = || self.memos.iter().filter(|memo| memo.root != text && self.living.contains(&memo.root));
        let is_free = |name: &String| {
            self.leases.named(name).is_none_or(|holder| holder.root == text)
                && !others().any(|other| other.names.contains(name))
        };
        let own = id(root);
        let sole = !self.inherited.contains(&own);
        let mut ids = self.memo(root).map_or_else(|| vec![own.clone()], Memo::ids);
        ids.retain(|id| *id == own || !others().any(|other| other.ids().contains(id)));
        Claim { ids, had: names.to_vec(), names: names.iter().filter(|name| is_free(name)).cloned().collect(), sole }
    }

    fn memo(&self, root: &Path) -> Option<&Memo> {
        let at = self.memos.binary_search_by_key(&root.to_str()?, |memo| &memo.root).ok()?;
        self.memos.get(at)
    }
}

fn id(root: &Path) -> String {
    digest::root_id(root.as_os_str().as_encoded_bytes())
}
