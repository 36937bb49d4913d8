//! What a run apart (D30) has in Docker: all that has its compose project's label, and nothing else. Its name was nobody's
//! before, so all of that is its own, data included.

use std::path::Path;

use crate::backend::docker::{self, Docker};
use crate::backend::engine::PROJECT;
use crate::core::shell::environment::Environment;
use crate::core::text::source::counted;
use crate::failure::Failure;

/// A compose project as a whole.
#[derive(Debug, Clone, Copy)]
pub struct Whole<'a> {
    /// The environment, which says which engine it is.
    pub environment: &'a Environment,
    /// The compose project's name.
    pub project: &'a str,
}

/// The kinds of things, in the order in which they go: each may hold those after it. How they are listed, what names one, and
/// how they are removed.
const KINDS: [(&str, &[&str], &str, &[&str]); 4] = [
    ("container", &["ps", "--all"], ".ID", &["rm", "--force", "--volumes"]),
    ("network", &["network", "ls"], ".ID", &["network", "rm"]),
    ("volume", &["volume", "ls"], ".Name", &["volume", "rm"]),
    ("image", &["image", "ls"], ".ID", &["image", "rm", "--force"]),
];

impl Whole<'_> {
    /// What there is, as in `2 containers, 1 volume`; empty without any.
    ///
    /// # Errors
    /// A [`Failure`] when Docker does not answer.
    pub fn there(&self) -> Result<String, Failure> {
        let mut there = Vec::new();
        for (kind, list, id, _) in KINDS {
            let many = self.named(list, id)?.len();
            there.extend((many > 0).then(|| counted(many, kind)));
        }
        Ok(there.join(", "))
    }

    /// Removes all of it, data included.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines when something is left.
    pub fn clear(&self) -> Result<(), Failure> {
        let mut done = Ok(());
        for (_, list, id, remove) in KINDS {
            let names = self.named(list, id)?;
            if !names.is_empty() {
                let words: Vec<&str> = remove.iter().copied().chain(names.iter().map(String::as_str)).collect();
                done = done.and(self.docker().run(&words));
            }
        }
        match (done, self.there()?) {
            (_, there) if there.is_empty() => Ok(()),
            (done, there) => {
                let failure = Failure::new(format!("Still there of `{}`: {there}", self.project));
                let excerpt = done.err().map(|failure| failure.excerpt.unwrap_or(failure.what));
                Err(Failure { excerpt, ..failure }
                    .hint("See what holds them: `docker ps --all`; the next `silo ci`, or `silo prune`, tries again"))
            }
        }
    }

    fn named(&self, list: &[&str], id: &str) -> Result<Vec<String>, Failure> {
        let filter = format!("label={PROJECT}={}", self.project);
        let rows = self.docker().rows(&[list, &["--filter", &filter]].concat(), &[id.to_owned()])?;
        let mut names: Vec<String> = rows.into_iter().map(|[name]| name).filter(|name| !name.is_empty()).collect();
        names.sort();
        names.dedup();
        Ok(names)
    }

    fn docker(&self) -> Docker<'_> {
        docker::Docker { program: "docker", environment: self.environment, folder: Path::new("/") }
    }
}
