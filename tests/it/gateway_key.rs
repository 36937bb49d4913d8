//! The real key: where it comes from, and that nothing else ever has it.

use std::path::{Path, PathBuf};

use crate::gateway::{Log, REAL, Scene, http, message, own_file, request, small};
use crate::proxy::server;
use crate::sandbox::{Sandbox, program};

/// What may hold the real key in a sandbox: the file, and the script that stands for a password manager.
const KEEPERS: [&str; 2] = ["config/silo/gateway.toml", "config/silo/vault"];

/// The files below a folder that hold a text, in any order.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(path),
                Ok(kind) if kind.is_file() => {
                    let bytes = std::fs::read(&path).unwrap_or_default();
                    if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
                        found.push(path);
                    }
                }
                _ => {}
            }
        }
    }
    found
}

/// Where the real key is that it must not be: a file of the sandbox, the gateway's log among them, or what everybody may read of
/// the process. Each scene asks at its end.
pub(crate) fn leaks(sandbox: &Sandbox, pid: Option<u32>) -> Vec<PathBuf> {
    let mut found = holding(&sandbox.path(""), REAL);
    found.retain(|path| !KEEPERS.iter().any(|keeper| *path == sandbox.path(keeper)));
    let pid = pid.into_iter();
    let of_process =
        pid.flat_map(|pid| ["cmdline", "environ"].map(|name| PathBuf::from(format!("/proc/{pid}/{name}"))));
    found.extend(
        of_process.filter(|path| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).contains(REAL)),
    );
    found
}

#[test]
fn a_key_that_lies_somewhere_is_found() {
    let sandbox = Sandbox::new();
    assert_eq!(leaks(&sandbox, None), [""; 0].map(PathBuf::from));
    for (name, is_leak) in [("config/silo/gateway.toml", false), ("state/silo/gateway/gateway.log", true)] {
        own_file(&sandbox, name, [&b"\xff\0"[..], REAL.as_bytes(), b"\xff"].concat());
        assert_eq!(leaks(&sandbox, None) == [sandbox.path(name)], is_leak, "{name}");
    }
}

#[test]
fn of_a_placeholder_its_digest_alone_is_kept() {
    let mut scene = Scene::saying(message(1, 1));
    let key = scene.key("1", &[]);
    scene.post("/v1/messages", &key, &small());
    scene.sandbox.run("", ["gateway", "status", "--json"]).success();
    scene.sandbox.run("", ["key", "list", "--json"]).success();
    scene.kill();
    assert_eq!(holding(&scene.sandbox.path(""), &key), [""; 0].map(PathBuf::from));
    assert_eq!(holding(&scene.sandbox.path(""), REAL), [scene.sandbox.path(KEEPERS[0])]);
}

/// A file whose provider has its key from a script.
fn from_vault(sandbox: &Sandbox, port: u16) -> String {
    format!(
        "[providers.vault]\nshape = \"anthropic\"\nurl = \"http://localhost:{port}\"\nkey_command = \"{}\"\n\
         models.claude = {{ input = 1, output = 10, window = 100000 }}\n",
        sandbox.path(KEEPERS[1]).display()
    )
}

fn vault(sandbox: &Sandbox, lines: &str) {
    std::fs::create_dir_all(sandbox.path("config/silo")).expect("the sandbox is writable");
    program(&sandbox.path(KEEPERS[1]), &format!("#!/bin/sh\n{lines}\n"));
}

#[test]
fn a_key_that_a_command_prints_is_used_and_shown_nowhere() {
    let log = Log::default();
    let seen = std::sync::Arc::clone(&log);
    let port = server(move |mut stream| {
        while let Some(said) = request(&mut stream) {
            seen.lock().expect("no test panics with it").push(said);
            let answer = http("403 No", "text/plain", &format!("not with {REAL}"));
            if std::io::Write::write_all(&mut stream, answer.as_bytes()).is_err() {
                return;
            }
        }
    });
    let sandbox = Sandbox::new();
    vault(&sandbox, &format!("echo ' {REAL} '\necho user: vault-user\necho vault-warns >&2"));
    let file = from_vault(&sandbox, port);
    let scene = Scene::before(sandbox, port, log, |_| file.clone());
    let key = scene.key("1", &[]);
    let (head, body) = scene.post("/v1/messages", &key, &small());
    assert!(head.starts_with("HTTP/1.1 403") && body == "not with ***", "{head}{body}");
    let (sent, _) = scene.log.lock().expect("no test panics with it")[0].clone();
    assert!(sent.to_ascii_lowercase().contains(&format!("x-api-key: {}\r\n", REAL.to_ascii_lowercase())), "{sent}");
    assert!(!sent.contains("vault-user"), "{sent}");
    for word in ["vault-user", "vault-warns"] {
        assert_eq!(holding(&scene.sandbox.path(""), word), [scene.sandbox.path(KEEPERS[1])], "{word}");
    }
}

#[test]
fn a_command_that_prints_no_key_starts_no_gateway_and_is_not_quoted() {
    let sandbox = Sandbox::new();
    for (lines, why) in [
        (format!("echo {REAL}\necho {REAL} >&2\nexit 3"), "failed with exit code 3"),
        (format!("echo {REAL}\nkill -9 $$"), "failed with exit code 137"),
        (format!("echo\necho {REAL}"), "printed no key in its first line"),
        (format!("echo 'key: {REAL}'"), "printed no key in its first line"),
    ] {
        vault(&sandbox, &lines);
        own_file(&sandbox, KEEPERS[0], from_vault(&sandbox, 1));
        let ran = sandbox.run("", ["gateway", "up", "-d"]).exit(1);
        assert!(ran.stderr.contains(&format!("The `key_command` of `vault` {why}")), "{}", ran.stderr);
        assert!(!ran.stderr.contains(REAL) && !ran.stdout.contains(REAL), "{}", ran.stderr);
        assert_eq!(leaks(&sandbox, None), [""; 0].map(PathBuf::from));
    }
}
