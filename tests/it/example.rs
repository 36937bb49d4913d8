//! The main job on the real example: two clones of it, a real shell, real ports, real servers, both at once.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::pty::{Session, Shell};
use crate::sandbox::{Sandbox, program};
use crate::tools::{self, Tools};

/// Each run has a registry of its own, so two at once would lease the same ports and both mean it: who takes the ports that
/// the example and the template of `silo init` have, or shows what is said where they are free, waits for its turn.
static USUAL_PORTS: Mutex<()> = Mutex::new(());

/// Takes the turn.
pub(crate) fn usual_ports() -> MutexGuard<'static, ()> {
    USUAL_PORTS.lock().unwrap_or_else(PoisonError::into_inner)
}

const FILES: [&str; 3] = ["silo.toml", "web/server.py", "api/server.py"];

/// A git repository that holds the example, to be cloned.
fn origin(sandbox: &Sandbox) -> PathBuf {
    let origin = sandbox.dir("origin");
    for file in FILES {
        let to = origin.join(file);
        fs::create_dir_all(to.parent().expect("it lies in the repository")).expect("the sandbox is writable");
        fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("example").join(file), to).expect("the example has it");
    }
    sandbox.git(&origin, ["init", "-q"]);
    sandbox.git(&origin, ["add", "."]);
    sandbox.git(&origin, ["commit", "-qm", "example"]);
    origin
}

#[test]
fn two_clones_serve_side_by_side_in_bash() {
    two_clones_serve_side_by_side_on_ports_of_their_own(Shell::BASH);
}

#[test]
fn two_clones_serve_side_by_side_in_zsh() {
    two_clones_serve_side_by_side_on_ports_of_their_own(Shell::ZSH);
}

#[test]
fn two_clones_serve_side_by_side_in_fish() {
    two_clones_serve_side_by_side_on_ports_of_their_own(Shell::FISH);
}

fn two_clones_serve_side_by_side_on_ports_of_their_own(shell: Shell) {
    let _turn = usual_ports();
    let sandbox = Sandbox::new();
    let origin = origin(&sandbox);
    let origin = origin.to_str().expect("the sandbox is named in ASCII");
    sandbox.git("", ["clone", "-q", origin, "one"]);
    sandbox.git("", ["clone", "-q", origin, "two"]);
    let (one, two) = (sandbox.dir("one"), sandbox.dir("two"));
    for clone in [&one, &two] {
        sandbox.run(clone, ["allow"]).success();
    }

    let mut session = Session::start(&sandbox, shell, "");
    for (line, clone) in [("cd one", &one), ("cd ../two", &two)] {
        session.run(line).assert_active(&sandbox, clone);
        session.run("python3 web/server.py >web.log 2>&1 &");
        session.run("python3 api/server.py >api.log 2>&1 &");
    }
    let left = session.run("cd ..");
    left.assert_inactive();
    assert_eq!((left.var("WEB_PORT"), left.var("WEB_URL"), left.var("COMPOSE_PROJECT_NAME")), (None, None, None));

    let mut ports: Vec<u16> = Vec::new();
    for clone in [&one, &two] {
        let name = sandbox.instance(clone);
        let leased = sandbox.lockfile_ports(clone);
        let web: serde_json::Value = serde_json::from_str(&answer(leased["WEB_PORT"])).expect("the server speaks JSON");
        assert_eq!(web["WORKSPACE_NAME"], name.as_str());
        assert_eq!(web["API_URL"], format!("http://api.{name}.localhost:{}", leased["API_PORT"]));
        let api: serde_json::Value = serde_json::from_str(&answer(leased["API_PORT"])).expect("the server speaks JSON");
        assert_eq!(api["instance"], name.as_str());
        ports.extend(leased.values());
    }
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 14, "no port is in both clones");

    // The session's end hangs up on its jobs in bash and zsh; fish lets them go, so all are ended by the shell itself.
    session.run(if shell == Shell::FISH { "kill (jobs -p)" } else { "kill %1 %2 %3 %4" });
}

/// The body a server on loopback answers with, once it listens.
fn answer(port: u16) -> String {
    let start = Instant::now();
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", port)) {
            Ok(stream) => break stream,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(20), "nothing listens on {port}: {error}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").expect("the server listens");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("the server answers");
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).expect("an answer has a body")
}

/// What `verify.sh` says, run with stand-ins that files of these names steer.
fn verified(steered: &[&str]) -> String {
    let _turn = usual_ports();
    let sandbox = Sandbox::new();
    let fakes = Tools::install(&sandbox, tools::ALL);
    for file in steered {
        fakes.set(file, "");
    }
    fakes.set("tilt.up.listen", "");
    fakes.set("tilt.resources", "(Tiltfile) not_applicable ok\nweb ok ok\n");
    fakes.set("kubectl.pods", "web-1 Running\n");
    // The servers are Tilt's to start, so that nobody would answer.
    let curl = sandbox.path("bin/curl");
    program(&curl, "#!/bin/sh\n");
    let mut command = sandbox.command("bash", "");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("example/verify.sh"));
    command.env("TMPDIR", sandbox.path("tmp"));
    fs::create_dir_all(sandbox.path("tmp")).expect("the sandbox is writable");
    let said = sandbox.finish(command).success().stdout;
    let left = fs::read_dir(sandbox.path("tmp")).expect("it is there").count();
    assert_eq!((left, fakes.names_of("container"), fakes.names_of("network")), (0, Vec::new(), Vec::new()), "{said}");
    fakes.check();
    said
}

#[test]
fn the_script_for_the_real_tools_finds_all_well_with_their_stand_ins() {
    let said = verified(&[]);
    assert!(!said.contains("FAIL"), "{said}");
    for what in ["web answers", "a second up is refused", "image registry", "pods run", "the cluster is gone"] {
        assert!(said.contains(&format!("ok    {what}\n")), "{what}: {said}");
    }
    assert_eq!(said.matches("not checked: ").count(), 1, "{said}");
}

#[test]
fn the_script_for_the_real_tools_does_without_the_cluster_where_docker_is_silent() {
    let said = verified(&["docker.down"]);
    assert!(said.contains("not checked: cluster") && !said.contains("FAIL"), "{said}");
}

#[test]
fn the_extension_is_one_text_in_the_repository_the_example_and_what_init_writes() {
    let sandbox = Sandbox::new();
    let app = sandbox.dir("app");
    fs::create_dir_all(&app).expect("the sandbox is writable");
    sandbox.run(&app, ["init", "--tilt"]).success();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["tilt-extensions/silo/require/Tiltfile", "tilt-extensions/silo/docker_compose/Tiltfile"] {
        let text = fs::read_to_string(root.join(file)).expect("the repository has it");
        assert_eq!(fs::read_to_string(root.join("example").join(file)).expect("the example has it"), text);
        assert_eq!(fs::read_to_string(app.join(file)).expect("init wrote it"), text);
    }
    // A second time, beside a silo.toml that is there, and never over somebody's own file.
    fs::write(app.join("tilt-extensions/silo/require/Tiltfile"), "mine\n").expect("it is writable");
    sandbox.run(&app, ["init", "--tilt"]).success().stderr_has("is there with another content; it stays as it is");
    assert_eq!(fs::read_to_string(app.join("tilt-extensions/silo/require/Tiltfile")).expect("it stays"), "mine\n");
}
