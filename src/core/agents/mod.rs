//! Agents (D33): what is recorded of a run, what everything of it is called, and how its containers are made.

pub mod arguments;
pub mod egress;
pub mod findings;
pub mod names;
pub mod record;
pub mod screen;
pub mod wall;
