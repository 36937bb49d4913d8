//! Whether a port is available, for TCP and UDP (D3).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::ops::RangeInclusive;
#[cfg(target_os = "linux")]
use std::os::fd::OwnedFd;
#[cfg(target_os = "linux")]
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::Instant;

use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::SocketAddrUnix;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::core::leases::ports::Probe;

/// What is bound while a port is tried.
#[cfg(target_os = "linux")]
const TURN: &[u8] = b"silo tries a port";
/// How long is waited for another one's try.
#[cfg(target_os = "linux")]
const LONGEST: Duration = Duration::from_secs(2);
/// After how long it is looked again.
#[cfg(target_os = "linux")]
const PAUSE: Duration = Duration::from_micros(200);

/// Tries to bind a port on every address a local server might use; nothing is left open.
///
/// Both TCP and UDP, for nothing says which of them a variable is for. `SO_REUSEADDR` keeps half-closed old connections from counting. The loopback addresses are tried too, because on
/// macOS that option lets the wildcard be bound beside a server on loopback.
///
/// While it is tried, the port is taken: two that try at once would see each other, so that they take turns.
pub fn probe(port: u16) -> Probe {
    let _turn = turn();
    let addresses = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    for (address, kind) in
        addresses.into_iter().flat_map(|address| [(address, SocketType::STREAM), (address, SocketType::DGRAM)])
    {
        match try_bind(address, kind) {
            Ok(()) => {}
            Err(Errno::ACCESS | Errno::PERM) => return Probe::Denied,
            // No IPv6 here, or no such address: nobody else can use it either.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if address.is_ipv6() => {}
            Err(_) => return Probe::Busy,
        }
    }
    Probe::Free
}

/// Waits until no other silo on this machine tries a port, of whichever user, and keeps others from it until it is dropped. A name
/// without a file is what all of them can bind, and it goes with its process; one that was stopped meanwhile is waited for once.
#[cfg(target_os = "linux")]
fn turn() -> Option<OwnedFd> {
    static IS_STUCK: AtomicBool = AtomicBool::new(false);
    let name = SocketAddrUnix::new_abstract_name(TURN).ok()?;
    let socket = socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None).ok()?;
    let start = Instant::now();
    loop {
        match bind(&socket, &name) {
            Ok(()) => return Some(socket),
            Err(Errno::ADDRINUSE) if start.elapsed() < LONGEST && !IS_STUCK.load(Ordering::Relaxed) => {
                std::thread::sleep(PAUSE);
            }
            Err(error) => {
                IS_STUCK.fetch_or(error == Errno::ADDRINUSE, Ordering::Relaxed);
                return None;
            }
        }
    }
}

/// Elsewhere there are no such names, and a try is over in no time.
#[cfg(not(target_os = "linux"))]
fn turn() -> Option<()> {
    None
}

/// The ports the system gives to outgoing connections.
#[cfg(target_os = "linux")]
pub fn outgoing() -> RangeInclusive<u16> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    of_linux(&text).unwrap_or(32768..=60999)
}

/// The ports the system gives to outgoing connections, as macOS has them (`net.inet.ip.portrange`).
#[cfg(not(target_os = "linux"))]
pub fn outgoing() -> RangeInclusive<u16> {
    49152..=65535
}

/// The two numbers in Linux's text.
#[cfg(any(test, target_os = "linux"))]
fn of_linux(text: &str) -> Option<RangeInclusive<u16>> {
    let mut words = text.split_whitespace().map(str::parse);
    let (first, last) = (words.next()?.ok()?, words.next()?.ok()?);
    (words.next().is_none() && first <= last).then_some(first..=last)
}

/// Whether somebody accepts connections on a port of loopback.
pub fn answers(port: u16, limit: Duration) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit).is_ok()
}

fn try_bind(address: SocketAddr, kind: SocketType) -> Result<(), Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    // UDP has no old connections, and with it two programs that both set it would share a port.
    if kind == SocketType::STREAM {
        sockopt::set_socket_reuseaddr(&socket, true)?;
    }
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    bind(&socket, &address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_listener_on_any_local_address_makes_a_port_busy() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).expect("loopback is there");
            let port = listener.local_addr().expect("it is bound").port();
            assert_eq!(probe(port), Probe::Busy, "{address}");
        }
    }

    #[test]
    fn a_socket_for_datagrams_does_too_though_it_lets_others_share() {
        for address in ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"] {
            let address: SocketAddr = address.parse().expect("it is one");
            let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
            let socket = socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None).expect("there are sockets");
            sockopt::set_socket_reuseaddr(&socket, true).expect("it is a socket");
            bind(&socket, &address).expect("loopback is there");
            let socket = std::net::UdpSocket::from(socket);
            assert_eq!(probe(socket.local_addr().expect("it is bound").port()), Probe::Busy, "{address}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn those_who_try_at_once_do_not_see_each_other() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let port = listener.local_addr().expect("it is bound").port();
        drop(listener);
        std::thread::scope(|scope| {
            let all: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..100).map(|_| probe(port)).collect::<Vec<_>>())).collect();
            for one in all {
                let seen = one.join().expect("it does not panic");
                assert!(seen.iter().all(|probe| *probe == Probe::Free), "{seen:?}");
            }
        });
    }

    #[test]
    fn a_half_closed_connection_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        let (server, _) = listener.accept().expect("a client waits");
        // The side that closes first keeps the port in TIME_WAIT.
        drop(server);
        drop(client);
        drop(listener);
        // A child of another test's thread has all that is open until it runs its program.
        let end = Instant::now() + Duration::from_mins(1);
        while probe(address.port()) != Probe::Free {
            assert!(Instant::now() < end, "it is not free");
        }
    }

    #[test]
    fn the_range_of_outgoing_connections_is_read() {
        assert_eq!(of_linux("32768\t60999\n"), Some(32768..=60999));
        for text in ["", "1", "1 2 3", "2 1", "x y", "1 70000"] {
            assert_eq!(of_linux(text), None, "{text}");
        }
    }
}
