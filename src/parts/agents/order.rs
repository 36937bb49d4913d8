//! A run that is wanted.

use super::origin::Origin;
use crate::core::config::agents::Agent;
use crate::parts::scope::Site;

/// The column, by which what is wanted names persistent agents.
pub const COLUMN: &str = "agents";
/// How long a command may take to end once it is asked to, in seconds.
pub(super) const GRACE: u64 = 5;

/// A run that is wanted.
pub struct Order<'a> {
    /// The instance it belongs to.
    pub site: &'a Site<'a>,
    /// The agent's name.
    pub name: &'a str,
    /// What is said of it.
    pub agent: &'a Agent,
    /// Where that is said.
    pub origin: &'a Origin,
    /// The ID.
    pub id: &'a str,
    /// What it is asked to do.
    pub task: Option<&'a str>,
}
