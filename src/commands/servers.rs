//! What was started in an instance and still listens on its ports: nobody ended it, and freeing a lease does not.

use std::collections::HashSet;
use std::path::Path;

use indexmap::IndexMap;

use crate::core::source::one_line;
use crate::sys::{listeners, processes};

/// A line for each such process, with what ends it; `listened` are all ports that anybody listens on.
pub(super) fn left_running(
    name: &str,
    ports: &IndexMap<String, u16>,
    root: &Path,
    listened: &HashSet<u16>,
) -> Vec<String> {
    let mut found: IndexMap<u32, (String, Vec<String>)> = IndexMap::new();
    for port in ports.values().filter(|port| listened.contains(port)) {
        let holder = listeners::holder(*port).filter(|holder| processes::belongs_to(holder, root));
        if let Some(holder) = holder {
            found.entry(holder.pid).or_insert_with(|| (one_line(&holder.name), Vec::new())).1.push(port.to_string());
        }
    }
    let line = |(pid, (program, ports)): (u32, (String, Vec<String>))| {
        format!("{name}: `{program}` (pid {pid}) still listens on {}; `kill {pid}` ends it", ports.join(" "))
    };
    found.into_iter().map(line).collect()
}
