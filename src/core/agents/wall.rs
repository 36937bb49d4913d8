//! What an agent may reach, as `wall.json` in its folder says it for the gateway (D33, D34): a key, services, and names of the outside.

use ::core::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::egress::Rule;
use crate::core::leases::subnet::Range;

/// The name of the socket that the gateway serves an agent's model calls on.
pub const GATEWAY: &str = "gateway.sock";
/// The name of the socket by which an agent reaches the names it may.
pub const EGRESS: &str = "egress.sock";
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
        format!("{}.{}.sock", self.name, self.port)
    }
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
        let wrong = self.egress.iter().find(|rule| Rule::read(rule).is_none());
        wrong.map_or(Ok(()), |rule| Err(format!("`{rule}` is not a name that `egress` can have")))
    }

    /// The names of all its sockets.
    pub fn sockets(&self) -> Vec<String> {
        let services = self.services.iter().map(Service::socket);
        let egress = (!self.egress.is_empty()).then(|| EGRESS.to_owned());
        std::iter::once(GATEWAY.to_owned()).chain(services).chain(egress).collect()
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
