//! The container engine that `tests/run` provides, for tests that touch real containers. Their names begin with `engine`, so
//! that `tests/run` can leave them out, and say so, where no engine is available.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::sandbox::{Ran, SILO, Sandbox};

/// How long something may take until it is as expected.
const DEADLINE: Duration = Duration::from_mins(3);

/// A sandbox whose `docker` is the real one. What its compose projects made goes when it is dropped.
pub(crate) struct Engine {
    pub(crate) sandbox: Sandbox,
    /// The variables by which an engine of its own is found; empty for that of all tests.
    own: Vec<(&'static str, OsString)>,
}

impl Engine {
    pub(crate) fn new() -> Self {
        assert!(std::env::var_os("SILO_TEST_ENGINE").is_some(), "no container engine: `tests/run` starts one");
        Self { sandbox: Sandbox::new(), own: Vec::new() }
    }

    /// A sandbox with an engine that no other test has.
    pub(crate) fn found_by(own: Vec<(&'static str, OsString)>) -> Self {
        Self { sandbox: Sandbox::new(), own }
    }

    /// Any program in a project, with the engine's variables.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, dir: impl AsRef<Path>) -> Command {
        let mut command = self.sandbox.command(program, dir);
        command.envs(Self::settings()).envs(self.own.iter().map(|(name, value)| (name, value)));
        command
    }

    /// The variables by which the engine is found.
    pub(crate) fn settings() -> Vec<(&'static str, OsString)> {
        let host = std::env::var_os("DOCKER_HOST").unwrap_or_else(|| "unix:///var/run/docker.sock".into());
        let config = std::env::var_os("DOCKER_CONFIG").map(|folder| ("DOCKER_CONFIG", folder));
        std::iter::once(("DOCKER_HOST", host)).chain(config).collect()
    }

    /// Runs silo in a project.
    pub(crate) fn silo<'a>(&self, dir: impl AsRef<Path>, words: impl AsRef<str> + 'a) -> Ran {
        let mut command = self.command(SILO, dir);
        command.args(words.as_ref().split(' '));
        self.sandbox.finish(command)
    }

    /// Runs lines in a bash that has the hook, in a project that is trusted.
    pub(crate) fn bash(&self, dir: impl AsRef<Path>, lines: &str) -> Ran {
        let mut command = self.command("bash", dir);
        command.args(["--norc", "-c", &format!("eval \"$(silo hook bash)\"; __silo_hook\n{lines}")]);
        self.sandbox.finish(command)
    }

    /// What the doctor says in a project, which has all of this: where the engine is slow it leaves out what it did not come to.
    pub(crate) fn doctor_says(&self, dir: &str, words: &str, parts: &[&str]) -> String {
        let mut said = String::new();
        until(&format!("the doctor says {parts:?}"), || {
            said = self.silo(dir, words).stdout;
            parts.iter().all(|part| said.contains(part))
        });
        said
    }

    /// A word that no other sandbox has: names of instances and compose projects are one for the whole engine.
    pub(crate) fn word(&self) -> String {
        let folder = self.sandbox.path("").to_string_lossy().into_owned();
        folder.chars().rev().filter(char::is_ascii_alphanumeric).take(8).collect::<String>().to_lowercase()
    }

    /// Where docker itself is, for a program that stands in its place in the sandbox's own folder of programs.
    pub(crate) fn docker_path(&self) -> String {
        let line = "PATH=${PATH#*:}; command -v docker";
        let found = self.command("sh", "").args(["-c", line]).output().expect("sh is there").stdout;
        String::from_utf8(found).expect("it is text").trim().to_owned()
    }

    /// Runs docker itself.
    pub(crate) fn docker(&self, words: &[&str]) -> Ran {
        let mut command = self.command("docker", "");
        command.args(words);
        self.sandbox.finish(command)
    }

    /// The compose project's name of an instance.
    pub(crate) fn project(&self, dir: impl AsRef<Path>) -> String {
        format!("localnet-{}", self.sandbox.instance(dir))
    }

    /// The port of a variable.
    pub(crate) fn port(&self, dir: impl AsRef<Path>, variable: &str) -> u16 {
        self.sandbox.lockfile_ports(dir)[variable]
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let list = |words: &[&str]| -> Vec<String> {
            let out = self.command("docker", "").args(words).output().map(|out| out.stdout).unwrap_or_default();
            String::from_utf8_lossy(&out).lines().map(str::to_owned).collect()
        };
        // A label filters by its whole value, so the folders of this sandbox are found by looking at all.
        let format =
            "{{.ID}} {{.Label \"com.docker.compose.project\"}} {{.Label \"com.docker.compose.project.working_dir\"}}";
        let rows = list(&["ps", "--all", "--format", format]);
        let folder = self.sandbox.dir("").display().to_string();
        let own: Vec<Vec<&str>> = rows
            .iter()
            .map(|row| row.splitn(3, ' ').collect::<Vec<_>>())
            .filter(|row| row.get(2).is_some_and(|place| place.starts_with(folder.trim_end_matches('/'))))
            .collect();
        let names: std::collections::BTreeSet<&str> = own.iter().map(|row| row[1]).collect();
        for row in &own {
            let _ = self.command("docker", "").args(["rm", "--force", "--volumes", row[0]]).output();
        }
        for name in names {
            let filter = format!("label=com.docker.compose.project={name}");
            for kind in ["network", "volume"] {
                for id in list(&[kind, "ls", "--quiet", "--filter", &filter]) {
                    let _ = self.command("docker", "").args([kind, "rm", &id]).output();
                }
            }
        }
    }
}

/// What a web server on a port of this machine says for a path; empty where nobody answers.
pub(crate) fn get(port: u16, path: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return String::new() };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
    let _ = write!(stream, "GET {path} HTTP/1.0\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.split_once("\r\n\r\n").map_or_else(String::new, |(_, body)| body.trim().to_owned())
}

/// Looks until it is this: a container runs a moment before the server in it listens.
#[track_caller]
pub(crate) fn until_is<T: PartialEq + Debug>(expected: &T, look: impl Fn() -> T) {
    let start = Instant::now();
    let mut now = look();
    while now != *expected && start.elapsed() < DEADLINE {
        std::thread::sleep(Duration::from_millis(50));
        now = look();
    }
    assert_eq!(now, *expected);
}

/// Looks again and again until it is so.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < DEADLINE, "not so within {DEADLINE:?}: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
