//! The routes of each instance (D29), in a file of its own beside the stamp. It is written where the instance is settled, which
//! only the user's decision brings about (D6), and only when it changes; the shell hook's way to a known instance does not touch it.
//! Which port a variable has is the registry's to say.

use std::path::{Path, PathBuf};

use super::registry;
use crate::core::leases::Instance;
use crate::core::routes::Route;
use crate::core::routes::record;
use crate::core::routes::table::{self, Row};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Largest file that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

fn place(dirs: &Dirs, root: &Path) -> PathBuf {
    dirs.instance(root).join("routes")
}

/// Writes the routes of a root's instance, where they are not what is written already. An instance without any has a file too: one
/// without a file was settled by a silo that knew of none.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn save(dirs: &Dirs, root: &str, routes: &[Route]) -> Result<(), Failure> {
    let path = place(dirs, Path::new(root));
    let text = record::render(root, routes);
    if files::read(&path, LIMIT).ok().flatten().is_some_and(|old| old.bytes == text.as_bytes()) {
        return Ok(());
    }
    files::make_folder(path.parent().expect("it lies in a folder"))?;
    writing::replace(&path, text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
}

/// Removes those of a root.
///
/// # Errors
/// A [`Failure`] that names the path.
pub(super) fn forget(dirs: &Dirs, root: &Path) -> Result<(), Failure> {
    files::remove(&place(dirs, root))
}

/// The routes of an instance; a file that cannot be read has none.
pub fn of(dirs: &Dirs, instance: &Instance) -> Vec<Route> {
    let content = files::read(&place(dirs, Path::new(&instance.root)), LIMIT).ok().flatten();
    content.map(|content| record::parse(&content.bytes, &instance.root)).unwrap_or_default()
}

/// Those of some instances whose routes nobody has written yet.
pub fn unwritten<'a>(dirs: &'a Dirs, instances: &'a [Instance]) -> impl Iterator<Item = &'a Instance> {
    instances.iter().filter(|instance| !files::exists(&place(dirs, Path::new(&instance.root))))
}

/// The routes of all instances of the registry.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read.
pub fn all(dirs: &Dirs) -> Result<Vec<Row>, Failure> {
    registry::peek(dirs).map(|leases| joined(dirs, leases.instances))
}

/// The routes of these instances.
pub fn joined(dirs: &Dirs, instances: Vec<Instance>) -> Vec<Row> {
    let with_routes = instances.into_iter().map(|instance| {
        let routes = of(dirs, &instance);
        (instance, routes)
    });
    table::join(with_routes.collect())
}

/// How registry and routes stand: another value once one of them has changed, found without reading any.
pub fn look(dirs: &Dirs) -> Vec<Option<(i128, u64, u64)>> {
    let mut folders = files::names_in(&dirs.instances());
    folders.sort();
    let of_instances = folders.iter().map(|folder| files::look(&folder.join("routes")));
    [files::look(&registry::place(dirs))].into_iter().chain(of_instances).collect()
}
