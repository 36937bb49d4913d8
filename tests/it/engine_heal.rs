//! `silo heal` on a real engine (D31): what was up is up again, and what the user stopped stays stopped.

use std::fs;

use serde_json::Value;

use crate::engine::{Engine, get, until};
use crate::engine_heal_watch::Watch;
use crate::sandbox::{Ran, close, free_ports};

const COMPOSE: &str = r#"services:
  db:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sh, -c, "echo db > /data/index.html; exec httpd -f -p 5432 -h /data"]
    ports: ["@DB@:5432"]
  web:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sleep, "10000"]
    depends_on:
      db: { condition: service_started }
      migrate: { condition: service_completed_successfully }
  migrate:
    image: silo-test-box
    command: [sh, -c, "echo ran >> /log/ran"]
    volumes: ["./log:/log"]
  kept:
    image: silo-test-box
    stop_grace_period: 0s
    restart: always
    command: [sleep, "10000"]
"#;

/// A project whose services are up.
pub(crate) fn up(engine: &Engine, dir: &str) {
    let [db] = free_ports();
    let root = engine.sandbox.trusted(dir, &format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n"));
    fs::create_dir_all(root.join("log")).expect("writable");
    fs::write(root.join("compose.yaml"), COMPOSE.replace("@DB@", &db.to_string())).expect("writable");
    engine.silo(dir, "up -d").success();
}

/// What of an instance is wanted, in a line.
pub(crate) fn wanted(engine: &Engine, dir: &str) -> String {
    let name = engine.sandbox.instance(dir);
    let all: Value = serde_json::from_slice(&engine.silo(dir, "list --json").success().bytes).expect("it is JSON");
    let one = all.as_array().expect("a list").iter().find(|one| one["instance"] == *name).expect("it is there");
    let words = |value: &Value| {
        value.as_array().expect("a list").iter().map(|one| one.as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    let mut wanted = words(&one["wanted"]);
    wanted.sort_unstable();
    wanted.join(" ")
}

/// The containers of an instance that run, by service.
pub(crate) fn running(engine: &Engine, dir: &str) -> String {
    let filter = format!("label=com.docker.compose.project={}", engine.project(dir));
    let format = "{{.Label \"com.docker.compose.service\"}}";
    let out = engine.docker(&["ps", "--filter", &filter, "--format", format]).success().stdout;
    let mut names: Vec<&str> = out.lines().collect();
    names.sort_unstable();
    names.join(" ")
}

/// The process of a service that runs.
pub(crate) fn pid(engine: &Engine, dir: &str, service: &str) -> Option<i32> {
    let told = engine.docker(&["inspect", "-f", "{{.State.Pid}}", &container(engine, dir, service)]).stdout;
    told.trim().parse().ok().filter(|pid| *pid > 0)
}

/// Ends the process of a service that runs, as a crash does: nobody has told the engine to. Whether it ran.
pub(crate) fn crash(engine: &Engine, dir: &str, service: &str) -> bool {
    let process = pid(engine, dir, service).map(nix::unistd::Pid::from_raw);
    process.is_some_and(|pid| nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).is_ok())
}

pub(crate) fn container(engine: &Engine, dir: &str, service: &str) -> String {
    format!("{}-{service}-1", engine.project(dir))
}

fn heal(engine: &Engine, dir: &str) -> Ran {
    engine.silo(dir, "heal")
}

#[test]
fn engine_a_service_that_was_killed_or_removed_comes_back_and_nothing_else_is_touched() {
    let engine = Engine::new();
    up(&engine, "one");
    assert_eq!(wanted(&engine, "one"), "services:db services:kept services:web");
    let name = engine.sandbox.instance("one");
    heal(&engine, "one").success().stderr(&format!("{name}: all that is wanted is up\n"));
    let ids = |service: &str| {
        engine.docker(&["inspect", "-f", "{{.Id}}", &container(&engine, "one", service)]).success().stdout
    };
    let (web, db) = (ids("web"), ids("db"));

    engine.docker(&["kill", &container(&engine, "one", "db")]).success();
    assert_eq!(running(&engine, "one"), "kept web");
    let listed = engine.silo("one", "list").success().stdout;
    assert!(listed.contains("running, wanted: db"), "{listed}");
    let dry = engine.silo("one", "heal --dry-run").exit(1);
    assert!(dry.stderr.contains(&format!("{name}: would bring back db (Exited (137)")), "{dry:?}");
    assert_eq!(running(&engine, "one"), "kept web");
    heal(&engine, "one").success().stderr(&format!("{name}: brought back db\n"));
    until("the service answers", || get(engine.port("one", "DB_PORT"), "/") == "db");
    assert_eq!((ids("web"), ids("db")), (web.clone(), db), "both are the old containers");

    engine.docker(&["rm", "--force", &container(&engine, "one", "db")]).success();
    heal(&engine, "one").success().stderr(&format!("{name}: brought back db\n"));
    until("the service answers", || get(engine.port("one", "DB_PORT"), "/") == "db");
    assert_eq!(ids("web"), web);
    // What has done its work has done it once.
    let ran = fs::read_to_string(engine.sandbox.dir("one").join("log/ran")).expect("it ran");
    assert_eq!(ran, "ran\n");
}

#[test]
fn engine_what_the_user_stopped_stays_stopped() {
    let engine = Engine::new();
    up(&engine, "one");
    let name = engine.sandbox.instance("one");
    // The word of plain compose, in an active shell.
    engine.bash("one", "docker compose stop web").success();
    assert_eq!(wanted(&engine, "one"), "services:db services:kept");
    heal(&engine, "one").success().stderr(&format!("{name}: all that is wanted is up\n"));
    assert_eq!(running(&engine, "one"), "db kept");
    engine.bash("one", "docker compose kill -s HUP db; docker compose restart -t 0 kept").success();
    assert_eq!(wanted(&engine, "one"), "services:db services:kept");
    engine.bash("one", "docker compose up -d web").success();
    assert_eq!(wanted(&engine, "one"), "services:db services:kept services:web");
    // A second run of what had done its work is compose's own doing, as before silo.
    engine.docker(&["kill", &container(&engine, "one", "web")]).success();
    heal(&engine, "one").success().stderr(&format!("{name}: brought back web\n"));
    engine.bash("one", "docker compose down").success();
    assert_eq!(wanted(&engine, "one"), "");
    heal(&engine, "one").success().stderr(&format!("{name}: nothing is wanted up; `silo up -d` says what is\n"));
    assert_eq!(running(&engine, "one"), "");

    // Compose's own up wants the same services as silo's: what does its work and ends is none of them.
    engine.bash("one", "docker compose up -d").success();
    assert_eq!(wanted(&engine, "one"), "services:db services:kept services:web");
    engine.silo("one", "down").success();
    assert_eq!(wanted(&engine, "one"), "");
    heal(&engine, "one").success();
    assert_eq!(running(&engine, "one"), "");
}

#[test]
fn engine_nothing_is_healed_without_trust_with_a_broken_file_or_without_a_folder() {
    let engine = Engine::new();
    up(&engine, "one");
    let name = engine.sandbox.instance("one");
    engine.docker(&["rm", "--force", &container(&engine, "one", "db")]).success();
    let file = engine.sandbox.dir("one").join("silo.toml");
    let good = fs::read_to_string(&file).expect("it is there");
    fs::write(&file, format!("{good}# changed\n")).expect("writable");
    heal(&engine, "one")
        .exit(3)
        .stderr(&format!("{name}: nothing is done: its silo.toml has changed; `silo allow` trusts it\n"));
    engine.silo("", "heal --all").exit(3);
    fs::write(&file, "version = 1\n[compose\n").expect("writable");
    engine.silo("one", "heal").exit(3);
    engine.silo("one", "allow").exit(1);
    fs::write(&file, &good).expect("writable");
    assert_eq!(running(&engine, "one"), "kept web");
    // The folder is gone: what it holds is `prune`'s matter.
    let away = engine.sandbox.dir("away");
    fs::rename(engine.sandbox.dir("one"), &away).expect("writable");
    engine.silo("", "heal --all").exit(1).stderr_has("its folder is gone; `silo prune` frees what it holds");
    fs::rename(&away, engine.sandbox.dir("one")).expect("writable");
    engine.silo("", "heal --all").success().stderr_has(&format!("{name}: brought back db"));
    engine.silo("", format!("heal {name}")).success();
}

#[test]
fn engine_a_service_that_ends_again_and_again_is_given_up_and_up_tries_anew() {
    let engine = Engine::new();
    let root = engine.sandbox.trusted("one", "version = 1\n[compose]\n");
    fs::create_dir_all(root.join("run")).expect("writable");
    let compose = "services:\n  bad:\n    image: silo-test-box\n    stop_grace_period: 0s\n    command: [sh, -c, \
                   \"while [ -e /run/fine ]; do sleep 0.2; done; echo the disk is full; exit 3\"]\n    volumes: [\"./run:/run\"]\n";
    fs::write(root.join("compose.yaml"), compose).expect("writable");
    let fine = root.join("run/fine");
    fs::write(&fine, "").expect("writable");
    engine.silo("one", "up -d").success();
    let name = engine.sandbox.instance("one");
    fs::remove_file(&fine).expect("it is there");
    until("it has ended", || running(&engine, "one").is_empty());
    for nth in 1..=5 {
        let ran = heal(&engine, "one").exit(1);
        assert!(ran.stderr.contains(&format!("{name}: bad is down: ")), "{ran:?}");
        assert_eq!(ran.stderr.contains("  | the disk is full\n"), nth == 5, "{nth}: {ran:?}");
        assert_eq!(ran.stderr.contains("given up"), nth == 5, "{nth}: {ran:?}");
    }
    let log = engine.sandbox.path("state/silo/heal.jsonl");
    let events = fs::read_to_string(&log).expect("it is there");
    assert_eq!(events.matches("\"what\":\"tried\"").count(), 5, "{events}");
    assert!(!events.contains("the disk is full"), "what a service logs is stored nowhere: {events}");
    let ran = heal(&engine, "one").exit(1);
    assert!(ran.stderr.contains("given up after 5 tries (Exited (3)"), "{ran:?}");
    assert_eq!(fs::read_to_string(&log).expect("it is there"), events, "no further try");
    let json: Value = serde_json::from_slice(&engine.silo("one", "heal --json").exit(1).bytes).expect("it is JSON");
    assert_eq!(json["healed"], Value::Array(Vec::new()));
    assert!(
        json["givenUp"]["services:bad"].as_str().is_some_and(|why| why.starts_with("given up after 5 tries")),
        "{json}"
    );
    engine.doctor_says("one", "doctor --json", &["\"fix\": \"silo up -d -C $SANDBOX/projects/one\""]);
    fs::write(&fine, "").expect("writable");
    engine.silo("one", "up -d").success();
    engine.docker(&["kill", &container(&engine, "one", "bad")]).success();
    heal(&engine, "one").success().stderr(&format!("{name}: brought back bad\n"));
}

#[test]
fn engine_a_network_that_is_gone_and_a_port_that_is_taken() {
    let engine = Engine::new();
    up(&engine, "one");
    let name = engine.sandbox.instance("one");
    let project = engine.project("one");
    engine.docker(&["kill", &container(&engine, "one", "db"), &container(&engine, "one", "web")]).success();
    engine
        .docker(&["rm", "--force", &container(&engine, "one", "kept"), &container(&engine, "one", "migrate")])
        .success();
    engine.docker(&["network", "rm", &format!("{project}_default")]).success();
    heal(&engine, "one").success().stderr(&format!("{name}: brought back db, kept, web\n"));
    assert_eq!(running(&engine, "one"), "db kept web");
    until("the service answers", || get(engine.port("one", "DB_PORT"), "/") == "db");

    engine.docker(&["rm", "--force", &container(&engine, "one", "db")]).success();
    let port = engine.port("one", "DB_PORT");
    let mut stranger = None;
    until("the port is free", || {
        stranger = std::net::TcpListener::bind(("127.0.0.1", port)).ok();
        stranger.is_some()
    });
    let ran = heal(&engine, "one").exit(1);
    assert!(ran.stderr.contains(&format!("db is down: port {port} (DB_PORT) is held by")), "{ran:?}");
    assert_eq!(engine.port("one", "DB_PORT"), port, "no port moves");
    close(stranger.expect("it has the port"));
    heal(&engine, "one").success();
    until("the service answers", || get(port, "/") == "db");
}

#[test]
fn engine_an_image_that_is_gone_is_told_once_and_the_others_come_back() {
    let engine = Engine::new();
    // Of a registry on a port where nobody listens: what is missing is not available, and that is known at once.
    let image = format!("127.0.0.1:1/silo-test-gone:{}", std::process::id());
    engine.docker(&["tag", "silo-test-box", &image]).success();
    let root = engine.sandbox.trusted("one", "version = 1\n[compose]\n");
    let service = |name: &str, image: &str| {
        format!("  {name}:\n    image: {image}\n    stop_grace_period: 0s\n    command: [sleep, \"10000\"]\n")
    };
    let compose = format!("services:\n{}{}", service("db", "silo-test-box"), service("web", &image));
    fs::write(root.join("compose.yaml"), compose).expect("writable");
    engine.silo("one", "up -d").success();
    let name = engine.sandbox.instance("one");
    engine.docker(&["rm", "--force", &container(&engine, "one", "db"), &container(&engine, "one", "web")]).success();
    engine.docker(&["rmi", &image]).success();
    let watch = Watch::start(&engine);
    until("the other one is back", || running(&engine, "one") == "db");
    let failures = || fs::read_to_string(engine.sandbox.path("state/silo/heal.jsonl")).unwrap_or_default();
    until("it was tried again", || failures().matches("\"what\":\"failed\"").count() > 1);
    engine.silo("one", "down").success();
    let said = watch.end();
    assert!(said.contains(&format!("{name}: brought back db\n")), "{said}");
    assert_eq!(said.matches("web is down: ").count(), 1, "{said}");
}

#[test]
fn engine_what_has_a_restart_policy_is_the_engines_to_start_again() {
    let engine = Engine::new();
    let root = engine.sandbox.trusted("one", "version = 1\n[compose]\n");
    fs::create_dir_all(root.join("run")).expect("writable");
    let compose = "services:\n  again:\n    image: silo-test-box\n    restart: on-failure\n    stop_grace_period: 0s\n    \
                   command: [sleep, \"10000\"]\n  twice:\n    image: silo-test-box\n    restart: \"on-failure:1\"\n    \
                   stop_grace_period: 0s\n    command: [sh, -c, \"while [ -e /run/fine ]; do sleep 0.2; done; exit 3\"]\n    \
                   volumes: [\"./run:/run\"]\n";
    fs::write(root.join("compose.yaml"), compose).expect("writable");
    fs::write(root.join("run/fine"), "").expect("writable");
    engine.silo("one", "up -d").success();
    let before = pid(&engine, "one", "again").expect("it runs");
    crash(&engine, "one", "again");
    until("the engine has started it again", || pid(&engine, "one", "again").is_some_and(|pid| pid != before));
    fs::remove_file(root.join("run/fine")).expect("it is there");
    let state = || {
        let format = "{{.State.Status}} {{.RestartCount}}";
        engine.docker(&["inspect", "-f", format, &container(&engine, "one", "twice")]).success().stdout
    };
    until("the engine has given it up", || state() == "exited 1\n");
    let told = heal(&engine, "one").success();
    let json: Value = serde_json::from_slice(&engine.silo("one", "heal --json").success().bytes).expect("it is JSON");
    let left = serde_json::json!({ "services:twice": "the engine starts it again, as its restart policy says" });
    assert_eq!(json["left"], left, "{told:?}");
    assert_eq!(state(), "exited 1\n");
    let events = fs::read_to_string(engine.sandbox.path("state/silo/heal.jsonl")).expect("it is there");
    assert!(!events.contains("tried"), "{events}");
}
