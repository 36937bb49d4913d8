//! Tilt in the background and in CI: `up -d`, `logs`, `wait`, `ci`; and leased ports that somebody holds.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Stdio};

use nix::sys::signal::Signal;

use crate::lifecycle_up::{Stage, wait_until};
use crate::machine::{assert_agreed, run_with};

/// A Tilt in the background.
fn detached() -> Stage {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    stage
}

#[test]
fn detached_tilt_outlives_silo_in_a_group_of_its_own() {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.listen", "");
    let ran = stage.run("up -d dev -- --stream").success().stdout("");
    let pid = stage.instance()["tiltPid"].as_i64().expect("it is recorded");
    assert!(ran.stderr.ends_with(&format!(
        "Starting Tilt... http://dev.localhost:{}\n\
         Tilt runs in the background (pid {pid}); see `silo logs -f`, stop with `silo down`\n",
        stage.tilt
    )));
    assert_eq!(i64::from(stage.tools.wait_for_tilt(stage.tilt)), pid);
    let group = nix::unistd::getpgid(Some(nix::unistd::Pid::from_raw(i32::try_from(pid).expect("a pid"))));
    assert_eq!(group.map(|group| i64::from(group.as_raw())), Ok(pid));
    let mut calls = stage.tools.calls();
    calls.dedup();
    assert_eq!(calls, ["tilt up --stream", "tilt get uiresources -o json"], "it is up once it can be asked");
    let status = stage.run("status").success().stdout;
    let tilt = format!("State: running\nTilt: pid {pid}\nTilt page: http://dev.localhost:{}\n", stage.tilt);
    assert!(status.contains(&tilt), "{status}");
    stage.run("up -d").exit(1).stderr("Error: Instance 'dev' already running. Use `silo down` first.\n");
    stage.run("down").success();
    stage.assert_cleared();
    assert!(stage.run("status").success().stdout.contains("State: stopped\n"));
}

#[test]
fn a_tilt_that_runs_is_told_of_when_name_or_ports_are_others_now() {
    let stage = detached();
    let pid = stage.instance()["tiltPid"].clone();
    let told = format!(
        "Warning: Tilt (pid {pid}) runs on with what it was started with; `silo down`, then `silo up`, for these\n"
    );
    let warned = |line: &str| stage.run(line).success().stderr.contains(&told);
    assert!(!warned("env"));
    assert!(!warned("env dev"), "nothing is another");
    assert!(warned("env other"));
    // The Tilt itself holds its port, so that planning again moves it.
    assert!(warned("env --force"));
    stage.run("down").success();
    assert!(!warned("env dev"), "nothing runs");
}

#[test]
fn detached_tilt_that_ends_at_once_shows_its_last_lines() {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.garbage", "");
    stage.tools.set("tilt.up.exit", "1");
    stage.tools.set("tilt.up.stderr", "Error: no Kubernetes\n\u{1b}[31mred\n");
    let ran =
        stage.run("up -d dev").exit(1).stdout("").stderr_has("Error: Tilt ended at once\n  | Error: no Kubernetes\n");
    assert!(ran.stderr.contains("Hint: Its whole log is `$SANDBOX/state/silo/"), "{ran:#?}");
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:#?}");
    stage.assert_cleared();
    stage.run("logs").success().stdout("Error: no Kubernetes\n\u{1b}[31mred\n");
}

#[test]
fn a_signal_while_a_detached_tilt_starts_leaves_it_known() {
    let stage = Stage::new("");
    // It waits until Tilt can be asked, so the signal comes before its end on a slow machine, too.
    stage.tools.set("tilt.get.wait", "");
    let silo = stage.beside("up -d dev");
    stage.tools.wait_for_tilt(stage.tilt);
    wait_until("a recorded Tilt", || stage.instance()["tiltPid"].is_number());
    silo.send(Signal::SIGTERM);
    let (code, told) = silo.end();
    stage.tools.unset("tilt.get.wait");
    assert_eq!(code, Some(143), "{told}");
    stage.run("down").success().stderr_has("Stopping Tilt");
    stage.assert_next_up_works();
}

#[test]
fn logs_are_tilts_own_while_it_runs_and_what_it_left_after() {
    let stage = detached();
    stage.tools.set("tilt.log", "web │ hello\n");
    stage.run("logs").success().stdout("web │ hello\n").stderr("");
    stage.run("logs web").success();
    let calls = stage.tools.calls();
    assert_eq!(calls[calls.len() - 2..], ["tilt logs", "tilt logs web"]);
    let follower = stage.beside("logs -f");
    wait_until("line of the log", || follower.told().contains("hello"));
    assert_eq!(stage.tools.calls().last().map(String::as_str), Some("tilt logs -f"));
    stage.run("down").success();
    assert_eq!(follower.end().0, Some(0));
    let ran = stage.run("logs").success();
    assert!(ran.stdout.starts_with("Tilt started on"), "{ran:#?}");
}

#[test]
fn without_tilt_logs_and_wait_name_up() {
    let stage = Stage::new("");
    stage.run("logs").exit(1).stderr_has("Hint: Run `silo up -d` first\n");
    stage.run("wait").exit(1).stdout("").stderr("Error: No Tilt runs here\nHint: Run `silo up -d` first\n");
}

#[test]
fn wait_ends_when_every_resource_is_ready() {
    let stage = detached();
    stage
        .tools
        .set("tilt.resources", "(Tiltfile) not_applicable ok\nweb pending in_progress\njob not_applicable none\n");
    let ran = stage.run("wait --timeout 1").exit(1).stdout("");
    assert!(ran.stderr.contains("Error: Not ready after 1 s: web (runtime pending, update in_progress)"), "{ran:#?}");
    let waiter = stage.beside("wait --timeout 30");
    stage.skip_story();
    stage.tools.wait_for("tilt get");
    stage
        .tools
        .set("tilt.resources", "(Tiltfile) not_applicable ok\nweb ok ok\nhidden not_applicable not_applicable\n");
    let (code, told) = waiter.end();
    assert_eq!(code, Some(0), "{told}");
}

#[test]
fn wait_ends_when_what_has_failed_will_not_be_run_again() {
    let stage = detached();
    let broken = "(Tiltfile) not_applicable error\n";
    let once = "(Tiltfile) not_applicable ok\nmigrate not_applicable error\napi pending pending\n";
    for (resources, name) in [(broken, "(Tiltfile)"), (once, "migrate")] {
        stage.tools.set("tilt.resources", resources);
        let ran = stage.run("wait --timeout 40s").exit(1).stdout("");
        let what = format!("Error: It failed and no longer runs: {name} (runtime not_applicable, update error)\n");
        let ran = ran.stderr_has(&what);
        let shown = if name == "migrate" { name.to_owned() } else { format!("'{name}'") };
        ran.stderr_has(&format!("Hint: See why: `silo logs {shown}`; after an edit"));
    }
    // What is being done may yet change it.
    stage.tools.set("tilt.resources", &format!("{once}build not_applicable in_progress\n"));
    let ran = stage.run("wait --timeout 4").exit(1);
    ran.stderr_has("Error: Not ready after 4 s: migrate").stderr_has("Hint: See why: `silo logs migrate`\n");
}

#[test]
fn waiting_asks_seldom() {
    let stage = detached();
    stage.tools.set("tilt.resources", "web pending in_progress\n");
    stage.skip_story();
    stage.run("wait --timeout 6s").exit(1);
    let asked = stage.tools.calls().len();
    assert!(asked <= 14, "{asked} questions in 6 s");
}

#[test]
fn wait_takes_a_time_as_ci_does() {
    let stage = detached();
    stage.run("wait --timeout 5m").success();
    stage.run("wait --timeout soon").exit(2).stderr_has("a time is seconds, or as in 20s, 5m, 1h30m");
}

#[test]
fn wait_does_not_wait_for_what_is_disabled_or_for_somebody_to_trigger() {
    let stage = detached();
    // `tilt up web` disables all others; `auto_init=False` leaves a resource to be triggered by hand.
    let (disabled, by_hand) = ("db none none", "seed not_applicable none");
    stage.tools.set("tilt.resources", &format!("(Tiltfile) not_applicable ok\nweb ok ok\n{disabled}\n{by_hand}\n"));
    stage.run("wait --timeout 1").success();
}

#[test]
fn wait_goes_on_until_tilt_has_read_the_tiltfile() {
    let stage = detached();
    stage.tools.set("tilt.resources", "");
    let ran = stage.run("wait --timeout 0").exit(1).stdout("");
    assert!(ran.stderr.contains("Error: Not ready after 0 s: Tilt has not read the Tiltfile yet"), "{ran:#?}");
    // What a Tiltfile declares is listed a moment after it: one look at it alone is not enough.
    stage.tools.set("tilt.resources", "(Tiltfile) not_applicable ok\n");
    stage.skip_story();
    stage.run("wait --timeout 20").success();
    assert_eq!(stage.tools.calls(), ["tilt get uiresources -o json"; 2]);
    stage.tools.set("tilt.resources", "(Tiltfile) not_applicable ok\nweb ok ok\n");
    stage.skip_story();
    stage.run("wait --timeout 20").success();
    assert_eq!(stage.tools.calls(), ["tilt get uiresources -o json"]);
}

#[test]
fn wait_does_not_go_on_when_tilt_has_gone() {
    let stage = detached();
    stage.tools.set("tilt.resources", "web pending pending\n");
    stage.skip_story();
    let waiter = stage.beside("wait --timeout 20");
    stage.tools.wait_for("tilt get");
    stage.run("down").success();
    let (code, told) = waiter.end();
    assert_eq!(code, Some(1), "{told}");
}

#[test]
fn ci_runs_tilt_ci_and_passes_its_end_on() {
    let stage = Stage::new("");
    stage.run("ci dev --timeout 10m -- --output-snapshot-on-exit s.json").success();
    assert_eq!(stage.tools.calls(), ["tilt ci --timeout=10m --output-snapshot-on-exit s.json"]);
    stage.tools.set("tilt.ci.exit", "4");
    stage.run("ci").exit(4);
    stage.assert_cleared();
}

#[test]
fn ci_appends_the_vars_to_github_env() {
    let stage = Stage::new("");
    let file = stage.sandbox.path("github-env");
    fs::write(&file, "BEFORE=1\n").expect("the sandbox is writable");
    let path = file.to_str().expect("it is UTF-8").to_owned();
    let run = |env: &[(&str, &str)], args: &[&str]| run_with(&stage.sandbox, &stage.app, env, args);
    run(&[("GITHUB_ENV", &path)], &["ci", "dev"]).success();
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "BEFORE=1\n");
    run(&[("GITHUB_ENV", &path), ("CI", "true")], &["ci"]).success().stderr_has("Appended the vars to $GITHUB_ENV\n");
    let text = fs::read_to_string(&file).expect("it is there");
    assert!(text.starts_with("BEFORE=1\n") && text.contains(&format!("\n{}\n", stage.web)), "{text}");
    run(&[], &["ci", "--export-ci"]).exit(1).stderr_has("Error: --export-ci needs GITHUB_ENV, which is not set\n");
}

#[test]
fn a_port_a_stranger_holds_moves_alone_and_the_stranger_is_named() {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let before = stage.sandbox.lockfile_ports(&stage.app);
    let stranger = TcpListener::bind(("127.0.0.1", stage.web)).expect("it is free");
    let ran = stage.run("up").success();
    let after = stage.sandbox.lockfile_ports(&stage.app);
    drop(stranger);
    let own = std::process::id();
    let told = format!("Warning: Port {} (WEB_PORT) is held by `", stage.web);
    assert!(ran.stderr.contains(&told), "{ran:#?}");
    assert!(ran.stderr.contains(&format!("(pid {own}) on 127.0.0.1; WEB_PORT gets another one\n")), "{ran:#?}");
    assert_ne!(after["WEB_PORT"], before["WEB_PORT"]);
    assert_eq!(after["TILT_PORT"], before["TILT_PORT"]);
    assert_agreed(&stage.sandbox, &stage.app);
    stage.run("up").success();
    assert_eq!(stage.sandbox.lockfile_ports(&stage.app), after, "it stays where it went");
}

/// A program that listens on a port until it is dropped.
struct Listener(Child);

impl Listener {
    fn start(stage: &Stage, dir: &str, root: Option<&str>) -> Self {
        let mut server = stage.sandbox.command("/usr/bin/python3", dir);
        server.args(["-m", "http.server", "--bind", "127.0.0.1", &stage.web.to_string()]);
        server.envs(root.map(|root| ("SILO_ROOT", root))).stdout(Stdio::null()).stderr(Stdio::null());
        let server = Self(server.process_group(0).spawn().expect("it starts"));
        wait_until("listener", || std::net::TcpStream::connect(("127.0.0.1", stage.web)).is_ok());
        server
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_port_the_instance_itself_holds_stays() {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let before = stage.sandbox.lockfile_ports(&stage.app);
    let root = stage.app.to_str().expect("it is UTF-8").to_owned();
    stage.sandbox.project("other", "version = 1\n[ports]\nA = 0\n");
    for (dir, root) in [("app", None), ("other", Some(root.as_str()))] {
        let server = Listener::start(&stage, dir, root);
        let ran = stage.run("up").success();
        assert!(!ran.stderr.contains("Warning"), "{ran:#?}");
        assert_eq!(stage.sandbox.lockfile_ports(&stage.app), before);
        drop(server);
    }
    // A browser may meet the stranger on the other address of loopback.
    let server = Listener::start(&stage, "app", None);
    let stranger = TcpListener::bind(("::1", stage.web)).expect("it is free");
    let told = format!("(pid {}) on ::1; WEB_PORT gets another one\n", std::process::id());
    stage.run("up").success().stderr_has(&told);
    drop(server);
    crate::sandbox::close(stranger);
    stage.run("env --force").success();
    assert_eq!(stage.sandbox.lockfile_ports(&stage.app)["WEB_PORT"], stage.web);
    let other = stage.sandbox.dir("other");
    let server = Listener::start(&stage, "app", other.to_str());
    stage.run("up").success().stderr_has("WEB_PORT gets another one\n");
    drop(server);
}

#[test]
fn a_port_of_a_container_stays_only_when_it_is_the_instances() {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let before = stage.sandbox.lockfile_ports(&stage.app);
    // Docker's proxy is a process of another user: here, one of nobody in particular.
    let proxy = TcpListener::bind(("127.0.0.1", stage.web)).expect("it is free");
    stage.tools.container("mine", &[("com.docker.compose.project", "localnet-dev")], &[stage.web]);
    stage.run("up").success();
    assert_eq!(stage.sandbox.lockfile_ports(&stage.app), before);
    stage.tools.container("mine", &[("com.docker.compose.project", "localnet-main")], &[stage.web]);
    stage.run("up").success().stderr_has("is held by the container `mine`; WEB_PORT gets another one\n");
    drop(proxy);
}
