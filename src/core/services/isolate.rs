//! The override (D23): the compose file that silo puts behind a project's own, so that nothing of an instance is another's.
//!
//! Every change of its text recreates containers, so it says what isolates and no more, always in the same order. What it
//! does not say is as the project's files have it. `!reset` and `!override` need compose 2.24.4.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};

use indexmap::IndexMap;

use super::model::{Model, Service};
use super::port::Port;
use crate::core::config::Published;
use crate::core::text::suggest::nearest;

/// What an instance has that its services are to use.
#[derive(Debug, Clone, Copy)]
pub struct Isolation<'a> {
    /// The compose project's name, the instance's own.
    pub project: &'a str,
    /// The instance's id, which each container bears.
    pub id: &'a str,
    /// The label of that id.
    pub label: &'a str,
    /// The project's root.
    pub root: &'a str,
    /// `[compose.ports]`.
    pub published: &'a IndexMap<String, Published>,
    /// Every lease of the instance, by variable.
    pub leases: &'a IndexMap<String, u16>,
    /// `keep`: volumes by key.
    pub keep: &'a [String],
}

/// An override, and what it could not isolate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The compose file's text.
    pub text: String,
    /// What the user should know, one sentence each.
    pub notices: Vec<String>,
    /// The names of kept volumes, which must be there before anything starts.
    pub kept: Vec<String>,
}

/// A `[compose]` that does not fit the compose files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What is wrong.
    pub what: String,
    /// How to go on.
    pub hints: Vec<String>,
    /// The variable of `[compose.ports]` it is about.
    pub variable: Option<String>,
}

/// An IPv4 address of this machine alone.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

impl Override {
    /// The override for a project.
    ///
    /// # Errors
    /// [`Refused`] where `[compose]` names a service, a port or a volume that the files do not have.
    pub fn of(model: &Model, isolation: &Isolation<'_>) -> Result<Self, Refused> {
        check(model, isolation)?;
        let mut made = Self { text: HEAD.to_owned(), notices: Vec::new(), kept: Vec::new() };
        let images = images(model, isolation.project);
        let mut services = String::new();
        for (name, service) in &model.services {
            let lines = made.service(model, name, service, isolation, &images);
            let _ = write!(services, "  {}:\n{lines}", quoted(name));
        }
        if !services.is_empty() {
            let _ = write!(made.text, "services:\n{services}");
        }
        let (networks, volumes) = (networks(model), made.volumes(model, isolation));
        for (key, lines) in [("networks", networks), ("volumes", volumes)] {
            if !lines.is_empty() {
                let _ = write!(made.text, "{key}:\n{lines}");
            }
        }
        Ok(made)
    }

    fn service(
        &mut self,
        model: &Model,
        name: &str,
        service: &Service,
        isolation: &Isolation<'_>,
        images: &HashMap<&str, String>,
    ) -> String {
        let mut lines = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = writeln!(lines, "    {text}");
        };
        if let Some(image) = service.image.as_deref().and_then(|image| images.get(image)) {
            line(format_args!("image: {}", quoted(image)));
        }
        if service.container_name.is_some() {
            line(format_args!("container_name: !reset null"));
        }
        if service.has_mac {
            line(format_args!("mac_address: !reset null"));
        }
        line(format_args!("labels: {{{}: {}}}", quoted(isolation.label), quoted(isolation.id)));
        let networks = attachments(model, name, service);
        if !networks.is_empty() {
            line(format_args!("networks: {{{}}}", networks.join(", ")));
        }
        let ports = self.ports(name, service, isolation);
        if !service.ports.is_empty() || !service.unread_ports.is_empty() || !ports.is_empty() {
            line(format_args!("ports: !override [{}]", ports.join(", ")));
        }
        self.look_at(name, service, isolation.root);
        lines
    }

    /// What a service publishes now: its variables' leases, a lease that the files name themselves, and else any free port.
    fn ports(&mut self, name: &str, service: &Service, isolation: &Isolation<'_>) -> Vec<String> {
        if service.network_mode.as_deref() == Some("host") {
            return Vec::new();
        }
        let own = |port: &Published| port.service == name;
        let leased = isolation.published.iter().filter(|(_, port)| own(port)).filter(|_| !service.is_scaled);
        let mut written: Vec<String> = leased
            .map(|(variable, port)| {
                let bind = port.bind.unwrap_or(LOOPBACK);
                entry(bind, isolation.leases.get(variable).copied(), port.target, port.udp)
            })
            .collect();
        for port in &service.ports {
            let has_variable = |one: &Published| own(one) && (one.target, one.udp) == (port.target, port.udp);
            if !service.is_scaled && isolation.published.values().any(has_variable) {
                continue;
            }
            let is_lease = |host: &u16| isolation.leases.values().any(|leased| leased == host);
            let host = port.published.filter(|host| is_lease(host) && !service.is_scaled);
            let Port { target, udp, .. } = *port;
            written.push(entry(LOOPBACK, host, target, udp));
            if host.is_none() && port.published.is_some() {
                let protocol = if udp { "/udp" } else { "" };
                self.notices.push(match service.is_scaled {
                    true => {
                        format!("More than one container runs of `{name}`: each publishes port {target} on a free one")
                    }
                    false => format!(
                        "Port {target} of `{name}` has no variable: it is published on a free port; for a lease write \
                         `NAME_PORT = \"{name}:{target}{protocol}\"` below `[compose.ports]`"
                    ),
                });
            }
        }
        for text in &service.unread_ports {
            self.notices.push(format!("The port `{text}` of `{name}` cannot be isolated and is left out"));
        }
        written.dedup();
        written
    }

    /// What of a service no override can isolate.
    fn look_at(&mut self, name: &str, service: &Service, root: &str) {
        if service.network_mode.as_deref() == Some("host") {
            self.notices.push(format!(
                "`{name}` uses the host's own network (`network_mode: host`): its ports are the same in every instance"
            ));
        }
        for mount in service.mounts.iter().filter(|mount| mount.is_bind && mount.is_writable) {
            if mount.source.ends_with("/docker.sock") {
                self.notices
                    .push(format!("`{name}` has the engine's socket `{}`, and so all of this machine", mount.source));
            } else if mount.source.starts_with('/') && !std::path::Path::new(&mount.source).starts_with(root) {
                self.notices.push(format!(
                    "`{name}` can write to `{}`, outside the project: it is the same in every instance",
                    mount.source
                ));
            }
        }
    }

    fn volumes(&mut self, model: &Model, isolation: &Isolation<'_>) -> String {
        let mut lines = String::new();
        for (key, volume) in model.volumes.iter().filter(|(_, volume)| !volume.is_external) {
            if isolation.keep.contains(key) {
                let name = volume.global_name.clone().unwrap_or_else(|| format!("{}_{key}", isolation.project));
                let _ = writeln!(lines, "  {}: !override {{external: true, name: {}}}", quoted(key), quoted(&name));
                self.kept.push(name);
            } else if volume.global_name.is_some() {
                let _ = writeln!(lines, "  {}: {{name: !reset null}}", quoted(key));
            }
        }
        lines
    }
}

const HEAD: &str = "# Written by silo for one instance of the project, and written anew when the project's files change; see `silo doc compose`.\n";

/// A text as YAML and compose read it: a dollar sign is doubled, so that nothing is filled in.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text always serialises").replace('$', "$$")
}

fn entry(bind: IpAddr, host: Option<u16>, target: u16, udp: bool) -> String {
    let bind = match bind {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let host = host.map_or_else(String::new, |host| host.to_string());
    quoted(&format!("{bind}:{host}:{target}{}", if udp { "/udp" } else { "" }))
}

/// The names that images built here get: the instance's own, in every service that names one, for two worktrees would run each
/// other's code.
fn images<'a>(model: &'a Model, project: &str) -> HashMap<&'a str, String> {
    let mut images = HashMap::new();
    for (name, service) in model.services.iter().filter(|(_, service)| service.is_built) {
        if let Some(image) = service.image.as_deref() {
            images.entry(image).or_insert_with(|| format!("{project}-{name}").to_lowercase());
        }
    }
    images
}

/// What is said of a service in its networks: no fixed address, and the name its container had as another name of it.
fn attachments(model: &Model, name: &str, service: &Service) -> Vec<String> {
    if service.network_mode.is_some() {
        return Vec::new();
    }
    let is_own = |network: &str| model.networks.get(network).is_none_or(|network| !network.is_external);
    let alias = service.container_name.as_deref().filter(|alias| *alias != name && !alias.contains('$'));
    let attachment = |(network, fixed): (&String, &Vec<String>)| {
        let resets = fixed.iter().map(|key| format!("{key}: !reset null"));
        let alias = alias.map(|alias| format!("aliases: [{}]", quoted(alias)));
        let said: Vec<String> = resets.chain(alias).collect();
        (!said.is_empty() && is_own(network)).then(|| format!("{}: {{{}}}", quoted(network), said.join(", ")))
    };
    service.networks.iter().filter_map(attachment).collect()
}

fn networks(model: &Model) -> String {
    let mut lines = String::new();
    for (key, network) in model.networks.iter().filter(|(_, network)| !network.is_external) {
        let mut said = Vec::new();
        said.extend(network.global_name.is_some().then(|| "name: !reset null".to_owned()));
        said.extend(network.has_ipam.then(|| "ipam: !reset null".to_owned()));
        if !network.bridge_options.is_empty() {
            let options: Vec<String> =
                network.bridge_options.iter().map(|option| format!("{}: !reset null", quoted(option))).collect();
            said.push(format!("driver_opts: {{{}}}", options.join(", ")));
        }
        if !said.is_empty() {
            let _ = writeln!(lines, "  {}: {{{}}}", quoted(key), said.join(", "));
        }
    }
    lines
}

/// What `[compose]` names is there.
fn check(model: &Model, isolation: &Isolation<'_>) -> Result<(), Refused> {
    for (variable, port) in isolation.published {
        let refused = |what: String, hints: Vec<String>| Refused { what, hints, variable: Some(variable.clone()) };
        let Some(service) = model.services.get(&port.service) else {
            let near = nearest(&port.service, model.services.keys().map(String::as_str));
            let known: Vec<String> = model.services.keys().take(20).map(|name| format!("`{name}`")).collect();
            let hints = near.map(|near| format!("The nearest service is `{near}`")).into_iter();
            let known = (!known.is_empty()).then(|| format!("The compose files have {}", known.join(", ")));
            return Err(refused(
                format!("`{variable}` names the service `{}`, which the compose files do not have", port.service),
                hints.chain(known).collect(),
            ));
        };
        // One that publishes nothing may well listen on it.
        let known: Vec<u16> =
            service.ports.iter().map(|port| port.target).chain(service.exposed.iter().copied()).collect();
        if !service.ports.is_empty() && !known.contains(&port.target) {
            let near = known.iter().min_by_key(|known| known.abs_diff(port.target));
            let hints = near.map(|near| format!("The nearest port of `{}` is {near}", port.service)).into_iter();
            let expose = format!(
                "Where it listens on {} all the same, say so in the compose file: `expose: [{}]`",
                port.target, port.target
            );
            return Err(refused(
                format!("`{variable}` names port {} of `{}`, which it does not publish", port.target, port.service),
                hints.chain([expose]).collect(),
            ));
        }
    }
    for key in isolation.keep {
        if !model.volumes.contains_key(key) {
            let near = nearest(key, model.volumes.keys().map(String::as_str));
            return Err(Refused {
                what: format!("`compose.keep` names the volume `{key}`, which the compose files do not have"),
                hints: near.map(|near| format!("The nearest volume is `{near}`")).into_iter().collect(),
                variable: None,
            });
        }
    }
    Ok(())
}
