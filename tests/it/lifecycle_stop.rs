//! `silo down` where something else than a settled Tilt runs: an `up` on the way, a `ci`, a Tilt that was started inside, an
//! instance whose lockfile was removed, a cluster that cannot be asked.

use std::fs;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lifecycle_up::{Stage, wait_until};
use crate::sandbox::SILO;

/// How often a call was made.
fn count(stage: &Stage, call: &str) -> usize {
    stage.tools.calls().iter().filter(|one| one.as_str() == call).count()
}

#[test]
fn down_stops_an_up_that_is_in_a_hook() {
    let stage = Stage::new("[hooks]\npre-up = [\"echo hook >>../../fakes/calls; exec sleep 20\"]\n");
    let silo = stage.beside("up dev");
    stage.tools.wait_for("hook");
    let told = format!("Stopping the `silo up` that is on the way (pid {})\n", silo.pid());
    stage.run("down").success().stderr_has(&told);
    assert_eq!(silo.end().0, Some(143));
    assert_eq!(count(&stage, "tilt up"), 0);
    assert!(stage.run("status").success().stdout.contains("State: stopped\n"));
}

#[test]
fn down_stops_an_up_in_the_background_that_waits_for_its_tilt() {
    let stage = Stage::new("");
    // It runs, and listens nowhere yet.
    stage.tools.set("tilt.up.wait", "");
    let silo = stage.beside("up -d dev");
    wait_until("a recorded Tilt", || stage.app.join(".silo.lock").exists() && stage.instance()["tiltPid"].is_number());
    let tilt = Pid::from_raw(i32::try_from(stage.instance()["tiltPid"].as_i64().expect("a pid")).expect("a pid"));
    stage
        .run("down")
        .success()
        .stderr_has("Stopping the `silo up` that is on the way")
        .stderr_has("Stopping Tilt... (pid ");
    assert_eq!(silo.end().0, Some(143));
    wait_until("end of Tilt", || kill(tilt, None).is_err());
    stage.assert_cleared();
    stage.tools.unset("tilt.up.wait");
    stage.assert_next_up_works();
}

#[test]
fn down_stops_an_up_that_makes_its_cluster_and_the_next_up_fixes_it() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.cluster-create.wait", "");
    let silo = stage.beside("up dev");
    stage.wait_for_file("state/containers/localnet-dev-registry.localhost.json");
    stage.run("down").success().stderr_has("Stopping the `silo up` that is on the way");
    assert_eq!(silo.end().0, Some(143));
    stage.tools.unset("k3d.cluster-create.wait");
    stage.assert_next_up_works();
}

#[test]
fn a_hook_of_up_may_call_down() {
    let stage = Stage::new("[hooks]\npost-up = [\"silo down\"]\n");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    assert_eq!(count(&stage, "tilt up"), 1);
}

#[test]
fn a_ci_that_down_stops_has_not_gone_well() {
    let stage = Stage::new("");
    stage.tools.set("tilt.ci.runs", "");
    let silo = stage.beside_in_group("ci dev");
    let tilt = stage.tools.wait_for_tilt(stage.tilt);
    wait_until("a recorded Tilt", || stage.instance()["tiltPid"].is_number());
    stage.run("down").success().stderr_has(&format!("Stopping Tilt... (pid {tilt})\n"));
    assert_eq!(silo.end().0, Some(143));
    assert_eq!(count(&stage, "signal TERM"), 1, "a second one would leave its servers as orphans");
    stage.assert_cleared();
}

#[test]
fn down_stops_what_runs_though_its_lockfile_was_removed() {
    for line in ["up dev", "up -d dev"] {
        let stage = Stage::new("");
        stage.tools.set("tilt.up.listen", "");
        let silo = stage.beside(line);
        let tilt = stage.tools.wait_for_tilt(stage.tilt);
        if line == "up -d dev" {
            wait_until("Tilt in the background", || silo.told().contains("runs in the background"));
        }
        fs::remove_file(stage.app.join(".silo.lock")).expect("it is there");
        stage.run("down").success();
        wait_until("end of Tilt", || kill(Pid::from_raw(tilt), None).is_err());
        silo.end();
        assert_eq!(count(&stage, "signal TERM"), 1, "{line}");
    }
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    fs::remove_file(stage.app.join(".silo.lock")).expect("it is there");
    stage.run("down").exit(1).stderr("Error: No lockfile found. Nothing to stop.\n");
}

#[test]
fn a_cluster_goes_though_the_lockfile_was_removed() {
    let stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    fs::remove_file(stage.app.join(".silo.lock")).expect("it is there");
    stage.run("down --delete-cluster").success();
    assert_eq!(stage.tools.names_of("container"), [""; 0]);
}

#[test]
fn where_docker_is_down_tilt_is_stopped_and_then_the_cluster_is_missed() {
    let stage = Stage::with_cluster("");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    stage.tools.set("docker.down", "");
    stage.run("down --delete-cluster --clean").exit(1).stderr_has("Is the docker daemon running?");
    stage.assert_cleared();
    assert_eq!(count(&stage, "signal TERM"), 1);
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
    stage.tools.unset("docker.down");
    stage.run("down --delete-cluster").success();
    assert_eq!(stage.tools.names_of("container"), [""; 0]);
}

/// A Tilt that `silo exec` has started, ended with the test.
#[cfg(target_os = "linux")]
struct Inside(Child);

#[cfg(target_os = "linux")]
impl Inside {
    fn start(stage: &Stage) -> Self {
        stage.run("env dev").success();
        let mut silo = stage.sandbox.command(SILO, &stage.app);
        silo.args(["exec", "--", "tilt", "up"]).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self(silo.spawn().expect("silo starts"));
        stage.tools.wait_for_tilt(stage.tilt);
        started
    }
}

#[cfg(target_os = "linux")]
impl Drop for Inside {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_tilt_that_was_started_inside_is_the_instances_own() {
    let stage = Stage::new("");
    let tilt = Inside::start(&stage);
    let pid = tilt.0.id();
    stage.run("up").exit(1).stderr("Error: Instance 'dev' already running. Use `silo down` first.\n");
    let status = stage.run("status").success().stdout;
    assert!(status.contains(&format!("State: running\nTilt: pid {pid}\n")), "{status}");
    let listed = stage.run("list --json").success().stdout;
    assert!(listed.contains(&format!("\"pid\": {pid}")), "{listed}");
    stage.run("wait --timeout 20s").success();
    assert!(!stage.run("doctor").stdout.contains("A Tilt that silo did not start"), "it is not a stranger");
    stage.run("down").success().stderr_has(&format!("Stopping Tilt... (pid {pid})\n"));
    assert!(stage.run("status").success().stdout.contains("State: stopped\n"));
    drop(tilt);
    stage.assert_next_up_works();
}

#[test]
fn what_asks_a_tilt_is_no_tilt_that_runs() {
    let stage = Stage::new("");
    stage.tools.set("tilt.get.wait", "");
    let mut asks = stage.sandbox.command("tilt", &stage.app);
    asks.args(["get", "session", "Tiltfile", "-o", "json"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut asks = asks.spawn().expect("the stand-in starts");
    stage.tools.wait_for("tilt get");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    asks.kill().expect("it runs");
    asks.wait().expect("it is our child");
}
