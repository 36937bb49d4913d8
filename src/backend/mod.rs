//! Other programs: what silo asks of them, and what they really answer.

pub mod agents;
pub mod agents_left;
pub mod bundles;
pub mod compose;
pub mod copying;
pub mod dnsmasq;
pub mod docker;
mod endings;
pub mod engine;
pub mod events;
pub mod hooks;
pub mod ignored;
pub mod images;
pub mod k3d;
pub mod kubectl;
pub mod labels;
pub mod links;
mod listed;
pub mod mounts;
pub mod networks;
mod policy;
pub mod pools;
pub mod publishers;
pub mod tilt;
pub mod volumes;
pub mod worktrees;
