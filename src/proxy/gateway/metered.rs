//! The body of an answer, passed on as it comes. What it says of its cost is booked at its end; one whose client is gone is read on for
//! a while, for its end says what it costs.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use silo::core::gateway::api::Api;
use silo::core::gateway::stream::Stream;
use silo::core::gateway::usage::{self, Usage};
use tokio::runtime::Handle;
use tokio::time::{Instant, Sleep, sleep, timeout};

use super::call::Call;
use super::pool::Sender;
use super::upstream::Upstream;

/// The longest answer in one piece whose cost is read, in bytes.
const WHOLE: usize = 16 * 1024 * 1024;
/// How long an answer whose client is gone is read on.
const DRAIN: Duration = Duration::from_mins(1);
/// How long an answer may be on its way.
const LONGEST: Duration = Duration::from_hours(1);

/// A body for a client.
pub(super) enum Answered {
    /// The gateway's own.
    Own(Full<Bytes>),
    /// A provider's.
    Metered(Box<Metered>),
}

/// What reads an answer as it passes by.
pub(super) enum Reader {
    /// It costs nothing.
    Free,
    /// In one piece.
    Whole(Api, Vec<u8>),
    /// Too long, or packed.
    Lost,
    /// Piece by piece.
    Stream(Box<Stream>),
}

impl Reader {
    /// Reads a piece and gives back what goes on.
    fn read(&mut self, piece: Bytes) -> Bytes {
        match self {
            Self::Stream(stream) if stream.is_plain() => stream.see(&piece),
            Self::Stream(stream) => return stream.pass(&piece).into(),
            Self::Whole(_, bytes) if bytes.len() + piece.len() <= WHOLE => bytes.extend_from_slice(&piece),
            Self::Whole(..) => *self = Self::Lost,
            Self::Free | Self::Lost => {}
        }
        piece
    }

    fn usage(&self) -> Option<Usage> {
        match self {
            Self::Free | Self::Lost => None,
            Self::Whole(api, bytes) => usage::of_answer(*api, bytes),
            Self::Stream(stream) => stream.usage(),
        }
    }
}

/// A provider's answer on its way.
pub(super) struct Metered {
    /// None once it is read on without its client.
    body: Option<Incoming>,
    reader: Reader,
    call: Option<Call>,
    /// The connection, to be used again.
    connection: Option<(Arc<Upstream>, Sender)>,
    silence: Pin<Box<Sleep>>,
    patience: Duration,
    end: Instant,
}

/// Why an answer breaks off.
#[derive(Debug)]
pub(super) enum Cut {
    /// The provider hung up.
    Provider,
    /// It fell silent, or went on for too long.
    Endless,
}

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Provider => "the provider broke off its answer",
            Self::Endless => "the provider's answer came to no end",
        })
    }
}

impl std::error::Error for Cut {}

impl Metered {
    pub(super) fn over(
        body: Incoming,
        reader: Reader,
        call: Option<Call>,
        connection: (Arc<Upstream>, Sender),
    ) -> Answered {
        let patience = connection.0.provider.timeout;
        Answered::Metered(Box::new(Self {
            body: Some(body),
            reader,
            call,
            silence: Box::pin(sleep(patience)),
            connection: Some(connection),
            patience,
            end: Instant::now() + LONGEST,
        }))
    }

    /// All of it has come.
    fn finish(&mut self) {
        self.body = None;
        if let Some(call) = self.call.take() {
            call.told(self.reader.usage());
        }
        if let Some((upstream, sender)) = self.connection.take() {
            upstream.pool.give(sender);
        }
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        loop {
            let Some(body) = &mut self.body else { return Poll::Ready(None) };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
                ready!(self.silence.as_mut().poll(context));
                self.cut();
                return Poll::Ready(Some(Err(Cut::Endless)));
            };
            let frame = match frame {
                None => {
                    let rest = match &mut self.reader {
                        Reader::Stream(stream) if !stream.is_plain() => stream.rest(),
                        _ => Vec::new(),
                    };
                    self.finish();
                    return Poll::Ready((!rest.is_empty()).then(|| Ok(Frame::data(rest.into()))));
                }
                Some(Err(_)) => {
                    self.cut();
                    return Poll::Ready(Some(Err(Cut::Provider)));
                }
                Some(Ok(frame)) => frame,
            };
            let now = Instant::now();
            if now >= self.end {
                self.cut();
                return Poll::Ready(Some(Err(Cut::Endless)));
            }
            self.silence.as_mut().reset((now + self.patience).min(self.end));
            let Ok(piece) = frame.into_data() else { continue };
            let piece = self.reader.read(piece);
            // Nobody asks for more than the length that was said, so that the last piece is the end; it is booked before the client
            // has it.
            let is_last = self.body.as_ref().is_some_and(Body::is_end_stream);
            if is_last && !matches!(self.reader, Reader::Stream(_)) {
                self.finish();
            }
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(piece))));
            }
        }
    }

    /// It comes to no end: booked at its worst, and the connection is useless.
    fn cut(&mut self) {
        (self.body, self.call, self.connection) = (None, None, None);
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        let (Some(mut body), Some(call)) = (self.body.take(), self.call.take()) else { return };
        let mut reader = std::mem::replace(&mut self.reader, Reader::Lost);
        let connection = self.connection.take();
        let drain = async move {
            while let Some(frame) = body.frame().await {
                let Ok(frame) = frame else { return };
                if let Ok(piece) = frame.into_data() {
                    reader.read(piece);
                }
            }
            call.told(reader.usage());
            if let Some((upstream, sender)) = connection {
                upstream.pool.give(sender);
            }
        };
        // When the gateway ends there is nobody to do it; the call is booked at its worst then.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DRAIN, drain));
        }
    }
}

impl Body for Answered {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match self.get_mut() {
            Self::Own(own) => Pin::new(own).poll_frame(context).map_err(|never| match never {}),
            Self::Metered(metered) => metered.poll(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Own(own) => own.is_end_stream(),
            // An empty one is booked at its end, too.
            Self::Metered(metered) => metered.body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Own(own) => own.size_hint(),
            Self::Metered(metered) => match (&metered.reader, &metered.body) {
                (Reader::Stream(_), _) | (_, None) => SizeHint::default(),
                (_, Some(body)) => body.size_hint(),
            },
        }
    }
}
