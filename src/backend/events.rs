//! What happens to containers of silo's instances, as the engine tells it while it happens.

use std::path::Path;

use serde::Deserialize;

use super::engine::{SERVICE, escaped};
use super::labels::LABEL;
use crate::sys::socket;

/// Signals by which nothing ends.
const HARMLESS: [&str; 6] = ["1", "10", "12", "17", "18", "28"];

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// Somebody has sent it a signal that ends.
    Killed,
    /// It has ended.
    Died,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What.
    pub happened: Happened,
    /// The container's id.
    pub container: String,
    /// The id of the instance it was made for.
    pub instance: String,
    /// The service.
    pub service: String,
}

/// Follows the events until the engine ends or `each` returns false.
///
/// # Errors
/// An [`std::io::Error`] when nobody listens at the socket.
pub fn follow(socket: &Path, mut each: impl FnMut(Event) -> bool) -> std::io::Result<()> {
    let filters = serde_json::json!({ "type": ["container"], "label": [LABEL], "event": ["kill", "die"] }).to_string();
    let request = format!("GET /events?filters={} HTTP/1.0\r\nHost: docker\r\n\r\n", escaped(&filters));
    socket::lines(socket, request.as_bytes(), |line| parse(line).is_none_or(&mut each))
}

/// An event in a line; none for a line of another kind, such as those of the answer's head.
fn parse(line: &str) -> Option<Event> {
    #[derive(Deserialize)]
    struct Told {
        #[serde(rename = "Action")]
        action: String,
        #[serde(rename = "Actor")]
        actor: Actor,
    }
    #[derive(Deserialize)]
    struct Actor {
        #[serde(rename = "ID")]
        id: String,
        #[serde(rename = "Attributes")]
        attributes: std::collections::HashMap<String, String>,
    }
    let Told { action, actor } = serde_json::from_str(line).ok()?;
    let attribute = |name: &str| actor.attributes.get(name).cloned();
    let happened = match action.as_str() {
        "kill" if attribute("signal").is_some_and(|signal| HARMLESS.contains(&signal.as_str())) => return None,
        "kill" => Happened::Killed,
        "die" | "died" => Happened::Died,
        _ => return None,
    };
    let (instance, service) = (attribute(LABEL)?, attribute(SERVICE)?);
    Some(Event { happened, container: actor.id, instance, service })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kill_and_a_death_are_told_and_nothing_else_is() {
        let line = |action: &str, more: &str| {
            format!(
                "{{\"Type\":\"container\",\"Action\":\"{action}\",\"Actor\":{{\"ID\":\"c\",\"Attributes\":{{\"{LABEL}\":\"i\",\
                 \"{SERVICE}\":\"db\"{more}}}}},\"time\":1}}"
            )
        };
        let event = |happened| Event { happened, container: "c".into(), instance: "i".into(), service: "db".into() };
        assert_eq!(parse(&line("kill", ",\"signal\":\"9\"")), Some(event(Happened::Killed)));
        assert_eq!(parse(&line("kill", ",\"signal\":\"1\"")), None);
        assert_eq!(parse(&line("die", ",\"exitCode\":\"137\"")), Some(event(Happened::Died)));
        assert_eq!(parse(&line("start", "")), None);
        assert_eq!(parse("HTTP/1.0 200 OK\r"), None);
        assert_eq!(parse("{\"Action\":\"die\"}"), None);
    }
}
