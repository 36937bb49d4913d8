//! A cluster that is there and does not fit what is remembered of it: other ports, ports that somebody took, a making that was cut
//! off in its last second; and what is said where k3d or Docker fails.

use std::fs;
use std::net::TcpListener;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::lifecycle_up::{Stage, wait_until};
use crate::machine::assert_agreed;
use crate::sandbox::{close, free_ports};

/// A stage whose cluster was made, with a forwarded port.
fn made() -> (Stage, u16) {
    let [lb] = free_ports();
    let stage = Stage::with_cluster("");
    let toml = fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    let toml = toml
        .replace("[ports]\n", &format!("[ports]\nLB_PORT = {lb}\n"))
        .replace("--port=0:80@", "--port=${LB_PORT}:80@");
    fs::write(stage.app.join("silo.toml"), toml).expect("the project is writable");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    stage.skip_story();
    (stage, lb)
}

fn by_hand(stage: &Stage, line: &str) {
    let mut words = line.split(' ');
    let mut command = stage.sandbox.command(words.next().expect("a line has words"), "");
    command.args(words);
    stage.sandbox.finish(command).success();
}

const NAME: &str = "localnet-dev-registry.localhost";

#[test]
fn leases_follow_every_port_of_a_cluster_that_is_there() {
    let (stage, _) = made();
    let before = stage.sandbox.lockfile_ports(&stage.app);
    let [api, lb, registry] = free_ports();
    let (api_text, lb_text) = (api.to_string(), lb.to_string());
    stage.edit_container("k3d-localnet-dev-serverlb", |container| {
        container["ports"]["6443/tcp"][0]["HostPort"] = api_text.into();
        container["ports"]["80/tcp"][0]["HostPort"] = lb_text.into();
    });
    stage.edit_container(NAME, |container| {
        container["ports"]["5000/tcp"][0]["HostPort"] = registry.to_string().into();
    });
    let ran = stage.run("up").success();
    let ran = ran.stderr_has(&format!("The image registry listens on {registry}; K3D_REGISTRY_PORT follows\n"));
    let ran = ran.stderr_has(&format!("The cluster listens on {api}; K3D_API_PORT follows\n"));
    ran.stderr_has(&format!("The cluster listens on {lb}; LB_PORT follows\n"));
    let now = stage.sandbox.lockfile_ports(&stage.app);
    assert_eq!([now["K3D_API_PORT"], now["LB_PORT"], now["K3D_REGISTRY_PORT"]], [api, lb, registry]);
    assert_eq!(now["WEB_PORT"], before["WEB_PORT"]);
    assert_agreed(&stage.sandbox, &stage.app);
    // Planned again, they come back.
    stage.run("up --force").success();
    assert_eq!(stage.sandbox.lockfile_ports(&stage.app)["K3D_API_PORT"], api);
    assert!(!stage.run("up").success().stderr.contains("follows"));
}

#[test]
fn a_port_of_a_stopped_cluster_that_somebody_took_is_named() {
    let (stage, lb) = made();
    by_hand(&stage, "k3d cluster stop localnet-dev");
    let stranger = TcpListener::bind(("127.0.0.1", lb)).expect("it is free");
    let own = std::process::id();
    let ran =
        stage.run("up").exit(1).stderr_has(&format!("Error: Port {lb} of k3d cluster 'localnet-dev' is held by `"));
    let ran = ran.stderr_has(&format!("(pid {own}) on 127.0.0.1\nHint: Free the port, then run `silo up` again\n"));
    ran.stderr_has("`silo down --delete-cluster && silo up`\n");
    close(stranger);
    stage.run("up").success();
    assert_eq!(stage.sandbox.lockfile_ports(&stage.app)["LB_PORT"], lb, "the lease is the cluster's port again");
}

#[test]
fn a_port_of_a_cluster_that_another_instance_leased_is_named() {
    let (stage, lb) = made();
    stage.run("env --force").success();
    let [other] = free_ports();
    stage.edit_container("k3d-localnet-dev-serverlb", |container| {
        container["ports"]["80/tcp"][0]["HostPort"] = other.to_string().into();
    });
    stage.sandbox.project("other", &format!("version = 1\n[ports]\nTHEIRS = {other}\n"));
    stage.sandbox.run("other", ["env"]).success();
    let ran = stage.run("up").exit(1);
    ran.stderr_has(&format!(
        "Error: Port {other} (LB_PORT) of k3d cluster 'localnet-dev' is leased to another instance by now\n"
    ));
    assert_ne!(lb, other);
}

#[test]
fn status_asks_the_api_server_of_the_kubeconfig() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.listen", "");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let [api] = free_ports();
    let toml = fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    fs::write(stage.app.join("silo.toml"), toml.replace(&stage.api.to_string(), &api.to_string()))
        .expect("it is writable");
    stage.run("env --force").success();
    assert_eq!(stage.sandbox.lockfile_ports(&stage.app)["K3D_API_PORT"], api);
    let status: Value = serde_json::from_slice(&stage.run("status --json").success().bytes).expect("it is JSON");
    assert_eq!(status["k3d"]["apiServer"], "answers");
    stage.run("down --delete-cluster").success();
}

#[test]
fn a_making_that_was_cut_off_in_its_last_second_is_begun_anew() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.cluster-create-late.wait", "");
    let silo = stage.beside("up dev");
    let lb = stage.tools.path("state/containers/k3d-localnet-dev-serverlb.json");
    wait_until("whole cluster", || fs::read_to_string(&lb).is_ok_and(|text| text.contains("\"running\"")));
    silo.send(Signal::SIGTERM);
    assert_eq!(silo.end().0, Some(143));
    assert_eq!(stage.instance()["k3dClusterCreated"], false);
    stage.tools.unset("k3d.cluster-create-late.wait");
    stage.tilt_ends("0");
    stage.run("up").success().stderr_has("k3d cluster 'localnet-dev' was only half made; it is made again\n");
    stage.run("up").success().stderr_has("Reusing k3d cluster 'localnet-dev'\n");
    // A cluster that was made is not made again because its lockfile is gone.
    fs::remove_file(stage.app.join(".silo.lock")).expect("it is there");
    stage.run("up dev").success().stderr_has("Reusing k3d cluster 'localnet-dev'\n");
}

#[test]
fn the_hint_to_start_docker_comes_where_docker_is_down_and_only_there() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.cluster-create.exit", "1");
    stage.tools.set("k3d.cluster-create.stderr", "no such flag\n");
    let ran = stage.run("up dev").exit(1).stderr_has("  | no such flag\n");
    assert!(!ran.stderr.contains("Start Docker"), "{ran:#?}");
    let error = ran.stderr.lines().find(|line| line.starts_with("Error: ")).expect("it failed");
    assert!(error.starts_with("Error: `k3d cluster create localnet-dev ") && error.len() < 130, "{error}");
    stage.tools.unset("k3d.cluster-create.exit");
    stage.tools.unset("k3d.cluster-create.stderr");
    stage.tools.set("docker.down", "");
    stage.run("up").exit(1).stderr_has("Hint: Start Docker, then run it again; ports and env file are kept\n");
}
