//! Starting the services of an instance, and waiting until they are ready.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::observe::{Observed, answer};
use super::prepare::{Prepared, files_for};
use super::run::{compose, docker, engine, finish};
use super::{filling, former, guard, link, share, source, subnet};
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
    let shared = || prepared.over.shared.iter().map(|shared| &shared.service);
    let known: Vec<String> = prepared.over.starts.0.keys().chain(shared()).cloned().collect();
    gates_fit(site, &known)?;
    uses_what_it_shares(site, &prepared)?;
    // compose would start one of the instance's own where it is named.
    let words: Vec<OsString> = words.iter().filter(|word| !shared().any(|name| **word == **name)).cloned().collect();
    guard::may_start(site.scope, engine(site), &prepared.binds)?;
    prepared.notices().for_each(|notice| site.scope.context.ui.step(notice));
    prepare_volumes(site, &prepared)?;
    site.scope.context.ui.step("Starting the services");
    tie(site, &prepared, &words)?;
    let all: Vec<OsString> = ["up".into(), "--detach".into()].into_iter().chain(words).collect();
    finish(&compose(site).with_files(&prepared.files, &all), "up").map_err(|failure| with_holders(site, failure))?;
    let observed = Observed::of(site);
    let mut check = waiting(&observed, only);
    let spinner = site.scope.context.ui.spin("Waiting until the services are ready");
    let ready = ready::until_ready(&mut check, Instant::now(), READY);
    drop(spinner);
    // What runs has its names, though another one is not ready.
    let containers: Vec<Container> = observed.containers()?.into_iter().chain(observed.shared()?).collect();
    subnet::publish(site, &containers)?;
    ready?;
    site.scope.context.ui.step(&format!("Ready: {}", stand(&containers)));
    Ok(())
}

/// Refuses an instance that has nothing of its own beside what it shares: who uses that is told by the networks it is in.
fn uses_what_it_shares(site: &Site<'_>, prepared: &Prepared) -> Result<(), Failure> {
    let shared = site.scope.settings.compose.iter().flat_map(|compose| compose.share.iter().flatten());
    let Some(last) = shared.last().filter(|_| prepared.over.starts.0.is_empty() && !prepared.over.shared.is_empty())
    else {
        return Ok(());
    };
    let what = format!("`compose.share` names `{}`, and no service is left that is the instance's own", last.value);
    let failure = site.scope.project.misfit(&what, &last.span);
    Err(failure
        .hint("Only an instance with a running service of its own can use what is shared; leave one out of `share`"))
}

/// What must be in the volumes before anything is made; a run apart begins with empty ones.
pub(super) fn prepare_volumes(site: &Site<'_>, prepared: &Prepared) -> Result<(), Failure> {
    if site.scope.is_apart {
        return Ok(());
    }
    let docker = docker(site);
    former::tell_once(site, &prepared.over.volumes);
    source::first(site, prepared)?;
    filling::check(&site.scope.context.dirs, &site.scope.project.root, docker)?;
    prepared.make_kept(site)
}

/// What of other instances the services are to reach, before they start; for that they are made first.
pub(super) fn tie(site: &Site<'_>, prepared: &Prepared, words: &[OsString]) -> Result<(), Failure> {
    let is_linked = link::concerns(site)?;
    share::start(site, prepared, || {
        if site.scope.is_apart || !is_linked && prepared.over.shared.is_empty() {
            return Ok(());
        }
        let made = ["up", "--no-start"].map(OsString::from);
        let words: Vec<OsString> = made.into_iter().chain(words.iter().cloned()).collect();
        finish(&compose(site).with_files(&prepared.files, &words), "up --no-start")
    })?;
    if is_linked { link::tie(site) } else { Ok(()) }
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
