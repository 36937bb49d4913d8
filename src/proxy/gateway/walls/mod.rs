//! The sockets of agents (D33, D34): each has a folder of its own with one for models, one for each service, one for the outside. They
//! are there as long as the agent's `wall.json` is, and open connections end with it.

mod agent;
mod outside;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use silo::core::agents::wall::Wall;
use silo::store::agents::wall;
use silo::sys::files;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::shared::Gateway;

/// How often it is looked whether anything has changed: at one file.
const LOOK: Duration = Duration::from_millis(100);
/// How often all are looked at, for what was changed by hand.
const ALL: Duration = Duration::from_secs(5);

/// An agent that is listened for.
struct Held {
    wall: Wall,
    /// What listens, and by that every connection: dropped, all of it ends.
    _tasks: JoinSet<()>,
}

/// Listens for agents as they come and go, for ever.
pub(super) async fn follow(gateway: Arc<Gateway>) {
    let mut held: HashMap<String, Held> = HashMap::new();
    let mut told: HashMap<String, String> = HashMap::new();
    let (mut seen, mut looked) = (None, None::<Instant>);
    loop {
        let look = wall::look(&gateway.context.dirs);
        let is_due = looked.is_none_or(|looked| looked.elapsed() > ALL);
        if look != seen || is_due {
            (seen, looked) = (look, Some(Instant::now()));
            settle(&gateway, &mut held, &mut told);
        }
        sleep(LOOK).await;
    }
}

/// Brings what listens into agreement with the files.
fn settle(gateway: &Arc<Gateway>, held: &mut HashMap<String, Held>, told: &mut HashMap<String, String>) {
    let mut walls: HashMap<String, Wall> = HashMap::new();
    let mut wrong = HashMap::new();
    for (id, read) in wall::all(&gateway.context.dirs) {
        match read {
            Ok(wall) => drop(walls.insert(id, wall)),
            Err(failure) => {
                // Each mistake is told once.
                if told.get(&id) != Some(&failure.what) {
                    gateway.context.ui.fail(&failure);
                }
                wrong.insert(id, failure.what);
            }
        }
    }
    held.retain(|id, held| {
        let stays = walls.get(id) == Some(&held.wall) && is_whole(gateway, held);
        if !stays {
            for name in held.wall.sockets() {
                // What is left there leads nowhere.
                let _ = files::remove(&wall::sockets(&gateway.context.dirs, id).join(name));
            }
        }
        stays
    });
    for (id, wall) in walls {
        if held.contains_key(&id) {
            continue;
        }
        match agent::listen(gateway, &wall) {
            Ok(tasks) => drop(held.insert(id, Held { wall, _tasks: tasks })),
            Err(failure) => {
                if told.get(&id) != Some(&failure.what) {
                    gateway.context.ui.fail(&failure);
                }
                wrong.insert(id, failure.what);
            }
        }
    }
    *told = wrong;
}

/// Whether all sockets are still there.
fn is_whole(gateway: &Gateway, held: &Held) -> bool {
    let folder = wall::sockets(&gateway.context.dirs, &held.wall.id);
    held.wall.sockets().iter().all(|name| files::is_socket(&folder.join(name)))
}
