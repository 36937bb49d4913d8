//! `silo prune --all`: of what lies in Docker, what is proved an instance's goes, nothing else does, and what was removed
//! is looked for again.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use silo::core::text::digest;

use crate::fleet_prune::{RANDOM, instances, names, remove};
use crate::lifecycle_up::Stage;
use crate::machine::{assert_agreed, files_below};
use crate::sandbox::{SILO, Sandbox};
use crate::tools::Tools;

/// A project with a cluster whose folder is then removed, and things of its and of others in Docker.
fn left_behind() -> Stage {
    let stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let (own, other) = ("localnet-dev", "localnet-dev-2");
    for project in [own, other] {
        let label = [("com.docker.compose.project", project)];
        stage.tools.container(&format!("{project}-db-1"), &label, &[]);
        stage.tools.thing("network", &format!("{project}_default"), &label);
        stage.tools.thing("network", project, &[]);
        stage.tools.thing("volume", &format!("{project}_data"), &label);
    }
    stage.tools.thing("volume", "localnet-dev-data", &[]);
    fs::remove_dir_all(&stage.app).expect("it was made");
    stage
}

#[test]
fn with_clusters_everything_that_is_proved_theirs_goes_and_nothing_else() {
    let stage = left_behind();
    let kubeconfig = stage.sandbox.path("home/.kube/localnet-dev");
    assert!(kubeconfig.exists());
    let ran = stage.sandbox.run("", ["prune", "--dry-run", "--all"]).success();
    let (_, plan) = ran.stdout.split_once('\n').expect("it has lines");
    let expected = "  removes cluster localnet-dev\n  \
         removes containers localnet-dev-registry.localhost, localnet-dev-db-1\n  \
         removes networks localnet-dev, localnet-dev_default\n  removes volume localnet-dev_data\n";
    assert_eq!(plan, expected);
    let before = [stage.tools.names_of("container"), stage.tools.names_of("network"), stage.tools.names_of("volume")];
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert_eq!(stage.tools.names_of("container"), ["localnet-dev-2-db-1"], "of {before:?}");
    assert_eq!(stage.tools.names_of("network"), ["localnet-dev-2", "localnet-dev-2_default"]);
    assert_eq!(stage.tools.names_of("volume"), ["localnet-dev-2_data", "localnet-dev-data"]);
    assert!(!kubeconfig.exists());
    assert_eq!(names(&stage.sandbox), [""; 0]);
    assert_eq!(files_below(&stage.sandbox.path("state/silo/instances")), [""; 0]);
}

#[test]
fn a_label_that_anybody_could_write_proves_nothing() {
    let stage = left_behind();
    let id = digest::root_id(stage.app.to_str().expect("it is UTF-8").as_bytes());
    let precious = stage.sandbox.path("home/precious");
    fs::write(&precious, "").expect("HOME is writable");
    for (name, cluster) in [("one", "production"), ("two", "../precious"), ("three", "--all"), ("four", "localnet-dev")]
    {
        stage.tools.container(name, &[("silo.instance", &id), ("k3d.cluster", cluster), ("app", "k3d")], &[]);
    }
    // A row of Docker's answer is not to be forged by a label with a line break.
    stage.tools.container("five", &[("com.docker.compose.project", "x\nvictim\tlocalnet-dev")], &[]);
    stage.tools.container("victim", &[], &[]);
    let ran = stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert!(
        ran.stdout.contains("  removes cluster localnet-dev\n  removes containers localnet-dev-registry"),
        "{ran:#?}"
    );
    assert_eq!(
        stage.tools.names_of("container"),
        ["five", "four", "localnet-dev-2-db-1", "one", "three", "two", "victim"]
    );
    let deleted: Vec<String> = stage.tools.calls().into_iter().filter(|call| call.contains("cluster delete")).collect();
    assert_eq!(deleted, ["k3d cluster delete localnet-dev"]);
    assert!(precious.exists());
}

#[test]
fn what_stayed_in_docker_is_found_again_after_the_leases_are_free() {
    let stage = left_behind();
    let ran = stage.sandbox.run("", ["prune", "--yes"]).success();
    assert!(ran.stderr.contains("`silo prune --all` removes these too"), "{ran:#?}");
    assert_eq!(names(&stage.sandbox), [""; 0]);
    let ran = stage.sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n");
    ran.stderr("Roots that are gone left things in Docker; `silo prune --all` removes these too\n");
    let ran = stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert!(ran.stdout.starts_with("localnet-dev: ") && ran.stdout.contains("its leases are free already"), "{ran:#?}");
    assert_eq!(stage.tools.names_of("container"), ["localnet-dev-2-db-1"]);
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success().stdout("Nothing to prune\n");
}

#[test]
fn the_things_of_a_name_that_somebody_else_bears_now_are_left_alone() {
    let stage = left_behind();
    stage.sandbox.run("", ["prune", "--yes"]).success();
    let heir = stage.sandbox.project("heir", RANDOM);
    stage.sandbox.run(&heir, ["env", "dev"]).success();
    let ran = stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    // The cluster has the old root's own label; the rest could be the heir's by now.
    assert!(ran.stdout.contains("removes cluster localnet-dev\n") && !ran.stdout.contains("volume"), "{ran:#?}");
    assert_eq!(stage.tools.names_of("volume").len(), 3);
    assert!(stage.tools.names_of("container").contains(&"localnet-dev-db-1".to_owned()));
    assert_agreed(&stage.sandbox, &heir);
}

#[test]
fn the_things_of_a_name_that_a_living_root_once_had_are_left_alone() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let [gone, lives] = ["gone", "lives"].map(|name| sandbox.project(name, RANDOM));
    sandbox.run(&gone, ["env", "main"]).success();
    sandbox.run(&gone, ["env", "old"]).success();
    sandbox.run(&lives, ["env", "main"]).success();
    tools.thing("volume", "localnet-main_data", &[("com.docker.compose.project", "localnet-main")]);
    tools.thing("volume", "localnet-old_data", &[("com.docker.compose.project", "localnet-old")]);
    sandbox.run(&lives, ["env", "other", "--rename"]).success();
    remove(&gone);
    let ran = sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert!(ran.stdout.ends_with("  removes volume localnet-old_data\n"), "{ran:#?}");
    assert_eq!(tools.names_of("volume"), ["localnet-main_data"]);
}

#[test]
fn a_compose_project_that_was_started_in_a_folder_which_is_there_is_kept() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let both = instances(&sandbox, ["one", "two"]);
    let elsewhere = sandbox.path("projects");
    let folder = |path: &PathBuf| path.to_str().expect("it is UTF-8").to_owned();
    for (name, folder) in [("one", folder(&elsewhere)), ("two", folder(&both[1]))] {
        let project = ("com.docker.compose.project", format!("localnet-{name}"));
        tools.thing("volume", &format!("{name}_data"), &[(project.0, &project.1)]);
        let labels = [(project.0, project.1.as_str()), ("com.docker.compose.project.working_dir", &folder)];
        tools.container(&format!("{name}-db-1"), &labels, &[]);
    }
    both.iter().for_each(remove);
    let ran = sandbox.run("", ["prune", "--yes", "--all"]).success();
    let kept = "Kept: compose project localnet-one, for `$SANDBOX/projects`, where it was started, is there\n";
    assert!(ran.stderr.starts_with(kept), "{ran:#?}");
    assert_eq!(
        (tools.names_of("container"), tools.names_of("volume")),
        (vec!["one-db-1".into()], vec!["one_data".into()])
    );
    assert_eq!(files_below(&sandbox.path("state/silo/instances")), [""; 0]);
}

#[test]
fn a_cluster_without_silos_label_keeps_its_network_and_image_registry() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let [gone] = instances(&sandbox, ["gone"]);
    for (name, role) in [("k3d-localnet-gone-server-0", "server"), ("localnet-gone-registry.localhost", "registry")] {
        tools.container(name, &[("app", "k3d"), ("k3d.cluster", "localnet-gone"), ("k3d.role", role)], &[]);
    }
    tools.thing("network", "k3d-localnet-gone", &[("app", "k3d")]);
    remove(&gone);
    let ran = sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert!(!ran.stdout.contains("removes"), "{ran:#?}");
    assert_eq!((tools.names_of("network").len(), tools.names_of("container").len()), (1, 2));
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn a_cluster_of_an_id_that_two_roots_had_goes_by_its_name_too() {
    let mut stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    let first = stage.sandbox.project("first", RANDOM);
    let moved = stage.sandbox.dir("moved");
    sandbox_move(&stage, &first, &moved);
    // At the old place stands another clone now, with a cluster of its own.
    let toml = fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    stage.app = stage.sandbox.project("first", &toml);
    fs::write(stage.app.join("Tiltfile"), "").expect("the project is writable");
    stage.run("up second").success();
    remove(&moved);
    let ran = stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert!(!ran.stdout.contains("cluster"), "{ran:#?}");
    assert!(stage.tools.names_of("container").contains(&"k3d-localnet-second-server-0".to_owned()));
}

/// Settles a folder, moves it, and settles it where it is now.
fn sandbox_move(stage: &Stage, from: &PathBuf, to: &PathBuf) {
    stage.sandbox.run(from, ["env", "first"]).success();
    fs::rename(from, to).expect("it is there");
    stage.sandbox.run(to, ["env"]).success();
}

#[test]
fn what_got_another_owner_while_docker_was_asked_is_left_alone() {
    let stage = left_behind();
    let heir = stage.sandbox.project("heir", RANDOM);
    stage.tools.set("docker.volume-ls.wait", "");
    let mut prune = stage.sandbox.command(SILO, "");
    prune.args(["prune", "--yes", "--all"]).stdout(Stdio::null()).stderr(Stdio::null());
    let mut prune = prune.spawn().expect("silo starts");
    stage.tools.wait_for("docker volume ls");
    stage.sandbox.run(&heir, ["env", "dev"]).success();
    stage.tools.unset("docker.volume-ls.wait");
    assert!(prune.wait().expect("it ends").success());
    assert_eq!(stage.tools.names_of("volume").len(), 3);
    assert!(stage.tools.names_of("container").contains(&"localnet-dev-db-1".to_owned()));
    assert_agreed(&stage.sandbox, &heir);
}

#[test]
fn what_cannot_be_removed_is_named_and_its_leases_are_kept() {
    let stage = left_behind();
    stage.tools.set("docker.volume-rm.exit", "1");
    stage.tools.set("docker.volume-rm.stderr", "Error response from daemon: volume is in use\n");
    let ran = stage.sandbox.run("", ["prune", "--yes", "--all"]);
    let ran = ran.fails_naming(&["Still there: volume localnet-dev_data; its leases are kept", "volume is in use"]);
    assert!(ran.stderr.ends_with("then run `silo prune --all` again\n"), "{ran:#?}");
    assert_eq!(names(&stage.sandbox), ["dev"]);
    stage.tools.unset("docker.volume-rm.exit");
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert_eq!(names(&stage.sandbox), [""; 0]);
}

#[test]
fn an_answer_that_is_none_is_not_taken_for_nothing() {
    let stage = left_behind();
    stage.tools.set("docker.volume-ls.garbage", "no volumes for today\n");
    let told = "`docker volume ls` printed something other than JSON";
    stage.sandbox.run("", ["prune", "--yes", "--all"]).fails_naming(&[told, "Run it by hand and look"]);
    assert_eq!(names(&stage.sandbox), ["dev"]);
    stage.tools.unset("docker.volume-ls.garbage");
    stage.sandbox.run("", ["prune", "--yes", "--all"]).success();
    assert_eq!(stage.tools.names_of("volume"), ["localnet-dev-2_data", "localnet-dev-data"]);
}

#[test]
fn without_docker_the_leases_are_freed_and_clusters_are_refused() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let [gone] = instances(&sandbox, ["gone"]);
    remove(&gone);
    tools.set("docker.down", "");
    sandbox.run("", ["prune", "--yes", "--all"]).fails_naming(&["Is the docker daemon running?", "without `--all`"]);
    assert_eq!(names(&sandbox), ["gone"]);
    sandbox.run("", ["prune", "--yes"]).success();
    assert_eq!(names(&sandbox), [""; 0]);
    // What silo knows of it is kept for as long as something of its may lie in Docker.
    let state = sandbox.path("state/silo/instances");
    let known = files_below(&state);
    let ran = sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n");
    ran.stderr("Docker does not answer; when it does, `silo prune` forgets roots that left nothing there\n");
    assert!(known.iter().any(|file| file.ends_with("/history")) && files_below(&state) == known, "{known:?}");
    tools.unset("docker.down");
    let plan = "localnet-gone: $SANDBOX/projects/gone is gone; forgets it\n";
    sandbox.run("", ["prune", "--dry-run"]).success().stdout(plan).stderr("");
    assert_eq!(files_below(&state), known);
    sandbox.run("", ["prune", "--yes"]).success().stdout(plan).stderr("Forgot 1 root\n");
    assert_eq!(files_below(&state), [""; 0]);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr("");
}
