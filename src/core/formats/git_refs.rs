//! What stands in a repository's files about its branches (<https://git-scm.com/docs/gitrepository-layout>): read without git, for a
//! repository that a hostile program has written would have git run programs, or wait for a pipe.

/// The hexadecimal name of a commit, in a repository of either kind.
pub fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    (is_hex && matches!(text.len(), 40 | 64) && text.bytes().any(|byte| byte != b'0')).then(|| text.to_owned())
}

/// Where `HEAD` or another reference leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Leads {
    /// To a commit.
    Commit(String),
    /// To another reference, by its whole name.
    Name(String),
}

/// What a file of one reference says.
pub fn one(text: &str) -> Option<Leads> {
    match text.strip_prefix("ref:") {
        Some(name) => is_name(name.trim()).then(|| Leads::Name(name.trim().to_owned())),
        None => commit(text).map(Leads::Commit),
    }
}

/// Whether it can be the whole name of a reference (<https://git-scm.com/docs/git-check-ref-format>).
pub fn is_name(name: &str) -> bool {
    let is_part = |part: &str| {
        let end = std::path::Path::new(part).extension().is_some_and(|end| end == "lock");
        !part.is_empty() && !part.starts_with('.') && !part.ends_with('.') && !end
    };
    let refused = |c: char| c.is_control() || " ~^:?*[\\\u{7f}".contains(c);
    name.len() < 250
        && name.starts_with("refs/")
        && name.matches('/').count() > 1
        && name.split('/').all(is_part)
        && !name.contains(refused)
        && !name.contains("..")
        && !name.contains("@{")
}

/// The references of `packed-refs`, those of other repositories left out.
pub fn packed(text: &str) -> Vec<(String, String)> {
    let line = |line: &str| {
        let (hex, name) = line.split_once(' ')?;
        Some((name.to_owned(), commit(hex)?)).filter(|(name, _)| is_name(name))
    };
    text.lines().filter(|line| !line.starts_with(['#', '^'])).filter_map(line).collect()
}

/// The commits that `logs/HEAD` has been at, the last one first.
pub fn been_at(log: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in log.lines().rev() {
        let words = line.split(' ').take(2).filter_map(commit).collect::<Vec<_>>();
        for one in words.into_iter().rev() {
            if !found.contains(&one) {
                found.push(one);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn a_reference_leads_to_a_commit_or_to_another_one() {
        assert_eq!(one(&format!("{A}\n")), Some(Leads::Commit(A.to_owned())));
        assert_eq!(one("ref: refs/heads/main\n"), Some(Leads::Name("refs/heads/main".to_owned())));
        let zeros = "0".repeat(40);
        for wrong in ["", "ref: ../../config", "ref: refs/heads/", "abc", "ref: HEAD", &zeros, &A.to_uppercase()] {
            assert_eq!(one(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn packed_references_and_the_log_are_read_line_by_line() {
        let text =
            format!("# pack-refs with: peeled\n{A} refs/heads/a b\n{A} refs/heads/x\n^{B}\n{B} refs/tags/v1\nbroken\n");
        let expected = [("refs/heads/x", A), ("refs/tags/v1", B)].map(|(name, to)| (name.to_owned(), to.to_owned()));
        assert_eq!(packed(&text), expected);
        let zeros = "0".repeat(40);
        let log = format!("{zeros} {A} a <b> 1 +0000\tclone: from x\n{A} {B} a <b> 2 +0000\tcommit: y\nbroken\n");
        assert_eq!(been_at(&log), [B, A]);
    }

    #[test]
    fn names_that_git_would_refuse_are_none() {
        for name in ["refs/heads/main", "refs/heads/agent/a-1", "refs/stash/x"] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "main",
            "refs/x",
            "refs/heads/a..b",
            "refs/heads/.a",
            "refs/heads/a.lock",
            "refs/heads/a b",
            "refs/heads//a",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
