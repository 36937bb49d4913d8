//! By what a container is proved to be an instance's.

/// The runtime label that proves a cluster to be silo's; its value is the instance's id. k3d hides labels that are not
/// its own in its answers, so Docker is asked for it.
pub const LABEL: &str = "silo.instance";
/// The label of a service that is one for all instances of a repository; its value is that of the repository.
pub const SHARED: &str = "silo.shared";
/// The label of a network by which one instance's services reach another's: the id of the one that asked for it.
pub const LINK_FROM: &str = "silo.link.from";
/// The id of the one whose services are reached.
pub const LINK_TO: &str = "silo.link.to";

/// The cluster whose first server a container is, by its name: Docker gives a name once.
pub fn cluster_of_server(container: &str) -> Option<&str> {
    container.strip_prefix("k3d-")?.strip_suffix("-server-0")
}
