//! Several agents on one port of a relay (D33). A relay has one address, so the request has to say who is meant: HTTP/1 does, by `Host`
//! (<https://www.rfc-editor.org/rfc/rfc9112#section-3.2>). What it says can lead to nobody but those who were named.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// How long the head of the first request may take: a client may connect before it has something to ask.
const HEAD: Duration = Duration::from_mins(1);
/// Its most bytes, as most servers have it.
const BYTES: usize = 16 * 1024;
/// Its most lines.
const LINES: usize = 128;
/// How long is waited for more of a head of which a part is there, at first: what is looked at and left keeps the connection readable.
const MORE: Duration = Duration::from_millis(5);
/// How long in the end: it is doubled each time, for many that send no more would take a processor.
const MOST: Duration = Duration::from_millis(100);

/// Where a port leads.
pub(super) enum Lead {
    /// To one socket, whatever is said.
    To(PathBuf),
    /// To the socket of the one that the request names.
    Named(Vec<(String, PathBuf)>),
}

impl Lead {
    /// The sockets it may lead to.
    pub(super) fn sockets(&self) -> Vec<&PathBuf> {
        match self {
            Self::To(socket) => vec![socket],
            Self::Named(all) => all.iter().map(|(_, socket)| socket).collect(),
        }
    }

    /// The socket a connection leads to; none where its request names nobody. Nothing of it is read away.
    pub(super) async fn socket(&self, stream: &TcpStream) -> Option<&Path> {
        match self {
            Self::To(socket) => Some(socket),
            Self::Named(all) => {
                let host = timeout(HEAD, host(stream)).await.ok()??;
                let named = all.iter().find(|(name, _)| name.eq_ignore_ascii_case(&host));
                named.map(|(_, socket)| socket.as_path())
            }
        }
    }
}

/// Adds one to those on a port.
pub(super) fn add(ways: &mut Vec<(u16, Lead)>, port: u16, name: String, socket: PathBuf) {
    let known = ways.iter_mut().find_map(|(other, lead)| match lead {
        Lead::Named(all) if *other == port => Some(all),
        _ => None,
    });
    match known {
        Some(all) => all.push((name, socket)),
        None => ways.push((port, Lead::Named(vec![(name, socket)]))),
    }
}

/// The host that the first request of a connection names, without a port.
async fn host(stream: &TcpStream) -> Option<String> {
    let mut bytes = vec![0; BYTES];
    let (mut seen, mut more) = (0, MORE);
    loop {
        let length = stream.peek(&mut bytes).await.ok()?;
        if length == seen {
            if length == 0 || length == BYTES {
                return None;
            }
            sleep(more).await;
            more = MOST.min(more * 2);
            continue;
        }
        seen = length;
        match named(&bytes[..length]) {
            Named::By(host) => return Some(host),
            Named::NotYet => {}
            Named::No => return None,
        }
    }
}

/// What the beginning of a connection says of a host.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    By(String),
    NotYet,
    No,
}

fn named(bytes: &[u8]) -> Named {
    let mut lines = [httparse::EMPTY_HEADER; LINES];
    let mut request = httparse::Request::new(&mut lines);
    match request.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Named::NotYet,
        Err(_) => return Named::No,
    }
    let mut hosts = request.headers.iter().filter(|line| line.name.eq_ignore_ascii_case("host"));
    let (Some(line), None) = (hosts.next(), hosts.next()) else { return Named::No };
    let Ok(text) = std::str::from_utf8(line.value) else { return Named::No };
    let text = text.trim();
    Named::By(text.rsplit_once(':').map_or(text, |(host, _)| host).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_host_once_its_head_is_whole() {
        let by = |host: &str| Named::By(host.to_owned());
        for (text, said) in [
            ("GET / HTTP/1.1\r\nHost: research:8080\r\n\r\n", by("research")),
            ("POST /a HTTP/1.0\r\nAccept: */*\r\nhOST:  Research \r\nX: y\r\n\r\nbody", by("Research")),
            ("GET http://other/ HTTP/1.1\r\nHost: research\r\n\r\n", by("research")),
            ("GET / HTTP/1.1\r\nHost: research:8080\r\n", Named::NotYet),
            ("G", Named::NotYet),
            ("GET / HTTP/1.1\r\nAccept: */*\r\n\r\n", Named::No),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", Named::No),
            ("GET / HTTP/1.1\r\nHost: \u{fc}\r\n\r\n", by("\u{fc}")),
            ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Named::No),
            ("\0\0\0\x08\x04", Named::No),
            ("", Named::NotYet),
        ] {
            assert_eq!(named(text.as_bytes()), said, "{text:?}");
        }
    }

    #[test]
    fn those_on_one_port_are_one_way() {
        let mut ways = vec![(80, Lead::To("/s/a".into()))];
        for (port, name) in [(8080, "one"), (9090, "three"), (8080, "two")] {
            add(&mut ways, port, name.to_owned(), format!("/s/{name}").into());
        }
        let all: Vec<(u16, Vec<&PathBuf>)> = ways.iter().map(|(port, lead)| (*port, lead.sockets())).collect();
        let [a, one, two, three] = ["a", "one", "two", "three"].map(|name| PathBuf::from(format!("/s/{name}")));
        assert_eq!(all, [(80, vec![&a]), (8080, vec![&one, &two]), (9090, vec![&three])]);
    }
}
