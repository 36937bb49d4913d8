//! What an instance left under another name or profile, or when it was released: every cluster that it ever made is known until it
//! is gone, and what stays in Docker is named.

use std::fs;
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::lifecycle_parts::Tells as _;
use crate::lifecycle_up::Stage;
use crate::sandbox::free_ports;

/// A stage whose instance `dev` has made its cluster.
fn made(more: &str) -> Stage {
    let stage = Stage::with_cluster(more);
    stage.tilt_ends("0");
    stage.run("up dev").success();
    stage.skip_story();
    stage
}

fn by_hand(stage: &Stage, line: &str) {
    let mut words = line.split(' ');
    let mut command = stage.sandbox.command(words.next().expect("a line has words"), "");
    command.args(words);
    stage.sandbox.finish(command).success();
}

/// What `silo list --json` says of the cluster of the one instance.
fn listed(stage: &Stage) -> Value {
    let all: Value = serde_json::from_slice(&stage.run("list --json").success().bytes).expect("it is JSON");
    all[0]["cluster"].clone()
}

/// A container, a network and a volume that compose made for an instance in a folder.
fn composed(stage: &Stage, project: &str) {
    let folder = stage.app.to_str().expect("it is UTF-8");
    let labels = [("com.docker.compose.project", project), ("com.docker.compose.project.working_dir", folder)];
    stage.tools.container(&format!("{project}-db-1"), &labels, &[]);
    stage.tools.thing("network", &format!("{project}_default"), &labels[..1]);
    stage.tools.thing("volume", &format!("{project}_data"), &labels[..1]);
}

#[test]
fn every_cluster_an_instance_ever_made_is_known_until_it_is_gone() {
    let stage = made("[profiles.remote]\nk3d.enabled = false\n");
    by_hand(&stage, "k3d cluster stop localnet-dev");
    stage.run("env other --rename").success();
    assert_eq!(listed(&stage)["others"], json!(["localnet-dev"]));
    stage.run("list").success().tells("missing, and localnet-dev");
    stage
        .run("status")
        .success()
        .tells("Earlier cluster: localnet-dev (stopped); `silo down --delete-cluster` deletes it");
    stage.run("up").success();
    // A profile without a cluster, and ports that are planned again.
    stage.run("env --profile remote --force").success();
    fs::remove_file(stage.app.join(".silo.lock")).expect("it is there");
    stage.run("env").success();
    let told = listed(&stage).to_string();
    assert!(told.contains("localnet-dev") && told.contains("localnet-other"), "{told}");
    let told = stage.run("status").success().stdout;
    assert!(told.contains("localnet-dev (stopped)") && told.contains("localnet-other (running)"), "{told}");
    let ran = stage.run("down --delete-cluster").success();
    ran.stderr_has("Deleting k3d cluster 'localnet-dev'...\n").stderr_has("\nDone\n");
    assert_eq!(stage.tools.names_of("container"), [""; 0]);
    for name in ["localnet-dev", "localnet-other"] {
        assert!(!stage.sandbox.path("home/.kube").join(name).exists(), "{name}");
    }
    assert_ne!(listed(&stage)["others"], json!(["localnet-dev"]));
    stage.skip_story();
    stage.run("down --delete-cluster").success();
    assert!(!stage.tools.calls().iter().any(|call| call.contains("cluster delete localnet-dev")), "nothing is left");
}

#[test]
fn a_cluster_is_known_by_its_label_where_the_state_folder_forgot_that_it_was_made() {
    let stage = made("");
    stage.run("env other --rename").success();
    let histories = stage.sandbox.path("state/silo/instances");
    let history = fs::read_dir(histories).expect("it is there").next().expect("one").expect("it is read").path();
    let history = history.join("history");
    let text = fs::read_to_string(&history).expect("there is a history");
    let mut value: Value = serde_json::from_str(&text).expect("it is JSON");
    value["clusters"] = json!([]);
    fs::write(&history, value.to_string()).expect("it is ours");
    assert_eq!(listed(&stage)["others"], json!(["localnet-dev"]));
    stage.run("down --delete-cluster").success().stderr_has("Deleting k3d cluster 'localnet-dev'...\n");
    assert_eq!(stage.tools.names_of("container"), [""; 0]);
}

#[test]
fn a_cluster_that_somebody_else_made_since_under_an_earlier_name_stays() {
    let stage = made("");
    stage.run("env other --rename").success();
    by_hand(&stage, "k3d cluster delete localnet-dev");
    by_hand(&stage, "k3d cluster create localnet-dev --runtime-label silo.instance=theirs@server:0");
    assert_eq!(listed(&stage)["others"], json!([]));
    let told = "Warning: The k3d cluster `localnet-dev` stays: it is not this instance's any more\n";
    stage.run("down --delete-cluster").success().stderr_has(told);
    assert!(stage.tools.names_of("container").contains(&"k3d-localnet-dev-server-0".to_owned()));
    let ran = stage.run("down --delete-cluster").success();
    assert!(!ran.stderr.contains("stays"), "that is known now: {ran:#?}");
}

#[test]
fn a_renamed_instance_takes_no_cluster_of_the_new_name_for_its_own() {
    let stage = made("");
    by_hand(&stage, "k3d cluster create localnet-other");
    stage.run("env other --rename").success();
    assert_eq!(stage.instance()["k3dClusterCreated"], false);
    let told = "Error: There is a k3d cluster `localnet-other` that this instance did not make\n";
    stage.run("up").exit(1).stderr_has(told);
    stage.run("down --delete-cluster").exit(1).stderr_has(told);
    stage.run("env dev").success();
    stage.run("up").success().stderr_has("Reusing k3d cluster 'localnet-dev'\n");
}

#[test]
fn a_kept_clusters_own_ports_do_not_make_an_instance_listen() {
    let stage = made("");
    stage.run("down --delete-cluster").success();
    let [lb] = free_ports();
    let toml = fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    let toml = toml.replace("[ports]\n", &format!("[ports]\nLB_PORT = {lb}\n"));
    let toml = toml.replace("--port=0:80@", "--port=${LB_PORT}:80@");
    fs::write(stage.app.join("silo.toml"), toml).expect("it is writable");
    stage.tools.set("k3d.listen", "");
    stage.run("up").success();
    let status: Value = serde_json::from_slice(&stage.run("status --json").success().bytes).expect("it is JSON");
    assert!(status["listening"].to_string().contains("LB_PORT"), "{status}");
    for line in ["status", "list"] {
        let told = stage.run(line).success().stdout;
        assert!(told.contains("stopped") && !told.contains("State: listening"), "{line}: {told}");
    }
    // A server of the project's does.
    let [web] = [stage.web];
    let mut server = stage.sandbox.command("/usr/bin/python3", &stage.app);
    server.args([
        "-c",
        "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); time.sleep(600)",
    ]);
    server.arg(web.to_string());
    let mut server = server.spawn().expect("it starts");
    // Not by taking the port, for the server could find it taken.
    crate::lifecycle_up::wait_until("server", || TcpStream::connect(("127.0.0.1", web)).is_ok());
    stage.run("status").success().tells("State: listening");
    server.kill().and_then(|()| server.wait()).expect("it is our child");
    stage.run("down --delete-cluster").success();
}

#[test]
fn what_down_clean_leaves_in_docker_is_named_and_the_next_env_does_not_forget_it() {
    let stage = made("");
    composed(&stage, "localnet-dev");
    composed(&stage, "theirs");
    let left = "Left in Docker: cluster localnet-dev, containers localnet-dev-registry.localhost, localnet-dev-db-1, \
                network localnet-dev_default, volume localnet-dev_data; to use it again: `silo env dev`\n";
    let ran = stage.run("down --clean").success().stderr_has(left);
    assert!(!ran.stderr.contains("theirs"), "{ran:#?}");
    stage.run("prune").success().stdout("Nothing to prune\n").stderr_has(&format!("`$SANDBOX/projects/app`: {left}"));
    let ran = stage.run("env other --rename").success().stderr_has(left);
    assert!(!ran.stderr.contains("theirs"), "{ran:#?}");
    assert!(!stage.run("env").success().stderr.contains("Left in Docker"), "it is said once");
    stage.run("prune").success().stderr_has(left);
    stage.run("env dev").success();
    stage.run("down --delete-cluster").success();
    assert_eq!(stage.tools.names_of("container"), ["localnet-dev-db-1", "theirs-db-1"]);
}

#[test]
fn prune_names_what_a_root_that_is_gone_leaves_and_keeps_a_cluster_without_a_label() {
    let stage = made("");
    composed(&stage, "localnet-dev");
    fs::remove_dir_all(&stage.app).expect("it was made");
    stage.edit_container("k3d-localnet-dev-server-0", |container| {
        container["labels"].as_object_mut().expect("it has labels").remove("silo.instance");
    });
    let ran = stage.sandbox.run("", ["prune", "--dry-run"]).success();
    assert!(ran.stdout.contains("  leaves volume localnet-dev_data\n"), "{ran:#?}");
    let told = "Kept: cluster localnet-dev, for it has no label of silo's; if nobody needs it: \
                `k3d cluster delete localnet-dev`\n";
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success().stderr_has(told);
    assert!(stage.tools.names_of("container").contains(&"k3d-localnet-dev-server-0".to_owned()));
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success().stderr_has(told);
    by_hand(&stage, "k3d cluster delete localnet-dev");
    stage.sandbox.run("", ["prune", "--yes"]).success().tells("forgets it");
    stage.sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr("");
}
