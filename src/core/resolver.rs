//! What must stand where for the system's resolver to ask silo's name server for its names, and only for those (D27).

/// Which program answers a system's questions for names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolver {
    /// `systemd-resolved`.
    Resolved,
    /// A dnsmasq that `NetworkManager` runs.
    NetworkManager,
    /// macOS' own.
    MacOs,
}

/// How the first line of each file begins, by which silo knows its own.
pub const MARK: &str = "# Written by silo; `silo dns --uninstall` removes it.\n";

/// What is to be done for one resolver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The file, below the system's root.
    pub file: String,
    /// What it says.
    pub text: String,
    /// The command that makes the resolver read it.
    pub reload: Option<&'static str>,
}

impl Resolver {
    /// The resolver of a system of which `has` tells whether a file is there; `says_dnsmasq`, whether `NetworkManager` is told to run
    /// one.
    pub fn of(has: impl Fn(&str) -> bool, says_dnsmasq: bool) -> Option<Self> {
        match () {
            () if has("/System/Library/CoreServices/SystemVersion.plist") => Some(Self::MacOs),
            () if says_dnsmasq => Some(Self::NetworkManager),
            () if has("/run/systemd/resolve/resolv.conf") => Some(Self::Resolved),
            () => None,
        }
    }

    /// Every one.
    pub const ALL: [Self; 3] = [Self::Resolved, Self::NetworkManager, Self::MacOs];

    /// For people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Resolved => "systemd-resolved",
            Self::NetworkManager => "NetworkManager's dnsmasq",
            Self::MacOs => "macOS",
        }
    }

    /// What to write.
    pub fn plan(self, suffix: &str, port: u16) -> Plan {
        let (file, text, reload) = match self {
            Self::Resolved => (
                "/etc/systemd/resolved.conf.d/silo.conf".to_owned(),
                format!("[Resolve]\nDNS=127.0.0.1:{port}\nDomains=~{suffix}\n"),
                Some("systemctl restart systemd-resolved"),
            ),
            Self::NetworkManager => (
                "/etc/NetworkManager/dnsmasq.d/silo.conf".to_owned(),
                format!("server=/{suffix}/127.0.0.1#{port}\n"),
                Some("systemctl reload NetworkManager"),
            ),
            Self::MacOs => (format!("/etc/resolver/{suffix}"), format!("nameserver 127.0.0.1\nport {port}\n"), None),
        };
        Plan { file, text: format!("{MARK}{text}"), reload }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resolver_is_known_by_its_files_and_gets_its_own_words() {
        let of = |file: &'static str, says| Resolver::of(|path| path == file, says);
        assert_eq!(of("", false), None);
        assert_eq!(of("/run/systemd/resolve/resolv.conf", false), Some(Resolver::Resolved));
        assert_eq!(of("/run/systemd/resolve/resolv.conf", true), Some(Resolver::NetworkManager));
        assert_eq!(of("/System/Library/CoreServices/SystemVersion.plist", false), Some(Resolver::MacOs));
        let text = |resolver: Resolver| resolver.plan("test", 5354).text.replacen(MARK, "", 1);
        assert_eq!(text(Resolver::Resolved), "[Resolve]\nDNS=127.0.0.1:5354\nDomains=~test\n");
        assert_eq!(text(Resolver::NetworkManager), "server=/test/127.0.0.1#5354\n");
        assert_eq!(text(Resolver::MacOs), "nameserver 127.0.0.1\nport 5354\n");
    }
}
