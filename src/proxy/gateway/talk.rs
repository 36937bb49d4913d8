//! Talking with one client, whichever way it has come.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::super::guard::{Guard, Guarded};
use super::answer;
use super::origin::Origin;
use super::shared::Gateway;

/// The longest head of a request and the largest buffer of a connection, in bytes.
const HEAD: usize = 64 * 1024;
/// How long a client may take for the head of a request, and stay without one.
const PATIENCE: Duration = Duration::from_mins(1);

/// Answers the requests of one connection, one after the other.
pub(super) async fn talk(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    gateway: Arc<Gateway>,
    origin: Origin,
) {
    let guard = Arc::new(Guard::default());
    let own = Arc::clone(&guard);
    let service = service_fn(move |request| {
        let (gateway, guard, origin) = (Arc::clone(&gateway), Arc::clone(&own), origin.clone());
        // In a box of its own, so that a connection without a request holds none of it.
        Box::pin(async move { Ok::<_, Infallible>(answer::answer(&gateway, &guard, &origin, request).await) })
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .max_buf_size(HEAD)
        .max_header_size(HEAD)
        .serve_connection(TokioIo::new(Guarded::new(stream, guard)), service);
    // How it ended is the client's matter: there is nobody to tell.
    let _ = connection.await;
}
