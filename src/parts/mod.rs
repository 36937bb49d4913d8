//! What an instance can run, and what the commands share to run it.

pub mod cluster;
pub mod context;
pub mod enter;
pub mod holder;
pub mod leftovers;
pub mod look;
pub mod servers;
