//! A gate, `silo up` and `silo down` of one instance at once: one makes its cluster, nobody deletes it meanwhile, and nobody waits for
//! ever; and clusters of several instances are made and deleted one after the other.

use serde_json::Value;

use crate::lifecycle_up::{Stage, wait_until};
use crate::sandbox::free_ports;

/// A trusted project with a cluster that really listens, whose making waits.
fn slow(more: &str) -> Stage {
    let stage = Stage::with_cluster(more);
    stage.tools.set("k3d.listen", "");
    stage.tools.set("tilt.up.listen", "");
    stage.tools.set("k3d.cluster-create.wait", "");
    stage.run("allow").success();
    stage.run("env dev").success();
    stage
}

fn calls(stage: &Stage, what: &str) -> usize {
    stage.tools.calls().iter().filter(|call| call.starts_with(what)).count()
}

#[test]
fn up_waits_for_a_gate_that_makes_the_cluster_and_uses_it() {
    let stage = slow("");
    let gate = stage.beside("exec -- kubectl version");
    stage.tools.wait_for("k3d cluster create");
    let listed: Value = serde_json::from_slice(&stage.run("list --json").success().bytes).expect("it is JSON");
    assert_eq!(listed[0]["state"], "starting");
    let up = stage.beside("up -d");
    wait_until("line of up", || up.told().contains("Waiting for a gate that brings up what its tool needs\n"));
    stage.tools.unset("k3d.cluster-create.wait");
    for silo in [gate, up] {
        let (code, told) = silo.end();
        assert_eq!(code, Some(0), "{told}");
    }
    assert_eq!(calls(&stage, "k3d cluster create"), 1);
    assert_eq!(calls(&stage, "tilt up"), 1);
    stage.run("down --delete-cluster").success();
}

#[test]
fn a_gate_waits_for_an_up_that_makes_the_cluster_and_uses_it() {
    let stage = slow("");
    let up = stage.beside("up -d");
    stage.tools.wait_for("k3d cluster create");
    let gate = stage.beside("exec -- kubectl version");
    wait_until("line of the gate", || gate.told().contains("Waiting for the `silo up` that is on the way\n"));
    assert_eq!(calls(&stage, "kubectl version"), 0);
    stage.tools.unset("k3d.cluster-create.wait");
    for silo in [gate, up] {
        let (code, told) = silo.end();
        assert_eq!(code, Some(0), "{told}");
    }
    assert_eq!((calls(&stage, "k3d cluster create"), calls(&stage, "kubectl version")), (1, 1));
    stage.run("down --delete-cluster").success();
}

#[cfg(target_os = "linux")]
#[test]
fn down_stops_a_gate_that_makes_the_cluster_before_it_deletes_that() {
    let stage = slow("");
    let gate = stage.beside("exec -- kubectl version");
    stage.tools.wait_for("k3d cluster create");
    let ran = stage.run("down --delete-cluster").success();
    ran.stderr_has("Stopping the `silo up` that is on the way (pid ")
        .stderr_has("Deleting k3d cluster 'localnet-dev'...\n");
    let (code, told) = gate.end();
    assert_eq!(code, Some(143), "{told}");
    assert_eq!(stage.tools.names_of("container"), [""; 0]);
    assert_eq!(stage.instance()["k3dClusterCreated"], false);
    assert_eq!(calls(&stage, "kubectl version"), 0);
}

#[test]
fn no_cluster_is_made_while_another_is_being_deleted() {
    let stage = slow("");
    stage.tools.unset("k3d.cluster-create.wait");
    stage.run("up -d").success();
    let [api] = free_ports();
    let toml = format!("version = 1\n[ports]\nK3D_API_PORT = {api}\n[k3d]\nenabled = true\n[tilt]\nenabled = false\n");
    stage.sandbox.project("other", &toml);
    stage.tools.set("k3d.cluster-delete.wait", "");
    let down = stage.beside("down --delete-cluster");
    stage.tools.wait_for("k3d cluster delete");
    let made = calls(&stage, "k3d cluster create");
    let up = stage.beside("up other -C ../other");
    let line = "Waiting for another instance to make or delete its cluster, held by process ";
    wait_until("line of up", || up.told().contains(line));
    assert_eq!(calls(&stage, "k3d cluster create"), made);
    stage.tools.unset("k3d.cluster-delete.wait");
    for silo in [down, up] {
        let (code, told) = silo.end();
        assert_eq!(code, Some(0), "{told}");
    }
    assert_eq!(calls(&stage, "k3d cluster create"), made + 1);
    assert_eq!(stage.instance()["k3dClusterCreated"], false);
    stage.run("down --delete-cluster -C ../other").success();
}
