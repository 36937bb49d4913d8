//! What is observed of clusters: k3d is asked, with a time limit, and the API server is connected to.

use std::path::Path;

use serde_json::json;

use super::super::part::{LIMIT, PartState, Report, Subject, Survey};
use super::names::{self, Names};
use crate::backend::k3d::K3d;
use crate::core::config::API_PORT;
use crate::core::instance::name;
use crate::core::leases::Instance;
use crate::core::shell::environment::Environment;
use crate::failure::shown;
use crate::sys::{cmd, net};

/// Asks k3d once about all clusters; not at all where no instance has one. The instance counts as running by its programs,
/// not by its cluster, which outlives them.
pub(super) fn survey(outside: &Environment, instances: &[Instance]) -> Survey {
    let has_cluster = |instance: &Instance| instance.ports.contains_key(API_PORT);
    let asked = instances.iter().any(has_cluster) && cmd::find("k3d", outside).is_some();
    let clusters = asked.then(|| K3d::new(outside, Path::new("/")).within(LIMIT).clusters().ok()).flatten();
    Box::new(move |instance, _| {
        if !has_cluster(instance) {
            return None;
        }
        let name = name::k3d(&instance.qualified());
        let state = match &clusters {
            None => "no answer",
            Some(all) => all.iter().find(|found| found.name == name).map_or("missing", |found| found.standing().word()),
        };
        Some(PartState { runs: false, cell: state.to_owned(), value: json!({ "name": name, "state": state }) })
    })
}

/// Asks about the cluster of one instance, its image registry and its API server, side by side.
pub(super) fn report(subject: &Subject<'_>) -> Option<Report> {
    let names = Names::of(subject.vars)?;
    let found = ask(subject, &names);
    let registry_name = subject.vars.get("K3D_REGISTRY_NAME");
    let or_silent = |state: &Option<String>| state.clone().unwrap_or_else(|| "did not answer".to_owned());
    let mut lines = vec![format!("k3d: {} ({})", names.cluster, or_silent(&found.cluster))];
    lines.extend(found.api.map(|api| format!("API server: {api}")));
    if let Some(name) = registry_name {
        lines.extend([format!("Registry: {name}"), format!("Registry state: {}", or_silent(&found.registry))]);
    }
    lines.push(format!("Kubeconfig: {}", shown(&names.kubeconfig)));
    let value = json!({
        "cluster": names.cluster, "state": found.cluster, "apiServer": found.api,
        "registry": registry_name, "registryState": found.registry,
        "kubeconfig": names.kubeconfig,
    });
    Some(Report { runs: false, lines, value })
}

/// How the cluster and what belongs to it stand; none where that did not answer.
#[derive(Default)]
struct Found {
    cluster: Option<String>,
    registry: Option<String>,
    api: Option<&'static str>,
}

fn ask(subject: &Subject<'_>, names: &Names) -> Found {
    let Subject { outside, root, .. } = *subject;
    if cmd::find("k3d", outside).is_none() {
        let missing = Some("k3d is not installed".to_owned());
        return Found { cluster: missing.clone(), registry: missing, api: None };
    }
    let k3d = K3d::new(outside, root).within(LIMIT);
    // What is written there is what `kubectl` asks; the lease may have moved.
    let api = names::api_port(&names.kubeconfig);
    let mut found = Found::default();
    std::thread::scope(|scope| {
        let cluster = scope.spawn(|| k3d.cluster(&names.cluster).ok());
        let registry = scope.spawn(|| names.registry.as_ref().and_then(|registry| k3d.registry(registry).ok()));
        let api = scope.spawn(|| api.map(|port| net::answers(port, LIMIT)));
        let word = |state: Option<&'static str>| state.unwrap_or("missing").to_owned();
        found.cluster = cluster.join().ok().flatten().map(|found| word(found.map(|cluster| cluster.standing().word())));
        let running = |running: bool| if running { "running" } else { "stopped" };
        found.registry =
            registry.join().ok().flatten().map(|found| word(found.map(|node| running(node.state.running))));
        found.api = api.join().ok().flatten().map(|answers| if answers { "answers" } else { "does not answer" });
    });
    found
}
