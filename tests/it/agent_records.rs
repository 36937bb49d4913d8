//! Records of runs that were cut off, where no container engine answers (D33): nothing of them is taken for gone.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use silo::core::agents::record::{Run, Stage};
use silo::failure::Failure;
use silo::store::agents::{self, Place};
use silo::sys::lock;

use crate::gateway_agents::dirs;
use crate::sandbox::{SILO, Sandbox};

/// A run as it is recorded.
fn of(id: &str, stage: Stage, is_persistent: bool, sandbox: &Sandbox) -> Run {
    Run {
        id: id.to_owned(),
        agent: "scout".to_owned(),
        is_persistent,
        root: sandbox.path("home").to_string_lossy().into_owned(),
        instance: "i1".to_owned(),
        name: "app".to_owned(),
        image: "sha256:1".to_owned(),
        engine: String::new(),
        is_built: false,
        task: None,
        template: None,
        cloned: None,
        network: None,
        user: (0, 0),
        disk: 1,
        stage,
        created: "2026-01-30T14:02:00Z".to_owned(),
        end: None,
    }
}

#[test]
fn a_run_that_was_cut_off_waits_until_the_engine_is_there() {
    let sandbox = Sandbox::new();
    let dirs = dirs(&sandbox);
    for (id, stage, is_persistent) in [
        ("making", Stage::Making, false),
        ("running", Stage::Running, false),
        ("stopped", Stage::Stopped, false),
        ("keeper", Stage::Running, true),
    ] {
        let run = of(id, stage, is_persistent, &sandbox);
        agents::save(&dirs, &run).expect("it is writable");
        let mut command = sandbox.command(SILO, "");
        command.args(["agent", "list"]).env("DOCKER_HOST", "unix:///nowhere/socket");
        let listed = sandbox.finish(command).success();
        let told = format!("The run `{id}` was cut off, and cannot be finished: No container engine answers");
        // A persistent agent may be up, for all that is known.
        assert_eq!(listed.stderr.contains(&told), !is_persistent, "{}", listed.stderr);
        assert_eq!(agents::load(&dirs, id).expect("it is whole"), Some(run));
    }
}

#[test]
fn a_run_in_another_engine_is_not_ended_here() {
    let sandbox = Sandbox::new();
    let dirs = dirs(&sandbox);
    let here = sandbox.path("engine.sock");
    let _listens = std::os::unix::net::UnixListener::bind(&here).expect("the sandbox is writable");
    let run = Run { engine: "/run/there/docker.sock".to_owned(), ..of("away", Stage::Running, false, &sandbox) };
    agents::save(&dirs, &run).expect("it is writable");
    let told = "The run `away` is in another container engine: `/run/there/docker.sock`";
    let silo = |words: &[&str]| {
        let mut command = sandbox.command(SILO, "");
        command.args(words).env("DOCKER_HOST", format!("unix://{}", here.display()));
        sandbox.finish(command)
    };
    silo(&["agent", "list"]).success().stderr_has(told).stderr_has("`away` was cut off, and cannot be finished");
    assert_eq!(agents::load(&dirs, "away").expect("it is whole"), Some(run.clone()));
    let stopped = silo(&["agent", "stop", "away"]).exit(1);
    stopped
        .stderr_has(told)
        .stderr_has("Hint: Name that one, and run it again: `export DOCKER_HOST=unix:///run/there/docker.sock`");
    assert_eq!(agents::load(&dirs, "away").expect("it is whole"), Some(run));
}

#[test]
fn a_run_that_another_silo_ends_or_removes_meanwhile_stays_as_that_one_leaves_it() {
    let toml = "version = 1\n[agents.scout]\nimage = \"box\"\nlifetime = \"persistent\"\n";
    for is_removed in [false, true] {
        let sandbox = Sandbox::new();
        let dirs = dirs(&sandbox);
        let root = sandbox.trusted("app", toml).to_string_lossy().into_owned();
        sandbox.run("app", ["env"]).success();
        let run = Run { root, ..of("scout-1", Stage::Running, true, &sandbox) };
        agents::save(&dirs, &run).expect("it is writable");
        let place = Place::of(&dirs, &run.id);
        let mut command = sandbox.command(SILO, "app");
        command.arg("down").stderr(Stdio::piped());
        let ended = Run { stage: Stage::Ended, ..run.clone() };
        let act = || {
            let mut down = command.spawn().expect("it was built");
            let mut said = BufReader::new(down.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
            let waits = said.find(|line| line.contains("Waiting for the agent") || line.contains("Error"));
            assert!(waits.as_ref().is_some_and(|line| line.starts_with("Waiting")), "{waits:?}");
            if is_removed {
                agents::forget(&dirs, &run.id).expect("it is there");
            } else {
                fs::create_dir(place.findings()).expect("the sandbox is writable");
                fs::write(place.findings().join("found"), "this").expect("the sandbox is writable");
                agents::save(&dirs, &ended).expect("it is writable");
            }
            Ok((down, said))
        };
        let held = lock::hold(&place.lock(), "it", &lock::AT_ONCE, Failure::new, act);
        let (mut down, said) = held.expect("nobody else holds it");
        let said: Vec<String> = said.collect();
        assert!(down.wait().expect("it is a child").success(), "{said:?}");
        let now = agents::load(&dirs, &run.id).expect("it is whole");
        assert_eq!(now, (!is_removed).then_some(ended));
        assert_eq!(place.findings().join("found").exists(), !is_removed);
        assert_eq!(place.folder().exists(), !is_removed);
    }
}
