//! Starting the services of an instance, and waiting until they are ready.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::observe::{Observed, answer};
use super::plain::prepare_volumes;
use super::prepare::{Prepared, files_for};
use super::run::{compose, engine, finish};
use super::{guard, link, subnet};
use crate::backend::engine::Container;
use crate::core::config::Text;
use crate::core::text::source::one_line;
use crate::core::text::suggest::nearest;
use crate::failure::Failure;
use crate::parts::part::ReadyCheck;
use crate::parts::scope::Site;
use crate::parts::{ready, strays};

/// How long services may take until they are ready: time for images and first starts.
const READY: Duration = Duration::from_mins(5);

/// Starts services in the background, and waits until they are ready: all, or only some and what they depend on.
pub(super) fn start(site: &Site<'_>, words: &[OsString], only: &[Text]) -> Result<(), Failure> {
    let prepared = Prepared::of(site, files_for(site.scope, &site.environment)?, &[])?;
    let known: Vec<String> = prepared.over.starts.0.keys().cloned().collect();
    gates_fit(site, &known)?;
    guard::may_start(site.scope, engine(site), &prepared.binds)?;
    prepared.notices().for_each(|notice| site.scope.context.ui.step(notice));
    prepare_volumes(site, &prepared)?;
    site.scope.context.ui.step("Starting the services");
    tie(site, &prepared.files, words)?;
    let all: Vec<OsString> = ["up".into(), "--detach".into()].into_iter().chain(words.iter().cloned()).collect();
    finish(&compose(site).with_files(&prepared.files, &all), "up").map_err(|failure| with_holders(site, failure))?;
    let observed = Observed::of(site);
    let mut check = waiting(&observed, only);
    let spinner = site.scope.context.ui.spin("Waiting until the services are ready");
    let ready = ready::until_ready(&mut check, Instant::now(), READY);
    drop(spinner);
    // What runs has its names, though another one is not ready.
    let containers = observed.containers()?;
    subnet::publish(site, &containers)?;
    ready?;
    site.scope.context.ui.step(&format!("Ready: {}", stand(&containers)));
    Ok(())
}

/// What of other instances the services are to reach, before they start; for that they are made first.
fn tie(site: &Site<'_>, files: &[PathBuf], words: &[OsString]) -> Result<(), Failure> {
    if !link::concerns(site)? {
        return Ok(());
    }
    if !site.scope.is_apart {
        let made = ["up", "--no-start"].map(OsString::from);
        let words: Vec<OsString> = made.into_iter().chain(words.iter().cloned()).collect();
        finish(&compose(site).with_files(files, &words), "up --no-start")?;
    }
    link::tie(site)
}

/// A start that failed, with what of the instance's own listens on a port that services were to publish.
fn with_holders(site: &Site<'_>, failure: Failure) -> Failure {
    let leases = &site.settled.known.ports;
    let said = site.scope.settings.compose.iter().flat_map(|said| said.ports.keys());
    let held = said.filter_map(|variable| {
        let port = *leases.get(variable)?;
        let process = strays::on(port, &site.scope.project.root)?;
        Some((variable, port, one_line(&process.name), process.pid))
    });
    held.fold(failure, |failure, (variable, port, name, pid)| {
        failure
            .hint(format!(
                "Port {port} ({variable}) is held by `{name}` (pid {pid}), which was started in this instance"
            ))
            .hint("End it first: `silo up -d --kill`")
            .hint(format!("Or give the services another port: `silo env --move {variable} && silo up -d`"))
    })
}

/// Makes sure that the services which gates name are there: the compose files alone know.
fn gates_fit(site: &Site<'_>, known: &[String]) -> Result<(), Failure> {
    let gates = &site.scope.settings.gates;
    let mut named = gates.iter().flat_map(|(tool, need)| need.services.iter().map(move |name| (tool, name)));
    let Some((tool, name)) = named.find(|(_, name)| !known.contains(&name.value)) else { return Ok(()) };
    let what = format!("`gates.{tool}` names the service `{}`, which the compose files do not have", name.value);
    let failure = site.scope.project.misfit(&what, &name.span);
    let near = nearest(&name.value, known.iter().map(String::as_str));
    let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest service is `{near}`")));
    let all: Vec<String> = known.iter().take(20).map(|name| format!("`{name}`")).collect();
    Err(match all.is_empty() {
        true => failure,
        false => failure.hint(format!("The compose files have {}", all.join(", "))),
    })
}

fn waiting<'a>(observed: &'a Observed<'a>, only: &'a [Text]) -> ReadyCheck<'a> {
    Box::new(move || answer(observed, only))
}

/// What runs, each with what it publishes.
fn stand(containers: &[Container]) -> String {
    let one = |container: &Container| {
        let service = one_line(&container.service);
        match (container.state.as_str(), container.ports.is_empty()) {
            ("running", true) => service,
            ("running", false) => format!("{service} ({})", container.ports.join(", ")),
            _ => format!("{service} (done)"),
        }
    };
    containers.iter().map(one).collect::<Vec<_>>().join(", ")
}
