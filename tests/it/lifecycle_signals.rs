//! Signals to `silo up`: Tilt gets each once, the lockfile is cleared, and the next `silo up` works.

use std::time::{Duration, Instant};

use nix::libc::pid_t;
use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;

use crate::lifecycle_up::{Beside, Stage, wait_until};

/// The signals Tilt got.
fn got(stage: &Stage) -> Vec<String> {
    stage.tools.calls().into_iter().filter(|call| call.starts_with("signal")).collect()
}

fn recorded_pid(stage: &Stage) -> Option<i32> {
    stage.instance()["tiltPid"].as_i64().and_then(|pid| pid_t::try_from(pid).ok())
}

#[test]
fn a_signal_to_silo_alone_reaches_tilt_once() {
    for (signal, name) in [(Signal::SIGTERM, "TERM"), (Signal::SIGHUP, "HUP"), (Signal::SIGINT, "INT")] {
        let stage = Stage::new("");
        let silo = stage.beside("up dev");
        let tilt = stage.tools.wait_for_tilt(stage.tilt);
        // Tilt may be faster than what silo notes of it.
        wait_until("a recorded Tilt", || recorded_pid(&stage) == Some(tilt));
        silo.send(signal);
        let (code, told) = silo.end();
        assert_eq!((code, got(&stage)), (Some(0), vec![format!("signal {name}")]), "{told}");
        stage.assert_cleared();
        stage.assert_next_up_works();
    }
}

#[test]
fn a_signal_to_silo_alone_is_passed_on_at_once() {
    let passed_on_after = |signal: Signal| {
        let stage = Stage::new("");
        // In a group of its own as a shell with job control, a service manager or `timeout` starts it.
        let silo = stage.beside_in_group("up dev");
        stage.tools.wait_for_tilt(stage.tilt);
        let start = Instant::now();
        silo.send(signal);
        stage.tools.wait_for("signal");
        let after = start.elapsed();
        let (code, told) = silo.end();
        assert_eq!((code, got(&stage).len()), (Some(0), 1), "{signal}: {told}");
        after
    };
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        // Where the whole group may have got it, silo always waits for three seconds; a busy machine is not always so slow.
        let is_soon = |_| passed_on_after(signal) < Duration::from_secs(3);
        assert!((0..4).any(is_soon), "{signal} is passed on after three seconds");
    }
}

#[test]
fn a_ci_that_is_stopped_has_not_gone_well() {
    let codes = [(Signal::SIGINT, 130), (Signal::SIGTERM, 143), (Signal::SIGHUP, 129)];
    let send: [fn(&Beside, Signal); 2] = [Beside::send, |silo, signal| killpg(silo.pid(), signal).expect("it runs")];
    for ((signal, expected), send) in codes.into_iter().flat_map(|pair| send.map(|send| (pair, send))) {
        let stage = Stage::new("");
        stage.tools.set("tilt.ci.runs", "");
        let silo = stage.beside_in_group("ci dev");
        stage.tools.wait_for_tilt(stage.tilt);
        send(&silo, signal);
        let (code, told) = silo.end();
        assert_eq!((code, got(&stage).len()), (Some(expected), 1), "{signal}: {told}");
        stage.assert_cleared();
    }
}

#[test]
fn what_comes_after_a_ci_that_ctrl_c_has_ended_does_not_run() {
    let stage = Stage::new("");
    stage.tools.set("tilt.ci.runs", "");
    let mut silo = stage.beside_on_a_terminal("ci dev");
    stage.tools.wait_for_tilt(stage.tilt);
    silo.press_ctrl_c();
    let (code, told) = silo.end();
    assert_eq!((code, got(&stage)), (Some(130), vec!["signal INT".to_owned()]), "{told}");
    stage.assert_cleared();
}

#[test]
fn a_signal_to_the_whole_group_is_not_sent_again() {
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT] {
        let stage = Stage::new("");
        stage.tools.set("tilt.up.slow", "1.5");
        let silo = stage.beside_in_group("up dev");
        stage.tools.wait_for_tilt(stage.tilt);
        killpg(silo.pid(), signal).expect("it runs");
        let (code, told) = silo.end();
        assert_eq!((code, got(&stage).len()), (Some(0), 1), "{signal}: {told} {:?}", got(&stage));
        stage.assert_cleared();
    }
}

#[test]
fn a_killed_tilt_is_passed_on_and_cleared() {
    let stage = Stage::new("");
    let silo = stage.beside("up dev");
    let tilt = stage.tools.wait_for_tilt(stage.tilt);
    kill(Pid::from_raw(tilt), Signal::SIGKILL).expect("it runs");
    assert_eq!(silo.end().0, Some(137));
    stage.assert_cleared();
    stage.assert_next_up_works();
}

#[test]
fn a_tilt_that_outlives_a_killed_silo_is_still_known() {
    let stage = Stage::new("");
    let silo = stage.beside("up dev");
    let tilt = stage.tools.wait_for_tilt(stage.tilt);
    wait_until("a recorded Tilt", || recorded_pid(&stage) == Some(tilt));
    silo.send(Signal::SIGKILL);
    assert_eq!(silo.end().0, None);
    assert_eq!(recorded_pid(&stage), Some(tilt));
    stage.run("up").exit(1).stderr("Error: Instance 'dev' already running. Use `silo down` first.\n");
    stage.run("status").success().stderr("");
    stage.run("down").success().stderr_has(&format!("Stopping Tilt... (pid {tilt})\n"));
    assert_eq!(got(&stage), ["signal TERM"]);
    stage.assert_cleared();
    stage.assert_next_up_works();
}

#[test]
fn a_signal_during_a_hook_ends_the_sequence() {
    for (signal, code) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130), (Signal::SIGHUP, 129)] {
        let stage = Stage::new("[hooks]\npre-up = [\"echo hook >>../../fakes/calls; exec sleep 20\"]\n");
        let silo = stage.beside("up dev");
        stage.tools.wait_for("hook");
        silo.send(signal);
        let (ended, told) = silo.end();
        assert_eq!(ended, Some(code), "{told}");
        assert!(told.contains("Error: Stopped by a signal during the pre-up hook `echo hook"), "{told}");
        assert_eq!(stage.tools.calls(), ["hook"]);
        stage.assert_cleared();
        stage.sandbox.project("app", &format!("version = 1\n[ports]\nTILT_PORT = {}\n", stage.tilt));
        stage.assert_next_up_works();
    }
}

#[test]
fn a_signal_while_the_cluster_is_made_ends_k3d_and_the_next_up_mends_it() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.cluster-create.wait", "");
    let silo = stage.beside("up dev");
    stage.wait_for_file("state/containers/localnet-dev-registry.localhost.json");
    silo.send(Signal::SIGTERM);
    let (code, told) = silo.end();
    assert_eq!(code, Some(143), "{told}");
    assert!(told.contains("Error: Stopped by a signal during `k3d cluster create"), "{told}");
    stage.assert_cleared();
    stage.tools.unset("k3d.cluster-create.wait");
    stage.tilt_ends("0");
    stage.run("up").success().stderr_has("k3d cluster 'localnet-dev' was only half made; it is made again\n");
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
}

#[test]
fn ctrl_c_reaches_tilt_once_even_when_it_is_slow() {
    for slow in ["0.05", "1.5"] {
        let stage = Stage::new("");
        stage.tools.set("tilt.up.slow", slow);
        let mut silo = stage.beside_on_a_terminal("up dev");
        stage.tools.wait_for_tilt(stage.tilt);
        silo.press_ctrl_c();
        let (code, told) = silo.end();
        assert_eq!((code, got(&stage)), (Some(0), vec!["signal INT".to_owned()]), "{told}");
        stage.assert_cleared();
        stage.assert_next_up_works();
    }
}

#[test]
fn ctrl_c_during_a_hook_starts_nothing() {
    let stage = Stage::new("[hooks]\npre-up = [\"echo hook >>../../fakes/calls; sleep 20\"]\n");
    let mut silo = stage.beside_on_a_terminal("up dev");
    stage.tools.wait_for("hook");
    silo.press_ctrl_c();
    let (code, told) = silo.end();
    assert_eq!((code, stage.tools.calls()), (Some(130), vec!["hook".to_owned()]), "{told}");
    stage.assert_cleared();
}

#[test]
fn ctrl_c_while_the_cluster_is_made_ends_at_once() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.cluster-create.wait", "");
    let mut silo = stage.beside_on_a_terminal("up dev");
    stage.wait_for_file("state/containers/localnet-dev-registry.localhost.json");
    silo.press_ctrl_c();
    let (code, told) = silo.end();
    assert_eq!(code, Some(130), "{told}");
    stage.assert_cleared();
    stage.tools.unset("k3d.cluster-create.wait");
    stage.assert_next_up_works();
}

#[test]
fn a_closed_terminal_stops_tilt_with_one_signal() {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.slow", "1.5");
    let terminal = stage.beside_on_a_terminal("up dev");
    stage.tools.wait_for_tilt(stage.tilt);
    terminal.send(Signal::SIGKILL);
    stage.wait_until_cleared();
    assert_eq!(got(&stage), ["signal HUP"]);
}
