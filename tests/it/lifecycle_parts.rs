//! Which parts a project has, and what `up`, `down`, `wait`, `logs`, `ci` and gates make of that.

use std::fs;

use crate::lifecycle_up::{HOOKS, Stage};
use crate::sandbox::{Ran, program};

pub(crate) trait Tells {
    /// Whether a part of the answer is there.
    fn tells(self, part: &str) -> Self;
}

impl Tells for Ran {
    fn tells(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "{self:#?} does not tell {part}");
        self
    }
}

/// What every refusal of a project without parts ends with.
const HINTS: &str = "Hint: Its ports and variables need no `silo up`: `silo exec -- CMD`, or `cd` with the shell hook\n\
    Hint: For the services of compose files write `[compose]` in silo.toml\n\
    Hint: For a k3d cluster write `[k3d]` with `enabled = true` in silo.toml\n\
    Hint: For Tilt write a Tiltfile, or `[tilt]` with `enabled = true` where it lies elsewhere\n";

#[test]
fn with_nothing_to_run_up_says_what_it_found_and_the_lines_to_add() {
    let stage = Stage::new(HOOKS);
    fs::remove_file(stage.app.join("Tiltfile")).expect("it is there");
    for line in ["up", "up -d", "ci"] {
        stage.run(line).exit(1).stdout("").stderr(&format!("Error: Nothing to run in this project\n{HINTS}"));
    }
    for file in ["compose.yaml", "package.json"] {
        fs::write(stage.app.join(file), "{}\n").expect("the project is writable");
    }
    let found = "Error: Nothing to run in this project, where silo found `compose.yaml`, `package.json`\n";
    stage.run("up").exit(1).stderr(&format!("{found}{HINTS}"));
    assert_eq!(stage.tools.calls(), [""; 0], "nothing was started, no hook ran");
    assert!(!stage.app.join(".silo.lock").exists(), "nothing was settled");
    // Words for Tilt may name a Tiltfile elsewhere.
    stage.tilt_ends("0");
    stage.run("up dev -- -f deploy/Tiltfile").success();
    assert!(stage.tools.calls().iter().any(|call| call.starts_with("tilt up -f deploy/Tiltfile")));
}

#[test]
fn tilt_is_declared_by_its_key_before_any_file() {
    let stage = Stage::new("[tilt]\nenabled = false\n[profiles.on]\ntilt.enabled = true\n");
    stage.run("up").exit(1).stderr_has("Error: Nothing to run in this project");
    fs::remove_file(stage.app.join("Tiltfile")).expect("it is there");
    stage.tilt_ends("0");
    let told = "Warning: There is no Tiltfile in `$SANDBOX/projects/app`: Tilt has nothing to run\n";
    stage.run("up dev --profile on").success().stderr_has(told);
    assert!(stage.tools.calls().iter().any(|call| call.starts_with("tilt up")), "{:?}", stage.tools.calls());
}

#[test]
fn a_cluster_alone_needs_no_tilt() {
    let stage = Stage::with_cluster(HOOKS);
    fs::remove_file(stage.app.join("Tiltfile")).expect("it is there");
    fs::remove_file(stage.sandbox.path("bin/tilt")).expect("it is there");
    stage.run("wait").exit(1).stderr_has("Error: The k3d cluster `");
    stage.run("up dev").success();
    let calls = stage.tools.calls();
    let order: Vec<&str> = calls.iter().map(String::as_str).filter(|call| call.starts_with("hook")).collect();
    assert_eq!(order, ["hook pre-up", "hook post-up"]);
    assert!(calls.iter().any(|call| call.starts_with("k3d cluster create localnet-dev")), "{calls:?}");
    stage.run("status").success().tells("k3d: localnet-dev (running)");
    stage.run("wait").success();
    stage.run("ci").exit(1).stderr_has(
        "Error: No part of this project can be run once\n\
         Hint: Bring it up and run the tests in it: `silo up -d && silo exec -- CMD`\n",
    );
    stage.run("logs").exit(1).stderr_has("Error: Nothing that logs runs here, and nothing has left a log\n");
    // It outlives a `down` that does not ask for it to go.
    stage.run("down").success().stderr_has("No Tilt runs here; `dev` keeps its leases\n");
    stage.run("status").success().tells("k3d: localnet-dev (running)");
    stage.run("down --delete-cluster").success();
    stage.run("status").success().tells("k3d: localnet-dev (missing)");
}

#[test]
fn a_tilt_that_is_no_longer_declared_is_stopped_all_the_same() {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    let toml = fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    fs::write(stage.app.join("silo.toml"), format!("{toml}[tilt]\nenabled = false\n")).expect("it is writable");
    stage.run("status").success().tells("State: running");
    stage.run("down").success().stderr_has("Stopping Tilt... (pid ");
    assert!(!stage.tools.calls().iter().any(|call| call.starts_with("tilt down")), "its Tiltfile is not run");
    stage.run("status").success().tells("State: stopped");
}

#[test]
fn a_gate_of_a_part_that_is_not_declared_brings_nothing_up() {
    let stage = Stage::new("[tilt]\nenabled = false\n[gates]\npsql = \"tilt\"\n");
    program(&stage.sandbox.path("bin/psql"), "#!/bin/sh\necho real psql\n");
    stage.run("exec -- psql").success().stdout("real psql\n");
    assert_eq!(stage.tools.calls(), [""; 0]);
}
