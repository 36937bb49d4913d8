//! An engine that is there and does not answer in time, or says a moment late what it does: nothing that runs is moved or stopped for
//! that (D3, D31).

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::process::{Child, Stdio};

use serde_json::json;

use crate::lifecycle_up::Stage;
use crate::machine::run_with;
use crate::sandbox::{Sandbox, free_ports, program};

/// Answers at a socket what `say` has for a path; who asks for something else is never answered.
fn engine(sandbox: &Sandbox, mut say: impl FnMut(&str) -> Option<String> + Send + 'static) -> String {
    let socket = sandbox.path("engine");
    let listener = UnixListener::bind(&socket).expect("the sandbox is writable");
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for mut stream in listener.incoming().flatten() {
            let mut request = [0; 4096];
            let length = stream.read(&mut request).unwrap_or(0);
            let line = String::from_utf8_lossy(&request[..length]).into_owned();
            // Who only looks whether somebody listens asks nothing.
            match line.split(' ').nth(1).map(&mut say) {
                Some(Some(answer)) => drop(write!(stream, "HTTP/1.0 200 OK\r\n\r\n{answer}")),
                Some(None) => silent.push(stream),
                None => {}
            }
        }
    });
    format!("unix://{}", socket.display())
}

/// A container of an instance that publishes a port on loopback, as an engine lists it.
fn listed(name: &str, id: &str, port: u16) -> String {
    let labels = json!({
        "com.docker.compose.project": format!("localnet-{name}"), "com.docker.compose.service": "db", "silo.instance": id,
    });
    let ports = json!([{ "IP": "127.0.0.1", "PrivatePort": 80, "PublicPort": port, "Type": "tcp" }]);
    json!([{
        "Id": "c0", "Names": [format!("/localnet-{name}-db-1")], "Labels": labels, "Ports": ports, "State": "running",
        "Status": "Up 2 minutes",
    }])
    .to_string()
}

/// The engine's program that listens for containers, until it is dropped.
struct Forwarder(Child);

impl Forwarder {
    fn start(sandbox: &Sandbox, port: u16) -> Self {
        let proxy = sandbox.path("docker-proxy");
        std::os::unix::fs::symlink("/usr/bin/python3", &proxy).expect("the sandbox is writable");
        let serve = format!(
            "import socket, sys; s = socket.create_server(('127.0.0.1', {port})); print('ready', flush=True); sys.stdin.read()"
        );
        let mut command = sandbox.command(&proxy, "");
        command.args(["-c", &serve]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = Self(command.spawn().expect("it is there"));
        running.0.stdout.as_mut().expect("it is piped").read_exact(&mut [0; 6]).expect("it starts");
        running
    }
}

impl Drop for Forwarder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether `up` moves an instance from a port on which an engine listens that says this.
fn is_moved<S: FnMut(&str) -> Option<String> + Send + 'static>(say: impl FnOnce(u16) -> S) -> bool {
    let stage = Stage::new("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let before = stage.sandbox.lockfile_ports(&stage.app);
    let _forwarder = Forwarder::start(&stage.sandbox, before["WEB_PORT"]);
    let host = engine(&stage.sandbox, say(stage.web));
    let ran = run_with(&stage.sandbox, &stage.app, &[("DOCKER_HOST", &host)], ["up"]).success();
    let is_moved = stage.sandbox.lockfile_ports(&stage.app) != before;
    assert_eq!(ran.stderr.contains("WEB_PORT gets another one"), is_moved, "{ran:#?}");
    is_moved
}

#[test]
fn a_port_that_an_engine_has_and_does_not_say_for_whom_stays() {
    assert!(!is_moved(|_| |_: &str| None), "it says nothing in time");
    assert!(is_moved(|_| |_: &str| Some("[]".to_owned())), "for nobody, and it stays so");
}

#[test]
fn a_container_that_is_listed_a_moment_after_its_port_is_open_is_the_instances_own() {
    let late = |web: u16| {
        let mut asked = 0;
        move |path: &str| {
            asked += usize::from(path == "/containers/json");
            Some(if asked < 2 { "[]".to_owned() } else { listed("dev", "", web) })
        }
    };
    assert!(!is_moved(late));
}

#[test]
fn services_are_not_stopped_where_the_engine_does_not_say_whether_somebody_is_inside() {
    let sandbox = Sandbox::new();
    let [db] = free_ports();
    let root = sandbox.trusted("app", &format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:db:80\"\n"));
    fs::write(root.join("compose.yaml"), "services: { db: { image: x, ports: [\"80\"] } }\n").expect("it is writable");
    sandbox.run("app", ["env", "x"]).success();
    let id = silo::core::text::digest::root_id(root.as_os_str().as_encoded_bytes());
    let calls = sandbox.path("calls");
    program(&sandbox.path("bin/docker"), &format!("#!/bin/sh\necho \"$*\" >>{}\necho 2.40.3\n", calls.display()));
    let host = engine(&sandbox, move |path| {
        let is_list = path.starts_with("/containers/json");
        let is_other = !is_list && !path.starts_with("/containers/");
        is_list.then(|| listed("x", &id, db)).or_else(|| is_other.then(|| "[]".to_owned()))
    });
    let ran = run_with(&sandbox, "app", &[("DOCKER_HOST", &host)], ["heal", "--rest"]);
    let said = fs::read_to_string(&calls).unwrap_or_default();
    assert!(!said.contains("stop"), "{said}");
    ran.exit(1).stderr_has("does not answer: timed out");
}
