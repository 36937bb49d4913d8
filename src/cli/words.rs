//! The words that some arguments are chosen from.

use clap::ValueEnum;

/// A shell with a hook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ShellName {
    /// GNU bash, 3.2 or newer
    Bash,
    /// zsh, 5 or newer
    Zsh,
    /// fish, 3.1 or newer
    Fish,
    /// nushell, 0.101 or newer
    #[value(alias = "nushell")]
    Nu,
    /// Elvish, 0.19 or newer
    Elvish,
    /// tcsh, 6.24 or newer
    Tcsh,
}

/// A shell with completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CompletedShell {
    /// GNU bash
    Bash,
    /// zsh, behind compinit
    Zsh,
    /// fish
    Fish,
}

/// A reader of `silo export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    /// Commands for bash
    Bash,
    /// Commands for zsh
    Zsh,
    /// Commands for fish
    Fish,
    /// An object for nushell's hook
    #[value(alias = "nushell")]
    Nu,
    /// Commands for Elvish
    Elvish,
    /// Commands for tcsh
    Tcsh,
    /// An object of names and values, null where one goes away
    Json,
    /// All vars, as `NAME=value` lines for sh, docker compose and dotenv readers
    Dotenv,
    /// All vars, as lines to append to `$GITHUB_ENV`
    Gha,
    /// All vars, as an `EnvironmentFile` of systemd
    Systemd,
}
