//! What a cluster leaves in Docker when its instance's root is gone (D111).

use super::super::leftovers::{Claim, Inventory, Kind, Labelled, picked};
use crate::core::instance::name;

/// The cluster, its image registry and its network, as far as the claim goes.
pub(super) fn of(inventory: &Inventory, claim: &Claim) -> Vec<(Kind, String)> {
    let Claim { ids, had, names, noted, sole, .. } = claim;
    let clusters = |names: &[String]| -> Vec<String> { names.iter().map(|name| name::k3d(name)).collect() };
    let (clusters_had, clusters_named) = (clusters(had), clusters(names));
    // A label alone proves nothing: anybody may run a container with it.
    let cluster = |(cluster, owner): &Labelled| {
        (*sole && ids.first() == Some(owner) && clusters_had.contains(cluster))
            || (ids.contains(owner) && clusters_named.contains(cluster))
            || (owner.is_empty() && noted.contains(cluster))
    };
    // A registry outlives its cluster where it is connected elsewhere; it has the cluster's name.
    let registry = |one: &Labelled| {
        clusters_named.iter().any(|cluster| one.1 == *cluster && one.0 == format!("{cluster}-registry.localhost"))
            && !inventory.clusters.iter().any(|(cluster, owner)| *cluster == one.1 && !ids.contains(owner))
    };
    // k3d's own goes with its cluster, unless that never came as far as a server.
    let network = |one: &Labelled| {
        let cluster = one.0.strip_prefix("k3d-").filter(|cluster| clusters_named.iter().any(|one| one == cluster));
        let is_alone = cluster.is_some_and(|cluster| !inventory.clusters.iter().any(|(other, _)| other == cluster));
        one.1.is_empty() && is_alone
    };
    [
        picked(Kind::Cluster, &inventory.clusters, cluster),
        picked(Kind::Container, &inventory.registries, registry),
        picked(Kind::Network, &inventory.networks, network),
    ]
    .concat()
}
