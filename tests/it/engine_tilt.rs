//! The Tilt extension for compose (D16), on a real engine. A Tiltfile is Starlark, which this one shares with Python: python3 runs
//! it, and what stands in for Tilt's own functions does what those do with their arguments.

use std::fs;

use crate::engine::{Engine, get, until};
use crate::sandbox::free_ports;

/// Tilt's `local()` and `docker_compose()`, as its `docker_compose.go` and `files.go` have them: a blob becomes a file with the
/// very bytes, the project's folder is that of the first path, and compose gets name, folder and files.
const TILT: &str = r#"
import os, subprocess, sys, tempfile

class Blob(str):
    pass

def kind(value):
    return 'blob' if isinstance(value, Blob) else {'str': 'string'}.get(value.__class__.__name__, value.__class__.__name__)

def fail(text):
    sys.exit('Error: ' + text)

def local(command, quiet=False, echo_off=False):
    return Blob(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode())

def docker_compose(configPaths, env_file='', project_name='', profiles=None, wait=False):
    words, folder = [], None
    for path in configPaths if isinstance(configPaths, (list, tuple)) else [configPaths]:
        if kind(path) == 'blob':
            with tempfile.NamedTemporaryFile('w', suffix='.yml', delete=False) as file:
                file.write(path)
            path = file.name
        else:
            path = os.path.abspath(path)
            folder = folder or os.path.dirname(path)
        words += ['-f', path]
    words = ['docker', 'compose', '--project-directory', folder, '--project-name', project_name] + words
    words += ['--env-file', env_file] if env_file else []
    subprocess.run(words + ['up', '-d'], check=True)

known = dict(os=os, type=kind, fail=fail, local=local, docker_compose=docker_compose)
exec(open('tilt-extensions/silo/docker_compose/Tiltfile').read(), known)
exec(open('Tiltfile').read(), known)
"#;

const COMPOSE: &str = r#"name: one-for-all
services:
  db:
    image: silo-test-box
    stop_grace_period: 0s
    container_name: ${DB_NAME:-silo-test-tilt-db}
    command: [sh, -c, "echo $$HOSTNAME > /data/index.html; exec httpd -f -p 5432 -h /data"]
    ports: ["@DB@:5432"]
    volumes: ["data:/data", "kept:/kept"]
volumes:
  data: { name: silo-test-tilt-data }
  kept: {}
"#;

#[test]
fn engine_what_tilt_starts_by_the_extension_has_the_override() {
    let engine = Engine::new();
    let [db] = free_ports();
    for dir in ["one", "two"] {
        let toml = format!("version = 1\n[compose]\nkeep = [\"kept\"]\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n");
        let root = engine.sandbox.trusted(dir, &toml);
        fs::write(root.join("compose.yaml"), COMPOSE.replace("@DB@", &db.to_string())).expect("writable");
        fs::write(root.join("named.env"), "DB_NAME=silo-test-tilt-named\n").expect("writable");
        fs::write(root.join("tilt.py"), TILT).expect("writable");
        engine.silo(dir, "init --tilt");
        fs::write(root.join("Tiltfile"), "silo_docker_compose(['compose.yaml'], env_file='named.env')\n")
            .expect("writable");
        engine.silo(dir, "exec -- python3 tilt.py").success();
    }
    let ports = ["one", "two"].map(|dir| engine.port(dir, "DB_PORT"));
    until("both answer", || ports.iter().all(|port| get(*port, "/").len() == 12));
    assert_ne!(get(ports[0], "/"), get(ports[1], "/"), "each has its own data");
    let names = engine.docker(&["ps", "--format", "{{.Names}}"]).success().stdout;
    for dir in ["one", "two"] {
        assert!(names.lines().any(|name| name == format!("{}-db-1", engine.project(dir))), "{names}");
    }
    assert!(!names.contains("silo-test-tilt"), "{names}");
    let status = engine.silo("one", "status").success().stdout;
    assert!(status.contains("  db  ready"), "{status}");

    // Without `[compose]`, and where it is not wanted, the name alone is passed on.
    let root = engine.sandbox.trusted("plain", &format!("version = 1\n[ports]\nDB_PORT = {db}\n"));
    for file in ["tilt.py", "compose.yaml"] {
        fs::copy(engine.sandbox.dir("one").join(file), root.join(file)).expect("writable");
    }
    engine.silo("plain", "init --tilt");
    fs::write(root.join("compose.yaml"), "services: { x: { image: silo-test-box, container_name: silo-test-tilt-x, command: [sleep, '60'], stop_grace_period: 0s } }\n").expect("writable");
    fs::write(root.join("Tiltfile"), "silo_docker_compose('compose.yaml')\n").expect("writable");
    engine.silo("plain", "exec -- python3 tilt.py").success();
    let label = "{{index .Config.Labels \"com.docker.compose.project\"}} {{index .Config.Labels \"silo.instance\"}}";
    let inspected = engine.docker(&["inspect", "silo-test-tilt-x", "--format", label]).success();
    assert_eq!(inspected.stdout, format!("{} \n", engine.project("plain")));

    // What does not fit is refused, and nothing is started.
    let root = engine.sandbox.trusted("one", &format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:dbb:5432\"\n"));
    assert!(root.join("Tiltfile").exists());
    let ran = engine.silo("one", "exec -- python3 tilt.py");
    assert!(!ran.succeeded() && ran.stderr.contains("The nearest service is `db`"), "{ran:?}");
    for dir in ["one", "two"] {
        engine.docker(&["rm", "--force", &format!("{}-db-1", engine.project(dir))]).success();
        engine.docker(&["volume", "rm", &format!("{}_kept", engine.project(dir))]).success();
    }
}
