//! Whose a published port is: the containers that publish one, asked in one question, of the engine's socket where it has one here,
//! and else of `docker ps`.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::docker::{Docker, label};
use super::engine::{Engine, Listed, PROJECT, SERVICE, WORKING_DIR};
use super::labels::LABEL;
use crate::failure::Failure;
use crate::sys::cmd;

/// k3d's label for the cluster of a container.
const CLUSTER: &str = "k3d.cluster";

/// Programs of engines that listen on the ports of containers.
const PROXIES: [&str; 6] =
    ["docker-proxy", "rootlesskit", "rootlessport", "conmon", "com.docker.backend", "com.docker.vpnkit"];

/// Whether a process of this name listens for a container.
pub fn is_engines(name: &str) -> bool {
    // A system may cut a name off after fifteen bytes.
    PROXIES.iter().any(|proxy| *proxy == name || name.len() == 15 && proxy.starts_with(name))
}

/// Whose a container is, by its labels.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Owner {
    /// The container's name.
    pub container: String,
    /// `k3d.cluster`; empty when it is not k3d's.
    pub cluster: String,
    /// `com.docker.compose.project`; empty when it is not compose's.
    pub compose: String,
    /// `com.docker.compose.service`; empty when it is not compose's.
    pub service: String,
    /// The folder of the compose files it was made from.
    pub folder: String,
    /// The instance it was made for; empty where silo did not make it.
    pub instance: String,
    /// The engine's words for how it is, such as `Up 3 minutes (healthy)`.
    pub status: String,
    /// The addresses and ports it publishes.
    pub published: Vec<(IpAddr, RangeInclusive<u16>)>,
}

impl Owner {
    /// Whether it publishes a port on an address. A container that does not say where is believed to.
    pub fn has(&self, address: IpAddr, port: u16) -> bool {
        let any = |one: &IpAddr| one.is_unspecified();
        self.published.is_empty()
            || self
                .published
                .iter()
                .any(|(on, ports)| ports.contains(&port) && (*on == address || any(on) || address.is_unspecified()))
    }

    /// Whether it publishes a port on some address.
    pub fn publishes(&self, port: u16) -> bool {
        self.published.iter().any(|(_, ports)| ports.contains(&port))
    }
}

impl Engine<'_> {
    /// The running containers that publish a port, or any port; none where no engine runs.
    ///
    /// # Errors
    /// A [`Failure`] when one is there and does not answer in time.
    pub fn publishers(&self, port: Option<u16>) -> Result<Vec<Owner>, Failure> {
        if !self.is_absent() {
            let all: Vec<Owner> = self.listed("/containers/json")?.into_iter().map(Listed::owner).collect();
            let is_asked = |owner: &Owner| match port {
                Some(port) => owner.publishes(port),
                None => !owner.published.is_empty(),
            };
            return Ok(all.into_iter().filter(is_asked).collect());
        }
        // A wrapper named docker may know another way.
        Ok(self.publishers_by_docker(port).unwrap_or_default())
    }

    /// The name of the first container that publishes a port; none where the engine does not answer.
    pub fn container_on(&self, port: u16) -> Option<String> {
        Some(self.publishers(Some(port)).ok()?.into_iter().next()?.container)
    }

    fn publishers_by_docker(&self, port: Option<u16>) -> Result<Vec<Owner>, Failure> {
        if cmd::find("docker", self.environment).is_none() {
            return Ok(Vec::new());
        }
        let docker = Docker { program: "docker", environment: self.environment, folder: self.folder };
        let labels = [CLUSTER, PROJECT, SERVICE, WORKING_DIR, LABEL].map(label);
        let [name, status, ports] = [".Names", ".Status", ".Ports"].map(str::to_owned);
        let [cluster, compose, service, folder, instance] = labels;
        let fields = [name, status, ports, cluster, compose, service, folder, instance];
        let filter = port.map(|port| format!("publish={port}"));
        let words: Vec<&str> =
            ["ps"].into_iter().chain(filter.iter().flat_map(|filter| ["--filter", filter])).collect();
        let owner = |[container, status, ports, cluster, compose, service, folder, instance]: [String; 8]| Owner {
            container,
            cluster,
            compose,
            service,
            folder,
            instance,
            status,
            published: published(&ports),
        };
        let mut all: Vec<Owner> =
            docker.rows_within(self.by_program(), &words, &fields)?.into_iter().map(owner).collect();
        all.retain(|owner| port.is_some() || !owner.published.is_empty());
        Ok(all)
    }
}

impl Listed {
    fn owner(self) -> Owner {
        let label = |name: &str| self.labels.get(name).cloned().unwrap_or_default();
        let published =
            self.ports.iter().filter_map(|port| Some((port.ip.parse().ok()?, port.public_port?..=port.public_port?)));
        Owner {
            container: self.name(),
            cluster: label(CLUSTER),
            compose: label(PROJECT),
            service: label(SERVICE),
            folder: label(WORKING_DIR),
            instance: label(LABEL),
            published: published.collect(),
            status: self.status.clone(),
        }
    }
}

/// What `.Ports` tells: `0.0.0.0:3000->80/tcp, [::]:3000->80/tcp, 127.0.0.1:8000-8010->8000-8010/udp, 9000/tcp`.
fn published(text: &str) -> Vec<(IpAddr, RangeInclusive<u16>)> {
    let one = |part: &str| {
        let (address, ports) = part.split_once("->")?.0.rsplit_once(':')?;
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        Some((address.trim_matches(['[', ']']).parse().ok()?, first.parse().ok()?..=last.parse().ok()?))
    };
    text.split(", ").filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_container_publishes_is_read_with_its_addresses() {
        let text =
            "0.0.0.0:3000->80/tcp, :::3000->80/tcp, [::1]:3001->81/tcp, 127.0.0.1:8000-8010->8000-8010/udp, 9000/tcp";
        let told: Vec<String> =
            published(text).iter().map(|(on, ports)| format!("{on} {}-{}", ports.start(), ports.end())).collect();
        assert_eq!(told, ["0.0.0.0 3000-3000", ":: 3000-3000", "::1 3001-3001", "127.0.0.1 8000-8010"]);
        let owner = |text: &str| Owner { published: published(text), ..Owner::default() };
        let (four, six): (IpAddr, IpAddr) = ([127, 0, 0, 1].into(), std::net::Ipv6Addr::LOCALHOST.into());
        assert!(owner("127.0.0.1:3000->80/tcp").has(four, 3000) && owner("").has(six, 3000));
        assert!(!owner("127.0.0.1:3000->80/tcp").has(six, 3000) && !owner("127.0.0.1:3000->80/tcp").has(four, 3001));
        assert!(owner("0.0.0.0:3000->80/tcp").has(four, 3000), "a wildcard is all addresses");
    }
}
