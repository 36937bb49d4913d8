//! `silo heal --watch` on a real engine (D31): a crash is told from the user's decision, and what keeps something down is said once.

use std::fs;
use std::net::TcpListener;

use crate::engine::{Engine, get, until};
use crate::engine_heal::{container, crash, running, up, wanted};

/// A watch of all instances, which ends with the test.
pub(crate) struct Watch(std::process::Child, std::path::PathBuf);

impl Watch {
    pub(crate) fn start(engine: &Engine) -> Self {
        let log = engine.sandbox.path("watch.log");
        let file = fs::File::create(&log).expect("writable");
        let mut command = engine.command(crate::sandbox::SILO, "");
        command.args(["heal", "--watch", "--all", "--every", "1s"]).stderr(file);
        let watch = Self(command.spawn().expect("it starts"), log);
        until("it watches", || watch.said().contains("Watching"));
        watch
    }

    pub(crate) fn said(&self) -> String {
        fs::read_to_string(&self.1).unwrap_or_default()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Ends it by a signal, and returns what it said.
    pub(crate) fn end(mut self) -> String {
        let pid = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("it runs");
        assert_eq!(self.0.wait().expect("it is our child").code(), Some(0), "{}", self.said());
        self.said()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn engine_a_watch_tells_a_crash_from_a_kill_by_the_user() {
    let engine = Engine::new();
    up(&engine, "one");
    let name = engine.sandbox.instance("one");
    let watch = Watch::start(&engine);
    // A crash: the process ends, and nobody has told the engine to end it.
    assert!(crash(&engine, "one", "db"));
    until("it is back", || {
        watch.said().contains(&format!("{name}: brought back db")) && running(&engine, "one") == "db kept web"
    });
    engine.docker(&["rm", "--force", &container(&engine, "one", "web")]).success();
    until("what was removed by hand counts as stopped by hand", || {
        wanted(&engine, "one") == "services:db services:kept"
    });
    engine.docker(&["kill", &container(&engine, "one", "db")]).success();
    until("it is no longer wanted", || wanted(&engine, "one") == "services:kept");
    until("it says so", || watch.said().contains(&format!("{name}: db was stopped by hand")));
    assert_eq!(running(&engine, "one"), "kept");
    engine.silo("one", "up -d").success();
    assert_eq!(wanted(&engine, "one"), "services:db services:kept services:web");
    engine.silo("one", "down").success();
    let said = watch.end();
    assert_eq!(running(&engine, "one"), "", "{said}");
    assert_eq!(said.matches("brought back").count(), 1, "{said}");
}

#[test]
fn engine_a_watch_makes_what_lost_its_network_anew() {
    let engine = Engine::new();
    let root = engine.sandbox.trusted("one", "version = 1\n[compose]\n");
    let compose =
        "services:\n  db:\n    image: silo-test-box\n    stop_grace_period: 0s\n    command: [sleep, \"10000\"]\n";
    fs::write(root.join("compose.yaml"), compose).expect("writable");
    engine.silo("one", "up -d").success();
    let name = engine.sandbox.instance("one");
    let network = format!("{}_default", engine.project("one"));
    let watch = Watch::start(&engine);
    // The watch may be faster than whoever removes it.
    until("the network is gone", || {
        crash(&engine, "one", "db");
        engine.docker(&["network", "rm", &network]).code() == Some(0)
    });
    until("it is back", || running(&engine, "one") == "db");
    engine.docker(&["network", "inspect", &network]).success();
    until("it says so", || watch.said().contains(&format!("{name}: brought back db")));
    engine.silo("one", "down").success();
    watch.end();
}

#[test]
fn engine_a_watch_says_once_that_a_config_may_not_act_and_goes_on_with_the_others() {
    let engine = Engine::new();
    up(&engine, "one");
    up(&engine, "two");
    let other = engine.sandbox.instance("two");
    let file = engine.sandbox.dir("one").join("silo.toml");
    let good = fs::read_to_string(&file).expect("it is there");
    let watch = Watch::start(&engine);
    fs::write(&file, format!("{good}# changed\n")).expect("writable");
    assert!(crash(&engine, "one", "db"));
    until("it says why", || watch.said().contains("it has changed since it was trusted"));
    fs::remove_file(&file).expect("it is there");
    until("it says what is missing now", || watch.said().contains("No config file at"));
    // What comes later is seen, so it has looked again meanwhile.
    assert!(crash(&engine, "two", "db"));
    until("the other one is back", || watch.said().contains(&format!("{other}: brought back db")));
    assert_eq!(running(&engine, "one"), "kept web");
    fs::write(&file, &good).expect("writable");
    until("it is trusted and back", || running(&engine, "one") == "db kept web");
    engine.silo("", "down -C one").code();
    let said = watch.end();
    assert_eq!(said.matches("it has changed since it was trusted").count(), 1, "{said}");
    assert_eq!(said.matches("No config file at").count(), 1, "{said}");
}

#[test]
fn engine_a_port_that_a_stranger_has_is_named_once_and_waited_for() {
    let engine = Engine::new();
    up(&engine, "one");
    let name = engine.sandbox.instance("one");
    let port = engine.port("one", "DB_PORT");
    let watch = Watch::start(&engine);
    let mut stranger = None;
    until("a stranger has the port", || {
        crash(&engine, "one", "db");
        stranger = TcpListener::bind(("127.0.0.1", port)).ok();
        stranger.is_some()
    });
    let named = format!("port {port} (DB_PORT) is held by");
    until("it is named", || watch.said().contains(&named));
    // The rest of the instance does not wait for it.
    assert!(crash(&engine, "one", "web"));
    until("the other one is back", || watch.said().contains(&format!("{name}: brought back web")));
    let events = || fs::read_to_string(engine.sandbox.path("state/silo/heal.jsonl")).expect("it is there");
    assert!(events().contains("\"what\":\"taken\""), "{}", events());
    drop(stranger);
    until("it is back", || running(&engine, "one") == "db kept web" && get(port, "/") == "db");
    assert_eq!(engine.port("one", "DB_PORT"), port, "no port moves");
    engine.silo("one", "down").success();
    let said = watch.end();
    assert_eq!(said.matches(&named).count(), 1, "{said}");
}
