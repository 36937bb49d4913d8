//! What a compose file has to do with others: the files it takes in, what it puts in place of theirs, and the addresses of
//! this machine that its services are given.

use super::interpolate::{self, Setting};
use crate::core::formats::commandline;
use crate::core::formats::yaml::{Id, Over, ROOT, Tree};

/// A key of a service that a later file may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// `ports`.
    Ports,
    /// `container_name`.
    ContainerName,
}

/// An address of this machine, or a port of a service that has no network of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Its line, from 1.
    pub line: usize,
    /// The service.
    pub owner: String,
    /// The variable or key it is in.
    pub key: String,
    /// Its port.
    pub port: u16,
    /// Whether the service listens on the host's own ports.
    pub is_host: bool,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Links {
    pub(super) files: Vec<String>,
    pub(super) included: Vec<String>,
    pub(super) env_files: Vec<String>,
    pub(super) addresses: Vec<Address>,
    pub(super) replaced: Vec<(String, Key)>,
}

impl Links {
    pub(super) fn of(tree: &Tree, setting: &dyn Fn(&str) -> Setting) -> Self {
        let mut links = Self::default();
        let texts = |id: Id| -> Vec<String> {
            let items = if tree.is_list(id) { tree.items(id) } else { vec![id] };
            let text = |id: Id| interpolate::meant(tree.text(id)?, setting).map(|meant| meant.value);
            items.into_iter().filter_map(text).collect()
        };
        for item in tree.get(ROOT, "include").map(|list| tree.items(list)).unwrap_or_default() {
            links.included.extend(texts(tree.get(item, "path").unwrap_or(item)));
            let folders = tree.get(item, "project_directory").map(texts).unwrap_or_default();
            links.env_files.extend(folders.iter().map(|folder| format!("{folder}/.env")));
            links.env_files.extend(tree.get(item, "env_file").map(texts).unwrap_or_default());
        }
        links.files.clone_from(&links.included);
        for (service, body) in tree.children(ROOT, "services") {
            let file = tree.get(body, "extends").and_then(|extends| tree.get(extends, "file"));
            links.files.extend(file.map(texts).unwrap_or_default());
            let is_replaced = |key: &str| tree.get(body, key).is_some_and(|id| tree.over(id) != Over::Merged);
            if is_replaced("ports") {
                links.replaced.push((service.clone(), Key::Ports));
            }
            // Of single values the last one counts.
            if tree.get(body, "container_name").is_some() {
                links.replaced.push((service.clone(), Key::ContainerName));
            }
            let is_host = tree.get(body, "network_mode").and_then(|mode| tree.text(mode)) == Some("host");
            let build = tree.get(body, "build");
            let given =
                tree.get(body, "environment").into_iter().chain(build.and_then(|build| tree.get(build, "args")));
            let mut add = |key: &str, id: Id, text: &str| {
                let Some(meant) = interpolate::meant(text, setting) else { return };
                let line = tree.line(id);
                let as_variable = format!("{key}={}", meant.value);
                let ports = match is_host {
                    true => commandline::ports(&as_variable).into_iter().map(|written| written.port).collect(),
                    false => commandline::here(&meant.value),
                };
                let address = |port| Address { line, owner: service.clone(), key: key.to_owned(), port, is_host };
                links.addresses.extend(ports.into_iter().map(address));
            };
            for id in given {
                for item in tree.items(id) {
                    let pair = tree.text(item).and_then(|text| text.split_once('='));
                    if let Some((key, value)) = pair {
                        add(key, item, value);
                    }
                }
                for (key, value) in tree.pairs(id) {
                    if let Some(text) = tree.text(value) {
                        add(&key, value, text);
                    }
                }
            }
            if let Some(id) = tree.get(body, "command") {
                let words = if tree.is_list(id) { tree.items(id) } else { vec![id] };
                let line: Vec<&str> = words.into_iter().filter_map(|word| tree.text(word)).collect();
                add("command", id, &line.join(" "));
            }
        }
        links
    }
}
