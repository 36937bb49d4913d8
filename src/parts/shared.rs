//! Services that are one for all instances of a repository, as they are released (D28): out of the networks of an instance that goes, and
//! down where nobody uses them any more.

use std::time::Duration;

use super::context::Context;
use crate::backend::compose::Compose;
use crate::backend::engine::{Container, Engine};
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::store::shared::{self, PREFIX};
use crate::sys::lock::{self, Wait};

/// How long they may take until they are ready, and how long another instance's start of them is waited for.
pub(super) const READY: Duration = Duration::from_mins(5);
/// How long a stop may take: compose gives each container ten seconds.
const STOP: Duration = Duration::from_mins(1);

/// Takes the shared services out of networks that are about to be removed, those of roots that are gone, and stops those that nobody
/// uses any more. `networks` are names in Docker.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or something cannot be disconnected or stopped.
pub(super) fn free(context: &Context, environment: &Environment, networks: &[&str]) -> Result<(), Failure> {
    let engine = Engine::of(environment, std::path::Path::new("/"));
    let is_in = |one: &Container| one.networks.iter().any(|network| networks.contains(&network.as_str()));
    // What cannot be asked is for the removal to say.
    let Ok(all) = engine.containers(None) else { return Ok(()) };
    let mut projects: Vec<(&str, &str)> = all
        .iter()
        .filter(|one| one.project.starts_with(PREFIX) && is_in(one))
        .map(|one| (one.project.as_str(), one.shared.as_str()))
        .collect();
    projects.sort_unstable();
    projects.dedup();
    let is_left = |network: &str| networks.contains(&network);
    projects.into_iter().filter(|(_, id)| id.bytes().all(|c| c.is_ascii_hexdigit())).try_for_each(|(project, id)| {
        hold(context, id, || {
            let_go(engine, project, &is_left)?;
            stop_unused(context, engine, project)
        })
    })
}

/// Disconnects shared services from networks.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or something cannot be disconnected.
pub(super) fn let_go(engine: Engine<'_>, project: &str, is_left: &dyn Fn(&str) -> bool) -> Result<(), Failure> {
    let there = engine.containers(Some(project))?;
    for one in &there {
        let left = one.networks.iter().filter(|network| is_left(network));
        left.map(|network| engine.docker().disconnect(network, &one.id)).collect::<Result<Vec<()>, _>>()?;
    }
    Ok(())
}

/// Whether somebody is in a network with the shared services of a project who is there or about to run.
pub fn is_used(all: &[Container], project: &str) -> bool {
    let (shared, others): (Vec<&Container>, Vec<&Container>) = all.iter().partition(|one| one.project == project);
    let networks: Vec<&String> = shared.iter().flat_map(|one| &one.networks).collect();
    let is_there = |one: &&&Container| !["exited", "dead"].contains(&one.state.as_str());
    others.iter().filter(is_there).any(|one| one.networks.iter().any(|own| networks.contains(&own)))
}

/// Stops shared services where nobody is in a network with them that is there or about to run.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or something cannot be stopped.
pub(super) fn stop_unused(context: &Context, engine: Engine<'_>, project: &str) -> Result<(), Failure> {
    let all = engine.containers(None)?;
    let shared = || all.iter().filter(|one| one.project == project);
    if shared().all(|one| one.networks.is_empty()) || is_used(&all, project) {
        return Ok(());
    }
    let names: Vec<String> = shared().map(|one| one_line(&one.service)).collect();
    context.ui.step(&format!("Stopping what instances shared, for nobody uses it any more: {}", names.join(", ")));
    let compose = Compose { environment: engine.environment, folder: engine.folder, project };
    let cmd = compose.with_files(&[], &["down".into()]);
    cmd.capture(STOP)?.success(&cmd).map(|_| ())
}

/// One start or stop of shared services at a time.
///
/// # Errors
/// A [`Failure`] when another one takes too long, or of `act` itself.
pub(super) fn hold<T>(context: &Context, id: &str, act: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    let busy = |holder| {
        Failure::new(format!("The services that instances share are being started or stopped{holder}"))
            .hint("Wait for it, and run this again")
    };
    let wait = Wait { limit: READY, tell: &|text| context.ui.step(text) };
    lock::hold(&shared::lock(&context.dirs, id), "the start or stop of what instances share", &wait, busy, act)
}
