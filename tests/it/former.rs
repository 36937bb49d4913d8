//! An engine that hangs, or is not there, keeps nobody from anything: what was before silo is then not looked for (D30).

use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use crate::sandbox::{Ran, SILO, Sandbox};

const COMPOSE: &str = "services: { db: { image: none, volumes: ['data:/data'] } }\nvolumes: { data: {} }\n";

fn silo(sandbox: &Sandbox, words: &[&str], engine: &str) -> Ran {
    let mut command = sandbox.command(SILO, "app");
    command.args(words).env("DOCKER_HOST", engine);
    sandbox.finish(command)
}

#[test]
fn an_engine_that_does_not_answer_is_no_error() {
    let sandbox = Sandbox::new();
    let socket = sandbox.path("e");
    let listener = UnixListener::bind(&socket).expect("the sandbox is writable");
    let hangs = format!("unix://{}", socket.display());
    let missing = format!("unix://{}", sandbox.path("none").display());
    for engine in [&hangs, &missing] {
        let root = sandbox.project("app", "");
        fs::write(root.join("compose.yaml"), COMPOSE).expect("the project is writable");
        fs::remove_file(root.join("silo.toml")).expect("it was written");
        let start = Instant::now();
        silo(&sandbox, &["init"], engine).success().stderr_has("trusted as it is");
        silo(&sandbox, &["allow"], engine).success().stderr_has("Allowed");
        let found = silo(&sandbox, &["doctor", "--json"], engine);
        assert!(!found.stdout.contains("former-"), "{}", found.stdout);
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
        fs::remove_dir_all(&root).expect("it was made");
    }
    drop(listener);
}
