//! `silo.toml` as a value (docs/config.md): strict, in declared order, with the place of every value.
//!
//! [`parse`] reads and checks the whole file, every profile included; [`ConfigFile::settings`] is what one profile means.

pub mod acts;
mod agent;
pub mod agent_template;
pub mod agents;
mod agents_problem;
mod agents_reach;
mod check;
mod compose;
pub mod gate;
pub mod memory;
mod memory_problem;
pub mod memory_servers;
pub(in crate::core) mod model;
mod near;
mod problem;
pub mod profile;
pub mod providers;
mod providers_problem;
mod read;
mod routes;
pub mod starter;
mod starter_cilo;
mod table;
mod text;
pub mod user;
pub mod user_agents;
pub mod user_network;
pub mod user_problem;
pub mod workspace;

pub use agents_problem::AgentsProblem;
pub use memory_problem::MemoryProblem;
pub use model::{
    API_PORT, Advertisement, ComposeLayer, ConfigFile, DEFAULT_OUTPUT, DEFAULT_PREFIX, Gate, Hooks, K3dLayer, Layer,
    Need, Network, OWN_PORTS, Profile, Published, REGISTRY_PORT, Routed, Settings, TILT_PORT, Text, WorkspaceLayer,
    is_profile_name,
};
pub use problem::{ConfigError, Problem, TemplateSpot};
pub use providers_problem::ProvidersProblem;

/// The JSON Schema of `silo.toml`, for editors; a test keeps it at what [`parse`] takes.
pub const SCHEMA: &str = include_str!("../../../docs/schema/silo.schema.json");

/// Reads and checks a `silo.toml`, all its profiles included.
///
/// # Errors
/// The first [`ConfigError`], with its place in the file.
pub fn parse(text: &str) -> Result<ConfigFile, ConfigError> {
    let file = read::file(text)?;
    let broken = check::all(text, &file)?;
    Ok(ConfigFile { broken, ..file })
}

#[cfg(test)]
mod tests;
