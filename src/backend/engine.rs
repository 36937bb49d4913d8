//! The containers of compose projects, as the engine sees them: by one request to its socket where it has one here (a
//! millisecond), and else by `docker ps`.

use std::collections::HashMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::labels::{LABEL, SHARED};
use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::failure::Failure;
use crate::sys::{files, socket};

/// How long the engine may take to answer whoever acts. One that starts ten containers at once answers late, and not never.
const ASK: Duration = Duration::from_secs(20);
/// How long it may take to answer whoever only looks.
const LOOK: Duration = Duration::from_secs(3);
/// The same where `docker` asks, of another machine maybe.
const FAR: Duration = Duration::from_secs(5);
/// Largest answer, in bytes.
const MAX: u64 = 16 * 1024 * 1024;
/// Largest settings file of Docker's that is read, in bytes.
const SETTINGS: u64 = 1024 * 1024;
/// The label by which compose knows its own.
pub const PROJECT: &str = "com.docker.compose.project";
/// The label of a container's service.
pub(super) const SERVICE: &str = "com.docker.compose.service";
pub(super) const NEEDS: &str = "com.docker.compose.depends_on";
pub(super) const ONE_OFF: &str = "com.docker.compose.oneoff";
/// The label of the folder that a project's files are in.
pub(super) const WORKING_DIR: &str = "com.docker.compose.project.working_dir";

/// A container of a compose project.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Container {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// The compose project.
    pub project: String,
    /// The service.
    pub service: String,
    /// The instance it was made for; empty where silo did not make it.
    pub instance: String,
    /// The repository whose instances share it; empty where it is an instance's own.
    pub shared: String,
    /// The services it depends on.
    pub needs: Vec<String>,
    /// The folder of the compose files it was made from.
    pub folder: String,
    /// `running`, `exited`, `restarting`, `created`, `paused` or `dead`.
    pub state: String,
    /// The engine's words, such as `Up 3 minutes (healthy)`.
    pub status: String,
    /// Its address in each network where it has one; not known where the engine has no socket here.
    pub addresses: IndexMap<String, Ipv4Addr>,
    /// The networks it is in, running or not.
    pub networks: Vec<String>,
    /// What it publishes, such as `127.0.0.1:5432->5432/tcp`.
    pub ports: Vec<String>,
}

/// The variable that says which engine services run in, in place of the setting `engine`: `docker` or `podman`.
pub const ENGINE: &str = "SILO_ENGINE";

/// The program of the engine that services run in.
pub fn program(environment: &Environment) -> &'static str {
    if environment.text(ENGINE) == Some("podman") { "podman" } else { "docker" }
}

/// How a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It runs, and its healthcheck says so where it has one.
    Ready,
    /// Its healthcheck has not said yes so far, or it is on the way.
    Starting,
    /// Its healthcheck says no.
    Unhealthy,
    /// It ended with success and will not be started again.
    Done,
    /// It does not run.
    Down,
}

impl Container {
    /// Its state, by what was listed; none for one that has ended with success, which says nothing of whether it will be
    /// started again.
    pub fn known_health(&self) -> Option<Health> {
        Some(match self.state.as_str() {
            "running" if self.status.contains("(unhealthy)") => Health::Unhealthy,
            "running" if self.status.contains("(health: starting)") => Health::Starting,
            "running" => Health::Ready,
            "created" | "restarting" => Health::Starting,
            "exited" if self.status.starts_with("Exited (0)") => return None,
            _ => Health::Down,
        })
    }
}

/// An engine to ask.
#[derive(Debug, Clone, Copy)]
pub struct Engine<'a> {
    /// The environment, which says which engine it is.
    pub environment: &'a Environment,
    /// A folder for `docker`.
    pub folder: &'a Path,
    /// How long it may take to answer.
    limit: Duration,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Listed {
    pub(super) id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) labels: HashMap<String, String>,
    #[serde(default)]
    pub(super) state: String,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) ports: Vec<Published>,
    #[serde(default, deserialize_with = "or_empty")]
    pub(super) mounts: Vec<Point>,
    #[serde(default)]
    network_settings: Networked,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Networked {
    networks: Option<IndexMap<String, Attached>>,
}

#[derive(Deserialize)]
struct Attached {
    #[serde(rename = "IPAddress", default)]
    address: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Published {
    #[serde(default, rename = "IP")]
    pub(super) ip: String,
    private_port: u16,
    pub(super) public_port: Option<u16>,
    #[serde(default, rename = "Type")]
    kind: String,
}

/// A mount of a container.
#[derive(Debug, Clone, Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Point {
    #[serde(rename = "Type")]
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) source: String,
    #[serde(rename = "RW")]
    pub(super) is_writable: bool,
}

/// `null` is what podman says for nothing.
fn or_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

impl<'a> Engine<'a> {
    /// The engine of an environment, for who acts on it.
    pub fn of(environment: &'a Environment, folder: &'a Path) -> Self {
        Self { environment, folder, limit: ASK }
    }

    /// The same for who only looks, and says so where it does not answer soon.
    #[must_use]
    pub fn soon(self) -> Self {
        Self { limit: LOOK, ..self }
    }
}

impl Engine<'_> {
    /// The containers of one compose project, or of all, running or not; those of `run` are left out.
    ///
    /// # Errors
    /// A [`Failure`] when the engine does not answer in time.
    pub fn containers(&self, project: Option<&str>) -> Result<Vec<Container>, Failure> {
        let label = project.map_or_else(|| PROJECT.to_owned(), |project| format!("{PROJECT}={project}"));
        if self.socket().is_none() {
            return self.by_docker(&label);
        }
        let filter = serde_json::json!({ "label": [label] }).to_string();
        let listed = self.listed(&format!("/containers/json?all=1&filters={}", escaped(&filter)))?;
        Ok(listed.into_iter().filter_map(Listed::container).collect())
    }

    /// How long `docker` may take to answer in its place.
    pub(super) fn by_program(&self) -> Duration {
        self.limit.max(FAR)
    }

    /// What the socket lists.
    pub(super) fn listed(&self, target: &str) -> Result<Vec<Listed>, Failure> {
        self.asked(target)
    }

    /// What the socket says of one thing.
    pub(super) fn asked<T: DeserializeOwned + Default>(&self, target: &str) -> Result<T, Failure> {
        let Some(socket) = self.socket() else { return Ok(T::default()) };
        let gone = || Failure::new(format!("The container engine at `{}` knows no `{target}`", socket.display()));
        ask(&socket, target, self.limit)?.ok_or_else(gone)
    }

    /// What the socket says of one thing; none where there is no such thing.
    pub(super) fn asked_for<T: DeserializeOwned>(&self, target: &str) -> Result<Option<T>, Failure> {
        self.socket().map_or_else(|| Ok(None), |socket| ask(&socket, target, self.limit))
    }

    /// Whether nobody listens at the socket, or there is none on this machine: no engine runs here.
    pub fn is_absent(&self) -> bool {
        self.socket().is_none_or(|socket| socket::nobody(&socket))
    }

    /// How a container stands; one that has ended with success is asked whether it will be started again.
    pub fn health(&self, container: &Container) -> Health {
        match container.known_health() {
            // Podman lists no health.
            Some(Health::Ready) if self.is_podman() => self.asked_health(container),
            Some(health) => health,
            None if self.restarts(container) => Health::Down,
            None => Health::Done,
        }
    }

    fn is_podman(&self) -> bool {
        let of_podman = |socket: PathBuf| socket.to_string_lossy().contains("podman");
        program(self.environment) == "podman" || self.socket().is_some_and(of_podman)
    }

    /// The health of one that runs.
    fn asked_health(&self, container: &Container) -> Health {
        let inspected: serde_json::Value =
            self.asked(&format!("/containers/{}/json", escaped(&container.id))).unwrap_or_default();
        match inspected.pointer("/State/Health/Status").and_then(serde_json::Value::as_str) {
            Some("starting") => Health::Starting,
            Some("unhealthy") => Health::Unhealthy,
            _ => Health::Ready,
        }
    }

    fn restarts(&self, container: &Container) -> bool {
        let policy = self.restart_policy(&container.id);
        policy.is_some_and(|name| name == "always" || name == "unless-stopped")
    }

    /// Whether it is an engine of this machine.
    pub fn is_local(&self) -> bool {
        self.socket().is_some()
    }

    /// Whether an address is that of its socket.
    pub fn is_at(&self, host: Option<&str>) -> bool {
        let at = host.and_then(|host| host.strip_prefix("unix://")).map(PathBuf::from);
        at.is_some() && at == self.socket()
    }

    /// The socket of the engine that `docker` would talk to; none where that is not a socket of this machine.
    pub fn socket(&self) -> Option<PathBuf> {
        let local = |host: &str| host.strip_prefix("unix://").map(PathBuf::from);
        if program(self.environment) == "podman" {
            return match self.environment.text("CONTAINER_HOST") {
                Some(host) => local(host),
                None if rustix::process::geteuid().is_root() => Some(PathBuf::from("/run/podman/podman.sock")),
                None => Some(Path::new(self.environment.text("XDG_RUNTIME_DIR")?).join("podman/podman.sock")),
            };
        }
        if let Some(host) = self.environment.text("DOCKER_HOST").filter(|host| !host.is_empty()) {
            return local(host);
        }
        let settings = match self.environment.get("DOCKER_CONFIG") {
            Some(folder) => PathBuf::from(folder),
            None => PathBuf::from(self.environment.get("HOME")?).join(".docker"),
        };
        let named = self.environment.text("DOCKER_CONTEXT").filter(|name| !name.is_empty()).map(str::to_owned);
        match named.or_else(|| current_context(&settings)).filter(|name| name != "default") {
            None => Some(PathBuf::from("/var/run/docker.sock")),
            Some(name) => {
                let meta = settings.join("contexts/meta").join(digest::of(name.as_bytes())).join("meta.json");
                let content = files::read(&meta, SETTINGS).ok()??;
                let value: serde_json::Value = serde_json::from_slice(&content.bytes).ok()?;
                local(value.pointer("/Endpoints/docker/Host")?.as_str()?)
            }
        }
    }
}

/// The services of `db:service_healthy:false,init:service_completed_successfully:false`.
pub(super) fn needs(label: &str) -> Vec<String> {
    let names = label.split(',').map(|one| one.split_once(':').map_or(one, |(name, _)| name));
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

fn current_context(settings: &Path) -> Option<String> {
    let content = files::read(&settings.join("config.json"), SETTINGS).ok()??;
    let value: serde_json::Value = serde_json::from_slice(&content.bytes).ok()?;
    Some(value.get("currentContext")?.as_str()?.to_owned())
}

impl Networked {
    fn addresses(&self) -> IndexMap<String, Ipv4Addr> {
        let networks = self.networks.iter().flatten();
        networks.filter_map(|(name, one)| Some((name.clone(), one.address.parse().ok()?))).collect()
    }
}

impl Listed {
    /// Whether it is in a network.
    pub(super) fn is_in(&self, network: &str) -> bool {
        self.network_settings.networks.as_ref().is_some_and(|networks| networks.contains_key(network))
    }

    /// Its name.
    pub(super) fn name(&self) -> String {
        self.names.first().map_or("", |name| name.trim_start_matches('/')).to_owned()
    }

    fn container(self) -> Option<Container> {
        let label = |name: &str| self.labels.get(name).cloned().unwrap_or_default();
        let publish = |port: &Published| {
            let host = port.public_port?;
            let ip = if port.ip.contains(':') { format!("[{}]", port.ip) } else { port.ip.clone() };
            Some(format!("{ip}:{host}->{}/{}", port.private_port, port.kind))
        };
        // The engine lists them in any order.
        let mut published: Vec<&Published> = self.ports.iter().collect();
        published.sort_by_key(|port| (port.private_port, port.ip.clone(), port.public_port));
        (label(ONE_OFF) != "True").then(|| Container {
            name: self.name(),
            project: label(PROJECT),
            service: label(SERVICE),
            instance: label(LABEL),
            shared: label(SHARED),
            needs: needs(&label(NEEDS)),
            folder: label(WORKING_DIR),
            addresses: self.network_settings.addresses(),
            networks: self.network_settings.networks.iter().flatten().map(|(name, _)| name.clone()).collect(),
            ports: published.into_iter().filter_map(publish).collect(),
            state: self.state.clone(),
            status: self.status.clone(),
            id: self.id.clone(),
        })
    }
}

/// Asks in HTTP/1.0, whose answers come in one piece and end where the engine closes; none where there is no such thing.
fn ask<T: DeserializeOwned>(socket: &Path, target: &str, limit: Duration) -> Result<Option<T>, Failure> {
    let failed = |why: String| {
        let failure = Failure::new(format!("The container engine at `{}` does not answer: {why}", socket.display()));
        failure.hint("Start Docker, then run it again; look at it with `docker version`")
    };
    let request = format!("GET {target} HTTP/1.0\r\nHost: docker\r\n\r\n");
    let answer = socket::exchange(socket, request.as_bytes(), limit, MAX).map_err(|error| failed(error.to_string()))?;
    let end =
        answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(|| failed("it broke off".to_owned()))?;
    let head = String::from_utf8_lossy(&answer[..end]);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if status == "404" {
        return Ok(None);
    }
    if status != "200" {
        return Err(failed(format!("it said {}", head.lines().next().unwrap_or_default())));
    }
    serde_json::from_slice(&answer[end + 4..]).map(Some).map_err(|error| failed(error.to_string()))
}

/// A text as part of a query.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
