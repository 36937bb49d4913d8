//! One client's connection, and its connection to the server behind a route. A client's requests come one after the other, so
//! that one connection each is enough: it is kept as long as the client's and its requests go to the same port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::body::Sent;
use super::guard::Guard;
use super::shared::Shared;

/// How long a connection on this machine may take.
const CONNECT: Duration = Duration::from_secs(5);
/// The longest head of an answer, in bytes, and the largest buffer.
const HEAD: usize = 64 * 1024;

/// One client's connection.
pub(crate) struct Client {
    /// Who it is.
    pub(crate) peer: SocketAddr,
    /// The watch over its bytes.
    pub(crate) guard: Arc<Guard>,
    /// What all connections share.
    pub(crate) shared: Arc<Shared>,
    kept: Mutex<Option<(u16, SendRequest<Sent>)>>,
}

impl Client {
    pub(crate) fn new(peer: SocketAddr, guard: Arc<Guard>, shared: Arc<Shared>) -> Self {
        Self { peer, guard, shared, kept: Mutex::new(None) }
    }

    /// The connection that is kept to a port, where it is one still.
    pub(crate) async fn kept(&self, port: u16) -> Option<SendRequest<Sent>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (_, mut sender) = kept.filter(|(known, sender)| *known == port && !sender.is_closed())?;
        sender.ready().await.ok().map(|()| sender)
    }

    /// Keeps a connection for the next request.
    pub(crate) fn keep(&self, port: u16, sender: SendRequest<Sent>) {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((port, sender));
    }
}

/// A new connection to a port of loopback, of IPv4 or else of IPv6: many servers listen on one of them alone. None when nobody
/// listens.
pub(crate) async fn connect(port: u16) -> Option<SendRequest<Sent>> {
    let addresses = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
    for address in addresses {
        let Ok(Ok(stream)) = timeout(CONNECT, TcpStream::connect((address, port))).await else { continue };
        // Small messages are not held back; a socket without that serves all the same.
        let _ = stream.set_nodelay(true);
        let mut builder = Builder::new();
        builder.preserve_header_case(true).max_buf_size(HEAD);
        let Ok((sender, connection)) = builder.handshake(TokioIo::new(stream)).await else { continue };
        tokio::spawn(async move {
            // Its end shows at the request that is under way.
            let _ = connection.with_upgrades().await;
        });
        return Some(sender);
    }
    None
}
