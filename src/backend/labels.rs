//! By what a container is proved to be an instance's.

/// The runtime label that proves a cluster to be silo's; its value is the instance's id. k3d hides labels that are not
/// its own in its answers, so Docker is asked for it.
pub const LABEL: &str = "silo.instance";

/// The cluster whose first server a container is, by its name: Docker gives a name once.
pub fn cluster_of_server(container: &str) -> Option<&str> {
    container.strip_prefix("k3d-")?.strip_suffix("-server-0")
}
