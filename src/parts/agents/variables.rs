//! The variables of an agent, which go in by a file of the user's alone.

use std::path::Path;

use super::grants;
use super::order::Order;
use crate::core::agents::names;
use crate::core::config::Text;
use crate::core::instance::template;
use crate::failure::Failure;
use crate::sys::writing::{self, Writing};

/// Variables of an agent, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Variables(Vec<(String, String)>);

impl Variables {
    /// Those that silo sets in every agent; those of the wall follow by [`Variables::set`].
    pub(super) fn of(order: &Order<'_>) -> Self {
        let user = if rustix::process::geteuid().is_root() { "root" } else { "agent" };
        let own = [
            ("HOME", names::HOME),
            ("USER", user),
            // What git takes for an address where nothing else is configured.
            ("EMAIL", names::COMMITTER.1),
            ("SILO_AGENT", order.name),
            ("SILO_AGENT_ID", order.id),
            (names::TASK, order.task.unwrap_or_default()),
        ];
        let mut variables = Self::default();
        for (name, value) in own {
            variables.set(name, value);
        }
        variables
    }

    /// Sets one.
    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A template of the agent's, filled with its own variables and those of the instance.
    pub(super) fn fill(&self, order: &Order<'_>, key: &str, text: &Text) -> Result<String, Failure> {
        let vars = &order.site.settled.vars;
        let of_instance = |name: &str| vars.get(name).or_else(|| vars.names.get(name).map(String::as_str));
        // Those of the instance's own that are called alike are not the agent's, its key for the gateway least of all.
        let lookup = |name: &str| match is_own(name) {
            true => Some(self.get(name).unwrap_or_default()),
            false => self.get(name).or_else(|| of_instance(name)),
        };
        template::expand(&text.value, lookup)
            .map_err(|error| Failure::new(format!("`{key}` cannot be filled: {error:?}")))
    }

    /// What a reference in a file of a template stands for: who the agent is, what it is to do, and the instance's variables. Files may
    /// become part of an image, so there is no key in them.
    pub(super) fn fills<'a>(&'a self, order: &'a Order<'_>, name: &str) -> Option<&'a str> {
        match name {
            names::TASK | "SILO_AGENT" | "SILO_AGENT_ID" => self.get(name),
            _ if is_own(name) => None,
            _ => order.site.settled.vars.fills(name),
        }
    }

    /// Adds what `silo.toml` says and what the user's settings grant, and writes all of it, but for the task, whose lines no such
    /// file can hold.
    pub(super) fn write(mut self, order: &Order<'_>, path: &Path) -> Result<(), Failure> {
        let declared: Vec<(&String, String)> = order
            .agent
            .env
            .iter()
            .map(|(name, text)| Ok((name, self.fill(order, &order.origin.key(&format!("env.{name}")), text)?)))
            .collect::<Result<_, Failure>>()?;
        for (name, value) in declared {
            self.set(name, &value);
        }
        let environment = order.site.scope.context.outside();
        for name in grants::grants(order).iter().flat_map(|grant| &grant.env) {
            match environment.text(name) {
                Some(value) => self.set(name, value),
                None => {
                    order
                        .site
                        .scope
                        .context
                        .ui
                        .warn(&format!("`{name}` is granted to this agent, and is not set here"));
                }
            }
        }
        let mut text = String::new();
        for (name, value) in self.0.iter().filter(|(name, _)| name != names::TASK) {
            if value.contains(['\n', '\r', '\0']) {
                return Err(Failure::new(format!("`{name}` has more than one line, which no agent can be given"))
                    .hint("Put it into a file of the project, and that into `mounts`"));
            }
            text.push_str(&format!("{name}={value}\n"));
        }
        writing::replace(path, text.as_bytes(), Writing { durable: false, ..Writing::PRIVATE })
    }
}

/// Whether silo gives a name a value in some agents: in one without a gateway it is empty.
fn is_own(name: &str) -> bool {
    crate::core::config::agents::OWN.contains(&name)
}
