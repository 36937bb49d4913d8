//! A first `silo.toml` that fits what is there: ports under the names people would choose, a web address where it is
//! obvious, a cluster where something is deployed to one. Nothing is invented.

use indexmap::IndexMap;

use super::model::OWN_PORTS;
use crate::core::shell::varname;

/// The port that programs of a kind listen on, and the kind.
const KNOWN: [(u16, &str); 14] = [
    (5432, "postgres"),
    (3306, "mysql"),
    (6379, "redis"),
    (27017, "mongo"),
    (9200, "elasticsearch"),
    (5672, "rabbitmq"),
    (15672, "rabbitmq-ui"),
    (9092, "kafka"),
    (11211, "memcached"),
    (4222, "nats"),
    (8123, "clickhouse"),
    (1433, "mssql"),
    (1025, "smtp"),
    (8025, "mail"),
];
/// What a port is for when a browser reads it.
const WEB: [&str; 14] = [
    "web",
    "app",
    "frontend",
    "ui",
    "client",
    "site",
    "www",
    "api",
    "backend",
    "server",
    "admin",
    "docs",
    "storybook",
    "nginx",
];
/// The ports that are declared at most.
const MOST: usize = 64;

/// What `silo.toml` may declare.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Starter {
    /// Names and defaults of the ports, in the order they were found.
    pub ports: IndexMap<String, u16>,
    /// Where they were found.
    pub places: Vec<String>,
    /// Whether something is deployed to a cluster.
    pub cluster: bool,
}

/// What a port is usually called by the number that a container listens on.
pub fn known(container: u16) -> Option<String> {
    KNOWN.iter().find(|(port, _)| *port == container).map(|(_, kind)| variable(kind))
}

/// A variable for the port of something with a name.
pub fn variable(owner: &str) -> String {
    let upper = owner.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' });
    let start = if owner.starts_with(|c: char| c.is_ascii_digit()) { "_" } else { "" };
    format!("{start}{}_PORT", upper.collect::<String>())
}

impl Starter {
    /// Takes in a port under the first of some names that is free, unless it is there already or `silo.toml` may not
    /// declare it.
    pub fn add_as(&mut self, names: &[&str], port: u16, place: &str) {
        let free = names.iter().find(|name| !self.ports.contains_key(**name));
        if let Some(name) = free {
            self.add(name, port, place);
        }
    }

    /// The same under one name.
    pub fn add(&mut self, name: &str, port: u16, place: &str) {
        let is_taken = self.ports.contains_key(name) || self.ports.values().any(|known| *known == port);
        let is_own = OWN_PORTS.contains(&name) || ["TILT_HOST", "APP_HOST"].contains(&name);
        if port == 0 || is_taken || is_own || varname::check(name).is_err() || self.ports.len() == MOST {
            return;
        }
        self.ports.insert(name.to_owned(), port);
        if !self.places.iter().any(|known| known == place) {
            self.places.push(place.to_owned());
        }
    }

    /// As a `silo.toml`; `head` are its first lines.
    pub fn render(&self, head: &str) -> String {
        let mut text = format!("{head}\nversion = 1\n\n[ports]\n");
        self.ports.iter().for_each(|(name, port)| text.push_str(&format!("{name} = {port}\n")));
        let urls: Vec<String> = self.ports.keys().filter_map(|name| self.url(name)).collect();
        if !urls.is_empty() {
            text.push_str(&format!("\n[urls]\n{}\n", urls.join("\n")));
        }
        if self.cluster {
            text.push_str("\n[k3d]\nenabled = true\n");
        }
        text
    }

    /// The line of the web address behind a port.
    fn url(&self, name: &str) -> Option<String> {
        let stem = if name == "PORT" { "app" } else { WEB.iter().find(|owner| variable(owner) == name)? };
        let variable = format!("{}_URL", stem.to_uppercase());
        let is_twice = name == "PORT" && self.ports.contains_key(&self::variable("app"));
        (!is_twice && !self.ports.contains_key(&variable))
            .then(|| format!("{variable} = \"http://${{APP_HOST}}:${{{name}}}\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;
    use proptest::prelude::*;

    #[test]
    fn each_port_stands_once_under_its_first_name() {
        let mut starter = Starter { cluster: true, ..Starter::default() };
        let found =
            [("WEB_PORT", 3000), ("PORT", 3000), ("WEB_PORT", 3001), ("PATH", 1), ("TILT_PORT", 2), ("DB_PORT", 5432)];
        for (name, port) in found {
            starter.add(name, port, "compose.yaml");
        }
        assert_eq!(starter.places, ["compose.yaml"]);
        let text = starter.render("# head\n");
        expect_test::expect![[r##"
            # head

            version = 1

            [ports]
            WEB_PORT = 3000
            DB_PORT = 5432

            [urls]
            WEB_URL = "http://${APP_HOST}:${WEB_PORT}"

            [k3d]
            enabled = true
        "##]]
        .assert_eq(&text);
        assert!(parse(&text).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(names in prop::collection::vec("(PORT|[A-Z]{1,3}(_PORT|_URL)?|WEB_PORT|APP_HOST|[a-z é]{0,4})", 1..8)) {
            let mut starter = Starter::default();
            for (at, name) in names.iter().enumerate() {
                starter.add(name, 3000 + u16::try_from(at).expect("few"), "x");
            }
            if !starter.ports.is_empty() {
                prop_assert!(parse(&starter.render("# x\n")).is_ok(), "{}", starter.render(""));
            }
        }
    }
}
