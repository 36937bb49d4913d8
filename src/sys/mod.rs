//! One matter of the operating system each.

pub mod bring;
pub mod clock;
pub mod cmd;
pub mod dirs;
pub mod dns;
pub mod dotfiles;
pub mod files;
pub mod folders;
pub mod limits;
pub mod listeners;
pub mod lock;
pub mod mounts;
pub mod net;
pub mod pager;
pub mod pour;
pub mod processes;
pub mod program;
pub mod random;
pub mod routes;
pub mod signals;
pub mod socket;
pub mod start;
pub mod together;
pub mod trees;
pub mod unfinished;
pub mod writing;
