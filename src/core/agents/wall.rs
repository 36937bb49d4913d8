//! What an agent may reach, as `wall.json` in its folder says it for the gateway (D33, D34): a key, services, other agents, and names of
//! the outside.

use ::core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::egress::Rule;
use crate::core::leases::subnet::Range;

/// The name of the socket that the gateway serves an agent's model calls on.
pub const GATEWAY: &str = "gateway.sock";
/// The name of the socket by which an agent reaches the names it may.
pub const EGRESS: &str = "egress.sock";
/// The name of the socket by which an agent's relay takes connections of other agents.
pub const LISTEN: &str = "listen.sock";
/// What a relay says first on that socket, and what it hears when somebody is there for it: a byte each.
pub const READY: u8 = b'r';
/// The answer to [`READY`]: from here on the connection is the other agent's.
pub const BEGIN: u8 = b'b';
/// How long an agent's id may be, in bytes.
const LONGEST: usize = 80;

/// What an agent may reach.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Wall {
    /// The agent's id.
    pub id: String,
    /// The id of its key; without one no model is its to ask.
    #[serde(default)]
    pub key: Option<String>,
    /// The instance's services it may reach.
    #[serde(default)]
    pub services: Vec<Service>,
    /// The subnet in which services may lie, where they are not on loopback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<Range>,
    /// The names of the outside it may reach, as [`Rule`] reads them.
    #[serde(default)]
    pub egress: Vec<String>,
    /// The id of its instance, within which agents reach one another; empty where it reaches none and is reached by none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance: String,
    /// The agents of its instance that it may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub agents: Vec<Peer>,
    /// By which name and port other agents reach it; none where they do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<Peer>,
}

/// An agent that others may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its name, as `[agents]` has it.
    pub name: String,
    /// The port it listens on.
    pub port: u16,
}

impl Peer {
    /// The name of the socket that leads to it.
    pub fn socket(&self) -> String {
        socket_of(&self.name, self.port)
    }
}

/// A service that an agent may reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// The port it is reached by.
    pub port: u16,
    /// Where it listens.
    pub to: SocketAddr,
}

impl Service {
    /// The name of its socket.
    pub fn socket(&self) -> String {
        socket_of(&self.name, self.port)
    }
}

/// The name of the socket that leads to a name and port.
fn socket_of(name: &str, port: u16) -> String {
    format!("{name}.{port}.sock")
}

/// Whether it can be the name of a folder or file, and leads nowhere else.
pub fn is_plain(name: &str) -> bool {
    let is_right = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !name.is_empty() && name.len() <= LONGEST && !name.starts_with('.') && name.bytes().all(is_right)
}

impl Wall {
    /// Reads the file of the agent `id`.
    ///
    /// # Errors
    /// What is wrong with it: an agent that is not held as it was meant is not let out at all.
    pub fn read(id: &str, text: &[u8]) -> Result<Self, String> {
        let wall: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        wall.check(id).map(|()| wall)
    }

    /// Whether it can be the wall of the agent `id`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, id: &str) -> Result<(), String> {
        if self.id != id || !is_plain(id) {
            return Err(format!("`{}` is not the id of the agent `{id}`", self.id));
        }
        for service in &self.services {
            if !is_plain(&service.name) {
                return Err(format!("`{}` is not a name of a service", service.name));
            }
            let is_inside = match service.to.ip() {
                ip if ip.is_loopback() => true,
                ::core::net::IpAddr::V4(ip) => self.subnet.is_some_and(|subnet| subnet.has(ip)),
                ::core::net::IpAddr::V6(_) => false,
            };
            if !is_inside {
                return Err(format!("the service `{}` is at {}, which is outside", service.name, service.to));
            }
        }
        for peer in self.agents.iter().chain(&self.listen) {
            if !is_plain(&peer.name) || peer.port == 0 {
                return Err(format!("`{}` with port {} is not an agent that listens", peer.name, peer.port));
            }
            if self.instance.is_empty() {
                return Err("it names no instance, within which agents reach one another".to_owned());
            }
        }
        let mut sockets = self.sockets();
        sockets.sort();
        if let Some([socket, _]) = sockets.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("`{socket}` leads to two places"));
        }
        let wrong = self.egress.iter().find(|rule| Rule::read(rule).is_none());
        wrong.map_or(Ok(()), |rule| Err(format!("`{rule}` is not a name that `egress` can have")))
    }

    /// The names of all its sockets.
    pub fn sockets(&self) -> Vec<String> {
        let services = self.services.iter().map(Service::socket);
        let agents = self.agents.iter().map(Peer::socket);
        let egress = (!self.egress.is_empty()).then(|| EGRESS.to_owned());
        let listen = self.listen.as_ref().map(|_| LISTEN.to_owned());
        std::iter::once(GATEWAY.to_owned()).chain(services).chain(agents).chain(egress).chain(listen).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Wall, String> {
        Wall::read("a-1", text.as_bytes())
    }

    #[test]
    fn a_wall_is_read_as_it_is_written() {
        let text = r#"{"id":"a-1","key":"k7","services":[{"name":"db","port":5432,"to":"127.0.0.1:49160"}],"egress":["*.example.net"]}"#;
        let wall = read(text).expect("it is one");
        assert_eq!(wall.sockets(), ["gateway.sock", "db.5432.sock", "egress.sock"]);
        assert_eq!(serde_json::to_string(&wall).expect("it is text"), text);
        assert_eq!(read(r#"{"id":"a-1"}"#).expect("it is one").sockets(), ["gateway.sock"]);
    }

    #[test]
    fn a_service_lies_on_loopback_or_in_the_subnet() {
        let at = |to: &str, subnet: &str| {
            read(&format!(r#"{{"id":"a-1"{subnet},"services":[{{"name":"db","port":1,"to":"{to}"}}]}}"#))
        };
        let subnet = r#","subnet":"10.224.3.0/24""#;
        assert!(at("127.0.0.1:1", "").is_ok() && at("[::1]:1", "").is_ok() && at("10.224.3.9:1", subnet).is_ok());
        for (to, subnet) in [("10.224.3.9:1", ""), ("10.224.4.9:1", subnet), ("192.0.2.1:1", subnet), ("0.0.0.0:1", "")]
        {
            assert!(at(to, subnet).is_err_and(|error| error.contains("outside")), "{to}");
        }
    }

    #[test]
    fn agents_are_reached_within_an_instance_and_each_socket_leads_to_one_place() {
        let text = r#"{"id":"a-1","key":null,"services":[],"egress":[],"instance":"i1","agents":[{"name":"research","port":8080}],"listen":{"name":"strategic","port":8080}}"#;
        let wall = read(text).expect("it is one");
        assert_eq!(wall.sockets(), ["gateway.sock", "research.8080.sock", "listen.sock"]);
        assert_eq!(serde_json::to_string(&wall).expect("it is text"), text);
        let research = r#"{"name":"research","port":8080}"#;
        for (text, why) in [
            (format!(r#"{{"id":"a-1","agents":[{research}]}}"#), "names no instance"),
            (format!(r#"{{"id":"a-1","listen":{research}}}"#), "names no instance"),
            (format!(r#"{{"id":"a-1","instance":"i","agents":[{research},{research}]}}"#), "leads to two places"),
            (r#"{"id":"a-1","instance":"i","agents":[{"name":"../x","port":1}]}"#.to_owned(), "is not an agent"),
            (r#"{"id":"a-1","instance":"i","listen":{"name":"x","port":0}}"#.to_owned(), "is not an agent"),
            (
                format!(
                    r#"{{"id":"a-1","instance":"i","agents":[{research}],"services":[{{"name":"research","port":8080,"to":"127.0.0.1:1"}}]}}"#
                ),
                "leads to two places",
            ),
        ] {
            let error = read(&text).expect_err(&text);
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn what_is_not_understood_opens_nothing() {
        for text in [
            "",
            "{}",
            r#"{"id":"a-2"}"#,
            r#"{"id":"a-1","services":[{"name":"../x","port":1,"to":"127.0.0.1:1"}]}"#,
            r#"{"id":"a-1","services":[{"name":"x","port":70000,"to":"127.0.0.1:1"}]}"#,
            r#"{"id":"a-1","egress":["*"]}"#,
            r#"{"id":"a-1","egress":["http://x.example"]}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        for id in ["", ".", "..", "a/b", ".a", "a b"] {
            assert!(!is_plain(id), "{id}");
        }
    }
}
