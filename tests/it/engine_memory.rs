//! The memory as a service of an instance, on a real engine: a Postgres in an image made of Debian's files.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Once;

use serde_json::Value;

use crate::engine::Engine;
use crate::memory::{own, programs, psql};
use crate::sandbox::free_ports;

/// The image, which no registry has.
pub(crate) const IMAGE: &str = "silo-test-postgres";
/// What is in it beside the programs, below their folder's parent and the share folder.
const MODULES: [&str; 2] = ["plpgsql.so", "dict_snowball.so"];

fn compose() -> String {
    "services:
  memory:
    image: silo-test-postgres
    user: '1000:1000'
    stop_grace_period: 20s
    stop_signal: SIGINT
    environment:
      MEMORY_PASSWORD: ${MEMORY_PASSWORD}
    command:
      - sh
      - -c
      - |
        if ! [ -s /data/PG_VERSION ]; then
          echo \"$$MEMORY_PASSWORD\" >/tmp/secret
          initdb -D /data -U postgres --pwfile=/tmp/secret -A scram-sha-256 -E UTF8 --locale=C --no-sync >/dev/null || exit 1
          echo host all all all scram-sha-256 >>/data/pg_hba.conf
        fi
        exec postgres -D /data -h 0.0.0.0 -k /tmp -c fsync=off -c shared_buffers=16MB
    healthcheck:
      test: [CMD, pg_isready, -q, -h, 127.0.0.1]
      interval: 500ms
      retries: 60
    volumes: ['data:/data']
volumes:
  data: {}
"
    .to_owned()
}

fn output(command: &mut Command) -> Vec<u8> {
    let out = command.output().expect("it can be started");
    assert!(out.status.success(), "{command:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// Puts a file where it lies on this machine, below another root.
fn put(root: &Path, file: &Path) {
    let to = root.join(file.strip_prefix("/").expect("it is absolute"));
    fs::create_dir_all(to.parent().expect("it lies in a folder")).expect("the folder is ours");
    fs::copy(file, &to).expect("it is readable");
}

/// Makes the image once: the programs, the libraries they name, and what `initdb` reads.
pub(crate) fn image(engine: &Engine) {
    static MADE: Once = Once::new();
    MADE.call_once(|| {
        let folder = tempfile::tempdir().expect("the temporary folder is writable");
        let root = folder.path();
        let bin = programs();
        let (version, modules) = (bin.parent().expect("a version"), bin.parent().expect("a version").join("lib"));
        let number = version.file_name().expect("it has a number").to_string_lossy().into_owned();
        let mut files: BTreeSet<PathBuf> = ["initdb", "postgres", "pg_isready"].map(|name| bin.join(name)).into();
        files.extend(MODULES.map(|name| modules.join(name)));
        for file in files.clone() {
            let named = String::from_utf8(output(Command::new("ldd").arg(&file))).expect("paths are text");
            let words = named.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
            files.extend(words.map(PathBuf::from));
        }
        for file in &files {
            put(root, file);
        }
        let share = format!("/usr/share/postgresql/{number}");
        for folder in ["", "extension", "timezonesets", "tsearch_data"] {
            let from = Path::new(&share).join(folder);
            for entry in fs::read_dir(&from).expect("it is Debian's").flatten().filter(|entry| entry.path().is_file()) {
                let name = entry.file_name().to_string_lossy().into_owned();
                if folder != "extension" || name.starts_with("plpgsql") {
                    put(root, &entry.path());
                }
            }
        }
        put(root, Path::new("/usr/share/zoneinfo/Etc/UTC"));
        fs::create_dir_all(root.join("bin")).expect("it is ours");
        fs::copy("/bin/busybox", root.join("bin/busybox")).expect("tests/engine installs it");
        for name in ["sh", "echo", "true"] {
            symlink("busybox", root.join("bin").join(name)).expect("it is new");
        }
        fs::create_dir_all(root.join("etc")).expect("it is ours");
        fs::write(root.join("etc/passwd"), "pg:x:1000:1000::/tmp:/bin/sh\n").expect("it is ours");
        for (name, mode) in [("tmp", 0o777), ("data", 0o700)] {
            fs::create_dir(root.join(name)).expect("it is new");
            fs::set_permissions(root.join(name), fs::Permissions::from_mode(mode)).expect("it is ours");
        }
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(root).args(["--owner=1000", "--group=1000", "-c", "."]);
        let mut tar = tar.stdout(Stdio::piped()).spawn().expect("tar is there");
        let path = format!("ENV PATH={}:/bin", bin.display());
        let mut import = engine.command("docker", "");
        import.args(["import", "--change", &path, "-", IMAGE]).stdin(tar.stdout.take().expect("it has a pipe"));
        output(&mut import);
        assert!(tar.wait().expect("it is ours").success());
    });
}

/// A project whose memory is its own service, with the port that its first instance gets.
fn project(engine: &Engine, dir: &str) -> PathBuf {
    let [port] = free_ports();
    let root = engine.sandbox.dir(dir);
    own(&root.join("compose.yaml"), compose().as_bytes());
    own(&root.join(".env"), format!("MEMORY_PASSWORD={dir}-hush-0123456789\n").as_bytes());
    let toml = format!(
        "version = 1\n[compose]\n[compose.ports]\nMEMORY_PORT = \"{port}:memory:5432\"\n\
         [memory]\nservice = \"memory\"\npassword_variable = \"MEMORY_PASSWORD\"\n"
    );
    engine.sandbox.trusted(dir, &toml)
}

#[test]
fn an_instances_own_memory_keeps_what_is_found_while_it_is_down_and_is_no_other_instances() {
    let engine = Engine::new();
    image(&engine);
    let root = project(&engine, "one");
    engine.silo("one", "memory list").exit(1).stderr_has("is not leased yet").stderr_has("silo up -d");
    // What ended before there was a server.
    let folder = engine.sandbox.path("state/silo/agents/run-1");
    own(&folder.join("findings/a.md"), b"# Found early\nby nobody\n");
    let note =
        serde_json::json!({ "root": root.display().to_string(), "instance": "one", "agent": "early", "run": "run-1" });
    own(&folder.join("memory.json"), note.to_string().as_bytes());

    engine.silo("one", "up -d").success();
    engine.silo("one", "memory status").success().stdout_has("The memory is in the service `memory`: 127.0.0.1:");
    engine.silo("one", "memory sync").success().stderr("Saved 1 finding of early (run-1)\n");
    let role = engine.silo("one", "memory role keeper").success();
    let role = fs::read_to_string(String::from_utf8(role.bytes).expect("it is a path").trim()).expect("it is there");
    let (_, told, succeeded) = psql(role.trim(), "INSERT INTO silo_memory.findings (body) VALUES ('# Kept\nfor good')");
    assert!(succeeded, "{told}");
    let list = |dir: &str| -> Vec<Value> {
        let ran = engine.silo(dir, "memory list --json").success();
        serde_json::from_slice(&ran.bytes).expect("it is JSON")
    };
    let titles = |found: &[Value]| found.iter().map(|one| one["title"].to_string()).collect::<Vec<_>>();
    assert_eq!(titles(&list("one")), ["\"Kept\"", "\"Found early\""]);

    // A second instance has a password, a server and a memory of its own.
    project(&engine, "two");
    engine.silo("two", "up -d").success();
    assert!(list("two").is_empty());
    let elsewhere =
        role.replace(&engine.port("one", "MEMORY_PORT").to_string(), &engine.port("two", "MEMORY_PORT").to_string());
    assert!(!psql(elsewhere.trim(), "SELECT 1").2, "a role of one is none of the other");

    // The password of another: it proves nothing, and is not given away.
    own(&root.join(".env"), b"MEMORY_PASSWORD=wrong-hush\n");
    let told = engine.silo("one", "memory list").exit(1).stderr_has("The service `memory` does not admit `postgres`");
    assert!(!told.stderr.contains("hush"), "{told:#?}");
    own(&root.join(".env"), b"MEMORY_PASSWORD=one-hush-0123456789\n");

    engine.silo("one", "down").success();
    own(&folder.join("findings/b.md"), b"# Found late\n");
    own(&folder.join("memory.json"), note.to_string().as_bytes());
    engine.silo("one", "memory sync").exit(1).stderr_has("The memory cannot be reached: the service `memory`");
    engine.silo("one", "up -d").success();
    engine.silo("one", "memory sync").success().stderr_has("Saved 1 finding of early (run-1); 1 were there already");
    assert_eq!(titles(&list("one")), ["\"Found late\"", "\"Kept\"", "\"Found early\""]);
    assert!(psql(role.trim(), "SELECT 1").2, "the role is there as before");
    for dir in ["one", "two"] {
        engine.silo(dir, "down --volumes").success();
    }
}

#[test]
fn a_shared_memory_is_one_for_all_worktrees_and_is_reached_by_each() {
    let engine = Engine::new();
    image(&engine);
    let root = project(&engine, "base");
    let toml = fs::read_to_string(root.join("silo.toml")).expect("it is there");
    let toml = toml.replace("[compose]\n", "[compose]\nshare = [\"memory\"]\nkeep = [\"data\"]\n");
    fs::write(root.join("silo.toml"), toml).expect("it is writable");
    let app =
        "  app:\n    image: silo-test-box\n    stop_grace_period: 0s\n    command: [sleep, '600']\nvolumes:\n  data:";
    fs::write(root.join("compose.yaml"), compose().replace("volumes:\n  data:", app)).expect("it is writable");
    engine.sandbox.git(&root, ["init", "--quiet"]);
    engine.sandbox.git(&root, ["add", "."]);
    engine.sandbox.git(&root, ["commit", "--quiet", "--message", "first"]);
    engine.sandbox.git(&root, ["worktree", "add", "--quiet", "../tree"]);
    for dir in ["base", "tree"] {
        engine.silo(dir, "allow").success();
        engine.silo(dir, "up -d").success();
    }
    assert_eq!(engine.port("base", "MEMORY_PORT"), engine.port("tree", "MEMORY_PORT"));
    let found = engine.sandbox.path("found");
    own(&found.join("a.md"), b"# Found in one\n");
    engine.silo("base", format!("memory sync {} --agent one --run r1", found.display())).success();
    engine.silo("tree", "memory search found").success().stdout_has("Found in one");
    // It goes on while one of them is up.
    engine.silo("base", "down --volumes").success();
    engine.silo("tree", "memory list").success().stdout_has("Found in one");
    engine.silo("tree", "down --volumes").success();
    engine.silo("base", "up -d").success();
    engine.silo("base", "memory list").success().stdout_has("Found in one");
    engine.silo("base", "down").success();
    // What is kept is removed by nobody but its user.
    let volumes = engine.docker(&["volume", "ls", "--quiet", "--filter", "name=silo-shared-base"]).success().stdout;
    for volume in volumes.lines() {
        engine.docker(&["volume", "rm", volume]);
    }
}

#[test]
fn what_an_agent_finds_is_saved_and_the_next_one_reads_it() {
    let engine = Engine::new();
    image(&engine);
    let root = project(&engine, "three");
    let agent = |name: &str, line: &str| {
        format!(
            "[agents.{name}]\nimage = \"silo-test-agent\"\nrepository = false\nmemory = \"64m\"\ndisk = \"16m\"\n\
             command = [\"sh\", \"-c\", \"{line}\"]\n"
        )
    };
    let toml = fs::read_to_string(root.join("silo.toml")).expect("it is there");
    let agents = agent("writer", "echo '# Found by one' > /findings/a.md")
        + &agent("reader", "cat /memory/*.md; touch /memory/x 2>/dev/null && echo writable; true");
    engine.sandbox.trusted("three", &(toml + &agents));
    engine.silo("three", "up -d").success();
    let wrote = engine.silo("three", "agent run writer --as writer-1").success();
    assert!(wrote.stderr.contains("Saved in the memory: 1 finding"), "{}", wrote.stderr);
    let read = engine.silo("three", "agent run reader").success();
    assert_eq!(read.stdout.trim(), "# Found by one", "{}", read.stderr);
    // What is saved is nothing that `rm` could lose.
    engine.silo("three", "agent rm writer-1").success();
    engine.silo("three", "memory list").success().stdout_has("Found by one");
    engine.silo("three", "down --volumes").success();
}
