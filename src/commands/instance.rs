//! An instance named on the command line: anywhere in the registry, by its name.

use std::path::{Path, PathBuf};

use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::named;
use crate::store::apart;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::registry;
use crate::sys::files;

/// The project of this folder, or of the instance with a name.
pub(super) fn project(context: &Context, of: Option<&str>) -> Result<Project, Failure> {
    let Some(name) = of else { return context.project() };
    let leases = apart::without(&context.dirs, registry::peek(&context.dirs)?);
    let root = PathBuf::from(&named::find(&leases, name)?.root);
    if !files::exists(&root) {
        return Err(Failure::new(format!("The folder of `{name}` is gone: `{}`", shown(&root)))
            .hint("Run `silo prune` to free what it holds"));
    }
    Project::load(&root, Some(Path::new(CONFIG_NAME)))
}
