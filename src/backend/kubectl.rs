//! kubectl, for one thing: the config map `local-registry-hosting` from which tools learn of the image registry
//! (docs/k3d.md). k3d writes it itself, but a failure there is only a warning of its, so it is looked at.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::core::config::Advertisement;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::signals;

/// What to type when kubectl is missing.
pub const INSTALL: &str = "Install kubectl: https://kubernetes.io/docs/tasks/tools";
/// The port of every image registry inside its own container.
pub const INNER_PORT: u16 = 5000;
const NAME: &str = "local-registry-hosting";
const SPACE: &str = "kube-public";
const ASK: Duration = Duration::from_secs(15);
/// How often the API server, which may just have started, is tried, and how long between.
const TRIES: (u32, Duration) = (20, Duration::from_millis(500));

/// Where an image registry is reached, from three places.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hosting {
    /// By the developer's machine.
    pub host: String,
    /// By the nodes' container runtime.
    pub runtime: String,
    /// By pods.
    pub network: String,
    /// Where help is found.
    pub help: Option<String>,
}

impl Hosting {
    /// What holds for an image registry by default, with the overrides of `silo.toml`.
    ///
    /// # Errors
    /// A [`Failure`] for an override that names another registry than the instance's own.
    pub fn of(registry: &str, port: u16, over: &Advertisement<String>) -> Result<Self, Failure> {
        let inner = format!("{registry}:{INNER_PORT}");
        let checked = |key: &str, value: &Option<String>, default: String| match value {
            None => Ok(default),
            // In the cluster it has one port only, whatever that of this machine is.
            Some(value) if key != "host" && host_of(value) == registry && *value != inner => Err(Failure::new(
                format!("`k3d.registry.{key}` is `{value}`, and the image registry is `{inner}` there"),
            )
            .hint(format!("Leave it out, or write `{inner}`"))),
            Some(value) if is_known(value, registry) => Ok(value.clone()),
            Some(value) => Err(Failure::new(format!(
                "`k3d.registry.{key}` names `{value}`, which is not this instance's image registry"
            ))
            .hint(format!("Leave it out, or name `{registry}` or `localhost`"))),
        };
        Ok(Self {
            host: checked("host", &over.host, format!("localhost:{port}"))?,
            runtime: checked("hostFromContainerRuntime", &over.host_from_container_runtime, inner.clone())?,
            network: checked("hostFromClusterNetwork", &over.host_from_cluster_network, inner.clone())?,
            help: over.help.clone(),
        })
    }

    /// What `[registry]` says of an image registry that is not k3d's; none when it names no host or is not to be
    /// announced. The cluster reaches it by the same name unless that is said otherwise.
    pub fn outside(told: &Advertisement<String>) -> Option<Self> {
        let host = told.host.clone().filter(|_| told.advertise.unwrap_or(true))?;
        Some(Self {
            runtime: told.host_from_container_runtime.clone().unwrap_or_else(|| host.clone()),
            network: told.host_from_cluster_network.clone().unwrap_or_else(|| host.clone()),
            help: told.help.clone(),
            host,
        })
    }

    fn yaml(&self) -> String {
        let mut text = format!(
            "host: {}\nhostFromContainerRuntime: {}\nhostFromClusterNetwork: {}\n",
            json!(self.host),
            json!(self.runtime),
            json!(self.network)
        );
        if let Some(help) = &self.help {
            text.push_str(&format!("help: {}\n", json!(help)));
        }
        text
    }

    /// Whether a config map's text says the same; `127.0.0.1` and `localhost` are one to the developer's machine.
    fn is_said_by(&self, text: &str) -> bool {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(':'))?;
            Some(line.trim().trim_matches(['"', '\'']).to_owned())
        };
        let same_host =
            |said: String| said.replace("127.0.0.1", "localhost") == self.host.replace("127.0.0.1", "localhost");
        value("host").is_some_and(same_host)
            && value("hostFromContainerRuntime").as_ref() == Some(&self.runtime)
            && value("hostFromClusterNetwork").as_ref() == Some(&self.network)
            && (self.help.is_none() || value("help") == self.help)
    }
}

/// Whether an address may stand for the instance's image registry.
fn is_known(address: &str, registry: &str) -> bool {
    [registry, "localhost", "127.0.0.1", "[::1]", "host.docker.internal", "host.k3d.internal"]
        .contains(&host_of(address))
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host)
}

/// Makes the cluster's config map say where the image registry is; true when it had to be written.
///
/// # Errors
/// A [`Failure`] when the API server cannot be asked or refuses, after several tries.
pub fn advertise(hosting: &Hosting, environment: &Environment, folder: &Path) -> Result<bool, Failure> {
    let mut last = None;
    for _ in 0..TRIES.0 {
        match attempt(hosting, environment, folder) {
            Ok(written) => return Ok(written),
            Err(failure) if signals::asked().is_some() => return Err(failure),
            Err(failure) => last = Some(failure),
        }
        std::thread::sleep(TRIES.1);
    }
    Err(last
        .expect("it was tried at least once")
        .hint("Look at the cluster: `kubectl get nodes`; then run `silo up` again"))
}

fn attempt(hosting: &Hosting, environment: &Environment, folder: &Path) -> Result<bool, Failure> {
    let cmd = |words: &[&str]| Cmd {
        program: "kubectl",
        arguments: words.iter().map(Into::into).collect(),
        environment,
        folder,
    };
    let get = cmd(&["get", "configmap", "-n", SPACE, NAME, "-o", "json"]);
    let found = get.capture(ASK)?;
    let missing = found.ended != Ended::Code(0) && String::from_utf8_lossy(&found.stderr).contains("NotFound");
    if !missing {
        let answer = found.success(&get)?;
        let object: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let text = object["data"]["localRegistryHosting.v1"].as_str().unwrap_or_default();
        if hosting.is_said_by(text) {
            return Ok(false);
        }
    }
    let object = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": NAME, "namespace": SPACE },
        "data": { "localRegistryHosting.v1": hosting.yaml() },
    });
    let apply = cmd(&["apply", "-f", "-"]);
    apply.capture_with(ASK, object.to_string().as_bytes())?.success(&apply)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_port_for_the_cluster_host_port_for_the_developer() {
        let hosting =
            Hosting::of("localnet-x-registry.localhost", 49160, &Advertisement::default()).expect("no override");
        assert_eq!(hosting.host, "localhost:49160");
        assert_eq!(hosting.runtime, "localnet-x-registry.localhost:5000");
        assert!(hosting.is_said_by(&hosting.yaml()));
        assert!(hosting.is_said_by(&hosting.yaml().replace("localhost:49160", "127.0.0.1:49160")));
        assert!(!hosting.is_said_by(&hosting.yaml().replace("49160", "49161")));
        assert!(!hosting.is_said_by(""));
    }

    #[test]
    fn an_override_that_names_another_registry_is_refused() {
        let over =
            |host: &str| Advertisement { host_from_container_runtime: Some(host.into()), ..Advertisement::default() };
        let refused = Hosting::of("localnet-x-registry.localhost", 1, &over("localnet-main-registry.localhost:5000"));
        assert!(refused.expect_err("another instance's").what.contains("hostFromContainerRuntime"));
        let own = |address: &str| Hosting::of("localnet-x-registry.localhost", 1, &over(address));
        assert!(own("localnet-x-registry.localhost:5000").is_ok() && own("host.k3d.internal:5001").is_ok());
        for other in ["localnet-x-registry.localhost:5001", "localnet-x-registry.localhost"] {
            let refused = own(other).expect_err("there it has one port only");
            assert_eq!(refused.hints, ["Leave it out, or write `localnet-x-registry.localhost:5000`"]);
        }
    }
}
