//! Whether the wall around an agent holds, asked from inside before it starts (D33): its network leads nowhere but to itself, and
//! nothing of the host answers. How the engine was asked to make the network proves nothing: some versions ignore what they do not know.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use silo::core::formats::dns::{self, Kind};
use silo::core::formats::proc_net::{self, Neighbour};
use silo::failure::Failure;
use silo::sys::files;
use tokio::net::{TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::codes;
use super::options::Probe;

/// How long an address may be silent until nobody is there: it would be on the same wire.
const SILENCE: Duration = Duration::from_millis(200);
/// How long the engine's resolver may take to say what it has heard from outside.
const RESOLVED: Duration = Duration::from_secs(1);
/// What is tried of an address: something that most machines refuse, and what many have.
const PORTS: [u16; 4] = [1, 22, 80, 443];
/// The engine's own resolver in a container.
const RESOLVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 11)), 53);
/// A name that has an address outside (<https://www.rfc-editor.org/rfc/rfc2606#section-3>).
const OUTSIDE: &str = "example.com";
/// Largest file of the kernel's that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Makes sure that the wall holds.
pub(super) async fn make_sure(probes: &[Probe], asks_resolver: bool) -> Result<(), Failure> {
    let no = |what: String| {
        Failure::new(format!("The agent was not started, for its container is not closed: {what}"))
            .hint("The engine did not make the network as silo asked for: `docker version`, `silo doc containment`")
            .code(codes::NO_WALL)
    };
    if let Some(way) = proc_net::way_by_ipv6(&text("/proc/net/if_inet6")) {
        return Err(no(way));
    }
    let gateways = proc_net::gateways(&text("/proc/net/route")).map_err(&no)?;
    let gateways = gateways.into_iter().map(|address| Probe { address: address.into(), port: None });
    let probes: Vec<Probe> = probes.iter().copied().chain(gateways).collect();
    let mut answers = JoinSet::new();
    for probe in &probes {
        for port in probe.port.map_or_else(|| PORTS.to_vec(), |port| vec![port]) {
            answers.spawn(answers_at(SocketAddr::new(probe.address, port)));
        }
    }
    if asks_resolver {
        answers.spawn(resolves());
    }
    while let Some(answer) = answers.join_next().await {
        if let Ok(Some(what)) = answer {
            return Err(no(what));
        }
    }
    // Whoever drops every packet has still said where to send them.
    let seen = proc_net::neighbours(&text("/proc/net/arp"));
    let near = probes.iter().find(|probe| seen.contains(&Neighbour::Answers(probe.address)));
    match near {
        Some(probe) => Err(no(format!("{} answers on its network", probe.address))),
        None => Ok(()),
    }
}

fn text(path: &str) -> String {
    let content = files::read(Path::new(path), LIMIT).ok().flatten();
    content.map(|content| String::from_utf8_lossy(&content.bytes).into_owned()).unwrap_or_default()
}

/// What answers at an address: to be refused is an answer too.
async fn answers_at(address: SocketAddr) -> Option<String> {
    match timeout(SILENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => Some(format!("{address} takes a connection")),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            Some(format!("{address} answers, by refusing a connection"))
        }
        _ => None,
    }
}

/// What the engine's resolver knows of the outside.
async fn resolves() -> Option<String> {
    let question = dns::question(7, OUTSIDE, Kind::A)?;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.ok()?;
    socket.connect(RESOLVER).await.ok()?;
    socket.send(&question).await.ok()?;
    let mut answer = [0; 4096];
    let length = timeout(RESOLVED, socket.recv(&mut answer)).await.ok()?.ok()?;
    let found = dns::addresses(&question, &answer[..length], Kind::A)?;
    let address = found.first()?;
    Some(format!("its resolver knows {OUTSIDE}, which has the address {address}"))
}
