//! What is observed of clusters: k3d is asked, with a time limit, and the API server is connected to.

use std::collections::HashMap;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::json;

use super::super::part::{How, LIMIT, PartState, Report, Stand, Subject, Survey};
use super::earlier;
use super::names::{self, Names};
use crate::backend::k3d::K3d;
use crate::core::config::API_PORT;
use crate::core::instance::name;
use crate::core::leases::{Instance, Wish};
use crate::core::shell::environment::Environment;
use crate::failure::shown;
use crate::store::clusters::Made;
use crate::sys::dirs::Dirs;
use crate::sys::{cmd, net};

/// Asks k3d once about all clusters; not at all where no instance has one or ever had. The instance counts as running by its
/// programs, not by its cluster, which outlives them.
pub(super) fn survey(outside: &Environment, instances: &[Instance]) -> Survey {
    let has_cluster = |instance: &Instance| instance.ports.contains_key(API_PORT);
    let dirs = Dirs::find(outside).ok();
    let made = |root: &str| dirs.as_ref().map_or_else(Made::default, |dirs| Made::of(dirs, Path::new(root)));
    let made: HashMap<String, Made> = instances.iter().map(|one| (one.root.clone(), made(&one.root))).collect();
    let asked = instances.iter().any(has_cluster) || made.values().any(|made| !made.noted.is_empty());
    let asked = asked && cmd::find("k3d", outside).is_some();
    let clusters = asked.then(|| K3d::new(outside, Path::new("/")).within(LIMIT).clusters().ok()).flatten();
    let owners = OnceLock::new();
    let outside = outside.clone();
    Box::new(move |instance, _| {
        let name = name::k3d(&instance.qualified());
        let now = has_cluster(instance).then_some(name.as_str());
        let all = clusters.as_deref().unwrap_or_default();
        let owners = || owners.get_or_init(|| earlier::owners(&outside)).clone();
        let others = made.get(&instance.root).map_or_else(Vec::new, |made| earlier::among(all, made, now, &owners));
        let own = all.iter().find(|found| Some(found.name.as_str()) == now);
        let state = match (&clusters, now) {
            (_, None) => None,
            (None, _) => Some("no answer"),
            (Some(_), _) => Some(own.map_or("missing", |found| found.standing().word())),
        };
        if state.is_none() && others.is_empty() {
            return None;
        }
        let publishes = own.iter().chain(&others).flat_map(|one| one.published()).collect();
        let others: Vec<&str> = others.iter().map(|one| one.name.as_str()).collect();
        let cell = state.into_iter().chain(others.iter().copied()).collect::<Vec<_>>().join(", and ");
        let value = json!({ "name": now, "state": state, "others": others });
        let stand = |how| Stand { wish: Wish::part(names::COLUMN), how, mark: String::new() };
        let how = match state {
            None | Some("no answer") => None,
            Some("running") => Some(How::Up),
            Some(other) => Some(How::Down(format!("it is {other}"))),
        };
        let silent = (state == Some("no answer")).then(|| "k3d does not answer".to_owned());
        let stands = how.map(stand).into_iter().collect();
        Some(PartState { runs: false, cell, publishes, value, stands, silent, may_rest: false })
    })
}

/// Asks about the cluster of one instance, its image registry and its API server, side by side, and about those it had.
pub(super) fn report(subject: &Subject<'_>) -> Option<Report> {
    let names = Names::of(subject.vars);
    let made = Dirs::find(subject.outside).map_or_else(|_| Made::default(), |dirs| Made::of(&dirs, subject.root));
    if names.is_none() && made.noted.is_empty() {
        return None;
    }
    let found = ask(subject, names.as_ref(), &made);
    let registry_name = subject.vars.get("K3D_REGISTRY_NAME");
    let or_silent = |state: &Option<String>| state.clone().unwrap_or_else(|| "did not answer".to_owned());
    let mut lines = Vec::new();
    if let Some(names) = &names {
        lines.push(format!("k3d: {} ({})", names.cluster, or_silent(&found.cluster)));
        lines.extend(found.api.map(|api| format!("API server: {api}")));
        if let Some(name) = registry_name {
            lines.extend([format!("Registry: {name}"), format!("Registry state: {}", or_silent(&found.registry))]);
        }
        lines.push(format!("Kubeconfig: {}", shown(&names.kubeconfig)));
    }
    lines.extend(
        found
            .others
            .iter()
            .map(|(name, state)| format!("Earlier cluster: {name} ({state}); `silo down --delete-cluster` deletes it")),
    );
    if lines.is_empty() {
        return None;
    }
    let others: Vec<&String> = found.others.iter().map(|(name, _)| name).collect();
    let value = json!({
        "cluster": names.as_ref().map(|names| &names.cluster), "state": found.cluster, "apiServer": found.api,
        "registry": registry_name, "registryState": found.registry,
        "kubeconfig": names.as_ref().map(|names| &names.kubeconfig), "others": others,
    });
    Some(Report { runs: false, lines, publishes: found.publishes, value, beside: Vec::new() })
}

/// How the cluster and what belongs to it stand; none where that did not answer.
#[derive(Default)]
struct Found {
    cluster: Option<String>,
    registry: Option<String>,
    api: Option<&'static str>,
    /// Clusters of an earlier name or profile, and how they stand.
    others: Vec<(String, &'static str)>,
    publishes: Vec<u16>,
}

fn ask(subject: &Subject<'_>, names: Option<&Names>, made: &Made) -> Found {
    let Subject { outside, root, .. } = *subject;
    if cmd::find("k3d", outside).is_none() {
        let missing = names.map(|_| "k3d is not installed".to_owned());
        return Found { cluster: missing.clone(), registry: missing, ..Found::default() };
    }
    let k3d = K3d::new(outside, root).within(LIMIT);
    // What is written there is what `kubectl` asks; the lease may have moved.
    let api = names.and_then(|names| names::api_port(&names.kubeconfig));
    let mut found = Found::default();
    std::thread::scope(|scope| {
        let clusters = scope.spawn(|| k3d.clusters().ok());
        let registry = scope.spawn(|| names.and_then(|names| k3d.registry(names.registry.as_ref()?).ok()));
        let api = scope.spawn(|| api.map(|port| net::answers(port, LIMIT)));
        let word = |state: Option<&'static str>| state.unwrap_or("missing").to_owned();
        if let Some(all) = clusters.join().ok().flatten() {
            let now = names.map(|names| names.cluster.as_str());
            let own = all.iter().find(|one| Some(one.name.as_str()) == now);
            let others = earlier::among(&all, made, now, &|| earlier::owners(outside));
            found.publishes = own.iter().chain(&others).flat_map(|one| one.published()).collect();
            found.cluster = now.map(|_| word(own.map(|own| own.standing().word())));
            found.others = others.iter().map(|one| (one.name.clone(), one.standing().word())).collect();
        }
        let running = |running: bool| if running { "running" } else { "stopped" };
        found.registry =
            registry.join().ok().flatten().map(|found| word(found.map(|node| running(node.state.running))));
        found.api = api.join().ok().flatten().map(|answers| if answers { "answers" } else { "does not answer" });
    });
    found
}
