//! Whether the engine starts a container again by itself.

use serde::Deserialize;

use super::docker::Docker;
use super::engine::{Engine, escaped};

impl Engine<'_> {
    /// The restart policy of a container, such as `always`; none where it has none, or does not tell.
    pub fn restart_policy(&self, id: &str) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Inspected {
            host_config: HostConfig,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct HostConfig {
            restart_policy: Policy,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "PascalCase")]
        struct Policy {
            #[serde(default)]
            name: String,
        }
        let policy = if self.is_local() {
            self.asked_for::<Inspected>(&format!("/containers/{}/json", escaped(id)))
                .map(|inspected| inspected.map(|one| one.host_config.restart_policy.name).unwrap_or_default())
        } else {
            let docker = Docker { program: "docker", environment: self.environment, folder: self.folder };
            docker
                .rows(&["inspect", id], &[".HostConfig.RestartPolicy.Name".to_owned()])
                .map(|rows| rows.into_iter().next().map(|[name]| name).unwrap_or_default())
        };
        policy.ok().filter(|name| !name.is_empty() && name != "no")
    }
}
