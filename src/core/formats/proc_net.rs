//! What Linux says of a network in `/proc/net`: whether it leads out, and who answers on it.

use ::core::net::{IpAddr, Ipv4Addr};

/// Somebody on the same network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Neighbour {
    /// It said where to send packets for it.
    Answers(IpAddr),
    /// It was asked for, and said nothing.
    Silent(IpAddr),
}

/// An address of `/proc/net/route`, whose last byte comes first.
fn address(word: &str) -> Option<Ipv4Addr> {
    u32::from_str_radix(word, 16).ok().map(|number| Ipv4Addr::from(number.swap_bytes()))
}

/// The machines to which a container's routes send what is not for its own networks; whether one is there is to be asked. Engines before
/// 23 name one in closed networks too.
///
/// # Errors
/// What is wrong, where a route needs no such machine, or the table cannot be read.
pub fn gateways(routes: &str) -> Result<Vec<Ipv4Addr>, String> {
    let unread = || "its routes cannot be read".to_owned();
    let mut lines = routes.lines();
    lines.next().filter(|head| head.starts_with("Iface")).ok_or_else(unread)?;
    let mut found = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| words.get(at).and_then(|word| address(word)).ok_or_else(unread);
        let (to, gateway, bits) = (number(1)?, number(2)?, u32::from(number(7)?).leading_ones());
        if !gateway.is_unspecified() {
            found.push(gateway);
        } else if bits < 16 {
            return Err(format!("it has a route to {to}/{bits}"));
        }
    }
    Ok(found)
}

/// The first address of IPv6 but that of the loopback, by which neighbours could be reached.
pub fn way_by_ipv6(addresses: &str) -> Option<String> {
    addresses.lines().find_map(|line| {
        let interface = line.split_whitespace().nth(5)?;
        (interface != "lo").then(|| format!("its interface {interface} has an address of IPv6"))
    })
}

/// Who was asked for on the own networks (`/proc/net/arp`).
pub fn neighbours(table: &str) -> Vec<Neighbour> {
    let one = |line: &str| {
        let mut words = line.split_whitespace();
        let address: IpAddr = words.next()?.parse().ok()?;
        let flags = u32::from_str_radix(words.nth(1)?.strip_prefix("0x")?, 16).ok()?;
        Some(if flags & 2 == 0 { Neighbour::Silent(address) } else { Neighbour::Answers(address) })
    };
    table.lines().skip(1).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";

    #[test]
    fn a_route_past_the_own_network_is_seen() {
        let of = |lines: &str| gateways(&format!("{HEAD}{lines}"));
        let own = "eth0\t0803E00A\t00000000\t0001\t0\t0\t0\tF8FFFFFF\t0\t0\t0\n";
        assert_eq!(of(""), Ok(vec![]), "no network at all");
        assert_eq!(of(own), Ok(vec![]));
        let default = format!("eth0\t00000000\t0903E00A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n{own}");
        assert_eq!(of(&default), Ok(vec![Ipv4Addr::new(10, 224, 3, 9)]));
        let device = "eth0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(of(device), Err("it has a route to 0.0.0.0/0".to_owned()));
        assert_eq!(of("eth0\tx\n"), Err("its routes cannot be read".to_owned()));
        for unread in ["", "nonsense"] {
            assert_eq!(gateways(unread), Err("its routes cannot be read".to_owned()));
        }
    }

    #[test]
    fn an_address_of_ipv6_but_the_loopbacks_is_a_way_out() {
        let lo = "00000000000000000000000000000001 01 80 10 80       lo\n";
        assert_eq!(way_by_ipv6(lo), None);
        let both = format!("{lo}fe80000000000000004212fffe8a1b2c 02 40 20 80     eth0\n");
        assert_eq!(way_by_ipv6(&both).as_deref(), Some("its interface eth0 has an address of IPv6"));
    }

    #[test]
    fn who_answers_is_told_from_who_was_only_asked_for() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     10.224.3.9       0x1         0x2         02:42:0a:e0:03:09     *        eth0\n\
                     10.224.3.10      0x1         0x0         00:00:00:00:00:00     *        eth0\nbroken\n";
        let [one, other] = ["10.224.3.9", "10.224.3.10"].map(|address| address.parse().expect("an address"));
        assert_eq!(neighbours(table), [Neighbour::Answers(one), Neighbour::Silent(other)]);
    }
}
