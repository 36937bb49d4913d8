//! What the instances of a workspace run and hold: taken down by their own parts while the folder is there and may act, and
//! swept away by what proves it theirs otherwise.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::super::{consent, down};
use super::furnished;
use crate::core::agents::record::{Run, Stage};
use crate::core::workspaces::record::Workspace;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::leftovers::{Cleaner, Kind};
use crate::parts::neighbours::Neighbours;
use crate::store::agents;
use crate::store::clusters::Made;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{free, history, registry};
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::lock::Wait;

/// The roots of instances in a workspace, those of the registry and those it has forgotten.
pub(super) fn roots(context: &Context, workspace: &Workspace) -> Result<Vec<PathBuf>, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let held = leases.instances.iter().map(|entry| entry.root.clone());
    let had = history::all(&context.dirs).into_iter().map(|history| history.root);
    let mut roots: Vec<PathBuf> = held.chain(had).map(PathBuf::from).collect();
    roots.retain(|root| root.starts_with(&workspace.folder));
    // Who was killed at the first settling has noted nothing of it, and may have made its folder in the state.
    roots.push(furnished::root(workspace));
    roots.sort();
    roots.dedup();
    Ok(roots)
}

/// Takes down what the instances of a workspace run.
///
/// # Errors
/// A [`Failure`] of what does not go down.
pub(super) fn parts(context: &Context, workspace: &Workspace) -> Result<(), Failure> {
    for root in roots(context, workspace)? {
        let inside = context.at(&root);
        let Ok(project) = Project::read(&root.join(CONFIG_NAME)) else { continue };
        // Its hooks, and what its parts read, are programs; what it left in Docker is swept away without them.
        if consent::may_act(&inside, &project)? && project.config().is_ok() {
            down::for_good(&inside, &project)?;
        }
    }
    Ok(())
}

/// Sweeps away what is left of the instances of a workspace whose folder is gone, and frees what they hold.
///
/// # Errors
/// A [`Failure`] when Docker has something of theirs and does not let go, or the registry cannot be written.
pub(super) fn leases(context: &Context, workspace: &Workspace) -> Result<(), Failure> {
    let roots = roots(context, workspace)?;
    let outside = context.outside();
    let cleaner = Cleaner { environment: &outside };
    let mut gone = Vec::new();
    for root in &roots {
        gone.push((root.as_path(), files::exists(root) || sweep(context, cleaner, root)?));
    }
    if gone.iter().any(|(_, is_swept)| !is_swept) {
        context
            .ui
            .warn("Docker does not answer: what was started there stays; `silo prune --all` removes it once it does");
    }
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    free::gone(&context.dirs, &gone, &wait).map(|_| ())
}

/// Whether nothing of a root is left in Docker, as far as anything is known of that: one that does not answer is asked again by
/// `silo prune --all`, which goes by the history of the root.
fn sweep(context: &Context, cleaner: Cleaner<'_>, root: &Path) -> Result<bool, Failure> {
    if !cleaner.is_there() {
        return Ok(true);
    }
    let inventory = match parts::finish(context, root).and_then(|()| cleaner.inventory()) {
        Ok(inventory) => inventory,
        Err(failure) => {
            context.ui.detail(&failure.what);
            return Ok(!has_started(&context.dirs, root));
        }
    };
    let neighbours = Neighbours::gather(&context.dirs)?;
    let entry = neighbours.leases.at(&root.to_string_lossy());
    let claim = neighbours.claim(root, &neighbours.names(root, entry));
    let left = parts::left(&inventory, &claim);
    let kept: Vec<&String> = inventory.kept(&claim).collect();
    if !kept.is_empty() {
        let names: Vec<&str> = kept.iter().map(|name| name.as_str()).collect();
        context.ui.step(&format!("Kept: volumes {}; `docker volume rm` removes them", names.join(", ")));
    }
    for kind in Kind::ALL {
        cleaner.clear(kind, &left.named(kind), context)?;
    }
    Ok(true)
}

/// Whether something of a root has ever been made in Docker, as far as silo has noted it: an override for services,
/// a cluster, or an agent that goes on.
fn has_started(dirs: &Dirs, root: &Path) -> bool {
    let is_override = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"services-"));
    let is_open = |run: &Run| Path::new(&run.root) == root && run.stage != Stage::Ended;
    let has_agents = agents::all(dirs).iter().any(is_open);
    has_agents
        || !Made::of(dirs, root).noted.is_empty()
        || files::names_in(&dirs.instance(root)).iter().any(is_override)
}
