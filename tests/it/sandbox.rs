//! A hermetic place for one test: its own HOME, XDG folders, programs and projects, removed when dropped.
//!
//! Nothing of the developer's environment reaches what runs here, and nothing here outlives the test. Ports are the
//! one thing all tests share with the machine: [`free_ports`] hands each out once, to whichever test process asks.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use indexmap::IndexMap;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rustix::process::getuid;
use serde_json::Value;
use tempfile::TempDir;

/// The program under test.
pub(crate) const SILO: &str = env!("CARGO_BIN_EXE_silo");

/// How long a command may take before the test fails.
const DEADLINE: Duration = Duration::from_mins(3);

/// Where default ports of tests come from: below the ports of outgoing connections and below silo's own range.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A folder with everything a test touches.
pub(crate) struct Sandbox {
    root: PathBuf,
    _removed_on_drop: TempDir,
}

impl Sandbox {
    /// Makes the folders, and `silo` the first program on `PATH`.
    pub(crate) fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("silo-").tempdir().expect("the temporary folder is writable");
        let root = dir.path().canonicalize().expect("it was just made");
        for folder in ["home", "state", "data", "config", "projects", "bin"] {
            fs::create_dir(root.join(folder)).expect("the sandbox is empty");
        }
        // fish keeps what it shares there, else in a folder of `/tmp` that another user may have made.
        fs::DirBuilder::new().mode(0o700).create(root.join("run")).expect("the sandbox is empty");
        std::os::unix::fs::symlink(SILO, root.join("bin/silo")).expect("the sandbox is empty");
        Self { root, _removed_on_drop: dir }
    }

    /// A path in the sandbox: below `home`, `state`, `data`, `config`, `projects` or `bin`.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// A project's folder by its name; an absolute path stays itself.
    pub(crate) fn dir(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join("projects").join(name)
    }

    /// Makes a project that nobody trusts yet, or replaces its `silo.toml`.
    pub(crate) fn project(&self, name: impl AsRef<Path>, toml: &str) -> PathBuf {
        let dir = self.dir(name);
        fs::create_dir_all(&dir).expect("the sandbox is writable");
        fs::write(dir.join("silo.toml"), toml).expect("the project is writable");
        dir
    }

    /// A project the user trusts.
    pub(crate) fn trusted(&self, name: impl AsRef<Path>, toml: &str) -> PathBuf {
        let dir = self.project(name, toml);
        self.run(&dir, ["allow"]).success();
        dir
    }

    /// The whole environment of everything that runs here.
    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.path("bin").display());
        vec![
            ("HOME", self.path("home").into()),
            ("XDG_STATE_HOME", self.path("state").into()),
            ("XDG_DATA_HOME", self.path("data").into()),
            ("XDG_CONFIG_HOME", self.path("config").into()),
            ("XDG_RUNTIME_DIR", self.path("run").into()),
            ("PATH", path.into()),
            ("USER", "tester".into()),
            // This machine's engine is not the tests'; stand-ins for docker do not ask where it is.
            ("DOCKER_HOST", "unix:///nowhere".into()),
            ("LANG", "C.UTF-8".into()),
            ("TERM", "dumb".into()),
            ("COLUMNS", "100".into()),
            ("NO_COLOR", "1".into()),
        ]
    }

    /// Any program, in a project, with the sandbox's environment and no input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, dir: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.environment()).current_dir(self.dir(dir)).stdin(Stdio::null());
        command
    }

    /// Runs `silo` in a project.
    #[must_use]
    pub(crate) fn run(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item: AsRef<OsStr>>) -> Ran {
        let mut command = self.command(SILO, dir);
        command.args(args);
        self.finish(command)
    }

    /// Runs a prepared command to its end.
    #[must_use]
    pub(crate) fn finish(&self, mut command: Command) -> Ran {
        let line = format!("{command:?}");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {line}: {error}"));
        let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid is a pid_t"));
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || send.send(child.wait_with_output()));
        let Ok(output) = receive.recv_timeout(DEADLINE) else {
            kill(pid, Signal::SIGKILL).expect("it still runs");
            panic!("{line} did not end within {DEADLINE:?}");
        };
        let output = output.expect("its pipes are readable");
        Ran {
            line: self.redact(line.as_bytes()),
            status: output.status,
            stdout: self.redact(&output.stdout),
            stderr: self.redact(&output.stderr),
            bytes: output.stdout,
        }
    }

    /// Text with what differs from run to run replaced: the sandbox by `$SANDBOX`, silo by `$SILO`, times by `$TIME`.
    pub(crate) fn redact(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        redact_times(&text.replace(&*self.root.to_string_lossy(), "$SANDBOX").replace(SILO, "$SILO"))
    }

    /// A project's `.silo.lock`.
    pub(crate) fn lockfile(&self, dir: impl AsRef<Path>) -> Value {
        let path = self.dir(dir).join(".silo.lock");
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_slice(&text).expect("the lockfile is JSON")
    }

    /// The ports a project's lockfile holds, in its order.
    pub(crate) fn lockfile_ports(&self, dir: impl AsRef<Path>) -> IndexMap<String, u16> {
        serde_json::from_value(self.lockfile(dir)["instance"]["ports"].clone()).expect("ports are numbers by name")
    }

    /// The instance name a project's lockfile holds.
    pub(crate) fn instance(&self, dir: impl AsRef<Path>) -> String {
        self.lockfile(dir)["instance"]["name"].as_str().expect("the name is a string").to_owned()
    }

    /// Runs `git` as a user with a name.
    pub(crate) fn git(&self, dir: impl AsRef<Path>, args: impl IntoIterator<Item: AsRef<OsStr>>) {
        let mut git = self.command("git", dir);
        git.args(["-c", "user.name=tester", "-c", "user.email=tester@example.com", "-c", "init.defaultBranch=main"]);
        git.args(args);
        self.finish(git).success();
    }
}

/// How a command ended. Each check returns it again, so that a test reads as a transcript.
#[derive(Debug)]
pub(crate) struct Ran {
    line: String,
    status: ExitStatus,
    /// What it answered, redacted.
    pub(crate) stdout: String,
    /// What it told, redacted.
    pub(crate) stderr: String,
    /// What it answered, byte for byte.
    pub(crate) bytes: Vec<u8>,
}

impl Ran {
    /// Its exit code, where no signal ended it.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// It succeeded.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        self.exit(0)
    }

    /// Whether it succeeded, where either is right.
    pub(crate) fn succeeded(&self) -> bool {
        self.status.success()
    }

    /// It ended with this exit code.
    #[track_caller]
    pub(crate) fn exit(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self:#?}");
        self
    }

    /// Its whole standard output is this.
    #[track_caller]
    pub(crate) fn stdout(self, expected: &str) -> Self {
        assert_eq!(self.stdout, expected, "stdout of {}; stderr: {}", self.line, self.stderr);
        self
    }

    /// Its standard output contains this.
    #[track_caller]
    pub(crate) fn stdout_has(self, part: &str) -> Self {
        assert!(self.stdout.contains(part), "no {part:?} in stdout: {self:#?}");
        self
    }

    /// Its whole standard error is this.
    #[track_caller]
    pub(crate) fn stderr(self, expected: &str) -> Self {
        assert_eq!(self.stderr, expected, "stderr of {}", self.line);
        self
    }

    /// Its standard error contains this.
    #[track_caller]
    pub(crate) fn stderr_has(self, part: &str) -> Self {
        assert!(self.stderr.contains(part), "no {part:?} in stderr: {self:#?}");
        self
    }
}

/// A `silo.toml` that declares these ports and nothing else.
pub(crate) fn toml_with_ports(ports: &[(&str, u16)]) -> String {
    let lines: Vec<String> = ports.iter().map(|(name, port)| format!("{name} = {port}\n")).collect();
    format!("version = 1\n[ports]\n{}", lines.concat())
}

/// Ports nobody holds, each handed out once until the range is through, whichever test process asks.
pub(crate) fn free_ports<const N: usize>() -> [u16; N] {
    let path = std::env::temp_dir().join(format!("silo-test-ports.{}", getuid().as_raw()));
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).expect("it is ours");
    file.lock().expect("other tests hold it only for a moment");
    let mut text = String::new();
    file.read_to_string(&mut text).expect("it holds a number");
    let start = text.trim().parse().ok().filter(|port| PORTS.contains(port)).unwrap_or(PORTS.start);
    let mut after_start = (start..PORTS.end).chain(PORTS.start..start);
    let ports = std::array::from_fn(|_| after_start.by_ref().find(|port| is_free(*port)).expect("most ports are free"));
    let next = after_start.next().unwrap_or(PORTS.start);
    file.rewind().expect("a file can be rewound");
    file.write_all(format!("{next}\n").as_bytes()).expect("the temporary folder has room");
    ports
}

/// Whether nobody holds a port.
pub(crate) fn is_free(port: u16) -> bool {
    let busy = |bound: io::Result<TcpListener>| bound.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse);
    !busy(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))) && !busy(TcpListener::bind((Ipv6Addr::LOCALHOST, port)))
}

/// Closes a listener, and waits until its port is free: a child that another test's thread has forked, and that has yet to exec, has it
/// too.
pub(crate) fn close(listener: TcpListener) {
    let port = listener.local_addr().expect("it is bound").port();
    drop(listener);
    let end = Instant::now() + DEADLINE;
    while !is_free(port) {
        assert!(Instant::now() < end, "somebody has taken port {port}");
    }
}

/// Makes a program of `text`.
///
/// Another process writes it: the kernel runs no file that somebody has open for writing (`ETXTBSY`), and what this
/// process has open is open in each child that another test's thread has forked and that has yet to exec
/// (<https://github.com/golang/go/issues/22315>).
pub(crate) fn program(path: &Path, text: &str) {
    let mut input = tempfile::tempfile().expect("the temporary folder has room");
    input.write_all(text.as_bytes()).expect("the temporary folder has room");
    input.rewind().expect("a file can be rewound");
    program_from(path, input);
}

/// Makes a program of what `input` has, as [`program`] does.
pub(crate) fn program_from(path: &Path, input: File) {
    let mut sh = Command::new("/bin/sh");
    sh.args(["-c", "cat >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(input);
    assert!(sh.status().expect("sh is there").success(), "{} cannot be made", path.display());
}

fn redact_times(text: &str) -> String {
    const SHAPE: &[u8] = b"0000-00-00T00:00:00";
    let bytes = text.as_bytes();
    let mut redacted = String::new();
    let mut kept = 0;
    let mut at = 0;
    while at + SHAPE.len() < bytes.len() {
        let fits = |(byte, shape): (&u8, &u8)| if *shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
        let fraction =
            bytes[at + SHAPE.len()..].iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
        let zone = at + SHAPE.len() + fraction;
        if bytes[at..].iter().zip(SHAPE).all(fits) && bytes.get(zone) == Some(&b'Z') {
            redacted.push_str(&text[kept..at]);
            redacted.push_str("$TIME");
            at = zone;
            kept = at + 1;
        }
        at += 1;
    }
    redacted.push_str(&text[kept..]);
    redacted
}

#[test]
fn times_and_paths_are_redacted() {
    let sandbox = Sandbox::new();
    let text = format!("{} é 2024-01-15T10:30:00Z, 2024-01-15T10:30:00.123Z. 2024-01-15", sandbox.dir("a").display());
    assert_eq!(sandbox.redact(text.as_bytes()), "$SANDBOX/projects/a é $TIME, $TIME. 2024-01-15");
}
