//! The ways of agents to one another (D33). The relay of an agent that listens keeps a few connections with the gateway; who asks for
//! that agent gets one of them. So nothing of an agent's side is connected with from here, and no folder is written to from there.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use silo::core::agents::wall::{BEGIN, Peer};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

/// How many connections of a relay wait at most; it keeps fewer.
const MOST: usize = 64;
/// How many connections one agent has with one other: fewer than a relay takes, so that it keeps nobody out alone.
const EACH: usize = 64;
/// How long is waited for a connection of a relay: after a start of the gateway they come again.
const PATIENCE: Duration = Duration::from_secs(2);

/// All agents that listen.
#[derive(Default)]
pub(super) struct Doors(Mutex<Vec<Weak<Door>>>);

/// The way to one agent.
struct Door {
    instance: String,
    peer: Peer,
    waiting: Mutex<VecDeque<UnixStream>>,
    came: Notify,
    /// Who waits for a connection holds the door, too, so its end is said and not left to the last one.
    is_closed: watch::Sender<bool>,
}

/// The way to one agent as its own side has it: when it is dropped, every connection by it ends.
pub(super) struct Opened(Arc<Door>);

/// An agent that asks for another one of its instance.
pub(super) struct Caller {
    instance: String,
    peer: Peer,
    places: Arc<Semaphore>,
}

/// A connection that leads to an agent.
pub(super) struct Entered {
    stream: UnixStream,
    is_closed: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Doors {
    /// Makes the way to an agent of an instance.
    pub(super) fn open(&self, instance: &str, peer: &Peer) -> Opened {
        let door = Arc::new(Door {
            instance: instance.to_owned(),
            peer: peer.clone(),
            waiting: Mutex::default(),
            came: Notify::new(),
            is_closed: watch::Sender::new(false),
        });
        let mut doors = locked(&self.0);
        doors.retain(|door| door.strong_count() > 0);
        doors.push(Arc::downgrade(&door));
        Opened(door)
    }

    /// The way to an agent as it is now: one that was started again has another.
    fn find(&self, instance: &str, peer: &Peer) -> Option<Arc<Door>> {
        let doors = locked(&self.0);
        let mut doors = doors.iter().rev().filter_map(Weak::upgrade);
        doors.find(|door| !*door.is_closed.borrow() && door.instance == instance && door.peer == *peer)
    }

    /// A connection that leads to an agent; none where it is not up, takes no more, or the caller has as many as it may.
    pub(super) async fn enter(&self, caller: &Caller) -> Option<Entered> {
        let until = Instant::now() + PATIENCE;
        let place = timeout_at(until, Arc::clone(&caller.places).acquire_owned()).await.ok()?.ok()?;
        loop {
            let door = self.find(&caller.instance, &caller.peer)?;
            if let Some(stream) = door.take().await {
                return Some(Entered { stream, is_closed: door.is_closed.subscribe(), place });
            }
            timeout_at(until, door.came.notified()).await.ok()?;
        }
    }
}

impl Caller {
    /// One that asks for `peer` of its instance, by as many connections as it may have.
    pub(super) fn new(instance: &str, peer: &Peer) -> Self {
        Self { instance: instance.to_owned(), peer: peer.clone(), places: Arc::new(Semaphore::new(EACH)) }
    }
}

impl Opened {
    /// Keeps a connection of the agent's relay until somebody asks for the agent.
    pub(super) fn keep(&self, stream: UnixStream) {
        let mut waiting = locked(&self.0.waiting);
        if waiting.len() >= MOST {
            waiting.pop_front();
        }
        waiting.push_back(stream);
        self.0.came.notify_one();
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.is_closed.send_replace(true);
        locked(&self.0.waiting).clear();
        // Who waits looks for the agent's next door.
        self.0.came.notify_waiters();
    }
}

impl Door {
    /// The first one whose relay is still there.
    async fn take(&self) -> Option<UnixStream> {
        loop {
            let mut stream = locked(&self.waiting).pop_front()?;
            if stream.write_all(&[BEGIN]).await.is_ok() {
                return Some(stream);
            }
        }
    }
}

impl Entered {
    /// The connection, and what comes to its end when the agent's wall does; it has the caller's place as long as it is there.
    pub(super) fn parts(self) -> (UnixStream, impl Future<Output = ()>) {
        let Self { stream, mut is_closed, place } = self;
        let end = async move {
            let _place = place;
            // One that was closed before this is asked for is seen, too.
            drop(is_closed.wait_for(|is| *is).await);
        };
        (stream, end)
    }
}
