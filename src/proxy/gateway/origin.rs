//! Where a connection comes from: loopback, where any program of the user's may ask, or the socket of one agent, on which its own key alone
//! opens something (D34).

use std::sync::Arc;

use hyper::StatusCode;
use silo::core::gateway::keys::Key;
use tokio::sync::Semaphore;

use super::says::No;

/// How many KiB of one agent's requests are held at once.
const ROOM: usize = 64 * 1024;

/// An agent, as its connections know it.
pub(super) struct Agent {
    /// Its id.
    pub(super) id: String,
    /// The id of its key.
    key: Option<String>,
    /// Places in memory for its requests, in KiB.
    pub(super) room: Arc<Semaphore>,
}

impl Agent {
    pub(super) fn new(id: &str, key: Option<String>) -> Self {
        Self { id: id.to_owned(), key, room: Arc::new(Semaphore::new(ROOM)) }
    }
}

/// Where a connection comes from.
#[derive(Clone)]
pub(super) enum Origin {
    /// A port of loopback.
    Loopback,
    /// An agent's socket.
    Agent(Arc<Agent>),
}

impl Origin {
    /// Whether a key opens something here.
    pub(super) fn takes(&self, key: &Key) -> Result<(), No> {
        let no = |message: String| Err(No::new(StatusCode::FORBIDDEN, "other_place", message).for_good());
        match (self, &key.agent) {
            (Self::Loopback, None) => Ok(()),
            (Self::Loopback, Some(_)) => {
                no(format!("the key {} is an agent's, and opens nothing outside of its container", key.id))
            }
            (Self::Agent(agent), Some(id)) if *id == agent.id && agent.key.as_ref() == Some(&key.id) => Ok(()),
            (Self::Agent(_), _) => no(format!("the key {} is not this agent's", key.id)),
        }
    }
}
