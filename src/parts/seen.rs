//! What was observed of a part, and of which instance or root.

use std::path::Path;

use serde_json::Value;

use crate::core::config::Settings;
use crate::core::instance::lockfile::InstanceState;
use crate::core::instance::vars::Vars;
use crate::core::leases::{Instance, Wish};
use crate::core::shell::environment::Environment;
use crate::store::snapshot::Recorded;

/// Reports one instance after the system was asked about all; none where that instance has no such part.
pub type Survey = Box<dyn Fn(&Instance, Option<&InstanceState>) -> Option<PartState> + Send>;

/// One thing of a part as it is: a service, or the part as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stand {
    /// What is called so in what is wanted (D31).
    pub wish: Wish,
    /// Its state.
    pub how: How,
    /// By what the part knows it again, such as a container's id.
    pub mark: String,
}

/// How something stands that can be wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It runs, is on the way, or rests because the user has paused it.
    Up,
    /// It runs, and says of itself that it is not well.
    Unhealthy,
    /// It ended with success.
    Ended,
    /// It does not run, in the words of who was asked.
    Down(String),
}

/// What was observed of a part, for `silo list`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PartState {
    /// Whether the instance counts as running by it.
    pub runs: bool,
    /// For people.
    pub cell: String,
    /// The ports that it listens on as long as it is there, whether the instance runs or not.
    pub publishes: Vec<u16>,
    /// For programs.
    pub value: Value,
    /// How each thing of it stands.
    pub stands: Vec<Stand>,
    /// Why nothing is known of it, where who was asked did not answer.
    pub silent: Option<String>,
    /// Whether it can be stopped when nobody uses it, and all use of it shows in this machine's connections.
    pub may_rest: bool,
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
    /// The same of what is beside it, by key.
    pub beside: Vec<(&'static str, Value)>,
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
