//! The environment inside an instance: for what is run there, and for what silo itself starts.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::context::Context;
use crate::core::shell::activation::{self, BARRED, Given, UNDO, Undo};
use crate::core::shell::environment::Environment;
use crate::store::instances::Settled;
use crate::store::project::Project;

/// Names the lifecycle hook that runs. Below it gates bring up nothing: what they would wait for waits for the hook.
pub const POINT: &str = "SILO_LIFECYCLE";

/// This environment with the instance entered, undo record included, so that a shell below can leave.
pub fn inside(context: &Context, project: &Project, settled: &Settled) -> Environment {
    let environment = entered(context, &context.folder, &settled.known.given(project.root_text()));
    if environment.get(POINT).is_some() { with_gates(environment, settled) } else { environment }
}

/// The environment of a lifecycle hook: the one in which silo starts programs, with gates that bring up nothing and make plain
/// `docker compose` act on the instance (D24).
pub fn in_hook(environment: &Environment, point: &str, settled: &Settled) -> Environment {
    let mut environment = with_gates(environment.clone(), settled);
    environment.set(POINT, point);
    environment
}

fn with_gates(mut environment: Environment, settled: &Settled) -> Environment {
    let Some(gates) = &settled.known.gates else { return environment };
    let folders = environment.get("PATH").map(std::env::split_paths).into_iter().flatten();
    let first = std::iter::once(PathBuf::from(gates));
    if let Ok(path) = std::env::join_paths(first.chain(folders.filter(|folder| *folder != Path::new(gates)))) {
        environment.set("PATH", path);
    }
    environment
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
