//! What `silo heal` says of one instance.

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::core::leases::Wish;
use crate::failure::code;
use crate::parts::gaps::Gap;
use crate::parts::look::Observed;
use crate::sys::processes;

/// One instance: what is wanted of it, what was not up, and what came of that.
#[derive(Debug, Clone, Default)]
pub(super) struct Report {
    pub(super) instance: String,
    pub(super) root: String,
    pub(super) wanted: Vec<Wish>,
    /// What was not up, and how it stood instead.
    pub(super) missing: Vec<Gap>,
    /// What was brought back.
    pub(super) healed: Vec<Wish>,
    /// What could not be, and why.
    pub(super) failed: Vec<(Wish, String)>,
    /// What of that failed because somebody else has a port, and which.
    pub(super) taken: Vec<(Wish, u16)>,
    /// What is tried again later.
    pub(super) later: Vec<(Wish, String)>,
    /// What is not tried any more.
    pub(super) given_up: Vec<(Wish, String)>,
    /// What is left as it is, such as what has done its work.
    pub(super) left: Vec<(Wish, String)>,
    /// What runs and is not well.
    pub(super) unwell: Vec<Wish>,
    /// What is not known.
    pub(super) unknown: Vec<(Wish, String)>,
    /// Why nothing was done at all.
    pub(super) skipped: Option<String>,
    /// Whether that is so because nobody trusts its `silo.toml`.
    pub(super) is_untrusted: bool,
}

/// Whether a line says that something was brought back: news each time, where the others are so once.
pub(super) fn is_news(line: &str) -> bool {
    line.contains(BROUGHT_BACK)
}

/// What stands between an instance's name and what was brought back of it.
const BROUGHT_BACK: &str = ": brought back ";

impl Report {
    /// Of an instance as it was observed; nothing was done so far.
    pub(super) fn of(seen: &Observed) -> Self {
        let wanted = seen.instance.wanted.now(processes::boot().as_deref()).into_iter().cloned().collect();
        Self {
            instance: seen.instance.name.clone(),
            root: seen.instance.root.clone(),
            wanted,
            missing: seen.compared.gaps.clone(),
            ..Self::default()
        }
    }

    /// For people: a line for each thing worth one. `is_dry` says what would be done.
    pub(super) fn lines(&self, now: &[Gap], is_dry: bool) -> Vec<String> {
        let name = &self.instance;
        let mut lines = Vec::new();
        if is_dry {
            lines.extend(now.iter().map(|gap| format!("{name}: would bring back {} ({})", gap.wish.shown(), gap.why)));
        }
        if !self.healed.is_empty() {
            let names: Vec<&str> = self.healed.iter().map(Wish::shown).collect();
            lines.push(format!("{name}{BROUGHT_BACK}{}", names.join(", ")));
        }
        for (wish, why) in self.failed.iter().chain(&self.later).chain(&self.given_up).chain(&self.unknown) {
            lines.push(format!("{name}: {} is down: {why}", wish.shown()));
        }
        lines.extend(
            self.unwell.iter().map(|wish| format!("{name}: {} runs and is unhealthy; it is left", wish.shown())),
        );
        lines.extend(self.skipped.iter().map(|why| format!("{name}: nothing is done: {why}")));
        if lines.is_empty() {
            lines.push(match self.wanted.is_empty() {
                true => format!("{name}: nothing is wanted up; `silo up -d` says what is"),
                false => format!("{name}: all that is wanted is up"),
            });
        }
        lines
    }

    /// What a watch says of it: not what is as it should be, and not when the next try is due.
    pub(super) fn worth_saying(&self) -> Vec<String> {
        let is_quiet = self.healed.is_empty() && self.failed.is_empty() && self.given_up.is_empty();
        if is_quiet && self.unwell.is_empty() && self.unknown.is_empty() && self.skipped.is_none() {
            return Vec::new();
        }
        Self { later: Vec::new(), ..self.clone() }.lines(&[], false)
    }

    /// For programs.
    pub(super) fn object(&self) -> Value {
        let pairs = |list: &[(Wish, String)]| -> IndexMap<String, String> {
            list.iter().map(|(wish, why)| (wish.to_string(), why.clone())).collect()
        };
        json!({
            "instance": self.instance,
            "root": self.root,
            "wanted": self.wanted,
            "missing": self.missing.iter().map(|gap| (gap.wish.as_str(), &gap.why)).collect::<IndexMap<_, _>>(),
            "healed": self.healed,
            "failed": pairs(&self.failed),
            "taken": self.taken.iter().map(|(wish, port)| (wish.as_str(), port)).collect::<IndexMap<_, _>>(),
            "later": pairs(&self.later),
            "givenUp": pairs(&self.given_up),
            "left": pairs(&self.left),
            "unhealthy": self.unwell,
            "unknown": pairs(&self.unknown),
            "skipped": self.skipped,
        })
    }

    /// 0 when all that is wanted is up; 3 where only trust is missing, else 1.
    pub(super) fn code(&self) -> u8 {
        if self.is_untrusted {
            return code::NOT_TRUSTED;
        }
        let is_down = !(self.failed.is_empty() && self.later.is_empty() && self.given_up.is_empty());
        if is_down || !self.unknown.is_empty() || self.skipped.is_some() { code::FAILURE } else { 0 }
    }
}
