//! What in a compose file would be the same in every instance of a project: container names, host ports, names of volumes
//! and networks that are written out. Text in, places and what to write instead out; nothing is filled in or merged.

mod tree;

use std::collections::HashSet;
use std::ops::Range;

use tree::{Id, ROOT, Tree};

pub use tree::Unreadable;

/// What is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `container_name`: unique on the whole machine.
    ContainerName,
    /// A host port in `ports`.
    HostPort,
    /// `name` of a volume.
    VolumeName,
    /// `name` of a network.
    NetworkName,
    /// `name` of the whole file: the instance's own name goes before it.
    ProjectName,
}

/// One place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// What it is.
    pub kind: Kind,
    /// Its line, from 1.
    pub line: usize,
    /// The service, volume or network.
    pub owner: String,
    /// What is written there.
    pub value: String,
    /// What to write there, without the key.
    pub instead: String,
    /// For a host port: the variable `instead` names, and the port it would have by default.
    pub port: Option<(String, u16)>,
}

/// Finds what is fixed; `known` are the ports of `silo.toml` with their defaults.
///
/// # Errors
/// [`Unreadable`] when it is not YAML.
pub fn scan(text: &str, known: &[(String, u16)]) -> Result<Vec<Fixed>, Unreadable> {
    let Some(tree) = Tree::parse(text)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
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
        found.extend(ports.into_iter().filter_map(|item| host_port(&tree, item, &service, known)));
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
    Ok(found)
}

/// A text that holds no variable.
fn fixed_text(tree: &Tree, id: Id) -> Option<(String, usize)> {
    let text = tree.text(id).filter(|text| !text.is_empty() && !has_variable(text))?;
    Some((text.to_owned(), tree.line(id)))
}

fn host_port(tree: &Tree, item: Id, service: &str, known: &[(String, u16)]) -> Option<Fixed> {
    let (id, written, place) = if let Some(text) = tree.text(item) {
        (item, text, short_host(text)?)
    } else {
        let published = tree.get(item, "published")?;
        let text = tree.text(published)?;
        (published, text, 0..text.len())
    };
    // The host's part alone is exchanged: the address before it and the port behind it stay.
    let (before, host, behind) = (&written[..place.start], &written[place.clone()], &written[place.end..]);
    let first = host.split('-').next().unwrap_or(host);
    let port: u16 = first.parse().ok().filter(|port| *port != 0)?;
    if !host.chars().all(|c| c.is_ascii_digit() || c == '-') {
        return None;
    }
    let declared = known.iter().find(|(_, default)| *default == port).map(|(name, _)| name.clone());
    let variable = declared.unwrap_or_else(|| format!("{}_PORT", shouted(service)));
    let instead = format!("\"{before}${{{variable}}}{behind}\"");
    let value = written.to_owned();
    let port = Some((variable, port));
    Some(Fixed { kind: Kind::HostPort, line: tree.line(id), owner: service.to_owned(), value, instead, port })
}

/// Where the host's port stands in `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`; none when the container's stands alone.
fn short_host(text: &str) -> Option<Range<usize>> {
    let mut host = None;
    let (mut start, mut depth) = (0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '{' | '[' => depth += 1,
            '}' | ']' => depth = depth.saturating_sub(1),
            ':' if depth == 0 => {
                host = Some(start..at);
                start = at + 1;
            }
            _ => {}
        }
    }
    host
}

/// Whether compose would fill something in: `$$` is a dollar sign.
fn has_variable(text: &str) -> bool {
    let bare = text.replace("$$", "");
    bare.match_indices('$')
        .any(|(at, _)| bare[at + 1..].starts_with(|c: char| c == '{' || c == '_' || c.is_alphabetic()))
}

/// A name as variables are written.
fn shouted(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let text: String = upper.collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}

#[cfg(test)]
mod tests;
