//! Host names of routes: what can be one, and how a port's variable is written as a part of one.

use ::core::net::IpAddr;

/// The name under which the proxy shows all instances.
pub const FRONT: &str = "silo.localhost";
/// Longest name and longest part of one, in characters (RFC 1035, 2.3.4).
const LONGEST: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Whether a text can be a part of a host name, between two dots (RFC 1123, 2.1).
pub fn is_label(text: &str) -> bool {
    let plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    plain && (1..=LONGEST_LABEL).contains(&text.len()) && !text.starts_with('-') && !text.ends_with('-')
}

/// Why a text in lower case cannot be the host name of a route; none when it can.
pub fn problem(name: &str) -> Option<&'static str> {
    let odd = |c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.');
    match name {
        "" => Some("it is empty"),
        FRONT => Some("silo's proxy shows its own page there"),
        "localhost" => Some("every program of this machine is reached by it"),
        _ if name.contains(odd) => Some("a host name has letters, digits, `-` and `.` alone"),
        _ if name.parse::<IpAddr>().is_ok() => Some("it is an address, and no name"),
        _ if name.len() > LONGEST => Some("it is longer than 253 characters"),
        _ if name.split('.').any(str::is_empty) => Some("nothing is beside a dot of it"),
        _ if name.split('.').any(|label| label.len() > LONGEST_LABEL) => {
            Some("a part of it is longer than 63 characters")
        }
        _ if name.split('.').any(|label| label.starts_with('-') || label.ends_with('-')) => {
            Some("a part of it begins or ends with `-`")
        }
        _ => {
            debug_assert!(name.split('.').all(is_label), "each reason is named above");
            None
        }
    }
}

/// Whether a name can be told to whoever asks by it: no server on the internet can have it, so that no page of another site comes
/// by it (<https://datatracker.ietf.org/doc/html/rfc6761>).
pub fn is_local(name: &str) -> bool {
    let ends = |suffix: &str| name == suffix || name.strip_suffix(suffix).is_some_and(|before| before.ends_with('.'));
    name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()) || ends("localhost") || ends("test")
}

/// What a `Host` header or an authority names: in lower case, without its port, the dot at its end and the brackets of an IPv6
/// address. None for what names nothing.
pub fn named(authority: &str) -> Option<String> {
    let is_port = |port: &str| port.len() <= 5 && port.bytes().all(|c| c.is_ascii_digit());
    let name = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            address.parse::<::core::net::Ipv6Addr>().ok()?;
            (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address)?
        }
        None => match authority.split_once(':') {
            Some((name, port)) => is_port(port).then_some(name)?,
            None => authority,
        },
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-._:".contains(c));
    (!name.is_empty() && name.len() <= LONGEST && !name.contains(odd)).then_some(name)
}

/// A port's variable as a part of a host name, without the word that says it is a port: `API_PORT` is `api`.
pub fn label(variable: &str) -> String {
    let lower = whole_label(variable);
    lower.strip_suffix("-port").filter(|rest| !rest.is_empty()).unwrap_or(&lower).to_owned()
}

/// The same with that word.
pub fn whole_label(variable: &str) -> String {
    variable.to_ascii_lowercase().replace('_', "-").trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_browsers_and_servers_take_are_host_names() {
        for name in ["app.feature-x.localhost", "a", "x1.test", "1.2.3.com", "app.example.com"] {
            assert_eq!(problem(name), None, "{name}");
        }
        let long = "a".repeat(64);
        let longer = ["a"; 128].join(".");
        let not =
            ["", "silo.localhost", "localhost", "a_b.test", "a b", "A.test", "127.0.0.1", "::1", "a..b", ".a", "a."];
        for name in not.into_iter().chain(["-a.test", "a-.test", "é.test", "a/b", "a:1", &long, &longer]) {
            assert!(problem(name).is_some(), "{name}");
        }
    }

    #[test]
    fn a_host_header_is_read_whatever_is_in_it() {
        for (header, name) in [
            ("App.Feature-X.localhost:7450", Some("app.feature-x.localhost")),
            ("app.localhost", Some("app.localhost")),
            ("app.localhost.:80", Some("app.localhost")),
            ("127.0.0.1:7450", Some("127.0.0.1")),
            ("[::1]:7450", Some("::1")),
            ("[::1]", Some("::1")),
            ("a_b.localhost", Some("a_b.localhost")),
            ("", None),
            (":7450", None),
            ("a:b", None),
            ("a:123456", None),
            ("a b", None),
            ("[::1", None),
            ("[x]:1", None),
            ("[::1]x", None),
            ("user@host", None),
            ("a/b", None),
            ("<script>", None),
            ("é", None),
        ] {
            assert_eq!(named(header).as_deref(), name, "{header}");
        }
        assert_eq!(named(&"a".repeat(300)), None);
    }

    #[test]
    fn only_names_no_site_can_have_are_local() {
        for name in ["localhost", "silo.localhost", "a.test", "127.0.0.1", "::1", "127.1.2.3"] {
            assert!(is_local(name), "{name}");
        }
        for name in ["evil.com", "localhost.evil.com", "notlocalhost", "10.0.0.1", "atest"] {
            assert!(!is_local(name), "{name}");
        }
    }

    #[test]
    fn a_variable_is_a_part_of_a_name() {
        for (variable, short, whole) in [
            ("API_PORT", "api", "api-port"),
            ("WEB", "web", "web"),
            ("_PORT", "port", "port"),
            ("A_B_PORT", "a-b", "a-b-port"),
        ] {
            assert_eq!((label(variable).as_str(), whole_label(variable).as_str()), (short, whole));
        }
    }
}
