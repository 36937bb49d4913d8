//! What can be wrong with `[memory]` of a `silo.toml` and with the user's `memory.toml`, and the way out of it.

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the words of the message")]
pub enum MemoryProblem {
    /// Neither a service nor a server.
    #[error("`memory` names no server")]
    Nowhere,
    /// Both of them.
    #[error("`memory` has both `service` and `server`")]
    Both,
    /// A service that cannot be reached from this machine.
    #[error("`memory.service` is `{0}`, which publishes no port")]
    Unpublished(String),
    /// A server by its address.
    #[error("`memory.server` is an address")]
    Address,
    /// A key of services beside a server.
    #[error("`memory.{0}` does not go with `memory.server`")]
    OfService(&'static str),
    /// A password's file elsewhere.
    #[error("`memory.password_file` leads out of the project: `{0}`")]
    File(String),
    /// A variable that is no password's.
    #[error("`memory.password_variable` cannot be `{0}`")]
    Variable(String),
    /// Two passwords.
    #[error("`memory` has two passwords")]
    TwoPasswords,
    /// A name of a server that cannot be one.
    #[error("`{0}` cannot name a server")]
    Name(String),
    /// A server without an address.
    #[error("`{0}` has no `url`")]
    NoUrl(String),
    /// An address that cannot be asked.
    #[error("`{key}` cannot be `{value}`: {why}")]
    Url { key: String, value: String, why: &'static str },
    /// Several passwords of one server.
    #[error("`{0}` has more than one password")]
    Passwords(String),
    /// A password on a network without encryption.
    #[error("The password of `{0}` would cross a network in the clear")]
    InTheClear(String),
}

impl MemoryProblem {
    /// The way out.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Nowhere => "Write `service = \"NAME\"`, or `server = \"NAME\"` for one of your memory.toml",
            Self::Both => "Remove one of them",
            Self::Unpublished(_) => "Write its port below `[compose.ports]`, as in `MEMORY_PORT = \"memory:5432\"`",
            Self::Address => "Write its address into ~/.config/silo/memory.toml, and here the name it has there",
            Self::OfService(_) => "Write it into the `url` of the server in memory.toml",
            Self::File(_) => "Name a file in the project's folder, such as \".memory-password\"",
            Self::Variable(_) => "Name a variable that ends in PASSWORD, such as MEMORY_PASSWORD",
            Self::TwoPasswords => "Remove `password_file` or `password_variable`",
            Self::Name(_) => "Use letters, digits, `-`, `_` and `.`, and at most 100 characters",
            Self::NoUrl(_) => "Add it, as in `url = \"postgres://silo@db.example.org/memory\"`",
            Self::Url { .. } => "Write an address such as \"postgres://silo@db.example.org:5432/memory\"",
            Self::Passwords(_) => "Keep one of them: in `url`, `password` or `password_command`",
            Self::InTheClear(_) => "Remove `tls = false`; where its certificate is its own, name that with `ca`",
        }
    }
}
