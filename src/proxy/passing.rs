//! Passing bytes both ways between two connections, until both have come to their end, one has failed, or nothing passes for long.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::sleep;

/// How many bytes of each direction are held.
const PIECE: usize = 16 * 1024;
/// How long a connection stays on which nothing passes, where others may want its place.
pub(crate) const IDLE: Duration = Duration::from_mins(10);

/// A connection that notices when something passes.
struct Noticed<S> {
    stream: S,
    passed: Arc<AtomicBool>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Noticed<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.passed.store(true, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Noticed<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Passes bytes both ways; the end of one direction is passed on, and the other goes on. With `idle` it ends when nothing has passed for
/// that long, or twice as long.
pub(crate) async fn pass<A, B>(one: A, other: B, idle: Option<Duration>)
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let passed = Arc::new(AtomicBool::new(false));
    let mut one = Noticed { stream: one, passed: Arc::clone(&passed) };
    let mut other = Noticed { stream: other, passed: Arc::clone(&passed) };
    let mut copy = std::pin::pin!(tokio::io::copy_bidirectional_with_sizes(&mut one, &mut other, PIECE, PIECE));
    loop {
        let mut rest = std::pin::pin!(sleep(idle.unwrap_or(Duration::from_hours(24))));
        let is_over = std::future::poll_fn(|context| {
            if copy.as_mut().poll(context).is_ready() {
                return Poll::Ready(true);
            }
            rest.as_mut().poll(context).map(|()| false)
        });
        if is_over.await || idle.is_some() && !passed.swap(false, Ordering::Relaxed) {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::timeout;

    use super::*;

    #[test]
    fn a_connection_ends_when_nothing_passes_and_not_before() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("it can be built");
        runtime.block_on(async {
            let ((mut one, near), (far, mut other)) = (duplex(64), duplex(64));
            let idle = Duration::from_secs(1);
            let passing = tokio::spawn(pass(near, far, Some(idle)));
            for _ in 0..12 {
                one.write_all(b"x").await.expect("it is open");
                assert_eq!(other.read_u8().await.expect("it comes"), b'x');
                sleep(idle / 10).await;
            }
            timeout(idle * 20, passing).await.expect("it ends").expect("it does not fail");
            assert_eq!(other.read(&mut [0]).await.expect("it is over"), 0);
        });
    }
}
