//! The vars that follow from what is recorded of a project's instance.

use super::Context;
use crate::core::config::ConfigFile;
use crate::core::identity::identity;
use crate::core::vars::{self, Vars};
use crate::store::past::Recorded;

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
