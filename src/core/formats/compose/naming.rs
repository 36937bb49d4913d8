//! The variable each host port gets: one variable is one port, whichever files and services it is in.

use std::collections::{BTreeMap, BTreeSet};

use super::fixed::{Fixed, Kind, Used};
use super::ports::HostPort;
use crate::core::shell::varname;

/// Chooses the variable of each host port, and what to write with it. `declared` are the names of `silo.toml` with the
/// defaults of its ports, `used` what the files take from the environment already.
pub fn name_all(found: &mut [&mut Fixed], declared: &BTreeMap<String, Option<u16>>, used: &Used) {
    let mut ports: Vec<(&str, &mut HostPort, &mut String)> = Vec::new();
    for fixed in found {
        let Fixed { kind: Kind::HostPort, owner, port: Some(port), instead, .. } = &mut **fixed else { continue };
        ports.push((owner, port, instead));
    }
    // Whose a variable is, by the port it stands for.
    let mut given: BTreeMap<String, u16> = BTreeMap::new();
    for (_, port, _) in &mut ports {
        if let Some((name, _)) = declared.iter().find(|(_, default)| **default == Some(port.first)) {
            given.insert(name.clone(), port.first);
            port.variable = (name.clone(), false);
        }
    }
    // What the line reads already stands for the port once it is declared.
    for (_, port, _) in ports.iter_mut().filter(|(_, port, _)| port.variable.0.is_empty()) {
        if let Some(name) = port.read.clone().filter(|name| !declared.contains_key(name)) {
            given.insert(name.clone(), port.first);
            port.variable = (name, true);
        }
    }
    for (_, port, _) in ports.iter_mut().filter(|(_, port, _)| port.variable.0.is_empty() && port.many == 1) {
        let own = |name: &str| given.get(name).map_or(!used.contains_key(name), |first| *first == port.first);
        let inside = port.container.is_some();
        if let Some((name, _)) = declared.iter().find(|(name, it)| inside && **it == port.container && own(name)) {
            given.insert(name.clone(), port.first);
            port.variable = (name.clone(), false);
        }
    }
    let mut of_service: BTreeMap<String, BTreeSet<u16>> = BTreeMap::new();
    for (service, port, _) in &ports {
        let last = port.first.saturating_add(u16::from(port.many > 1));
        of_service.entry(shouted(service)).or_default().extend([port.first, last]);
    }
    for (service, port, instead) in &mut ports {
        if port.variable.0.is_empty() {
            let (service, first) = (shouted(service), port.first);
            let alone = (of_service[&service].len() == 1).then(|| format!("{service}_PORT"));
            // No service is in the last ones: some names are not available at all, as those git reads.
            let plain = format!("HOST_PORT_{first}");
            let more = (2_u32..).map(|n| format!("HOST_PORT_{first}_{n}"));
            let mut names = alone.into_iter().chain([format!("{service}_{first}_PORT"), plain]).chain(more);
            let is_free = |name: &String| {
                let is_own = given.get(name).is_none_or(|own| *own == first);
                is_own && !declared.contains_key(name) && !used.contains_key(name) && varname::check(name).is_ok()
            };
            let name = names.find(is_free).expect("few names are taken, and there is a number for each");
            given.insert(name.clone(), first);
            port.variable = (name, true);
        }
        **instead = port.instead();
    }
}

/// A name as variables are written.
fn shouted(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let text: String = upper.collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}
