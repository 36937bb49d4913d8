//! Whether an instance is used, judged from the connections of this machine (D31): one to a port that it holds, or to an address of
//! its services, from either end.

use ::core::net::{IpAddr, SocketAddr};
use std::collections::HashSet;

use super::Instance;

/// Whether one of these connections is about an instance.
pub fn is_used(instance: &Instance, connections: &[(SocketAddr, SocketAddr)]) -> bool {
    let ports: HashSet<u16> = instance.held().collect();
    let is_its = |address: IpAddr| match (address, instance.subnet) {
        (IpAddr::V4(address), Some(subnet)) => subnet.has(address),
        _ => false,
    };
    connections.iter().any(|(here, there)| {
        // At the other end a port counts on this machine alone: many servers elsewhere have the same number.
        let is_here = there.ip().is_loopback() || there.ip() == here.ip();
        ports.contains(&here.port()) || is_here && ports.contains(&there.port()) || is_its(there.ip())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_to_a_port_or_an_address_is_use_and_others_are_not() {
        let mut instance = Instance::default();
        instance.ports.insert("DB".to_owned(), 5432);
        instance.subnet = "10.224.3.0/24".parse().ok();
        for (here, there, expected) in [
            ("127.0.0.1:5432", "127.0.0.1:40000", true),
            ("127.0.0.1:40000", "127.0.0.1:5432", true),
            ("192.0.2.1:40000", "192.0.2.1:5432", true),
            ("10.224.3.1:40000", "10.224.3.10:80", true),
            ("192.0.2.1:40000", "198.51.100.7:5432", false),
            ("10.224.4.1:40000", "10.224.4.10:80", false),
            ("127.0.0.1:40000", "127.0.0.1:40001", false),
        ] {
            let ends = [(here.parse().expect("it is one"), there.parse().expect("it is one"))];
            assert_eq!(is_used(&instance, &ends), expected, "{here} {there}");
        }
        assert!(!is_used(&instance, &[]));
    }
}
