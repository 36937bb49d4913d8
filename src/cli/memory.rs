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
    /// As a folder with a file each, or as a line of JSON each; default: files, and jsonl for - (export)
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
    /// Only those of this agent (list, search, export); whose they are (sync)
    #[arg(long, value_name = "NAME")]
    pub agent: Option<String>,
    /// Only those of this run (list, search, export); whose they are (sync)
    #[arg(long, value_name = "ID")]
    pub run: Option<String>,
    /// Only those of this instance (list, search, export)
    #[arg(short, long, value_name = "NAME", add = Completes::Instance)]
    pub instance: Option<String>,
    /// Only those since then: 30m, 2h or 7d ago, or a date such as 2026-01-31 (list, search, export)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// How many at most; default: 50 (list, search), a folder of 16 MiB, or all as jsonl (export)
    #[arg(short, long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub number: Option<u32>,
}

/// What is done with a role.
#[derive(Debug, Args)]
pub struct MemoryRole {
    /// Give it a new password, and cut off who has the old one (role)
    #[arg(long)]
    pub rotate: bool,
    /// Remove it; what its agent found stays (role)
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
    /// Save what runs of agents have left on the disk
    Sync,
    /// Say whether the server answers, what it has, and what waits to be saved
    Status,
    /// Give an agent a role of its own, and say in which file its address is
    Role,
    /// Remove findings
    Rm,
}

/// How findings are exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MemoryFormat {
    /// A file each, and a list of them
    Files,
    /// A line of JSON each
    Jsonl,
}
