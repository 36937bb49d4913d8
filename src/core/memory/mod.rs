//! The memory (D35): what agents found, as values. How `silo` and `silo-proxy` talk about it is in `talk.rs`, what a finding is called
//! in `names.rs`.

pub mod names;
pub mod place;
pub mod talk;

/// The largest finding that is saved, in bytes.
pub const MOST_BYTES: usize = 1024 * 1024;
/// The most findings of one run that are saved.
pub const MOST_FINDINGS: usize = 1000;
/// The longest name of a finding's file, in bytes.
pub const MOST_NAME: usize = 512;
/// The schema of Postgres in which silo keeps findings.
pub const SCHEMA: &str = "silo_memory";

/// A finding as it is handed over to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its file within the findings of its run, with `/` between parts.
    pub path: String,
    /// What it says.
    pub body: Vec<u8>,
    /// When it was written, in RFC 3339; none is now.
    pub created: Option<String>,
}

/// Why a finding is not saved; none where it can be.
pub fn refusal(finding: &Finding) -> Option<&'static str> {
    if finding.body.len() > MOST_BYTES {
        return Some("it is larger than 1 MiB");
    }
    if finding.path.is_empty() || finding.path.len() > MOST_NAME || finding.path.contains('\0') {
        return Some("its name is empty or too long");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_or_has_no_name_is_refused() {
        let finding = |path: &str, bytes| Finding { path: path.to_owned(), body: vec![b'x'; bytes], created: None };
        assert_eq!(refusal(&finding("a.md", MOST_BYTES)), None);
        assert_eq!(refusal(&finding("a.md", MOST_BYTES + 1)), Some("it is larger than 1 MiB"));
        for path in ["", "a\0b", &"x".repeat(MOST_NAME + 1)] {
            assert_eq!(refusal(&finding(path, 1)), Some("its name is empty or too long"), "{path:?}");
        }
    }
}
