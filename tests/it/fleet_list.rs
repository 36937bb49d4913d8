//! `silo list`: every instance, as it really is.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use silo::core::leases::{Instance, Leases};
use silo::core::text::digest;

use crate::machine::{registry, registry_path, run_with};
use crate::sandbox::{Ran, Sandbox, free_ports, toml_with_ports};

fn objects(ran: Ran) -> Vec<Value> {
    serde_json::from_slice(&ran.success().bytes).expect("it answers in JSON")
}

#[test]
fn nothing_yet_says_how_to_begin() {
    let sandbox = Sandbox::new();
    let none = "No instance yet. Run `silo env` or `silo up` in a project to make one.\n";
    sandbox.run("", ["list"]).success().stdout(none).stderr("");
    sandbox.run("", ["ls", "--json"]).success().stdout("[]\n").stderr("");
}

#[test]
fn every_instance_is_listed_by_name_and_the_current_one_marked() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let one = sandbox.project("one", &toml_with_ports(&[("WEB_PORT", web)]));
    let two = sandbox.project("two", &(toml_with_ports(&[("API_PORT", api)]) + "[profiles.p]\n"));
    sandbox.run(&one, ["env", "zebra"]).success();
    sandbox.run(&two, ["env", "ape", "-p", "p"]).success();
    fs::create_dir(two.join("sub")).expect("the sandbox is writable");
    let table = format!(
        "   NAME   STATE    PROFILE  AGE  PORTS           ROOT\n\
         *  ape    stopped  p        0s   API_PORT={api}  $SANDBOX/projects/two\n\
         \x20  zebra  stopped           0s   WEB_PORT={web}  $SANDBOX/projects/one\n"
    );
    let same_age = |text: &str| {
        let mut text = text.to_owned();
        (1..9).for_each(|age| text = text.replace(&format!(" {age}s "), " 0s "));
        text
    };
    let ran = sandbox.run(two.join("sub"), ["list"]).success().stderr("");
    assert_eq!(same_age(&ran.stdout), table);
    let root = one.to_str().expect("it is UTF-8");
    let ran = run_with(&sandbox, &two, &[("SILO_ROOT", root)], ["ls", "--json"]);
    let listed = objects(ran);
    assert_eq!(listed[1]["current"], json!(true), "the shell's instance counts before the folder's");
    assert_eq!(listed[0]["ports"], json!({ "API_PORT": api }));
    assert_eq!(listed[0]["profile"], json!("p"));
}

/// A server that was started in a project, ended when dropped.
struct Server(Child);

impl Server {
    fn start(sandbox: &Sandbox, dir: &Path, port: u16) -> Self {
        let mut command = sandbox.command("python3", dir);
        let serve = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); \
                     print('ready', flush=True); sys.stdin.read()";
        command.args(["-c", serve, &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut server = Self(command.spawn().expect("python is there"));
        server.0.stdout.as_mut().expect("it is piped").read_exact(&mut [0; 6]).expect("it starts");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

#[test]
fn what_runs_without_tilt_is_seen_by_its_ports() {
    let sandbox = Sandbox::new();
    let [web, tilt] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web), ("TILT_PORT", tilt)]));
    sandbox.run(&app, ["env", "app"]).success();
    let tells = |state: &str, listening: &[&str], taken: &[&str]| {
        for command in ["ls", "status"] {
            let ran = sandbox.run(&app, [command, "--json"]).success();
            let told: Value = serde_json::from_slice(&ran.bytes).expect("it answers in JSON");
            let told = if command == "ls" { &told[0] } else { &told };
            assert_eq!((&told["state"], &told["listening"]), (&json!(state), &json!(listening)), "{command}");
            let others = told["taken"].as_object().expect("it tells who");
            assert!(others.keys().eq(taken), "{command}: {others:?}");
            let own = format!("(pid {}) on 127.0.0.1", std::process::id());
            assert!(others.values().all(|who| who.as_str().is_some_and(|who| who.ends_with(&own))), "{others:?}");
        }
        sandbox.run(&app, ["status"]).success().stdout
    };
    // A port of silo's own makers says nothing of the project's.
    let _tilt = Server::start(&sandbox, &app, tilt);
    tells("stopped", &["TILT_PORT"], &[]);
    let server = Server::start(&sandbox, &app, web);
    let text = tells("listening", &["WEB_PORT", "TILT_PORT"], &[]);
    assert!(
        text.contains("State: listening\n")
            && text
                .contains(&format!("  WEB_PORT: {web} (listening: `python3` (pid {}) on 127.0.0.1)\n", server.0.id()))
            && text.contains(&format!("  TILT_PORT: {tilt} (listening: `")),
        "{text}"
    );
    drop(server);
    let text = tells("stopped", &["TILT_PORT"], &[]);
    assert!(text.contains(&format!("  WEB_PORT: {web}\n")), "{text}");
    // The test itself is not a program of the instance.
    let _stranger = TcpListener::bind(("127.0.0.1", web)).expect("the port is free");
    let text = tells("taken", &["TILT_PORT"], &["WEB_PORT"]);
    assert!(text.contains("State: taken\n") && text.contains(&format!("  WEB_PORT: {web} (taken by `")), "{text}");
}

#[test]
fn a_gone_root_and_one_on_an_unmounted_disk_are_told_apart() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\n[ports]\nA = 0\n";
    let [gone, away] = ["gone", "away"].map(|name| sandbox.project(name, toml));
    sandbox.run(&gone, ["env", "gone"]).success();
    sandbox.run(&away, ["env", "away"]).success();
    // The history says that the folder was on a disk of its own; nothing is mounted there now.
    let id = digest::root_id(away.to_str().expect("it is UTF-8").as_bytes());
    let history = sandbox.path(format!("state/silo/instances/{id}/history"));
    let mut told: Value = serde_json::from_slice(&fs::read(&history).expect("it was written")).expect("it is JSON");
    told["mount"] = json!(sandbox.path("projects"));
    fs::write(&history, told.to_string()).expect("the sandbox is writable");
    fs::remove_dir_all(&gone).expect("it is there");
    fs::remove_dir_all(&away).expect("it is there");
    let states: Vec<Value> =
        objects(sandbox.run("", ["list", "--json"])).into_iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["unmounted", "gone"]);
}

#[test]
fn two_hundred_instances_are_listed_at_once() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\n[ports]\nA = 0\n";
    let first = sandbox.project("first", toml);
    sandbox.run(&first, ["env", "first"]).success();
    let lockfile = fs::read(first.join(".silo.lock")).expect("it was written");
    let mut leases = registry(&sandbox);
    for n in 0..199_u16 {
        let dir = sandbox.project(format!("p{n}"), toml);
        fs::write(dir.join(".silo.lock"), &lockfile).expect("the sandbox is writable");
        let root = dir.to_str().expect("it is UTF-8").to_owned();
        let id = digest::root_id(root.as_bytes());
        let ports = [("A".to_owned(), 50_000 + n)].into_iter().collect();
        let name = format!("n{n}");
        leases.instances.push(Instance { id, root, name, prefix: "localnet".into(), ports, ..Instance::default() });
    }
    fs::write(registry_path(&sandbox), Leases::render(&leases)).expect("the sandbox is writable");
    let start = Instant::now();
    assert_eq!(objects(sandbox.run("", ["list", "--json"])).len(), 200);
    // A bound on work done one after the other, not on the machine: each question may take 1.5 s.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
