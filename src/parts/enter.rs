//! The environment inside an instance: for what is run there, and for what silo itself starts.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use super::context::Context;
use crate::core::shell::activation::{self, BARRED, Given, UNDO, Undo};
use crate::core::shell::environment::Environment;
use crate::store::instances::Settled;
use crate::store::project::Project;

/// This environment with the instance entered, undo record included, so that a shell below can leave.
pub fn inside(context: &Context, project: &Project, settled: &Settled) -> Environment {
    entered(context, &context.folder, &settled.known.given(project.root_text()))
}

/// The same without gates, for what silo itself starts: a gate would ask silo for what it is just bringing up. Nor do
/// they come back in a shell below that enters by itself.
pub fn behind_gates(context: &Context, project: &Project, settled: &Settled) -> Environment {
    entered(context, &project.root, &Given { path: Some(BARRED), ..settled.known.given(project.root_text()) })
}

fn entered(context: &Context, folder: &Path, given: &Given<'_>) -> Environment {
    let mut environment = context.environment.clone();
    let undo = Undo::of(&environment);
    let mut changes = activation::enter(&environment, undo.as_ref(), given);
    // No program starts with it; a shell below cannot take back what it does not know.
    if let Some((size, name)) = activation::too_long(&changes) {
        context.ui.warn(&format!(
            "A shell started here keeps this instance when it leaves the folder: the record of what was before is {size} bytes, most of it of `{name}`"
        ));
        changes.retain(|change| change.name != UNDO);
    }
    for change in changes {
        match change.value {
            Some(value) => environment.set(change.name, OsString::from_vec(value)),
            None => environment.remove(&change.name),
        }
    }
    environment.set("PWD", folder.as_os_str());
    environment
}
