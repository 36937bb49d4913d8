//! Taking connections on loopback, and the signals that stop or reload.

use std::convert::Infallible;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use silo::failure::Failure;
use silo::parts::context::Context;
use silo::store::proxy;
use silo::sys::limits;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::answer;
use super::client::Client;
use super::guard::{Guard, Guarded};
use super::shared::Shared;

/// The longest head of a request and the largest buffer of a connection, in bytes.
const HEAD: usize = 64 * 1024;
/// How many connections there may be at once; more wait.
const CONNECTIONS: usize = 4096;
/// How long a client may take for the head of a request, and stay without one.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long is waited when the system gives no more connections.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How many connections wait in the system until they are taken.
const WAITING: u32 = 1024;

/// Serves until INT, TERM or HUP; USR1 reads settings and routes again.
pub(crate) async fn serve(context: Context, port: Option<u16>) -> Result<(), Failure> {
    limits::raise_open_files();
    let shared = Arc::new(Shared::new(context));
    let wanted = port.unwrap_or(shared.settings().port);
    let fail = |error| Failure::new(format!("Cannot wait for signals: {error}"));
    let mut stop = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<Signal>, _>>()
        .map_err(fail)?;
    let mut reload = signal(SignalKind::user_defined1()).map_err(fail)?;
    // Last, for who sees that it serves may send a signal at once.
    let mut listening = start(&shared, wanted)?;
    loop {
        let asked = std::future::poll_fn(|context| {
            if stop.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
                return std::task::Poll::Ready(true);
            }
            reload.poll_recv(context).map(|_| false)
        });
        if asked.await {
            break;
        }
        shared.reload();
        let now = port.unwrap_or(shared.settings().port);
        if now != shared.port() && port.is_none() {
            match start(&shared, now) {
                Ok(others) => {
                    listening.iter().for_each(JoinHandle::abort);
                    listening = others;
                }
                Err(failure) => shared.context.ui.fail(&failure),
            }
        }
    }
    proxy::forget(&shared.context.dirs)
}

/// Listens on a port of loopback, says so, and takes connections from then on.
fn start(shared: &Arc<Shared>, wanted: u16) -> Result<Vec<JoinHandle<()>>, Failure> {
    let bind = |address: IpAddr, port: u16| {
        let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(SocketAddr::new(address, port))?;
        socket.listen(WAITING)
    };
    let first = bind(Ipv4Addr::LOCALHOST.into(), wanted).map_err(|error| unbound(wanted, &error))?;
    let port = first.local_addr().map_or(wanted, |address| address.port());
    // Where there is IPv6, browsers may try it first; without it nothing is missing.
    let second = bind(Ipv6Addr::LOCALHOST.into(), port).ok();
    shared.set_port(port);
    proxy::tell(&shared.context.dirs, shared.running())?;
    let front = shared.running().address(silo::core::routes::host::FRONT);
    shared.context.ui.step(&format!("The proxy serves on 127.0.0.1:{port}; all instances: {front}"));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let listeners = [Some(first), second].into_iter().flatten();
    Ok(listeners.map(|one| tokio::spawn(take(one, Arc::clone(shared), Arc::clone(&places)))).collect())
}

/// Why a port could not be listened on.
fn unbound(port: u16, error: &std::io::Error) -> Failure {
    let other = "Choose another one: `port = 7451` below `[proxy]` in silo's settings (`silo doc settings`)";
    match error.kind() {
        ErrorKind::AddrInUse => {
            let holder = silo::sys::listeners::holders(|one| one == port).into_iter().find_map(|one| one.process);
            let by = holder.map_or_else(String::new, |one| format!(" by `{}` (pid {})", one.name, one.pid));
            Failure::new(format!("Port {port} of the proxy is taken{by}"))
                .hint(format!("See who has it: `silo who {port}`"))
                .hint(other)
        }
        ErrorKind::PermissionDenied => {
            Failure::new(format!("Port {port} of the proxy is not allowed to this user: {error}")).hint(other)
        }
        _ => Failure::new(format!("Cannot listen on port {port}: {error}")).hint(other),
    }
}

async fn take(listener: TcpListener, shared: Arc<Shared>, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    talk(stream, peer, shared).await;
                    drop(place);
                });
            }
            // A client that went away at once is its own matter; without descriptors others must end first.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => tokio::time::sleep(EXHAUSTED).await,
        }
    }
}

/// Answers the requests of one connection, one after the other.
async fn talk(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Small answers are not held back; a socket without that serves anyway.
    let _ = stream.set_nodelay(true);
    let guard = Arc::new(Guard::default());
    let patience = PATIENCE.min(shared.settings().timeout);
    let client = Arc::new(Client::new(peer, Arc::clone(&guard), shared));
    let service = service_fn(move |request| {
        let client = Arc::clone(&client);
        // In a box of its own, so that a connection without a request holds none of it.
        Box::pin(async move { Ok::<_, Infallible>(answer::answer(&client, request).await) })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience)
        .max_buf_size(HEAD)
        .max_header_size(HEAD)
        .preserve_header_case(true)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(Guarded::new(stream, guard)), service)
        .with_upgrades();
    // How it ended is the client's matter: there is nobody to tell.
    let _ = connection.await;
}
