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
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        for (port, lead) in ways {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(|error| {
                Failure::new(format!("The relay cannot listen on port {port}: {}", reason(&error)))
                    .hint("Each port can be named once; in its container nobody else listens")
            })?;
            tokio::spawn(take(listener, Arc::new(lead), Arc::clone(&places)));
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

async fn take(listener: TcpListener, lead: Arc<Lead>, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let lead = Arc::clone(&lead);
                tokio::spawn(async move {
                    // Where nobody listens, or nobody is named, the client sees its connection closed.
                    if let Some(socket) = lead.socket(&stream).await
                        && let Ok(Ok(other)) = timeout(CONNECT, UnixStream::connect(socket)).await
                    {
                        // Small pieces are not held back; a socket without that serves anyway.
                        let _ = stream.set_nodelay(true);
                        pass(stream, other, None).await;
                    }
                    drop(place);
                });
            }
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(EXHAUSTED).await,
        }
    }
}
