//! Profiles (docs/profiles.md): which one holds, and what it makes of the base.

use indexmap::IndexMap;

use super::model::{Advertisement, ConfigFile, Gate, Hooks, Layer, Need, Profile, REGISTRY_PORT, Settings, Text};
use super::providers;
use crate::core::gateway::keys::{Given, NONE};
use crate::core::instance::identity::K3dParts;
use crate::core::leases::ports::PortSpec;

/// Where a profile may be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// `--profile`.
    pub flag: Option<&'a str>,
    /// `SILO_PROFILE`; empty counts as absent.
    pub variable: Option<&'a str>,
    /// The profile in the lockfile; the outer `None` is not a lockfile.
    pub lockfile: Option<Option<&'a str>>,
    /// `--force`.
    pub force: bool,
}

/// A profile that is not available; the first text is the older silo's (D12).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the words of the message")]
pub enum ProfileError {
    /// Another profile than the instance's was asked for.
    #[error("Profile change requires --force (current: {current}, requested: {requested})")]
    NeedsForce { current: String, requested: String },
    /// The file has profiles, but not this one.
    #[error("Unknown profile `{name}`")]
    Unknown { name: String, known: Vec<String> },
    /// The file has no profiles.
    #[error("Profile `{name}` was asked for, but `silo.toml` defines no profiles")]
    NoneDefined { name: String },
    /// The instance's profile is no longer in the file.
    #[error("This instance has profile `{name}`, which `silo.toml` no longer defines")]
    Gone { name: String, known: Vec<String> },
}

/// Chooses: flag, then variable, then lockfile, then none; `force` without a request clears it.
///
/// # Errors
/// [`ProfileError`] when the choice does not exist or needs `--force`.
pub fn choose<'a>(file: &ConfigFile, request: &Request<'a>) -> Result<Option<&'a str>, ProfileError> {
    let known = || file.profiles.keys().cloned().collect::<Vec<_>>();
    let asked = request.flag.or(request.variable.filter(|name| !name.is_empty()));
    if let Some(name) = asked {
        if file.profiles.is_empty() {
            return Err(ProfileError::NoneDefined { name: name.to_owned() });
        }
        if !file.profiles.contains_key(name) {
            return Err(ProfileError::Unknown { name: name.to_owned(), known: known() });
        }
        return match request.lockfile {
            Some(current) if current != Some(name) && !request.force => Err(ProfileError::NeedsForce {
                current: current.unwrap_or("none").to_owned(),
                requested: name.to_owned(),
            }),
            _ => Ok(Some(name)),
        };
    }
    match request.lockfile.flatten().filter(|_| !request.force) {
        Some(name) if !file.profiles.contains_key(name) => {
            Err(ProfileError::Gone { name: name.to_owned(), known: known() })
        }
        kept => Ok(kept),
    }
}

impl ConfigFile {
    /// What the file means under a profile, or `None` when it has no such profile.
    pub fn settings(&self, profile: Option<&str>) -> Option<Settings> {
        let merged = match profile {
            None => self.base.clone(),
            Some(name) => merge(&self.base, self.profiles.get(name)?),
        };
        let k3d = K3dParts {
            cluster: merged.k3d.enabled.unwrap_or(false),
            registry: merged.k3d.enabled.unwrap_or(false) && merged.k3d.registry_enabled.unwrap_or(false),
        };
        let mut ports = merged.ports;
        let published = merged.compose.iter().flat_map(|compose| &compose.ports);
        ports.extend(published.map(|(name, port)| (name.clone(), PortSpec::Default(port.default))));
        if k3d.registry && !ports.contains_key(REGISTRY_PORT.0) {
            ports.insert(REGISTRY_PORT.0.to_owned(), PortSpec::Default(REGISTRY_PORT.1));
        }
        let has_services = merged.compose.is_some();
        Some(Settings {
            prefix: self.prefix.clone(),
            ports,
            hosts: merged.hosts.unwrap_or_else(default_hosts),
            urls: merged.urls,
            routes: merged.routes,
            env: merged.env,
            k3d,
            compose: merged.compose,
            tilt: merged.tilt,
            k3d_args: merged.k3d.args.unwrap_or_default(),
            k3d_registry: merged.k3d.registry,
            hooks: merged.hooks,
            registry: merged.registry,
            workspace: merged.workspace,
            gateway: self.gateway.clone().map(|wish| Given {
                wish,
                url: providers::url(providers::PORT),
                key: NONE.to_owned(),
            }),
            agents: self.agents.clone(),
            memory: self.memory.clone(),
            gates: gates(k3d.cluster, has_services, &self.gates),
        })
    }
}

/// The programs whose calls of compose get the override (D24).
pub const COMPOSE_TOOLS: [&str; 4] = ["docker", "docker-compose", "podman", "podman-compose"];

/// Tilt needs the vars; with a cluster, it and what talks to the cluster need that. With services docker and podman get the override.
fn gates(cluster: bool, services: bool, own: &IndexMap<String, Need>) -> IndexMap<String, Need> {
    let defaults: &[(&str, Gate)] = match cluster {
        true => &[("tilt", Gate::Cluster), ("kubectl", Gate::Cluster), ("helm", Gate::Cluster), ("k9s", Gate::Cluster)],
        false => &[("tilt", Gate::Env)],
    };
    let mut gates: IndexMap<String, Need> =
        defaults.iter().map(|(tool, gate)| ((*tool).to_owned(), Need::from(*gate))).collect();
    if services {
        gates.extend(COMPOSE_TOOLS.map(|tool| (tool.to_owned(), Need::from(Gate::Env))));
    }
    gates.extend(own.clone());
    gates
}

fn default_hosts() -> IndexMap<String, Text> {
    IndexMap::from([("APP_HOST".to_owned(), Text { value: "${name}.localhost".to_owned(), span: 0..0 })])
}

/// Tables merge by key, lists and single values are replaced, `append` comes behind (docs/profiles.md).
pub fn merge(base: &Layer, profile: &Profile) -> Layer {
    let over = &profile.layer;
    let mut merged = base.clone();
    merged.ports.extend(over.ports.clone());
    merged.urls.extend(over.urls.clone());
    merged.routes.extend(over.routes.clone());
    merged.env.extend(over.env.clone());
    if let Some(hosts) = &over.hosts {
        merged.hosts.get_or_insert_with(default_hosts).extend(hosts.clone());
    }
    if let Some(compose) = &over.compose {
        merged.compose.get_or_insert_default().put_over(compose);
    }
    merged.workspace.put_over(&over.workspace);
    replace(&mut merged.tilt, over.tilt.as_ref());
    replace(&mut merged.k3d.enabled, over.k3d.enabled.as_ref());
    replace(&mut merged.k3d.args, over.k3d.args.as_ref());
    replace(&mut merged.k3d.registry_enabled, over.k3d.registry_enabled.as_ref());
    announce(&mut merged.k3d.registry, &over.k3d.registry);
    announce(&mut merged.registry, &over.registry);
    for (list, other, more) in hook_lists(&mut merged.hooks, &over.hooks, &profile.append_hooks) {
        replace(list, other.as_ref());
        if let Some(more) = more {
            list.get_or_insert_default().extend(more.clone());
        }
    }
    if !profile.append_args.is_empty() {
        merged.k3d.args.get_or_insert_default().extend(profile.append_args.clone());
    }
    merged
}

type HookList = Option<Vec<String>>;

fn hook_lists<'a>(
    base: &'a mut Hooks,
    over: &'a Hooks,
    append: &'a Hooks,
) -> [(&'a mut HookList, &'a HookList, &'a HookList); 4] {
    [
        (&mut base.pre_up, &over.pre_up, &append.pre_up),
        (&mut base.post_up, &over.post_up, &append.post_up),
        (&mut base.pre_down, &over.pre_down, &append.pre_down),
        (&mut base.post_down, &over.post_down, &append.post_down),
    ]
}

fn announce(base: &mut Advertisement, over: &Advertisement) {
    replace(&mut base.advertise, over.advertise.as_ref());
    replace(&mut base.host, over.host.as_ref());
    replace(&mut base.host_from_container_runtime, over.host_from_container_runtime.as_ref());
    replace(&mut base.host_from_cluster_network, over.host_from_cluster_network.as_ref());
    replace(&mut base.help, over.help.as_ref());
}

fn replace<T: Clone>(base: &mut Option<T>, over: Option<&T>) {
    if let Some(over) = over {
        *base = Some(over.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;

    const FILE: &str = r#"
version = 1
[ports]
WEB = 3000
[urls]
API_URL = "http://localhost:8080"
WEB_URL = "http://localhost:3000"
[hooks]
post-up = ["./seed.sh"]
[k3d]
enabled = true
args = ["--agents=1"]
[profiles.testnet]
urls.API_URL = "https://api.example.com"
urls.EXTRA_URL = "https://extra.example.com"
ports.WEB = "random"
k3d.enabled = false
[profiles.testnet.append]
hooks.post-up = ["./testnet.sh"]
k3d.args = ["--servers=3"]
[profiles.devnet]
hooks.post-up = []
"#;

    fn file() -> ConfigFile {
        parse(FILE).expect("it is valid")
    }

    #[test]
    fn a_profile_overrides_adds_and_appends() {
        let settings = file().settings(Some("testnet")).expect("it exists");
        let urls: Vec<_> = settings.urls.iter().map(|(name, url)| format!("{name}={}", url.value)).collect();
        assert_eq!(
            urls,
            ["API_URL=https://api.example.com", "WEB_URL=http://localhost:3000", "EXTRA_URL=https://extra.example.com"]
        );
        assert_eq!(settings.ports["WEB"], PortSpec::Random);
        assert!(!settings.k3d.cluster);
        assert_eq!(
            settings.k3d_args.iter().map(|a| a.value.as_str()).collect::<Vec<_>>(),
            ["--agents=1", "--servers=3"]
        );
        assert_eq!(settings.hooks.post_up, Some(vec!["./seed.sh".into(), "./testnet.sh".into()]));
    }

    #[test]
    fn a_profile_list_replaces_the_base_list() {
        let settings = file().settings(Some("devnet")).expect("it exists");
        assert_eq!(settings.hooks.post_up, Some(vec![]));
    }

    #[test]
    fn merging_nothing_changes_nothing() {
        let base = file().base;
        assert_eq!(merge(&base, &Profile::default()), base);
    }

    #[test]
    fn the_image_registry_brings_its_port() {
        let file =
            parse("version = 1\n[ports]\nA = 1\n[k3d]\nenabled = true\nregistry.enabled = true\n").expect("valid");
        let ports = file.settings(None).expect("the base").ports;
        assert_eq!(ports.keys().collect::<Vec<_>>(), ["A", "K3D_REGISTRY_PORT"]);
    }

    fn chosen<'a>(
        flag: Option<&'a str>,
        variable: Option<&'a str>,
        lockfile: Option<Option<&'a str>>,
        force: bool,
    ) -> Result<Option<&'a str>, ProfileError> {
        choose(&file(), &Request { flag, variable, lockfile, force })
    }

    #[test]
    fn flag_then_variable_then_lockfile_then_none() {
        assert_eq!(chosen(Some("testnet"), Some("devnet"), None, false), Ok(Some("testnet")));
        assert_eq!(chosen(None, Some("devnet"), None, false), Ok(Some("devnet")));
        assert_eq!(chosen(None, Some(""), Some(Some("testnet")), false), Ok(Some("testnet")));
        assert_eq!(chosen(None, None, None, false), Ok(None));
    }

    #[test]
    fn switching_needs_force_and_force_alone_clears() {
        let refused = chosen(Some("devnet"), None, Some(Some("testnet")), false).expect_err("it is a switch");
        assert_eq!(refused.to_string(), "Profile change requires --force (current: testnet, requested: devnet)");
        assert_eq!(chosen(Some("devnet"), None, Some(Some("testnet")), true), Ok(Some("devnet")));
        assert_eq!(chosen(None, None, Some(Some("testnet")), true), Ok(None));
        assert!(matches!(chosen(Some("devnet"), None, Some(None), false), Err(ProfileError::NeedsForce { .. })));
    }

    #[test]
    fn unknown_and_vanished_profiles_are_errors() {
        assert!(matches!(chosen(Some("tesnet"), None, None, false), Err(ProfileError::Unknown { .. })));
        assert!(matches!(chosen(None, None, Some(Some("old")), false), Err(ProfileError::Gone { .. })));
        let bare = parse("version = 1\n[ports]\nA = 1\n").expect("valid");
        let request = Request { flag: Some("x"), variable: None, lockfile: None, force: false };
        assert!(matches!(choose(&bare, &request), Err(ProfileError::NoneDefined { .. })));
    }
}
