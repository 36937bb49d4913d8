//! `silo prune`: what is gone is let go of, what is not is kept, and what was removed is looked for again.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use silo::core::digest;

use crate::lifecycle_up::Stage;
use crate::machine::{assert_agreed, files_below, hold_registry, registry};
use crate::pty::{Session, Shell};
use crate::sandbox::{SILO, Sandbox};
use crate::tools::Tools;

const RANDOM: &str = "version = 1\n[ports]\nA = 0\nB = 0\n";

/// Instances named like their folders.
fn instances<const N: usize>(sandbox: &Sandbox, names: [&str; N]) -> [PathBuf; N] {
    names.map(|name| {
        let dir = sandbox.project(name, RANDOM);
        sandbox.run(&dir, ["env", name]).success();
        dir
    })
}

fn names(sandbox: &Sandbox) -> Vec<String> {
    registry(sandbox).instances.into_iter().map(|instance| instance.name).collect()
}

fn remove(dir: &PathBuf) {
    fs::remove_dir_all(dir).expect("it was made");
}

#[test]
fn the_leases_of_gone_roots_are_freed_and_no_others() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let [gone, stays] = instances(&sandbox, ["gone", "stays"]);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr("");
    let ports: Vec<u16> = sandbox.lockfile_ports(&gone).values().copied().collect();
    remove(&gone);
    let plan = format!("gone: $SANDBOX/projects/gone is gone; frees {} {}\n", ports[0], ports[1]);
    sandbox.run("", ["prune", "--dry-run"]).success().stdout(&plan).stderr("");
    assert_eq!(names(&sandbox), ["gone", "stays"]);
    let refused = sandbox.run("", ["prune"]).exit(2).stdout(&plan);
    assert!(refused.stderr.contains("there is no terminal to ask on") && refused.stderr.contains("`silo prune --yes`"));
    assert_eq!(names(&sandbox), ["gone", "stays"]);
    sandbox.run("", ["prune", "--yes"]).success().stdout(&plan).stderr("Freed 2 ports\n");
    assert_eq!(names(&sandbox), ["stays"]);
    assert_agreed(&sandbox, &stays);
    let id = digest::root_id(stays.to_str().expect("it is UTF-8").as_bytes());
    let left = files_below(&sandbox.path("state/silo/instances"));
    assert!(left.iter().all(|file| file.starts_with(&id)), "{left:?}");
    let next = instances(&sandbox, ["next"]);
    let next: Vec<u16> = sandbox.lockfile_ports(&next[0]).values().copied().collect();
    assert_eq!(next, ports, "what was freed is given out again");
}

#[test]
fn a_server_that_was_left_running_is_named_with_what_ends_it() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let [gone, stays] = instances(&sandbox, ["gone", "stays"]);
    let serve = "import os, socket\n\
                 held = [socket.create_server((\"127.0.0.1\", int(os.environ[name]))) for name in \"AB\"]\n\
                 print(\"up\", flush=True)\ninput()";
    let server = |dir: &PathBuf| {
        let mut command = sandbox.command(SILO, dir);
        command.args(["exec", "--", "python3", "-c", serve]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = command.spawn().expect("silo starts");
        let mut line = String::new();
        BufReader::new(server.stdout.as_mut().expect("it is piped")).read_line(&mut line).expect("it can be read");
        assert_eq!(line, "up\n");
        server
    };
    let mut servers = [server(&gone), server(&stays)];
    let ports = sandbox.lockfile_ports(&gone);
    let (a, b, pid) = (ports["A"], ports["B"], servers[0].id());
    remove(&gone);
    let left = format!("(pid {pid}) still listens on {a} {b}; `kill {pid}` ends it\n");
    let ran = sandbox.run("", ["prune", "--dry-run"]).success();
    assert!(ran.stderr.starts_with("gone: `python") && ran.stderr.ends_with(&left), "{ran:#?}");
    assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
    for server in &mut servers {
        server.kill().expect("it runs");
        server.wait().expect("it has ended");
    }
    sandbox.run("", ["prune", "--yes"]).success().stderr("Freed 2 ports\n");
}

#[test]
fn on_a_terminal_it_asks_and_no_is_no() {
    let sandbox = Sandbox::new();
    let [gone] = instances(&sandbox, ["gone"]);
    remove(&gone);
    let mut shell = Session::start(&sandbox, Shell::Bash, sandbox.dir(""));
    let no = shell.run("silo prune\nn");
    assert_eq!(no.status, "1", "{no:?}");
    assert_eq!(names(&sandbox), ["gone"]);
    let yes = shell.run("silo prune\ny");
    assert_eq!(yes.status, "0", "{yes:?}");
    assert_eq!(names(&sandbox), [""; 0]);
}

#[test]
fn a_root_on_an_unmounted_disk_is_said_and_kept_until_it_is_named() {
    let sandbox = Sandbox::new();
    let [away, stays] = instances(&sandbox, ["away", "stays"]);
    let id = digest::root_id(away.to_str().expect("it is UTF-8").as_bytes());
    let memo = sandbox.path(format!("state/silo/instances/{id}/memo"));
    let mut told: Value = serde_json::from_slice(&fs::read(&memo).expect("it was written")).expect("it is JSON");
    let mounted = told["mount"].as_str().expect("every folder is on some disk").to_owned();
    assert!(away.starts_with(mounted));
    told["mount"] = json!(sandbox.path("disk"));
    fs::write(&memo, told.to_string()).expect("the sandbox is writable");
    remove(&away);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr(
        "Kept: `away` in `$SANDBOX/projects/away`, for its disk is not mounted at `$SANDBOX/disk`. \
         When that disk is gone for good: `silo prune localnet-away`\n",
    );
    assert_eq!(names(&sandbox), ["away", "stays"]);
    let refused = sandbox.run("", ["prune", "--yes", "away", "stays"]).exit(1);
    assert!(refused.stderr.contains("`stays` is not gone: its folder is `$SANDBOX/projects/stays`"), "{refused:#?}");
    // Another disk at the same place is not the one it was on.
    let system = if cfg!(target_os = "linux") { "/proc" } else { "/dev" };
    for (disk, kept) in [(json!("another"), true), (Value::Null, false)] {
        (told["mount"], told["disk"]) = (json!(system), disk);
        fs::write(&memo, told.to_string()).expect("the sandbox is writable");
        let ran = sandbox.run("", ["prune", "--dry-run"]).success();
        assert_eq!(ran.stderr.contains(&format!("its disk is not mounted at `{system}`")), kept, "{ran:#?}");
        assert_eq!(ran.stdout.starts_with("away: "), !kept, "{ran:#?}");
    }
    (told["mount"], told["disk"]) = (json!(sandbox.path("disk")), Value::Null);
    fs::write(&memo, told.to_string()).expect("the sandbox is writable");
    sandbox.run("", ["prune", "--yes", "localnet-away"]).success();
    assert_eq!(names(&sandbox), ["stays"]);
    assert_agreed(&sandbox, &stays);
    sandbox.run("", ["prune", "--yes", "awya"]).exit(1).stderr_has("No instance is named `awya`");
}

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
    let ran = stage.sandbox.run("", ["prune", "--dry-run", "--clusters"]).success();
    let (_, plan) = ran.stdout.split_once('\n').expect("it has lines");
    let expected = "  removes cluster localnet-dev\n  \
         removes containers localnet-dev-registry.localhost, localnet-dev-db-1\n  \
         removes networks localnet-dev, localnet-dev_default\n  removes volume localnet-dev_data\n";
    assert_eq!(plan, expected);
    let before = [stage.tools.names_of("container"), stage.tools.names_of("network"), stage.tools.names_of("volume")];
    stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success();
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
    let ran = stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success();
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
    assert!(ran.stderr.contains("`silo prune --clusters` removes these too"), "{ran:#?}");
    assert_eq!(names(&stage.sandbox), [""; 0]);
    let ran = stage.sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n");
    ran.stderr("Roots that are gone left things in Docker; `silo prune --clusters` removes these too\n");
    let ran = stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success();
    assert!(ran.stdout.starts_with("localnet-dev: ") && ran.stdout.contains("its leases are free already"), "{ran:#?}");
    assert_eq!(stage.tools.names_of("container"), ["localnet-dev-2-db-1"]);
    stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success().stdout("Nothing to prune\n");
}

#[test]
fn the_things_of_a_name_that_somebody_else_bears_now_are_left_alone() {
    let stage = left_behind();
    stage.sandbox.run("", ["prune", "--yes"]).success();
    let heir = stage.sandbox.project("heir", RANDOM);
    stage.sandbox.run(&heir, ["env", "dev"]).success();
    let ran = stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success();
    // The cluster bears the old root's own label; the rest could be the heir's by now.
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
    sandbox.run(&lives, ["env", "other"]).success();
    remove(&gone);
    let ran = sandbox.run("", ["prune", "--yes", "--clusters"]).success();
    assert!(ran.stdout.ends_with("  removes volume localnet-old_data\n"), "{ran:#?}");
    assert_eq!(tools.names_of("volume"), ["localnet-main_data"]);
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
    let ran = sandbox.run("", ["prune", "--yes", "--clusters"]).success();
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
    let ran = stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success();
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
    prune.args(["prune", "--yes", "--clusters"]).stdout(Stdio::null()).stderr(Stdio::null());
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
fn two_at_once_both_end_well() {
    let sandbox = Sandbox::new();
    let [gone, _stays] = instances(&sandbox, ["gone", "stays"]);
    remove(&gone);
    let lock = hold_registry(&sandbox);
    let both = [(); 2].map(|()| {
        let mut prune = sandbox.command(SILO, "");
        prune.args(["prune", "--yes"]).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut prune = prune.spawn().expect("silo starts");
        let mut told = BufReader::new(prune.stderr.take().expect("it is piped")).lines().map(Result::unwrap_or_default);
        let waits = told.next().expect("it tells");
        assert!(waits.starts_with("Waiting for the registry"), "{waits}");
        (prune, told)
    });
    drop(lock);
    let mut told: Vec<String> = Vec::new();
    for (mut prune, rest) in both {
        told.extend(rest);
        assert!(prune.wait().expect("it ends").success(), "{told:?}");
    }
    told.sort();
    assert_eq!(told, ["Freed 0 ports", "Freed 2 ports"]);
    assert_eq!(names(&sandbox), ["stays"]);
}

#[test]
fn one_that_is_being_started_is_named_and_kept() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let [gone, other] = instances(&sandbox, ["gone", "other"]);
    let id = digest::root_id(gone.to_str().expect("it is UTF-8").as_bytes());
    let lock = File::create(sandbox.path(format!("state/silo/instances/{id}/up.lock"))).expect("its folder is there");
    lock.lock().expect("nobody else has it");
    remove(&gone);
    remove(&other);
    sandbox
        .run("", ["prune", "--yes"])
        .exit(1)
        .stderr("Freed 2 ports\nError: `$SANDBOX/projects/gone` is being started\n");
    assert_eq!(names(&sandbox), ["gone"]);
    drop(lock);
    sandbox.run("", ["prune", "--yes"]).success();
    assert_eq!(files_below(&sandbox.path("state/silo/instances")), [""; 0]);
}

#[test]
fn what_cannot_be_removed_is_named_and_its_leases_are_kept() {
    let stage = left_behind();
    stage.tools.set("docker.volume-rm.exit", "1");
    stage.tools.set("docker.volume-rm.stderr", "Error response from daemon: volume is in use\n");
    let ran = stage.sandbox.run("", ["prune", "--yes", "--clusters"]);
    let ran = ran.fails_naming(&["Still there: volume localnet-dev_data; its leases are kept", "volume is in use"]);
    assert!(ran.stderr.ends_with("then run `silo prune --clusters` again\n"), "{ran:#?}");
    assert_eq!(names(&stage.sandbox), ["dev"]);
    stage.tools.unset("docker.volume-rm.exit");
    stage.sandbox.run("", ["prune", "--yes", "--clusters"]).success();
    assert_eq!(names(&stage.sandbox), [""; 0]);
}

#[test]
fn without_docker_the_leases_are_freed_and_clusters_are_refused() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let [gone] = instances(&sandbox, ["gone"]);
    remove(&gone);
    tools.set("docker.down", "");
    sandbox
        .run("", ["prune", "--yes", "--clusters"])
        .fails_naming(&["Is the docker daemon running?", "without `--clusters`"]);
    assert_eq!(names(&sandbox), ["gone"]);
    sandbox.run("", ["prune", "--yes"]).success();
    assert_eq!(names(&sandbox), [""; 0]);
    // What silo knows of it is kept for as long as something of its may lie in Docker.
    let state = sandbox.path("state/silo/instances");
    let known = files_below(&state);
    let ran = sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n");
    ran.stderr("Docker does not answer; when it does, `silo prune` forgets roots that left nothing there\n");
    assert!(known.iter().any(|file| file.ends_with("/memo")) && files_below(&state) == known, "{known:?}");
    tools.unset("docker.down");
    let plan = "localnet-gone: $SANDBOX/projects/gone is gone; forgets it\n";
    sandbox.run("", ["prune", "--dry-run"]).success().stdout(plan).stderr("");
    assert_eq!(files_below(&state), known);
    sandbox.run("", ["prune", "--yes"]).success().stdout(plan).stderr("Forgot 1 root\n");
    assert_eq!(files_below(&state), [""; 0]);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n").stderr("");
}
