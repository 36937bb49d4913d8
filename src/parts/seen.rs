//! What was observed of a part, and of which instance or root.

use std::path::Path;

use serde_json::Value;

use crate::core::config::Settings;
use crate::core::instance::lockfile::InstanceState;
use crate::core::instance::vars::Vars;
use crate::core::leases::Instance;
use crate::core::shell::environment::Environment;
use crate::store::snapshot::Recorded;

/// Tells of one instance after the system was asked about all; none where that instance has no such part.
pub type Survey = Box<dyn Fn(&Instance, Option<&InstanceState>) -> Option<PartState> + Send>;

/// What was observed of a part, for `silo list`.
#[derive(Debug, Clone, PartialEq)]
pub struct PartState {
    /// Whether the instance counts as running by it.
    pub runs: bool,
    /// For people.
    pub cell: String,
    /// The ports that it listens on as long as it is there, whether the instance runs or not.
    pub publishes: Vec<u16>,
    /// For programs.
    pub value: Value,
}

/// An instance for `silo status`.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The environment outside every instance: to look starts nothing.
    pub outside: &'a Environment,
    /// The project's root.
    pub root: &'a Path,
    /// What its `silo.toml` means; none where that no longer has the profile.
    pub settings: Option<&'a Settings>,
    /// What is recorded of it.
    pub recorded: &'a Recorded,
    /// Its vars.
    pub vars: &'a Vars,
}

/// What a part says in `silo status`.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Whether the instance counts as running by it.
    pub runs: bool,
    /// For people; none where it does not run.
    pub lines: Vec<String>,
    /// The ports that it listens on as long as it is there, whether the instance runs or not.
    pub publishes: Vec<u16>,
    /// For programs.
    pub value: Value,
}

/// A root for `silo doctor`.
#[derive(Clone, Copy)]
pub struct Inspected<'a> {
    /// The project's root.
    pub root: &'a Path,
    /// Its lockfile.
    pub lockfile: &'a Path,
    /// What that says; none without a readable one.
    pub state: Option<&'a InstanceState>,
    /// Whether a `silo up` is on the way.
    pub is_starting: bool,
    /// Whether it is the project silo was called in.
    pub is_here: bool,
}
