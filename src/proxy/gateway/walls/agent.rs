//! The sockets of one agent.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use silo::core::agents::egress::Rule;
use silo::core::agents::wall::{EGRESS, GATEWAY, Wall};
use silo::failure::Failure;
use silo::store::agents::wall;
use silo::sys::files;
use silo::sys::sockets::Folder;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::super::passing::pass;
use super::super::origin::{Agent, Origin};
use super::super::shared::Gateway;
use super::super::talk::talk;
use super::outside;

/// How many connections an agent has at once, in all; more wait.
const CONNECTIONS: usize = 128;
/// How long a service may take to be connected with.
const CONNECT: Duration = Duration::from_secs(5);
/// How long is waited when the system gives no more connections.
const EXHAUSTED: Duration = Duration::from_millis(100);

/// Where the connections of a socket go.
#[derive(Clone)]
enum Way {
    Models(Origin),
    Service(SocketAddr),
    Outside(Arc<Vec<Rule>>),
}

/// Listens on all sockets of an agent.
pub(super) fn listen(gateway: &Arc<Gateway>, wall: &Wall) -> Result<JoinSet<()>, Failure> {
    let path = wall::sockets(&gateway.context.dirs, &wall.id);
    files::make_folder(&path)?;
    let folder = Folder::open(&path)?;
    let agent = Arc::new(Agent::new(&wall.id, wall.key.clone()));
    let mut ways = vec![(GATEWAY.to_owned(), Way::Models(Origin::Agent(agent)))];
    ways.extend(wall.services.iter().map(|service| (service.socket(), Way::Service(service.to))));
    if !wall.egress.is_empty() {
        let rules = wall.egress.iter().filter_map(|rule| Rule::read(rule)).collect();
        ways.push((EGRESS.to_owned(), Way::Outside(Arc::new(rules))));
    }
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut tasks = JoinSet::new();
    for (name, way) in ways {
        let place = folder.path(&name)?;
        // What a gateway has left that was killed.
        files::remove(&place)?;
        let listener =
            UnixListener::bind(&place).map_err(|error| Failure::file("listen on", &path.join(&name), &error))?;
        folder.make_private(&name)?;
        tasks.spawn(take(listener, way, Arc::clone(gateway), Arc::clone(&places)));
    }
    Ok(tasks)
}

async fn take(listener: UnixListener, way: Way, gateway: Arc<Gateway>, places: Arc<Semaphore>) {
    // Dropped with this, they end with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (way, gateway) = (way.clone(), Arc::clone(&gateway));
                connections.spawn(async move {
                    serve(stream, way, gateway).await;
                    drop(place);
                });
            }
            Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(EXHAUSTED).await,
        }
    }
}

async fn serve(stream: UnixStream, way: Way, gateway: Arc<Gateway>) {
    match way {
        Way::Models(origin) => talk(stream, gateway, origin).await,
        Way::Service(to) => {
            // Where nobody listens, the agent sees its connection closed.
            if let Ok(Ok(other)) = timeout(CONNECT, TcpStream::connect(to)).await {
                let _ = other.set_nodelay(true);
                pass(stream, other, None).await;
            }
        }
        Way::Outside(rules) => outside::serve(stream, &rules, &gateway).await,
    }
}
