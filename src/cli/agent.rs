//! Arguments of `silo agent`.

use std::ffi::OsString;

use clap::{Args, ValueEnum};

use super::completes::Completes;

/// Arguments of `silo agent`.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: AgentAction,
    /// The agent, of `[agents]` or a template (run); its run, by ID or by the agent's name
    #[arg(value_name = "NAME", add = Completes::Agent)]
    pub name: Option<String>,
    /// What it is to do; `$SILO_TASK` in it (run)
    #[arg(value_name = "TASK")]
    pub task: Option<String>,
    /// The ID of the run; default: the agent's name and four letters (run)
    #[arg(long = "as", value_name = "ID")]
    pub id: Option<String>,
    /// Go on until it ends (logs)
    #[arg(short, long)]
    pub follow: bool,
    /// Though it runs, and what it found goes with it (rm)
    #[arg(long)]
    pub force: bool,
    /// Print JSON (list, findings)
    #[arg(long)]
    pub json: bool,
    /// The command and its arguments (exec)
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// What `silo agent` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AgentAction {
    /// Run an agent in a container of its own, until it ends
    Run,
    /// List the runs: what goes on, and what has ended
    List,
    /// Show what a run prints
    Logs,
    /// Run a command in the container of a run
    Exec,
    /// End a run, and bring home what it made
    Stop,
    /// List what a run found, and where that lies
    Findings,
    /// Remove the record of runs that have ended, with log and findings
    Rm,
}
