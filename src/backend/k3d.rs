//! k3d: clusters and image registries, called directly (docs/k3d.md). What exists is asked each time (D101).
//!
//! Raw answers hold the cluster's token, so they are never shown; only names, states and ports are read from them.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;

use super::docker::{self, Docker};
use super::labels::LABEL;
use crate::core::formats::kubeconfig;
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, quoted, shown};
use crate::sys::cmd::Cmd;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// What to type when k3d is missing.
pub const INSTALL: &str = "Install k3d: https://k3d.io";
/// Largest kubeconfig that is read, in bytes.
const KUBECONFIG: u64 = 1024 * 1024;
/// How long a question may take.
const ASK: Duration = Duration::from_secs(15);
/// How long k3d itself may wait for a cluster, in its own words; silo waits a little longer.
const START: (&str, Duration) = ("180s", Duration::from_secs(200));
/// How long a making may take. k3d counts its own limit for making the containers and again for starting them, and not at all
/// while it fetches the images of registry and load balancer (`ClusterRun`:
/// <https://github.com/k3d-io/k3d/blob/main/pkg/client/cluster.go>); killed before, it could not take back what it made.
pub const CREATE: Duration = Duration::from_mins(10);

/// A cluster as k3d reports it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cluster {
    /// Its name, without `k3d-`.
    pub name: String,
    /// Its containers, the image registry's too when it belongs to the cluster.
    #[serde(default)]
    pub nodes: Vec<Node>,
}

/// A container of k3d's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `server`, `agent`, `loadbalancer` or `registry`.
    #[serde(default)]
    pub role: String,
    /// Whether it runs.
    #[serde(default, rename = "State")]
    pub state: State,
    /// Published ports: `"5000/tcp"` to host addresses; Docker's word for none may be `null`.
    #[serde(default, rename = "portMappings")]
    pub ports: HashMap<String, Option<Vec<HostPort>>>,
}

/// Whether a container runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct State {
    /// It does.
    #[serde(default, rename = "Running")]
    pub running: bool,
    /// Docker's word: `running`, `exited`, `created`.
    #[serde(default, rename = "Status")]
    pub status: String,
}

/// One address a container's port is published at.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HostPort {
    /// The port, as text.
    #[serde(rename = "HostPort")]
    pub port: String,
}

/// How a cluster stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Every container runs.
    Running,
    /// It was stopped.
    Stopped,
    /// Its making was cut off: a container was never started, or there is no server.
    HalfMade,
}

impl Standing {
    /// The word for `status`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::HalfMade => "half-made",
        }
    }
}

impl Cluster {
    /// Its state, judged by its own containers.
    pub fn standing(&self) -> Standing {
        let own: Vec<&Node> = self.nodes.iter().filter(|node| node.role != "registry").collect();
        if !self.has_server() || own.iter().any(|node| node.state.status == "created") {
            Standing::HalfMade
        } else if own.iter().all(|node| node.state.running) {
            Standing::Running
        } else {
            Standing::Stopped
        }
    }

    /// The ports of this machine that its running containers publish.
    pub fn published(&self) -> Vec<u16> {
        let running = self.nodes.iter().filter(|node| node.state.running);
        let all = running.flat_map(|node| node.ports.values().flatten().flatten());
        all.filter_map(|one| one.port.parse().ok()).collect()
    }

    /// Whether it has come as far as a server.
    pub fn has_server(&self) -> bool {
        self.nodes.iter().any(|node| node.role == "server")
    }
}

/// What a new cluster is made from.
#[derive(Debug, Clone, Copy)]
pub struct Plan<'a> {
    /// Its name.
    pub name: &'a str,
    /// The instance's id, for the label.
    pub instance: &'a str,
    /// The API server's port on loopback; `None` when the user's arguments say it.
    pub api_port: Option<u16>,
    /// The image registry's name and port on loopback.
    pub registry: Option<(&'a str, u16)>,
    /// The user's arguments, filled.
    pub arguments: &'a [String],
}

/// k3d with an environment to call it in.
#[derive(Debug, Clone)]
pub struct K3d<'a> {
    environment: Environment,
    folder: &'a Path,
    limit: Duration,
}

impl<'a> K3d<'a> {
    /// The same, with another limit for questions.
    #[must_use]
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// k3d for an instance whose kubeconfig is the only one it may touch.
    pub fn new(environment: &Environment, folder: &'a Path) -> Self {
        let mut environment = environment.clone();
        // Log lines go to stdout with colours otherwise, in front of the JSON.
        environment.set("LOG_LEVEL", "error");
        environment.set("LOG_COLORS", "0");
        Self { environment, folder, limit: ASK }
    }

    /// Docker in the same environment, for what k3d does not tell.
    pub fn docker(&self) -> Docker<'_> {
        Docker { program: "docker", environment: &self.environment, folder: self.folder }
    }

    /// Every cluster on this machine, whoever made it.
    ///
    /// # Errors
    /// A [`Failure`] when k3d cannot be asked.
    pub fn clusters(&self) -> Result<Vec<Cluster>, Failure> {
        self.ask(&["cluster", "list", "-o", "json"])
    }

    /// The cluster of exactly this name.
    ///
    /// # Errors
    /// A [`Failure`] when k3d cannot be asked.
    pub fn cluster(&self, name: &str) -> Result<Option<Cluster>, Failure> {
        Ok(self.clusters()?.into_iter().find(|cluster| cluster.name == name))
    }

    /// The image registry of exactly this name.
    ///
    /// # Errors
    /// A [`Failure`] when k3d cannot be asked.
    pub fn registry(&self, name: &str) -> Result<Option<Node>, Failure> {
        let registries: Vec<Node> = self.ask(&["registry", "list", "-o", "json"])?;
        Ok(registries.into_iter().find(|registry| registry.name == name))
    }

    /// Makes a cluster (docs/k3d.md, "The call of k3d").
    ///
    /// # Errors
    /// A [`Failure`] with k3d's last lines.
    pub fn create(&self, plan: &Plan<'_>) -> Result<(), Failure> {
        let mut words = vec!["cluster".to_owned(), "create".to_owned(), plan.name.to_owned()];
        words.push("--kubeconfig-update-default=false".to_owned());
        words.push("--kubeconfig-switch-context=false".to_owned());
        if let Some(port) = plan.api_port {
            words.extend(["--api-port".to_owned(), format!("127.0.0.1:{port}")]);
        }
        if let Some((name, port)) = plan.registry {
            words.extend(["--registry-create".to_owned(), format!("{name}:127.0.0.1:{port}")]);
        }
        words.extend(["--timeout".to_owned(), START.0.to_owned()]);
        words.extend(["--runtime-label".to_owned(), format!("{LABEL}={}@server:0", plan.instance)]);
        words.extend(plan.arguments.iter().cloned());
        self.run(&words, CREATE).map(|_| ())
    }

    /// Starts a stopped cluster.
    ///
    /// # Errors
    /// A [`Failure`] with k3d's last lines.
    pub fn start(&self, name: &str) -> Result<(), Failure> {
        self.run(&["cluster", "start", name, "--wait", "--timeout", START.0], START.1).map(|_| ())
    }

    /// Deletes a cluster. `name` must not be empty: without one, k3d deletes its default cluster.
    ///
    /// # Errors
    /// A [`Failure`] with k3d's last lines.
    pub fn delete(&self, name: &str) -> Result<(), Failure> {
        assert!(!name.is_empty(), "a cluster is only ever deleted by its name");
        self.run(&["cluster", "delete", name], START.1).map(|_| ())
    }

    /// Writes the cluster's kubeconfig as a whole, for the user alone.
    ///
    /// # Errors
    /// A [`Failure`] when k3d does not give one or it cannot be written.
    pub fn save_kubeconfig(&self, name: &str, path: &Path) -> Result<(), Failure> {
        let text = self.run(&["kubeconfig", "get", name], ASK)?;
        if !String::from_utf8_lossy(&text).contains("clusters:") {
            return Err(Failure::new(format!("`k3d kubeconfig get {name}` printed no kubeconfig")));
        }
        files::make_folder(path.parent().unwrap_or(Path::new("/")))?;
        writing::replace(path, &text, Writing::PRIVATE)
    }

    /// Makes sure that nothing is lost when a cluster's kubeconfig is written to a path.
    ///
    /// # Errors
    /// A [`Failure`] when what lies there is more than this cluster's, or cannot be read.
    pub fn require_own_kubeconfig(name: &str, path: &Path) -> Result<(), Failure> {
        if is_own_kubeconfig(name, path)? {
            return Ok(());
        }
        Err(Failure::new(format!("`{}` is not a kubeconfig of k3d cluster `{name}` alone", shown(path)))
            .hint(format!("Put it aside with `mv {0} {0}.own`; `silo up` writes it again", quoted(path))))
    }

    /// Removes the kubeconfig of a cluster that is gone; false where it is left, as more than this cluster's is in it.
    ///
    /// # Errors
    /// A [`Failure`] when it cannot be read or removed.
    pub fn remove_kubeconfig(name: &str, path: &Path) -> Result<bool, Failure> {
        let own = is_own_kubeconfig(name, path)?;
        if own {
            files::remove(path)?;
        }
        Ok(own)
    }

    fn run<W: Into<OsString> + Clone>(&self, words: &[W], limit: Duration) -> Result<Vec<u8>, Failure> {
        let arguments = words.iter().cloned().map(Into::into).collect();
        let cmd = Cmd { program: "k3d", arguments, environment: &self.environment, folder: self.folder };
        cmd.capture(limit)?.success(&cmd).map_err(docker::where_it_is_down)
    }

    fn ask<T: serde::de::DeserializeOwned>(&self, words: &[&str]) -> Result<T, Failure> {
        let answer = self.run(words, self.limit)?;
        json(&answer).ok_or_else(|| {
            // The answer itself may hold the cluster's token.
            Failure::new(format!("`k3d {}` printed something other than JSON", words.join(" ")))
                .hint("Run it by hand and look; k3d 5 is needed: `k3d version`")
        })
    }
}

/// Whether a file is nobody's but this cluster's, or is not there.
fn is_own_kubeconfig(name: &str, path: &Path) -> Result<bool, Failure> {
    let there = files::read(path, KUBECONFIG)?;
    Ok(there.is_none_or(|there| kubeconfig::is_only_of(&String::from_utf8_lossy(&there.bytes), name)))
}

/// The JSON array in an answer, log lines before it passed over.
fn json<T: serde::de::DeserializeOwned>(answer: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(answer).ok()?;
    let starts = text.match_indices('[').map(|(at, _)| at);
    starts.take(50).find_map(|at| serde_json::from_str(text[at..].trim_end()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(nodes: &[(&str, bool, &str)]) -> Cluster {
        let nodes = nodes.iter().map(|(role, running, status)| Node {
            name: String::new(),
            role: (*role).to_owned(),
            state: State { running: *running, status: (*status).to_owned() },
            ports: HashMap::new(),
        });
        Cluster { name: "x".into(), nodes: nodes.collect() }
    }

    #[test]
    fn standing_is_judged_by_the_clusters_own_containers() {
        let (server, lb) = (("server", true, "running"), ("loadbalancer", true, "running"));
        assert_eq!(cluster(&[server, lb, ("registry", false, "exited")]).standing(), Standing::Running);
        assert_eq!(cluster(&[("server", false, "exited"), lb]).standing(), Standing::Stopped);
        assert_eq!(cluster(&[server, ("loadbalancer", false, "created")]).standing(), Standing::HalfMade);
        assert_eq!(cluster(&[lb]).standing(), Standing::HalfMade);
    }

    #[test]
    fn k3d_has_time_to_fail_by_itself() {
        let own = START.0.trim_end_matches('s').parse().map(Duration::from_secs).expect("it is in seconds");
        assert!(START.1 > own && CREATE > own * 2 + Duration::from_mins(2));
    }

    #[test]
    fn log_lines_before_the_answer_are_passed_over() {
        let answer = br#"[{"name":"x","nodes":[{"name":"n","portMappings":{"80/tcp":null}}]}]"#;
        assert!(json::<Vec<Cluster>>(answer).is_some_and(|all| all[0].nodes[0].ports["80/tcp"].is_none()));
        let answer = b"\x1b[36mINFO\x1b[0m[0000] hello\n[{\"name\":\"x\",\"nodes\":[]}]\n";
        assert_eq!(json::<Vec<Cluster>>(answer), Some(vec![cluster(&[])]));
        assert_eq!(json::<Vec<Cluster>>(b"garbage [ \xff"), None);
        assert_eq!(json::<Vec<Cluster>>(b"garbage ["), None);
    }
}
