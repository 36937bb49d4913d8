//! A first `silo.toml` that fits what is there: ports under the names people would choose, the services of compose files, a
//! web address where it is obvious, a cluster where something is deployed to one. Nothing is invented.

use indexmap::IndexMap;

use super::model::OWN_PORTS;
use super::starter_cilo;
use crate::core::formats::cilo::Cilo;
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
/// What ports are called by a word in the image's name, before they are by their number.
const IMAGES: [(&str, u16, &str); 22] = [
    ("mariadb", 3306, "mariadb"),
    ("opensearch", 9200, "opensearch"),
    ("kibana", 5601, "kibana"),
    ("minio", 9000, "minio"),
    ("minio", 9001, "minio-console"),
    ("zookeeper", 2181, "zookeeper"),
    ("grafana", 3000, "grafana"),
    ("prometheus", 9090, "prometheus"),
    ("localstack", 4566, "localstack"),
    ("keycloak", 8080, "keycloak"),
    ("meilisearch", 7700, "meilisearch"),
    ("typesense", 8108, "typesense"),
    ("qdrant", 6333, "qdrant"),
    ("neo4j", 7474, "neo4j"),
    ("neo4j", 7687, "bolt"),
    ("cassandra", 9042, "cassandra"),
    ("pgadmin", 80, "pgadmin"),
    ("phpmyadmin", 80, "phpmyadmin"),
    ("adminer", 8080, "adminer"),
    ("temporal", 7233, "temporal"),
    ("ollama", 11434, "ollama"),
    ("chrome", 4444, "selenium"),
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
    /// The services, where there are compose files.
    pub compose: Option<Composed>,
    /// Where they were found.
    pub places: Vec<String>,
    /// Whether something is deployed to a cluster.
    pub cluster: bool,
    /// What the project says for cilo.
    pub cilo: Option<Cilo>,
}

/// What `[compose]` may say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Composed {
    /// The files, where compose does not find them itself.
    pub files: Vec<String>,
    /// `[compose.ports]`.
    pub ports: IndexMap<String, ServicePort>,
}

/// A port that a service publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// The service.
    pub service: String,
    /// The port of the container.
    pub target: u16,
    /// The port on this machine.
    pub first: u16,
    /// Whether it is a UDP port.
    pub udp: bool,
}

impl ServicePort {
    /// What people would call it, the likeliest first; `nth` of the service's it is, from 0.
    pub fn names(&self, image: Option<&str>, nth: usize) -> Vec<String> {
        let Self { service, target, first, .. } = self;
        let image = image.map(|image| image.rsplit('/').next().unwrap_or(image).to_lowercase());
        let by_image = IMAGES
            .iter()
            .filter(|(word, port, _)| port == target && image.as_ref().is_some_and(|image| image.contains(word)));
        let mut names: Vec<String> = by_image.map(|(_, _, kind)| variable(kind)).collect();
        names.extend(known(*target));
        names.extend((nth == 0).then(|| variable(service)));
        names.extend([target, first].map(|port| variable(&format!("{service}-{port}"))));
        names.push(format!("HOST_PORT_{first}"));
        names
    }

    fn render(&self) -> String {
        let Self { service, target, first, udp } = self;
        let first = if first == target { String::new() } else { format!("{first}:") };
        format!("\"{first}{service}:{target}{}\"", if *udp { "/udp" } else { "" })
    }
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
        let free = names.iter().find(|name| !self.has(name));
        if let Some(name) = free {
            self.add(name, port, place);
        }
    }

    /// The same under one name.
    pub fn add(&mut self, name: &str, port: u16, place: &str) {
        if self.may_be(name, port) {
            self.ports.insert(name.to_owned(), port);
            self.was_in(place);
        }
    }

    /// Takes in a port of a service under the first of some names that is available; false where there is none.
    pub fn publish(&mut self, names: &[String], port: &ServicePort, place: &str) -> bool {
        let Some(name) = names.iter().find(|name| self.may_be(name, port.first)).cloned() else { return false };
        self.compose.get_or_insert_default().ports.insert(name, port.clone());
        self.was_in(place);
        true
    }

    /// The names of all ports, in order.
    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.ports.keys().chain(self.compose.iter().flat_map(|compose| compose.ports.keys()))
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    fn may_be(&self, name: &str, port: u16) -> bool {
        let composed = self.compose.iter().flat_map(|compose| compose.ports.values().map(|port| port.first));
        let is_taken = self.has(name);
        let is_there = self.ports.values().copied().chain(composed).any(|known| known == port);
        let is_own = OWN_PORTS.contains(&name) || ["TILT_HOST", "APP_HOST"].contains(&name);
        let is_free = port != 0 && !is_taken && !is_there && !is_own && self.names().count() < MOST;
        is_free && varname::check(name).is_ok()
    }

    /// Notes where something was found.
    pub fn was_in(&mut self, place: &str) {
        if !self.places.iter().any(|known| known == place) {
            self.places.push(place.to_owned());
        }
    }

    /// As a `silo.toml`; `head` are its first lines.
    pub fn render(&self, head: &str) -> String {
        let mut text = format!("{head}\nversion = 1\n");
        if !self.ports.is_empty() {
            text.push_str("\n[ports]\n");
        }
        self.ports.iter().for_each(|(name, port)| text.push_str(&format!("{name} = {port}\n")));
        if let Some(Composed { files, ports }) = &self.compose {
            text.push_str("\n[compose]\n");
            if !files.is_empty() {
                text.push_str(&format!("files = {files:?}\n"));
            }
            text.push_str(&self.cilo.as_ref().map(starter_cilo::compose).unwrap_or_default());
            if !ports.is_empty() {
                text.push_str("\n[compose.ports]\n");
            }
            ports.iter().for_each(|(name, port)| text.push_str(&format!("{name} = {}\n", port.render())));
        }
        let own = self.names().filter_map(|name| self.url(name));
        let urls: Vec<String> = own.chain(self.cilo.as_ref().map(starter_cilo::url)).collect();
        if !urls.is_empty() {
            text.push_str(&format!("\n[urls]\n{}\n", urls.join("\n")));
        }
        text.push_str(&self.cilo.as_ref().map(starter_cilo::tables).unwrap_or_default());
        if self.cluster {
            text.push_str("\n[k3d]\nenabled = true\n");
        }
        text
    }

    /// The line of the web address behind a port.
    fn url(&self, name: &str) -> Option<String> {
        let stem = if name == "PORT" { "app" } else { WEB.iter().find(|owner| variable(owner) == name)? };
        let variable = format!("{}_URL", stem.to_uppercase());
        let is_twice = name == "PORT" && self.has(&self::variable("app"));
        (!is_twice && !self.has(&variable)).then(|| format!("{variable} = \"http://${{APP_HOST}}:${{{name}}}\""))
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

    #[test]
    fn a_port_of_a_service_is_called_by_its_image_its_number_or_its_service() {
        let names = |image, service: &str, target, nth| {
            let port = ServicePort { service: service.to_owned(), target, first: target + 1, udp: false };
            port.names(image, nth).join(" ")
        };
        for (image, service, target, nth, expected) in [
            (Some("postgres:16"), "db", 5432, 0, "POSTGRES_PORT DB_PORT DB_5432_PORT DB_5433_PORT HOST_PORT_5433"),
            (
                Some("mariadb"),
                "db",
                3306,
                0,
                "MARIADB_PORT MYSQL_PORT DB_PORT DB_3306_PORT DB_3307_PORT HOST_PORT_3307",
            ),
            (Some("a.io/minio/minio:1"), "s", 9001, 1, "MINIO_CONSOLE_PORT S_9001_PORT S_9002_PORT HOST_PORT_9002"),
            (Some("me/minio"), "s", 80, 1, "S_80_PORT S_81_PORT HOST_PORT_81"),
            (None, "my.web-app", 80, 0, "MY_WEB_APP_PORT MY_WEB_APP_80_PORT MY_WEB_APP_81_PORT HOST_PORT_81"),
        ] {
            assert_eq!(names(image, service, target, nth), expected);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_can_be_read(names in prop::collection::vec("(PORT|[A-Z]{1,3}(_PORT|_URL)?|WEB_PORT|APP_HOST|[a-z é]{0,4})", 1..8)) {
            let mut starter = Starter::default();
            for (at, name) in names.iter().enumerate() {
                let first = 3000 + u16::try_from(at).expect("few");
                let port = ServicePort { service: format!("a.{at}_x"), target: 80, first, udp: at % 3 == 0 };
                match at % 2 {
                    0 => starter.add(name, first, "x"),
                    _ => _ = starter.publish(std::slice::from_ref(name), &port, "x"),
                }
            }
            if starter.names().next().is_some() {
                prop_assert!(parse(&starter.render("# x\n")).is_ok(), "{}", starter.render(""));
            }
        }
    }
}
