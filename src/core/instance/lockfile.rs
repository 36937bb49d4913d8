//! The lockfile `.silo.lock` (docs/lockfile.md): JSON shared with the older TypeScript silo; unknown keys are kept.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::core::config::model::is_profile_name;
use crate::core::instance::identity::Identity;
use crate::core::instance::name;
use crate::core::leases::block::Blocks;
use crate::core::leases::subnet::{self, Addresses, Range};
use crate::core::shell::varname;

/// The file's name, in the project's root.
pub const FILE_NAME: &str = ".silo.lock";

/// The name of Tilt's processes.
pub const TILT: &str = "tilt";

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lockfile {
    /// Always 1.
    pub version: u32,
    /// When the file was written, RFC 3339.
    #[serde(default)]
    pub generated_at: String,
    /// The instance.
    pub instance: InstanceState,
    /// Keys this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// What a project remembers of its instance.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceState {
    /// Instance name.
    pub name: String,
    /// Profile; `None` is the base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Ports in declared order; unusable ones are left out.
    #[serde(default, deserialize_with = "usable_ports")]
    pub ports: IndexMap<String, u16>,
    /// How many ports the blocks among them have.
    #[serde(default, skip_serializing_if = "Blocks::is_empty", deserialize_with = "usable_ports")]
    pub blocks: Blocks,
    /// The number that no other instance of the prefix has, where templates use one; what is no such number is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "usable_slot")]
    pub slot: Option<u16>,
    /// The addresses that the instance holds, where its services have some of their own; what is no such range is none.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "usable_subnet")]
    pub subnet: Option<Range>,
    /// The numbers of its services' addresses in the subnet; unusable ones are left out.
    #[serde(default, skip_serializing_if = "Addresses::is_empty", deserialize_with = "usable_addresses")]
    pub addresses: Addresses,
    /// Names of everything the instance owns; written for readers, never believed.
    #[serde(default)]
    pub identity: Identity,
    /// When the instance was first made, RFC 3339.
    #[serde(default)]
    pub created_at: String,
    /// Whether silo made its cluster.
    #[serde(default)]
    pub k3d_cluster_created: bool,
    /// Tilt's process id while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tilt_pid: Option<u32>,
    /// When Tilt was started, RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tilt_started_at: Option<String>,
    /// Tilt's process as no clock changes it, where the system tells; the time above counts elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tilt_birth: Option<String>,
    /// Keys this version does not know.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// A process that silo started and left running, as the lockfile records it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessRecord {
    /// The name such a process has.
    pub program: &'static str,
    /// Its process id.
    pub pid: u32,
    /// When it was started, RFC 3339.
    pub started_at: Option<String>,
    /// The process as no clock changes it, where the system tells.
    pub birth: Option<String>,
}

impl InstanceState {
    /// The process that is recorded: Tilt's, the only one whose start this file keeps.
    pub fn process(&self) -> Option<ProcessRecord> {
        let (started_at, birth) = (self.tilt_started_at.clone(), self.tilt_birth.clone());
        self.tilt_pid.map(|pid| ProcessRecord { program: TILT, pid, started_at, birth })
    }

    /// Records a process, or that none runs.
    pub fn record(&mut self, process: Option<ProcessRecord>) {
        (self.tilt_pid, self.tilt_started_at, self.tilt_birth) = match process {
            Some(process) => (Some(process.pid), process.started_at, process.birth),
            None => (None, None, None),
        };
    }
}

/// Leaves out what is not a port or has no name a variable could have: a stranger's lockfile is data, not an error (D5).
fn usable_ports<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<IndexMap<String, u16>, D::Error> {
    let all: IndexMap<String, Value> = IndexMap::deserialize(deserializer)?;
    let port = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0);
    let named = all.into_iter().filter(|(name, _)| varname::check(name).is_ok());
    Ok(named.filter_map(|(name, value)| Some((name, port(&value)?))).collect())
}

fn usable_slot<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value.as_u64().and_then(|slot| u16::try_from(slot).ok()))
}

fn usable_subnet<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Range>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let range: Option<Range> = value.as_str().and_then(|text| text.parse().ok());
    Ok(range.filter(|range| range.bits() == subnet::BITS))
}

fn usable_addresses<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Addresses, D::Error> {
    let all: IndexMap<String, Value> = IndexMap::deserialize(deserializer)?;
    let number = |value: &Value| value.as_u64().and_then(|number| u8::try_from(number).ok());
    Ok(all.into_iter().filter_map(|(name, value)| Some((name, number(&value)?))).collect())
}

/// A lockfile that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockfileError {
    /// It ends too soon: damaged, or still being copied by somebody.
    #[error("it ends in line {line}, before it is complete")]
    Cut {
        /// Line, from 1.
        line: usize,
    },
    /// Not JSON of the lockfile's shape.
    #[error("line {line}, column {column}: {message}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What the parser says.
        message: String,
    },
    /// A version this silo does not know.
    #[error("its version is {0}, and this silo reads version 1")]
    Version(u64),
}

impl Lockfile {
    /// A new lockfile around an instance.
    pub fn new(instance: InstanceState, time: &str) -> Self {
        Self { version: 1, generated_at: time.to_owned(), instance, extra: Map::new() }
    }

    /// Reads a lockfile; its name is sanitised, unusable ports and profiles are left out, for it may come from a stranger (D5).
    ///
    /// # Errors
    /// [`LockfileError`] for anything that is not a lockfile of version 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, LockfileError> {
        let malformed = |error: serde_json::Error| match error.is_eof() {
            true => LockfileError::Cut { line: error.line() },
            false => LockfileError::Malformed {
                line: error.line(),
                column: error.column(),
                message: error.to_string().split(" at line ").next().unwrap_or_default().to_owned(),
            },
        };
        let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
        match value.get("version").and_then(Value::as_u64) {
            Some(version) if version != 1 => return Err(LockfileError::Version(version)),
            _ => {}
        }
        let mut lockfile: Self = serde_json::from_slice(bytes).map_err(malformed)?;
        lockfile.instance.name = name::sanitize(&lockfile.instance.name);
        lockfile.instance.profile = lockfile.instance.profile.filter(|name| is_profile_name(name));
        Ok(lockfile)
    }

    /// The file's text.
    pub fn render(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("strings, numbers and maps always serialise");
        text.push('\n');
        text
    }

    /// Whether two lockfiles say the same at different times (D10).
    pub fn same_but_time(&self, other: &Self) -> bool {
        let without = |lockfile: &Self| {
            let mut bare = lockfile.clone();
            bare.generated_at = String::new();
            bare.instance.identity = Identity::default();
            bare
        };
        self.instance.identity.agrees_with(&other.instance.identity)
            && without(self) == without(other)
            && self.instance.ports.keys().eq(other.instance.ports.keys())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// As the older TypeScript silo writes it: the image registry with its port, and a key silo does not know.
    const OLDER: &str = r#"{
  "version": 1,
  "generatedAt": "2024-01-15T10:30:00Z",
  "instance": {
    "name": "feature-x",
    "ports": { "WEB_PORT": 3000, "API_PORT": 8080 },
    "identity": {
      "name": "feature-x", "prefix": "localnet", "composeName": "localnet-feature-x",
      "dockerNetwork": "localnet-feature-x", "volumePrefix": "localnet-feature-x",
      "containerPrefix": "localnet-feature-x-", "hosts": { "APP_HOST": "feature-x.localhost" },
      "k3dRegistryName": "localnet-feature-x-registry.localhost:5000"
    },
    "createdAt": "2024-01-15T10:30:00Z",
    "k3dClusterCreated": true,
    "note": "kept"
  }
}"#;

    #[test]
    fn one_of_the_older_silo_is_read_and_its_unknown_keys_survive() {
        let lockfile = Lockfile::parse(OLDER.as_bytes()).expect("it is valid");
        assert_eq!(lockfile.instance.ports["API_PORT"], 8080);
        assert!(lockfile.instance.k3d_cluster_created);
        let again = Lockfile::parse(lockfile.render().as_bytes()).expect("ours is valid too");
        assert_eq!(again, lockfile);
        assert!(lockfile.render().contains("\"note\": \"kept\""));
    }

    #[test]
    fn a_strangers_name_and_ports_are_cleaned() {
        let text = r#"{"version":1,"instance":{"name":"../$(x) Y","ports":{"A":0,"B":80,"C":-1,"D":70000,"E":"80","PATH":81,"a b":82}}}"#;
        let lockfile = Lockfile::parse(text.as_bytes()).expect("it is readable");
        assert_eq!(lockfile.instance.name, "x-y");
        assert_eq!(lockfile.instance.ports.keys().collect::<Vec<_>>(), ["B"]);
        for (slot, read) in [("3", Some(3)), ("\"3\"", None), ("-1", None), ("70000", None), ("null", None)] {
            let text = format!(r#"{{"version":1,"instance":{{"name":"x","slot":{slot}}}}}"#);
            assert_eq!(Lockfile::parse(text.as_bytes()).expect("it is readable").instance.slot, read, "{slot}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        assert_eq!(Lockfile::parse(br#"{"version":2}"#), Err(LockfileError::Version(2)));
        let broken = Lockfile::parse(b"{\n  \"version\": 1,\n  instance").expect_err("a name without quotes");
        assert_eq!(broken.to_string(), "line 3, column 3: key must be a string");
        for (text, line) in [("", 1), ("{\n  \"version\": 1,\n", 3)] {
            assert_eq!(Lockfile::parse(text.as_bytes()), Err(LockfileError::Cut { line }));
        }
    }

    #[test]
    fn only_the_time_may_differ() {
        let one = Lockfile::parse(OLDER.as_bytes()).expect("it is valid");
        let mut other = one.clone();
        other.generated_at = "2030-01-01T00:00:00Z".into();
        other.instance.identity.k3d_registry_name = Some("localnet-feature-x-registry.localhost".into());
        assert!(one.same_but_time(&other));
        other.instance.ports.insert("NEW".into(), 1);
        assert!(!one.same_but_time(&other));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), cut in 0usize..700) {
            let _ = Lockfile::parse(&bytes);
            let _ = Lockfile::parse(&OLDER.as_bytes()[..cut.min(OLDER.len())]);
        }
    }
}
