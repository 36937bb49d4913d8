//! What is said about containers, ports and volumes on a real engine: whose they are, and the command that goes on.

use std::fs;
use std::process::{Child, Stdio};

use crate::engine::{Engine, get, until, until_is};
use crate::sandbox::free_ports;

fn compose(port: u16) -> String {
    format!(
        "services:
  web:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sh, -c, 'echo web > /tmp/index.html; exec httpd -f -p 80 -h /tmp']
    ports: ['{port}:80']
    volumes: ['data:/data']
volumes:
  data: {{}}
"
    )
}

/// A program that is ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_services_of_plain_compose_are_named_by_init_with_the_command_that_stops_them() {
    let engine = Engine::new();
    let [web] = free_ports();
    let root = engine.sandbox.dir("app");
    fs::create_dir_all(&root).expect("the sandbox is writable");
    fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    // A name that no other test has on this engine.
    let name = format!("plain{web}");
    fs::write(root.join(".env"), format!("COMPOSE_PROJECT_NAME={name}\n")).expect("the project is writable");
    let mut plain = engine.command("docker", "app");
    plain.args(["compose", "up", "--detach"]);
    engine.sandbox.finish(plain).success();

    let init = engine.silo("app", "init").success();
    let stop = format!("docker compose -p {name} stop");
    let told = format!(
        "Port {web} is held by the service `web`, which plain compose started here; WEB_PORT will be another, unless it is \
         stopped first: `{stop}` (later: `silo env --move WEB_PORT`)\n"
    );
    assert!(init.stderr_has(&told).stderr.matches(&format!("Port {web} ")).count() == 1, "it is told once");
    // What it says to type does what it says.
    engine.silo("app", "env").success();
    assert_ne!(engine.port("app", "WEB_PORT"), web);
    engine.docker(&["compose", "-p", &name, "stop"]).success();
    engine.silo("app", "env --move WEB_PORT").success();
    assert_eq!(engine.port("app", "WEB_PORT"), web);
}

#[test]
fn a_start_that_a_program_of_the_instance_is_in_the_way_of_says_what_to_type() {
    let engine = Engine::new();
    let [web] = free_ports();
    let toml = format!("version = 1\n[compose]\n[compose.ports]\nWEB_PORT = \"{web}:web:80\"\n");
    let root = engine.sandbox.trusted("app", &toml);
    fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    engine.silo("app", "env").success();
    let port = engine.port("app", "WEB_PORT");
    let mut server = engine.command("silo", "app");
    server.args(["exec", "--", "python3", "-m", "http.server", "--bind", "127.0.0.1", &port.to_string()]);
    let server = Server(server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("python3 is there"));
    until("it listens", || !get(port, "/").is_empty());

    let up = engine.silo("app", "up -d").exit(1);
    for told in [
        format!("Port {port} (WEB_PORT) is held by `python3` (pid {})", server.0.id()),
        "End it first: `silo up -d --kill`".to_owned(),
        "Or give the services another port: `silo env --move WEB_PORT && silo up -d`".to_owned(),
    ] {
        assert!(up.stderr.contains(&told), "{told}: {}", up.stderr);
    }
    engine.silo("app", "up -d --kill").success();
    until_is(&"web".to_owned(), || get(port, "/"));

    // Whose the port is: the service's, and nothing of the engine's own program.
    let who = engine.silo("app", format!("who {port}")).success().stdout;
    let container = format!("{}-web-1", engine.project("app"));
    let published =
        format!("Published by the service web of {}: container {container}, ", engine.sandbox.instance("app"));
    assert!(who.contains(&published), "{who}");
    assert_eq!(who.lines().count(), 2, "the lease and the service: {who}");
    engine.silo("app", "wait").success().stderr_has("Ready: services\n");

    // What goes with the services is named.
    let volume = format!("{}_data", engine.project("app"));
    let down = engine.silo("app", "down --volumes").success();
    assert!(down.stderr.contains(&format!("Removing their volumes, data included: {volume}\n")), "{}", down.stderr);
    let plain = engine.silo("app", "down --volumes").success();
    assert!(!plain.stderr.contains("data included"), "{}", plain.stderr);
}

#[test]
fn services_that_outlive_their_folder_are_named_with_the_command_that_removes_them() {
    let engine = Engine::new();
    let root = engine.sandbox.trusted("app", "version = 1\n[compose]\n");
    let [web] = free_ports();
    fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    engine.silo("app", "up -d").success();
    let name = engine.sandbox.instance("app");
    fs::remove_dir_all(&root).expect("it was made");

    let what = format!("The folder of `{name}` is gone, and its services still run: web");
    engine.doctor_says("", "doctor", &[&what, "silo prune --all"]);
    let done = engine.silo("", "prune --all --yes").success();
    assert!(done.stderr.contains("Removed what 1 folder that is gone left in Docker\n"), "{}", done.stderr);
    assert!(!engine.silo("", "doctor").stdout.contains("root-gone"));
}
