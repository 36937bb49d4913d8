//! The networks of the engine on this machine, and whether this machine reaches the addresses in them.

use serde::Deserialize;
use serde_json::Value;

use super::engine::{Engine, PROJECT};
use crate::core::leases::subnet::Range;
use crate::failure::Failure;

/// A network of the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineNetwork {
    /// The compose project that it belongs to; empty for none.
    pub project: String,
    /// Its addresses.
    pub ranges: Vec<Range>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Info {
    #[serde(default)]
    operating_system: String,
    security_options: Option<Vec<String>>,
}

impl Engine<'_> {
    /// Every network that has addresses.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn networks(&self) -> Result<Vec<EngineNetwork>, Failure> {
        let listed: Vec<Value> = self.asked("/networks")?;
        let network = |listed: Value| {
            let label = listed.get("Labels").and_then(|labels| labels.get(PROJECT)).and_then(Value::as_str);
            let ranges = listed.pointer("/IPAM/Config").and_then(Value::as_array).into_iter().flatten();
            EngineNetwork {
                project: label.unwrap_or_default().to_owned(),
                ranges: ranges.filter_map(|one| one.get("Subnet")?.as_str()?.parse().ok()).collect(),
            }
        };
        Ok(listed.into_iter().map(network).collect())
    }

    /// Why this machine does not reach the addresses of containers; none where it does.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn unreachable(&self) -> Result<Option<&'static str>, Failure> {
        if !self.is_local() {
            return Ok(Some("its engine is not on this machine"));
        }
        let info: Info = self.asked("/info")?;
        let is_rootless = info.security_options.unwrap_or_default().iter().any(|option| option.contains("rootless"));
        Ok(match info.operating_system.as_str() {
            "OrbStack" => None,
            "Docker Desktop" => Some("Docker Desktop keeps them in a virtual machine"),
            _ if cfg!(target_os = "macos") => Some("its engine keeps them in a virtual machine"),
            _ if is_rootless => Some("its engine runs without root, in a network of its own"),
            _ => None,
        })
    }
}
