//! What `docker compose config --format json` says of a project: its services, networks and volumes, every file merged and
//! every variable filled in, for only compose knows the variables of each included file. Read is which ports, names, images
//! and paths there are, never what a container is given, so no secret is among it.

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::port::Port;

/// An answer of compose that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("compose described the project in a form that silo does not know: {0}")]
pub struct Unreadable(pub String);

/// A project's compose files as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// The name it would have without silo.
    pub name: String,
    /// The services by name, those of every profile.
    pub services: IndexMap<String, Service>,
    /// The networks by key.
    pub networks: IndexMap<String, Network>,
    /// The volumes by key.
    pub volumes: IndexMap<String, Volume>,
}

/// A service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// `image`.
    pub image: Option<String>,
    /// Whether it is built here.
    pub is_built: bool,
    /// `tags` of its build: other names of the image.
    pub tags: Vec<String>,
    /// `container_name`.
    pub container_name: Option<String>,
    /// Whether more than one container runs of it.
    pub is_scaled: bool,
    /// What it publishes.
    pub ports: Vec<Port>,
    /// Entries of `ports` that could not be read.
    pub unread_ports: Vec<String>,
    /// `expose`.
    pub exposed: Vec<u16>,
    /// `network_mode`.
    pub network_mode: Option<String>,
    /// `pid` and `ipc`.
    pub spaces: IndexMap<&'static str, String>,
    /// `volumes_from`.
    pub volumes_from: Vec<String>,
    /// Under which condition it depends on each of them.
    pub conditions: IndexMap<String, String>,
    /// `links`, such as `db` and `db:database`.
    pub links: Vec<String>,
    /// The networks it is in, and the keys of each that fix an address there.
    pub networks: IndexMap<String, Vec<String>>,
    /// Whether it has a `mac_address`.
    pub has_mac: bool,
    /// `profiles`: it starts only where one of these is active.
    pub profiles: Vec<String>,
    /// `depends_on`: the services that start before it.
    pub needs: Vec<String>,
    /// Those of them that it waits for until they have ended with success.
    pub waits_for_end: Vec<String>,
    /// What it mounts.
    pub mounts: Vec<Mount>,
    /// Devices of this machine.
    pub devices: Vec<String>,
}

/// What a service mounts from this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The path on this machine, or the volume's key.
    pub source: String,
    /// Whether it is a path.
    pub is_bind: bool,
    /// Whether the container can change it.
    pub is_writable: bool,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// Whether it is made by others.
    pub is_external: bool,
    /// A name that is written out and the same in every instance.
    pub global_name: Option<String>,
    /// Whether it has addresses of its own.
    pub has_ipam: bool,
    /// `driver`.
    pub driver: Option<String>,
    /// Options that name a bridge of this machine.
    pub bridge_options: Vec<String>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Volume {
    /// Whether it is made by others.
    pub is_external: bool,
    /// A name that is written out and the same in every instance.
    pub global_name: Option<String>,
    /// The path of this machine, or of another one, that it is.
    pub device: Option<String>,
    /// `driver`.
    pub driver: Option<String>,
    /// `driver_opts`.
    pub options: IndexMap<String, String>,
    /// `labels`.
    pub labels: IndexMap<String, String>,
}

impl Network {
    /// Whether it is a network of this machine alone, whose addresses can be chosen.
    pub fn is_bridge(&self) -> bool {
        self.driver.as_ref().is_none_or(|driver| driver == "bridge" || driver == "default")
    }
}

impl Service {
    /// `network_mode`.
    pub fn mode(&self) -> Option<&str> {
        self.network_mode.as_deref()
    }

    /// The services whose network, spaces or volumes it has.
    pub fn borrowed(&self) -> impl Iterator<Item = &str> {
        let spaces =
            self.network_mode.iter().chain(self.spaces.values()).filter_map(|mode| mode.strip_prefix("service:"));
        let volumes = self.volumes_from.iter().filter(|from| !from.starts_with("container:"));
        spaces.chain(volumes.map(|from| from.split_once(':').map_or(from.as_str(), |(service, _)| service)))
    }

    /// Whether it is in the network of something else, and so publishes nothing itself.
    pub fn is_elsewhere(&self) -> bool {
        self.mode().is_some_and(|mode| ["host", "none"].contains(&mode) || mode.contains(':'))
    }
}

impl Model {
    /// Reads what compose said.
    ///
    /// # Errors
    /// [`Unreadable`] when it is not of that shape.
    pub fn parse(text: &str) -> Result<Self, Unreadable> {
        let value: Value = serde_json::from_str(text).map_err(|error| Unreadable(error.to_string()))?;
        let top = value.as_object().ok_or_else(|| Unreadable("it is not a table".to_owned()))?;
        let name = string(top, "name").unwrap_or_default();
        let global = |key: &str, body: &Map<String, Value>| {
            string(body, "name").filter(|given| *given != format!("{name}_{key}"))
        };
        let options = |body: &Map<String, Value>| body.get("driver_opts").and_then(Value::as_object).cloned();
        let network = |key: &str, body: &Map<String, Value>| {
            let is_bridge = |option: &String| option.as_str() == "com.docker.network.bridge.name";
            Network {
                is_external: is_external(body),
                global_name: global(key, body),
                has_ipam: body.get("ipam").and_then(Value::as_object).is_some_and(|ipam| !ipam.is_empty()),
                driver: string(body, "driver"),
                bridge_options: options(body)
                    .into_iter()
                    .flat_map(|all| all.into_iter().map(|(key, _)| key))
                    .filter(is_bridge)
                    .collect(),
            }
        };
        let volume = |key: &str, body: &Map<String, Value>| Volume {
            is_external: is_external(body),
            global_name: global(key, body),
            device: options(body).and_then(|options| string(&options, "device")),
            driver: string(body, "driver"),
            options: strings(body, "driver_opts"),
            labels: strings(body, "labels"),
        };
        Ok(Self {
            services: tables(top, "services")?.map(|(key, body)| (key.clone(), service(body))).collect(),
            networks: tables(top, "networks")?.map(|(key, body)| (key.clone(), network(key, body))).collect(),
            volumes: tables(top, "volumes")?.map(|(key, body)| (key.clone(), volume(key, body))).collect(),
            name,
        })
    }
}

fn is_external(body: &Map<String, Value>) -> bool {
    body.get("external").is_some_and(|external| *external != Value::Bool(false) && !external.is_null())
}

/// A string with something in it; compose doubles each dollar sign, so that its answer can be read as a compose file.
fn string(body: &Map<String, Value>, key: &str) -> Option<String> {
    body.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(plain)
}

/// A table of strings.
fn strings(body: &Map<String, Value>, key: &str) -> IndexMap<String, String> {
    let entries = body.get(key).and_then(Value::as_object).into_iter().flatten();
    entries.map(|(name, value)| (name.clone(), value.as_str().map_or_else(|| value.to_string(), plain))).collect()
}

fn plain(text: &str) -> String {
    text.replace("$$", "$")
}

/// The entries of a table of tables; one without a body is an empty table.
fn tables<'a>(
    top: &'a Map<String, Value>,
    key: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Map<String, Value>)> + use<'a>, Unreadable> {
    static NONE: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let entries = match top.get(key) {
        None | Some(Value::Null) => &*NONE,
        Some(Value::Object(entries)) => entries,
        Some(_) => return Err(Unreadable(format!("`{key}` is not a table"))),
    };
    Ok(entries.iter().map(|(name, body)| (name, body.as_object().unwrap_or(&NONE))))
}

fn list<'a>(body: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a Value> {
    body.get(key).and_then(Value::as_array).into_iter().flatten()
}

/// The keys by which a service has an address of its own in a network.
const ADDRESSES: [&str; 4] = ["ipv4_address", "ipv6_address", "link_local_ips", "mac_address"];

fn service(body: &Map<String, Value>) -> Service {
    let (mut ports, mut unread_ports) = (Vec::new(), Vec::new());
    for entry in list(body, "ports") {
        match Port::of(entry) {
            Some(some) => ports.extend(some),
            None => unread_ports.push(entry.as_str().map_or_else(|| entry.to_string(), str::to_owned)),
        }
    }
    let networks = body.get("networks").and_then(Value::as_object).into_iter().flatten().map(|(name, body)| {
        let fixed = ADDRESSES.into_iter().filter(|key| body.get(key).is_some_and(|value| !value.is_null()));
        (name.clone(), fixed.map(str::to_owned).collect())
    });
    let replicas = [body.get("scale"), body.get("deploy").and_then(|deploy| deploy.get("replicas"))];
    // One that is no number may be any.
    let number = |value: &Value| value.as_u64().or_else(|| value.as_str()?.parse().ok());
    let is_more = |value: &Value| number(value).is_none_or(|number| number > 1) && !value.is_null();
    let exposed = list(body, "expose").filter_map(|value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.split('/').next()?.parse().ok()
    });
    let devices = list(body, "devices").filter_map(|device| match device {
        Value::String(text) => text.split(':').next().map(str::to_owned),
        other => other.get("source").and_then(Value::as_str).map(str::to_owned),
    });
    let needs = || body.get("depends_on").and_then(Value::as_object).into_iter().flatten();
    let until_end =
        |body: &Value| body.get("condition").and_then(Value::as_str) == Some("service_completed_successfully");
    let build = body.get("build").and_then(Value::as_object);
    let conditions = needs().map(|(name, how)| {
        let condition = how.get("condition").and_then(Value::as_str).unwrap_or("service_started");
        (name.clone(), condition.to_owned())
    });
    let tags = build.into_iter().flat_map(|build| list(build, "tags"));
    Service {
        image: string(body, "image"),
        is_built: body.get("build").is_some_and(|build| !build.is_null()),
        tags: tags.filter_map(Value::as_str).map(plain).collect(),
        container_name: string(body, "container_name"),
        is_scaled: replicas.into_iter().flatten().any(is_more),
        ports,
        unread_ports,
        exposed: exposed.collect(),
        network_mode: string(body, "network_mode"),
        spaces: ["pid", "ipc"].into_iter().filter_map(|key| Some((key, string(body, key)?))).collect(),
        volumes_from: list(body, "volumes_from").filter_map(Value::as_str).map(plain).collect(),
        conditions: conditions.collect(),
        links: list(body, "links").filter_map(Value::as_str).map(plain).collect(),
        networks: networks.collect(),
        has_mac: body.get("mac_address").is_some_and(|mac| !mac.is_null()),
        profiles: list(body, "profiles").filter_map(Value::as_str).map(plain).collect(),
        needs: needs().map(|(name, _)| name.clone()).collect(),
        waits_for_end: needs().filter(|(_, body)| until_end(body)).map(|(name, _)| name.clone()).collect(),
        mounts: list(body, "volumes").filter_map(mount).collect(),
        devices: devices.collect(),
    }
}

fn mount(entry: &Value) -> Option<Mount> {
    let source = plain(entry.get("source")?.as_str()?);
    let is_bind = entry.get("type")?.as_str()? == "bind";
    let is_writable = entry.get("read_only").and_then(Value::as_bool) != Some(true);
    Some(Mount { source, is_bind, is_writable })
}
