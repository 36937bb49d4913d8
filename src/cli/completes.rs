//! What an argument can be completed with: a mark on the declaration, which `commands::complete` gives its meaning.

use clap::builder::ArgExt;

/// What stands in place of an argument, for `#[arg(add = …)]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completes {
    /// A name this project's instance may have: its own, or that of a folder which is gone.
    Name,
    /// The name of any instance of the user.
    Instance,
    /// The name of a workspace.
    Workspace,
    /// The name of a template.
    Template,
    /// The name of an instance whose folder is not there: gone, or on a disk that is not mounted.
    Gone,
    /// A profile of `silo.toml`.
    Profile,
    /// A variable of this project's instance.
    Variable,
    /// A variable of this project's instance that holds a web address.
    Url,
    /// A variable of this project's instance that holds a port.
    OwnPort,
    /// A port leased to any instance of the user.
    Port,
    /// A volume of the project's compose files.
    Volume,
    /// A placeholder key that was not taken back.
    Key,
    /// An agent of `silo.toml` or of a template, or a run of one.
    Agent,
    /// A page of the documentation.
    Topic,
}

impl ArgExt for Completes {}
