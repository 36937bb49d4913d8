//! Which names of the outside an agent may reach, and which addresses are the outside (D33): a name that somebody else decides about must
//! not lead to this machine or its network.

use ::core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The port of a name that says none.
const HTTPS: u16 = 443;

/// A name that may be reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The name in lower case, without the `*.`.
    host: String,
    /// It stands for every name below that.
    is_below: bool,
    port: u16,
}

/// A host and a port, as `CONNECT` names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name or address, in lower case.
    pub host: String,
    /// The port.
    pub port: u16,
}

fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        let is_right = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
        (1..64).contains(&label.len()) && label.bytes().all(is_right) && !label.starts_with('-')
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

impl Rule {
    /// Reads `name`, `*.name` or one of these with `:port`; none where it is neither. A star alone would be everything, and so would
    /// one before a name without a dot.
    pub fn read(text: &str) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok().filter(|port| *port > 0)?),
            None => (text, HTTPS),
        };
        let name = name.to_ascii_lowercase();
        let (host, is_below) = match name.strip_prefix("*.") {
            Some(rest) => (rest.to_owned(), true),
            None => (name, false),
        };
        let is_right = is_host(&host) && (!is_below || host.contains('.'));
        is_right.then_some(Self { host, is_below, port })
    }

    /// Whether it lets a target pass.
    pub fn lets(&self, target: &Target) -> bool {
        let below = || target.host.strip_suffix(&self.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        self.port == target.port && if self.is_below { below() } else { target.host == self.host }
    }
}

impl Target {
    /// Reads `host:port`; none where it is neither a name nor an address with a port.
    pub fn read(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        if let Some(inside) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            let address: Ipv6Addr = inside.parse().ok()?;
            return Some(Self { host: address.to_string(), port });
        }
        is_host(host).then(|| Self { host: host.to_owned(), port })
    }
}

/// Whether an address is of the outside: none of this machine, of a network of its own, or of no single machine
/// (<https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>).
pub fn is_outside(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_outside_v4(address),
        IpAddr::V6(address) => is_outside_v6(address),
    }
}

fn is_outside_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    match a {
        0 | 10 | 127 | 224.. => false,
        100 => !(64..=127).contains(&b),
        169 => b != 254,
        172 => !(16..=31).contains(&b),
        192 => !matches!((b, c), (0, 0 | 2) | (88, 99) | (168, _)),
        198 => !matches!((b, c), (18 | 19, _) | (51, 100)),
        203 => (b, c) != (0, 113),
        _ => true,
    }
}

fn is_outside_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let inner = || {
        let [.., a, b, c, d] = address.octets();
        Ipv4Addr::new(a, b, c, d)
    };
    match parts {
        // Mapped, and by way of NAT64: the address inside decides.
        [0, 0, 0, 0, 0, 0xffff, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => is_outside_v4(inner()),
        // Teredo and others of the IETF, documentation, 6to4.
        [0x2001, 0..=0x1ff | 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => false,
        // What is handed out; all else is for one network, for many machines, or for nobody yet.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lets(rule: &str, target: &str) -> bool {
        let rule = Rule::read(rule).expect("it is a rule");
        Target::read(target).is_some_and(|target| rule.lets(&target))
    }

    #[test]
    fn a_name_lets_itself_pass_and_a_star_those_below() {
        assert!(
            lets("packages.example.org", "packages.example.org:443") && lets("A.Example.org", "a.example.ORG.:443")
        );
        assert!(lets("*.example.net", "a.example.net:443") && lets("*.example.net", "a.b.example.net:443"));
        assert!(lets("example.org:8443", "example.org:8443") && lets("192.0.2.1:80", "192.0.2.1:80"));
        for (rule, target) in [
            ("packages.example.org", "packages.example.org:80"),
            ("packages.example.org", "packages.example.org.example.com:443"),
            ("packages.example.org", "xpackages.example.org:443"),
            ("packages.example.org", "a.packages.example.org:443"),
            ("*.example.net", "example.net:443"),
            ("*.example.net", "aexample.net:443"),
            ("*.example.net", ".example.net:443"),
            ("example.org:8443", "example.org:443"),
            ("example.org", "example.org"),
            ("example.org", "user@example.org:443"),
            ("example.org", "example.org:443 "),
            ("example.org", "example.org:0"),
        ] {
            assert!(!lets(rule, target), "{rule} {target}");
        }
        for wrong in [
            "",
            "*",
            "*.com",
            "**.a.b",
            "a.*.b",
            "a b",
            "http://a.b",
            "a.b/",
            "a.b:",
            "a.b:x",
            "a..b",
            "-a.b",
            "[::1]:1",
        ] {
            assert_eq!(Rule::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_address_of_a_private_network_is_not_the_outside_in_whatever_form() {
        let is = |text: &str| is_outside(text.parse().expect("an address"));
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "2002:a00:1::",
            "2002:808:808::1",
            "3fff::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "4000::1",
        ] {
            assert!(!is(inside), "{inside}");
        }
        let outside = [
            "1.1.1.1",
            "9.9.9.9",
            "11.0.0.1",
            "100.63.0.1",
            "100.128.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.0.1",
            "192.169.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2001:200::1",
            "2606:4700::1111",
            "2a00::1",
        ];
        for outside in outside {
            assert!(is(outside), "{outside}");
        }
    }
}
