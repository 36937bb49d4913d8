//! What listens on the ports of instances, whoever started it: a part, compose, or somebody by hand.

use std::collections::HashSet;
use std::path::Path;

use indexmap::IndexMap;

use crate::core::text::source::one_line;
use crate::sys::{listeners, processes};

/// All ports that are seen to be listened on, looked up once for many instances.
#[derive(Default)]
pub struct Servers(HashSet<u16>);

impl Servers {
    /// Looks.
    pub fn look() -> Self {
        Self(listeners::visible_ports())
    }

    /// The variables whose ports somebody listens on.
    pub fn on(&self, ports: &IndexMap<String, u16>) -> Vec<String> {
        ports.iter().filter(|(_, port)| self.0.contains(port)).map(|(name, _)| name.clone()).collect()
    }

    /// A line for each process that was started in an instance and still listens on its ports, with what ends it: nobody has
    /// ended it, and freeing a lease does not.
    pub fn left_running(&self, name: &str, ports: &IndexMap<String, u16>, root: &Path) -> Vec<String> {
        let mut found: IndexMap<u32, (String, Vec<String>)> = IndexMap::new();
        for port in ports.values().filter(|port| self.0.contains(port)) {
            let holder = listeners::holder(*port).filter(|holder| processes::belongs_to(holder, root));
            if let Some(holder) = holder {
                found
                    .entry(holder.pid)
                    .or_insert_with(|| (one_line(&holder.name), Vec::new()))
                    .1
                    .push(port.to_string());
            }
        }
        let line = |(pid, (program, ports)): (u32, (String, Vec<String>))| {
            format!("{name}: `{program}` (pid {pid}) still listens on {}; `kill {pid}` ends it", ports.join(" "))
        };
        found.into_iter().map(line).collect()
    }
}
