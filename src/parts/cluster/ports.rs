//! The ports a cluster really publishes. They are fixed when its containers are made; leases are not, so these follow.

use super::super::holder::foreign;
use super::super::scope::Site;
use super::names::Names;
use crate::backend::k3d::{Cluster, Node};
use crate::backend::kubectl;
use crate::core::config::{API_PORT, REGISTRY_PORT, Text};
use crate::core::instance::template::{self, Piece};
use crate::core::leases::ports::Probe;
use crate::failure::Failure;
use crate::store::ask::{Ask, Occasion};
use crate::sys::net;

/// The port of every API server inside its container.
const API: &str = "6443/tcp";
/// How a cluster with the wrong ports is put right.
const ANEW: &str = "The ports of a cluster cannot be changed; this makes it again, with other ones: `silo down --delete-cluster && silo up`";

/// Makes the leases of a cluster that is there follow what it publishes.
///
/// # Errors
/// A [`Failure`] where such a port is another instance's by now, or as [`Site::settle_again`].
pub(super) fn follow(site: &mut Site<'_>, cluster: &Cluster, registry: Option<&Node>) -> Result<(), Failure> {
    let mut real: Vec<(String, u16)> = Vec::new();
    let (settings, ports) = (&site.scope.settings, &site.settled.known.ports);
    let said = |flag: &str| settings.k3d_args.iter().any(|text| text.value.split('=').next() == Some(flag));
    if !said("--api-port") {
        real.extend(published(&cluster.nodes, API).map(|port| (API_PORT.to_owned(), port)));
    }
    let forwarded = settings.k3d_args.iter().filter_map(forwarded);
    real.extend(forwarded.filter_map(|(name, inner)| Some((name, published(&cluster.nodes, &inner)?))));
    let inner = format!("{}/tcp", kubectl::INNER_PORT);
    let of_registry = registry.and_then(|node| published(std::slice::from_ref(node), &inner));
    real.extend(of_registry.map(|port| (REGISTRY_PORT.0.to_owned(), port)));
    real.retain(|(name, port)| ports.get(name).is_some_and(|lease| lease != port));
    if real.is_empty() {
        return Ok(());
    }
    for (name, port) in &real {
        let what = if name == REGISTRY_PORT.0 { "image registry" } else { "cluster" };
        site.scope.context.ui.step(&format!("The {what} listens on {port}; {name} follows"));
    }
    site.settle_again(&Ask { up: true, found: &real, occasion: Occasion::Cd, ..Ask::default() })?;
    match real.iter().find(|(name, port)| site.settled.known.ports.get(name) != Some(port)) {
        Some((name, port)) => Err(Failure::new(format!(
            "Port {port} ({name}) of k3d cluster '{}' is leased to another instance by now",
            cluster.name
        ))
        .hint(ANEW)),
        None => Ok(()),
    }
}

/// Refuses to start containers on ports that somebody else has taken meanwhile.
///
/// # Errors
/// A [`Failure`] that says which port, and whose it is.
pub(super) fn require_free<'n>(
    site: &Site<'_>,
    names: &Names,
    nodes: impl Iterator<Item = &'n Node>,
) -> Result<(), Failure> {
    let stopped = nodes.filter(|node| !node.state.running);
    for port in stopped.flat_map(|node| node.ports.values().flatten().flatten()).filter_map(|one| one.port.parse().ok())
    {
        if port == 0 || net::probe(port) != Probe::Busy {
            continue;
        }
        let context = site.scope.context;
        if let Some(who) = foreign(&context.outside(), &site.scope.project.root, &site.settled.identity, port) {
            return Err(Failure::new(format!("Port {port} of k3d cluster '{}' is held by {who}", names.cluster))
                .hint("Free the port, then run `silo up` again")
                .hint(ANEW));
        }
    }
    Ok(())
}

/// The one port of this machine at which a port of some containers is published; none where there are several.
fn published(nodes: &[Node], inner: &str) -> Option<u16> {
    let all = nodes.iter().filter_map(|node| node.ports.get(inner)?.as_ref()).flatten();
    let mut ports: Vec<u16> = all.filter_map(|one| one.port.parse().ok()).filter(|port| *port != 0).collect();
    ports.dedup();
    match ports[..] {
        [port] => Some(port),
        _ => None,
    }
}

/// The variable and the inner port of an argument such as `--port=${LB_PORT}:80@loadbalancer`.
fn forwarded(text: &Text) -> Option<(String, String)> {
    let pieces = template::parse(&text.value).ok()?;
    let at = pieces.iter().position(|piece| matches!(piece, Piece::Variable { .. }))?;
    let (Piece::Variable { name, .. }, Some(Piece::Text(rest)), None) =
        (&pieces[at], pieces.get(at + 1), pieces.get(at + 2))
    else {
        return None;
    };
    let inner = rest.strip_prefix(':')?.split('@').next()?;
    let (number, protocol) = inner.split_once('/').unwrap_or((inner, "tcp"));
    number.parse::<u16>().ok().map(|number| (name.clone(), format!("{number}/{protocol}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forwarded_port_is_read_from_its_argument() {
        let read = |value: &str| forwarded(&Text { value: value.to_owned(), span: 0..0 });
        let found = |name: &str, inner: &str| Some((name.to_owned(), inner.to_owned()));
        assert_eq!(read("--port=${LB}:80@loadbalancer"), found("LB", "80/tcp"));
        assert_eq!(read("127.0.0.1:${LB}:53/udp@server:0"), found("LB", "53/udp"));
        assert_eq!(read("${LB}:80"), found("LB", "80/tcp"));
        for other in ["--port=8080:80@loadbalancer", "--label=${A}", "${A}:${B}@server:0", "--volume=${A}:/data"] {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
