//! What in a compose file would be the same in every instance of a project: container names, host ports, names of volumes
//! and networks that are written out, or come from a variable that is the same in all. Text in, places and what to write
//! instead out.

mod fixed;
mod interpolate;
mod links;
mod machine;
mod naming;
mod ports;
mod seen;

use std::collections::{HashMap, HashSet};

use crate::core::formats::yaml::{Id, Over, ROOT, Tree};

pub use crate::core::formats::yaml::Unreadable;
pub use fixed::{Fixed, Kind, Used};
pub use interpolate::{Meant, Setting, whole};
pub use links::{Address, Key};
pub use machine::{Given, Machine};
pub use naming::name_all;
pub use ports::HostPort;
pub use seen::{SOCKETS, Seen};

/// The names compose looks for.
pub const NAMES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];
/// The names it adds to the first of them.
pub const OVERRIDES: [&str; 4] =
    ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yaml", "docker-compose.override.yml"];
/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// What is fixed, by line.
    pub fixed: Vec<Fixed>,
    /// The variables its ports take from the environment, with the line where one has no default beside it.
    pub used: Used,
    /// Files it includes, or extends services of, relative to it.
    pub files: Vec<String>,
    /// Those of them that it includes.
    pub included: Vec<String>,
    /// Files with the variables of what it includes, relative to it.
    pub env_files: Vec<String>,
    /// Addresses of this machine that services are given.
    pub addresses: Vec<Address>,
    /// Its services.
    pub services: Vec<Seen>,
    /// Its top-level `name`, where that is the same in every instance.
    pub project: Option<String>,
    /// Its volumes that are not external, by key, with the `name` that is written out for each.
    pub volumes: Vec<(String, Option<String>)>,
    /// What of this machine its services are given.
    pub machine: Vec<Machine>,
    /// What of a service counts in place of what files before it say.
    pub replaced: Vec<(String, Key)>,
}

/// Finds what is fixed. `setting` says what a variable is from instance to instance.
///
/// # Errors
/// [`Unreadable`] when it is not YAML.
pub fn scan(text: &str, setting: &dyn Fn(&str) -> Setting) -> Result<Scan, Unreadable> {
    let Some(tree) = Tree::parse(text)? else { return Ok(Scan::default()) };
    let (mut found, mut used) = (Vec::new(), Used::new());
    let name = |id: Id, kind: Kind, owner: &str, instead: String| {
        let value = tree.text(id).filter(|text| !text.is_empty() && tree.over(id) != Over::Reset)?.to_owned();
        let meant = interpolate::meant(&value, setting).filter(|meant| !meant.value.is_empty())?;
        Some(Fixed { kind, line: tree.line(id), owner: owner.to_owned(), value, meant, instead, port: None })
    };
    let project = tree.get(ROOT, "name");
    found.extend(project.and_then(|id| name(id, Kind::ProjectName, "", "${COMPOSE_PROJECT_NAME}".to_owned())));
    for (service, body) in tree.children(ROOT, "services") {
        let instead = format!("${{CONTAINER_PREFIX}}{service}");
        let container = tree.get(body, "container_name");
        found.extend(container.and_then(|id| name(id, Kind::ContainerName, &service, instead)));
        let ports = tree.get(body, "ports").filter(|ports| tree.over(*ports) != Over::Reset);
        let ports = ports.map(|ports| tree.items(ports)).unwrap_or_default();
        found.extend(ports.into_iter().filter_map(|item| host_port(&tree, item, &service, setting, &mut used)));
    }
    for (key, kind, variable) in
        [("volumes", Kind::VolumeName, "${VOLUME_PREFIX}"), ("networks", Kind::NetworkName, "${DOCKER_NETWORK}")]
    {
        for (owner, body) in tree.children(ROOT, key) {
            // What is external is shared on purpose.
            let is_shared =
                tree.get(body, "external").and_then(|value| tree.text(value)).is_some_and(|it| it != "false");
            let id = tree.get(body, "name").filter(|_| !is_shared);
            found.extend(id.and_then(|id| name(id, kind, &owner, format!("{variable}-{owner}"))));
        }
    }
    // One line reached through several aliases is one place.
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert((one.line, one.kind, one.value.clone())));
    found.sort_by_key(|one| one.line);
    let links = links::Links::of(&tree, setting);
    let named: HashMap<(Kind, &str), &String> =
        found.iter().map(|one| ((one.kind, one.owner.as_str()), &one.meant.value)).collect();
    let named = |kind: Kind, owner: &str| named.get(&(kind, owner)).map(|name| (*name).clone());
    let is_own = |body: &Id| {
        let external = tree.get(*body, "external").filter(|value| tree.text(*value) != Some("false"));
        external.is_none()
    };
    let volumes = tree.children(ROOT, "volumes").into_iter().filter(|(_, body)| is_own(body));
    let volumes = volumes.map(|(key, _)| (key.clone(), named(Kind::VolumeName, &key))).collect();
    Ok(Scan {
        project: named(Kind::ProjectName, ""),
        volumes,
        fixed: found,
        used,
        files: links.files,
        included: links.included,
        env_files: links.env_files,
        addresses: links.addresses,
        services: Seen::all(&tree),
        machine: Machine::all(&tree),
        replaced: links.replaced,
    })
}

fn host_port(
    tree: &Tree,
    item: Id,
    service: &str,
    setting: &dyn Fn(&str) -> Setting,
    used: &mut Used,
) -> Option<Fixed> {
    let (id, port) = if let Some(text) = tree.text(item) {
        (item, HostPort::short(text, setting))
    } else {
        let published = tree.get(item, "published")?;
        let target = tree.get(item, "target").and_then(|target| tree.text(target));
        let protocol = tree.get(item, "protocol").and_then(|protocol| tree.text(protocol));
        (published, HostPort::long(tree.text(published)?, target, protocol, setting))
    };
    let written = tree.text(id)?;
    for (name, has_default) in ports::variables(written) {
        let line = used.entry(name).or_default();
        *line = line.or((!has_default).then(|| tree.line(id)));
    }
    let (port, meant) = port?;
    let (value, owner) = (written.to_owned(), service.to_owned());
    let (kind, line) = (Kind::HostPort, tree.line(id));
    Some(Fixed { kind, line, owner, value, meant, instead: String::new(), port: Some(port) })
}

#[cfg(test)]
mod tests;
