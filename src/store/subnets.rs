//! Leasing a subnet, and numbers for the services in it, under the registry's lock like everything that is leased (D26). What else
//! uses addresses on this machine was asked before: no program runs while the lock is held.

use super::project::Project;
use super::registry;
use super::stamp;
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::Instance;
use crate::core::leases::subnet::{self, Addresses, Range};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;

/// What a subnet is wanted for.
pub struct Wish<'a> {
    /// The user's folders.
    pub dirs: &'a Dirs,
    /// The project.
    pub project: &'a Project,
    /// Where subnets come from.
    pub pool: Range,
    /// What routes and others' networks use.
    pub used: &'a [Range],
    /// Where in the pool to begin.
    pub place: u64,
    /// The numbers of the services, given those that are known.
    pub numbered: &'a dyn Fn(&Addresses) -> Addresses,
    /// The registry's time.
    pub now: &'a str,
}

/// A subnet that is held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The subnet.
    pub subnet: Range,
    /// The numbers of the services in it.
    pub addresses: Addresses,
    /// The one that was held before and is used by something else now.
    pub left: Option<Range>,
}

/// The subnet and the numbers of an instance; nothing is written where both are known.
///
/// # Errors
/// A [`Failure`] when the pool has no subnet that is free, or the registry or the lockfile cannot be read or written.
pub fn lease(wish: &Wish<'_>, wait: &Wait<'_>) -> Result<Held, Failure> {
    let root = wish.project.root_text();
    let known = registry::peek(wish.dirs)?;
    if let Some(entry) = known.at(root)
        && let Some(subnet) = entry.subnet.filter(|subnet| is_free(wish, *subnet))
        && (wish.numbered)(&entry.addresses) == entry.addresses
    {
        return Ok(Held { subnet, addresses: entry.addresses.clone(), left: None });
    }
    registry::with_lock(wish.dirs, wait, |locked| {
        let others = locked.leases.subnets_of_others(root);
        let (mut lockfile, _) = wish.project.lockfile()?.unzip();
        let Some(entry) = locked.leases.instances.iter_mut().find(|one| one.root == root) else {
            return Err(Failure { transient: true, ..Failure::new("The instance was released meanwhile") });
        };
        let remembered = lockfile.as_ref().map(|lockfile| lockfile.instance.subnet);
        let is_to_be_had = |subnet: &Range| !others.contains(subnet) && is_free(wish, *subnet);
        // What a lockfile remembers may be a stranger's word, and counts as far as it is one of the pool.
        let in_pool = |subnet: &Range| wish.pool.overlaps(*subnet);
        let kept = entry.subnet.filter(is_to_be_had);
        let kept = kept.or_else(|| remembered.flatten().filter(is_to_be_had).filter(in_pool));
        let taken: Vec<Range> = others.iter().chain(wish.used).copied().collect();
        let chosen = kept.or_else(|| subnet::choose(wish.pool, &taken, wish.place));
        let subnet = chosen.ok_or_else(|| full(wish.pool, others.len()))?;
        let left = entry.subnet.filter(|before| *before != subnet);
        let lockfile_numbers =
            lockfile.as_ref().map(|lockfile| lockfile.instance.addresses.clone()).unwrap_or_default();
        let before = if entry.addresses.is_empty() { distinct(lockfile_numbers) } else { entry.addresses.clone() };
        let addresses = (wish.numbered)(&before);
        if (entry.subnet, &entry.addresses) != (Some(subnet), &addresses) {
            *entry = Instance {
                subnet: Some(subnet),
                addresses: addresses.clone(),
                changed: wish.now.to_owned(),
                ..entry.clone()
            };
            locked.save()?;
        }
        if let Some(lockfile) = &mut lockfile {
            let InstanceState { subnet: told, addresses: numbers, .. } = &mut lockfile.instance;
            if (*told, &*numbers) != (Some(subnet), &addresses) {
                (*told, *numbers) = (Some(subnet), addresses.clone());
                let digest = wish.project.save_lockfile(lockfile)?;
                stamp::renew(wish.dirs, &wish.project.root, &digest)?;
            }
        }
        Ok(Held { subnet, addresses, left })
    })
}

fn is_free(wish: &Wish<'_>, subnet: Range) -> bool {
    !wish.used.iter().any(|used| used.overlaps(subnet))
}

/// Numbers without those that come twice.
fn distinct(numbers: Addresses) -> Addresses {
    let mut seen = std::collections::HashSet::new();
    numbers.into_iter().filter(|(_, number)| seen.insert(*number)).collect()
}

/// What is said where a pool has no subnet left.
pub fn full(pool: Range, leases: usize) -> Failure {
    let subnets = pool.subnets().len();
    Failure::new(format!(
        "No subnet of {pool} is free: {leases} of {subnets} are leased, and routes or networks of Docker use the others"
    ))
    .hint("Free what gone folders hold: `silo prune`")
    .hint("Or name another pool below `[network]` in the settings: `silo doc settings`")
}
