//! The gates of an instance (D17): a folder of links to silo, one for each gated tool that is installed. It stands
//! first in `PATH` of an active shell; called by such a name, silo first brings up what the tool needs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd;
use crate::sys::dirs::{Dirs, GATES};
use crate::sys::files;
use crate::sys::writing;

/// Makes the folder hold exactly these links; none when there are no tools.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn ensure(dirs: &Dirs, root: &Path, tools: &[&str], silo: &Path) -> Result<Option<PathBuf>, Failure> {
    fill(&dirs.gates(root), tools, silo)
}

/// The same for any folder of gates.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn fill(folder: &Path, tools: &[&str], silo: &Path) -> Result<Option<PathBuf>, Failure> {
    let here = files::names_in(folder);
    let stale = here
        .iter()
        .filter(|link| !link.file_name().and_then(|name| name.to_str()).is_some_and(|name| tools.contains(&name)));
    stale.into_iter().try_for_each(|link| files::remove(link))?;
    if tools.is_empty() {
        return Ok(None);
    }
    files::make_folder(folder)?;
    tools.iter().try_for_each(|tool| writing::link(&folder.join(tool), silo))?;
    Ok(Some(folder.to_path_buf()))
}

/// Whether a tool has a gate in the instance of a root, or in a run apart of that name.
pub fn is_gate(dirs: &Dirs, root: &str, run: Option<&str>, tool: &OsStr) -> bool {
    let folder = run.map_or_else(|| dirs.gates(Path::new(root)), |run| dirs.apart(root, run).join(GATES));
    files::is_link(&folder.join(tool))
}

/// Whether a folder of `PATH` is one of silo's.
pub fn is_gate_folder(dirs: &Dirs, folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == GATES) && folder.starts_with(dirs.instances())
}

/// The tool itself: the first on `PATH` past every gate folder, so that gates never call each other.
pub fn real(dirs: &Dirs, environment: &Environment, tool: &OsStr) -> Option<PathBuf> {
    cmd::find_in(tool, environment, |folder| !is_gate_folder(dirs, folder))
}
