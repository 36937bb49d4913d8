//! What is recorded of a project's instance, and the vars that follow from it; nothing is settled or written.

use indexmap::IndexMap;

use super::Context;
use crate::core::config::ConfigFile;
use crate::core::identity::identity;
use crate::core::lockfile::InstanceState;
use crate::core::name;
use crate::core::vars::{self, Vars};
use crate::failure::Failure;
use crate::store::project::Project;
use crate::store::registry;
use crate::sys::files;

/// The recorded instance.
pub(super) struct Recorded {
    pub(super) name: String,
    pub(super) profile: Option<String>,
    pub(super) ports: IndexMap<String, u16>,
    pub(super) state: InstanceState,
}

/// The lockfile is the project's memory; the registry's word on ports counts, for its leases are what others avoid.
pub(super) fn recorded(context: &Context, project: &Project, prefix: &str) -> Result<Option<Recorded>, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let entry = leases.at(project.root_text()).cloned();
    // In a copy the lockfile tells of the origin, and its ports are the origin's.
    let copied = |state: &InstanceState| {
        let holder = leases.named(&name::qualified(prefix, &state.name));
        holder.is_some_and(|holder| holder.root != project.root_text() && files::exists(holder.root.as_ref()))
    };
    let state = project.lockfile()?.map(|(lockfile, _)| lockfile.instance).filter(|state| !copied(state));
    let (name, profile, ports) = match (entry, &state) {
        (Some(entry), _) => (entry.name, entry.profile, entry.ports),
        (None, Some(state)) => (state.name.clone(), state.profile.clone(), state.ports.clone()),
        (None, None) => return Ok(None),
    };
    Ok(Some(Recorded { name, profile, ports, state: state.unwrap_or_default() }))
}

/// The vars as they would be exported; none when the config has moved on since (`silo env` brings them together).
pub(super) fn vars(context: &Context, config: &ConfigFile, recorded: &Recorded) -> Vars {
    let Some(settings) = config.settings(recorded.profile.as_deref()) else { return Vars::default() };
    let mut identity = identity(&config.prefix, &recorded.name, settings.k3d, &context.dirs.home.to_string_lossy());
    let vars = vars::hosts(&settings, &identity).and_then(|hosts| {
        identity.hosts = hosts;
        vars::vars(&settings, &identity, recorded.profile.as_deref(), &recorded.ports)
    });
    vars.unwrap_or_default()
}
