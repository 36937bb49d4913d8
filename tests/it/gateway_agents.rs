//! The sockets of agents (D33, D34): what an agent is told it may reach it reaches by the sockets in its folder, and nothing else; they come
//! and go with its `wall.json`.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use silo::core::agents::wall::{Service, Wall};
use silo::core::gateway::amount::Budget;
use silo::core::gateway::pace::Limits;
use silo::store::agents::wall;
use silo::store::gateway::keys;
use silo::sys::dirs::Dirs;

use crate::gateway::{Scene, message, own_file, posting, small};
use crate::proxy::server;
use crate::sandbox::Sandbox;

/// How long the gateway may take until it listens, in a test on a busy machine.
const SOON: Duration = Duration::from_secs(10);

/// silo's folders in a sandbox.
pub(crate) fn dirs(sandbox: &Sandbox) -> Dirs {
    let [home, state, data, config] = ["home", "state/silo", "data/silo", "config/silo"].map(|name| sandbox.path(name));
    Dirs { home, state, data, config }
}

/// A wall with a key of its own; gives that key.
fn wall_with_key(dirs: &Dirs, id: &str) -> (Wall, String) {
    let budget = Budget::parse("1").expect("a budget");
    let (key, text) = keys::make_for_agent(dirs, id, &[], budget, Limits::default()).expect("it is writable");
    (Wall { id: id.to_owned(), key: Some(key), ..Wall::default() }, text)
}

/// A server that says each piece again as it comes.
pub(crate) fn echo(mut stream: std::net::TcpStream) {
    let mut piece = [0; 64];
    while let Ok(length @ 1..) = stream.read(&mut piece) {
        let _ = stream.write_all(&piece[..length]);
    }
}

/// Says what an agent may reach, and waits until the gateway listens.
pub(crate) fn hold(dirs: &Dirs, wall: &Wall) {
    wall::write(dirs, wall).expect("it is writable");
    wall::wait_until_listening(dirs, &wall.id, SOON).expect("the gateway listens");
}

fn socket(dirs: &Dirs, id: &str, name: &str) -> PathBuf {
    wall::sockets(dirs, id).join(name)
}

/// Says something on an agent's socket and gives back all that comes.
pub(crate) fn say(dirs: &Dirs, id: &str, name: &str, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(dirs, id, name)).expect("the gateway listens");
    stream.set_read_timeout(Some(SOON)).expect("a socket can be set so");
    // A gateway that has heard enough may have closed already.
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

fn ask(dirs: &Dirs, id: &str, key: &str) -> String {
    let request = posting("/v1/messages", &format!("x-api-key: {key}\r\n"), &small());
    say(
        dirs,
        id,
        "gateway.sock",
        &String::from_utf8_lossy(&request).replace("Host: localhost", "Host: silo:80").into_bytes(),
    )
}

#[test]
fn a_key_opens_something_on_its_own_agents_socket_alone() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let ((one, own), (two, others)) = (wall_with_key(&dirs, "a-1"), wall_with_key(&dirs, "a-2"));
    hold(&dirs, &one);
    hold(&dirs, &two);
    let nobodys = scene.key("1", &[]);
    let answer = ask(&dirs, "a-1", &own);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("hello"), "{answer}");
    assert!(ask(&dirs, "a-2", &others).starts_with("HTTP/1.1 200"));
    for (id, key) in [("a-2", &own), ("a-1", &others), ("a-1", &nobodys)] {
        let answer = ask(&dirs, id, key);
        assert!(answer.starts_with("HTTP/1.1 403") && answer.contains("\"other_place\""), "{answer}");
    }
    assert!(ask(&dirs, "a-1", "sk-silo-none").contains("\"unknown_key\""));
    let (head, body) = scene.post("/v1/messages", &own, &small());
    assert!(head.starts_with("HTTP/1.1 403") && body.contains("\"other_place\""), "{head}{body}");
    assert!(scene.post("/v1/messages", &nobodys, &small()).0.starts_with("HTTP/1.1 200"));
    let mode = |path: PathBuf| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(socket(&dirs, "a-1", "gateway.sock")), mode(wall::sockets(&dirs, "a-1"))), (0o600, 0o700));
    keys::revoke_agent(&dirs, "a-1").expect("it is writable");
    assert!(ask(&dirs, "a-1", &own).contains("\"unknown_key\""), "a key that was taken back opens nothing at once");
    assert_eq!(scene.reached(), 3);
}

#[test]
fn each_of_many_sockets_is_served() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let to = ([127, 0, 0, 1], server(echo)).into();
    // More than an agent has connections at once.
    let services: Vec<Service> = (1..=130).map(|port| Service { name: "db".into(), port, to }).collect();
    hold(&dirs, &Wall { id: "a-1".into(), services, ..Wall::default() });
    // From the last on, and each stays open.
    let mut all = Vec::new();
    for port in (3..=130).rev() {
        let path = socket(&dirs, "a-1", &format!("db.{port}.sock"));
        let mut open = UnixStream::connect(&path).expect("the gateway listens");
        open.set_read_timeout(Some(SOON)).expect("a socket can be set so");
        let mut heard = [0; 5];
        open.write_all(b"hello").expect("it is taken");
        open.read_exact(&mut heard).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(&heard, b"hello");
        all.push(open);
    }
    // 128 are open: the next one waits for one of them.
    let mut next = UnixStream::connect(socket(&dirs, "a-1", "db.1.sock")).expect("the gateway listens");
    next.set_read_timeout(Some(Duration::from_millis(300))).expect("a socket can be set so");
    next.write_all(b"a").expect("it is sent");
    assert!(next.read(&mut [0]).is_err(), "more than 128 at once");
    drop(all.pop());
    next.set_read_timeout(Some(SOON)).expect("a socket can be set so");
    assert_eq!(next.read(&mut [0]).expect("it comes"), 1);
}

#[test]
fn a_service_is_reached_until_it_is_taken_back() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let to = |port: u16| ([127, 0, 0, 1], port).into();
    let dead = crate::sandbox::free_ports::<1>()[0];
    let services = vec![
        Service { name: "db".into(), port: 5432, to: to(server(echo)) },
        Service { name: "dead".into(), port: 1, to: to(dead) },
    ];
    let mut held = Wall { id: "a-1".into(), services, ..Wall::default() };
    hold(&dirs, &held);
    let path = socket(&dirs, "a-1", "db.5432.sock");
    let mut open = UnixStream::connect(&path).expect("the gateway listens");
    open.set_read_timeout(Some(SOON)).expect("a socket can be set so");
    let mut heard = [0; 5];
    open.write_all(b"hello").expect("it is taken");
    open.read_exact(&mut heard).expect("it comes back");
    assert_eq!(&heard, b"hello");
    assert_eq!(say(&dirs, "a-1", "dead.1.sock", b""), "", "nobody listens there");
    // Another agent's coming changes nothing for this one.
    hold(&dirs, &Wall { id: "a-2".into(), ..Wall::default() });
    open.write_all(b"again").expect("it is taken");
    open.read_exact(&mut heard).expect("it comes back");
    // What it may reach is changed, then nothing any more.
    held.services.truncate(1);
    held.services[0].port = 5433;
    hold(&dirs, &held);
    assert_eq!(open.read(&mut heard).unwrap_or(0), 0, "the connection has ended");
    assert!(!path.exists() && !socket(&dirs, "a-1", "dead.1.sock").exists());
    let mut open = UnixStream::connect(socket(&dirs, "a-1", "db.5433.sock")).expect("the gateway listens");
    open.set_read_timeout(Some(SOON)).expect("a socket can be set so");
    wall::remove(&dirs, "a-1").expect("it is ours");
    assert_eq!(open.read(&mut heard).unwrap_or(0), 0, "the connection has ended");
    assert!(!wall::sockets(&dirs, "a-1").exists());
    assert!(wall::wait_until_listening(&dirs, "a-1", Duration::ZERO).is_err());
    assert!(socket(&dirs, "a-2", "gateway.sock").exists());
}

#[test]
fn a_gateway_that_was_killed_and_started_anew_listens_again() {
    let mut scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let (wall, key) = wall_with_key(&dirs, "a-1");
    hold(&dirs, &wall);
    let folder = fs::metadata(wall::sockets(&dirs, "a-1")).expect("it is there");
    for killed in [true, false] {
        if killed {
            scene.kill();
        } else {
            scene.stop();
        }
        assert!(UnixStream::connect(socket(&dirs, "a-1", "gateway.sock")).is_err());
        scene.start();
        wall::wait_until_listening(&dirs, "a-1", SOON).expect("the gateway listens");
        assert!(ask(&dirs, "a-1", &key).starts_with("HTTP/1.1 200"));
    }
    // What the relay has mounted is still that folder.
    let now = fs::metadata(wall::sockets(&dirs, "a-1")).expect("it is there");
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&folder), std::os::unix::fs::MetadataExt::ino(&now));
    // A socket that somebody has removed comes back by itself.
    fs::remove_file(socket(&dirs, "a-1", "gateway.sock")).expect("it is ours");
    wall::wait_until_listening(&dirs, "a-1", SOON).expect("the gateway listens");
}

#[test]
fn without_providers_it_serves_agents_all_the_same() {
    let sandbox = Sandbox::new();
    let dirs = dirs(&sandbox);
    let mut command = sandbox.command(crate::proxy::PROXY, "");
    command.args(["gateway", "--port", "0"]);
    sandbox.finish(command).exit(1).stderr_has("names no provider");
    let (wall, key) = wall_with_key(&dirs, "a-1");
    wall::write(&dirs, &wall).expect("it is writable");
    let mut scene = Scene::without_file(sandbox);
    wall::wait_until_listening(&dirs, "a-1", SOON).expect("the gateway listens");
    let answer = ask(&dirs, "a-1", &key);
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("\"model_not_found\""), "{answer}");
    assert!(answer.contains("\"type\":\"error\""), "{answer}");
    scene.kill();
}

#[test]
fn paths_that_are_too_long_for_a_socket_work_on_linux() {
    let sandbox = Sandbox::new();
    let long = sandbox.path(format!("state/{}", "long-".repeat(30)));
    let dirs = Dirs { state: long.join("silo"), ..dirs(&sandbox) };
    let (wall, _) = wall_with_key(&dirs, "a-1");
    wall::write(&dirs, &wall).expect("it is writable");
    let mut command = sandbox.command(crate::proxy::PROXY, "");
    command.args(["gateway", "--port", "0"]).env("XDG_STATE_HOME", &long);
    let mut child = command.stderr(std::process::Stdio::null()).spawn().expect("it can be started");
    let listens = wall::wait_until_listening(&dirs, "a-1", SOON);
    child.kill().expect("it runs");
    child.wait().expect("it was killed");
    if cfg!(target_os = "linux") {
        listens.expect("the gateway listens");
    } else {
        listens.expect_err("the path is too long");
    }
}

#[test]
fn a_wall_that_is_not_understood_opens_nothing_and_is_told_once() {
    let mut scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    hold(&dirs, &Wall { id: "a-1".into(), ..Wall::default() });
    for text in
        ["{", "{\"id\":\"a-2\"}", "{\"id\":\"a-1\",\"services\":[{\"name\":\"x\",\"port\":1,\"to\":\"192.0.2.1:1\"}]}"]
    {
        own_file(&scene.sandbox, "state/silo/agents/a-1/wall.json", text);
        // Another one's coming has all of them looked at.
        hold(&dirs, &Wall { id: "a-3".into(), ..Wall::default() });
        let start = Instant::now();
        while socket(&dirs, "a-1", "gateway.sock").exists() {
            assert!(start.elapsed() < SOON, "it still listens: {text}");
            std::thread::sleep(Duration::from_millis(20));
        }
        wall::remove(&dirs, "a-3").expect("it is ours");
    }
    let told = scene.told();
    assert_eq!(told.matches("cannot be understood, so the agent reaches nothing").count(), 3, "{told}");
    scene.kill();
}

#[test]
fn an_agent_that_fills_its_own_socket_hinders_no_other() {
    let scene = Scene::saying(message(1, 1));
    let dirs = dirs(&scene.sandbox);
    let ((one, own), (two, others)) = (wall_with_key(&dirs, "a-1"), wall_with_key(&dirs, "a-2"));
    hold(&dirs, &one);
    hold(&dirs, &two);
    let large =
        format!("POST /v1/messages HTTP/1.1\r\nHost: x\r\nx-api-key: {own}\r\nContent-Length: 33000000\r\n\r\n{{");
    let open: Vec<UnixStream> = (0..300)
        .filter_map(|_| {
            let mut stream = UnixStream::connect(socket(&dirs, "a-1", "gateway.sock")).ok()?;
            stream.write_all(large.as_bytes()).ok()?;
            Some(stream)
        })
        .collect();
    assert!(open.len() > 100, "{}", open.len());
    for _ in 0..5 {
        let start = Instant::now();
        assert!(ask(&dirs, "a-2", &others).starts_with("HTTP/1.1 200"));
        assert!(start.elapsed() < SOON, "{:?}", start.elapsed());
    }
    let plain = scene.key("1", &[]);
    assert!(scene.post("/v1/messages", &plain, &small()).0.starts_with("HTTP/1.1 200"));
}
