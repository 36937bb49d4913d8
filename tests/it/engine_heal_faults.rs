//! `silo heal --watch` on a real engine while crashes and the user's words come at random (D31): what is wanted is up in the end and
//! nothing else is, nobody starts twice at once, and the watch has what it had.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

use crate::engine::{Engine, until};
use crate::engine_heal::{container, crash, pid, running, wanted};
use crate::engine_heal_watch::Watch;
use crate::sandbox::program;

/// How long faults come.
const FAULTS: Duration = Duration::from_secs(20);
/// How often a service may crash after an `up`: with the fifth try it is given up.
const CRASHES: usize = 3;
const SERVICES: [&str; 4] = ["cache", "db", "mail", "web"];

/// The files that a process has open, and its children.
fn held(pid: u32) -> (usize, String) {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").filter_map(Result::ok);
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")).unwrap_or_default());
    (files, children.collect())
}

/// The files that a process has open while it rests: a look opens some for a moment.
fn least(pid: u32) -> usize {
    let look = |_| {
        std::thread::sleep(Duration::from_millis(20));
        held(pid).0
    };
    (0..60).map(look).min().expect("it was looked")
}

#[test]
fn engine_a_watch_among_faults_at_random_ends_with_what_is_wanted() {
    let seed = std::env::var("SILO_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(31);
    let mut random = fastrand::Rng::with_seed(seed);
    let engine = Engine::new();
    // Notes when two silos start services at once; what a user starts is another matter.
    let (busy, twice) = (engine.sandbox.path("run/busy"), engine.sandbox.path("run/twice"));
    let script = format!(
        "#!/bin/sh\nPATH=/usr/local/bin:/usr/bin:/bin\ncase \"$*\" in *--no-recreate*) ;; *) exec docker \"$@\" ;; esac\n\
         mkdir {busy} || echo \"$*\" >>{twice}\ndocker \"$@\"\ncode=$?\nrmdir {busy}\nexit $code\n",
        busy = busy.display(),
        twice = twice.display()
    );
    program(&engine.sandbox.path("bin/docker"), &script);
    let root = engine.sandbox.trusted("one", "version = 1\n[compose]\n");
    let service = |name: &&str| {
        let needs = if *name == "web" { "    depends_on: [db]\n" } else { "" };
        format!(
            "  {name}:\n    image: silo-test-box\n    stop_grace_period: 0s\n    command: [sleep, \"10000\"]\n{needs}"
        )
    };
    let compose = format!("services:\n{}", SERVICES.iter().map(service).collect::<String>());
    fs::write(root.join("compose.yaml"), compose).expect("writable");
    engine.silo("one", "up -d").success();

    let watch = Watch::start(&engine);
    // By the end of this it has looked several times, and follows the engine.
    assert!(crash(&engine, "one", "mail"));
    until("it is back", || watch.said().contains("brought back mail"));
    until("nothing is on the way", || held(watch.pid()).1.is_empty());
    let before = least(watch.pid());
    let mut model: BTreeSet<&str> = SERVICES.into();
    let mut crashes: BTreeMap<&str, usize> = [("mail", 1)].into();
    let mut steps = Vec::new();
    let words = |model: &BTreeSet<&str>, before: &str| -> String {
        model.iter().map(|name| format!("{before}{name}")).collect::<Vec<_>>().join(" ")
    };
    let start = Instant::now();
    while start.elapsed() < FAULTS {
        let name = SERVICES[random.usize(..SERVICES.len())];
        let other = SERVICES[random.usize(..SERVICES.len())];
        let mut crash = |name: &'static str| {
            let count = crashes.entry(name).or_default();
            if *count < CRASHES && crash(&engine, "one", name) {
                *count += 1;
            }
        };
        match random.u8(..10) {
            0..=4 => {
                steps.push(format!("crash {name}"));
                crash(name);
            }
            5 if model.contains(name) => {
                steps.push(format!("remove {name}"));
                // Only what runs can be ended by hand, and only that tells it from a crash.
                let is_idle = || held(watch.pid()).1.is_empty();
                until("all is up before", || running(&engine, "one") == words(&model, "") && is_idle());
                engine.docker(&["rm", "--force", &container(&engine, "one", name)]).success();
                crash(other);
                model.remove(name);
                until("it is no longer wanted", || wanted(&engine, "one") == words(&model, "services:"));
            }
            6 | 7 if model.len() > 1 => {
                steps.push(format!("stop {name}"));
                engine.bash("one", &format!("docker compose stop {name}")).success();
                model.remove(name);
            }
            _ => {
                steps.push(format!("up {name}, crash {other}"));
                std::thread::scope(|scope| {
                    let up = scope.spawn(|| engine.bash("one", &format!("docker compose up -d {name}")));
                    crash(other);
                    up.join().expect("it does not panic").success();
                });
                model.insert(name);
                if name == "web" {
                    model.insert("db");
                }
                crashes.clear();
            }
        }
    }
    let told = || format!("seed {seed}: {steps:#?}\n{}", watch.said());
    let end = Instant::now();
    while running(&engine, "one") != words(&model, "") || wanted(&engine, "one") != words(&model, "services:") {
        let now = || format!("{}; wanted {}, expected {model:?}", running(&engine, "one"), wanted(&engine, "one"));
        assert!(end.elapsed() < Duration::from_mins(1), "{}\n{}", now(), told());
        std::thread::sleep(Duration::from_millis(100));
    }
    until("nobody brings anything back any more", || !busy.exists() && held(watch.pid()).1.is_empty());
    until("the watch has what it had", || least(watch.pid()) <= before);
    assert_eq!(running(&engine, "one"), words(&model, ""), "{}", told());
    for name in SERVICES {
        assert_eq!(pid(&engine, "one", name).is_some(), model.contains(name), "{name}: {}", told());
    }
    assert!(!twice.exists(), "two started at once: {}\n{}", fs::read_to_string(&twice).unwrap_or_default(), told());
    engine.silo("one", "down").success();
    watch.end();
}
