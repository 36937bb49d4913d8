//! What the files of a part's own program say, read and never run: for `silo doctor` and `silo init`.

use std::path::PathBuf;

use super::finding::Finding;

/// What a part's own files say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// What is wrong in them.
    pub found: Vec<Finding>,
    /// The compose files they name.
    pub compose_files: Vec<PathBuf>,
    /// The ports of this machine that they write out.
    pub ports: Vec<WrittenPort>,
    /// Whether what they say needs a cluster.
    pub needs_cluster: bool,
}

/// A port that a part's own file writes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenPort {
    /// The file.
    pub file: PathBuf,
    /// Its line there, from 1.
    pub line: usize,
    /// What it is for, where that has a name.
    pub owner: Option<String>,
    /// The number.
    pub port: u16,
    /// Whether somebody listens on it, so that a second instance cannot.
    pub is_held: bool,
    /// What of the file says so.
    pub what: String,
    /// What reads the port from a variable there, with `…` for its name.
    pub instead: String,
}
