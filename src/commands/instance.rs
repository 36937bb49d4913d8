//! An instance named on the command line: anywhere in the registry, by its name.

use std::path::{Path, PathBuf};

use crate::core::leases::{Instance, Leases};
use crate::core::text::suggest::nearest;
use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::store::apart;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::registry;
use crate::sys::files;

/// The project of this folder, or of the instance with a name.
pub(super) fn project(context: &Context, of: Option<&str>) -> Result<Project, Failure> {
    let Some(name) = of else { return context.project() };
    let leases = apart::without(&context.dirs, registry::peek(&context.dirs)?);
    let root = PathBuf::from(&find(&leases, name)?.root);
    if !files::exists(&root) {
        return Err(Failure::new(format!("The folder of `{name}` is gone: `{}`", shown(&root)))
            .hint("Run `silo prune` to free what it holds"));
    }
    Project::load(&root, Some(Path::new(CONFIG_NAME)))
}

/// The instance of a name, with its prefix or without, where that is enough to tell it.
pub(super) fn find<'a>(leases: &'a Leases, name: &str) -> Result<&'a Instance, Failure> {
    if let Some(found) = leases.named(name) {
        return Ok(found);
    }
    let mut found = leases.instances.iter().filter(|instance| instance.name == name);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (Some(one), Some(other)) => Err(Failure::new(format!("`{name}` names more than one instance")).hint(format!(
            "Say which: `{}` or `{}`",
            one.qualified(),
            other.qualified()
        ))),
        (None, _) => {
            let failure = Failure::new(format!("No instance is named `{name}`"));
            let near = nearest(name, leases.instances.iter().map(|instance| instance.name.as_str()));
            let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest is `{near}`")));
            Err(failure.hint("List them all: `silo list`"))
        }
    }
}
