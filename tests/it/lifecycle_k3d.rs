//! The k3d cluster through `silo up`, however it is found: stopped, half made, without its image registry, or somebody
//! else's; and what `silo status` says of it.

use std::time::{Duration, Instant};

use expect_test::expect;
use serde_json::Value;

use crate::lifecycle_up::Stage;
use crate::sandbox::Ran;

/// A stage whose cluster was made by an earlier `up`.
fn made() -> Stage {
    let stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    stage.skip_story();
    stage
}

/// Calls a stand-in as a developer would.
fn by_hand(stage: &Stage, line: &str) -> Ran {
    let mut words = line.split(' ');
    let mut command = stage.sandbox.command(words.next().expect("a line has words"), "");
    command.args(words);
    stage.sandbox.finish(command).success()
}

fn status(stage: &Stage) -> Value {
    serde_json::from_slice(&stage.run("status --json").success().bytes).expect("it is JSON")
}

#[test]
fn a_stopped_cluster_is_started() {
    let stage = made();
    by_hand(&stage, "k3d cluster stop localnet-dev");
    assert_eq!(status(&stage)["k3d"]["state"], "stopped");
    stage.skip_story();
    stage.run("up").success().stderr_has("Starting k3d cluster 'localnet-dev'...\n");
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        k3d cluster start localnet-dev --wait --timeout 180s
        k3d registry list -o json
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        tilt up
    "#]]);
    assert_eq!(status(&stage)["k3d"]["state"], "running");
}

#[test]
fn a_half_made_cluster_is_made_anew() {
    let stage = made();
    stage.edit_container("k3d-localnet-dev-serverlb", |container| container["state"] = "created".into());
    assert_eq!(status(&stage)["k3d"]["state"], "half-made");
    stage.skip_story();
    stage.run("up").success().stderr_has("k3d cluster 'localnet-dev' was only half made; it is made again\n");
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        k3d cluster delete localnet-dev
        k3d registry list -o json
        docker network ls --filter label=app=k3d --format '{{json .Name}}'
        k3d cluster create localnet-dev --kubeconfig-update-default=false --kubeconfig-switch-context=false --api-port 127.0.0.1:$API --registry-create localnet-dev-registry.localhost:127.0.0.1:$REGISTRY --timeout 180s --runtime-label silo.instance=$ID@server:0 --agents=1 --port=0:80@loadbalancer
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        tilt up
    "#]]);
    assert_eq!(status(&stage)["k3d"]["state"], "running");
}

#[test]
fn an_image_registry_that_is_gone_is_made_again() {
    let stage = made();
    stage.tools.unset("state/containers/localnet-dev-registry.localhost.json");
    assert_eq!(status(&stage)["k3d"]["registryState"], "missing");
    stage.skip_story();
    let told = "The image registry 'localnet-dev-registry.localhost' is gone; it is made again, empty\n";
    stage.run("up").success().stderr_has(told);
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        k3d registry list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "k3d.cluster.network")}}'
        docker run --detach --name localnet-dev-registry.localhost --network k3d-localnet-dev --restart unless-stopped --publish 127.0.0.1:$REGISTRY:5000 --label app=k3d --label k3d.role=registry --label k3d.cluster=localnet-dev registry:2
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        tilt up
    "#]]);
    assert_eq!(status(&stage)["k3d"]["registryState"], "running");
    stage.run("down --delete-cluster").success();
    assert_eq!(by_hand(&stage, "docker ps -aq").stdout, "");
}

#[test]
fn an_image_registry_that_is_made_again_is_in_the_network_of_its_cluster() {
    let stage = made();
    stage.edit_container("k3d-localnet-dev-server-0", |server| {
        server["labels"]["k3d.cluster.network"] = "shared".into();
        server["networks"] = vec!["shared"].into();
    });
    stage.tools.unset("state/containers/localnet-dev-registry.localhost.json");
    stage.run("up").success();
    let networks = by_hand(&stage, "docker ps --filter label=k3d.role=registry --format {{.Networks}}").stdout;
    assert_eq!(networks, "shared\n");
}

#[test]
fn a_stopped_image_registry_is_started() {
    let stage = made();
    stage.edit_container("localnet-dev-registry.localhost", |container| container["state"] = "exited".into());
    assert_eq!(status(&stage)["k3d"]["registryState"], "stopped");
    stage.skip_story();
    stage.run("up").success().stderr_has("Starting the image registry 'localnet-dev-registry.localhost'\n");
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        k3d registry list -o json
        docker start localnet-dev-registry.localhost
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        tilt up
    "#]]);
}

#[test]
fn a_cluster_that_is_gone_is_made_again() {
    let stage = made();
    by_hand(&stage, "k3d cluster delete localnet-dev");
    assert_eq!(status(&stage)["k3d"]["state"], "missing");
    stage.run("up").success().stderr_has("Creating k3d cluster 'localnet-dev'...\n");
    assert_eq!(status(&stage)["k3d"]["state"], "running");
}

#[test]
fn a_cluster_of_somebody_else_is_refused_and_never_deleted() {
    let stage = Stage::with_cluster("");
    by_hand(&stage, "k3d cluster create localnet-dev");
    stage.skip_story();
    stage.tilt_ends("0");
    stage.run("up dev").exit(1).stdout("").stderr_has(
        "Error: There is a k3d cluster `localnet-dev` that this instance did not make\n\
         Hint: Give this instance another name: `silo up OTHER-NAME`\n\
         Hint: Or delete the cluster, if nobody needs it: `k3d cluster delete localnet-dev`\n",
    );
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
    "#]]);
    stage.assert_cleared();
    let _either = stage.run("down --delete-cluster");
    assert!(by_hand(&stage, "k3d cluster list").stdout.contains("localnet-dev"), "a foreign cluster was deleted");
    stage.run("up other").success();
}

#[test]
fn log_lines_before_the_json_do_no_harm_and_garbage_is_named_without_the_token() {
    let stage = made();
    let list = by_hand(&stage, "k3d cluster list localnet-dev -o json").stdout;
    assert!(list.contains("SECRET"), "the stand-in has a secret to keep");
    stage.tools.set("k3d.cluster-list.garbage", &format!("\u{1b}[36mINFO\u{1b}[0m[0000] hello [world\n{list}"));
    stage.run("up").success();
    stage.tools.set("k3d.cluster-list.garbage", &format!("{list} oh no"));
    let ran = stage.run("up -v").exit(1).stdout("").stderr_has(
        "Error: `k3d cluster list -o json` printed something other than JSON\n\
         Hint: Run it by hand and look; k3d 5 is needed: `k3d version`\n",
    );
    assert!(!ran.stderr.contains("SECRET"), "{ran:#?}");
    let ran = stage.run("status -v").success();
    assert!(ran.stdout.contains("k3d: localnet-dev (did not answer)\n"), "{ran:#?}");
    assert!(!format!("{ran:?}").contains("SECRET"));
}

#[test]
fn no_output_and_no_file_of_silo_holds_the_token() {
    let stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    let mut told = String::new();
    for line in ["up -v dev", "up -v", "status -v", "status --json", "env -v", "down -v", "down -v --delete-cluster"] {
        let ran = stage.run(line).success();
        told += &format!("{}{}", ran.stdout, ran.stderr);
    }
    for file in [".localnet.env", ".silo.lock"] {
        told += &std::fs::read_to_string(stage.app.join(file)).expect("it is there");
    }
    assert!(!told.contains("SECRET"), "{told}");
}

#[test]
fn status_answers_though_k3d_hangs() {
    let stage = made();
    stage.tools.set("k3d.cluster-list.wait", "");
    stage.tools.set("k3d.registry-list.wait", "");
    let start = Instant::now();
    let text = stage.run("status").success().stdout;
    let took = start.elapsed();
    // The stand-in answers after half a minute.
    assert!(took < Duration::from_secs(20), "{took:?}");
    assert!(text.contains("State: stopped\nk3d: localnet-dev (did not answer)\n"), "{text}");
    assert!(text.contains("-registry.localhost:") && text.contains("Registry state: did not answer\n"), "{text}");
}

#[test]
fn without_docker_up_says_so_and_status_still_answers() {
    let stage = made();
    stage.tools.set("docker.down", "");
    stage.run("up").exit(1).stderr_has("Is the docker daemon running?");
    stage.assert_cleared();
    assert_eq!(status(&stage)["k3d"]["state"], Value::Null);
    let ran = stage.run("status").success();
    assert!(ran.stdout.contains("k3d: localnet-dev (did not answer)\n"), "{ran:#?}");
    stage.tools.unset("docker.down");
    stage.assert_next_up_works();
}

/// A stage whose cluster was cut off while its first server's image came over the network.
fn cut_off() -> Stage {
    let stage = made();
    for name in ["server-0", "agent-0", "serverlb"] {
        stage.tools.unset(&format!("state/containers/k3d-localnet-dev-{name}.json"));
    }
    stage.edit_container("localnet-dev-registry.localhost", |container| container["state"] = "created".into());
    stage
}

#[test]
fn a_making_that_was_cut_off_before_the_first_server_is_begun_anew() {
    let stage = cut_off();
    stage.run("up").success();
    stage.story(&expect![[r#"
        k3d cluster list -o json
        k3d registry list -o json
        k3d cluster delete localnet-dev
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "k3d.role")}}	{{json .Networks}}'
        docker rm --force --volumes localnet-dev-registry.localhost
        docker network ls --filter label=app=k3d --format '{{json .Name}}'
        docker network rm k3d-localnet-dev
        k3d cluster create localnet-dev --kubeconfig-update-default=false --kubeconfig-switch-context=false --api-port 127.0.0.1:$API --registry-create localnet-dev-registry.localhost:127.0.0.1:$REGISTRY --timeout 180s --runtime-label silo.instance=$ID@server:0 --agents=1 --port=0:80@loadbalancer
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        tilt up
    "#]]);
    let found = status(&stage);
    assert_eq!([&found["k3d"]["state"], &found["k3d"]["registryState"]], ["running", "running"]);
    stage.run("down --delete-cluster").success();
    assert_eq!(stage.tools.names_of("network"), [""; 0], "k3d deletes the network it has made itself");
}

#[test]
fn down_delete_cluster_leaves_no_image_registry_behind() {
    let stage = cut_off();
    stage.run("down --delete-cluster").success();
    assert_eq!(by_hand(&stage, "docker ps -aq").stdout, "");
    assert_eq!(stage.tools.names_of("network"), [""; 0]);
}

#[test]
fn an_image_registry_that_somebody_connected_elsewhere_stays() {
    let stage = made();
    let name = "localnet-dev-registry.localhost";
    stage.edit_container(name, |container| container["networks"] = serde_json::json!(["bridge", "theirs"]));
    stage.run("down --delete-cluster").success();
    assert_eq!(stage.tools.names_of("container"), [name]);
}

#[test]
fn a_gate_before_docker_is_not_in_the_way_of_silos_own_questions() {
    let stage = Stage::with_cluster("[gates]\ndocker = \"cluster\"\n");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    by_hand(&stage, "k3d cluster stop localnet-dev");
    stage.run("allow").success();
    stage.run("exec -- docker ps").success().stderr_has("Starting k3d cluster 'localnet-dev'...\n");
}

#[test]
fn a_moved_folder_keeps_its_cluster_and_prune_leaves_it_alone() {
    let mut stage = made();
    let moved = stage.sandbox.dir("moved");
    std::fs::rename(&stage.app, &moved).expect("it is there");
    stage.app = moved;
    stage.skip_story();
    stage.run("up").success().stderr_has("Reusing k3d cluster 'localnet-dev'\n");
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success().stdout("Nothing to prune\n");
    assert_eq!(status(&stage)["k3d"]["state"], "running");
    stage.run("down --delete-cluster").success();
    assert_eq!(status(&stage)["k3d"]["state"], "missing");
}

#[test]
fn a_name_that_comes_back_in_another_folder_brings_its_cluster() {
    let mut stage = made();
    let toml = std::fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    std::fs::remove_dir_all(&stage.app).expect("it is there");
    stage.app = stage.sandbox.project("again", &toml);
    std::fs::write(stage.app.join("Tiltfile"), "").expect("the project is writable");
    stage.run("up dev").success().stderr_has("Reusing k3d cluster 'localnet-dev'\n");
    // When this one is gone too, what is left is known to be its own.
    std::fs::remove_dir_all(&stage.app).expect("it is there");
    let ran = stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert!(ran.stdout.contains("  removes cluster localnet-dev\n"), "{ran:#?}");
    assert_eq!(stage.tools.names_of("container"), [""; 0]);
}

#[test]
fn an_image_registry_outside_k3d_is_announced_and_its_name_drives_no_terminal() {
    let stage = Stage::new("[registry]\nhost = \"localhost:5000\\u202e\"\n");
    let config = "clusters:\n- cluster:\n    server: http://127.0.0.1:1\n  name: own\ncurrent-context: own\n";
    let kube = stage.sandbox.path("home/.kube");
    std::fs::create_dir(&kube).expect("the sandbox is writable");
    std::fs::write(kube.join("config"), config).expect("the sandbox is writable");
    stage.tools.set("kubectl.servers", "http://127.0.0.1:1");
    stage.tilt_ends("0");
    let told = "Announcing image registry `localhost:5000\u{fffd}` in the cluster of the current kube context\n";
    stage.run("up dev").success().stderr_has(told);
    assert!(stage.tools.calls().contains(&"kubectl apply -f -".to_owned()), "{:#?}", stage.tools.calls());
}

#[test]
fn a_kubeconfig_with_more_than_this_clusters_is_neither_replaced_nor_removed() {
    let stage = Stage::with_cluster("");
    let folder = stage.sandbox.path("home/.kube");
    let (path, own) = (folder.join("localnet-dev"), folder.join("localnet-dev.own"));
    let theirs = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://10.0.0.1:6443\n  name: prod\n\
                  contexts: []\ncurrent-context: \"\"\nusers: []\n";
    std::fs::create_dir(&folder).expect("the sandbox is writable");
    std::fs::write(&path, theirs).expect("the sandbox is writable");
    let refused = stage.run("up dev").exit(1);
    refused.stderr_has("localnet-dev` is not a kubeconfig of k3d cluster `localnet-dev` alone\n");
    assert_eq!(stage.tools.calls(), [""; 0], "nothing is made before it is found");
    std::fs::rename(&path, &own).expect("the sandbox is writable");
    stage.tilt_ends("0");
    stage.run("up dev").success();

    // A cloud's tool adds to the file that `KUBECONFIG` names.
    let written = std::fs::read_to_string(&path).expect("it was written");
    let added = written.replace("users:\n", "users:\n- name: cloud\n  user:\n    token: abc\n");
    std::fs::write(&path, &added).expect("the sandbox is writable");
    stage.run("up").exit(1);
    assert_eq!(std::fs::read_to_string(&path).ok().as_deref(), Some(added.as_str()));
    stage.run("down --delete-cluster").success().stderr_has("is left: more than this cluster's is in it\n");
    let left = std::fs::read_to_string(&path).expect("it is left");
    assert!(left.contains("token: abc") && !left.contains("k3d-"), "{left}");
}

#[test]
fn a_kubeconfig_that_cannot_be_read_keeps_no_cluster_from_going() {
    let stage = Stage::with_cluster("[hooks]\npost-down = [\"touch ended\"]\n");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let path = stage.sandbox.path("home/.kube/localnet-dev");
    std::fs::remove_file(&path).and_then(|()| std::fs::create_dir(&path)).expect("the sandbox is writable");
    let ran = stage.run("down --delete-cluster").success();
    ran.stderr_has("localnet-dev`: it is not a plain file\n");
    assert_eq!(stage.instance()["k3dClusterCreated"], false);
    assert!(stage.app.join("ended").exists() && path.exists());
}
