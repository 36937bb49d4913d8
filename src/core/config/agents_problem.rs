//! What can be wrong with `[agents]` of a `silo.toml`, and the way out of it.

use crate::core::text::suggest::{nearest, ticked};

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the words of the message")]
pub enum AgentsProblem {
    /// A name that no container, branch and role can have.
    #[error("`{0}` cannot name an agent")]
    Name(String),
    /// Neither an image nor what it is built from, or both.
    #[error("`agents.{0}` needs either `image` or `build`")]
    Source(String),
    /// An image that no engine could have, or a word that would be read as an option.
    #[error("`{key}` is no image: `{value}`")]
    Image { key: String, value: String },
    /// A path that leaves the project.
    #[error("`{key}` leads out of the project: `{value}`")]
    Outside { key: String, value: String },
    /// A lifetime that is none.
    #[error("`{key}` has an invalid value: `{value}`")]
    Lifetime { key: String, value: String },
    /// An amount that is none, or is out of bounds.
    #[error("`{key}` cannot be `{value}`: {why}")]
    Amount { key: String, value: String, why: String },
    /// A service without a port of `[compose.ports]`.
    #[error("`{key}` names `{service}`, which has no port in `[compose.ports]`")]
    Service { key: String, service: String, known: Vec<String> },
    /// A host that is none.
    #[error("`{key}` has an invalid host: `{value}`")]
    Egress { key: String, value: String },
    /// A mount that cannot be made.
    #[error("`{key}` has an invalid mount: `{value}`")]
    Mount { key: String, value: String },
    /// A variable that silo sets in an agent.
    #[error("`{key}` is set by silo")]
    Reserved { key: String },
}

impl AgentsProblem {
    /// The way out, a sentence each.
    pub(super) fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Name(_) => one("Use 1 to 24 lower-case letters, digits and `-`, a letter first"),
            Self::Source(_) => {
                one("Write `image = \"NAME:TAG\"`, or `build = \"FOLDER\"` with a Dockerfile in that folder")
            }
            Self::Image { .. } => one("Write it as for `docker run`, such as \"python:3.12-alpine\""),
            Self::Outside { .. } => {
                one("Name a path in the project; the user's settings alone can give an agent more: `silo doc agents`")
            }
            Self::Lifetime { .. } => one("Write \"transient\" or \"persistent\""),
            Self::Amount { .. } => one("`silo doc agents` lists the limits and their defaults"),
            Self::Service { service, known, .. } => {
                let near = nearest(service, known.iter().map(String::as_str));
                let near = near.map(|near| format!("The nearest service is `{near}`"));
                let all = match known.is_empty() {
                    true => format!("Declare its port: `[compose.ports]` with `DB_PORT = \"{service}:5432\"`, say"),
                    false => format!("Services with ports: {}", ticked(known)),
                };
                near.into_iter().chain([all]).collect()
            }
            Self::Egress { .. } => {
                one("Write a host name such as \"pypi.org\", \"*.pythonhosted.org\" or \"git.example.org:8443\"")
            }
            Self::Mount { .. } => one("Write \"FOLDER:/TARGET\", as in \"data/models:/models\"; it is read-only"),
            Self::Reserved { .. } => one("Choose another name; `silo doc agents` lists what silo sets"),
        }
    }
}
