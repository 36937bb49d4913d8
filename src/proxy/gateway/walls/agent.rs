//! The sockets of one agent.

use std::future::poll_fn;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use silo::core::agents::egress::Rule;
use silo::core::agents::wall::{EGRESS, GATEWAY, LISTEN, READY, Wall};
use silo::failure::Failure;
use silo::store::agents::wall;
use silo::sys::files;
use silo::sys::sockets::Folder;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::super::super::passing::{IDLE, pass};
use super::super::doors::{Caller, Opened};
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
    Agent(Arc<Caller>),
    Listen(Arc<Opened>),
    Outside(Arc<Vec<Rule>>),
}

/// Listens on all sockets of an agent.
pub(super) fn listen(gateway: &Arc<Gateway>, wall: &Wall) -> Result<JoinSet<()>, Failure> {
    let path = wall::sockets(&gateway.context.dirs, &wall.id);
    files::make_folder(&path)?;
    let folder = Folder::open(&path)?;
    let agent = Arc::new(Agent::new(&wall.id, wall.key.clone()));
    let mut ways: Vec<(String, Way)> =
        wall.services.iter().map(|service| (service.socket(), Way::Service(service.to))).collect();
    ways.extend(wall.agents.iter().map(|peer| {
        let way = Way::Agent(Arc::new(Caller::new(&wall.instance, peer)));
        (peer.socket(), way)
    }));
    if let Some(peer) = &wall.listen {
        ways.push((LISTEN.to_owned(), Way::Listen(Arc::new(gateway.doors.open(&wall.instance, peer)))));
    }
    if !wall.egress.is_empty() {
        let rules = wall.egress.iter().filter_map(|rule| Rule::read(rule)).collect();
        ways.push((EGRESS.to_owned(), Way::Outside(Arc::new(rules))));
    }
    // Last: by this it is seen that all of them are listened on.
    ways.push((GATEWAY.to_owned(), Way::Models(Origin::Agent(agent))));
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
        match listener.accept().await {
            Ok((stream, _)) => {
                // Only now, for a socket on which nobody comes needs no place: one that is taken waits here, the next in the system.
                let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
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
        Way::Agent(caller) => {
            // One that is down, or takes no more, is a connection that is closed.
            if let Some(entered) = gateway.doors.enter(&caller).await {
                let (other, end) = entered.parts();
                let (mut passed, mut end) = (pin!(pass(stream, other, Some(IDLE))), pin!(end));
                poll_fn(|context| {
                    match passed.as_mut().poll(context).is_ready() || end.as_mut().poll(context).is_ready() {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
                .await;
            }
        }
        Way::Listen(door) => {
            let (mut stream, mut said) = (stream, [0]);
            let read = timeout(CONNECT, stream.read_exact(&mut said)).await;
            if matches!(read, Ok(Ok(_))) && said == [READY] {
                door.keep(stream);
            }
        }
        Way::Outside(rules) => outside::serve(stream, &rules, &gateway).await,
    }
}
