//! What `silo` asks `silo-proxy memory` on its standard input, and what that answers: one line of JSON each.

use serde::{Deserialize, Serialize};

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Which server.
    pub to: Target,
    /// What of it.
    pub what: What,
}

/// Which server is meant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// One of the user's own `memory.toml`, by its name there.
    Server(String),
    /// A service of the instance.
    Service {
        /// Its name in the compose files.
        service: String,
        /// The address of this machine it is published on.
        host: String,
        /// The port there.
        port: u16,
        /// The database.
        database: String,
        /// The role that owns the memory.
        user: String,
        /// Its password.
        password: Option<String>,
    },
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.title())
    }
}

impl Target {
    /// What it is called in a sentence.
    pub fn title(&self) -> String {
        match self {
            Self::Server(name) => format!("the server `{name}` of memory.toml"),
            Self::Service { service, .. } => format!("the service `{service}`"),
        }
    }
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum What {
    /// Whether it answers, and what it has.
    Status,
    /// The newest findings, without what they say; those that have all of the words, the best first, where there are any.
    List(Filter),
    /// One finding, whole.
    Show(i64),
    /// Findings as a whole, the newest first, up to so many bytes.
    Export {
        /// Only those with a smaller number.
        below: Option<i64>,
        /// The most bytes of all bodies; one is given in any case.
        bytes: u64,
        /// Which.
        filter: Filter,
    },
    /// Saves findings of a run; those that are there already stay as they are.
    Save {
        /// Whose.
        run: Run,
        /// Them.
        findings: Vec<Body>,
    },
    /// Removes findings.
    Remove(Vec<i64>),
    /// Makes the role of an agent, or sets its password again.
    Role {
        /// What the agent is known by.
        key: String,
        /// What the role is to be called where it is new.
        name: String,
        /// The agent.
        run: Run,
        /// Its password.
        password: String,
        /// Whether whoever is connected with it is cut off.
        cut: bool,
    },
    /// Removes the role of an agent; its findings stay.
    Drop {
        /// What the agent is known by.
        key: String,
    },
}

/// Whose findings they are.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Run {
    /// The instance's name.
    pub instance: String,
    /// The agent's name.
    pub agent: String,
    /// The ID of the run.
    pub run: String,
}

/// Which findings.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Filter {
    /// Of this agent.
    pub agent: Option<String>,
    /// Of this run.
    pub run: Option<String>,
    /// Of this instance.
    pub instance: Option<String>,
    /// Not older than this, in RFC 3339.
    pub since: Option<String>,
    /// With all of these words.
    pub words: Option<String>,
    /// The most.
    pub most: u32,
}

/// A finding's text or bytes on its way to the server.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Body {
    /// Its file.
    pub path: String,
    /// The text; of bytes that are none, what can be read of them.
    pub text: String,
    /// The bytes in hexadecimal, where they are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
    /// When it was written; none is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<String>,
}

/// A finding as the server has it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Found {
    /// Its number.
    pub id: i64,
    /// The instance of its agent.
    pub instance: String,
    /// Its agent.
    pub agent: String,
    /// The ID of the run.
    pub run: String,
    /// Its file, where it was one.
    pub path: Option<String>,
    /// Its title.
    pub title: String,
    /// Of what kind it is.
    pub kind: String,
    /// Its size, in bytes.
    pub size: i64,
    /// The digest of what it says.
    pub sha256: String,
    /// When it was written.
    pub created: String,
    /// The role that wrote it by itself; none where silo has saved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// What it says, where that was asked for: of a list, the place with the words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The bytes in hexadecimal, where they are no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hex: Option<String>,
}

/// What the memory has, all in all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Status {
    /// Where it is.
    pub address: String,
    /// The server's version.
    pub postgres: String,
    /// The version of silo's schema.
    pub version: i32,
    /// How many findings.
    pub findings: i64,
    /// Their bytes.
    pub bytes: i64,
    /// The agents with a role: instance, agent and role.
    pub roles: Vec<(String, String, String)>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Answer {
    /// To `Status`.
    Status(Status),
    /// To `List`, `Show` and `Export`; whether there are more.
    Found(Vec<Found>, bool),
    /// To `Save` and `Remove`: how many there were to do.
    Done(u64),
    /// To `Role`: what it is called, and where its server is: host, port and database, and whether that is asked over TLS.
    Role(Role),
    /// It failed.
    Failed {
        /// What failed.
        what: String,
        /// Where.
        place: Option<String>,
        /// How to go on.
        hints: Vec<String>,
        /// The exit code.
        code: u8,
    },
}

/// A role, and where it is of use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Role {
    /// What it is called.
    pub name: String,
    /// The host of its server.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// Whether that is asked over TLS.
    pub tls: bool,
}

/// Bytes in hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = |byte: &u8| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    bytes.iter().flat_map(digits).map(char::from).collect()
}

/// The bytes of hexadecimal digits; none where they are none.
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_comes_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        assert_eq!(from_hex(&hex(&bytes)).as_ref(), Some(&bytes));
        assert_eq!((from_hex("0g"), from_hex("012"), from_hex("")), (None, None, Some(Vec::new())));
    }

    #[test]
    fn no_password_is_shown_by_debug() {
        let to = Target::Service {
            service: "db".to_owned(),
            host: "127.0.0.1".to_owned(),
            port: 5432,
            database: "d".to_owned(),
            user: "u".to_owned(),
            password: Some("hush".to_owned()),
        };
        assert!(!format!("{:?}", Request { to, what: What::Status }).contains("hush"));
    }
}
