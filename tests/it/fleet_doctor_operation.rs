//! `silo doctor` on what is: a recorded Tilt against processes, leases against listeners, and what killed runs left.

use std::fs;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fleet_doctor::{Clinic, Found};
use crate::fleet_doctor_roots::folder_of;
use crate::machine::assert_agreed;

/// A process id nobody has: that of a program that has ended.
fn dead_pid() -> u32 {
    let mut child = Command::new("true").stdin(Stdio::null()).spawn().expect("it is everywhere");
    child.wait().expect("it ends");
    child.id()
}

#[test]
fn a_tilt_that_is_gone_is_forgotten_and_one_that_runs_is_not() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let lockfile = app.join(".silo.lock");
    let mut told = clinic.sandbox.lockfile(&app);
    let pid = dead_pid();
    told["instance"]["tiltPid"] = json!(pid);
    told["instance"]["tiltStartedAt"] = json!("2024-01-15T10:30:00Z");
    fs::write(&lockfile, format!("{told:#}\n")).expect("it is ours");
    let what = format!("names a Tilt (pid {pid}) that does not run");
    let remedy = format!("silo down -C {}", app.display());
    clinic.only_and_fixed("", "tilt-pid-stale").tells(&what, Some(&lockfile), &remedy);
    assert_eq!(clinic.sandbox.lockfile(&app)["instance"]["tiltPid"], Value::Null);
    assert_agreed(&clinic.sandbox, &app);

    fs::write(app.join("Tiltfile"), "").expect("the project is writable");
    clinic.tools.set("tilt.up.listen", "");
    clinic.sandbox.run(&app, ["up", "-d"]).success();
    assert_eq!(clinic.ids(&app, &[]), [""; 0], "its own ports are held by its own Tilt");
    // Its environment proves it is the instance's own, without the lockfile too.
    let mut told = clinic.sandbox.lockfile(&app);
    told["instance"]["tiltPid"].take();
    fs::write(&lockfile, format!("{told:#}\n")).expect("it is ours");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    clinic.sandbox.run(&app, ["down"]).success();
    // One that was started outside is a stranger.
    let port = clinic.sandbox.lockfile_ports(&app)["TILT_PORT"];
    let mut outside = clinic.sandbox.command("tilt", &app);
    outside.args(["up", "--port", &port.to_string()]).envs([clinic.tools.env()]).stdin(Stdio::null());
    let mut outside = outside.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is installed");
    clinic.tools.wait_for_tilt(port);
    let pid = outside.id();
    let found = clinic.only(&app, "tilt-outside").cannot_be_fixed();
    found.tells(&format!("(pid {pid})"), Some(&app), &format!("kill {pid}")).remedy(&clinic);
    let start = Instant::now();
    while !clinic.ids(&app, &[]).is_empty() {
        assert!(start.elapsed() < Duration::from_secs(20), "it did not end");
    }
    outside.wait().expect("it has ended");
}

#[test]
fn what_killed_runs_left_is_swept_and_what_living_ones_write_is_not() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let (dead, living) = (dead_pid(), std::process::id());
    let state = clinic.sandbox.path("state/silo");
    let names = |pid: u32| {
        [
            app.join(format!(".silo.lock.{pid}-0.silo-tmp")),
            app.join(format!(".localnet.env.{pid}-1.silo-tmp")),
            state.join(format!("registry.toml.{pid}-0.silo-tmp")),
            folder_of(&clinic, &app).join(format!("stamp.{pid}-3.silo-tmp")),
        ]
    };
    let others = [app.join(format!("notes.{dead}-0.silo-tmp")), app.join("silo-tmp")];
    for path in names(dead).iter().chain(&names(living)).chain(&others) {
        fs::write(path, "half").expect("the sandbox is writable");
    }
    let found = clinic.found("", &[]);
    assert_eq!(found.iter().map(Found::id).collect::<Vec<_>>(), ["temp-file"; 4]);
    assert_eq!(clinic.ids("", &["--fix"]), ["temp-file"; 4]);
    assert!(names(dead).iter().all(|path| !path.exists()));
    assert!(names(living).iter().chain(&others).all(|path| path.exists()));
    assert_eq!(clinic.ids("", &[]), [""; 0]);
}

#[test]
fn folders_nobody_knows_may_be_removed() {
    let clinic = Clinic::new();
    clinic.project("app");
    let stray = clinic.sandbox.path("state/silo/instances/0123456789abcdef");
    fs::create_dir(&stray).expect("the sandbox is writable");
    fs::write(stray.join("stamp"), "x").expect("the sandbox is writable");
    let remedy = format!("rm -r {}", stray.display());
    // A `silo up` that has only begun holds its lock.
    let lock = fs::File::create(stray.join("up.lock")).expect("the sandbox is writable");
    lock.lock().expect("nobody else has it");
    assert_eq!(clinic.ids("", &[]), [""; 0]);
    drop(lock);
    clinic.only("", "state-left-over").counts_as_a_note().tells("an instance nobody knows", Some(&stray), &remedy);
}

#[test]
fn roots_that_docker_keeps_from_being_forgotten_are_one_note() {
    let clinic = Clinic::new();
    let gone = |name: &str| {
        let app = clinic.project(name);
        fs::remove_dir_all(&app).expect("it is ours");
        clinic.tools.set("docker.down", "");
        clinic.sandbox.run("", ["prune", "--yes"]).success();
        clinic.tools.unset("docker.down");
        app
    };
    let one = gone("a");
    let place = clinic.sandbox.path("state/silo/instances");
    let told = format!("silo still remembers `{}`, which is gone and has no lease", one.display());
    clinic.only("", "state-left-over").counts_as_a_note().tells(&told, Some(&place), "silo prune");
    gone("b");
    gone("c");
    let told = format!("silo still remembers `{}` and 2 other roots, which are gone and have no leases", one.display());
    clinic.only("", "state-left-over").counts_as_a_note().tells(&told, Some(&place), "silo prune");
    clinic.sandbox.run("", ["prune", "--yes"]).success();
    assert_eq!(clinic.ids("", &[]), [""; 0]);
}

#[test]
fn a_leased_port_held_by_a_stranger_is_told_with_the_holder_and_ones_own_is_not() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let port = clinic.sandbox.lockfile_ports(&app)["WEB_PORT"];
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("it was free");
    let found = clinic.only("", "port-taken").cannot_be_fixed();
    let what = format!("Port {port} (WEB_PORT of `app`) is held by `");
    let pid = format!("(pid {}) on 127.0.0.1", std::process::id());
    assert!(found.text("what").ends_with(&pid), "{}", found.text("what"));
    found.tells(&what, Some(&app), &format!("silo env --force -C {}", app.display()));
    fs::write(app.join("Tiltfile"), "").expect("the project is writable");
    let found = clinic.only("", "port-taken");
    found.tells(&what, Some(&app), &format!("silo up -C {}", app.display()));
    // A container of this instance's compose project publishes it.
    clinic.tools.container("db", &[("com.docker.compose.project", "localnet-app")], &[port]);
    assert_eq!(clinic.ids("", &[]), [""; 0]);
    clinic.tools.container("db", &[("com.docker.compose.project", "localnet-other")], &[port]);
    clinic.only("", "port-taken").tells(
        "is held by the container `db`",
        Some(&app),
        &format!("silo up -C {}", app.display()),
    );
    drop(listener);
}
