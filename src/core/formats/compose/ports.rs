//! Host ports that are written out, in the short and the long form.

use std::ops::Range;

/// A host port that is written out, or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// The first, which the variable would have by default.
    pub first: u16,
    /// How many ports there are, each with a container's port of its own.
    pub many: usize,
    /// The variable it gets, and whether `silo.toml` is still to declare it; [`super::name_all`] chooses it.
    pub variable: (String, bool),
    /// Whether it is the `published` of the long form.
    is_long: bool,
    /// The address before it, and the container's port behind it.
    around: (String, String),
    pub(super) container: Option<u16>,
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
    pub(super) fn instead(&self) -> String {
        let (before, behind) = &self.around;
        let key = if self.is_long { "published: " } else { "" };
        format!("{key}\"{before}${{{}}}{behind}\"", self.variable.0)
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
