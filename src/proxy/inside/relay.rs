//! `silo-proxy relay`: what is beside an agent in its network and is its one way out (D33). Each port leads to a unix socket that silo's
//! gateway listens on, in a folder of the host that is mounted read-only; bytes pass as they are.
//!
//! Each connection is one of its own on both sides, so that a gateway that was started again is reached by the next one.

use std::ffi::OsString;
use std::net::Ipv4Addr;
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
use super::words::Words;

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
    let ways = read(words)?;
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
        for (port, socket) in ways {
            let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await.map_err(|error| {
                Failure::new(format!("The relay cannot listen on port {port}: {}", reason(&error)))
                    .hint("Each port can be named once; in its container nobody else listens")
            })?;
            tokio::spawn(take(listener, Arc::new(socket), Arc::clone(&places)));
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

/// The ports, and where each leads.
fn read(words: &[OsString]) -> Result<Vec<(u16, PathBuf)>, Failure> {
    let mut words = Words::new("relay", words);
    let mut ways = Vec::new();
    while let Some(flag) = words.flag()? {
        if flag != "--listen" {
            return Err(words.unknown());
        }
        let value = words.value()?;
        let (port, socket) = split(value.as_bytes())
            .ok_or_else(|| words.usage("`--listen` takes PORT=SOCKET, with the absolute path of a unix socket"))?;
        if socket.as_os_str().len() > LONGEST {
            let length = socket.as_os_str().len();
            return Err(Failure::new(format!(
                "The path of a socket has {length} bytes, and {LONGEST} at most are possible"
            ))
            .hint("Mount its folder at a shorter path")
            .code(code::USAGE));
        }
        ways.push((port, socket));
    }
    if ways.is_empty() { Err(words.usage("it needs `--listen`")) } else { Ok(ways) }
}

fn split(value: &[u8]) -> Option<(u16, PathBuf)> {
    let at = value.iter().position(|byte| *byte == b'=')?;
    let port = std::str::from_utf8(&value[..at]).ok()?.parse().ok().filter(|port| *port > 0)?;
    let socket = PathBuf::from(std::ffi::OsStr::from_bytes(&value[at + 1..]));
    socket.is_absolute().then_some((port, socket))
}

async fn take(listener: TcpListener, socket: Arc<PathBuf>, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let socket = Arc::clone(&socket);
                tokio::spawn(async move {
                    // Where nobody listens, the client sees its connection closed.
                    if let Ok(Ok(other)) = timeout(CONNECT, UnixStream::connect(&*socket)).await {
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
