//! Whether names below `localhost` are looked up on this machine, judged from what its own tools and files say.

/// What an answer of `getent hosts` or `dscacheutil -q host` says of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resolved {
    /// It is this machine.
    Here,
    /// It is another one: a resolver answers for every name.
    Elsewhere,
    /// It is unknown.
    Unknown,
}

/// Reads such an answer: `ADDRESS NAME` or `ip_address: ADDRESS` lines.
pub fn of_answer(text: &str) -> Resolved {
    let address = |line: &'_ str| -> Option<bool> {
        let line = line.trim();
        let line = ["ip_address:", "ipv6_address:"].iter().find_map(|key| line.strip_prefix(key)).unwrap_or(line);
        let word = line.split_whitespace().next()?;
        let is_address =
            word.chars().all(|c| c.is_ascii_hexdigit() || matches!(c, '.' | ':')) && word.contains(['.', ':']);
        is_address.then(|| word.starts_with("127.") || word == "::1")
    };
    let addresses: Vec<bool> = text.lines().filter_map(address).collect();
    match addresses.contains(&true) {
        true => Resolved::Here,
        false if addresses.is_empty() => Resolved::Unknown,
        false => Resolved::Elsewhere,
    }
}

/// Whether the text of `nsswitch.conf` names a source that knows names below `localhost`.
pub fn of_nsswitch(text: &str) -> Resolved {
    let hosts = text.lines().filter_map(|line| line.split('#').next()?.trim().strip_prefix("hosts:"));
    let knows = |source: &str| matches!(source, "myhostname" | "resolve");
    match hosts.flat_map(str::split_whitespace).any(knows) {
        true => Resolved::Here,
        false => Resolved::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_of_the_systems_own_tools_are_read() {
        assert_eq!(of_answer("::1             silo-check.localhost\n"), Resolved::Here);
        assert_eq!(of_answer("name: x.localhost\nip_address: 127.0.0.1\n"), Resolved::Here);
        assert_eq!(of_answer("name: x.localhost\nipv6_address: ::1\nip_address: 10.0.0.1\n"), Resolved::Here);
        assert_eq!(of_answer("192.0.2.7  silo-check.localhost"), Resolved::Elsewhere);
        assert_eq!((of_answer(""), of_answer("nothing")), (Resolved::Unknown, Resolved::Unknown));
    }

    #[test]
    fn a_source_that_knows_localhost_is_found() {
        assert_eq!(of_nsswitch("passwd: files\nhosts:  files myhostname dns\n"), Resolved::Here);
        assert_eq!(of_nsswitch("hosts: resolve [!UNAVAIL=return] dns"), Resolved::Here);
        assert_eq!(of_nsswitch("hosts: files dns # myhostname\nnetworks: resolve"), Resolved::Unknown);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,100}") {
            let _ = (of_answer(&text), of_nsswitch(&text));
        }
    }
}
