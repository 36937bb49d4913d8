//! Whether a TCP port can be had (D3).

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with, sockopt};

use crate::core::leases::ports::Probe;

/// Tries to bind a port on every address a local server might use; nothing is left open.
///
/// `SO_REUSEADDR` keeps half-closed old connections from counting. The loopback addresses are tried too, because on
/// macOS that option lets the wildcard be bound beside a server on loopback.
pub fn probe(port: u16) -> Probe {
    let addresses = [
        SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
        SocketAddr::from((Ipv6Addr::LOCALHOST, port)),
    ];
    for address in addresses {
        match try_bind(address) {
            Ok(()) => {}
            Err(Errno::ACCESS | Errno::PERM) => return Probe::Denied,
            // No IPv6 here, or no such address: nobody else can use it either.
            Err(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL) if address.is_ipv6() => {}
            Err(_) => return Probe::Busy,
        }
    }
    Probe::Free
}

/// Whether somebody accepts connections on a port of loopback.
pub fn answers(port: u16, limit: Duration) -> bool {
    TcpStream::connect_timeout(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)), limit).is_ok()
}

fn try_bind(address: SocketAddr) -> Result<(), Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sockopt::set_socket_reuseaddr(&socket, true)?;
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
    fn a_half_closed_connection_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let address = listener.local_addr().expect("it is bound");
        let client = std::net::TcpStream::connect(address).expect("it listens");
        let (server, _) = listener.accept().expect("a client waits");
        // The side that closes first keeps the port in TIME_WAIT.
        drop(server);
        drop(client);
        drop(listener);
        assert_eq!(probe(address.port()), Probe::Free);
    }
}
