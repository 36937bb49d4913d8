//! What nobody uses is stopped (D31), on a real engine: by who connects, and by nothing that silo remembers of what runs.

use std::fs;
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::engine::{Engine, get, until};
use crate::engine_heal::{container, running, wanted};
use crate::engine_heal_watch::Watch;
use crate::sandbox::free_ports;

/// The time after which what is not used is stopped.
const IDLE: Duration = Duration::from_secs(3);

const COMPOSE: &str = r#"services:
  db:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sh, -c, "echo db > /tmp/index.html; exec httpd -f -p 5432 -h /tmp"]
    ports: ["@DB@:5432"]
  worker:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sleep, "10000"]
"#;

fn up(engine: &Engine, dir: &str, place: &str) {
    let [db] = free_ports();
    let place = place.replace("PLACE", &format!("\"{db}:db:5432\""));
    let root = engine.sandbox.trusted(dir, &format!("version = 1\n[compose.ports]\nDB_PORT = {place}\n"));
    fs::write(root.join("compose.yaml"), COMPOSE.replace("@DB@", &db.to_string())).expect("writable");
    engine.silo(dir, "up -d").success();
}

/// Holds for longer than what is not used is left running.
fn stays(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    until("that time is over", || {
        assert!(is_so(), "not so: {what}");
        start.elapsed() > IDLE * 2
    });
}

#[test]
fn engine_what_nobody_is_connected_to_is_stopped_and_comes_back_with_all_it_had() {
    let engine = Engine::new();
    let settings = engine.sandbox.path("config/silo");
    fs::create_dir_all(&settings).expect("writable");
    fs::write(settings.join("config.toml"), "idle = \"3s\"\n").expect("writable");
    up(&engine, "one", "PLACE");
    up(&engine, "open", "{ to = PLACE, bind = \"0.0.0.0\" }");
    let connect = || TcpStream::connect(("127.0.0.1", engine.port("one", "DB_PORT"))).expect("it listens");
    // Ends it so that nothing is left of it to wait for.
    let end = |stream: TcpStream| {
        rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("it is one");
    };
    let name = engine.sandbox.instance("one");
    let stream = connect();
    let watch = Watch::start(&engine);
    stays("somebody is connected", || running(&engine, "one") == "db worker");

    // Somebody is inside, and connected to nothing.
    let mut inside = engine.command("docker", "");
    inside.args(["exec", "--interactive", &container(&engine, "one", "worker"), "cat"]).stdin(Stdio::piped());
    let mut inside = inside.spawn().expect("it starts");
    let sessions = ["inspect", "--format", "{{len .ExecIDs}}", &container(&engine, "one", "worker")];
    until("it is inside", || engine.docker(&sessions).stdout.trim() == "1");
    end(stream);
    stays("somebody is inside", || running(&engine, "one") == "db worker");
    drop(inside.stdin.take());
    inside.wait().expect("it is our child");

    let ids =
        || engine.docker(&["ps", "--all", "--quiet", "--filter", &format!("name={}", engine.project("one"))]).stdout;
    let before = ids();
    until("nobody uses it", || running(&engine, "one").is_empty());
    let line = format!("{name}: nobody used it for 3s, and its services are stopped; `silo up -d` or a gate brings");
    until("it says so", || watch.said().contains(&line));
    assert_eq!(wanted(&engine, "one"), "", "it is no longer wanted");
    assert_eq!(ids(), before, "the containers are there, and what they have");
    stays("it is no crash", || running(&engine, "one").is_empty());

    // Back by `up`, and by what a gate needs.
    engine.silo("one", "up -d").success();
    until("it answers", || get(engine.port("one", "DB_PORT"), "/") == "db");
    assert_eq!(ids(), before);
    assert_eq!(wanted(&engine, "one"), "services:db services:worker");

    // What is published for others is used by whom nobody sees.
    assert_eq!(running(&engine, "open"), "db worker");
    engine.silo("one", "down").success();
    engine.silo("open", "down").success();
    let said = watch.end();
    assert_eq!(said.matches("nobody used it").count(), 1, "{said}");
}
