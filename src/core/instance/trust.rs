//! Names of trust records (D6): a record holds for one file at one place with one content.

use crate::core::text::digest;

/// The record of one `silo.toml`: its canonical path and its very content.
pub fn record_of_file(path: &[u8], content: &[u8]) -> String {
    digest::of_parts(&[b"file", path, content])
}

/// The record for all worktrees of one repository: its common git folder, the place inside a worktree, the content.
pub fn record_of_repository(common_dir: &[u8], place: &[u8], content: &[u8]) -> String {
    digest::of_parts(&[b"repository", common_dir, place, content])
}

/// The name under which the last allowed content, and a denial, of one path are kept.
pub fn record_of_path(path: &[u8]) -> String {
    digest::of_parts(&[b"path", path])
}

/// The name under which the last allowed content of a place in all worktrees of one repository is kept.
pub fn record_of_place(common_dir: &[u8], place: &[u8]) -> String {
    digest::of_parts(&[b"place", common_dir, place])
}

/// What the user has said of a `silo.toml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It may act.
    Allowed,
    /// Nothing was said yet.
    Unknown,
    /// It was allowed with another content, here or in another worktree.
    Changed,
    /// It was denied.
    Denied,
}

impl Trust {
    /// The word for `--json`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Unknown => "unknown",
            Self::Changed => "changed",
            Self::Denied => "denied",
        }
    }

    /// What follows the file's name in a sentence, with what to type next.
    pub fn said(self) -> &'static str {
        match self {
            Self::Allowed => "is trusted",
            Self::Unknown => "is not trusted yet: `silo allow`",
            Self::Changed => "has changed since it was trusted: `silo allow`",
            Self::Denied => "is denied: `silo allow` undoes that",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_content_both_count() {
        let record = record_of_file(b"/p/silo.toml", b"a");
        assert_ne!(record, record_of_file(b"/q/silo.toml", b"a"));
        assert_ne!(record, record_of_file(b"/p/silo.toml", b"b"));
        assert_ne!(record, record_of_file(b"/p/silo.tom", b"la"));
    }
}
