//! The pure part: values in, values out. No files, no environment, no clock, no processes, no printing.

pub mod activation;
pub mod branch;
pub mod columns;
pub mod config;
pub mod digest;
mod entry;
pub mod envfile;
pub mod environment;
pub mod github;
pub mod identity;
pub mod leases;
pub mod lockfile;
pub mod markdown;
pub mod name;
pub mod pages;
pub mod ports;
pub mod profile;
pub mod rebuild;
pub mod settings;
pub mod shell;
pub mod source;
pub mod startfile;
pub mod suggest;
pub mod template;
pub mod trust;
pub mod varname;
pub mod vars;
