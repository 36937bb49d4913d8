//! The names a cluster has in an instance.

use std::path::{Path, PathBuf};

use crate::core::formats::kubeconfig;
use crate::core::instance::vars::Vars;
use crate::sys::files;

/// Its column, by which what is wanted names it.
pub(super) const COLUMN: &str = "cluster";

/// Largest kubeconfig that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// The instance's cluster, by the names it was given.
pub(super) struct Names {
    /// Of the cluster, without `k3d-`.
    pub(super) cluster: String,
    /// Of its image registry, without a port.
    pub(super) registry: Option<String>,
    /// Its kubeconfig.
    pub(super) kubeconfig: PathBuf,
}

impl Names {
    /// Those of a cluster that the instance had under an earlier name or profile.
    pub(super) fn earlier(cluster: &str, home: &Path) -> Self {
        let registry = Some(format!("{cluster}-registry.localhost"));
        Self { cluster: cluster.to_owned(), registry, kubeconfig: home.join(".kube").join(cluster) }
    }

    /// The names in an instance's vars; none without a cluster.
    pub(super) fn of(vars: &Vars) -> Option<Self> {
        let registry = vars.get("K3D_REGISTRY_NAME").and_then(|name| name.split(':').next()).map(str::to_owned);
        Some(Self {
            cluster: vars.get("K3D_CLUSTER_NAME")?.to_owned(),
            registry,
            kubeconfig: vars.get("KUBECONFIG")?.into(),
        })
    }
}

/// The port of the API server that a kubeconfig names.
pub(super) fn api_port(kubeconfig: &Path) -> Option<u16> {
    let content = files::read(kubeconfig, LIMIT).ok()??;
    kubeconfig::api_port(&String::from_utf8_lossy(&content.bytes))
}
