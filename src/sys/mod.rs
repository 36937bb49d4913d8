//! One matter of the operating system each.

pub mod clock;
pub mod cmd;
pub mod dirs;
pub mod files;
pub mod net;
pub mod random;
