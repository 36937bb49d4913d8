//! One thing `silo doctor` found: what it is, where, why it matters, and how to fix it.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::core::text::columns::{self, Cell, Tone, wrapped};
use crate::core::text::source::one_line;
use crate::failure::shown;

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Something is wrong; the exit code is 1 while it stays.
    Problem,
    /// Good to know.
    Note,
}

/// What `--fix` can do about it: nothing here takes anything away that is not kept elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fix {
    /// Put the registry aside, and make it again.
    Repair,
    /// Write the registry again as it is understood: a plain file, private, each entry with its own id.
    Rewrite,
    /// Let the user alone read and write a file.
    Private(PathBuf),
    /// Bring everything stored of a root into agreement.
    Settle(PathBuf),
    /// Put an unreadable lockfile of a root aside.
    PutAside(PathBuf),
    /// Let the lockfile of a root forget this process.
    ForgetProcess(PathBuf, u32),
    /// Write where the names of a root's services lead.
    Names(PathBuf),
    /// Start the name server.
    Dns,
    /// Remove what a writer that was killed left.
    Remove(PathBuf),
    /// Add lines for these files to the `.gitignore` of a root.
    Ignore(PathBuf, Vec<String>),
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody tried.
    Open,
    /// It was fixed, as told.
    Done(String),
    /// It could not be.
    Failed(String),
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind, for scripts and the documentation.
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// What is the matter, with names and values.
    pub what: String,
    /// The file, and the line in it.
    pub place: Option<String>,
    /// What comes of it.
    pub why: &'static str,
    /// A command to type, or what to write instead.
    pub remedy: String,
    /// What `--fix` does.
    pub fix: Option<Fix>,
    /// What became of it.
    pub outcome: Outcome,
}

impl Finding {
    /// Something that is wrong.
    pub fn problem(id: &'static str, what: impl Into<String>) -> Self {
        let (place, fix, outcome) = (None, None, Outcome::Open);
        Self { id, severity: Severity::Problem, what: what.into(), place, why: "", remedy: String::new(), fix, outcome }
    }

    /// Something good to know.
    pub fn note(id: &'static str, what: impl Into<String>) -> Self {
        Self { severity: Severity::Note, ..Self::problem(id, what) }
    }

    /// The same, as a problem only where that holds.
    #[must_use]
    pub fn only_if(self, problem: bool) -> Self {
        Self { severity: if problem { Severity::Problem } else { Severity::Note }, ..self }
    }

    /// In this file.
    #[must_use]
    pub fn at(self, path: &Path) -> Self {
        Self { place: Some(shown(path)), ..self }
    }

    /// On this line of a file.
    #[must_use]
    pub fn at_line(self, path: &Path, line: usize) -> Self {
        Self { place: Some(format!("{}:{line}", shown(path))), ..self }
    }

    /// What comes of it.
    #[must_use]
    pub fn why(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    /// How to fix it.
    #[must_use]
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: remedy.into(), ..self }
    }

    /// In a file, at the line of a failure's place where it has one.
    #[must_use]
    pub fn at_failure(self, file: &Path, place: Option<&str>) -> Self {
        // A place is `FILE:LINE:COLUMN` or `FILE:LINE`.
        let mut numbers =
            place.into_iter().flat_map(|place| place.rsplit(':').map_while(|word| word.parse().ok()).take(2));
        match numbers.next().map(|last| numbers.next().unwrap_or(last)) {
            Some(line) => self.at_line(file, line),
            None => self.at(file),
        }
    }

    /// What `--fix` does.
    #[must_use]
    pub fn fix(self, fix: Fix) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// Whether it is about something in this folder.
    pub fn is_in(&self, folder: &Path) -> bool {
        let shown = shown(folder);
        let rest = self.place.as_ref().and_then(|place| place.strip_prefix(&shown));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':']))
    }

    /// Whether both are the same matter, whatever became of it.
    pub fn is(&self, other: &Self) -> bool {
        (self.id, &self.what, &self.place) == (other.id, &other.what, &other.place)
    }

    /// Whether it was fixed.
    pub fn is_fixed(&self) -> bool {
        matches!(self.outcome, Outcome::Done(_))
    }

    /// For programs.
    pub fn object(&self) -> Value {
        let (done, failed) = match &self.outcome {
            Outcome::Open => (None, None),
            Outcome::Done(text) => (Some(text), None),
            Outcome::Failed(text) => (None, Some(text)),
        };
        json!({
            "id": self.id,
            "severity": match self.severity { Severity::Problem => "problem", Severity::Note => "note" },
            "what": self.what,
            "place": self.place,
            "why": self.why,
            "fix": self.remedy,
            "fixable": self.fix.is_some(),
            "fixed": self.is_fixed(),
            "done": done,
            "failed": failed,
        })
    }

    /// For people.
    pub fn lines(&self, width: Option<usize>) -> Vec<Vec<Cell>> {
        let (word, tone) = match (self.severity, self.is_fixed()) {
            (_, true) => ("Fixed", Tone::Good),
            (Severity::Problem, _) => ("Problem", Tone::Bad),
            (Severity::Note, _) => ("Note", Tone::Busy),
        };
        let head = vec![Cell::new(word, tone), Cell::new(&format!(" [{}]", self.id), Tone::Faint), Cell::plain(": ")];
        let taken = columns::text(&head).chars().count() + 1;
        let mut what = wrapped(&one_line(&self.what), taken, 2, width).into_iter();
        let first = Cell::plain(&what.next().unwrap_or_default());
        let mut lines = vec![head.into_iter().chain([first]).collect()];
        lines.extend(what.map(|line| vec![Cell::plain(&line)]));
        // A place and a command are copied, and stay whole.
        lines.extend(self.place.as_ref().map(|place| vec![Cell::plain(&format!("  --> {place}"))]));
        let mut line = |text: String| {
            let wrapped = wrapped(&one_line(&text), 2, 4, width).into_iter().enumerate();
            lines
                .extend(wrapped.map(|(at, line)| vec![Cell::plain(&if at == 0 { format!("  {line}") } else { line })]));
        };
        if let Outcome::Done(done) = &self.outcome {
            line(format!("Done: {done}"));
            return lines;
        }
        line(format!("Why: {}", self.why));
        if let Outcome::Failed(failed) = &self.outcome {
            line(format!("Not fixed: {failed}"));
        }
        let is_open = self.fix.is_some() && self.outcome == Outcome::Open && self.remedy != "silo doctor --fix";
        let fix = if is_open { "   (or: silo doctor --fix)" } else { "" };
        match self.remedy.starts_with(char::is_lowercase) {
            true => lines.push(vec![Cell::plain(&format!("  Fix: {}{fix}", self.remedy))]),
            false => line(format!("Fix: {}{fix}", self.remedy)),
        }
        lines
    }
}
