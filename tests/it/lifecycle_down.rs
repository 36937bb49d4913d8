//! `silo down`: what it stops, in which order, what it leaves, and what it refuses; and what `silo up` refuses.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::process::{Child, Stdio};

use expect_test::expect;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::lifecycle_up::{HOOKS, Stage, wait_until};
use crate::machine::{registry, run_with};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

/// A Tilt that nobody but the test has started.
struct ByHand(Child);

impl ByHand {
    /// In a folder, on a port.
    fn start(stage: &Stage, dir: &str, port: u16) -> Self {
        let mut tilt = stage.sandbox.command("tilt", dir);
        tilt.args(["up", "--port", &port.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
        let started = Self(tilt.spawn().expect("the stand-in starts"));
        stage.tools.wait_for_tilt(port);
        started
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().expect("it is our child").is_none()
    }
}

impl Drop for ByHand {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.pid().cast_signed()), Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

#[test]
fn down_stops_a_tilt_in_the_background_and_keeps_the_cluster() {
    let stage = Stage::with_cluster(HOOKS);
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    stage.skip_story();
    let pid = stage.instance()["tiltPid"].clone();
    let told = stage.run("down").success().stderr;
    let expected = format!(
        "Running pre-down hook: echo hook pre-down >>../../fakes/calls\n\
         Stopping Tilt... (pid {pid})\n\
         Running post-down hook: echo hook post-down >>../../fakes/calls\n\
         Done\n"
    );
    assert_eq!(told, expected);
    stage.story(&expect![[r#"
        hook pre-down
        tilt down
        signal TERM
        hook post-down
    "#]]);
    stage.assert_cleared();
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
    assert!(stage.app.join(".localnet.env").exists());
    assert!(stage.sandbox.path("home/.kube/localnet-dev").exists());
}

#[test]
fn down_delete_cluster_deletes_it_and_its_kubeconfig() {
    let stage = Stage::with_cluster(HOOKS);
    stage.tilt_ends("0");
    stage.run("up dev").success();
    stage.skip_story();
    stage.run("down --delete-cluster").success().stderr_has("Deleting k3d cluster 'localnet-dev'...\n");
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        hook pre-down
        tilt down
        docker ps --all --filter label=silo.instance --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        k3d cluster delete localnet-dev
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "k3d.role")}}	{{json .Networks}}'
        docker network ls --filter label=app=k3d --format '{{json .Name}}'
        hook post-down
    "#]]);
    assert_eq!(stage.instance()["k3dClusterCreated"], false);
    assert!(!stage.sandbox.path("home/.kube/localnet-dev").exists());
    stage.run("down --delete-cluster").success();
    stage.assert_next_up_works();
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
}

#[test]
fn down_clean_removes_the_files_and_frees_the_leases() {
    let stage = Stage::new(HOOKS);
    stage.tilt_ends("0");
    stage.run("up dev").success();
    stage.skip_story();
    stage.run("down --clean").success().stderr_has("Removed env file and lockfile; the leases are free\n");
    stage.story(&expect![[r#"
        hook pre-down
        tilt down
        hook post-down
        docker ps --all --filter label=k3d.role=server --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        docker ps --all --filter label=com.docker.compose.project --format '{{json .Names}}	{{json (.Label "com.docker.compose.project")}}	{{json (.Label "com.docker.compose.project.working_dir")}}	{{json (.Label "silo.instance")}}'
        docker volume ls --format '{{json .Name}}	{{json (.Label "com.docker.compose.project")}}	{{json (.Label "com.docker.compose.volume")}}	{{json (.Label "silo.seeded-from")}}	{{json (.Label "silo.instance")}}'
        docker ps --all --filter label=k3d.role=registry --format '{{json .Names}}	{{json (.Label "k3d.cluster")}}'
        docker network ls --format '{{json .Name}}	{{json (.Label "com.docker.compose.project")}}'
        docker image ls --no-trunc --filter label=com.docker.compose.project --format '{{json .ID}}'
        docker ps --all --filter label=silo.agent --format '{{json .Names}}	{{json (.Label "silo.agent")}}	{{json (.Label "silo.instance")}}	{{json .State}}'
        docker network ls --filter label=silo.agent --format '{{json .Name}}	{{json (.Label "silo.agent")}}	{{json (.Label "silo.instance")}}'
        docker image ls --no-trunc --filter label=silo.instance --filter 'reference=silo-agent/*-*' --format '{{json .ID}}'
        docker ps --all --filter label=silo.seed --format '{{json .Names}}	{{json (.Label "silo.seed")}}'
    "#]]);
    assert!(!stage.app.join(".localnet.env").exists() && !stage.app.join(".silo.lock").exists());
    assert_eq!(registry(&stage.sandbox).instances, []);
    stage.run("down").exit(1).stdout("").stderr("Error: No lockfile found. Nothing to stop.\n");
    stage.run("down --clean").exit(1).stderr("Error: No lockfile found. Nothing to stop.\n");
}

#[test]
fn where_silo_toml_cannot_be_read_down_says_how_to_stop_tilt() {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    let hint = format!("Hint: Tilt runs here; without hooks, `kill {}` stops it\n", stage.instance()["tiltPid"]);
    let toml = stage.app.join("silo.toml");
    let text = fs::read_to_string(&toml).expect("it is there");
    fs::write(&toml, format!("{text}x = = 1\n")).expect("the project is writable");
    stage.run("down").exit(1).stderr_has("Not valid TOML").stderr_has(&hint);
    fs::remove_file(&toml).expect("it is there");
    stage.run("down").exit(1).stderr_has("No `silo.toml` in").stderr_has(&hint);
    fs::write(&toml, text).expect("the project is writable");
    stage.run("down").success().stderr_has("Stopping Tilt");
}

#[test]
fn without_k3d_only_a_cluster_that_was_made_is_missed() {
    let stage = Stage::with_cluster("");
    let only = stage.sandbox.path("only");
    fs::create_dir(&only).expect("the sandbox is writable");
    let path = only.to_str().expect("it is UTF-8").to_owned();
    let clean = || run_with(&stage.sandbox, &stage.app, &[("PATH", &path)], ["down", "--delete-cluster", "--clean"]);
    stage.run("env dev").success();
    clean().success().stderr_has("Removed env file and lockfile");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    clean()
        .exit(1)
        .stderr_has("Error: `k3d`, `docker` and `kubectl` are not installed\nHint: Install k3d: https://k3d.io\n");
    stage.run("down --delete-cluster --clean").success();
}

#[test]
fn where_nothing_runs_down_says_so() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["env", "mine"]).success();
    sandbox.run(&app, ["down"]).success().stdout("").stderr("No Tilt runs here; `mine` keeps its leases\n");
    assert_eq!(registry(&sandbox).instances.len(), 1);
}

#[test]
fn a_server_that_down_leaves_running_is_named_with_what_ends_it() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("A", port)]));
    sandbox.run(&app, ["env", "mine"]).success();
    let serve = "import os, socket\nheld = socket.create_server((\"127.0.0.1\", int(os.environ[\"A\"])))\ninput()";
    let mut server = sandbox.command("silo", &app);
    let mut server =
        server.args(["exec", "--", "python3", "-c", serve]).stdin(Stdio::piped()).spawn().expect("silo starts");
    wait_until("listener", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let pid = server.id();
    let told = format!("(pid {pid}) still listens on {port}; `kill {pid}` ends it\n");
    for (args, first) in [
        (vec!["down"], "No Tilt runs here; `mine` keeps its leases\nmine: `python"),
        (vec!["down", "--clean"], "Removed env file and lockfile; the leases are free\nmine: `python"),
    ] {
        let ran = sandbox.run(&app, args).success();
        assert!(ran.stderr.starts_with(first) && ran.stderr.ends_with(&told), "{ran:#?}");
    }
    server.kill().expect("it runs");
    server.wait().expect("it has ended");
}

#[test]
fn a_pre_down_hook_that_fails_stops_nothing() {
    let stage = Stage::with_cluster("[hooks]\npre-down = [\"exit 3\"]\n");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    stage.skip_story();
    let before = stage.instance();
    stage.run("down --delete-cluster --clean").exit(1).stderr_has(
        "Error: The pre-down hook `exit 3` failed with exit code 3\n\
         Hint: Nothing was stopped. Fix the hook, then run `silo down` again\n",
    );
    stage.story(&expect![[r#"
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
    "#]]);
    assert_eq!(stage.instance(), before);
    stage.run("up").exit(1).stderr("Error: Instance 'dev' already running. Use `silo down` first.\n");
}

#[test]
fn a_post_down_hook_that_fails_is_only_a_warning() {
    let stage = Stage::new("[hooks]\npost-down = [\"exit 3\"]\n");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let ran = stage.run("down --clean").success();
    assert!(ran.stderr.contains("Warning: The post-down hook `exit 3` failed with exit code 3\n"), "{ran:#?}");
    assert!(!stage.app.join(".silo.lock").exists());
}

#[test]
fn a_tilt_down_that_fails_does_not_hold_the_rest_up() {
    let stage = Stage::with_cluster("");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    stage.tools.set("tilt.down.exit", "5");
    stage.run("down --delete-cluster").success().stderr_has("`tilt down` ended with 5; its resources may remain\n");
    stage.assert_cleared();
    assert!(stage.tools.calls().iter().any(|call| call == "signal TERM"));
}

#[test]
fn a_second_up_is_refused_word_for_word() {
    let stage = Stage::new("");
    let silo = stage.beside("up dev");
    stage.tools.wait_for_tilt(stage.tilt);
    let before = stage.instance();
    for line in ["up", "up -d", "up --force", "ci"] {
        let ran = stage.run(line).exit(1).stdout("");
        ran.stderr("Error: Instance 'dev' already running. Use `silo down` first.\n");
    }
    assert_eq!(stage.instance(), before);
    stage.run("down").success();
    let (code, told) = silo.end();
    assert_eq!(code, Some(0), "{told}");
    stage.assert_cleared();
}

#[test]
fn a_tilt_outside_silo_is_named() {
    let stage = Stage::new("");
    let mut tilt = ByHand::start(&stage, "app", stage.tilt);
    let pid = tilt.pid();
    stage.run("up dev").exit(1).stdout("").stderr(&format!(
        "Error: Tilt already running outside silo. Stop it first.\nHint: It is process {pid}: `kill {pid}`\n"
    ));
    assert!(tilt.runs());
    drop(tilt);
    stage.assert_next_up_works();
}

#[test]
fn a_tilt_of_another_folder_is_nobodys_business() {
    let stage = Stage::new("");
    stage.sandbox.project("other", "version = 1\n[ports]\nA = 0\n");
    let mut tilt = ByHand::start(&stage, "other", stage.web);
    stage.tilt_ends("0");
    stage.run("up dev").success();
    // A pid that is used again by a Tilt elsewhere.
    let mut lockfile = stage.sandbox.lockfile(&stage.app);
    lockfile["instance"]["tiltPid"] = json!(tilt.pid());
    lockfile["instance"]["tiltStartedAt"] = json!(jiff::Timestamp::now().to_string());
    fs::write(stage.app.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
    let status = stage.run("status --json").success().stdout;
    assert!(status.contains("\"state\": \"stopped\""), "{status}");
    stage.run("down").success();
    assert!(tilt.runs(), "a Tilt of another project was stopped");
    stage.assert_cleared();
    stage.run("up").success();
}

#[test]
fn a_pid_that_is_used_again_in_the_same_folder_is_left_alone() {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let mut tilt = ByHand::start_quietly(&stage);
    let mut lockfile = stage.sandbox.lockfile(&stage.app);
    lockfile["instance"]["tiltPid"] = json!(tilt.pid());
    lockfile["instance"]["tiltStartedAt"] = json!("2024-01-15T10:30:00Z");
    fs::write(stage.app.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
    stage.run("down").success();
    assert!(tilt.runs(), "a Tilt that silo did not start was stopped");
}

impl ByHand {
    /// In the project itself, though `tilt up` is told to end by itself.
    fn start_quietly(stage: &Stage) -> Self {
        stage.tools.unset("tilt.up.garbage");
        Self::start(stage, "app", stage.tilt)
    }
}

#[test]
fn missing_tools_are_named_with_how_to_install_them() {
    let stage = Stage::with_cluster("");
    let only = stage.sandbox.path("only");
    fs::create_dir(&only).expect("the sandbox is writable");
    let path = only.to_str().expect("it is UTF-8").to_owned();
    let run = || run_with(&stage.sandbox, &stage.app, &[("PATH", &path)], ["up", "dev"]).exit(1).stdout("");
    run().stderr(
        "Error: `k3d`, `docker`, `kubectl` and `tilt` are not installed\n\
         Hint: Install k3d: https://k3d.io\n\
         Hint: Install Docker: https://docs.docker.com/get-docker\n\
         Hint: Install kubectl: https://kubernetes.io/docs/tasks/tools\n\
         Hint: Install Tilt: https://docs.tilt.dev/install.html\n\
         Hint: Ports and variables need no Tilt: `cd` with the shell hook, `silo env`, or `silo exec -- CMD`\n",
    );
    symlink(stage.sandbox.path("bin/tilt"), only.join("tilt")).expect("the sandbox is writable");
    run().stderr(
        "Error: `k3d`, `docker` and `kubectl` are not installed\n\
         Hint: Install k3d: https://k3d.io\n\
         Hint: Install Docker: https://docs.docker.com/get-docker\n\
         Hint: Install kubectl: https://kubernetes.io/docs/tasks/tools\n",
    );
    for tool in ["docker", "kubectl"] {
        symlink(stage.sandbox.path("bin").join(tool), only.join(tool)).expect("the sandbox is writable");
    }
    run().stderr("Error: `k3d` is not installed\nHint: Install k3d: https://k3d.io\n");
    assert!(!stage.app.join(".silo.lock").exists(), "tools are looked for before anything is written");
}

#[test]
fn of_two_ups_at_once_one_wins_and_the_other_names_it() {
    let stage = Stage::new("[hooks]\npre-up = [\"echo hook >>../../fakes/calls; cat go\"]\n");
    let fifo = stage.app.join("go");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("the project is writable");
    let first = stage.beside("up dev");
    stage.tools.wait_for("hook");
    stage.run("up").exit(1).stdout("").stderr(&format!(
        "Error: This instance is being started already, held by process {}\n\
         Hint: Wait for it, or stop it with `silo down`\n",
        first.pid()
    ));
    let status = stage.run("status --json").success().stdout;
    assert!(status.contains("\"state\": \"starting\""), "{status}");
    fs::write(&fifo, "").expect("somebody reads it");
    stage.tools.wait_for_tilt(stage.tilt);
    wait_until("a recorded Tilt", || stage.instance()["tiltPid"].is_number());
    first.send(Signal::SIGTERM);
    assert_eq!(first.end().0, Some(0));
    assert_eq!(stage.tools.calls().iter().filter(|call| *call == "tilt up").count(), 1);
}
