//! One route: a host name and where it leads.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Where a route leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Target {
    /// The port of a variable of the instance.
    Variable(String),
    /// This port of the machine, whoever has it.
    Port(u16),
}

impl Target {
    /// The port, where `ports` has the variable's.
    pub fn port(&self, ports: &IndexMap<String, u16>) -> Option<u16> {
        match self {
            Self::Variable(name) => ports.get(name).copied(),
            Self::Port(port) => Some(*port),
        }
    }

    /// The variable, or the number.
    pub fn shown(&self) -> String {
        match self {
            Self::Variable(name) => name.clone(),
            Self::Port(port) => port.to_string(),
        }
    }
}

/// A host name and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// The host name, in lower case.
    pub host: String,
    /// Where it leads.
    pub to: Target,
}
