//! Which sockets there are on a port of this machine, TCP and UDP, and which processes have them, where this user may see it.
//! A port has as many holders as there are sockets: one on `127.0.0.1` and another on `::1`, or several that share one.

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::processes::Process;

/// What a socket does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It listens (TCP).
    Listens,
    /// It takes datagrams from anybody (UDP).
    Datagrams,
    /// It is one end of a connection, and nobody else can connect to it.
    Connection,
}

/// One socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// Its port.
    pub port: u16,
    /// Its address on this machine; an IPv4 one where IPv6 only wraps it.
    pub address: IpAddr,
    /// What it does.
    pub kind: Kind,
    /// The number of the user who made it, where the system tells.
    pub user: Option<u32>,
    /// What tells which process has it: its inode where there is a `/proc`, else the process itself.
    mark: u64,
}

/// A socket and the process that has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The socket.
    pub socket: Socket,
    /// The process, where this user may see it.
    pub process: Option<Process>,
}

/// Every socket on the ports that are asked for, with its process. Connections only where nothing else is on the port: those
/// of a server go with it.
pub fn holders(asked: impl Fn(u16) -> bool) -> Vec<Holder> {
    let mut sockets = imp::sockets();
    sockets.retain(|socket| asked(socket.port));
    let served: HashSet<u16> = sockets.iter().filter(|one| one.kind != Kind::Connection).map(|one| one.port).collect();
    sockets.retain(|socket| socket.kind != Kind::Connection || !served.contains(&socket.port));
    sockets.sort_by_key(|socket| (socket.port, socket.kind, socket.address));
    imp::with_processes(sockets)
}

/// Every port on which somebody listens or takes datagrams; none where the system has no table of them. Unlike a try to bind,
/// reading it is in nobody's way.
pub fn ports() -> Option<HashSet<u16>> {
    let served = |sockets: Vec<Socket>| sockets.into_iter().filter(|one| one.kind != Kind::Connection);
    imp::HAS_TABLE.then(|| served(imp::sockets()).map(|socket| socket.port).collect())
}

/// Every port on which somebody listens (TCP), each with an address to reach it by on this machine: IPv4 loopback where that does.
pub fn listening() -> HashMap<u16, IpAddr> {
    let mut found: HashMap<u16, IpAddr> = HashMap::new();
    for socket in imp::sockets().into_iter().filter(|socket| socket.kind == Kind::Listens) {
        let address = match socket.address {
            // A socket of IPv6 for all addresses takes IPv4 too, with nearly every program.
            any if any.is_unspecified() => IpAddr::from(Ipv4Addr::LOCALHOST),
            one => one,
        };
        let is_better =
            |known: &IpAddr| address == Ipv4Addr::LOCALHOST || (!known.is_loopback() && address.is_loopback());
        if found.get(&socket.port).is_none_or(is_better) {
            found.insert(socket.port, address);
        }
    }
    found
}

/// Both ends of every TCP connection on this machine, whoever has it, and of each that ended within the last minute; none where the
/// system has no table of them.
pub fn connections() -> Option<Vec<(SocketAddr, SocketAddr)>> {
    imp::connections()
}

/// Whether the holders of a port are read from the system's own tables: elsewhere a program is asked for them.
pub const IS_READ: bool = imp::HAS_TABLE;

/// What holds a port that cannot be bound and on which no socket is seen.
pub const UNSEEN: &str = imp::UNSEEN;

#[cfg(target_os = "linux")]
mod imp {
    use std::collections::{HashMap, HashSet};
    use std::fs;
    use std::net::SocketAddr;
    use std::path::PathBuf;

    use super::{Holder, Socket};
    use crate::sys::processes::{self, Process};

    pub(super) const HAS_TABLE: bool = true;
    /// Each user's sockets are in the tables, but for those that neither listen nor are connected.
    pub(super) const UNSEEN: &str = "a program that has bound it and does not listen";

    pub(super) fn sockets() -> Vec<Socket> {
        // Without IPv6 there are two tables only.
        let table = |name: &str| fs::read_to_string(format!("/proc/net/{name}")).unwrap_or_default();
        let tables = [("tcp", true), ("tcp6", true), ("udp", false), ("udp6", false)];
        tables.iter().flat_map(|(name, is_tcp)| super::rows(&table(name), *is_tcp)).collect()
    }

    pub(super) fn connections() -> Option<Vec<(SocketAddr, SocketAddr)>> {
        let first = fs::read_to_string("/proc/net/tcp").ok()?;
        let second = fs::read_to_string("/proc/net/tcp6").unwrap_or_default();
        Some(super::pairs(&first).chain(super::pairs(&second)).collect())
    }

    pub(super) fn with_processes(sockets: Vec<Socket>) -> Vec<Holder> {
        let wanted: HashSet<u64> = sockets.iter().map(|socket| socket.mark).collect();
        let mut found: HashMap<u64, Process> = HashMap::new();
        if wanted.is_empty() {
            return Vec::new();
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()) {
            let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
            let targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
            let inode = |target: PathBuf| target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok();
            let held: HashSet<u64> = targets.filter_map(inode).filter(|inode| wanted.contains(inode)).collect();
            let Some(process) = (!held.is_empty()).then(|| processes::look(pid)).flatten() else { continue };
            for inode in held {
                // Of several that share a socket the oldest one opened it, usually. Ids do not tell: they are given again.
                let is_older = |known: &Process| (process.ticks, process.pid) < (known.ticks, known.pid);
                if found.get(&inode).is_none_or(is_older) {
                    found.insert(inode, process.clone());
                }
            }
        }
        let process = |socket: &Socket| found.get(&socket.mark).cloned();
        sockets.into_iter().map(|socket| Holder { process: process(&socket), socket }).collect()
    }
}

/// The sockets in the text of `/proc/net/tcp`, `udp` and their twins for IPv6.
#[cfg(any(test, target_os = "linux"))]
fn rows(table: &str, is_tcp: bool) -> Vec<Socket> {
    let rows = table.lines().skip(1).map(|row| row.split_whitespace().collect::<Vec<_>>());
    let socket = |fields: Vec<&str>| {
        let (address, port) = fields.get(1)?.rsplit_once(':')?;
        let kind = match (is_tcp, *fields.get(3)?) {
            (true, "0A") => Kind::Listens,
            (false, "07") => Kind::Datagrams,
            _ => Kind::Connection,
        };
        let mark = fields.get(9)?.parse().ok()?;
        // What is over and only waits for late packets (`TIME_WAIT`) is no process's any more.
        (mark != 0).then_some(Socket {
            port: u16::from_str_radix(port, 16).ok()?,
            address: address_of(address)?,
            kind,
            user: fields.get(7)?.parse().ok(),
            mark,
        })
    };
    rows.filter_map(socket).collect()
}

/// Both ends of the connections in the text of `/proc/net/tcp` or its twin for IPv6.
#[cfg(any(test, target_os = "linux"))]
fn pairs(table: &str) -> impl Iterator<Item = (SocketAddr, SocketAddr)> {
    let end = |text: &str| {
        let (address, port) = text.rsplit_once(':')?;
        Some(SocketAddr::new(address_of(address)?, u16::from_str_radix(port, 16).ok()?))
    };
    table.lines().skip(1).filter_map(move |row| {
        let mut fields = row.split_whitespace().skip(1);
        let ends = (end(fields.next()?)?, end(fields.next()?)?);
        // What listens, or nobody has.
        (!["0A", "07"].contains(&fields.next()?)).then_some(ends)
    })
}

/// An address as the kernel writes it: words of four bytes, each as a number of this machine.
#[cfg(any(test, target_os = "linux"))]
fn address_of(hex: &str) -> Option<IpAddr> {
    let words: Vec<[u8; 4]> = hex
        .as_bytes()
        .chunks(8)
        .map(|word| u32::from_str_radix(std::str::from_utf8(word).ok()?, 16).ok().map(u32::to_ne_bytes))
        .collect::<Option<_>>()?;
    match words[..] {
        [four] => Some(IpAddr::from(four)),
        [_, _, _, _] => Some(IpAddr::from(<[u8; 16]>::try_from(words.concat()).ok()?).to_canonical()),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
mod imp {
    use std::collections::HashMap;
    use std::path::Path;
    use std::time::Duration;

    use super::{Holder, Socket};
    use crate::core::shell::environment::Environment;
    use crate::sys::cmd::Cmd;
    use crate::sys::processes;

    pub(super) const HAS_TABLE: bool = false;
    pub(super) const UNSEEN: &str = "a program of another user";

    pub(super) fn sockets() -> Vec<Socket> {
        let environment: Environment = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")].into_iter().collect();
        let arguments = ["-nP", "-iTCP", "-iUDP", "-FptPnT"].map(Into::into).to_vec();
        let cmd = Cmd { program: "lsof", arguments, environment: &environment, folder: Path::new("/") };
        let captured = cmd.capture(Duration::from_secs(5));
        captured.map_or_else(|_| Vec::new(), |captured| super::fields(&String::from_utf8_lossy(&captured.stdout)))
    }

    pub(super) fn connections() -> Option<Vec<(super::SocketAddr, super::SocketAddr)>> {
        None
    }

    pub(super) fn with_processes(sockets: Vec<Socket>) -> Vec<Holder> {
        let mut known = HashMap::new();
        let mut process = |mark: u64| {
            let pid = u32::try_from(mark).ok()?;
            known.entry(pid).or_insert_with(|| processes::look(pid)).clone()
        };
        sockets.into_iter().map(|socket| Holder { process: process(socket.mark), socket }).collect()
    }
}

/// The sockets in what `lsof -FptPnT` prints, a line for each field: `p77` heads a process, `f3` a file of it, then `tIPv4`,
/// `PTCP`, `n127.0.0.1:3000` or `n*:3000`, and `TST=LISTEN`.
#[cfg(any(test, not(target_os = "linux")))]
fn fields(text: &str) -> Vec<Socket> {
    let mut sockets: Vec<Socket> = Vec::new();
    let (mut mark, mut any, mut is_tcp, mut is_known) = (0, "0.0.0.0", true, false);
    for (letter, value) in text.lines().filter_map(|line| line.split_at_checked(1)) {
        match letter {
            "p" => mark = value.parse().unwrap_or_default(),
            "t" => any = if value == "IPv6" { "::" } else { "0.0.0.0" },
            "P" => is_tcp = value == "TCP",
            "n" => {
                let (here, there) = value.split_once("->").map_or((value, None), |(here, there)| (here, Some(there)));
                let place = here.rsplit_once(':').and_then(|(address, port)| {
                    let address = if address == "*" { any } else { address.trim_matches(['[', ']']) };
                    Some((address.parse::<IpAddr>().ok()?.to_canonical(), port.parse().ok()?))
                });
                let kind = if is_tcp || there.is_some() { Kind::Connection } else { Kind::Datagrams };
                is_known = place.is_some();
                sockets.extend(place.map(|(address, port)| Socket { port, address, kind, user: None, mark }));
            }
            "T" if value == "ST=LISTEN" && is_known => {
                sockets.iter_mut().rev().take(1).for_each(|socket| socket.kind = Kind::Listens);
            }
            _ => {}
        }
    }
    sockets
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::time::{Duration, Instant};

    /// Those on loopback: another program may have a connection on another address with the same number.
    fn on(port: u16) -> Vec<Holder> {
        holders(|one| one == port).into_iter().filter(|one| one.socket.address.is_loopback()).collect()
    }

    /// A child of another test's thread has all that is open until it runs its program.
    fn until_nobody_has(port: u16) {
        let end = Instant::now() + Duration::from_mins(1);
        while !on(port).is_empty() {
            assert!(Instant::now() < end, "{:?}", on(port));
        }
    }

    #[test]
    fn of_those_who_share_a_socket_the_oldest_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let port = listener.local_addr().expect("it is bound").port();
        // It has the socket as its input, whatever its id is.
        let input = std::os::fd::OwnedFd::from(listener.try_clone().expect("it is open"));
        let mut child = std::process::Command::new("sleep").arg("60").stdin(input).spawn().expect("sleep is there");
        let pids = || on(port).into_iter().map(|one| one.process.map(|process| process.pid)).collect::<Vec<_>>();
        assert_eq!(pids(), [Some(std::process::id())]);
        drop(listener);
        let end = Instant::now() + Duration::from_mins(1);
        while pids() != [Some(child.id())] {
            assert!(Instant::now() < end, "{:?}", pids());
        }
        child.kill().expect("it runs");
        child.wait().expect("it is our child");
    }

    #[test]
    fn the_listener_of_a_port_is_this_very_process() {
        for address in ["127.0.0.1", "::1"] {
            let listener = TcpListener::bind((address, 0)).expect("loopback is there");
            let port = listener.local_addr().expect("it is bound").port();
            let [holder] = &on(port)[..] else { panic!("one socket: {:?}", on(port)) };
            assert_eq!(holder.process.as_ref().map(|process| process.pid), Some(std::process::id()));
            assert_eq!((holder.socket.kind, holder.socket.address.to_string().as_str()), (Kind::Listens, address));
            assert!(ports().is_none_or(|ports| ports.contains(&port)));
            drop(listener);
            until_nobody_has(port);
        }
    }

    #[test]
    fn every_socket_of_a_port_is_seen_with_its_address_and_kind() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback is there");
        let port = listener.local_addr().expect("it is bound").port();
        let datagrams = UdpSocket::bind(("::1", port)).expect("it is free");
        let client = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
        let told = |port| {
            on(port).into_iter().map(|one| (one.socket.kind, one.socket.address.to_string())).collect::<Vec<_>>()
        };
        assert_eq!(told(port), [(Kind::Listens, "127.0.0.1".into()), (Kind::Datagrams, "::1".into())]);
        let outgoing = client.local_addr().expect("it is connected").port();
        assert_eq!(told(outgoing), [(Kind::Connection, "127.0.0.1".into())]);
        drop((listener, datagrams));
        // The connection was never accepted.
        until_nobody_has(port);
    }

    #[test]
    fn lsof_names_address_and_kind_field_by_field() {
        let text = "p77\nf3\ntIPv4\nPTCP\nn127.0.0.1:3000\nTST=LISTEN\nTQR=0\nf4\ntIPv6\nPTCP\nn[::1]:3001\nTST=LISTEN\n\
                    p78\nf5\ntIPv6\nPUDP\nn*:3002\nf6\ntIPv4\nPUDP\nn*:*\nTST=LISTEN\nf7\ntIPv4\nPTCP\nn10.0.0.2:50000->1.2.3.4:443\n\
                    TST=ESTABLISHED\n";
        let told: Vec<_> =
            fields(text).into_iter().map(|one| (one.mark, one.port, one.address.to_string(), one.kind)).collect();
        assert_eq!(
            told,
            [
                (77, 3000, "127.0.0.1".into(), Kind::Listens),
                (77, 3001, "::1".into(), Kind::Listens),
                (78, 3002, "::".into(), Kind::Datagrams),
                (78, 50000, "10.0.0.2".into(), Kind::Connection),
            ]
        );
    }

    #[test]
    fn the_kernels_tables_tell_address_user_and_kind() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:0BB8 00000000:0000 0A 00000000:00000000 00:00000000 00000000 1000 0 77 1\n\
            1: 0100007F:0BB8 0100007F:A000 01 00000000:00000000 00:00000000 00000000 0 0 78 1\n\
            2: 0100007F:0BB8 0100007F:A001 06 00000000:00000000 00:00000000 00000000 0 0 0 1\n\
            3: 00000000000000000000000001000000:0BB9 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 79 1\n\
            4: 0000000000000000FFFF00000100007F:0BBA 0000000000000000FFFF000000000000:0000 0A 0:0 00:0 0 0 0 80 1\n";
        let told: Vec<_> = rows(table, true)
            .into_iter()
            .map(|one| (one.port, one.address.to_string(), one.kind, one.user, one.mark))
            .collect();
        assert_eq!(
            told,
            [
                (3000, "127.0.0.1".into(), Kind::Listens, Some(1000), 77),
                (3000, "127.0.0.1".into(), Kind::Connection, Some(0), 78),
                (3001, "::1".into(), Kind::Listens, Some(0), 79),
                (3002, "127.0.0.1".into(), Kind::Listens, Some(0), 80),
            ]
        );
        let told: Vec<String> = pairs(table).map(|(here, there)| format!("{here} {there}")).collect();
        assert_eq!(
            told,
            ["127.0.0.1:3000 127.0.0.1:40960", "127.0.0.1:3000 127.0.0.1:40961"],
            "one goes on, one is over"
        );
        let udp = "head\n0: 00000000:14E9 00000000:0000 07 0:0 00:0 0 0 0 81 2 x 0\n1: 0100007F:14EA 0100007F:0035 01 0:0 00:0 0 0 0 82 2 x 0\n";
        let kinds: Vec<_> = rows(udp, false).into_iter().map(|one| (one.port, one.kind)).collect();
        assert_eq!(kinds, [(5353, Kind::Datagrams), (5354, Kind::Connection)]);
    }
}
