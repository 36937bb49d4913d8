//! What `[memory]` of a `silo.toml` says: a service of the instance, or a server of the user's own file.

use std::ops::Range;

/// Where the memory is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Memory {
    /// A service of the instance.
    Service(MemoryService),
    /// A server of the user's `memory.toml`, by its name there.
    Server(String),
}

/// A service of the instance that is a Postgres.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryService {
    /// `service`.
    pub service: String,
    /// Its place in the file, in bytes, quotes included.
    pub span: Range<usize>,
    /// `database`.
    pub database: String,
    /// `user`: the role that owns the memory.
    pub user: String,
    /// Where its password comes from.
    pub password: Option<PasswordSource>,
}

/// Where the password of a service comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// `password_file`: the first line of a file in the project.
    File(String),
    /// `password_variable`: a variable of `.env` beside `silo.toml`, else of the shell.
    Variable(String),
}
