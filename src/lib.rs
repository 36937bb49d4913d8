//! silo: isolated local development environments, activated by the shell on `cd`.
//!
//! The page to begin with is `docs/architecture.md`: what lies where, and what must stay true.

pub mod backend;
pub mod cli;
pub mod commands;
pub mod core;
pub mod failure;
pub mod parts;
pub mod store;
pub mod sys;
pub mod ui;
