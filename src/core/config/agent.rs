//! What `[agents]` says, as values (D33).

use std::ops::Range;
use std::time::Duration;

use indexmap::IndexMap;

use super::text::Text;
use crate::core::gateway::keys::Wish;

/// An agent, with its defaults where the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// What its container is made from.
    pub source: Source,
    /// What runs in it; empty is what the image says.
    pub command: Vec<Text>,
    /// How long it lives.
    pub lifetime: Lifetime,
    /// Whether it gets a clone of the repository.
    pub repository: bool,
    /// Its limits.
    pub limits: Limits,
    /// The services it reaches.
    pub services: Vec<Text>,
    /// The agents of the instance that it reaches.
    pub agents: Vec<Text>,
    /// The port on which other agents reach it.
    pub listen: Option<u16>,
    /// The hosts outside that it reaches.
    pub egress: Vec<Text>,
    /// What it asks of the gateway; none where it names neither models nor a budget.
    pub wish: Option<Wish>,
    /// Its variables, templates.
    pub env: IndexMap<String, Text>,
    /// Folders and files of the project that it sees, read-only.
    pub mounts: Vec<Mount>,
    /// The place of its table in the file, in bytes.
    pub span: Range<usize>,
}

/// What a container is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// An image, by its name.
    Image(Text),
    /// A folder of the project with a Dockerfile.
    Build(Text),
}

/// How long an agent lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lifetime {
    /// Until its command ends, or the `silo` that runs it.
    #[default]
    Transient,
    /// As long as the instance is up.
    Persistent,
}

impl Lifetime {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::Persistent => "persistent",
        }
    }
}

/// What an agent may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes; what it writes to `/tmp` and its home is part of it.
    pub memory: u64,
    /// Thousandths of a processor.
    pub cpus: u32,
    /// Processes and threads.
    pub pids: u32,
    /// Clone and findings, in bytes.
    pub disk: u64,
    /// How long it may run; none is without end.
    pub time: Option<Duration>,
}

impl Limits {
    /// Those of an agent whose table says nothing of them.
    pub fn of(lifetime: Lifetime) -> Self {
        let time = (lifetime == Lifetime::Transient).then(|| Duration::from_hours(1));
        Self { memory: 1 << 30, cpus: 1000, pids: 256, disk: 2 << 30, time }
    }
}

/// What an agent sees of the project beside its clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path in the project.
    pub from: String,
    /// Where the agent finds it.
    pub to: String,
    /// Its place in the file, in bytes.
    pub span: Range<usize>,
}
