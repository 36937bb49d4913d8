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
    /// Show what each key has spent, and which calls never ended
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
    /// The key's name, in a word or two (new); its id (revoke)
    #[arg(value_name = "NAME", add = Completes::Key)]
    pub name: Option<String>,
    /// What the key may spend in all: money such as 5, tokens such as "2M tokens", or "5, 2M tokens" (new)
    #[arg(long, value_name = "AMOUNT")]
    pub budget: Option<String>,
    /// The models it may use; default: all of gateway.toml (new)
    #[arg(long, value_name = "MODEL", value_delimiter = ',')]
    pub models: Vec<String>,
    /// How many requests it may make per minute (new)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub requests: Option<u64>,
    /// How many tokens it may use per minute (new)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub tokens: Option<u64>,
    /// Write the key to this file, which only you can read, and do not print it (new)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// Make a revoked key work again (revoke)
    #[arg(long)]
    pub undo: bool,
    /// Print JSON (list)
    #[arg(long)]
    pub json: bool,
}

/// What `silo key` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum KeyAction {
    /// Make a key, and print it once
    New,
    /// List all keys: name, state, cost; not the keys themselves
    List,
    /// Revoke a key
    Revoke,
}
