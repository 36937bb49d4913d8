//! One instance: its name, what follows from it, and the two files that hold it in the project.

pub mod branch;
pub mod envfile;
pub mod fill;
pub mod identity;
pub mod lockfile;
pub mod name;
pub mod resolve;
pub mod template;
pub mod trust;
pub mod vars;
