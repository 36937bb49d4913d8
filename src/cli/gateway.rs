//! Arguments of the commands about the gateway.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use super::completes::Completes;

/// Arguments of `silo gateway`.
#[derive(Debug, Args)]
pub struct GatewayArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: GatewayAction,
    /// The call, as `silo gateway spend` numbers it (settle)
    #[arg(value_name = "CALL")]
    pub call: Option<u64>,
    /// What it cost, such as 0, 0.25 or "0.25, 9000 tokens" (settle)
    #[arg(value_name = "AMOUNT", requires = "call")]
    pub amount: Option<String>,
    /// Serve in the background (up)
    #[arg(short, long)]
    pub detach: bool,
    /// Print JSON (status, spend)
    #[arg(long)]
    pub json: bool,
}

/// What `silo gateway` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GatewayAction {
    /// Start it
    Up,
    /// Stop it
    Down,
    /// Say whether it runs, and where
    Status,
    /// Show what each key has spent, and which calls came to no end
    Spend,
    /// Say what an unfinished call cost
    Settle,
}

/// Arguments of `silo key`.
#[derive(Debug, Args)]
pub struct KeyArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: KeyAction,
    /// Whose it is to be, in a word or two (new); its id (revoke)
    #[arg(value_name = "NAME", add = Completes::Key)]
    pub name: Option<String>,
    /// What it may spend in all: money such as 5 or 0.25, or tokens such as "2M tokens" (new)
    #[arg(long, value_name = "AMOUNT")]
    pub budget: Option<String>,
    /// The models it may ask; default: every one of gateway.toml (new)
    #[arg(long, value_name = "MODEL", value_delimiter = ',')]
    pub models: Vec<String>,
    /// How many requests it may make in a minute (new)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// How many tokens it may take in a minute (new)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens: Option<u64>,
    /// Write it into this file, for the user alone, and do not print it (new)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Let it open again (revoke)
    #[arg(long)]
    pub undo: bool,
    /// Print JSON (list)
    #[arg(long)]
    pub json: bool,
}

/// What `silo key` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyAction {
    /// Make one, and print it this one time
    New,
    /// Show all, without the keys themselves
    List,
    /// Take one back
    Revoke,
}
