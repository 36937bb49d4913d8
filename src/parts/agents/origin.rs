//! Where an agent is written down: in the project's own `silo.toml`, or in a template of the user's (D32).

use std::ops::Range;
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::store::project::Project;

/// Where an agent is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The folder in which its `build` and `mounts` lie.
    pub(super) root: PathBuf,
    /// Its name there.
    pub(super) table: String,
    /// Globs of the files that are filled for a run: of a template alone.
    pub(super) render: Vec<String>,
    /// Whether it is a template.
    pub(super) is_template: bool,
    /// The file as messages name it.
    shown: String,
    /// What the file says.
    content: Vec<u8>,
}

impl Origin {
    /// The project's own `silo.toml`.
    pub fn project(project: &Project, name: &str) -> Self {
        Self {
            root: project.root.clone(),
            table: name.to_owned(),
            render: Vec::new(),
            is_template: false,
            shown: project.shown_name(),
            content: project.content.clone(),
        }
    }

    /// A template with this `silo.toml`, which messages call `shown`.
    pub(super) fn template(file: Project, table: &str, render: Vec<String>, shown: String) -> Self {
        Self { root: file.root, table: table.to_owned(), render, is_template: true, shown, content: file.content }
    }

    /// A key of the agent, as messages name it.
    pub(super) fn key(&self, key: &str) -> String {
        format!("agents.{}.{key}", self.table)
    }

    /// What messages call the folder.
    pub(super) fn word(&self) -> &'static str {
        if self.is_template { "template" } else { "project" }
    }

    /// The template's folder.
    pub(super) fn template_folder(&self) -> Option<&Path> {
        self.is_template.then_some(self.root.as_path())
    }

    /// What is wrong at a place of the file, with its line.
    pub(super) fn misfit(&self, what: &str, span: &Range<usize>) -> Failure {
        Failure::located(what, &self.shown, std::str::from_utf8(&self.content).unwrap_or_default(), span)
    }
}
