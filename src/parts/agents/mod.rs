//! Agents (D33): programs in containers of their own, behind a wall, whose commits and findings outlive them.
//!
//! A run goes through these states; every edge is a step that can be done again, and whoever comes next (`silo agent`, `silo heal`)
//! finishes what was cut off:
//!
//! ```text
//! making ──▶ running ──▶ stopped ──▶ bundled ──▶ kept ──▶ ended ──▶ (removed by the user)
//!    │                      ▲
//!    └── nothing ran: all of it is removed
//! ```
//!
//! `start.rs` makes what a run needs, `attend.rs` stays with a transient one, `end.rs` does the rest.

mod ask;
mod attend;
mod clone;
mod end;
mod findings;
mod grants;
mod image;
mod order;
mod origin;
mod outside;
mod part;
mod remember;
mod screens;
mod start;
pub mod template;
mod told;
mod variables;
mod wall;

pub use ask::{exec_words, forget, show_log, shown, stop};
pub use attend::run;
pub use end::finish_all;
pub use order::{COLUMN, Order};
pub use origin::Origin;
pub(super) use part::Agents;
