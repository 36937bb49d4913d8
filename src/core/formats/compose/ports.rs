//! Host ports that are written out, and the variable each of them gets: one variable is one port, whichever files and
//! services it is in.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::{Fixed, Kind, Used};
use crate::core::shell::varname;

/// A host port that is written out, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The first, which the variable would have by default.
    pub first: u16,
    /// How many ports there are, each with a container's port of its own.
    pub many: usize,
    /// The variable it gets, and whether `silo.toml` is still to declare it; [`name_all`] chooses it.
    pub variable: (String, bool),
    /// Whether it is the `published` of the long form.
    is_long: bool,
    /// The address before it, and the container's port behind it.
    around: (String, String),
    container: Option<u16>,
}

impl HostPort {
    /// The host's part of `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`; none when it is not written out.
    pub(super) fn short(text: &str) -> Option<Self> {
        let place = short_host(text)?;
        let behind = &text[place.end..];
        let (number, protocol) = behind[1..].split_at(behind[1..].find('/').unwrap_or(behind.len() - 1));
        let inside = numbers(number);
        let (first, last) = numbers(&text[place.clone()])?;
        // A range for one port of the container means any of them: one variable does.
        let is_range = inside.is_some_and(|(first, last)| last > first);
        let many = if is_range { usize::from(last.saturating_sub(first)) + 1 } else { 1 };
        let container = inside.map(|(first, _)| first);
        let behind = match container {
            Some(first) if many > 1 => format!(":{first}{protocol}"),
            _ => behind.to_owned(),
        };
        let around = (text[..place.start].to_owned(), behind);
        Some(Self { first, many, variable: Default::default(), is_long: false, around, container })
    }

    /// The `published` of the long form beside its `target`.
    pub(super) fn long(published: &str, target: Option<&str>) -> Option<Self> {
        let (first, _) = numbers(published)?;
        let container = target.and_then(numbers).map(|(first, _)| first);
        Some(Self {
            first,
            many: 1,
            variable: Default::default(),
            is_long: true,
            around: Default::default(),
            container,
        })
    }

    /// What to write there; for several, in place of the first.
    fn instead(&self) -> String {
        let (before, behind) = &self.around;
        let key = if self.is_long { "published: " } else { "" };
        format!("{key}\"{before}${{{}}}{behind}\"", self.variable.0)
    }
}

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
            // No service is in the last ones: some names are not to be had at all, as those git reads.
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

/// The names of the variables a text takes from the environment, and whether something stands in for each (`${A:-1}`).
pub(super) fn variables(text: &str) -> Vec<(String, bool)> {
    let bare = text.replace("$$", "");
    let name = |(at, _): (usize, &str)| -> (String, bool) {
        let behind = &bare[at + 1..];
        let rest = behind.trim_start_matches('{');
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let has_default = rest.len() < behind.len() && !rest[name.len()..].starts_with('}');
        (name, has_default)
    };
    bare.match_indices('$').map(name).filter(|(name, _)| !name.is_empty()).collect()
}

/// `3000` or `3000-3005`: the first and the last.
fn numbers(text: &str) -> Option<(u16, u16)> {
    if !text.chars().all(|c| c.is_ascii_digit() || c == '-') {
        return None;
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let first = first.parse().ok().filter(|port| *port != 0)?;
    Some((first, last.parse().unwrap_or(first)))
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

/// A name as variables are written.
fn shouted(name: &str) -> String {
    let upper = name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let text: String = upper.collect();
    if text.starts_with(|c: char| c.is_ascii_digit()) { format!("_{text}") } else { text }
}
