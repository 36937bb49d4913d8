//! What an instance gives its override, and how a text is written there.

use std::fmt::Write as _;

use indexmap::IndexMap;

use super::layout::Layout;
use super::model::{Model, Service};
use super::volume::is_for_all;
use crate::core::config::Published;

/// What an instance has that its services are to use.
#[derive(Debug, Clone, Copy)]
pub struct Isolation<'a> {
    /// The compose project's name, the instance's own.
    pub project: &'a str,
    /// The instance's id, which each container has.
    pub id: &'a str,
    /// The label of that id.
    pub label: &'a str,
    /// The project's root.
    pub root: &'a str,
    /// `[compose.ports]`.
    pub published: &'a IndexMap<String, Published>,
    /// Every lease of the instance, by variable.
    pub leases: &'a IndexMap<String, u16>,
    /// `keep`: volumes by key.
    pub keep: &'a [String],
    /// Whether it is a run apart (D30), which touches no data of an instance's.
    pub is_apart: bool,
    /// `share`: services that are one for all instances of the repository.
    pub share: &'a [String],
    /// The addresses of its services, where they have some of their own.
    pub layout: Option<&'a Layout>,
    /// The names of its services for the whole machine, by service.
    pub names: &'a IndexMap<String, Vec<String>>,
}

impl Isolation<'_> {
    /// Whether a service is one for all instances.
    pub(super) fn shares(&self, name: &str) -> bool {
        self.share.iter().any(|shared| shared == name)
    }

    /// Whether a name is the same in every instance: one with the instance's own name in it is not.
    pub(super) fn is_for_all(&self, name: Option<&String>) -> bool {
        name.is_some_and(|name| is_for_all(name, self.project))
    }

    /// The service whose container something of a `container:NAME` names, as long as that has the name; what else stands
    /// behind it stays.
    pub(super) fn own(&self, model: &Model, mode: &str) -> Option<String> {
        let of = mode.strip_prefix("container:")?;
        let (of, rest) = of.split_at(of.find(':').unwrap_or(of.len()));
        let is_it = |service: &Service| {
            let name = service.container_name.as_ref().filter(|name| self.is_for_all(Some(name)));
            name.is_some_and(|name| name == of)
        };
        let (name, _) = model.services.iter().find(|(_, service)| is_it(service))?;
        Some(format!("{name}{rest}"))
    }
}

/// A string as YAML and compose read it: a dollar sign is doubled, so that nothing is filled in, and of what is not plain
/// stands the number, for YAML has not every character.
pub(super) fn quoted(text: &str) -> String {
    let json = serde_json::to_string(text).expect("a string always serialises");
    let mut written = String::new();
    for c in json.chars() {
        match c {
            '$' => written.push_str("$$"),
            ' '..='~' => written.push(c),
            _ => _ = write!(written, "\\U{:08x}", u32::from(c)),
        }
    }
    written
}
