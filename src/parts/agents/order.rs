//! A run that is wanted.

use crate::core::config::agents::Agent;
use crate::parts::scope::Site;

/// How long a command may take to end once it is asked to, in seconds.
pub(super) const GRACE: u64 = 5;

/// A run that is wanted.
pub struct Order<'a> {
    /// The instance it belongs to.
    pub site: &'a Site<'a>,
    /// The agent's name.
    pub name: &'a str,
    /// What `silo.toml` says of it.
    pub agent: &'a Agent,
    /// The ID.
    pub id: &'a str,
    /// What it is asked to do.
    pub task: Option<&'a str>,
}
