//! One client's connection, and its connection to the server behind a route. A client's requests come one after the other, so
//! that one connection each is enough: it is kept as long as the client's and its requests go to the same port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use silo::sys::listeners;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use super::body::Sent;
use super::guard::Guard;
use super::shared::Shared;

/// How long a connection on this machine may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest head of an answer, in bytes, and the largest buffer.
const HEAD: usize = 64 * 1024;

/// A connection to a server that waits for the next request.
struct Kept {
    port: u16,
    sender: SendRequest<Sent>,
    /// One of those that may be kept at once: clients that are idle for long would hold as many.
    _held: OwnedSemaphorePermit,
}

/// One client's connection.
pub(crate) struct Client {
    /// Who it is.
    pub(crate) peer: SocketAddr,
    /// The watch over its bytes.
    pub(crate) guard: Arc<Guard>,
    /// What all connections share.
    pub(crate) shared: Arc<Shared>,
    kept: Mutex<Option<Kept>>,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, guard: Arc<Guard>, shared: Arc<Shared>) -> Self {
        Self { peer, guard, shared, kept: Mutex::new(None) }
    }

    /// The connection that is kept to a port, where it is one still.
    pub(crate) async fn kept(&self, port: u16) -> Option<SendRequest<Sent>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut kept = kept.filter(|kept| kept.port == port && !kept.sender.is_closed())?;
        kept.sender.ready().await.ok().map(|()| kept.sender)
    }

    /// Keeps a connection for the next request, where there is a place for it; else it ends with its answer.
    pub(crate) fn keep(&self, port: u16, sender: SendRequest<Sent>) {
        let place = Arc::clone(&self.shared.kept).try_acquire_owned().ok();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) =
            place.map(|place| Kept { port, sender, _held: place });
    }
}

/// A new connection to a port of this machine: on loopback of IPv4 or else of IPv6, for many servers listen on one of them alone,
/// else on the address at which somebody listens. None when nobody does.
pub(crate) async fn connect(port: u16) -> Option<SendRequest<Sent>> {
    for address in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
        if let Some(sender) = connect_to(address, port).await {
            return Some(sender);
        }
    }
    // The system's table of sockets: read only where nobody listens on loopback.
    let listening = tokio::task::spawn_blocking(listeners::listening).await.ok()?;
    connect_to(*listening.get(&port)?, port).await
}

async fn connect_to(address: IpAddr, port: u16) -> Option<SendRequest<Sent>> {
    let stream = timeout(CONNECT, TcpStream::connect((address, port))).await.ok()?.ok()?;
    // Small messages are not held back; a socket without that serves anyway.
    let _ = stream.set_nodelay(true);
    let mut builder = Builder::new();
    builder.preserve_header_case(true).max_buf_size(HEAD);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(async move {
        // Its end shows at the request that is under way.
        let _ = connection.with_upgrades().await;
    });
    Some(sender)
}
