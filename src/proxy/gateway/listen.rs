//! Taking connections on loopback, and the signals that stop.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use silo::failure::Failure;
use silo::store::gateway::{self, Running};
use silo::sys::limits;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};

use super::origin::Origin;
use super::shared::Gateway;
use super::talk::talk;

/// How many connections there may be at once; more wait.
const CONNECTIONS: usize = 4096;
/// How long is waited when the system gives no more connections.
const EXHAUSTED: Duration = Duration::from_millis(100);
/// How many connections wait in the system until they are taken.
const WAITING: u32 = 1024;
/// How long calls may go on that are open when the gateway is to end.
const LAST: Duration = Duration::from_secs(5);

/// Serves until INT, TERM or HUP; then calls that are open have a moment to come to their end.
pub(super) async fn serve(gateway: &Arc<Gateway>, port: Option<u16>) -> Result<(), Failure> {
    limits::raise_open_files();
    let mut stop = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()]
        .map(signal)
        .into_iter()
        .collect::<Result<Vec<Signal>, _>>()
        .map_err(|error| Failure::new(format!("Cannot wait for signals: {error}")))?;
    let wanted = port.unwrap_or(gateway.file.port);
    let first = bind(Ipv4Addr::LOCALHOST.into(), wanted).map_err(|error| unbound(wanted, &error))?;
    let port = first.local_addr().map_or(wanted, |address| address.port());
    // Where there is no IPv6, nothing is missing.
    let second = bind(Ipv6Addr::LOCALHOST.into(), port).ok();
    let running = Running { pid: std::process::id(), port };
    gateway::tell(&gateway.context.dirs, running)?;
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let listeners = [Some(first), second].into_iter().flatten();
    let listening: Vec<_> =
        listeners.map(|one| tokio::spawn(take(one, Arc::clone(gateway), Arc::clone(&places)))).collect();
    let walls = tokio::spawn(super::walls::follow(Arc::clone(gateway)));
    gateway.context.ui.step(&format!("The gateway serves on {}", running.address()));
    std::future::poll_fn(|context| match stop.iter_mut().any(|signal| signal.poll_recv(context).is_ready()) {
        true => std::task::Poll::Ready(()),
        false => std::task::Poll::Pending,
    })
    .await;
    for one in listening.into_iter().chain([walls]) {
        one.abort();
    }
    let until = Instant::now() + LAST;
    while gateway.open.load(Ordering::Relaxed) > 0 && Instant::now() < until {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}

fn bind(address: IpAddr, port: u16) -> std::io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6() } else { TcpSocket::new_v4() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::new(address, port))?;
    socket.listen(WAITING)
}

/// Why a port could not be listened on.
fn unbound(port: u16, error: &std::io::Error) -> Failure {
    let failure = Failure::new(format!("Cannot listen on port {port} of the gateway: {error}"));
    failure
        .hint(format!("See who has it: `silo who {port}`"))
        .hint("Choose another one: `port = 7452` at the top of gateway.toml")
}

async fn take(listener: TcpListener, gateway: Arc<Gateway>, places: Arc<Semaphore>) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let gateway = Arc::clone(&gateway);
                tokio::spawn(async move {
                    // Small answers are not held back; a socket without that serves anyway.
                    let _ = stream.set_nodelay(true);
                    talk(stream, gateway, Origin::Loopback).await;
                    drop(place);
                });
            }
            // A client that went away at once is its own matter; without descriptors others must end first.
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(EXHAUSTED).await,
        }
    }
}
