//! What is said about how an instance came to be what it is: its profile, and with `-v` where name and ports are from. The words of
//! the profile are the older silo's (D12).

use crate::core::config::Settings;
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::ports::PortSpec;
use crate::store::ask::Ask;
use crate::store::instances::Settled;

/// What became of the profile, where that was not asked for; `before` is what the lockfile said.
pub fn profile(before: Option<&InstanceState>, ask: &Ask<'_>, settled: &Settled) -> Option<String> {
    let had = before.and_then(|state| state.profile.as_deref())?;
    let asked = ask.profile.or(ask.profile_variable).filter(|name| !name.is_empty());
    match settled.known.profile.as_deref() {
        Some(has) if had == has && asked.is_none() => Some(format!("Reusing profile '{has}' from lockfile")),
        Some(_) => None,
        None => Some("Cleared profile, using base config".to_owned()),
    }
}

/// Where the name and each port are from, for `-v`.
pub fn sources(before: Option<&InstanceState>, ask: &Ask<'_>, settings: &Settings, settled: &Settled) -> Vec<String> {
    let (known, registered) = (&settled.known, settled.registered.as_ref());
    let name = match (before, registered) {
        _ if ask.name.is_some() => "as given",
        (Some(before), _) if before.name == known.name => "from the lockfile",
        (_, Some(entry)) if entry.name == known.name => "from the registry",
        _ => "made from folder or branch",
    };
    // Planned again, a port has no past.
    let (before, registered) = (before.filter(|_| !ask.force), registered.filter(|_| !ask.force));
    let mut lines = vec![format!("Name: {} ({name})", known.name)];
    lines.extend(known.ports.iter().map(|(name, port)| {
        let from = match settings.ports.get(name) {
            _ if before.is_some_and(|before| before.ports.get(name) == Some(port)) => "from the lockfile",
            _ if registered.is_some_and(|entry| entry.ports.get(name) == Some(port)) => "from the registry",
            _ if ask.take.iter().any(|(taken, _)| taken == name) => "as asked for",
            spec => match spec.copied().and_then(PortSpec::default) {
                Some(default) if default == *port => "its default",
                Some(_) => "from the range, for its default was not available",
                None => "from the range",
            },
        };
        format!("Port: {name} {port} ({from})")
    }));
    lines
}
