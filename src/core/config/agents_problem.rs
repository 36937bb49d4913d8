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
    /// A port of an agent that ends with its command.
    #[error("`agents.{0}.listen` is for persistent agents")]
    Fleeting(String),
    /// A port of an agent whose name leads elsewhere in every agent.
    #[error("The agent `{0}` cannot listen")]
    Taken(String),
    /// An agent that is none, or takes no connections.
    #[error("`{key}` names `{agent}`, which {}", if *is_agent { "has no `listen`" } else { "is no agent" })]
    Peer { key: String, agent: String, is_agent: bool, known: Vec<String> },
    /// The agent itself.
    #[error("`{key}` names the agent itself")]
    Itself { key: String },
    /// A name that leads to two places.
    #[error("`{key}` names `{agent}`, which is a service that it reaches, too")]
    Both { key: String, agent: String },
    /// A port that leads to two places.
    #[error("`{key}` names `{agent}`, whose port {port} is that of `{other}`, too")]
    SamePort { key: String, agent: String, port: u16, other: String },
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
            Self::Fleeting(name) => {
                vec![format!("Add `lifetime = \"persistent\"` below `[agents.{name}]`, or leave `listen` out")]
            }
            Self::Taken(_) => one("Give it another name: in an agent this one leads elsewhere"),
            Self::Peer { agent, is_agent: true, .. } => {
                vec![format!("Add `listen = 8080` below `[agents.{agent}]`, with the port on which it listens")]
            }
            Self::Peer { agent, known, .. } => {
                let near = nearest(agent, known.iter().map(String::as_str));
                let near = near.map(|near| format!("The nearest agent is `{near}`"));
                let all = match known.is_empty() {
                    true => "Declare it: a persistent agent with `listen = 8080`".to_owned(),
                    false => format!("Agents that listen: {}", ticked(known)),
                };
                near.into_iter().chain([all]).collect()
            }
            Self::Itself { .. } => one("Leave it out; it reaches itself by `localhost`"),
            Self::Both { agent, .. } => {
                vec![format!("Give the agent another name, or leave the service `{agent}` out of `services`")]
            }
            Self::SamePort { agent, .. } => {
                vec![format!("Give `{agent}` another `listen`: an agent reaches one place by each port")]
            }
            Self::Egress { .. } => {
                one("Write a host name such as \"pypi.org\", \"*.pythonhosted.org\" or \"git.example.org:8443\"")
            }
            Self::Mount { .. } => one(
                "Write \"FOLDER:/TARGET\", as in \"data/models:/models\": read-only, and not in /work, /etc, /tmp or another folder of silo or the system",
            ),
            Self::Reserved { .. } => one("Choose another name; `silo doc agents` lists what silo sets"),
        }
    }
}
