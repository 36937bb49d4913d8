//! `share` (D28): services that are one for all instances of a repository run in a compose project of their own. They start with the
//! first instance that is up, are connected with the networks of each, and stop with the last. Who uses them is asked of the engine: it
//! is whoever has a container in a network with them.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Instant;

use super::observe::{Observed, answer};
use super::prepare::{self, Prepared};
use super::run::{docker, engine, finish};
use crate::backend::compose::Compose;
use crate::backend::engine::Container;
use crate::core::services::Shared;
use crate::failure::Failure;
use crate::parts::part::ReadyCheck;
use crate::parts::ready;
use crate::parts::scope::Site;
use crate::parts::shared::{READY, hold, let_go, stop_unused};
use crate::store::shared::Repository;
use crate::sys::writing::{self, Writing};

/// Starts the shared services of an instance, has its own containers made, and connects the two. Without shared services, `make`
/// alone; what was shared before is released.
///
/// # Errors
/// A [`Failure`] when they cannot be started or connected, or do not come to be ready.
pub(super) fn start(
    site: &Site<'_>,
    prepared: &Prepared,
    make: impl FnOnce() -> Result<(), Failure>,
) -> Result<(), Failure> {
    let wanted = &prepared.over.shared;
    if wanted.is_empty() {
        return leave(site).and_then(|()| make());
    }
    let repository = Repository::of(&site.scope.project.root);
    hold(site.scope.context, &repository.id, || {
        run(site, &repository, prepared)?;
        make()?;
        connect(site, &repository, wanted)
    })
}

/// Runs what is shared; what runs already stays as the instance that started it has it.
fn run(site: &Site<'_>, repository: &Repository, prepared: &Prepared) -> Result<(), Failure> {
    let (ui, root) = (&site.scope.context.ui, &site.scope.project.root);
    let observed = Observed { engine: engine(site), project: &repository.project, shared: &[], root };
    let there = observed.containers()?;
    let runs = |name: &String| there.iter().any(|one| one.service == *name && one.state == "running");
    let names: Vec<String> = prepared.over.shared.iter().map(|shared| shared.service.clone()).collect();
    if !names.iter().all(runs) {
        ui.step(&format!("Starting what instances share: {}", names.join(", ")));
        let files = files(site, repository, prepared)?;
        let compose = Compose { environment: &site.environment, folder: root, project: &repository.project };
        let words = ["up", "--detach", "--no-recreate"].map(OsString::from);
        let words: Vec<OsString> = words.into_iter().chain(names.into_iter().map(OsString::from)).collect();
        finish(&compose.with_files(&files, &words), "up")?;
    }
    let mut check: ReadyCheck<'_> = Box::new(move || answer(&observed, &[]));
    let spinner = ui.spin("Waiting until what instances share is ready");
    let ready = ready::until_ready(&mut check, Instant::now(), READY);
    drop(spinner);
    ready
}

/// The project's files with the override of the shared services behind them.
fn files(site: &Site<'_>, repository: &Repository, prepared: &Prepared) -> Result<Vec<PathBuf>, Failure> {
    let (over, own) = prepared.files.split_last().expect("the override is the last of them");
    let made = prepare::made_shared(site, own, repository)?;
    made.notices.iter().for_each(|notice| site.scope.context.ui.step(notice));
    let path = over.with_extension("shared.yaml");
    writing::replace(&path, made.text.as_bytes(), Writing::PRIVATE)?;
    Ok(own.iter().cloned().chain([path]).collect())
}

/// Connects what is shared with the networks in which the instance's own containers are.
fn connect(site: &Site<'_>, repository: &Repository, wanted: &[Shared]) -> Result<(), Failure> {
    let project = &site.settled.identity.compose_name;
    let own = engine(site).containers(Some(project))?;
    let there = engine(site).containers(Some(&repository.project))?;
    for shared in wanted {
        for (key, address) in &shared.networks {
            let network = format!("{project}_{key}");
            if !own.iter().any(|one| one.networks.contains(&network)) {
                continue;
            }
            let fits = |one: &&Container| one.service == shared.service && !one.networks.contains(&network);
            there
                .iter()
                .filter(fits)
                .try_for_each(|one| docker(site).connect(&network, &one.id, &shared.names, *address))?;
        }
    }
    Ok(())
}

/// Takes what is shared out of the networks of an instance that goes down, and stops it where nobody is left. Its data stays.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or something cannot be disconnected or stopped.
pub(super) fn leave(site: &Site<'_>) -> Result<(), Failure> {
    disconnect(site).and_then(|()| retire(site))
}

/// Takes what is shared out of the networks of an instance, which can go then.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or something cannot be disconnected.
pub(super) fn disconnect(site: &Site<'_>) -> Result<(), Failure> {
    let prefix = format!("{}_", site.settled.identity.compose_name);
    of_site(site, |project| let_go(engine(site), project, &|network| network.starts_with(&prefix)))
}

/// Stops what is shared where nobody uses it any more.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or something cannot be stopped.
pub(super) fn retire(site: &Site<'_>) -> Result<(), Failure> {
    of_site(site, |project| stop_unused(site.scope.context, engine(site), project))
}

/// Acts on the shared services of an instance's repository under their lock, where there are any.
fn of_site(site: &Site<'_>, act: impl FnOnce(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    let Repository { id, project } = Repository::of(&site.scope.project.root);
    if site.scope.is_apart || engine(site).containers(Some(&project))?.is_empty() {
        return Ok(());
    }
    hold(site.scope.context, &id, || act(&project))
}
