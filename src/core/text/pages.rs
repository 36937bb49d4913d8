//! The documentation that silo carries with it: a page for each topic, as it lies in `docs/`.

use crate::core::text::markdown;

/// One page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Its name, as typed behind `silo doc`.
    pub topic: &'static str,
    /// Its text.
    pub markdown: &'static str,
}

macro_rules! pages {
    ($($topic:literal)*) => {
        &[$(Page { topic: $topic, markdown: include_str!(concat!("../../../docs/", $topic, ".md")) }),*]
    };
}

/// Every page, in the order of the list: where to start, the file, what follows from it, then how to live with it.
pub const PAGES: &[Page] = pages!(
    "tutorial" "concepts" "comparison" "faq" "teams" "wsl"
    "config" "commands" "profiles" "ports" "hosts" "urls" "routes" "interpolation" "lockfile" "registry"
    "compose" "data" "names" "sharing" "k3d" "tilt" "hooks" "shell" "gates" "trust" "worktrees" "workspaces" "adopt"
    "editors" "recipes" "fleet" "heal" "doctor" "ci"
    "settings" "gateway" "agents" "coding-agents" "memory" "containment" "install"
    "logging" "migration" "troubleshooting" "errors"
);

/// The page about a topic.
pub fn page(topic: &str) -> Option<&'static Page> {
    PAGES.iter().find(|page| page.topic == topic)
}

impl Page {
    /// Its heading, without marks.
    pub fn title(&self) -> String {
        let heading = self.markdown.lines().next().unwrap_or_default();
        markdown::plain(heading.trim_start_matches('#').trim())
    }

    /// Its first sentence, which says what it is for; without marks and final period.
    pub fn summary(&self) -> String {
        let body = self.markdown.split_once("\n\n").map_or("", |(_, body)| body);
        let paragraph = body.split("\n\n").next().unwrap_or_default().lines().collect::<Vec<_>>().join(" ");
        let sentence = paragraph.split(". ").next().unwrap_or_default().trim_end_matches('.');
        markdown::plain(sentence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heading_and_first_sentence_are_title_and_summary() {
        let page = Page { topic: "x", markdown: "# The `x`\n\nSays **what** `a.b` is\nfor. And more.\n\nElse.\n" };
        assert_eq!(page.title(), "The x");
        assert_eq!(page.summary(), "Says what a.b is for");
    }

    #[test]
    fn every_page_has_a_title_and_a_summary_that_fits_a_line() {
        for (at, page) in PAGES.iter().enumerate() {
            assert!(PAGES[..at].iter().all(|other| other.topic != page.topic), "{} is there twice", page.topic);
            let summary = page.summary();
            assert!(page.markdown.starts_with("# ") && !page.title().is_empty(), "{}", page.topic);
            assert!((20..=85).contains(&summary.chars().count()), "{}: {summary:?}", page.topic);
        }
    }
}
