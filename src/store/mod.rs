//! What silo remembers: the registry (under its lock), each project's files, trust, and the stamps the shell hook reads.

pub mod agreement;
pub mod apart;
pub mod ask;
pub mod clusters;
pub mod filled;
pub mod free;
pub mod gates;
pub mod give_way;
pub mod history;
pub mod instances;
pub mod kept;
pub mod names;
pub mod one_folder;
pub mod placed;
pub mod project;
pub mod proxy;
pub mod registry;
pub mod routes;
pub mod said;
pub mod settings;
pub mod snapshot;
pub mod stamp;
pub mod subnets;
pub mod trust;
pub mod workspaces;
pub mod worktree;
