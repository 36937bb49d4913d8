//! What is asked of an instance, and the world it is settled in.

use std::ops::RangeInclusive;
use std::path::Path;

use super::project::Project;
use crate::core::config::ConfigFile;
use crate::core::leases::ports::Probe;
use crate::core::leases::source::Source;
use crate::core::text::digest;
use crate::sys::dirs::Dirs;

/// What brings silo to an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Occasion {
    /// A typed command.
    #[default]
    Typed,
    /// A `cd`, or a program that acts as if: `SILO_PROFILE` then decides only for a new instance, and only when the file
    /// has that profile, for nobody asked for a switch.
    Cd,
    /// The same in a shell that is in the instance: where it was released, none is made under its hands.
    Inside,
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ask<'a> {
    /// A name typed by the user.
    pub name: Option<&'a str>,
    /// `--profile`.
    pub profile: Option<&'a str>,
    /// `SILO_PROFILE` as the user set it.
    pub profile_variable: Option<&'a str>,
    /// `--force`: plan the ports again, and allow another profile.
    pub force: bool,
    /// What brings silo here.
    pub occasion: Occasion,
    /// Its parts are about to start: they need ports of their own even where `silo.toml`
    /// declares none.
    pub up: bool,
    /// Ports that turned out to be others than planned: what is already bound counts.
    pub found: &'a [(String, u16)],
    /// Variables whose leased port somebody else holds (D3), or that are to move: they get another one.
    pub lost: &'a [String],
    /// Variables that get this port though another instance holds a lease on it: that one gives way.
    pub take: &'a [(String, u16)],
}

/// The world outside, passed in.
pub struct World<'a> {
    /// Now, RFC 3339.
    pub now: String,
    /// Four random characters at each call.
    pub suffix: &'a dyn Fn() -> String,
    /// silo's own path, for the gates.
    pub silo: &'a Path,
    /// Whether a tool is installed.
    pub installed: &'a dyn Fn(&str) -> bool,
    /// Where ports come from when a default is not available.
    pub port_range: &'a RangeInclusive<u16>,
    /// What the system gives to outgoing connections.
    pub outgoing: RangeInclusive<u16>,
    /// The user's number.
    pub user: u32,
    /// Whether a port that no lease holds can be bound.
    pub probe: &'a dyn Fn(u16) -> Probe,
    /// Ports that a lockfile without a lease remembers and this very instance holds: they stay.
    pub own: &'a [u16],
}

impl World<'_> {
    /// Where the ports of a root come from when a default is not available.
    pub fn source(&self, root: &str) -> Source {
        let place = digest::number(&[&self.user.to_le_bytes(), root.as_bytes()]);
        Source { range: self.port_range.clone(), outgoing: self.outgoing.clone(), place }
    }
}

/// What is to be settled, as asked for, in which world.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The user's folders.
    pub dirs: &'a Dirs,
    /// The project.
    pub project: &'a Project,
    /// Its config.
    pub config: &'a ConfigFile,
    /// What was asked for.
    pub ask: &'a Ask<'a>,
    /// The world outside.
    pub world: &'a World<'a>,
}
