//! What in a compose file would be the same in every instance of a project: container names, host ports, names of volumes
//! and networks that are written out. Text in, places and what to write instead out; nothing is filled in or merged.

mod fixed;
mod naming;
mod ports;

use std::collections::HashSet;

use crate::core::formats::yaml::{Id, ROOT, Tree};

pub use crate::core::formats::yaml::Unreadable;
pub use fixed::{Fixed, Kind, Used};
pub use naming::name_all;
pub use ports::HostPort;

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
}

/// Finds what is fixed.
///
/// # Errors
/// [`Unreadable`] when it is not YAML.
pub fn scan(text: &str) -> Result<Scan, Unreadable> {
    let Some(tree) = Tree::parse(text)? else { return Ok(Scan::default()) };
    let (mut found, mut used) = (Vec::new(), Used::new());
    if let Some((value, line)) = tree.get(ROOT, "name").and_then(|name| fixed_text(&tree, name)) {
        let instead = "${COMPOSE_PROJECT_NAME}".to_owned();
        found.push(Fixed { kind: Kind::ProjectName, line, owner: String::new(), value, instead, port: None });
    }
    for (service, body) in tree.children(ROOT, "services") {
        if let Some((value, line)) = tree.get(body, "container_name").and_then(|name| fixed_text(&tree, name)) {
            let instead = format!("${{CONTAINER_PREFIX}}{service}");
            let owner = service.clone();
            found.push(Fixed { kind: Kind::ContainerName, line, owner, value, instead, port: None });
        }
        let ports = tree.get(body, "ports").map(|ports| tree.items(ports)).unwrap_or_default();
        found.extend(ports.into_iter().filter_map(|item| host_port(&tree, item, &service, &mut used)));
    }
    for (key, kind, variable) in
        [("volumes", Kind::VolumeName, "${VOLUME_PREFIX}"), ("networks", Kind::NetworkName, "${DOCKER_NETWORK}")]
    {
        for (owner, body) in tree.children(ROOT, key) {
            // What is external is shared on purpose.
            let is_shared =
                tree.get(body, "external").and_then(|value| tree.text(value)).is_some_and(|it| it != "false");
            let name = tree.get(body, "name").filter(|_| !is_shared).and_then(|name| fixed_text(&tree, name));
            found.extend(name.map(|(value, line)| {
                let instead = format!("{variable}-{owner}");
                Fixed { kind, line, owner, value, instead, port: None }
            }));
        }
    }
    // One line reached through several aliases is one place.
    let mut seen = HashSet::new();
    found.retain(|one| seen.insert((one.line, one.kind, one.value.clone())));
    found.sort_by_key(|one| one.line);
    Ok(Scan { fixed: found, used })
}

/// A text that holds no variable.
fn fixed_text(tree: &Tree, id: Id) -> Option<(String, usize)> {
    let text = tree.text(id).filter(|text| !text.is_empty() && !has_variable(text))?;
    Some((text.to_owned(), tree.line(id)))
}

fn host_port(tree: &Tree, item: Id, service: &str, used: &mut Used) -> Option<Fixed> {
    let (id, port) = if let Some(text) = tree.text(item) {
        (item, HostPort::short(text))
    } else {
        let published = tree.get(item, "published")?;
        let target = tree.get(item, "target").and_then(|target| tree.text(target));
        (published, HostPort::long(tree.text(published)?, target))
    };
    let written = tree.text(id)?;
    for (name, has_default) in ports::variables(written) {
        let line = used.entry(name).or_default();
        *line = line.or((!has_default).then(|| tree.line(id)));
    }
    let (value, owner) = (written.to_owned(), service.to_owned());
    Some(Fixed { kind: Kind::HostPort, line: tree.line(id), owner, value, instead: String::new(), port: Some(port?) })
}

/// Whether compose would fill something in: `$$` is a dollar sign.
fn has_variable(text: &str) -> bool {
    let bare = text.replace("$$", "");
    bare.match_indices('$')
        .any(|(at, _)| bare[at + 1..].starts_with(|c: char| c == '{' || c == '_' || c.is_alphabetic()))
}

#[cfg(test)]
mod tests;
