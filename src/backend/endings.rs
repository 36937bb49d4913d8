//! Whether a container ended because its engine did. A server that is told to end does so with success, as a migration does that has
//! done its work; after a restart of the machine nothing else tells them apart (D31).

use std::collections::HashMap;
use std::time::{Duration, SystemTime};

use serde::Deserialize;

use super::engine::{Engine, PROJECT, escaped};
use crate::failure::Failure;
use crate::sys::{clock, processes, socket};

/// How long an engine that ends waits for a container, and a little more.
const TOGETHER: Duration = Duration::from_secs(15);
/// How far the start of a process may be off.
const SLACK: Duration = Duration::from_secs(2);
/// The engine's process.
const DAEMON: &str = "dockerd";

/// A container as far as it says how it ended.
#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Inspected {
    state: State,
    host_config: HostConfig,
    config: Config,
    #[serde(rename = "ExecIDs")]
    sessions: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    finished_at: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    port_bindings: Option<HashMap<String, serde_json::Value>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Config {
    labels: Option<HashMap<String, String>>,
    healthcheck: Option<Healthcheck>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct Healthcheck {
    test: Option<Vec<String>>,
}

impl Inspected {
    /// When it ended last; one that runs again says so, too.
    fn finished(&self) -> Option<SystemTime> {
        clock::parse(&self.state.finished_at).filter(|at| *at > SystemTime::UNIX_EPOCH)
    }

    /// Whether it is asked by others: a program that does its work and ends publishes no port and has no healthcheck.
    fn serves(&self) -> bool {
        let test = self.config.healthcheck.iter().flat_map(|check| &check.test).flatten().next();
        self.host_config.port_bindings.as_ref().is_some_and(|ports| !ports.is_empty())
            || test.is_some_and(|word| word != "NONE")
    }
}

impl Engine<'_> {
    /// Whether a container that ended with success did so because the engine ended: the engine was started after that, and it is one
    /// that serves, or another one of its project ended at that time, too. False where that is not known.
    pub fn has_ended_with(&self, id: &str) -> bool {
        let inspect =
            |id: &str| self.asked::<Inspected>(&format!("/containers/{}/json", escaped(id))).unwrap_or_default();
        let one = inspect(id);
        let (Some(finished), Some(started)) = (one.finished(), self.started()) else { return false };
        // A start is known to about a second, and an engine that is started again may be there at once.
        let started = started + SLACK;
        if finished >= started {
            return false;
        }
        if one.serves() {
            return true;
        }
        let Some(project) = one.config.labels.as_ref().and_then(|labels| labels.get(PROJECT)) else { return false };
        let siblings = self.containers(Some(project)).unwrap_or_default();
        let near = |other: SystemTime| {
            let apart = other.duration_since(finished).or_else(|_| finished.duration_since(other));
            other < started && apart.is_ok_and(|apart| apart <= TOGETHER)
        };
        siblings.iter().any(|other| other.id != id && inspect(&other.id).finished().is_some_and(near))
    }

    /// Whether a program runs in a container besides its own, as by `docker exec`. A healthcheck is one for a moment.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn has_session(&self, id: &str) -> Result<bool, Failure> {
        let one = self.asked_for::<Inspected>(&format!("/containers/{}/json", escaped(id)))?;
        Ok(one.and_then(|one| one.sessions).is_some_and(|sessions| !sessions.is_empty()))
    }

    /// When the engine was started, where its process can be seen: the one that listens at the socket, or for which the system does.
    fn started(&self) -> Option<SystemTime> {
        let listens = socket::listener(&self.socket()?).and_then(processes::look);
        let daemon = listens.filter(|process| process.name == DAEMON);
        let newest = || processes::named(DAEMON).into_iter().max_by_key(|process| process.started);
        daemon.or_else(newest).map(|process| process.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_publishes_or_is_checked_serves_and_an_ending_has_a_time() {
        let read = |text: &str| serde_json::from_str::<Inspected>(text).expect("it is what an engine says");
        for (text, serves) in [
            ("{}", false),
            (
                "{\"HostConfig\":{\"PortBindings\":null},\"Config\":{\"Labels\":null,\"Healthcheck\":{\"Test\":[\"NONE\"]}}}",
                false,
            ),
            ("{\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[]}}}", true),
            ("{\"Config\":{\"Healthcheck\":{\"Test\":[\"CMD\",\"true\"]}}}", true),
        ] {
            assert_eq!(read(text).serves(), serves, "{text}");
        }
        let at = |text: &str| read(&format!("{{\"State\":{{\"FinishedAt\":\"{text}\"}}}}")).finished();
        assert!(at("2026-01-02T03:04:05.123456789Z").is_some());
        assert_eq!((at("0001-01-01T00:00:00Z"), at("")), (None, None), "it never ended");
    }
}
