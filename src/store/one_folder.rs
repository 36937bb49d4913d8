//! One folder under two paths (a bind mount, a disk that is mounted twice, other capitals where the disk does not tell them
//! apart) is one root: its instance is that of the path under which it has one already (D102). Two instances would
//! overwrite each other's files in it.

use std::path::{Path, PathBuf};

use super::project::{self, Project};
use super::{history, registry};
use crate::core::leases::{Instance, Leases};
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// A project whose folder has its instance under another path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtherPath {
    /// The project under the path it is registered with.
    pub project: Project,
    /// The path it was found under.
    pub found: PathBuf,
}

/// The project of the very same folder under the path that is registered; none where this path has an entry of its own, or
/// no other has. A registry that cannot be read says nothing here.
pub fn registered(dirs: &Dirs, project: &Project) -> Option<OtherPath> {
    let leases = registry::peek(dirs).ok()?;
    let root = PathBuf::from(&holder(dirs, &leases, project)?.root);
    let project_there = Project::read(&root.join(project.file.file_name()?)).ok()?;
    Some(OtherPath { project: project_there, found: project.root.clone() })
}

/// The entry of the very same folder under another path. Only paths that may well be it are asked for, so that a dead
/// network folder elsewhere holds up nobody: those whose name the lockfile in this folder tells, or else those that have the
/// number of this folder; for an entry without one its history is asked.
pub(super) fn holder<'a>(dirs: &Dirs, leases: &'a Leases, project: &Project) -> Option<&'a Instance> {
    if leases.at(project.root_text()).is_some() {
        return None;
    }
    let lockfile = project::lockfile_of(&project.root).ok().flatten();
    let number = files::number(&project.root);
    let may_be = |entry: &&Instance| match &lockfile {
        Some((lockfile, _)) => entry.name == lockfile.instance.name,
        None if entry.folder.is_some() => entry.folder == number,
        None => history::of(dirs, Path::new(&entry.root)).is_some_and(|history| history.folder == number),
    };
    leases.instances.iter().filter(may_be).find(|entry| files::same(Path::new(&entry.root), &project.root))
}
