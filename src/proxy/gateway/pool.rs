//! Connections to a provider that wait for the next call. TLS takes long, so that they are worth keeping.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::SendRequest;

/// One connection.
pub(super) type Sender = SendRequest<Full<Bytes>>;

/// How many are kept, of each provider.
const KEPT: usize = 64;
/// How long: less than providers keep theirs.
const FRESH: Duration = Duration::from_secs(30);

/// The connections to a provider that wait.
#[derive(Default)]
pub(super) struct Pool(Mutex<Vec<(Sender, Instant)>>);

impl Pool {
    /// One that is still good; the one that was used last.
    pub(super) fn take(&self) -> Option<Sender> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(sender, since)| since.elapsed() < FRESH && !sender.is_closed());
        let ready = kept.iter().rposition(|(sender, _)| sender.is_ready())?;
        Some(kept.swap_remove(ready).0)
    }

    /// Keeps one whose answer has come to its end.
    pub(super) fn give(&self, sender: Sender) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && !sender.is_closed() {
            kept.push((sender, Instant::now()));
        }
    }
}
