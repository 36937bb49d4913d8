//! What an engine's end and its new start leave: a private engine with a network of its own is ended as by a machine that goes down,
//! and started again (D26, D27, D31). Needs root and Linux.

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use silo::sys::dns;

use crate::engine::{Engine, until};
use crate::engine_heal::{crash, pid, running, wanted};
use crate::engine_heal_watch::Watch;
use crate::machine::registry;
use crate::sandbox::Ran;

/// Two servers, one of which ends with success when it is told to, as Postgres and nginx do; and one that does its work and ends.
const COMPOSE: &str = r#"x-box: &box
  image: silo-test-box
services:
  web:
    <<: *box
    command: [sh, -c, "trap 'exit 0' TERM; echo web > /tmp/index.html; httpd -f -p 80 -h /tmp & wait"]
    expose: ["80"]
  db:
    <<: *box
    stop_grace_period: 0s
    command: [httpd, -f, -p, "5432", -h, /tmp]
  job:
    <<: *box
    command: [sh, -c, "echo ran >> /log/ran; until [ -e /log/go ]; do sleep 1; done"]
    volumes: ["./log:/log"]
"#;

/// An engine that only this test has, until it is dropped.
struct Own {
    engine: Engine,
    run: String,
}

/// Runs `act` on an engine of its own, in a network of its own: only this thread and what it starts is in it.
fn alone(act: impl FnOnce(&Own) + Send) {
    std::thread::scope(|scope| {
        let ran = scope.spawn(|| {
            // SAFETY: it takes away nothing but this thread's network.
            #[expect(unsafe_code, reason = "there is no other way to call it for a thread")]
            let apart = unsafe { nix::libc::unshare(nix::libc::CLONE_NEWNET) };
            assert_eq!(apart, 0, "it takes root: {}", std::io::Error::last_os_error());
            assert!(Command::new("ip").args(["link", "set", "lo", "up"]).status().expect("it is there").success());
            let own = Own::start();
            act(&own);
        });
        if let Err(panic) = ran.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Runs `tests/engine`.
fn call(words: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/engine");
    let folder = tempfile::tempfile().expect("there is room");
    // The engine has the pipes of who starts it, and so no pipe ends.
    let told = folder.try_clone().expect("it is open");
    let status = Command::new(script).args(words).stdout(folder).stderr(std::process::Stdio::null()).status();
    assert!(status.expect("it is there").success(), "{words:?}");
    let mut told = told;
    std::io::Seek::rewind(&mut told).expect("it is a file");
    std::io::read_to_string(told).expect("it is text")
}

impl Own {
    fn start() -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/target/engine");
        let told = call(&["own", folder]);
        let of = |wanted: &str| {
            let mut settings = told.split_whitespace().filter_map(|setting| setting.split_once('='));
            settings.find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
        };
        let found = ["DOCKER_HOST", "DOCKER_CONFIG"].into_iter().filter_map(|name| Some((name, of(name)?.into())));
        Self { engine: Engine::found_by(found.collect()), run: of("SILO_TEST_ENGINE_RUN").expect("it says where") }
    }

    fn restart(&self) {
        call(&["restart", &self.run]);
    }

    fn silo(&self, words: &str) -> Ran {
        self.engine.silo("app", words)
    }

    /// A project with names and addresses, which is up, and whose one-off has done its work.
    fn up(&self) {
        let root = self.engine.sandbox.trusted("app", "version = 1\n[compose]\nnetwork = \"subnet\"\n");
        fs::create_dir(root.join("log")).expect("it is ours");
        fs::write(root.join("compose.yaml"), COMPOSE).expect("it is ours");
        self.silo("dns up").success();
        self.up_again();
    }

    /// Brings it up; the one-off ends only once all of them are wanted.
    fn up_again(&self) {
        let go = self.engine.sandbox.dir("app/log/go");
        let _ = fs::remove_file(&go);
        self.silo("up -d").success();
        assert_eq!(wanted(&self.engine, "app"), "services:db services:job services:web", "all of them ran");
        fs::write(&go, "").expect("it is ours");
        until("its work is done", || running(&self.engine, "app") == "db web");
    }

    /// The remembered address of a service.
    fn held(&self, service: &str) -> Ipv4Addr {
        let leases = registry(&self.engine.sandbox);
        let mut addresses = leases.instances[0].service_addresses();
        addresses.find(|(name, _)| *name == service).expect("it has one").1
    }

    /// What the name server says of a service, and whether a server answers there.
    fn reached(&self, service: &str, port: u16) -> Option<Ipv4Addr> {
        let name = format!("{service}.{}.test", self.engine.sandbox.instance("app"));
        let at = dns::ask(5354, &name, Duration::from_secs(2)).ok().flatten()?;
        std::net::TcpStream::connect_timeout(&(at, port).into(), Duration::from_secs(2)).ok().map(|_| at)
    }

    fn both(&self) -> [Option<Ipv4Addr>; 2] {
        [self.reached("web", 80), self.reached("db", 5432)]
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.engine.sandbox.dir("app/log/ran")).expect("it ran").lines().count()
    }

    /// Waits until it is longer ago that something ended than an engine needs for its end.
    fn age(&self, service: &str) {
        let container = format!("{}-{service}-1", self.engine.project("app"));
        let ended = self.engine.docker(&["inspect", "-f", "{{.State.FinishedAt}}", &container]).success();
        // The sandbox shows no times, and so they are read as they came.
        let ended = silo::sys::clock::parse(String::from_utf8_lossy(&ended.bytes).trim()).expect("it is a time");
        until("it ended a while ago", || SystemTime::now().duration_since(ended).is_ok_and(|ago| ago.as_secs() >= 17));
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _ = self.engine.command(crate::sandbox::SILO, "").args(["dns", "down"]).output();
        call(&["stop", &self.run]);
    }
}

#[test]
fn addresses_and_names_are_the_same_after_down_up_and_a_restart_of_the_engine() {
    alone(|own| {
        own.up();
        let addresses = [own.held("web"), own.held("db")].map(Some);
        until("names lead there", || own.both() == addresses);
        own.silo("down").success();
        assert_eq!(own.both(), [None, None]);
        own.up_again();
        until("the same ones again", || own.both() == addresses);
        own.age("job");
        own.restart();
        assert_eq!(running(&own.engine, "app"), "", "nothing is started by the engine");
        let said = own.silo("heal --dry-run").exit(1);
        assert!(
            said.stderr.contains("would bring back db") && said.stderr.contains("would bring back web"),
            "{said:#?}"
        );
        let before = own.runs();
        own.silo("heal").success();
        assert_eq!(
            (running(&own.engine, "app").as_str(), own.runs()),
            ("db web", before),
            "the work is not done twice"
        );
        until("the same ones after that", || own.both() == addresses);
        assert_eq!([own.held("web"), own.held("db")].map(Some), addresses);
        // What ended with success while the engine was there has done its work, or somebody has stopped it.
        let web = format!("{}-web-1", own.engine.project("app"));
        own.engine.docker(&["stop", &web]).success();
        own.silo("heal").success();
        assert_eq!(running(&own.engine, "app"), "db");
    });
}

#[test]
fn a_watch_lives_through_a_restart_of_the_engine_and_brings_back_what_is_wanted() {
    alone(|own| {
        own.up();
        let addresses = [own.held("web"), own.held("db")].map(Some);
        own.age("job");
        let watch = Watch::start(&own.engine);
        let start = Instant::now();
        own.restart();
        until("it is all back", || own.both() == addresses);
        let took = start.elapsed();
        until("it says so", || watch.said().contains("brought back"));
        assert_eq!(
            wanted(&own.engine, "app"),
            "services:db services:job services:web",
            "the engine's end is nobody's word"
        );
        assert_eq!((running(&own.engine, "app").as_str(), own.runs()), ("db web", 1), "{took:?}");
        // It follows the engine that is there now: a crash and the user's decision are told apart as before.
        let before = pid(&own.engine, "app", "db");
        until("it runs, and crashes", || crash(&own.engine, "app", "db"));
        until("it is back", || pid(&own.engine, "app", "db").is_some_and(|now| Some(now) != before));
        own.engine.docker(&["kill", &format!("{}-db-1", own.engine.project("app"))]).success();
        until("it is no longer wanted", || wanted(&own.engine, "app") == "services:job services:web");
        watch.end();
    });
}
