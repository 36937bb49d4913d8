//! The vars that follow from what is recorded of a project's instance.

use std::path::Path;

use crate::core::config::ConfigFile;
use crate::core::instance::vars::{self, Vars};
use crate::parts::context::Context;
use crate::store::gateway;
use crate::store::snapshot::Recorded;

/// The vars as they would be exported; none when the config has moved on since (`silo env` brings them together).
pub(super) fn vars(context: &Context, root: &Path, config: &ConfigFile, recorded: &Recorded) -> Vars {
    let Some(mut settings) = config.settings(recorded.profile.as_deref()) else { return Vars::default() };
    gateway::instance::fill(&context.dirs, root, &mut settings);
    let Recorded { name, profile, ports, slot, .. } = recorded;
    let home = context.dirs.home.to_string_lossy();
    vars::of_instance(&settings, name, profile.as_deref(), ports, *slot, &home)
        .map_or_else(|_| Vars::default(), |(_, vars)| vars)
}
