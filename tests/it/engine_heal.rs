//! `silo heal` on a real engine (D31): what was up is up again, and what the user stopped stays stopped.

use std::fs;

use serde_json::Value;

use crate::engine::{Engine, get, until};
use crate::sandbox::{Ran, free_ports};

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
fn up(engine: &Engine, dir: &str) {
    let [db] = free_ports();
    let root = engine.sandbox.trusted(dir, &format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n"));
    fs::create_dir_all(root.join("log")).expect("writable");
    fs::write(root.join("compose.yaml"), COMPOSE.replace("@DB@", &db.to_string())).expect("writable");
    engine.silo(dir, "up -d").success();
}

/// What of an instance is wanted, in a line.
fn wanted(engine: &Engine, dir: &str) -> String {
    let name = engine.sandbox.instance(dir);
    let all: Value = serde_json::from_slice(&engine.silo(dir, "list --json").success().bytes).expect("it is JSON");
    let one = all.as_array().expect("a list").iter().find(|one| one["instance"] == *name).expect("it is there");
    let words = |value: &Value| {
        value.as_array().expect("a list").iter().map(|one| one.as_str().expect("text").to_owned()).collect::<Vec<_>>()
    };
    words(&one["wanted"]).join(" ")
}

/// The containers of an instance that run, by service.
fn running(engine: &Engine, dir: &str) -> String {
    let filter = format!("label=com.docker.compose.project={}", engine.project(dir));
    let format = "{{.Label \"com.docker.compose.service\"}}";
    let out = engine.docker(&["ps", "--filter", &filter, "--format", format]).success().stdout;
    let mut names: Vec<&str> = out.lines().collect();
    names.sort_unstable();
    names.join(" ")
}

fn container(engine: &Engine, dir: &str, service: &str) -> String {
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
    assert_eq!((ids("web"), ids("db")), (web.clone(), db), "both are the containers of before");

    engine.docker(&["rm", "--force", &container(&engine, "one", "db")]).success();
    heal(&engine, "one").success().stderr(&format!("{name}: brought back db\n"));
    until("the service answers", || get(engine.port("one", "DB_PORT"), "/") == "db");
    assert_eq!(ids("web"), web);
    // What has done its work has done it once.
    let ran = fs::read_to_string(engine.sandbox.dir("one").join("log/ran")).expect("it ran");
    assert_eq!(ran, "ran\n");
}
