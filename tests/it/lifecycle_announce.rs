//! What is announced of an image registry: `[k3d.registry]` and `[registry]`, filled; and a profile without the cluster.

use std::fs;

use crate::lifecycle_up::Stage;

/// What a cluster is told about its image registry.
fn announced(stage: &Stage, cluster: &str) -> String {
    let file = format!("state/configmaps/{cluster}.kube-public.local-registry-hosting.json");
    let text = fs::read_to_string(stage.tools.path(&file)).expect("it was announced");
    let object: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
    object["data"]["localRegistryHosting.v1"].as_str().expect("it is a text").to_owned()
}

/// Changes `silo.toml`.
fn rewrite(stage: &Stage, from: &str, to: &str) {
    let path = stage.app.join("silo.toml");
    let text = fs::read_to_string(&path).expect("it is there");
    assert!(text.contains(from), "{text}");
    fs::write(&path, text.replace(from, to)).expect("the project is writable");
}

#[test]
fn what_is_announced_is_filled() {
    let more = "host = \"localhost:${K3D_REGISTRY_PORT}\"\nhelp = \"see ${APP_HOST} of ${name}\"\n";
    let stage = Stage::with_cluster(more);
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let text = announced(&stage, "k3d-localnet-dev");
    assert!(text.contains(&format!("localhost:{}", stage.registry)), "{text}");
    assert!(text.contains("see dev.localhost of dev") && !text.contains("${"), "{text}");

    let stage = Stage::new("[registry]\nhost = \"registry.${name}.example.com:${WEB_PORT}\"\n");
    let config = "clusters:\n- cluster:\n    server: http://127.0.0.1:1\n  name: own\ncurrent-context: own\n";
    fs::create_dir(stage.sandbox.path("home/.kube")).expect("the sandbox is writable");
    fs::write(stage.sandbox.path("home/.kube/config"), config).expect("the sandbox is writable");
    stage.tools.set("kubectl.servers", "http://127.0.0.1:1");
    stage.tilt_ends("0");
    let told = format!("Announcing image registry `registry.dev.example.com:{}` in the cluster", stage.web);
    stage.run("up dev").success().stderr_has(&told);
    assert!(announced(&stage, "own").contains(&format!("registry.dev.example.com:{}", stage.web)));
}

#[test]
fn in_the_cluster_the_image_registry_has_one_port() {
    let stage = Stage::with_cluster("hostFromClusterNetwork = \"${K3D_REGISTRY_NAME}\"\n");
    stage.tilt_ends("0");
    let refused = stage.run("up dev").exit(1);
    let name = "localnet-dev-registry.localhost";
    refused.stderr_has(&format!(
        "Error: `k3d.registry.hostFromClusterNetwork` is `{name}:{}`, and the image registry is `{name}:5000` there\n\
         Hint: Leave it out, or write `{name}:5000`\n",
        stage.registry
    ));
    rewrite(&stage, "${K3D_REGISTRY_NAME}", "${K3D_CLUSTER_NAME}-registry.localhost:5000");
    stage.run("up").success();
}

#[test]
fn a_profile_without_the_cluster_is_refused_where_it_is_asked_for_and_the_base_works() {
    let stage =
        Stage::with_cluster("[urls]\nCONTEXT = \"k3d-${K3D_CLUSTER_NAME}\"\n[profiles.remote]\nk3d.enabled = false\n");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    for line in ["up --profile remote --force", "env --profile remote --force"] {
        let ran =
            stage.run(line).exit(1).stderr_has("Error: With profile `remote`: Unknown variable `${K3D_CLUSTER_NAME}`");
        ran.stderr_has("Hint: Or give `urls.CONTEXT` another value in the profile, below `[profiles.remote]`\n");
    }
    for line in ["status", "list", "diff", "get CONTEXT", "down"] {
        stage.run(line).success();
    }
    rewrite(&stage, "k3d.enabled = false\n", "k3d.enabled = false\nurls.CONTEXT = \"shared\"\n");
    stage.run("up --profile remote --force").success();
    // One that broke while it holds.
    rewrite(&stage, "urls.CONTEXT = \"shared\"\n", "");
    stage.run("status").success();
    stage.run("list").success();
    stage.run("down").exit(1).stderr_has("Error: With profile `remote`");
}

#[test]
fn the_profile_is_told_of_in_the_words_of_the_older_silo() {
    let stage = Stage::with_cluster("[profiles.remote]\nk3d.enabled = false\n");
    stage.tilt_ends("0");
    let ran = stage.run("up dev --profile remote").success();
    let ran = ran
        .stderr_has("Instance: dev\nProfile: remote\nk3d: disabled by profile\n")
        .stderr_has("\nStarting Tilt... http");
    assert!(!ran.stderr.contains("Reusing"), "{ran:#?}");
    stage.run("up").success().stderr_has("Instance: dev\nReusing profile 'remote' from lockfile\nProfile: remote\n");
    let ran = stage.run("env").success();
    assert_eq!(ran.stderr, "", "the profile is part of its answer");
    let ran = stage.run("env -v").success().stderr_has("Reusing profile 'remote' from lockfile\n");
    assert!(!ran.stderr.contains("Cleared"), "{ran:#?}");
    let ran = stage.run("up --force").success().stderr_has("Instance: dev\nCleared profile, using base config\n");
    assert!(!ran.stderr.contains("disabled by profile"), "{ran:#?}");
    let told = stage.run("down --delete-cluster").success().stderr;
    assert!(told.ends_with("Deleting k3d cluster 'localnet-dev'...\nDone\n"), "{told}");
}

#[test]
fn verbose_tells_where_name_and_ports_are_from() {
    let stage = Stage::new("");
    let web = std::net::TcpListener::bind(("127.0.0.1", stage.web)).expect("it is free");
    let ran = stage.run("env -v").success().stderr_has("(made from folder or branch)\n");
    let ran = ran.stderr_has("(from the range, for its default was not available)\n");
    ran.stderr_has(&format!("Port: TILT_PORT {} (its default)\n", stage.tilt));
    drop(web);
    let ran = stage.run("env -v").success().stderr_has("(from the lockfile)\n");
    ran.stderr_has(&format!("Port: TILT_PORT {} (from the lockfile)\n", stage.tilt)).stderr_has("Config: ");
    stage.run("env -v --force").success().stderr_has(&format!("Port: TILT_PORT {} (its default)\n", stage.tilt));
    stage.run("env -v other").success().stderr_has("Name: other (as given)\n");
    fs::remove_file(stage.app.join(".silo.lock")).expect("it is there");
    let ran = stage.run("env -v").success().stderr_has("Name: other (from the registry)\n");
    ran.stderr_has(&format!("Port: TILT_PORT {} (from the registry)\n", stage.tilt));
}
