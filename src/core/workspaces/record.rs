//! What silo records of a workspace, from before anything of it is made until nothing of it is left (D118).

use serde::{Deserialize, Serialize};

use crate::core::text::digest;

/// One workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workspace {
    /// What it is called: its branch, where it is a worktree.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// What it was made from: the repository's main checkout, or the folder that was copied.
    pub origin: String,
    /// Its folder.
    pub folder: String,
    /// The way from that folder to the project in it; empty where the project is the folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub place: String,
    /// How far it is.
    pub stage: Stage,
    /// Whether its branch was made with it.
    #[serde(default)]
    pub made_branch: bool,
    /// The commit it began at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// When its copy was whole, in ns since 1970, as the system sees changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whole: Option<i64>,
    /// When it was begun, as RFC 3339.
    pub created: String,
}

/// What a workspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A linked worktree of a git repository.
    Worktree,
    /// A copy of a project's folder.
    Copy,
    /// A copy of a template.
    Template,
}

/// How far a workspace is. Who was cut off is in one of the stages that hold no lock any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Its folder is being made; nobody has been given it yet.
    Making,
    /// The folder is there, and what belongs in it is being put there.
    Furnishing,
    /// It is there.
    There,
    /// It is being removed, and there is no way back.
    Removing,
}

impl Stage {
    /// The word for people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Making => "half made",
            Self::Furnishing => "not furnished",
            Self::There => "there",
            Self::Removing => "half removed",
        }
    }
}

impl Workspace {
    /// The id its record is kept under: no two workspaces of one origin share a name.
    pub fn id(&self) -> String {
        id(&self.origin, &self.name)
    }
}

/// The id of a workspace of that name, made from that origin.
pub fn id(origin: &str, name: &str) -> String {
    digest::of_parts(&[origin.as_bytes(), name.as_bytes()])[..16].to_owned()
}
