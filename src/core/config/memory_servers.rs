//! The user's `memory.toml`: Postgres servers by name, with their passwords (docs/memory.md). Strict like `silo.toml`.

use ::core::net::{IpAddr, SocketAddr};

use indexmap::IndexMap;
use toml::de::DeTable;

use super::memory_problem::MemoryProblem as Wrong;
use super::model::is_profile_name;
use super::near;
use super::problem::{ConfigError, Problem};
use super::providers::Secret;
use super::table::{Entry, Table, Value};
use crate::core::text::percent;

/// The port when the address says none.
const PORT: u16 = 5432;

/// The servers, in declared order.
pub type Servers = IndexMap<String, Server>;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Its host name or address; the folder of a unix socket where it begins with `/`.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The role that owns the memory.
    pub user: String,
    /// Its password.
    pub password: Password,
    /// Whether it is asked over TLS.
    pub tls: bool,
    /// A file with the certificates of who signs its own, where that is nobody known.
    pub ca: Option<String>,
}

/// Where a server's password comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// It needs none.
    None,
    /// From the file.
    Text(Secret),
    /// A command prints it.
    Command(String),
}

impl Server {
    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        near::is_here(&self.host)
    }

    /// Its address where it is a port of this machine's loopback and wants a password: what an agent may be led to. By a socket of the
    /// system, or without a password, an agent could log in as anybody.
    pub fn loopback(&self) -> Option<SocketAddr> {
        let address = match self.host.parse::<IpAddr>() {
            Ok(address) => address,
            Err(_) if self.host.starts_with('/') => return None,
            Err(_) => IpAddr::from([127, 0, 0, 1]),
        };
        let is_led = self.is_here() && self.password != Password::None;
        is_led.then(|| SocketAddr::new(address, self.port))
    }
}

/// Reads the file.
///
/// # Errors
/// The first [`ConfigError`], with its place.
pub fn parse(text: &str) -> Result<Servers, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| ConfigError {
        problem: Problem::Syntax(error.message().to_owned()),
        span: error.span().unwrap_or(0..0),
    })?;
    let top = Table::top(document.get_ref());
    top.only(&["servers"])?;
    let mut servers = Servers::new();
    if let Some(table) = top.table("servers")? {
        for entry in table.entries() {
            if !is_profile_name(entry.key) {
                let problem = Problem::Memory(Wrong::Name(entry.key.to_owned()));
                return Err(ConfigError { problem, span: entry.key_span.clone() });
            }
            servers.insert(entry.key.to_owned(), server(&entry)?);
        }
    }
    Ok(servers)
}

fn wrong(value: &Value<'_>, problem: Wrong) -> ConfigError {
    value.fail(Problem::Memory(problem))
}

fn server(entry: &Entry<'_>) -> Result<Server, ConfigError> {
    let table = entry.value.table()?;
    table.only(&["url", "password", "password_command", "tls", "ca"])?;
    let path = || entry.value.path.clone();
    let url = table.find("url").ok_or_else(|| wrong(&entry.value, Wrong::NoUrl(path())))?;
    let (server, own) = parts(&url)?;
    let said = table.text("password")?.map(|text| text.value);
    let command = table.filled_text("password_command")?.map(|text| text.value);
    let password = match (own, said, command) {
        (None, None, None) => Password::None,
        (Some(text), None, None) | (None, Some(text), None) => Password::Text(Secret::whole(&text)),
        (None, None, Some(command)) => Password::Command(command),
        _ => return Err(wrong(&entry.value, Wrong::Passwords(path()))),
    };
    // On this machine and in a network of one's own there is usually no TLS.
    let (is_here, is_near) = (near::is_here(&server.host), near::is_near(&server.host));
    let tls = table.boolean("tls")?.unwrap_or(!is_here);
    if !tls && !is_near && !is_here {
        return Err(wrong(&entry.value, Wrong::InTheClear(path())));
    }
    let ca = table.filled_text("ca")?.map(|text| text.value);
    Ok(Server { password, tls: tls && !server.host.starts_with('/'), ca, ..server })
}

/// The parts of `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, without the password, and that.
fn parts(value: &Value<'_>) -> Result<(Server, Option<String>), ConfigError> {
    let text = value.text()?.value;
    let refuse = |why| wrong(value, Wrong::Url { key: value.path.clone(), value: without_password(&text), why });
    let rest = text.strip_prefix("postgres://").or_else(|| text.strip_prefix("postgresql://"));
    let rest = rest.ok_or_else(|| refuse("it does not begin with `postgres://`"))?;
    let (authority, behind) = rest.rsplit_once('/').unwrap_or((rest, ""));
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (user, password) = user.split_once(':').map_or((user, None), |(user, password)| (user, Some(password)));
    let (database, query) = behind.split_once('?').map_or((behind, None), |(database, query)| (database, Some(query)));
    if query.is_some() {
        return Err(refuse("it has a `?`; `tls` and `ca` are keys of their own"));
    }
    let (host, port) = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((host, port)) => (host.to_owned(), port.strip_prefix(':')),
        None => match host.rsplit_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (host.to_owned(), None),
        },
    };
    let host = percent::decoded(&host).ok_or_else(|| refuse("its host is not written as in an address"))?;
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._:".contains(c);
    if host.is_empty() || !(host.starts_with('/') || host.chars().all(is_host)) || host.contains('\0') {
        return Err(refuse("it has no host name"));
    }
    let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port > 0));
    let user = percent::decoded(user).ok_or_else(|| refuse("its user is not written as in an address"))?;
    let user = if user.is_empty() { super::memory::DEFAULT.to_owned() } else { user };
    let database = percent::decoded(database).ok_or_else(|| refuse("its database is not written as in an address"))?;
    if user.contains('\0') || database.contains('\0') {
        return Err(refuse("it has a NUL in it"));
    }
    let broken = || refuse("its password is not written as in an address: `%` is `%25` there, `@` is `%40`");
    let password = password.map(|password| percent::decoded(password).ok_or_else(broken)).transpose()?;
    let database = if database.is_empty() { user.clone() } else { database };
    let port = port.ok_or_else(|| refuse("its port is none"))?;
    Ok((Server { host, port, database, user, password: Password::None, tls: false, ca: None }, password))
}

/// An address without what may be a secret in it.
fn without_password(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(server: &str) -> Result<Server, String> {
        let text = format!("[servers.team]\n{server}\n");
        let mut servers = parse(&text).map_err(|error| error.problem.to_string())?;
        Ok(servers.shift_remove("team").expect("it is there"))
    }

    #[test]
    fn an_address_is_read_in_parts() {
        let server = one("url = 'postgres://me:p%40ss@db.example.org:6432/notes'").expect("it is one");
        assert_eq!((server.host.as_str(), server.port, server.database.as_str()), ("db.example.org", 6432, "notes"));
        assert_eq!((server.user.as_str(), server.tls), ("me", true));
        assert!(matches!(server.password, Password::Text(secret) if secret.reveal() == "p@ss"));
        let server = one("url = 'postgresql://127.0.0.1'").expect("it is one");
        assert_eq!((server.user.as_str(), server.database.as_str(), server.tls), ("postgres", "postgres", false));
        let server = one("url = 'postgres://me@%2Frun%2Fpostgresql/notes'").expect("it is one");
        assert_eq!((server.host.as_str(), server.tls), ("/run/postgresql", false));
        let server = one("url = 'postgres://me@[::1]:5433/notes'").expect("it is one");
        assert_eq!((server.host.as_str(), server.port), ("::1", 5433));
        assert!(!one("url = 'postgres://me@10.0.0.7/x'\ntls = false").expect("it is near").tls);
    }

    #[test]
    fn what_is_wrong_shows_no_password() {
        for (server, told) in [
            ("", "`servers.team` has no `url`"),
            ("url = 'http://u:hush@h/d'", "`servers.team.url` cannot be `…@h/d`: it does not begin with `postgres://`"),
            ("url = 'postgres://u:hush@h:0/d'", "`servers.team.url` cannot be `…@h:0/d`: its port is none"),
            (
                "url = 'postgres://u:hush@h/d?sslmode=off'",
                "`servers.team.url` cannot be `…@h/d?sslmode=off`: it has a `?`; `tls` and `ca` are keys of their own",
            ),
            ("url = 'postgres://u:hush@/d'", "`servers.team.url` cannot be `…@/d`: it has no host name"),
            ("url = 'postgres://u:hush@h/d'\npassword = 'x'", "`servers.team` has more than one password"),
            (
                "url = 'postgres://u@db.example.org/d'\ntls = false",
                "The password of `servers.team` would cross a network in the clear",
            ),
        ] {
            let problem = one(server).expect_err("it is wrong");
            assert_eq!(problem, told, "{server}");
            assert!(!problem.contains("hush"));
        }
        assert_eq!(
            parse("[servers.'a b']\n").expect_err("it is none").problem.to_string(),
            "`a b` cannot name a server"
        );
    }

    #[test]
    fn an_agent_is_led_to_a_port_of_loopback_that_wants_a_password() {
        let of = |line: &str| {
            let servers = parse(&format!("[servers.a]\n{line}\n")).expect("it is valid");
            servers["a"].loopback().map(|address| address.to_string())
        };
        for (url, address) in [
            ("postgres://u:p@127.0.0.1:5433/d", Some("127.0.0.1:5433")),
            ("postgres://u:p@localhost/d", Some("127.0.0.1:5432")),
            ("postgres://u:p@[::1]/d", Some("[::1]:5432")),
            ("postgres://u@127.0.0.1/d", None),
            ("postgres://u:p@%2Frun%2Fpostgresql/d", None),
            ("postgres://u:p@db.example.org/d", None),
        ] {
            assert_eq!(of(&format!("url = '{url}'")).as_deref(), address, "{url}");
        }
    }
}
