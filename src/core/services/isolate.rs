//! The override (D23): the compose file that silo puts behind a project's own, so that nothing of an instance is another's.
//!
//! Every change of its text recreates containers, so it says what isolates and no more, always in the same order. What it
//! does not say is as the project's files have it. `!reset` and `!override` need compose 2.24.4.

use ::core::net::{IpAddr, Ipv4Addr};
use std::collections::HashSet;
use std::fmt::Write as _;

use indexmap::IndexMap;

use super::binds::{is_outside, is_path, is_shared_device, keeps};
use super::image::Images;
use super::isolation::{Isolation, quoted};
use super::model::{Model, Service};
use super::networks::{attachments, networks};
use super::port::Port;
use super::refused::Refused;
use super::share::{self, Shared};
use super::starts::Starts;
use super::volume::OwnVolume;
use crate::core::config::Published;
use crate::core::formats::compose::SOCKETS;
use crate::core::text::suggest::nearest;

/// An override, and what it could not isolate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Override {
    /// The compose file's text.
    pub text: String,
    /// What the user should know, one sentence each.
    pub notices: Vec<String>,
    /// The services it was made for, those of every profile.
    pub starts: Starts,
    /// The instance's own volumes, by key. Kept ones must be there before anything starts.
    pub volumes: IndexMap<String, OwnVolume>,
    /// The services that are one for all instances, as this one is to reach them.
    pub shared: Vec<Shared>,
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
        share::check(model, isolation.share)?;
        let mut made = Self {
            text: HEAD.to_owned(),
            notices: Vec::new(),
            starts: Starts::of(model).without(isolation.share),
            volumes: OwnVolume::all(model, isolation.project, isolation.keep),
            shared: Shared::all(model, isolation),
        };
        let images = Images::of(model, isolation.project);
        let mut services = String::new();
        for (name, service) in &model.services {
            let lines = made.service(model, name, service, isolation, &images);
            let _ = write!(services, "  {}:\n{lines}", quoted(name));
        }
        if !services.is_empty() {
            let _ = write!(made.text, "services:\n{services}");
        }
        let (networks, volumes) = (networks(model, isolation, &mut made.notices), made.volumes(model, isolation));
        for (key, lines) in [("networks", networks), ("volumes", volumes)] {
            if !lines.is_empty() {
                let _ = write!(made.text, "{key}:\n{lines}");
            }
        }
        Ok(made)
    }

    /// The override for the compose project of the shared services alone.
    ///
    /// # Errors
    /// As [`Override::of`].
    pub fn of_shared(model: &Model, isolation: &Isolation<'_>, shared: &[String]) -> Result<Self, Refused> {
        share::check(model, shared)?;
        let mut only = model.clone();
        only.services.retain(|name, _| shared.contains(name));
        let mut made = Self::of(&only, isolation)?;
        // Of volumes and networks the instance's own override tells.
        made.notices.retain(|notice| shared.iter().any(|name| notice.contains(&format!("`{name}`"))));
        Ok(made)
    }

    fn service(
        &mut self,
        model: &Model,
        name: &str,
        service: &Service,
        isolation: &Isolation<'_>,
        images: &Images<'_>,
    ) -> String {
        let mut lines = String::new();
        let mut line = |text: std::fmt::Arguments<'_>| {
            let _ = writeln!(lines, "    {text}");
        };
        if let Some(image) = images.get(service) {
            line(format_args!("image: {}", quoted(image)));
        }
        if images.has_tags(service) {
            line(format_args!("build: {{tags: !reset null}}"));
        }
        if isolation.is_for_all(service.container_name.as_ref()) {
            line(format_args!("container_name: !reset null"));
        }
        let network = service.network_mode.iter().map(|mode| ("network_mode", mode));
        for (key, mode) in network.chain(service.spaces.iter().map(|(key, mode)| (*key, mode))) {
            if let Some(of) = isolation.own(model, mode) {
                line(format_args!("{key}: {}", quoted(&format!("service:{of}"))));
            }
        }
        if service.volumes_from.iter().any(|from| isolation.own(model, from).is_some()) {
            let from = service.volumes_from.iter().map(|from| match isolation.own(model, from) {
                Some(of) => quoted(&of),
                None => quoted(from),
            });
            line(format_args!("volumes_from: !override [{}]", from.collect::<Vec<_>>().join(", ")));
        }
        if service.has_mac {
            line(format_args!("mac_address: !reset null"));
        }
        for text in share::lines(name, service, isolation) {
            line(format_args!("{text}"));
        }
        line(format_args!("labels: {{{}: {}}}", quoted(isolation.label), quoted(isolation.id)));
        let networks = attachments(model, name, service, isolation);
        if !networks.is_empty() {
            line(format_args!("networks: {{{}}}", networks.join(", ")));
        }
        let ports = self.ports(name, service, isolation);
        if !service.ports.is_empty() || !service.unread_ports.is_empty() || !ports.is_empty() {
            line(format_args!("ports: !override [{}]", ports.join(", ")));
        }
        self.look_at(name, service, isolation);
        lines
    }

    /// What a service publishes now: its variables' leases, a lease that the files name themselves, and else any free port.
    fn ports(&mut self, name: &str, service: &Service, isolation: &Isolation<'_>) -> Vec<String> {
        if service.is_elsewhere() {
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
            // Whoever wants it has the service's address.
            if host.is_none() && isolation.layout.is_some_and(|layout| layout.has(name)) {
                continue;
            }
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
        let mut seen = HashSet::new();
        written.retain(|entry| seen.insert(entry.clone()));
        written
    }

    /// What of a service no override can isolate.
    fn look_at(&mut self, name: &str, service: &Service, isolation: &Isolation<'_>) {
        if service.mode() == Some("host") {
            self.notices.push(format!(
                "`{name}` uses the host's own network (`network_mode: host`): its ports are the same in every instance"
            ));
        }
        for mount in service.mounts.iter().filter(|mount| mount.is_bind) {
            let source = &mount.source;
            if SOCKETS.iter().any(|socket| source.ends_with(socket)) {
                self.notices.push(format!("`{name}` has the engine's socket `{source}`, and so all of this machine"));
            } else if mount.is_writable && is_outside(source, isolation.root) && !keeps(isolation.keep, source) {
                self.notices.push(format!(
                    "`{name}` can write to `{source}`, outside the project: it is the same in every instance"
                ));
            }
        }
        for device in service.devices.iter().filter(|device| is_shared_device(device, isolation.keep)) {
            self.notices.push(format!("`{name}` has the device `{device}`: it is the same in every instance"));
        }
    }

    fn volumes(&mut self, model: &Model, isolation: &Isolation<'_>) -> String {
        let mut lines = String::new();
        for (key, volume) in &model.volumes {
            if volume.is_external {
                let name = volume.global_name.as_ref().unwrap_or(key);
                if isolation.is_apart {
                    self.notices
                        .push(format!("The volume `{name}` is external: this run has an empty one in its place"));
                    let _ = writeln!(lines, "  {}: !override {{}}", quoted(key));
                    continue;
                }
                self.notices.push(format!("The volume `{name}` is external: it is the same in every instance"));
                continue;
            }
            let outside = |device: &&String| !std::path::Path::new(device).starts_with(isolation.root);
            let is_kept = |device: &&String| isolation.keep.contains(key) || keeps(isolation.keep, device);
            if let Some(device) = volume.device.as_ref().filter(outside).filter(|device| !is_kept(device)) {
                self.notices.push(format!("The volume `{key}` is `{device}`: it is the same in every instance"));
            }
            // One that is a path loses nothing when it is removed, and recreated elsewhere it would be another one.
            let own = &self.volumes[key];
            if own.is_kept {
                let name = quoted(&own.name);
                let _ = writeln!(lines, "  {}: !override {{external: true, name: {name}}}", quoted(key));
            } else if own.before.is_some() {
                let _ = writeln!(lines, "  {}: {{name: !reset null}}", quoted(key));
            }
        }
        lines
    }
}

const HEAD: &str = "# Written by silo for one instance of the project, and written again when the project's files change; see `silo doc compose`.\n";

fn entry(bind: IpAddr, host: Option<u16>, target: u16, udp: bool) -> String {
    let bind = match bind {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let host = host.map_or_else(String::new, |host| host.to_string());
    quoted(&format!("{bind}:{host}:{target}{}", if udp { "/udp" } else { "" }))
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
        if let Some(mode) = service.mode().filter(|_| service.is_elsewhere()) {
            let hint = match mode.strip_prefix("service:") {
                Some(other) => format!("It is in the network of `{other}`: write `{other}:{}`", port.target),
                None => "Take the variable away, or the `network_mode` in the compose file".to_owned(),
            };
            return Err(refused(
                format!(
                    "`{variable}` names `{}`, which publishes no port of its own (`network_mode: {mode}`)",
                    port.service
                ),
                vec![hint],
            ));
        }
        // One that publishes nothing may well listen on it.
        let known: Vec<u16> =
            service.ports.iter().map(|port| port.target).chain(service.exposed.iter().copied()).collect();
        if !service.ports.is_empty() && !known.contains(&port.target) {
            let near = known.iter().min_by_key(|known| known.abs_diff(port.target));
            let hints = near.map(|near| format!("The nearest port of `{}` is {near}", port.service)).into_iter();
            let at = port.target;
            let expose = format!("Where it listens on {at} anyway, say so in the compose file: `expose: [{at}]`");
            return Err(refused(
                format!("`{variable}` names port {} of `{}`, which it does not publish", port.target, port.service),
                hints.chain([expose]).collect(),
            ));
        }
    }
    for key in isolation.keep {
        if is_path(key) {
            let mounts = model.services.values().flat_map(|service| service.mounts.iter().map(|mount| &mount.source));
            let devices = model.services.values().flat_map(|service| &service.devices);
            let volumes = model.volumes.values().filter_map(|volume| volume.device.as_ref());
            if !mounts.chain(devices).chain(volumes).any(|path| keeps(std::slice::from_ref(key), path)) {
                return Err(Refused {
                    what: format!("`compose.keep` names the path `{key}`, which no service of the compose files has"),
                    hints: vec!["Take it out of `keep`, or write it as the compose files do".to_owned()],
                    variable: None,
                });
            }
        } else if !model.volumes.contains_key(key) {
            let near = nearest(key, model.volumes.keys().map(String::as_str));
            return Err(Refused {
                what: format!("`compose.keep` names the volume `{key}`, which the compose files do not have"),
                hints: near.into_iter().map(|near| format!("The nearest volume is `{near}`")).collect(),
                variable: None,
            });
        }
    }
    Ok(())
}
