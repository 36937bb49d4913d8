//! How other agents come to the one beside a relay (D33): the relay keeps a few connections with a socket of the gateway's, and when that
//! says so, one of them leads to the agent's port. No socket is made here, so no folder of the host has to be writable.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use silo::core::agents::wall::{BEGIN, READY};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

use super::super::passing::{IDLE, pass};

/// How many connections wait for who asks for the agent.
const SPARE: usize = 8;
/// How many there are at once, with those that wait; who comes then waits.
const CONNECTIONS: usize = 136;
/// How long the gateway may take to be connected with.
const GATEWAY: Duration = Duration::from_secs(5);
/// How long the agent may take: it is on the same wire, and one lost packet is sent again after a second.
const AGENT: Duration = Duration::from_millis(1500);
/// How long is waited until a gateway is tried again that is not there.
const AGAIN: Duration = Duration::from_millis(500);

/// Leads those who come by `socket` to an address, for ever.
pub(super) async fn take(socket: PathBuf, to: SocketAddr) {
    let socket = Arc::new(socket);
    let (places, spare) = (Arc::new(Semaphore::new(CONNECTIONS)), Arc::new(Semaphore::new(SPARE)));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok(waits) = Arc::clone(&spare).acquire_owned().await else { return };
        let socket = Arc::clone(&socket);
        tokio::spawn(async move {
            if let Some(stream) = somebody(&socket).await {
                drop(waits);
                lead(stream, to).await;
            } else {
                sleep(AGAIN).await;
                drop(waits);
            }
            drop(place);
        });
    }
}

/// A connection on which somebody asks for the agent; none where the gateway is gone.
async fn somebody(socket: &Path) -> Option<UnixStream> {
    let mut stream = timeout(GATEWAY, UnixStream::connect(socket)).await.ok()?.ok()?;
    stream.write_all(&[READY]).await.ok()?;
    let mut said = [0];
    stream.read_exact(&mut said).await.ok()?;
    (said == [BEGIN]).then_some(stream)
}

/// Passes on to the agent. Where it does not listen, the other side sees its connection closed.
async fn lead(stream: UnixStream, to: SocketAddr) {
    if let Ok(Ok(other)) = timeout(AGENT, TcpStream::connect(to)).await {
        let _ = other.set_nodelay(true);
        pass(stream, other, Some(IDLE)).await;
    }
}
