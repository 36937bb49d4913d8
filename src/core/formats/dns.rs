//! Questions to a name server and its answers (<https://www.rfc-editor.org/rfc/rfc1035>), as far as an address of a host is concerned.
//! A program that is linked statically cannot ask the system's resolver (D20).

use ::core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A kind of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IPv4.
    A,
    /// IPv6.
    Aaaa,
}

impl Kind {
    fn number(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Aaaa => 28,
        }
    }
}

/// The most pointers that are followed in one name.
const HOPS: usize = 32;

/// A question for the addresses of a host; none where its name cannot be asked for.
pub fn question(id: u16, host: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = id.to_be_bytes().to_vec();
    // One question, and the server is to ask on.
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.len() > 253 {
        return None;
    }
    for label in host.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.number().to_be_bytes());
    message.extend([0, 1]);
    Some(message)
}

/// The addresses in an answer to a question; none where it is no such answer, or was cut.
pub fn addresses(question: &[u8], answer: &[u8], kind: Kind) -> Option<Vec<IpAddr>> {
    let flags = *answer.get(2)?;
    let is_answer = answer.get(..2)? == question.get(..2)? && flags & 0x80 != 0;
    let is_cut = flags & 0x02 != 0;
    let code = answer.get(3)? & 0x0f;
    // It must be to this very question, but for the case of letters.
    let asked = question.get(12..)?;
    let is_same = answer.get(12..question.len())?.eq_ignore_ascii_case(asked);
    if !is_answer || is_cut || !is_same || !matches!(code, 0 | 3) {
        return None;
    }
    let count = u16::from_be_bytes(answer.get(6..8)?.try_into().ok()?);
    let mut at = question.len();
    let mut found = Vec::new();
    for _ in 0..count {
        at = behind_name(answer, at)?;
        let head = answer.get(at..at + 10)?;
        let length = usize::from(u16::from_be_bytes([head[8], head[9]]));
        let data = answer.get(at + 10..at + 10 + length)?;
        at += 10 + length;
        if head[..2] != kind.number().to_be_bytes() {
            continue;
        }
        found.push(match kind {
            Kind::A => IpAddr::from(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?)),
            Kind::Aaaa => IpAddr::from(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?)),
        });
    }
    Some(found)
}

/// Where what follows a name begins.
fn behind_name(message: &[u8], mut at: usize) -> Option<usize> {
    for _ in 0..HOPS * 8 {
        match *message.get(at)? {
            0 => return Some(at + 1),
            length if length & 0xc0 == 0xc0 => return Some(at + 2),
            length if length < 64 => at += 1 + usize::from(length),
            _ => return None,
        }
    }
    None
}

/// The name servers of a `resolv.conf`.
pub fn servers(resolv_conf: &str) -> Vec<IpAddr> {
    let lines = resolv_conf.lines().filter_map(|line| line.trim().strip_prefix("nameserver"));
    // A scope behind `%` is useless without an interface.
    lines.filter_map(|rest| rest.split_whitespace().next()?.split('%').next()?.parse().ok()).take(3).collect()
}

/// The addresses of a host in a `hosts` file.
pub fn in_hosts(hosts: &str, host: &str) -> Vec<IpAddr> {
    let lines = hosts.lines().filter_map(|line| line.split('#').next());
    let named = lines.filter_map(|line| {
        let mut words = line.split_whitespace();
        let address = words.next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(host)).then_some(address)
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answer(question: &[u8], records: &[(u16, &[u8])]) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2] = 0x81;
        answer[7] = u8::try_from(records.len()).expect("few");
        for (kind, data) in records {
            answer.extend([0xc0, 12]);
            answer.extend(kind.to_be_bytes());
            answer.extend([0, 1, 0, 0, 0, 9]);
            answer.extend(u16::try_from(data.len()).expect("short").to_be_bytes());
            answer.extend(*data);
        }
        answer
    }

    #[test]
    fn addresses_come_behind_an_alias() {
        let question = question(7, "api.example.com", Kind::A).expect("it is a name");
        let alias = [3, b'w', b'w', b'w', 0xc0, 12];
        let answer = answer(&question, &[(5, &alias), (1, &[192, 0, 2, 1]), (1, &[192, 0, 2, 2])]);
        let addresses = addresses(&question, &answer, Kind::A).expect("it is an answer");
        assert_eq!(addresses, [IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])]);
        for cut in 0..answer.len() {
            assert_eq!(super::addresses(&question, &answer[..cut], Kind::A), None, "cut at {cut}");
        }
        let mut other = answer.clone();
        other[0] ^= 1;
        assert_eq!(super::addresses(&question, &other, Kind::A), None, "another's answer");
        let mut other = answer;
        other[14] = b'x';
        assert_eq!(super::addresses(&question, &other, Kind::A), None, "an answer to something else");
    }

    #[test]
    fn names_that_cannot_be_asked_for_are_none() {
        for name in ["", "a..b", &"a".repeat(64), &"a.".repeat(130)] {
            assert_eq!(question(1, name, Kind::A), None, "{name}");
        }
    }

    #[test]
    fn files_of_the_system_are_read() {
        assert_eq!(servers("# x\nnameserver 127.0.0.53\noptions a\n nameserver fe80::1%eth0\nnameserver x\n").len(), 2);
        let hosts = "127.0.0.1 localhost\n192.0.2.7\tspark Spark.lan # of one's own\n";
        assert_eq!(in_hosts(hosts, "spark.LAN"), [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(in_hosts(hosts, "own"), [] as [IpAddr; 0]);
    }

    proptest! {
        #[test]
        fn no_answer_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), host in "[a-z.]{1,20}") {
            if let Some(question) = question(1, &host, Kind::Aaaa) {
                let _ = addresses(&question, &bytes, Kind::Aaaa);
                let _ = addresses(&question, &[&question[..2], &[0x80, 0], &question[4..], &bytes].concat(), Kind::Aaaa);
            }
        }
    }
}
