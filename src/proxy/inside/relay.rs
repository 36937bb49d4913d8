//! `silo-proxy relay`: what is beside an agent in its network and is its one way out (D33). Each port leads to a unix socket that silo's
//! gateway listens on, in a folder of the host that is mounted read-only; bytes pass as they are. A port of several agents leads to the one
//! that the request names. By one more socket others come in.
//!
//! Each connection is one of its own on both sides, so that a gateway that was started again is reached by the next one.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use silo::failure::{Failure, code, reason};
use silo::sys::limits;
use silo::ui::Ui;

use tokio::net::{TcpListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::super::passing::pass;
use super::named::Lead;
use super::words::Words;
use super::{entrance, named};

/// How many connections there may be at once; more wait.
const CONNECTIONS: usize = 256;
/// How many more there may be whose request is still to say where they lead; they keep nobody from a port with one way.
const HEADS: usize = 64;
/// How long the other end may take to be connected with.
const CONNECT: Duration = Duration::from_secs(5);
/// How long is waited when the system gives no more connections.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// The longest path of a socket, in bytes, without the zero at its end (`unix(7)`).
const LONGEST: usize = 107;

/// Passes on until TERM, INT or HUP.
pub(super) fn run(ui: Ui, words: &[OsString]) -> Result<u8, Failure> {
    let Ways { out: ways, entrance } = read(words)?;
    limits::raise_open_files();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(format!("Cannot start the relay: {}", reason(&error))))?;
    runtime.block_on(async {
        // The first process of a container ends by no signal that it does not wait for.
        let stop = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()].map(signal);
        let mut stop = stop
            .into_iter()
            .collect::<Result<Vec<Signal>, _>>()
            .map_err(|error| Failure::new(format!("Cannot start the relay: {}", reason(&error))))?;
        let places = Places::new(CONNECTIONS, HEADS);
        for (port, lead) in ways {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(|error| {
                Failure::new(format!("The relay cannot listen on port {port}: {}", reason(&error)))
                    .hint("Each port can be named once; in its container nobody else listens")
            })?;
            tokio::spawn(take(listener, Arc::new(lead), places.clone()));
        }
        if let Some((socket, to)) = entrance {
            tokio::spawn(entrance::take(socket, to));
        }
        ui.answer("ready\n")?;
        std::future::poll_fn(|context| match stop.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        })
        .await;
        Ok(0)
    })
}

/// What it leads to.
struct Ways {
    /// The ports, and where each leads.
    out: Vec<(u16, Lead)>,
    /// The socket by which others come, and where it leads.
    entrance: Option<(PathBuf, SocketAddr)>,
}

fn read(words: &[OsString]) -> Result<Ways, Failure> {
    let mut words = Words::new("relay", words);
    let mut ways = Ways { out: Vec::new(), entrance: None };
    while let Some(flag) = words.flag()? {
        match flag.as_str() {
            "--listen" => {
                let value = words.value()?;
                let way = split(value.as_bytes()).and_then(|(number, socket)| Some((port(number)?, path(socket)?)));
                let what = "`--listen` takes PORT=SOCKET, with the absolute path of a unix socket";
                let (port, socket) = way.ok_or_else(|| words.usage(what))?;
                ways.out.push((port, Lead::To(socket)));
            }
            "--named" => {
                let value = words.value()?;
                let way = split(value.as_bytes()).and_then(|(number, rest)| {
                    let (name, socket) = split(rest)?;
                    Some((port(number)?, std::str::from_utf8(name).ok()?.to_owned(), path(socket)?))
                });
                let what = "`--named` takes PORT=NAME=SOCKET, with the absolute path of a unix socket";
                let (port, name, socket) = way.ok_or_else(|| words.usage(what))?;
                named::add(&mut ways.out, port, name, socket);
            }
            "--take" => {
                let value = words.value()?;
                let way = split(value.as_bytes())
                    .and_then(|(socket, to)| Some((path(socket)?, std::str::from_utf8(to).ok()?.parse().ok()?)));
                let what = "`--take` takes SOCKET=ADDRESS:PORT, with the absolute path of a unix socket";
                ways.entrance = Some(way.ok_or_else(|| words.usage(what))?);
            }
            _ => return Err(words.unknown()),
        }
    }
    let sockets =
        ways.out.iter().flat_map(|(_, lead)| lead.sockets()).chain(ways.entrance.iter().map(|(socket, _)| socket));
    if let Some(length) = sockets.map(|socket| socket.as_os_str().len()).find(|length| *length > LONGEST) {
        return Err(Failure::new(format!(
            "The path of a socket has {length} bytes, and {LONGEST} at most are possible"
        ))
        .hint("Mount its folder at a shorter path")
        .code(code::USAGE));
    }
    match ways.out.is_empty() && ways.entrance.is_none() {
        true => Err(words.usage("it needs `--listen`, `--named` or `--take`")),
        false => Ok(ways),
    }
}

fn split(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = value.iter().position(|byte| *byte == b'=')?;
    Some((&value[..at], &value[at + 1..]))
}

fn port(bytes: &[u8]) -> Option<u16> {
    std::str::from_utf8(bytes).ok()?.parse().ok().filter(|port| *port > 0)
}

fn path(bytes: &[u8]) -> Option<PathBuf> {
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes))).filter(|path| path.is_absolute())
}

/// What bounds how many connections there are.
#[derive(Clone)]
struct Places {
    all: Arc<Semaphore>,
    heads: Arc<Semaphore>,
}

impl Places {
    fn new(all: usize, heads: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(all)), heads: Arc::new(Semaphore::new(heads)) }
    }
}

async fn take(listener: TcpListener, lead: Arc<Lead>, places: Places) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Only now, for a port on which nobody comes needs no place: one that is taken waits here, the next in the system.
                let first = match *lead {
                    Lead::To(_) => &places.all,
                    Lead::Named(_) => &places.heads,
                };
                let Ok(first) = Arc::clone(first).acquire_owned().await else { return };
                let (lead, all) = (Arc::clone(&lead), Arc::clone(&places.all));
                tokio::spawn(async move {
                    // Where nobody listens, or nobody is named, the client sees its connection closed.
                    let Some(socket) = lead.socket(&stream).await else { return };
                    let _place = match *lead {
                        Lead::To(_) => first,
                        Lead::Named(_) => {
                            let Ok(place) = all.acquire_owned().await else { return };
                            drop(first);
                            place
                        }
                    };
                    if let Ok(Ok(other)) = timeout(CONNECT, UnixStream::connect(socket)).await {
                        // Small pieces are not held back; a socket without that serves anyway.
                        let _ = stream.set_nodelay(true);
                        pass(stream, other, None).await;
                    }
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(EXHAUSTED).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpStream, UnixListener};

    use super::*;

    /// How long something may take on a busy machine.
    const SOON: Duration = Duration::from_secs(10);

    /// Takes connections on a port of loopback; gives its address.
    async fn port(lead: Lead, places: &Places) -> SocketAddr {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("the system has a free port");
        let address = listener.local_addr().expect("it is bound");
        tokio::spawn(take(listener, Arc::new(lead), places.clone()));
        address
    }

    /// A socket on which each piece is said again as it comes.
    fn echo(folder: &std::path::Path) -> PathBuf {
        let path = folder.join("echo.sock");
        let listener = UnixListener::bind(&path).expect("the folder is writable");
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    tokio::io::copy(&mut from, &mut to).await
                });
            }
        });
        path
    }

    /// Says a word and hears it again.
    async fn hears(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.expect("somebody listens");
        stream.write_all(b"hello").await.expect("it is taken");
        let mut heard = [0; 5];
        timeout(SOON, stream.read_exact(&mut heard)).await.expect("it comes soon").expect("it comes");
        stream
    }

    fn block_on(test: impl Future<Output = ()>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built");
        runtime.block_on(test);
    }

    #[test]
    fn a_port_on_which_nobody_comes_takes_no_place() {
        let folder = tempfile::tempdir().expect("there is a folder for that");
        block_on(async {
            let (places, socket) = (Places::new(2, 1), echo(folder.path()));
            let mut ports = Vec::new();
            for _ in 0..4 {
                ports.push(port(Lead::To(socket.clone()), &places).await);
            }
            let open = [hears(ports[3]).await, hears(ports[2]).await];
            // One more waits for its place.
            let mut third = TcpStream::connect(ports[0]).await.expect("the system takes it");
            third.write_all(b"x").await.expect("it is sent");
            assert!(timeout(Duration::from_millis(300), third.read_u8()).await.is_err(), "two at once");
            drop(open);
            assert_eq!(timeout(SOON, third.read_u8()).await.expect("it comes soon").expect("it comes"), b'x');
        });
    }

    #[test]
    fn heads_that_never_end_keep_no_other_port() {
        let folder = tempfile::tempdir().expect("there is a folder for that");
        block_on(async {
            let (places, socket) = (Places::new(2, 3), echo(folder.path()));
            let gateway = port(Lead::To(socket.clone()), &places).await;
            let named = port(Lead::Named(vec![("research".to_owned(), socket)]), &places).await;
            let mut unfinished = Vec::new();
            for _ in 0..5 {
                let mut stream = TcpStream::connect(named).await.expect("the system takes it");
                stream.write_all(b"GET / HT").await.expect("it is sent");
                unfinished.push(stream);
            }
            drop(hears(gateway).await);
            // They go on as they come to their end, after a pause too.
            sleep(Duration::from_millis(300)).await;
            for mut stream in unfinished {
                stream.write_all(b"TP/1.1\r\nHost: research\r\n\r\n").await.expect("it is sent");
                let mut heard = [0; 8];
                timeout(SOON, stream.read_exact(&mut heard)).await.expect("it comes soon").expect("it comes");
                assert_eq!(&heard, b"GET / HT");
            }
        });
    }
}
