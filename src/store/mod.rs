//! What silo remembers: the registry (under its lock), each project's files, trust, and the stamps the shell hook reads.

pub mod agreement;
pub mod gates;
pub mod instances;
pub mod memo;
pub mod past;
pub mod project;
pub mod registry;
pub mod release;
pub mod settings;
pub mod stamp;
pub mod trust;
pub mod worktree;
