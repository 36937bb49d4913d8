//! The user's decision on what is to run (D31), in the registry: set by what brings up, cleared by what takes down. It is written only
//! when it changes, and no stamp follows from it, so no shell activates again.

use super::registry;
use crate::core::leases::{Leases, Wanted, Wish};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::lock::Wait;
use crate::sys::processes;

/// The proxy that serves routes, as a program of silo's own that can be wanted.
pub const PROXY: &str = "proxy";
/// The user's own name server.
pub const DNS: &str = "dns";

/// The user says that these are to be up.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read or written.
pub fn add(dirs: &Dirs, root: &str, wait: &Wait<'_>, wishes: &[Wish]) -> Result<(), Failure> {
    change(dirs, root, wait, |wanted| wanted.add(wishes.iter().cloned()))
}

/// A gate has brought these up by itself; where the machine does not tell its starts apart, nothing is remembered.
///
/// # Errors
/// As [`add`].
pub fn add_by_gate(dirs: &Dirs, root: &str, wait: &Wait<'_>, wishes: &[Wish]) -> Result<(), Failure> {
    let Some(boot) = processes::boot() else { return Ok(()) };
    change(dirs, root, wait, |wanted| wanted.add_by_gate(wishes.iter().cloned(), &boot))
}

/// Those for which it is so are no longer wanted.
///
/// # Errors
/// As [`add`].
pub fn drop_if(dirs: &Dirs, root: &str, wait: &Wait<'_>, is_so: impl Fn(&Wish) -> bool) -> Result<(), Failure> {
    change(dirs, root, wait, |wanted| wanted.drop_if(&is_so))
}

fn change(dirs: &Dirs, root: &str, wait: &Wait<'_>, act: impl Fn(&mut Wanted)) -> Result<(), Failure> {
    let changed = |leases: &Leases| {
        let held = &leases.at(root)?.wanted;
        let mut wanted = held.clone();
        act(&mut wanted);
        (wanted != *held).then_some(wanted)
    };
    // Without the lock first: nearly always it is so already.
    if changed(&registry::peek(dirs)?).is_none() {
        return Ok(());
    }
    registry::with_lock(dirs, wait, |locked| {
        let Some(wanted) = changed(&locked.leases) else { return Ok(()) };
        locked.leases.instances.iter_mut().filter(|one| one.root == root).for_each(|one| one.wanted = wanted.clone());
        locked.save()
    })
}

/// Whether a program of silo's own is to run.
///
/// # Errors
/// As [`add`].
pub fn server(dirs: &Dirs, wait: &Wait<'_>, name: &str, is_wanted: bool) -> Result<(), Failure> {
    if registry::peek(dirs)?.wanted.iter().any(|one| one == name) == is_wanted {
        return Ok(());
    }
    registry::with_lock(dirs, wait, |locked| {
        locked.leases.wanted.retain(|one| one != name);
        locked.leases.wanted.extend(is_wanted.then(|| name.to_owned()));
        locked.save()
    })
}
