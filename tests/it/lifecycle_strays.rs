//! Servers of an instance that outlive the Tilt they were started by: `down`, `up` and `doctor` name them, `up --kill` ends them.

use std::net::TcpStream;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::lifecycle_up::{Stage, wait_until};
use crate::sandbox::{SILO, is_free};

/// A server that `silo exec` has started on `WEB_PORT`, and whose starter is gone.
struct Orphan(Pid);

impl Orphan {
    /// `how` is Python run before it serves.
    fn start(stage: &Stage, how: &str) -> Self {
        let serve = format!(
            "import os, signal, time\nif os.fork(): os._exit(0)\nos.setsid()\n{how}\nimport socket\n\
             held = socket.create_server((\"127.0.0.1\", int(os.environ[\"WEB_PORT\"])))\n\
             open(\"orphan\", \"w\").write(str(os.getpid()))\ntime.sleep(60)"
        );
        let mut silo = stage.sandbox.command(SILO, &stage.app);
        silo.args(["exec", "--", "python3", "-c", &serve]);
        silo.stdout(Stdio::null()).stderr(Stdio::null());
        assert!(silo.status().expect("silo starts").success());
        let file = stage.app.join("orphan");
        // The file is there a moment before the number is in it.
        let pid = || std::fs::read_to_string(&file).ok()?.parse().ok();
        wait_until("server", || pid().is_some() && TcpStream::connect(("127.0.0.1", stage.web)).is_ok());
        let pid = pid().expect("it was just there");
        std::fs::remove_file(&file).expect("it is there");
        Self(Pid::from_raw(pid))
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = kill(self.0, Signal::SIGKILL);
    }
}

#[test]
fn a_server_that_outlives_its_tilt_is_named_by_down_up_and_doctor_and_ended_by_up_kill() {
    let stage = Stage::new("");
    stage.tools.set("tilt.up.listen", "");
    stage.run("up -d dev").success();
    let orphan = Orphan::start(&stage, "");
    // It runs on when its Tilt is stopped.
    let told = format!("(pid {}) still listens on {}; `kill {}` ends it\n", orphan.0, stage.web, orphan.0);
    stage.run("down").success().stderr_has("Stopping Tilt").stderr_has(&told);
    let found = stage.run("doctor").stdout;
    assert!(
        found.contains(&format!("(pid {}) of `dev` still listens on {} (WEB_PORT)", orphan.0, stage.web)),
        "{found}"
    );
    let told = format!("Port {} (WEB_PORT) is still held by `python3", stage.web);
    let ran = stage.run("up -d").success().stderr_has(&told);
    let (named, started) = (ran.stderr.find(&told), ran.stderr.find("Starting Tilt"));
    assert!(named < started, "it is named before anything starts: {ran:#?}");
    stage.run("down").success();
    stage.tilt_ends("0");
    stage
        .run("up --kill")
        .success()
        .stderr_has(&format!("(pid {}), which listens on {} (WEB_PORT)\n", orphan.0, stage.web));
    assert!(is_free(stage.web));
}

#[test]
fn up_kill_kills_what_does_not_heed_term_and_leaves_strangers_alone() {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let orphan = Orphan::start(&stage, "signal.signal(signal.SIGTERM, signal.SIG_IGN)");
    let stranger = std::net::TcpListener::bind(("127.0.0.1", stage.tilt)).expect("it is free");
    stage.run("up --kill").success().stderr_has("TILT_PORT gets another one\n");
    assert!(is_free(stage.web) && !is_free(stage.tilt));
    wait_until("its end", || kill(orphan.0, None).is_err());
    drop(stranger);
}

#[test]
fn one_busy_port_is_told_of_once() {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let stranger = std::net::TcpListener::bind(("127.0.0.1", stage.web)).expect("it is free");
    let told = stage.run("up").success().stderr;
    let lines: Vec<&str> = told.lines().filter(|line| line.contains(&stage.web.to_string())).collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(!told.contains("perhaps by this instance itself"), "{told}");
    let now = stage.sandbox.lockfile_ports(&stage.app)["WEB_PORT"];
    assert!(told.contains(&format!("WEB_PORT is {now}\n")), "{told}");
    let told = stage.run("down").success().stderr;
    assert!(!told.contains("still listens"), "{told}");
    drop(stranger);
}
