//! Bodies: what goes to a server behind a route, and what goes to a client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::guard::Guard;

/// The body of an answer: a server's, or one of the proxy's own.
pub(crate) type Answered = Either<Incoming, Full<Bytes>>;

/// A body of the proxy's own.
pub(crate) fn own(text: impl Into<Bytes>) -> Answered {
    Either::Right(Full::new(text.into()))
}

/// The body of a request, which tells the guard when it is over.
#[derive(Debug)]
pub(crate) struct Sent {
    /// None for one that was empty and is sent again.
    body: Option<Incoming>,
    guard: Arc<Guard>,
}

impl Sent {
    pub(crate) fn new(body: Incoming, guard: Arc<Guard>) -> Self {
        Self { body: Some(body), guard }
    }

    /// No body.
    pub(crate) fn empty(guard: &Arc<Guard>) -> Self {
        Self { body: None, guard: Arc::clone(guard) }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(context));
        if frame.is_none() || self.is_end_stream() {
            self.guard.is_in_body(false);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
