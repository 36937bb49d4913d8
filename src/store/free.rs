//! Letting go of what an instance holds: its leases and its stamp, and what silo keeps for it, all under the registry's
//! lock, so that nobody settles it again in between.

use std::path::Path;

use super::gateway::keys;
use super::project::Project;
use super::{history, names, registry, routes, stamp};
use crate::core::leases::Leases;
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::lock::Wait;

/// Releases what the instance of a root that is there holds, and removes its files in the project.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read or written, or a file not be removed.
pub fn own(dirs: &Dirs, root: &Path, project_files: &[&Path], wait: &Wait<'_>) -> Result<(), Failure> {
    registry::with_lock(dirs, wait, |locked| {
        stamp::invalidate(dirs, root)?;
        names::publish(dirs, root, "")?;
        locked.leases.release(&root.to_string_lossy());
        locked.save()?;
        routes::forget(dirs, root)?;
        keys::release(dirs, root)?;
        project_files.iter().try_for_each(|file| files::remove(file))
    })
}

/// Whether nothing is held for a root that is there: its instance was released, or there never was one. A registry that
/// cannot be read says nothing.
pub fn is_let_go(dirs: &Dirs, project: &Project) -> bool {
    registry::peek(dirs).is_ok_and(|leases| !is_held(&leases, project))
}

/// Whether these leases or a lockfile report an instance of this root.
pub(super) fn is_held(leases: &Leases, project: &Project) -> bool {
    leases.at(project.root_text()).is_some() || files::exists(&project.lockfile_path())
}

/// What became of a root in [`gone`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is gone, and held so many ports until now.
    Freed(usize),
    /// It is there again and keeps what it holds.
    Back,
}

/// Releases what roots that are gone hold, and forgets those for which the flag is set. Each is looked at again under
/// the registry's lock.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read or written.
pub fn gone(dirs: &Dirs, roots: &[(&Path, bool)], wait: &Wait<'_>) -> Result<Vec<Fate>, Failure> {
    registry::with_lock(dirs, wait, |locked| {
        let (mut fates, mut changed) = (Vec::new(), false);
        for (root, _) in roots {
            let text = root.to_string_lossy();
            let held = locked.leases.at(&text).map(|entry| entry.held().count());
            fates.push(match held {
                _ if files::exists(root) => Fate::Back,
                None => Fate::Freed(0),
                Some(ports) => {
                    stamp::invalidate(dirs, root)?;
                    names::publish(dirs, root, "")?;
                    locked.leases.release(&text);
                    changed = true;
                    Fate::Freed(ports)
                }
            });
        }
        if changed {
            locked.save()?;
        }
        for ((root, forget), fate) in roots.iter().zip(&fates) {
            if *forget && *fate != Fate::Back {
                keys::release(dirs, root)?;
                history::forget(dirs, root)?;
            }
        }
        Ok(fates)
    })
}
