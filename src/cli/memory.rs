//! Arguments of `silo memory`.

use clap::{Args, ValueEnum, ValueHint};

use super::completes::Completes;

/// Arguments of `silo memory`.
#[derive(Debug, Args)]
pub struct MemoryArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: MemoryAction,
    /// The words (search), numbers (show, rm), the folder or - (export), a folder (sync), the agent (role)
    #[arg(value_name = "WORD", value_hint = ValueHint::AnyPath)]
    pub words: Vec<String>,
    /// Which findings.
    #[command(flatten)]
    pub filter: MemoryFilter,
    /// A file or a line of JSON for each finding; default: files, and jsonl for - (export)
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<MemoryFormat>,
    /// What is done with the role.
    #[command(flatten)]
    pub role: MemoryRole,
    /// Print JSON (list, search, show, status)
    #[arg(long)]
    pub json: bool,
}

/// Which findings.
#[derive(Debug, Clone, Args)]
pub struct MemoryFilter {
    /// Only findings of this agent (list, search, export); who found them (sync)
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Only findings of this run (list, search, export); in which run (sync)
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Only findings of this instance (list, search, export)
    #[arg(short, long, value_name = "NAME", add = Completes::Instance)]
    pub instance: Option<String>,
    /// Only findings since 30m, 2h or 7d ago, or since a date such as 2026-01-31 (list, search, export)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// How many at most; default: 50 (list, search), a folder of 16 MiB, or all as jsonl (export)
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub number: Option<u32>,
}

/// What is done with a role.
#[derive(Debug, Args)]
pub struct MemoryRole {
    /// Give the role a new password, and end its connections (role)
    #[arg(long)]
    pub rotate: bool,
    /// Remove the role; what its agent found stays (role)
    #[arg(long, conflicts_with = "rotate")]
    pub drop: bool,
}

/// What `silo memory` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MemoryAction {
    /// List the newest findings
    List,
    /// List the findings that have all of the words, the best first
    Search,
    /// Print what a finding says
    Show,
    /// Write findings into a new folder, or to standard output
    Export,
    /// Save the findings that runs of agents left on the disk
    Sync,
    /// Say whether the server answers, what it has, and what waits to be saved
    Status,
    /// Give an agent a role in the database, and print the file with its address
    Role,
    /// Remove findings
    Rm,
}

/// How findings are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MemoryFormat {
    /// A folder with a file for each finding, and index.jsonl
    Files,
    /// A line of JSON for each finding
    Jsonl,
}
