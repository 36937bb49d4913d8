//! The vars of an instance, in the order of the env file (docs/lockfile.md): identity, hosts, ports, k3d, URLs, others.

use indexmap::IndexMap;

use crate::core::config::model::{REGISTRY_PORT, Settings, Text};
use crate::core::gateway::keys::VARIABLES;
use crate::core::instance::identity::{Identity, identity};
use crate::core::instance::template::{self, Unresolved};
use crate::core::leases::block;
use crate::core::text::digest;

/// What host templates may use (docs/interpolation.md).
pub const HOST_VARIABLES: [&str; 7] =
    ["name", "prefix", "name_snake", "id", "slot", "WORKSPACE_NAME", "COMPOSE_PROJECT_NAME"];

/// Names for templates only; no variable of an environment is called so.
pub const TEMPLATE_NAMES: [&str; 5] = ["name", "prefix", "name_snake", "id", "slot"];
/// Length of `id`, in hex digits.
const ID_LEN: usize = 8;

/// Names that silo itself gives values to and that URLs, other variables and k3d arguments may use.
pub fn built_in_names(settings: &Settings) -> Vec<&'static str> {
    let mut names = TEMPLATE_NAMES.to_vec();
    names.extend([
        "WORKSPACE_NAME",
        "COMPOSE_PROJECT_NAME",
        "DOCKER_NETWORK",
        "VOLUME_PREFIX",
        "CONTAINER_PREFIX",
        "TILT_HOST",
    ]);
    if settings.k3d.cluster {
        names.extend(["K3D_CLUSTER_NAME", "KUBECONFIG"]);
    }
    if settings.k3d.registry {
        names.push("K3D_REGISTRY_NAME");
    }
    if settings.gateway.is_some() {
        names.extend(VARIABLES);
    }
    names
}

/// What heads the URLs in the env file.
const URLS: &str = "Derived URLs";

/// One headed part of the env file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// The heading, without its decoration.
    pub title: &'static str,
    /// Names and values in order.
    pub vars: IndexMap<String, String>,
}

/// Everything an instance puts into an environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vars {
    /// The parts of the env file, in order; empty ones are left out.
    pub sections: Vec<Section>,
    /// What templates may use besides, by [`TEMPLATE_NAMES`], and where each port of a service is published.
    pub names: IndexMap<String, String>,
}

/// What an instance's things are called, hosts included, and its vars. `ports` are every declared port; `home` is where
/// `.kube` lies.
///
/// # Errors
/// [`Unresolved`] for a template that [`crate::core::config::parse`] would have refused.
pub fn of_instance(
    settings: &Settings,
    name: &str,
    profile: Option<&str>,
    ports: &IndexMap<String, u16>,
    slot: Option<u16>,
    home: &str,
) -> Result<(Identity, Vars), Unresolved> {
    let mut identity = identity(&settings.prefix, name, settings.k3d, home);
    let mut names = template_names(&identity, slot);
    let published = settings.compose.iter().flat_map(|compose| &compose.ports);
    names.extend(published.map(|(name, port)| (format!("{name}{}", template::HOST), port.host())));
    identity.hosts = hosts(settings, &identity, &names)?;
    let vars = vars(settings, &identity, names, profile, ports)?;
    Ok((identity, vars))
}

/// Fills the host templates and adds `TILT_HOST`, which follows `APP_HOST`.
fn hosts(
    settings: &Settings,
    identity: &Identity,
    names: &IndexMap<String, String>,
) -> Result<IndexMap<String, String>, Unresolved> {
    let mut known = identity_variables(identity);
    known.extend(names.clone());
    let mut hosts = IndexMap::new();
    for (name, text) in &settings.hosts {
        let lookup = |name: &str| known.get(name).filter(|_| HOST_VARIABLES.contains(&name)).map(String::as_str);
        hosts.insert(name.clone(), template::expand(&text.value, lookup)?);
    }
    if !hosts.contains_key("TILT_HOST") {
        let app = hosts.get("APP_HOST").cloned().unwrap_or_else(|| format!("{}.localhost", identity.name));
        hosts.insert("TILT_HOST".to_owned(), app);
    }
    Ok(hosts)
}

/// Computes every var; `identity` must carry its resolved hosts.
fn vars(
    settings: &Settings,
    identity: &Identity,
    names: IndexMap<String, String>,
    profile: Option<&str>,
    ports: &IndexMap<String, u16>,
) -> Result<Vars, Unresolved> {
    let mut told: IndexMap<String, String> = IndexMap::new();
    for (name, port) in ports {
        told.insert(name.clone(), port.to_string());
        // What reads the range of a media server wants both ends.
        if let Some(count) = settings.ports.get(name).map(|spec| spec.count()).filter(|count| *count > 1) {
            told.insert(format!("{name}{}", block::END), block::last(*port, count).to_string());
        }
    }
    let ports = told;
    let k3d = k3d_variables(identity, ports.get(REGISTRY_PORT.0));
    let given = settings.gateway.iter().flat_map(|given| VARIABLES.into_iter().zip([&given.url, &given.key]));
    let gateway: IndexMap<String, String> = given.map(|(name, value)| (name.to_owned(), value.clone())).collect();
    let mut known = names.clone();
    known.extend(identity_variables(identity));
    for part in [&identity.hosts, &ports, &k3d, &gateway] {
        known.extend(part.clone());
    }
    let mut fill = |texts: &IndexMap<String, Text>| {
        let mut filled = IndexMap::new();
        for (name, text) in texts {
            let value = template::expand(&text.value, |name| known.get(name).map(String::as_str))?;
            known.insert(name.clone(), value.clone());
            filled.insert(name.clone(), value);
        }
        Ok::<_, Unresolved>(filled)
    };
    let (urls, env) = (fill(&settings.urls)?, fill(&settings.env)?);
    let mut own = IndexMap::new();
    for (name, value) in identity_variables(identity) {
        let first = own.is_empty();
        own.insert(name, value);
        if let (true, Some(profile)) = (first, profile) {
            own.insert("SILO_PROFILE".to_owned(), profile.to_owned());
        }
    }
    let sections = [
        ("Instance Identity", own),
        ("Hosts (browser isolation)", identity.hosts.clone()),
        ("Allocated Ports", ports),
        ("k3d (if enabled)", k3d),
        ("Gateway for language models", gateway),
        (URLS, urls),
        ("Environment", env),
    ];
    let sections = sections.into_iter().map(|(title, vars)| Section { title, vars });
    Ok(Vars { sections: sections.filter(|section| !section.vars.is_empty()).collect(), names })
}

/// The values of [`TEMPLATE_NAMES`]. `id` follows from prefix and name, and is the instance's alone as they are.
fn template_names(identity: &Identity, slot: Option<u16>) -> IndexMap<String, String> {
    let id = digest::of(identity.compose_name.as_bytes())[..ID_LEN].to_owned();
    let (name, prefix) = (identity.name.clone(), identity.prefix.clone());
    let values =
        [Some(name), Some(prefix), Some(identity.name.replace('-', "_")), Some(id), slot.map(|n| n.to_string())];
    let named = TEMPLATE_NAMES.map(str::to_owned).into_iter().zip(values);
    named.filter_map(|(name, value)| Some((name, value?))).collect()
}

fn identity_variables(identity: &Identity) -> IndexMap<String, String> {
    let pairs = [
        ("WORKSPACE_NAME", &identity.name),
        ("COMPOSE_PROJECT_NAME", &identity.compose_name),
        ("DOCKER_NETWORK", &identity.docker_network),
        ("VOLUME_PREFIX", &identity.volume_prefix),
        ("CONTAINER_PREFIX", &identity.container_prefix),
    ];
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value.clone())).collect()
}

fn k3d_variables(identity: &Identity, registry_port: Option<&String>) -> IndexMap<String, String> {
    let mut vars = IndexMap::new();
    if let Some(cluster) = &identity.k3d_cluster_name {
        vars.insert("K3D_CLUSTER_NAME".to_owned(), cluster.clone());
    }
    if let (Some(registry), Some(port)) = (&identity.k3d_registry_name, registry_port) {
        vars.insert("K3D_REGISTRY_NAME".to_owned(), format!("{registry}:{port}"));
    }
    if let Some(path) = &identity.kubeconfig_path {
        vars.insert("KUBECONFIG".to_owned(), path.clone());
    }
    vars
}

impl Vars {
    /// Names and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.sections
            .iter()
            .flat_map(|section| section.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// The value of one.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// What a reference in a user's own file stands for: the value of a variable, or where the port of a service is published.
    pub fn fills(&self, name: &str) -> Option<&str> {
        let host = || self.names.get(name).filter(|_| name.ends_with(template::HOST)).map(String::as_str);
        self.get(name).or_else(host)
    }

    /// The URLs that `silo.toml` declares.
    pub fn urls(&self) -> impl Iterator<Item = (&str, &str)> {
        let urls = self.sections.iter().filter(|section| section.title == URLS);
        urls.flat_map(|section| section.vars.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    /// Where the browser finds a Tilt at a port (D15).
    pub fn tilt_address(&self, port: u16) -> String {
        format!("http://{}:{port}", self.get("TILT_HOST").unwrap_or("localhost"))
    }

    /// What an active shell and child processes get: the vars, `SILO_*`, and a `TILT_HOST` that Tilt can bind (D15).
    pub fn for_processes(&self, root: &str, env_file: &str) -> Vec<(String, String)> {
        let mut all: Vec<(String, String)> = vec![
            ("SILO_ACTIVE".to_owned(), "1".to_owned()),
            ("SILO_ROOT".to_owned(), root.to_owned()),
            ("SILO_ENV_FILE".to_owned(), env_file.to_owned()),
        ];
        for (name, value) in self.iter() {
            if name == "WORKSPACE_NAME" {
                all.push(("SILO_WORKSPACE".to_owned(), value.to_owned()));
            }
            let value = if name == "TILT_HOST" { "localhost" } else { value };
            all.push((name.to_owned(), value.to_owned()));
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;

    fn vars_of(toml: &str, profile: Option<&str>, ports: &[(&str, u16)]) -> Vec<String> {
        let settings = parse(toml).expect("valid").settings(profile).expect("known");
        let ports = ports.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect();
        let (_, vars) = of_instance(&settings, "feature-x", profile, &ports, Some(3), "/home/user").expect("checked");
        vars.iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn stand_in_the_order_of_the_env_file() {
        let toml = r#"
version = 1
[ports]
WEB_PORT = 3000
K3D_REGISTRY_PORT = 5000
[hosts]
APP_HOST = "${name}.localhost"
API_HOST = "api.${name}.localhost"
[urls]
WEB_URL = "http://${APP_HOST}:${WEB_PORT}"
DOCS_URL = "${WEB_URL}/docs"
[env]
LOG_LEVEL = "debug"
CALLBACK = "${DOCS_URL}?level=${LOG_LEVEL}&in=${name}"
[k3d]
enabled = true
registry.enabled = true
[profiles.p]
"#;
        assert_eq!(
            vars_of(toml, Some("p"), &[("WEB_PORT", 3001), ("K3D_REGISTRY_PORT", 5001)]),
            [
                "WORKSPACE_NAME=feature-x",
                "SILO_PROFILE=p",
                "COMPOSE_PROJECT_NAME=localnet-feature-x",
                "DOCKER_NETWORK=localnet-feature-x",
                "VOLUME_PREFIX=localnet-feature-x",
                "CONTAINER_PREFIX=localnet-feature-x-",
                "APP_HOST=feature-x.localhost",
                "API_HOST=api.feature-x.localhost",
                "TILT_HOST=feature-x.localhost",
                "WEB_PORT=3001",
                "K3D_REGISTRY_PORT=5001",
                "K3D_CLUSTER_NAME=localnet-feature-x",
                "K3D_REGISTRY_NAME=localnet-feature-x-registry.localhost:5001",
                "KUBECONFIG=/home/user/.kube/localnet-feature-x",
                "WEB_URL=http://feature-x.localhost:3001",
                "DOCS_URL=http://feature-x.localhost:3001/docs",
                "LOG_LEVEL=debug",
                "CALLBACK=http://feature-x.localhost:3001/docs?level=debug&in=feature-x",
            ]
        );
    }

    #[test]
    fn templates_may_use_number_id_and_a_name_for_databases() {
        let toml = "version = 1\nports.P = 1\n[hosts]\nH = \"${id}.localhost\"\n[urls]\n\
                    REDIS_URL = \"redis://localhost/${slot}\"\nDATABASE = \"app_${name_snake}\"\n";
        let vars = vars_of(toml, None, &[("P", 1)]);
        for told in ["H=78474cd5.localhost", "REDIS_URL=redis://localhost/3", "DATABASE=app_feature_x"] {
            assert!(vars.iter().any(|var| var == told), "{told}: {vars:?}");
        }
    }

    #[test]
    fn where_the_port_of_a_service_is_published_is_for_templates_alone() {
        let toml = "version = 1\n[compose.ports]\nDB = 'db:5432'\nWEB = { to = 'web:80', bind = '192.0.2.7' }\n\
                    ANY = { to = 'any:1', bind = '0.0.0.0' }\nSIX = { to = 'six:1', bind = '::' }\n\
                    [urls]\nA = \"${DB.host}:${DB}\"\nB = \"${WEB.host} ${ANY.host} ${SIX.host}\"\n";
        let vars = vars_of(toml, None, &[("DB", 5433), ("WEB", 1), ("ANY", 2), ("SIX", 3)]);
        assert_eq!(vars[vars.len() - 2..], ["A=127.0.0.1:5433", "B=192.0.2.7 127.0.0.1 [::1]"]);
        assert!(!vars.iter().any(|var| var.contains(".host")), "{vars:?}");
        let refused = |toml: &str| parse(toml).expect_err("it is no service's").problem.to_string();
        assert_eq!(
            refused("version = 1\nports.WEB = 1\nurls.A = '${WEB.host}'\n"),
            "Unknown variable `${WEB.host}` in `urls.A`"
        );
    }

    #[test]
    fn processes_get_a_tilt_host_that_binds() {
        let vars = Vars {
            sections: vec![Section {
                title: "Hosts",
                vars: IndexMap::from([("TILT_HOST".to_owned(), "x.localhost".to_owned())]),
            }],
            ..Vars::default()
        };
        assert!(vars.for_processes("/p", "/p/.localnet.env").contains(&("TILT_HOST".into(), "localhost".into())));
    }
}
