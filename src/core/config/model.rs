//! What a `silo.toml` says, as values.

use ::core::net::IpAddr;
use std::ops::Range;

use indexmap::IndexMap;

use super::agent::Agent;
use super::problem::ConfigError;
pub use super::text::Text;
use crate::core::gateway::keys::{Given, Wish};
use crate::core::instance::identity::K3dParts;
use crate::core::instance::template;
use crate::core::leases::ports::PortSpec;
use crate::core::memory::place::Memory;
use crate::core::routes::target::Target;

/// The resource prefix when `prefix` is absent.
pub const DEFAULT_PREFIX: &str = "localnet";
/// The env file when `output` is absent.
pub const DEFAULT_OUTPUT: &str = ".localnet.env";
/// The port variable of the image registry; declared implicitly, with this default, when it is enabled.
pub const REGISTRY_PORT: (&str, u16) = ("K3D_REGISTRY_PORT", 5000);

/// The port variable of Tilt; leased implicitly, with this default, once Tilt is to start.
pub const TILT_PORT: (&str, u16) = ("TILT_PORT", 10350);

/// The port variable of the cluster's API server; leased implicitly once a cluster is to be made.
pub const API_PORT: &str = "K3D_API_PORT";
/// The variables of the ports that silo leases for what it starts itself.
pub const OWN_PORTS: [&str; 3] = [REGISTRY_PORT.0, TILT_PORT.0, API_PORT];

/// How an image registry is announced to tools in the cluster (`local-registry-hosting`): in templates, or in texts once they are
/// filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertisement<T = Text> {
    /// Whether to announce it; `None` is yes.
    pub advertise: Option<bool>,
    /// Address for the developer's machine.
    pub host: Option<T>,
    /// Address for the container runtime of the nodes.
    pub host_from_container_runtime: Option<T>,
    /// Address for pods.
    pub host_from_cluster_network: Option<T>,
    /// Where help is found.
    pub help: Option<T>,
}

impl<T> Default for Advertisement<T> {
    fn default() -> Self {
        let (host, host_from_container_runtime, host_from_cluster_network, help) = (None, None, None, None);
        Self { advertise: None, host, host_from_container_runtime, host_from_cluster_network, help }
    }
}

impl Advertisement {
    /// Its texts by their keys.
    pub fn texts(&self) -> impl Iterator<Item = (&'static str, &Text)> {
        let all = [
            ("host", &self.host),
            ("hostFromContainerRuntime", &self.host_from_container_runtime),
            ("hostFromClusterNetwork", &self.host_from_cluster_network),
            ("help", &self.help),
        ];
        all.into_iter().filter_map(|(key, text)| Some((key, text.as_ref()?)))
    }

    /// The same with every text filled.
    ///
    /// # Errors
    /// The first one of `fill`.
    pub fn filled<E>(&self, fill: impl Fn(&Text) -> Result<String, E>) -> Result<Advertisement<String>, E> {
        let fill = |text: &Option<Text>| text.as_ref().map(&fill).transpose();
        Ok(Advertisement {
            advertise: self.advertise,
            host: fill(&self.host)?,
            host_from_container_runtime: fill(&self.host_from_container_runtime)?,
            host_from_cluster_network: fill(&self.host_from_cluster_network)?,
            help: fill(&self.help)?,
        })
    }

    /// Whether it says an address and is not switched off.
    pub fn is_said(&self) -> bool {
        self.host.is_some() && self.advertise != Some(false)
    }
}

/// `[k3d]`, as far as one layer says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct K3dLayer {
    /// `enabled`.
    pub enabled: Option<bool>,
    /// `args`, templates.
    pub args: Option<Vec<Text>>,
    /// `registry.enabled`.
    pub registry_enabled: Option<bool>,
    /// The other keys of `registry`.
    pub registry: Advertisement,
}

/// The four lists of lifecycle hooks, as far as one layer says them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks {
    /// Before the cluster is made.
    pub pre_up: Option<Vec<String>>,
    /// After the cluster, before Tilt.
    pub post_up: Option<Vec<String>>,
    /// Before Tilt is stopped.
    pub pre_down: Option<Vec<String>>,
    /// At the very end of `down`.
    pub post_down: Option<Vec<String>>,
}

/// What the base of a file or one profile says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    /// `[ports]`.
    pub ports: IndexMap<String, PortSpec>,
    /// `[hosts]`, templates; `None` when the table is absent.
    pub hosts: Option<IndexMap<String, Text>>,
    /// `[urls]`, templates.
    pub urls: IndexMap<String, Text>,
    /// `[routes]`: host templates, and where each leads.
    pub routes: IndexMap<String, Routed>,
    /// `[env]`, templates.
    pub env: IndexMap<String, Text>,
    /// `[k3d]`.
    pub k3d: K3dLayer,
    /// `[compose]`; `None` when the table is absent.
    pub compose: Option<ComposeLayer>,
    /// `[tilt] enabled`.
    pub tilt: Option<bool>,
    /// `[hooks]`.
    pub hooks: Hooks,
    /// `[registry]`, for clusters that are not k3d's.
    pub registry: Advertisement,
    /// `[workspace]`.
    pub workspace: WorkspaceLayer,
}

/// Where a host of `[routes]` leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Routed {
    /// Where it leads.
    pub to: Target,
    /// The place of the host in the file, in bytes, quotes included.
    pub host: Range<usize>,
    /// The place of the value, in bytes.
    pub span: Range<usize>,
}

/// A named overlay.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Profile {
    /// What replaces the base.
    pub layer: Layer,
    /// `append.hooks`: added behind the base's lists.
    pub append_hooks: Hooks,
    /// `append.k3d.args`: added behind the base's arguments.
    pub append_args: Vec<Text>,
}

/// What a gate brings up before its tool runs (D17).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gate {
    /// The vars only.
    Env,
    /// The k3d cluster.
    Cluster,
    /// A running Tilt.
    Tilt,
    /// The services.
    Services,
}

/// What follows a tool in `[gates]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What its gate brings up.
    pub gate: Gate,
    /// Which of the services, where that is services; none is all.
    pub services: Vec<Text>,
}

impl From<Gate> for Need {
    fn from(gate: Gate) -> Self {
        Self { gate, services: Vec::new() }
    }
}

/// `[compose]`, as far as one layer says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ComposeLayer {
    /// `files`, relative to the project, in the order in which they are merged; none leaves it to compose.
    pub files: Option<Vec<Text>>,
    /// `start`: whether `silo up` starts the services.
    pub start: Option<bool>,
    /// `network`: how services are reached from this machine.
    pub network: Option<Network>,
    /// `ingress`: the service that has the instance's own name.
    pub ingress: Option<Text>,
    /// `keep`: volumes that no command of silo's removes.
    pub keep: Option<Vec<Text>>,
    /// `seed`: volumes by key, with the instance from whose volume a new one is filled.
    pub seed: Option<IndexMap<String, Text>>,
    /// `link`: other instances, whose services this one's reach.
    pub link: Option<Vec<Text>>,
    /// `share`: services that are one for all instances of the repository.
    pub share: Option<Vec<Text>>,
    /// `ports`, in declared order.
    pub ports: IndexMap<String, Published>,
}

/// How services are reached from this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// By the ports they publish.
    Ports,
    /// By an address for each, too (D26).
    Subnet,
}

/// A port of a service, and the variable that holds where it is published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The service.
    pub service: String,
    /// The port inside the container.
    pub target: u16,
    /// Whether it is a UDP port.
    pub udp: bool,
    /// The port on this machine in the first instance.
    pub default: u16,
    /// The address it is published on; none is 127.0.0.1.
    pub bind: Option<IpAddr>,
    /// Its place in the file, in bytes.
    pub span: Range<usize>,
}

impl Published {
    /// Where this machine reaches it, as an address of a URL has it.
    pub fn host(&self) -> String {
        match self.bind {
            Some(bind) if bind.is_unspecified() && bind.is_ipv6() => "[::1]".to_owned(),
            Some(IpAddr::V6(bind)) => format!("[{bind}]"),
            Some(bind) if !bind.is_unspecified() => bind.to_string(),
            _ => "127.0.0.1".to_owned(),
        }
    }
}

impl ComposeLayer {
    /// `share`, by name.
    pub fn shared(&self) -> Vec<String> {
        self.share.iter().flatten().map(|text| text.value.clone()).collect()
    }

    /// What a profile puts over it: single keys and lists are replaced, ports merge by variable.
    pub(super) fn put_over(&mut self, over: &Self) {
        let Self { files, start, network, ingress, keep, seed, link, share, ports } = over.clone();
        self.files = files.or(self.files.take());
        self.start = start.or(self.start);
        self.network = network.or(self.network);
        self.ingress = ingress.or(self.ingress.take());
        self.keep = keep.or(self.keep.take());
        self.seed = seed.or(self.seed.take());
        self.link = link.or(self.link.take());
        self.share = share.or(self.share.take());
        self.ports.extend(ports);
    }
}

/// `[workspace]`, as far as one layer says it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkspaceLayer {
    /// `copy`: globs of ignored files that are copied from the main checkout.
    pub copy: Option<Vec<Text>>,
    /// `clone`: globs of ignored folders that are cloned, where the disk can.
    pub clone: Option<Vec<Text>>,
    /// `render`: globs of ignored files in which `${VAR}` is filled.
    pub render: Option<Vec<Text>>,
    /// `init`: commands that run once.
    pub init: Option<Vec<Text>>,
}

impl WorkspaceLayer {
    /// What a profile puts over it: lists are replaced.
    pub(super) fn put_over(&mut self, over: &Self) {
        let Self { copy, clone, render, init } = over.clone();
        self.copy = copy.or(self.copy.take());
        self.clone = clone.or(self.clone.take());
        self.render = render.or(self.render.take());
        self.init = init.or(self.init.take());
    }
}

/// A whole `silo.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFile {
    /// `prefix`.
    pub prefix: String,
    /// `output`: the env file, relative to the project.
    pub output: String,
    /// Everything outside `[profiles]`.
    pub base: Layer,
    /// `[profiles]`, in declared order.
    pub profiles: IndexMap<String, Profile>,
    /// `[gates]`, in declared order.
    pub gates: IndexMap<String, Need>,
    /// `[gateway]`.
    pub gateway: Option<Wish>,
    /// `[agents]`, in declared order.
    pub agents: IndexMap<String, Agent>,
    /// `[memory]`.
    pub memory: Option<Memory>,
    /// Profiles under which a value of the base cannot be filled, as a URL with a cluster's name without the cluster: each is
    /// refused when it is to hold, and the base is not.
    pub broken: IndexMap<String, ConfigError>,
}

/// What a file means under one profile: defaults applied, nothing optional left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The resource prefix.
    pub prefix: String,
    /// Ports in declared order, the image registry's included.
    pub ports: IndexMap<String, PortSpec>,
    /// Host templates in declared order.
    pub hosts: IndexMap<String, Text>,
    /// URL templates in declared order.
    pub urls: IndexMap<String, Text>,
    /// Host templates of `[routes]` in declared order, and where each leads.
    pub routes: IndexMap<String, Routed>,
    /// Templates of all other variables in declared order; they may use the URLs.
    pub env: IndexMap<String, Text>,
    /// Whether the instance has a cluster, and an image registry.
    pub k3d: K3dParts,
    /// The project's services; their ports stand in `ports`, too.
    pub compose: Option<ComposeLayer>,
    /// Whether `[tilt]` declares Tilt; `None` leaves it to the Tiltfile (D21).
    pub tilt: Option<bool>,
    /// Arguments for `k3d cluster create`, templates.
    pub k3d_args: Vec<Text>,
    /// How the image registry is announced.
    pub k3d_registry: Advertisement,
    /// Lifecycle hooks; an absent list is empty.
    pub hooks: Hooks,
    /// How a registry outside k3d is announced.
    pub registry: Advertisement,
    /// What a new worktree gets.
    pub workspace: WorkspaceLayer,
    /// What is asked of the gateway, and given for it once the instance is settled (D34).
    pub gateway: Option<Given>,
    /// `[agents]`, in declared order (D33).
    pub agents: IndexMap<String, Agent>,
    /// Where what agents find is kept (D35).
    pub memory: Option<Memory>,
    /// What each gated tool needs, defaults included (D17).
    pub gates: IndexMap<String, Need>,
}

impl Settings {
    /// Whether any template refers to a name.
    pub fn uses(&self, name: &str) -> bool {
        let texts = self.hosts.values().chain(self.urls.values()).chain(self.env.values()).chain(&self.k3d_args);
        let announced = self.registry.texts().chain(self.k3d_registry.texts()).map(|(_, text)| text);
        let texts = texts.chain(announced).map(|text| &text.value).chain(self.routes.keys());
        texts.into_iter().any(|text| template::uses(text, name))
    }

    /// Leases the ports of what silo starts itself: Tilt's, and the API server's where there is a cluster. `wanted` tells for
    /// which of them that is asked (D107), `has` whether the root has a file of a name.
    pub fn lease_own_ports(&mut self, wanted: impl Fn(&str) -> bool, has: impl Fn(&str) -> bool) {
        // A project with services alone starts no Tilt (D21).
        let starts_tilt = self.tilt.unwrap_or_else(|| self.compose.is_none() || has("Tiltfile"));
        let tilt = starts_tilt.then_some((TILT_PORT.0, PortSpec::Default(TILT_PORT.1)));
        let cluster = self.k3d.cluster.then_some((API_PORT, PortSpec::Random));
        for (name, spec) in tilt.into_iter().chain(cluster) {
            if wanted(name) && !self.ports.contains_key(name) {
                self.ports.insert(name.to_owned(), spec);
            }
        }
    }
}

/// Whether a text can name a profile: letters, digits, `-`, `_` and `.`, no dash first, at most 100 characters.
pub fn is_profile_name(name: &str) -> bool {
    let word = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    word && !name.is_empty() && !name.starts_with('-') && name.len() <= 100
}
