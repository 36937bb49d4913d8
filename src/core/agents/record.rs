//! What silo records of an agent's run, from before anything of it is made until the user removes what is left of it.

use serde::{Deserialize, Serialize};

use crate::core::leases::subnet::Range;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Its ID, from which every name follows.
    pub id: String,
    /// The agent, as `[agents]` or the template is called.
    pub agent: String,
    /// The folder of the template that it is made from; none where the project has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Whether it goes on without the `silo` that started it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_persistent: bool,
    /// The root of its instance.
    pub root: String,
    /// The id of its instance.
    pub instance: String,
    /// The name of its instance.
    pub name: String,
    /// The socket of the engine that has its containers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub engine: String,
    /// What its container is made from.
    pub image: String,
    /// Whether silo built that for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_built: bool,
    /// What it was asked to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// What its repository is a clone of; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloned: Option<Cloned>,
    /// The addresses of its network; none where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Range>,
    /// The user and group it runs as.
    pub user: (u32, u32),
    /// What clone and findings may take, in bytes.
    pub disk: u64,
    /// How far it is.
    pub stage: Stage,
    /// When it was begun, as RFC 3339.
    pub created: String,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
}

/// What a repository is a clone of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cloned {
    /// The checkout.
    pub from: String,
    /// The repository's own folder, which is there when a worktree is gone; none where it was not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The commit it began at.
    pub base: String,
}

/// How far a run is. Every step can be done again, so that whoever comes next finishes what was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// What it needs is being made; nothing of it has run.
    Making,
    /// Its container may run.
    Running,
    /// Its container has stopped, and how it ended is known.
    Stopped,
    /// What it committed is in the repository.
    Bundled,
    /// What it found is kept.
    Kept,
    /// Nothing of it runs or lies about; the record, its log and what it found are left.
    Ended,
}

impl Stage {
    /// The word for people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Making => "starting",
            Self::Running => "running",
            Self::Stopped | Self::Bundled | Self::Kept => "ending",
            Self::Ended => "ended",
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct End {
    /// The exit code of its command.
    pub code: u8,
    /// Why, in words; empty where the command ended by itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// When, as RFC 3339.
    pub at: String,
    /// The branch with its commits; none where it made none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// How many commits that has beyond where it began.
    #[serde(default)]
    pub commits: u64,
    /// A file with commits on other branches of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub others: Option<String>,
    /// How many files it left as findings.
    #[serde(default)]
    pub findings: usize,
    /// Whether all of them are in the memory, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_saved: bool,
    /// What was left out, each with the reason.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<String>,
}

/// The codes with which silo's init ends in the command's place.
pub mod code {
    /// The wall does not hold: the command was not started.
    pub const WALL: u8 = 121;
    /// Clone and findings took more than they may.
    pub const DISK: u8 = 122;
    /// A program is missing in the image: the command was not started.
    pub const MISSING: u8 = 123;
    /// The time was over.
    pub const TIME: u8 = 124;
}

/// Why a command did not end by itself, in words; empty where it did.
pub fn why(code: u8, is_out_of_memory: bool) -> &'static str {
    match code {
        1.. if is_out_of_memory => "it took more memory than it may",
        code::WALL => "its wall does not hold, so it was not started",
        code::DISK => "clone and findings took more disk than they may",
        code::MISSING => "its image has no git",
        code::TIME => "its time was over",
        _ => "",
    }
}
