//! The memory of an instance's agents (D35): what they find is saved to a Postgres when they end, handed to the next ones as a folder,
//! and read by `silo memory`. The server is asked by `silo-proxy memory`, a program of its own.
//!
//! Nothing is asked before the `silo.toml` is trusted as it is: whoever wrote it says to which service findings go (D6).

mod ask;
pub mod export;
pub mod roles;
pub mod save;
mod target;

pub use ask::{ask, done, found};
pub use target::{is_declared, of};
