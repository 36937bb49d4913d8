//! The page of all instances as it was made last.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long what was seen is shown: many pages ask once.
pub(crate) const FRESH: Duration = Duration::from_secs(1);

/// What was seen last.
#[derive(Default)]
pub(crate) struct Seen {
    last: Mutex<Option<(Instant, Arc<str>)>>,
    /// One looks at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
}

impl Seen {
    /// The page, where it is not old.
    pub(crate) fn fresh(&self) -> Option<Arc<str>> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(at, _)| at.elapsed() < FRESH).map(|(_, html)| Arc::clone(html))
    }

    /// Keeps it.
    pub(crate) fn keep(&self, html: &Arc<str>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(html)));
    }
}
