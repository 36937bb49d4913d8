//! The pure part: values in, values out. No files, no environment, no clock, no processes, no printing. One folder a subject.

pub mod agents;
pub mod config;
pub mod formats;
pub mod gateway;
pub mod healing;
pub mod instance;
pub mod leases;
pub mod memory;
pub mod resolver;
pub mod routes;
pub mod services;
pub mod session;
pub mod shell;
pub mod text;
pub mod workspaces;
