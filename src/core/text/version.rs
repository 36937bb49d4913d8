//! Versions of other programs, as they print them.

/// Major, minor and patch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u64, pub u64, pub u64);

impl Version {
    /// The first version in what a program prints: two or three numbers with dots between, `v` before them or not.
    pub fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '(' | ')')).find_map(Self::word)
    }

    fn word(word: &str) -> Option<Self> {
        let mut parts = word.strip_prefix('v').unwrap_or(word).split('.');
        let (major, minor) = (parts.next()?.parse().ok()?, parts.next().and_then(leading)?);
        Some(Self(major, minor, parts.next().and_then(leading).unwrap_or(0)))
    }
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// The number a part begins with: builds of one's own add words, as in `6-dev`.
fn leading(part: &str) -> Option<u64> {
    part.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_version_in_an_answer_is_found() {
        assert_eq!(Version::find("v0.37.6, built 2025-09-17\n"), Some(Version(0, 37, 6)));
        assert_eq!(Version::find("k3d version v5.9.0\nk3s version v1.31.5-k3s1 (default)"), Some(Version(5, 9, 0)));
        assert_eq!(Version::find("v0.38.0-dev, built …"), Some(Version(0, 38, 0)));
        assert_eq!(Version::find("27.1"), Some(Version(27, 1, 0)));
        assert_eq!(Version::find("20.10.24+dfsg1"), Some(Version(20, 10, 24)));
        assert_eq!(Version::find("built 2025-09-17 by 3.x"), None);
        assert!(Version(0, 9, 10) < Version(0, 31, 0) && Version(5, 0, 0) < Version(5, 0, 1));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,60}", numbers in "[v0-9.\\-]{0,40}") {
            let _ = Version::find(&text);
            let _ = Version::find(&numbers);
        }
    }
}
