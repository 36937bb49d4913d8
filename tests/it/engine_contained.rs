//! Containers as `silo agent run` starts them, for tests of what silo-proxy does inside (D33): any user, no capability, nothing but the
//! image and silo-proxy.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::Engine;
use crate::sandbox::Ran;

/// The program under test.
pub(crate) const PROXY: &str = env!("CARGO_BIN_EXE_silo-proxy");

/// How many networks this process has made.
static MADE: AtomicU32 = AtomicU32::new(0);

/// An engine, and what was made there for one test; all of it goes when it is dropped.
pub(crate) struct Contained {
    pub(crate) engine: Engine,
    pub(crate) label: String,
    networks: std::cell::RefCell<Vec<String>>,
}

/// A network: its name, the address of its bridge, and one for each container.
pub(crate) struct Network {
    pub(crate) name: String,
    pub(crate) gateway: String,
}

impl Contained {
    pub(crate) fn new() -> Self {
        let engine = Engine::new();
        let folder = engine.sandbox.path("").to_string_lossy().replace('/', "-");
        let label = format!("silo-test={}", folder.trim_matches('-'));
        Self { engine, label, networks: std::cell::RefCell::default() }
    }

    /// A network of eight addresses with these options; the first range that the engine takes.
    pub(crate) fn network(&self, options: &[&str]) -> Network {
        let start = std::process::id().wrapping_mul(7) + 8 * MADE.fetch_add(1, Ordering::Relaxed);
        for at in (0..8192_u32).map(|step| (start + step) % 8192) {
            let base = format!("10.198.{}", at / 32);
            let last = at % 32 * 8;
            let name = format!("{}-{at}", self.label.replace('=', "-"));
            let (subnet, gateway) = (format!("{base}.{last}/29"), format!("{base}.{}", last + 1));
            // Another engine of this machine may have it, which this one does not know.
            if std::net::UdpSocket::bind((gateway.as_str(), 0)).is_ok() {
                continue;
            }
            let mut words = vec!["network", "create", "--subnet", &subnet, "--gateway", &gateway];
            words.extend(options);
            words.push(&name);
            if self.engine.docker(&words).succeeded() {
                self.networks.borrow_mut().push(name.clone());
                return Network { name, gateway };
            }
        }
        panic!("the engine takes no network");
    }

    /// A network as an agent has it.
    pub(crate) fn closed(&self) -> Network {
        self.network(&["--internal", "-o", "com.docker.network.bridge.inhibit_ipv4=true"])
    }

    /// `docker run` of silo-proxy as the first process of a container; `options` are docker's.
    pub(crate) fn command(&self, options: &[&str], words: &[&str]) -> Command {
        let mut command = self.engine.command("docker", "");
        command.args(["run", "--rm", "--label", &self.label, "--volume", &format!("{PROXY}:/silo-proxy:ro")]);
        command.args(["--user", "12345:12345", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
        command.args(["--read-only", "--memory", "256m", "--entrypoint", "/silo-proxy"]).args(options);
        command.arg("silo-test-box").args(words);
        command
    }

    /// Runs that to its end.
    pub(crate) fn run(&self, options: &[&str], words: &[&str]) -> Ran {
        self.engine.sandbox.finish(self.command(options, words))
    }

    /// Runs an agent that is one line of a shell, without a network.
    pub(crate) fn agent(&self, options: &[&str], flags: &[&str], line: &str) -> Ran {
        let options = [&["--network", "none", "--pids-limit", "64"], options].concat();
        self.run(&options, &[&["init"], flags, &["--", "sh", "-c", line]].concat())
    }

    /// Whether a container of that name runs.
    pub(crate) fn runs(&self, name: &str) -> bool {
        let found = self.engine.docker(&["ps", "--quiet", "--filter", &format!("name=^{name}$")]);
        !found.success().stdout.trim().is_empty()
    }

    /// A name for a container of this test.
    pub(crate) fn name(&self, name: &str) -> String {
        format!("{}-{name}", self.label.replace('=', "-"))
    }
}

impl Drop for Contained {
    fn drop(&mut self) {
        let list = ["ps", "--all", "--quiet", "--filter", &format!("label={}", self.label)];
        let ids = self.engine.command("docker", "").args(list).output().map(|out| out.stdout).unwrap_or_default();
        for id in String::from_utf8_lossy(&ids).lines() {
            let _ = self.engine.command("docker", "").args(["rm", "--force", "--volumes", id]).output();
        }
        for network in self.networks.borrow().iter() {
            let _ = self.engine.command("docker", "").args(["network", "rm", network]).output();
        }
    }
}
