//! What was started in roots that are gone and still listens on their ports: nobody ended it, and freeing a lease does not.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::Doomed;
use crate::core::source::one_line;
use crate::sys::{listeners, processes};

/// A line for each such process, with what ends it.
pub(super) fn left_running(doomed: &[Doomed]) -> Vec<String> {
    let listened = listeners::ports().unwrap_or_default();
    doomed.iter().flat_map(|one| of(one, &listened)).collect()
}

fn of(one: &Doomed, listened: &HashSet<u16>) -> Vec<String> {
    let Some(entry) = &one.entry else { return Vec::new() };
    let mut found: IndexMap<u32, (String, Vec<String>)> = IndexMap::new();
    for port in entry.ports.values().filter(|port| listened.contains(port)) {
        let holder = listeners::holder(*port).filter(|holder| processes::belongs_to(holder, &one.root));
        if let Some(holder) = holder {
            found.entry(holder.pid).or_insert_with(|| (one_line(&holder.name), Vec::new())).1.push(port.to_string());
        }
    }
    let line = |(pid, (name, ports)): (u32, (String, Vec<String>))| {
        format!("{}: `{name}` (pid {pid}) still listens on {}; `kill {pid}` ends it", entry.name, ports.join(" "))
    };
    found.into_iter().map(line).collect()
}
