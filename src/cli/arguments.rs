//! Arguments of the commands that have many.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::completes::Completes;
use super::words;
use crate::core::shell::Shell;
use crate::core::text::span;

/// Arguments of `silo allow` and `silo deny`.
#[derive(Debug, Args)]
pub struct TrustArgs {
    /// The project's folder or its silo.toml; default: this folder
    pub path: Option<PathBuf>,
}

/// Arguments of `silo hook`.
#[derive(Debug, Default, Args)]
pub struct HookArgs {
    /// The shell; with --install and --uninstall by default $SHELL's
    #[arg(required_unless_present = "change", value_parser = words::shells())]
    pub shell: Option<&'static Shell>,
    /// Add the line that loads the hook to the shell's start file
    #[arg(long, group = "change")]
    pub install: bool,
    /// Remove what --install added
    #[arg(long, group = "change")]
    pub uninstall: bool,
    /// Do not ask
    #[arg(short, long, requires = "change")]
    pub yes: bool,
}

/// Arguments of `silo env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// Instance name; default: the current one, or one made from folder or branch
    #[arg(add = Completes::Name)]
    pub name: Option<String>,
    /// Plan the ports again, and allow another profile
    #[arg(short, long)]
    pub force: bool,
    /// Move this port to another one that is free
    #[arg(long = "move", value_name = "VAR", conflicts_with = "force", add = Completes::OwnPort)]
    pub moves: Vec<String>,
    /// Take this port's default from an instance that does not use it
    #[arg(long, value_name = "VAR", conflicts_with = "force", add = Completes::OwnPort)]
    pub take: Vec<String>,
    /// Change the name even if containers, volumes or a cluster have the old name
    #[arg(long, requires = "name")]
    pub rename: bool,
    /// Profile to use (also: `SILO_PROFILE`)
    #[arg(short, long, value_name = "NAME", add = Completes::Profile)]
    pub profile: Option<String>,
    /// How the answer is printed, and for whom.
    #[command(flatten)]
    pub told: EnvTold,
}

/// To whom `silo env` tells the instance.
#[derive(Debug, Args)]
pub struct EnvTold {
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Append the vars to `$GITHUB_ENV` (automatic if CI is set)
    #[arg(long)]
    pub export_ci: bool,
}

/// Arguments of `silo up`.
#[derive(Debug, Args)]
pub struct UpArgs {
    /// Instance name; default: the current one, or one made from folder or branch
    #[arg(add = Completes::Name)]
    pub name: Option<String>,
    /// Plan the ports again, and allow another profile
    #[arg(short, long)]
    pub force: bool,
    /// Profile to use (also: `SILO_PROFILE`)
    #[arg(short, long, value_name = "NAME", add = Completes::Profile)]
    pub profile: Option<String>,
    /// Run in the background (then: `silo logs`, `silo wait`, `silo down`)
    #[arg(short, long)]
    pub detach: bool,
    /// First end servers of this instance that still listen on its ports
    #[arg(long)]
    pub kill: bool,
    /// Arguments for `tilt up`; without Tilt, for `docker compose up`
    #[arg(last = true, value_name = "ARGS")]
    pub words: Vec<OsString>,
}

/// Arguments of `silo ci`.
#[derive(Debug, Args)]
pub struct CiArgs {
    /// Instance name; without Tilt, the run is `NAME-ci`
    #[arg(add = Completes::Name)]
    pub name: Option<String>,
    /// Profile to use (also: `SILO_PROFILE`)
    #[arg(short, long, value_name = "NAME", add = Completes::Profile)]
    pub profile: Option<String>,
    /// Time limit for Tilt, such as 10m
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,
    /// Append the vars to `$GITHUB_ENV` (automatic if CI is set)
    #[arg(long)]
    pub export_ci: bool,
    /// Arguments for `tilt ci`; without Tilt, the command to run
    #[arg(last = true, value_name = "ARGS")]
    pub words: Vec<OsString>,
}

/// Arguments of `silo compose`.
#[derive(Debug, Args)]
pub struct ComposeArgs {
    /// Compose files in the order in which they are merged; default: those of the project
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub files: Vec<PathBuf>,
    /// A file with variables, as for compose
    #[arg(long = "env-file", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub env_files: Vec<PathBuf>,
    /// For a program that starts the services: make volumes of `keep`; print nothing without `[compose]`
    #[arg(long)]
    pub pass_on: bool,
}

/// Arguments of `silo seed`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("source").required(true))]
pub struct SeedArgs {
    /// The volume, by its key below `volumes:` in the compose files
    #[arg(value_name = "VOLUME", add = Completes::Volume)]
    pub volume: String,
    /// Fill it from another instance's volume of the same key
    #[arg(long, value_name = "INSTANCE", group = "source", add = Completes::Instance)]
    pub from: Option<String>,
    /// Fill it from this volume, as `docker volume ls` names it
    #[arg(long, value_name = "NAME", group = "source")]
    pub from_volume: Option<String>,
    /// Replace what is in it
    #[arg(short, long)]
    pub force: bool,
    /// Do not stop what uses the source; data written during the copy may be torn
    #[arg(long)]
    pub live: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Arguments of `silo new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The branch, existing or new; the folder is named after it
    pub name: String,
    /// Start the new branch at this commit; default: that of the main checkout
    #[arg(long, value_name = "REF", conflicts_with_all = ["copy", "template"])]
    pub from: Option<String>,
    /// Copy the folder instead of making a git worktree
    #[arg(long)]
    pub copy: bool,
    /// Make it from a template (`silo templates` lists them)
    #[arg(long, value_name = "NAME", conflicts_with = "copy", add = Completes::Template)]
    pub template: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "command")]
    pub json: bool,
    /// A command to run in it
    #[arg(last = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// Arguments of `silo run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The workspace; made if it is missing, as by `silo new`
    #[arg(add = Completes::Workspace)]
    pub name: String,
    /// Remove it at the end, unless something would be lost
    #[arg(long)]
    pub rm: bool,
    /// Start a new branch at this commit; default: that of the main checkout
    #[arg(long, value_name = "REF", conflicts_with_all = ["copy", "template"])]
    pub from: Option<String>,
    /// Copy the folder instead of making a git worktree
    #[arg(long)]
    pub copy: bool,
    /// Make it from a template (`silo templates` lists them)
    #[arg(long, value_name = "NAME", conflicts_with = "copy", add = Completes::Template)]
    pub template: Option<String>,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD", value_hint = ValueHint::CommandWithArguments)]
    pub command: Vec<OsString>,
}

/// Arguments of `silo rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// The workspaces, by name or folder
    #[arg(required = true, value_name = "NAME", add = Completes::Workspace)]
    pub names: Vec<String>,
    /// Remove it even if something would be lost
    #[arg(short, long)]
    pub force: bool,
    /// Do not ask
    #[arg(short, long, requires = "force")]
    pub yes: bool,
}

/// Arguments of `silo prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Only these instances, even on a disk that is not mounted
    #[arg(value_name = "NAME", add = Completes::Gone)]
    pub names: Vec<String>,
    /// Only show what would be done
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Remove their clusters, containers, networks, volumes and images too, data included
    #[arg(short, long, alias = "clusters")]
    pub all: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

/// Arguments of `silo routes`.
#[derive(Debug, Args)]
pub struct RoutesArgs {
    /// Print JSON
    #[arg(long, group = "form")]
    pub json: bool,
    /// For which web server.
    #[command(flatten)]
    pub server: RoutesFor,
    /// The port of 127.0.0.1 on which nginx or Caddy listens
    #[arg(long, value_name = "PORT", default_value_t = 80, value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Write this file, if it has changed
    #[arg(long, value_name = "FILE", requires = "server", value_hint = ValueHint::FilePath)]
    pub out: Option<PathBuf>,
    /// A command that must succeed before the file is used; {} in it stands for the new file, beside the old one
    #[arg(long, value_name = "CMD", requires = "out")]
    pub test: Option<String>,
    /// A command to run after each change of the file
    #[arg(long, value_name = "CMD", requires = "out")]
    pub reload: Option<String>,
    /// Keep writing changes until Ctrl-C
    #[arg(short, long, requires = "out")]
    pub watch: bool,
}

/// For which web server `silo routes` writes.
#[derive(Debug, Args)]
pub struct RoutesFor {
    /// Print the routes of what runs for nginx's http block
    #[arg(long, groups = ["form", "server"])]
    pub nginx: bool,
    /// Print the routes of what runs as a Caddyfile
    #[arg(long, groups = ["form", "server"])]
    pub caddy: bool,
    /// Print the routes of what runs for Traefik's file provider
    #[arg(long, groups = ["form", "server"])]
    pub traefik: bool,
}

/// Arguments of `silo proxy`.
#[derive(Debug, Args)]
pub struct ProxyArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: ProxyAction,
    /// Serve in the background (up)
    #[arg(short, long)]
    pub detach: bool,
    /// Print JSON (status)
    #[arg(long)]
    pub json: bool,
}

/// What `silo proxy` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProxyAction {
    /// Start it
    Up,
    /// Stop it
    Down,
    /// Say whether it runs, and where
    Status,
    /// Make it read settings and routes again
    Reload,
}

/// Arguments of `silo heal`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct HealArgs {
    /// Only these instances; default: this folder's
    #[arg(value_name = "NAME", add = Completes::Instance)]
    pub names: Vec<String>,
    /// All instances, and silo's own proxy and name server
    #[arg(short, long, conflicts_with = "names")]
    pub all: bool,
    /// How it is done.
    #[command(flatten)]
    pub how: HealHow,
    /// Stop this folder's services if nobody uses them; the watch calls it
    #[arg(long, hide = true, conflicts_with_all = ["names", "all", "dry_run", "watch"])]
    pub rest: bool,
    /// Install a service that keeps all instances up in your session
    #[arg(long, group = "change", conflicts_with_all = ["names", "all", "dry_run", "json", "watch"])]
    pub install: bool,
    /// Remove that service
    #[arg(long, group = "change", conflicts_with_all = ["names", "all", "dry_run", "json", "watch"])]
    pub uninstall: bool,
}

/// How `silo heal` acts.
#[derive(Debug, Args)]
pub struct HealHow {
    /// Only say what would be brought back
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Keep bringing back what goes down, until Ctrl-C
    #[arg(short, long, conflicts_with_all = ["dry_run", "json"])]
    pub watch: bool,
    /// How often to look, such as 1s or 1m; a plain number is seconds
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = span::parse, requires = "watch")]
    pub every: Duration,
}

/// Arguments of `silo dns`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct DnsArgs {
    /// What to do with the name server; default: status
    #[arg(value_enum, conflicts_with_all = ["install", "uninstall"])]
    pub word: Option<DnsWord>,
    /// Make the system's resolver ask it for these names; shows each line first
    #[arg(long, conflicts_with = "uninstall")]
    pub install: bool,
    /// Undo --install
    #[arg(long)]
    pub uninstall: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
    /// Work on the system files below this folder, and run nothing
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
}

/// What to do with the name server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DnsWord {
    /// Start it
    Up,
    /// Stop it
    Down,
    /// Say whether it runs, who asks it, and what it knows
    Status,
}
