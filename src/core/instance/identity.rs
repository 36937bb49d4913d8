//! What an instance calls its things (docs/lockfile.md): computed again each time, never believed from a lockfile.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::core::instance::name;

/// The names that belong to one instance; serialised as in the lockfile.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Identity {
    /// Sanitised instance name.
    pub name: String,
    /// Resource prefix, `localnet` by default.
    pub prefix: String,
    /// Docker Compose project name, `{prefix}-{name}`.
    pub compose_name: String,
    /// Docker network name.
    pub docker_network: String,
    /// Docker volume prefix.
    pub volume_prefix: String,
    /// Container name prefix, with its final dash.
    pub container_prefix: String,
    /// Resolved hosts in declared order, with `TILT_HOST`.
    pub hosts: IndexMap<String, String>,
    /// k3d cluster name (at most 32 characters) when k3d is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k3d_cluster_name: Option<String>,
    /// Host name of the cluster's image registry, without a port, when it is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub k3d_registry_name: Option<String>,
    /// Absolute path of the instance's kubeconfig when k3d is enabled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kubeconfig_path: Option<String>,
}

/// Which parts of k3d a project uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct K3dParts {
    /// A cluster.
    pub cluster: bool,
    /// An image registry beside it.
    pub registry: bool,
}

/// Names an instance; `home` is where `.kube` lies.
pub fn identity(prefix: &str, instance: &str, k3d: K3dParts, home: &str) -> Identity {
    let full = name::qualified(prefix, instance);
    let cluster = k3d.cluster.then(|| name::k3d(&full));
    Identity {
        name: instance.to_owned(),
        prefix: prefix.to_owned(),
        docker_network: full.clone(),
        volume_prefix: full.clone(),
        container_prefix: format!("{full}-"),
        compose_name: full,
        hosts: IndexMap::new(),
        k3d_registry_name: cluster.as_ref().filter(|_| k3d.registry).map(|name| format!("{name}-registry.localhost")),
        kubeconfig_path: cluster.as_ref().map(|name| format!("{}/.kube/{name}", home.trim_end_matches('/'))),
        k3d_cluster_name: cluster,
    }
}

impl Identity {
    /// Whether two identities say the same; the older silo wrote the image registry with its port (docs/lockfile.md).
    pub fn agrees_with(&self, other: &Self) -> bool {
        let bare = |identity: &Self| {
            let mut bare = identity.clone();
            bare.k3d_registry_name =
                bare.k3d_registry_name.map(|name| name.split(':').next().unwrap_or_default().to_owned());
            bare
        };
        bare(self) == bare(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_everything_after_prefix_and_name() {
        let id = identity("localnet", "feature-x", K3dParts { cluster: true, registry: true }, "/home/user");
        assert_eq!(id.compose_name, "localnet-feature-x");
        assert_eq!(id.container_prefix, "localnet-feature-x-");
        assert_eq!(id.k3d_registry_name.as_deref(), Some("localnet-feature-x-registry.localhost"));
        assert_eq!(id.kubeconfig_path.as_deref(), Some("/home/user/.kube/localnet-feature-x"));
    }

    #[test]
    fn without_k3d_there_is_no_cluster_name() {
        let id = identity("localnet", "x", K3dParts { cluster: false, registry: true }, "/home/user");
        assert_eq!((id.k3d_cluster_name, id.k3d_registry_name, id.kubeconfig_path), (None, None, None));
    }

    #[test]
    fn a_port_in_the_registry_name_of_the_older_silo_is_no_difference() {
        let ours = identity("localnet", "x", K3dParts { cluster: true, registry: true }, "/h");
        let mut theirs = ours.clone();
        theirs.k3d_registry_name = Some("localnet-x-registry.localhost:5000".into());
        assert!(ours.agrees_with(&theirs));
        theirs.compose_name = "other".into();
        assert!(!ours.agrees_with(&theirs));
    }
}
