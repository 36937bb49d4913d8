//! Host ports that are the same in every instance, in the short and the long form.

use std::ops::Range;

use super::interpolate::{self, Meant, Setting};
use crate::core::shell::varname;

/// A host port that is the same in every instance, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The first, which the variable would have by default.
    pub first: u16,
    /// How many ports there are, each with a container's port of its own.
    pub many: usize,
    /// The variable it gets, and whether `silo.toml` is still to declare it; [`super::name_all`] chooses it.
    pub variable: (String, bool),
    /// The variable that is there already, with a default that nobody changes: to declare it is enough.
    pub read: Option<String>,
    /// Whether it is the `published` of the long form.
    is_long: bool,
    /// The address before it, and the container's port behind it.
    around: (String, String),
    /// The port of the container, where that is a number.
    pub container: Option<u16>,
    /// Whether a variable says the port of the container.
    pub follows: bool,
    /// Whether it is a UDP port.
    pub udp: bool,
}

impl HostPort {
    /// The host's part of `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`, and what it is; none when it varies.
    pub(super) fn short(text: &str, setting: &dyn Fn(&str) -> Setting) -> Option<(Self, Meant)> {
        let part = short_host(text).and_then(|place| {
            let meant = interpolate::meant(&text[place.clone()], setting)?;
            numbers(&meant.value).map(|found| (place, meant, found))
        });
        let Some((place, meant, (first, last))) = part else {
            // A variable may stand for more than one part.
            let meant = interpolate::meant(text, setting).filter(|meant| meant.value != text)?;
            let (filled, _) = Self::short(&meant.value, &|_| Setting::Varies)?;
            return Some((filled, meant));
        };
        let behind = &text[place.end..];
        let (number, protocol) = behind[1..].split_at(behind[1..].rfind('/').unwrap_or(behind.len() - 1));
        let inside = interpolate::meant(number, setting).and_then(|number| numbers(&number.value));
        // A range for one port of the container means any of them: one variable does.
        let is_range = inside.is_some_and(|(first, last)| last > first);
        let many = if is_range { usize::from(last.saturating_sub(first)) + 1 } else { 1 };
        let container = inside.map(|(first, _)| first);
        let (follows, udp) = (number.contains('$'), is_udp(protocol, setting));
        let behind = match container {
            Some(first) if many > 1 => format!(":{first}{protocol}"),
            _ => behind.to_owned(),
        };
        let read = read(&text[place.clone()], first, last);
        let around = (text[..place.start].to_owned(), behind);
        let variable = Default::default();
        Some((Self { first, many, variable, read, is_long: false, around, container, follows, udp }, meant))
    }

    /// The `published` of the long form beside its `target` and `protocol`, and what it is.
    pub(super) fn long(
        published: &str,
        target: Option<&str>,
        protocol: Option<&str>,
        setting: &dyn Fn(&str) -> Setting,
    ) -> Option<(Self, Meant)> {
        let meant = interpolate::meant(published, setting)?;
        let (first, last) = numbers(&meant.value)?;
        let (follows, udp) =
            (target.is_some_and(|target| target.contains('$')), protocol.is_some_and(|it| is_udp(it, setting)));
        let target = target.and_then(|target| interpolate::meant(target, setting));
        let container = target.and_then(|target| numbers(&target.value)).map(|(first, _)| first);
        let (variable, around) = Default::default();
        let read = read(published, first, last);
        Some((Self { first, many: 1, variable, read, is_long: true, around, container, follows, udp }, meant))
    }

    /// What to write there; for several, in place of the first.
    pub(super) fn instead(&self) -> String {
        let (before, behind) = &self.around;
        let key = if self.is_long { "published: " } else { "" };
        format!("{key}\"{before}${{{}}}{behind}\"", self.variable.0)
    }
}

/// Whether a protocol is UDP, with its slash or without.
fn is_udp(protocol: &str, setting: &dyn Fn(&str) -> Setting) -> bool {
    interpolate::meant(protocol, setting).is_some_and(|meant| meant.value.trim_start_matches('/') == "udp")
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

/// The variable a host's part reads, where that is one port and `silo.toml` may declare it.
fn read(part: &str, first: u16, last: u16) -> Option<String> {
    interpolate::whole(part).filter(|name| first == last && varname::check(name).is_ok()).map(str::to_owned)
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

/// Where the host's port stands in `[ADDRESS:]HOST:CONTAINER[/PROTOCOL]`; none when the container's is alone.
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
