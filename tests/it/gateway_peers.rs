//! Agents that reach one another (D33): the relay of one that listens keeps connections with the gateway, and who names it in its
//! `wall.json` gets one of them. Relays of the test are programs of this machine, in the place of containers.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use silo::core::agents::wall::{BEGIN, LISTEN, Peer, READY, Wall};
use silo::store::agents::wall;
use silo::sys::dirs::Dirs;

use crate::engine::until;
use crate::gateway::{Scene, message};
use crate::gateway_agents::{dirs, echo, hold, say};
use crate::proxy::{PROXY, server};
use crate::sandbox::free_ports;

/// How long an agent that is down may keep somebody waiting, on a busy machine.
const SOON: Duration = Duration::from_secs(8);

fn peer(name: &str) -> Peer {
    Peer { name: name.to_owned(), port: 8080 }
}

/// An agent that listens.
fn listening(id: &str, instance: &str) -> Wall {
    let (id, instance) = (id.to_owned(), instance.to_owned());
    Wall { id, instance, listen: Some(peer("research")), ..Wall::default() }
}

/// An agent that names it.
fn naming(id: &str, instance: &str) -> Wall {
    let (id, instance) = (id.to_owned(), instance.to_owned());
    Wall { id, instance, agents: vec![peer("research")], ..Wall::default() }
}

/// The relay of an agent, which leads to a port of this machine.
struct Relay(Child);

impl Relay {
    fn start(scene: &Scene, dirs: &Dirs, id: &str, port: u16) -> Self {
        let mut command = scene.sandbox.command(PROXY, "");
        let socket = wall::sockets(dirs, id).join(LISTEN);
        command.args(["relay", "--take", &format!("{}=127.0.0.1:{port}", socket.display())]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it can be started");
        let mut said = [0; 6];
        child.stdout.as_mut().expect("piped").read_exact(&mut said).expect("it is ready");
        Self(child)
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server that says who it is, then what it heard.
fn named(name: &'static str) -> u16 {
    server(move |mut stream| {
        let mut piece = [0; 64];
        if let Ok(length @ 1..) = stream.read(&mut piece) {
            let _ = stream.write_all(&[name.as_bytes(), b":", &piece[..length]].concat());
        }
    })
}

fn ask(dirs: &Dirs, id: &str) -> String {
    say(dirs, id, "research.8080.sock", b"hello")
}

/// The answer, and that it did not take long.
fn at_once(dirs: &Dirs, id: &str) -> String {
    let start = Instant::now();
    let answer = ask(dirs, id);
    assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    answer
}

#[test]
fn an_agent_is_reached_by_those_of_its_instance_that_name_it() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    for wall in [
        listening("r-1", "one"),
        listening("r-2", "two"),
        naming("s-1", "one"),
        naming("s-2", "two"),
        naming("s-3", "three"),
    ] {
        hold(&dirs, &wall);
    }
    hold(
        &dirs,
        &Wall {
            id: "other".into(),
            instance: "one".into(),
            agents: vec![Peer { port: 8081, ..peer("research") }],
            ..Wall::default()
        },
    );
    let _relays =
        [Relay::start(&scene, &dirs, "r-1", named("first")), Relay::start(&scene, &dirs, "r-2", named("second"))];
    assert_eq!((ask(&dirs, "s-1"), ask(&dirs, "s-2")), ("first:hello".into(), "second:hello".into()));
    assert_eq!(at_once(&dirs, "s-3"), "", "its own instance has none");
    assert_eq!(say(&dirs, "other", "research.8081.sock", b"hello"), "", "it listens on another port");
    // More at once than a relay keeps waiting.
    let all: Vec<String> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..60).map(|_| scope.spawn(|| ask(&dirs, "s-1"))).collect();
        asked.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    assert!(all.iter().all(|answer| answer == "first:hello"), "{all:?}");
}

#[test]
fn one_that_is_down_closes_at_once_and_is_reached_when_it_is_there_again() {
    let mut scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    hold(&dirs, &naming("s-1", "one"));
    assert_eq!(at_once(&dirs, "s-1"), "", "it was never there");
    hold(&dirs, &listening("r-1", "one"));
    assert_eq!(at_once(&dirs, "s-1"), "", "it has no relay");
    let relay = Relay::start(&scene, &dirs, "r-1", named("first"));
    assert_eq!(ask(&dirs, "s-1"), "first:hello");
    drop(relay);
    assert_eq!(at_once(&dirs, "s-1"), "", "its relay is gone");
    let [nobody] = free_ports();
    let relay = Relay::start(&scene, &dirs, "r-1", nobody);
    assert_eq!(at_once(&dirs, "s-1"), "", "it does not listen");
    drop(relay);
    let relay = Relay::start(&scene, &dirs, "r-1", named("again"));
    assert_eq!(ask(&dirs, "s-1"), "again:hello");
    // Its relay comes back to a gateway that was killed.
    scene.kill();
    scene.start();
    wall::wait_until_listening(&dirs, "s-1", SOON).expect("the gateway listens");
    wall::wait_until_listening(&dirs, "r-1", SOON).expect("the gateway listens");
    until("it is reached again", || ask(&dirs, "s-1") == "again:hello");
    drop(relay);
    // Another run of it has another ID.
    wall::remove(&dirs, "r-1").expect("it is ours");
    hold(&dirs, &listening("r-9", "one"));
    let _relay = Relay::start(&scene, &dirs, "r-9", named("another"));
    until("it is reached by its name", || ask(&dirs, "s-1") == "another:hello");
}

#[test]
fn open_connections_end_with_the_wall_of_either_side() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let echo = server(echo);
    for gone in ["s-1", "r-1"] {
        hold(&dirs, &naming("s-1", "one"));
        hold(&dirs, &listening("r-1", "one"));
        let _relay = Relay::start(&scene, &dirs, "r-1", echo);
        let path = wall::sockets(&dirs, "s-1").join("research.8080.sock");
        let mut open = UnixStream::connect(path).expect("the gateway listens");
        open.set_read_timeout(Some(SOON)).expect("a socket can be set so");
        let mut heard = [0; 5];
        for _ in 0..2 {
            open.write_all(b"hello").expect("it is taken");
            open.read_exact(&mut heard).expect("it comes back");
        }
        assert_eq!(&heard, b"hello");
        wall::remove(&dirs, gone).expect("it is ours");
        assert_eq!(open.read(&mut heard).unwrap_or(0), 0, "the connection has ended with {gone}");
        wall::remove(&dirs, "s-1").expect("it is ours");
        wall::remove(&dirs, "r-1").expect("it is ours");
    }
}

#[test]
fn they_end_with_the_wall_while_others_wait_for_the_agent() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    for wall in [listening("r-1", "one"), naming("s-1", "one"), naming("s-2", "one")] {
        hold(&dirs, &wall);
    }
    let socket = |id: &str, name: &str| {
        let stream = UnixStream::connect(wall::sockets(&dirs, id).join(name)).expect("the gateway listens");
        stream.set_read_timeout(Some(SOON)).expect("a socket can be set so");
        stream
    };
    // Looking whether the gateway listens is nobody who asks for the agent.
    for _ in 0..20 {
        wall::wait_until_listening(&dirs, "s-1", SOON).expect("it listens");
    }
    // A relay that takes one connection and no more.
    let mut inside = socket("r-1", LISTEN);
    inside.write_all(&[READY]).expect("it is taken");
    let mut open = socket("s-1", "research.8080.sock");
    let mut heard = [0; 2];
    open.write_all(b"x").expect("it is taken");
    inside.read_exact(&mut heard).expect("somebody asks");
    assert_eq!(heard, [BEGIN, b'x']);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for late in 0..4 {
            let (is_over, dirs) = (&is_over, &dirs);
            scope.spawn(move || {
                std::thread::sleep(Duration::from_millis(500 * late));
                while !is_over.load(Ordering::Relaxed) {
                    let _ = say(dirs, "s-2", "research.8080.sock", b"");
                }
            });
        }
        // All of them wait.
        std::thread::sleep(Duration::from_secs(2));
        wall::remove(&dirs, "r-1").expect("it is ours");
        let ended = [open.read(&mut heard), inside.read(&mut heard)].map(|read| read.unwrap_or(9));
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(ended, [0, 0], "both sides see the end");
    });
}

#[test]
fn two_with_many_connections_keep_no_third_out() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    hold(&dirs, &listening("r-1", "one"));
    for id in ["s-1", "s-2", "s-3"] {
        hold(&dirs, &naming(id, "one"));
    }
    let _relay = Relay::start(&scene, &dirs, "r-1", server(echo));
    let mut open = Vec::new();
    // As many as a relay takes in all; those above what one agent may have with another end.
    for (id, number, most) in [("s-1", 100, 64), ("s-2", 36, 36)] {
        let path = wall::sockets(&dirs, id).join("research.8080.sock");
        let mut of_it: Vec<UnixStream> =
            (0..number).map(|_| UnixStream::connect(&path).expect("the gateway listens")).collect();
        of_it.retain_mut(|stream| {
            stream.set_read_timeout(Some(SOON)).expect("a socket can be set so");
            let _ = stream.write_all(b"hello");
            let mut heard = [0; 5];
            stream.read_exact(&mut heard).is_ok() && &heard == b"hello"
        });
        assert_eq!(of_it.len(), most, "{id}");
        open.push(of_it);
    }
    let path = wall::sockets(&dirs, "s-3").join("research.8080.sock");
    let mut third = UnixStream::connect(path).expect("the gateway listens");
    third.set_read_timeout(Some(SOON)).expect("a socket can be set so");
    let mut heard = [0; 5];
    third.write_all(b"hello").expect("it is taken");
    third.read_exact(&mut heard).expect("it comes back");
    // One that ends makes room for the next of the same agent.
    drop(open.swap_remove(0).pop());
    let path = wall::sockets(&dirs, "s-1").join("research.8080.sock");
    let mut next = UnixStream::connect(path).expect("the gateway listens");
    next.set_read_timeout(Some(SOON)).expect("a socket can be set so");
    next.write_all(b"again").expect("it is taken");
    next.read_exact(&mut heard).expect("it comes back");
    assert_eq!(&heard, b"again");
}

#[test]
fn who_is_no_relay_gets_nobody() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    hold(&dirs, &listening("r-1", "one"));
    hold(&dirs, &naming("s-1", "one"));
    let path = wall::sockets(&dirs, "r-1").join(LISTEN);
    let mut silent = UnixStream::connect(&path).expect("the gateway listens");
    let mut wrong = UnixStream::connect(&path).expect("the gateway listens");
    wrong.write_all(b"GET / HTTP/1.1\r\n\r\n").expect("it is taken");
    assert_eq!(at_once(&dirs, "s-1"), "");
    for stream in [&mut silent, &mut wrong] {
        stream.set_read_timeout(Some(SOON)).expect("a socket can be set so");
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        assert_eq!(all, b"", "nothing of who asked came by it");
    }
}
