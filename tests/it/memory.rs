//! A Postgres of a test's own, from Debian's package, and projects whose memory is in it.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::{Ran, SILO, Sandbox, free_ports};

/// The password of the user who owns the memory; no test may see it anywhere.
pub(crate) const PASSWORD: &str = "OWNER-hush-0123456789";
/// Who runs the server where the tests are run by root, whom Postgres refuses.
const NOBODY: u32 = 65_534;

/// A server that is stopped when this is dropped.
pub(crate) struct Postgres {
    child: Child,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    /// Its certificate for `localhost`, which it has signed itself.
    pub(crate) certificate: String,
}

/// Where Debian has the programs, the newest first.
pub(crate) fn programs() -> PathBuf {
    let mut found: Vec<PathBuf> = ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(folder).into_iter().flatten().flatten())
        .map(|entry| entry.path().join("bin"))
        .filter(|bin| bin.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("no Postgres: `tests/run` installs it")
}

/// A program that is not root's, with nothing of this environment.
fn as_user(program: &str) -> Command {
    let mut command = Command::new(programs().join(program));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
    command
}

/// The server that tests share as long as one of them runs.
static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// One that other tests use too, each a database of its own.
    pub(crate) fn shared() -> Arc<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(Self::new("scram-sha-256"));
        *shared = Arc::downgrade(&server);
        server
    }

    /// A new database.
    pub(crate) fn database(&self) -> String {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("d{}", COUNT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE template0"));
        name
    }

    /// A server whose users prove their passwords by this method of `pg_hba.conf`.
    pub(crate) fn new(method: &str) -> Self {
        Self::ruled(method, "")
    }

    /// The same with lines of `pg_hba.conf` before all others.
    pub(crate) fn ruled(method: &str, first: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("silo-pg-").tempdir().expect("the temporary folder is writable");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let (data, secret) = (folder.path().join("data"), folder.path().join("secret"));
        fs::create_dir(&data).expect("it is new");
        fs::write(&secret, format!("{PASSWORD}\n")).expect("it is writable");
        if rustix::process::geteuid().is_root() {
            for path in [folder.path(), &data, &secret] {
                chown(path, Some(NOBODY), Some(NOBODY)).expect("root may");
            }
        }
        let mut initdb = as_user("initdb");
        initdb.arg("--pgdata").arg(&data).arg("--pwfile").arg(&secret);
        initdb.args(["--username=postgres", "--auth", method, "--encoding=UTF8", "--locale=C", "--no-sync"]);
        let initialised = initdb.output().expect("it can be started");
        assert!(initialised.status.success(), "{}", String::from_utf8_lossy(&initialised.stderr));
        // Databases that are called after a method have that, the first line counts.
        let rules = fs::read_to_string(data.join("pg_hba.conf")).expect("it is there");
        let lines = ["password", "md5", "trust"].map(|method| format!("host hba_{method} all 127.0.0.1/32 {method}\n"));
        let mixed = "host hba_mixed postgres,older 127.0.0.1/32 scram-sha-256\nhost hba_mixed all 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), first.to_owned() + &lines.concat() + mixed + &rules)
            .expect("it is writable");
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is a name");
        fs::write(data.join("server.crt"), made.cert.pem()).expect("it is writable");
        own(&data.join("server.key"), made.signing_key.serialize_pem().as_bytes());
        if rustix::process::geteuid().is_root() {
            chown(data.join("server.key"), Some(NOBODY), Some(NOBODY)).expect("root may");
        }
        let [port] = free_ports();
        let log = fs::File::create(folder.path().join("log")).expect("it is writable");
        let mut postgres = as_user("postgres");
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path()).args(["-h", "127.0.0.1", "-p", &port.to_string()]);
        for setting in ["ssl=on", "fsync=off", "log_statement=all", "shared_buffers=16MB", "max_connections=150"] {
            postgres.args(["-c", setting]);
        }
        let child = postgres.stdout(Stdio::null()).stderr(log).spawn().expect("it can be started");
        let server = Self { child, folder, port, certificate: made.cert.pem() };
        let start = Instant::now();
        while !server.answers() {
            assert!(start.elapsed() < Duration::from_secs(30), "it does not start: {}", server.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }

    fn answers(&self) -> bool {
        let mut ready = as_user("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        ready.status().is_ok_and(|status| status.success())
    }

    /// What it has logged: every statement it was sent.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(self.folder.path().join("log")).unwrap_or_default()).into_owned()
    }

    /// Runs statements as the owner, in a database; what they print.
    pub(crate) fn sql(&self, database: &str, text: &str) -> String {
        let address = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port);
        let (printed, told, succeeded) = psql(&address, text);
        assert!(succeeded, "{text}: {told}");
        printed
    }

    /// Runs statements as the owner, until somebody ends them.
    pub(crate) fn sql_that_is_ended(&self, database: &str, text: &str) {
        let address = format!("postgresql://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port);
        assert!(!psql(&address, text).2, "nobody has ended it");
    }

    /// The folder of its socket.
    pub(crate) fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// Stops it, as a machine that goes down in order would.
    pub(crate) fn stop(&mut self) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).expect("it is a pid")), Signal::SIGINT).expect("it runs");
        self.child.wait().expect("it is ours");
    }

    /// The user's file with this server as `team`, and its database.
    pub(crate) fn file(&self, database: &str) -> String {
        let port = self.port;
        format!(
            "[servers.team]\nurl = \"postgres://postgres@127.0.0.1:{port}/{database}\"\npassword = \"{PASSWORD}\"\n"
        )
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = kill(Pid::from_raw(i32::try_from(self.child.id()).expect("it is a pid")), Signal::SIGINT);
            let _ = self.child.wait();
        }
    }
}

/// Runs statements at an address: what they print, what they tell, and whether all succeeded.
pub(crate) fn psql(address: &str, text: &str) -> (String, String, bool) {
    let mut psql = as_user("psql");
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", address]);
    let mut child = psql
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("psql comes with the server");
    // One that the server does not let in may have ended before it read any: how it ended says so.
    let _ = child.stdin.take().expect("it has a pipe").write_all(text.as_bytes());
    let out = child.wait_with_output().expect("its pipes are readable");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&out.stdout), text(&out.stderr), out.status.success())
}

/// A sandbox with a trusted project, `app`, whose memory is in a server of the user's file.
pub(crate) struct Scene {
    pub(crate) sandbox: Sandbox,
}

impl Scene {
    /// With this file.
    pub(crate) fn new(file: &str) -> Self {
        let sandbox = Sandbox::new();
        own(&sandbox.path("config/silo/memory.toml"), file.as_bytes());
        let [web] = free_ports();
        sandbox.trusted("app", &format!("version = 1\n[ports]\nWEB_PORT = {web}\n[memory]\nserver = \"team\"\n"));
        sandbox.run("app", ["env", "feature-x"]).success();
        Self { sandbox }
    }

    /// `silo memory` in the project. No answer and no message has the owner's password.
    pub(crate) fn memory(&self, words: &[&str]) -> Ran {
        let mut command = self.sandbox.command(SILO, "app");
        command.arg("memory").args(words);
        let ran = self.sandbox.finish(command);
        assert!(!ran.stdout.contains(PASSWORD) && !ran.stderr.contains(PASSWORD), "the password is told: {ran:#?}");
        ran
    }

    /// A run that has ended, with its findings on the disk and a note that they wait.
    pub(crate) fn left(&self, id: &str, agent: &str, findings: &[(&str, &[u8])]) -> PathBuf {
        let folder = self.sandbox.path("state/silo/agents").join(id);
        for (name, bytes) in findings {
            own(&folder.join("findings").join(name), bytes);
        }
        let root = self.sandbox.dir("app").display().to_string();
        let note =
            serde_json::json!({ "root": root, "server": "team", "instance": "feature-x", "agent": agent, "run": id });
        own(&folder.join("memory.json"), note.to_string().as_bytes());
        folder
    }

    /// What `silo memory list` says with these words.
    pub(crate) fn list(&self, words: &[&str]) -> Vec<Value> {
        let ran = self.memory(&[&["list", "--json", "--number", "10000"], words].concat()).success();
        serde_json::from_slice(&ran.bytes).expect("it is JSON")
    }

    /// The address of an agent's role.
    pub(crate) fn role(&self, agent: &str) -> String {
        let ran = self.memory(&["role", agent]).success();
        let path = String::from_utf8(ran.bytes).expect("it is a path");
        let path = Path::new(path.trim());
        assert_eq!(fs::metadata(path).expect("it is there").permissions().mode() & 0o777, 0o600);
        fs::read_to_string(path).expect("it is text").trim().to_owned()
    }
}

/// Writes a file for the user alone, and its folders.
pub(crate) fn own(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(path, bytes).expect("the sandbox is writable");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

#[test]
fn what_a_run_left_is_saved_once_listed_searched_shown_and_exported() {
    let server = Postgres::shared();
    let scene = Scene::new(&server.file(&server.database()));
    scene.memory(&["list"]).success().stdout("Nothing is found yet\n");
    let hostile = b"# Slow \x1b[31mparser\x1b]0;x\x07\nIt reads each file twice; see caf\xc3\xa9.\n";
    let folder = scene.left(
        "run-1",
        "researcher",
        &[("notes/parser.md", hostile), ("core.bin", b"\x7fELF\0\xff\xfe"), ("empty.txt", b"")],
    );
    scene.memory(&["status"]).success().stdout_has("Not saved yet, on the disk: 1 run (run-1)");
    scene.memory(&["sync"]).success().stderr("Saved 3 findings of researcher (run-1)\n");
    assert!(!folder.join("memory.json").exists(), "it waits no more");
    assert!(folder.join("findings/notes/parser.md").exists(), "what was found stays where it is");
    scene.memory(&["sync"]).success().stderr("Nothing waits to be saved\n");
    // As after a crash between saving and taking the note back.
    scene.left("run-1", "researcher", &[]);
    scene.memory(&["sync"]).success().stderr("Saved 0 findings of researcher (run-1); 3 were there already\n");

    let all = scene.list(&[]);
    assert_eq!(all.len(), 3);
    let parser = all.iter().find(|one| one["path"] == "notes/parser.md").expect("it is there");
    assert_eq!(
        (parser["title"].as_str(), parser["kind"].as_str(), parser["agent"].as_str(), parser["run"].as_str()),
        (Some("Slow [31mparser]0;x"), Some("markdown"), Some("researcher"), Some("run-1"))
    );
    assert_eq!(parser["instance"], "feature-x");
    let found = scene.memory(&["search", "--", "\"each file\"", "caf\u{e9}", "-slowly"]).success();
    assert!(found.stdout.contains("researcher") && found.stdout.contains("It reads each file twice"), "{found:#?}");
    assert!(!found.stdout.contains('\u{1b}') && !found.stdout.contains('\u{7}'), "{found:#?}");
    scene.memory(&["search", "--", "each", "-twice"]).success().stdout("Nothing has these words\n");
    assert!(scene.list(&["--agent", "other"]).is_empty() && scene.list(&["--run", "run-1"]).len() == 3);
    assert!(scene.list(&["--since", "2000-01-01"]).len() == 3 && scene.list(&["--since", "2100-01-01"]).is_empty());

    // What a person sees drives no terminal; what a program reads is what was found.
    let id = parser["id"].to_string();
    let shown = scene.memory(&["show", &id]).success();
    assert!(!shown.stderr.contains('\u{1b}') && shown.stderr.contains("run run-1"), "{shown:#?}");
    let out = scene.sandbox.path("out");
    scene.memory(&["export", &out.display().to_string()]).success();
    let listed = fs::read_to_string(out.join("index.jsonl")).expect("it is there");
    let mut names = Vec::new();
    for line in listed.lines() {
        let line: Value = serde_json::from_str(line).expect("it is JSON");
        let (file, path) = (line["file"].as_str().expect("it has one"), line["path"].as_str().expect("it has one"));
        let bytes = fs::read(out.join(file)).expect("it is there");
        assert_eq!(bytes, fs::read(folder.join("findings").join(path)).expect("it is there"), "{path}");
        assert_eq!(fs::metadata(out.join(file)).expect("it is there").permissions().mode() & 0o222, 0, "{file}");
        names.push(file.split_once('-').map_or("", |(_, name)| name).to_owned());
    }
    names.sort();
    assert_eq!(names, ["core.bin", "empty.txt", "parser.md"]);
    scene.memory(&["export", &out.display().to_string()]).exit(1).stderr_has("is not empty");
    let lines = scene.memory(&["export", "-"]).success();
    assert_eq!((lines.stdout.lines().count(), lines.stdout.contains('\u{1b}')), (3, false));
    assert!(lines.stdout.contains("\"bytes\":\"7f454c4600fffe\""), "{lines:#?}");

    scene.memory(&["rm", &id, "999999"]).success().stderr("Removed 1 finding\n");
    scene.memory(&["rm", &id]).exit(1).stderr_has(&format!("There is no finding {id}"));
    scene.memory(&["show", &id]).exit(1).stderr_has(&format!("There is no finding {id}"));
    assert_eq!(scene.list(&[]).len(), 2);
    assert!(!server.log().contains(PASSWORD), "no statement has the password");
}

#[test]
fn findings_outlive_a_server_that_is_down_and_the_instance() {
    let mut server = Postgres::new("scram-sha-256");
    let scene = Scene::new(&server.file("postgres"));
    scene.left("run-1", "one", &[("a.md", b"first")]);
    scene.memory(&["sync"]).success();
    server.stop();
    let folder = scene.left("run-2", "two", &[("b.md", b"second")]);
    scene.memory(&["sync"]).exit(1).stderr_has("The memory cannot be reached: the server `team` of memory.toml");
    scene.memory(&["status"]).exit(1).stderr_has("Not saved yet, on the disk: 1 run (run-2)");
    scene.sandbox.run("app", ["down", "--clean"]).success();
    assert!(folder.join("memory.json").exists() && folder.join("findings/b.md").exists());

    // Another instance with the same server saves what is left of one whose folder is gone.
    let again = Postgres::shared();
    own(&scene.sandbox.path("config/silo/memory.toml"), again.file(&again.database()).as_bytes());
    let note = fs::read_to_string(folder.join("memory.json")).expect("it is there");
    let gone = note.replace("projects/app", "projects/gone");
    own(&folder.join("memory.json"), gone.as_bytes());
    scene.memory(&["sync"]).success().stderr_has("Saved 1 finding of two (run-2)");
    // A folder is taken as it is, too.
    let plain = scene.sandbox.path("plain");
    own(&plain.join("x.txt"), b"third");
    scene
        .memory(&["sync", &plain.display().to_string(), "--agent", "me"])
        .success()
        .stderr_has("Saved 1 finding of me (plain)");
    assert_eq!(scene.list(&[]).len(), 2);
}

/// Passes bytes both ways between a connection and another one, whose way to the other end is closed by `shut`.
pub(crate) fn between<T: Sync>(stream: &TcpStream, other: &T, shut: impl Fn(&T) + Send + Sync)
where
    for<'a> &'a T: Read + Write,
{
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let _ = std::io::copy(&mut &*stream, &mut &*other);
            shut(other);
        });
        let _ = std::io::copy(&mut &*other, &mut &*stream);
        let _ = stream.shutdown(Shutdown::Both);
    });
}
