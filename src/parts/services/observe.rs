//! What runs of an instance's services, as the engine says.

use std::collections::HashMap;
use std::path::Path;

use serde_json::{Value, json};

use super::run::engine;
use super::stand::{self, COLUMN};
use crate::backend::engine::{Container, Engine, Health};
use crate::core::config::{Settings, Text};
use crate::core::leases::{Instance, Wanted};
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::part::{PartState, Pending, Readiness, Report, Subject, Survey};
use crate::parts::ready;
use crate::parts::scope::{Scope, Site};
use crate::store::shared::Repository;

/// The services of one instance.
#[derive(Clone, Copy)]
pub(super) struct Observed<'a> {
    pub(super) engine: Engine<'a>,
    /// The compose project's name.
    pub(super) project: &'a str,
    /// The services that are one for all instances (D28).
    pub(super) shared: &'a [Text],
    /// The instance's root, by which it is told which those are.
    pub(super) root: &'a Path,
}

/// The services that settings share.
pub(super) fn shared_of(settings: &Settings) -> &[Text] {
    settings.compose.as_ref().and_then(|compose| compose.share.as_deref()).unwrap_or(&[])
}

impl<'a> Observed<'a> {
    /// Those of a settled instance.
    pub(super) fn of(site: &'a Site<'_>) -> Self {
        let Scope { settings, project, .. } = site.scope;
        let (shared, root) = (shared_of(settings), project.root.as_path());
        Self { engine: engine(site), project: &site.settled.identity.compose_name, shared, root }
    }

    /// Its containers, by service.
    pub(super) fn containers(&self) -> Result<Vec<Container>, Failure> {
        let mut all = self.engine.containers(Some(self.project))?;
        all.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
        Ok(all)
    }

    /// The containers of shared services that are connected with the instance.
    pub(super) fn shared(&self) -> Result<Vec<Container>, Failure> {
        if self.shared.is_empty() {
            return Ok(Vec::new());
        }
        let mut all = self.engine.containers(Some(&Repository::of(self.root).project))?;
        let prefix = format!("{}_", self.project);
        all.retain(|one| one.networks.iter().any(|network| network.starts_with(&prefix)));
        all.sort_by(|one, other| (&one.service, &one.name).cmp(&(&other.service, &other.name)));
        Ok(all)
    }

    /// The first service that is not ready, with its state and the engine's words; none where all are, and one without a
    /// name where there is no container at all. What is down comes first: waiting does not help it. With names, only these count
    /// and what they depend on, as their containers tell.
    pub(super) fn pending(&self, only: &[Text]) -> Result<Option<(String, Health, String)>, Failure> {
        let mut containers = self.containers()?;
        if containers.is_empty() {
            return Ok(Some((String::new(), Health::Down, String::new())));
        }
        let shared = self.shared()?;
        let is_asked = |name: &&Text| only.is_empty() || only.iter().any(|one| one.value == name.value);
        let is_there = |name: &&Text| shared.iter().any(|one| one.service == name.value);
        if let Some(missing) = self.shared.iter().filter(is_asked).find(|name| !is_there(name)) {
            let status = "it is shared, and not connected with this instance".to_owned();
            return Ok(Some((missing.value.clone(), Health::Down, status)));
        }
        containers.extend(shared);
        if !only.is_empty() {
            let wanted = match with_needs(&containers, only) {
                Ok(wanted) => wanted,
                Err(missing) => return Ok(Some((missing, Health::Down, "it has no container".to_owned()))),
            };
            containers.retain(|container| wanted.contains(&container.service));
        }
        let mut pending: Vec<_> = containers
            .iter()
            .map(|container| (container.service.clone(), self.engine.health(container), container.status.clone()))
            .filter(|(_, health, _)| !matches!(health, Health::Ready | Health::Done))
            .collect();
        pending.sort_by_key(|(_, health, _)| *health != Health::Down);
        Ok(pending.into_iter().next())
    }
}

/// Said where there is no container at all.
pub(super) fn none_runs() -> Failure {
    Failure::new("No services run here").hint("Run `silo up -d` first")
}

/// Whether services are ready: all, or some and what they depend on.
pub(super) fn answer(observed: &Observed<'_>, only: &[Text]) -> Result<Readiness, Failure> {
    match observed.pending(only) {
        Ok(None) => Ok(Readiness::Ready),
        Ok(Some((service, ..))) if service.is_empty() => Err(none_runs()),
        Ok(Some((service, Health::Down, status))) => {
            Err(Failure::new(format!("The service `{service}` does not run: {status}"))
                .hint(format!("See why: `{}`", ready::logs_line(Some(&service)))))
        }
        Ok(Some((service, _, status))) => {
            Ok(Readiness::Waiting(Pending { what: format!("{service}: {status}"), log: Some(service) }))
        }
        Err(failure) => Ok(Readiness::Silent(failure)),
    }
}

/// Some services and what they depend on; or the first of them without a container.
pub(super) fn with_needs(containers: &[Container], only: &[Text]) -> Result<Vec<String>, String> {
    let mut wanted: Vec<String> = only.iter().map(|name| name.value.clone()).collect();
    let mut at = 0;
    while let Some(name) = wanted.get(at).cloned() {
        let own: Vec<&Container> = containers.iter().filter(|container| container.service == name).collect();
        if own.is_empty() {
            return Err(name);
        }
        for needed in own.iter().flat_map(|container| &container.needs) {
            if !wanted.contains(needed) {
                wanted.push(needed.clone());
            }
        }
        at += 1;
    }
    Ok(wanted)
}

fn word(health: Health) -> &'static str {
    match health {
        Health::Ready => "ready",
        Health::Starting => "starting",
        Health::Unhealthy => "unhealthy",
        Health::Done => "done",
        Health::Down => "down",
    }
}

fn runs(container: &Container) -> bool {
    matches!(container.state.as_str(), "running" | "restarting" | "paused")
}

/// One question about all instances.
pub(super) fn survey(outside: &Environment, instances: &[Instance]) -> Option<Survey> {
    if instances.is_empty() {
        return None;
    }
    let folder = Path::new("/");
    let engine = Engine::of(outside, folder).soon();
    let all = match engine.containers(None) {
        Ok(all) => all,
        // Without an engine nothing is said, but that what is wanted is not known to be up.
        Err(failure) if engine.is_absent() => {
            let why = failure.what;
            return Some(Box::new(move |instance, _| {
                let asks = |wanted: &Wanted| wanted.up.iter().chain(&wanted.gates).any(|wish| wish.column() == COLUMN);
                asks(&instance.wanted).then(|| PartState { silent: Some(why.clone()), ..PartState::default() })
            }));
        }
        Err(failure) => return Some(Box::new(move |_, _| Some(unknown(&failure)))),
    };
    let mut by_project: HashMap<String, Vec<Container>> = HashMap::new();
    for one in all {
        by_project.entry(one.project.clone()).or_default().push(one);
    }
    Some(Box::new(move |instance, _| {
        // A project of that name that silo did not start is the instance's own, if it was made in its folder.
        let is_own =
            |one: &&Container| one.instance == instance.id || Path::new(&one.folder).starts_with(&instance.root);
        let own: Vec<&Container> = by_project.get(&instance.qualified())?.iter().filter(is_own).collect();
        let up = own.iter().filter(|one| runs(one)).count();
        // What has ended with success is not missed.
        let all = own.iter().filter(|one| !one.status.starts_with("Exited (0)")).count();
        if own.is_empty() {
            return None;
        }
        let value = own.iter().map(|one| {
            let health = one.known_health().map(word);
            json!({
                "service": one.service, "container": one.name, "state": one.state, "health": health, "ports": one.ports,
            })
        });
        let cell = if up == all { format!("{up} up") } else { format!("{up} of {all} up") };
        let (value, stands) = (Value::Array(value.collect()), stand::stands(&own));
        let may_rest = stand::shows_use(&own, instance);
        Some(PartState { runs: up > 0, cell, value, stands, may_rest, ..PartState::default() })
    }))
}

/// What is said where an engine is there and does not answer: whether services run is not known.
fn unknown(failure: &Failure) -> PartState {
    let value = json!({ "error": failure.what });
    PartState { cell: "no answer".to_owned(), value, silent: Some(failure.what.clone()), ..PartState::default() }
}

/// The services of one instance, each with its state.
pub(super) fn report(subject: &Subject<'_>) -> Option<Report> {
    subject.settings?.compose.as_ref()?;
    let project = subject.vars.get("COMPOSE_PROJECT_NAME")?;
    let shared = shared_of(subject.settings?);
    let engine = Engine::of(subject.outside, subject.root).soon();
    let observed = Observed { engine, project, shared, root: subject.root };
    let all = observed.containers().and_then(|own| match own.is_empty() {
        true => Ok(own),
        false => observed.shared().map(|shared| own.into_iter().chain(shared).collect()),
    });
    let containers = match all {
        Ok(containers) => containers,
        Err(failure) => {
            let value = json!({ "error": failure.what });
            return Some(Report {
                runs: false,
                publishes: Vec::new(),
                lines: vec![format!("Services: {}", one_line(&failure.what))],
                value,
                beside: Vec::new(),
            });
        }
    };
    if containers.is_empty() {
        return None;
    }
    let (tied, beside) = links(engine, (project, subject.vars.names.get("prefix").map_or("", String::as_str)));
    let stands: Vec<(&Container, Health)> =
        containers.iter().map(|container| (container, observed.engine.health(container))).collect();
    let width = containers.iter().map(|container| container.service.chars().count()).max().unwrap_or(0);
    let subnet = subject.recorded.subnet;
    let address = |container: &Container| {
        let own = || container.addresses.values().copied().filter(|one| subnet.is_some_and(|subnet| subnet.has(*one)));
        let number = subject.recorded.addresses.get(&container.service);
        let remembered = subnet.zip(number).map(|(subnet, number)| subnet.address(*number));
        own().find(|one| Some(*one) == remembered).or_else(|| own().next())
    };
    let line = |(container, health): &(&Container, Health)| {
        let address = address(container).map(|address| address.to_string());
        let where_it_is = address.iter().chain(&container.ports).map(String::as_str).collect::<Vec<_>>().join(", ");
        let service = one_line(&container.service);
        let shared = if container.shared.is_empty() { "" } else { "  (shared)" };
        format!("  {service:width$}  {:9}  {where_it_is}{shared}", word(*health)).trim_end().to_owned()
    };
    let lines = std::iter::once("Services:".to_owned()).chain(stands.iter().map(line)).chain(tied).collect();
    let value = stands.iter().map(|(container, health)| {
        json!({
            "service": container.service,
            "container": container.name,
            "state": container.state,
            "health": word(*health),
            "ports": container.ports,
            "addresses": container.addresses,
            "shared": !container.shared.is_empty(),
        })
    });
    Some(Report {
        runs: containers.iter().any(runs),
        publishes: Vec::new(),
        lines,
        value: Value::Array(value.collect()),
        beside,
    })
}

/// The links of a project to others, with the services that are reached, and those of others to it: lines for people, and the same
/// for programs.
fn links(engine: Engine<'_>, (project, prefix): (&str, &str)) -> (Vec<String>, Vec<(&'static str, Value)>) {
    let mut all = engine.links().unwrap_or_default();
    all.retain(|link| link.project == project || link.target() == project);
    if all.is_empty() {
        return (Vec::new(), Vec::new());
    }
    let there = engine.containers(None).unwrap_or_default();
    let name = |project: &str| project.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).map(one_line);
    let name = |project: &str| name(project).unwrap_or_else(|| one_line(project));
    let (mut lines, mut reached, mut by) = (Vec::new(), serde_json::Map::new(), Vec::new());
    for link in &all {
        if link.project != project {
            by.push(name(&link.project));
            continue;
        }
        let is_in = |one: &&Container| one.project == link.target() && one.networks.contains(&link.name) && runs(one);
        let mut services: Vec<String> = there.iter().filter(is_in).map(|one| one_line(&one.service)).collect();
        services.sort();
        services.dedup();
        let said = if services.is_empty() { "nothing of it runs".to_owned() } else { services.join(", ") };
        lines.push(format!("Linked to: {} ({said})", name(link.target())));
        reached.insert(name(link.target()), json!(services));
    }
    by.sort();
    lines.extend((!by.is_empty()).then(|| format!("Linked by: {}", by.join(", "))));
    (lines, vec![("links", Value::Object(reached)), ("linkedBy", json!(by))])
}
