//! Whether a host of an address is near enough to be spoken to in the clear.

use ::core::net::IpAddr;

/// Whether a host, or a socket's folder, is of this machine.
pub(super) fn is_here(host: &str) -> bool {
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    host.starts_with('/') || host == "localhost" || host.ends_with(".localhost") || is_loopback
}

/// Whether a host is of this machine, or of a network of one's own.
pub(super) fn is_near(host: &str) -> bool {
    let near_name = |end: &str| host.ends_with(end);
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => {
            !host.contains('.')
                || [".localhost", ".local", ".test", ".internal", ".home.arpa", ".lan"].into_iter().any(near_name)
        }
    }
}
