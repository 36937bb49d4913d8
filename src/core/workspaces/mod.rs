//! Workspaces: what is recorded of one, how its folder is called, and what git prints about worktrees and changes.

pub mod folder;
pub mod porcelain;
pub mod record;
