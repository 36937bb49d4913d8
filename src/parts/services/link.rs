//! `link` (D26): the services of an instance reach those of another one by `SERVICE.INSTANCE.SUFFIX`. Each pair has a network of its
//! own for that, made by silo, which the containers of both are in beside their own networks. What is there is asked of the engine.

use std::collections::HashSet;

use super::run::{docker, engine};
use super::subnet;
use crate::backend::docker::is_gone;
use crate::backend::engine::Container;
use crate::backend::links::Link;
use crate::core::leases::{Instance, Leases};
use crate::core::services::name_of;
use crate::core::text::digest;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::named;
use crate::parts::scope::Site;
use crate::store::{names, registry};

/// How often other addresses are tried where those that were chosen turn out to be used.
const TRIES: usize = 5;

/// Whether `silo.toml` links an instance to others.
fn is_asked(site: &Site<'_>) -> bool {
    let said = site.scope.settings.compose.as_ref().and_then(|said| said.link.as_ref());
    said.is_some_and(|link| !link.is_empty())
}

/// Whether an instance is linked to another, or another to it.
///
/// # Errors
/// A [`Failure`] when the engine does not answer.
pub(super) fn concerns(site: &Site<'_>) -> Result<bool, Failure> {
    let is_ours = |link: &Link| [&link.from, &link.to].contains(&&site.scope.id);
    Ok(is_asked(site) || !site.scope.is_apart && engine(site).links()?.iter().any(is_ours))
}

/// Links what is declared, and takes away what is no longer there; connects this instance's containers with the links that others have to it.
/// They may be made and not started yet.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or a network cannot be made.
pub(super) fn tie(site: &Site<'_>) -> Result<(), Failure> {
    let scope = site.scope;
    let ui = &scope.context.ui;
    if scope.is_apart {
        if is_asked(site) {
            ui.step("A run beside the instance is linked to no other: `link` does not apply to it");
        }
        return Ok(());
    }
    let there = engine(site).links()?;
    let (mine, others): (Vec<Link>, Vec<Link>) = there
        .into_iter()
        .filter(|link| [&link.from, &link.to].contains(&&scope.id))
        .partition(|link| link.from == scope.id);
    if mine.is_empty() && others.is_empty() && !is_asked(site) {
        return Ok(());
    }
    let leases = registry::peek(&scope.context.dirs)?;
    let targets = targets(site, &leases);
    let all = engine(site).containers(None)?;
    let own_entry = leases.at(scope.project.root_text());
    let own_project = &site.settled.identity.compose_name;
    let is_wanted = |link: &Link| link.project == *own_project && targets.iter().any(|target| target.id == link.to);
    for link in mine.iter().filter(|link| !is_wanted(link)) {
        remove(site, link, &all)?;
    }
    for target in &targets {
        let link = match mine.iter().find(|link| is_wanted(link) && link.to == target.id) {
            Some(link) => link.clone(),
            None => make(site, target)?,
        };
        let project = target.qualified();
        let theirs: Vec<&Container> = of(&all, &target.id, &project).collect();
        match theirs.is_empty() {
            true => ui.step(&format!(
                "`{}`, which `link` names, has no services now; they are reached once it is up",
                one_line(&target.name)
            )),
            false => connect(site, &link, &theirs, Some(target))?,
        }
        connect(site, &link, &of(&all, &scope.id, own_project).collect::<Vec<_>>(), None)?;
    }
    let own: Vec<&Container> = of(&all, &scope.id, own_project).collect();
    others.iter().try_for_each(|link| connect(site, link, &own, own_entry))
}

/// Takes the links of an instance away that is down. Those that others have to it stay: it may come back.
///
/// # Errors
/// A [`Failure`] when the engine does not answer, or a network is not to be removed.
pub(super) fn untie(site: &Site<'_>) -> Result<(), Failure> {
    if site.scope.is_apart {
        return Ok(());
    }
    let mine: Vec<Link> = engine(site).links()?.into_iter().filter(|link| link.from == site.scope.id).collect();
    if mine.is_empty() {
        return Ok(());
    }
    let all = engine(site).containers(None)?;
    mine.iter().try_for_each(|link| remove(site, link, &all))
}

/// The other instances that `link` names; one that is not to be found is said. `silo.toml` is the same in every worktree, so the
/// instance may name itself.
fn targets(site: &Site<'_>, leases: &Leases) -> Vec<Instance> {
    let (context, root) = (site.scope.context, &site.scope.project.root);
    let said = site.scope.settings.compose.as_ref().and_then(|said| said.link.clone()).unwrap_or_default();
    let mut targets: Vec<Instance> = Vec::new();
    for name in said.iter().filter(|name| !named::is(leases, root, &name.value)) {
        match named::other(leases, root, &name.value) {
            Ok(target) if targets.iter().any(|one| one.id == target.id) => {}
            Ok(target) => targets.push(target.clone()),
            Err(failure) => {
                let why = [failure.what.as_str()].into_iter().chain(failure.hints.iter().map(String::as_str));
                let (name, why) = (one_line(&name.value), why.collect::<Vec<_>>().join("; "));
                context.ui.warn(&format!("`link` reaches nothing by `{name}`: {why}"));
            }
        }
    }
    targets
}

/// The containers of an instance that can be in one more network.
fn of<'a>(all: &'a [Container], id: &'a str, project: &'a str) -> impl Iterator<Item = &'a Container> {
    let fits = |one: &&Container| !one.networks.iter().any(|network| network == "host" || network == "none");
    let own = all.iter().filter(move |one| one.instance == id && one.project == project);
    own.filter(|one| !one.networks.is_empty()).filter(fits)
}

/// Connects containers with a link, those of the instance that is reached under their names.
fn connect(site: &Site<'_>, link: &Link, containers: &[&Container], reached: Option<&Instance>) -> Result<(), Failure> {
    let context = site.scope.context;
    let wanted = reached.map(|instance| names::wanted(&context.dirs, instance.root.as_ref())).unwrap_or_default();
    for one in containers.iter().filter(|one| !one.networks.contains(&link.name)) {
        let names: Vec<String> = match (reached, wanted.get(&one.service)) {
            (Some(_), Some(names)) => names.clone(),
            (Some(instance), None) => {
                name_of(&one.service, &instance.name, &context.settings.network.suffix).into_iter().collect()
            }
            (None, _) => Vec::new(),
        };
        let Err(failure) = docker(site).connect(&link.name, &one.id, &names, None) else { continue };
        // The other instance goes down at the same time. The network of an own link is this one's.
        let is_own = link.from == site.scope.id;
        if !is_gone(&failure) || is_own && !engine(site).links()?.iter().any(|there| there.name == link.name) {
            return Err(failure);
        }
    }
    Ok(())
}

/// Makes the network of a link, with addresses from the pool that nobody uses.
fn make(site: &Site<'_>, target: &Instance) -> Result<Link, Failure> {
    let project = &site.settled.identity.compose_name;
    let link = Link::of((project, &site.scope.id), (&target.qualified(), &target.id));
    let place = digest::number(&[link.name.as_bytes()]);
    let mut tried = HashSet::new();
    loop {
        let range = subnet::unused(site, &tried, place)?;
        match docker(site).make_link(&link, range) {
            Err(failure) if tried.len() < TRIES && says_used(&failure) => _ = tried.insert(range),
            Err(failure) if failure.excerpt.as_ref().is_some_and(|said| said.contains("already exists")) => {
                return Ok(link);
            }
            done => return done.map(|()| link),
        }
    }
}

fn says_used(failure: &Failure) -> bool {
    failure.excerpt.as_ref().is_some_and(|said| said.to_lowercase().contains("overlap"))
}

/// Takes a link away, with whoever is in it disconnected first: one that is stopped could not be started without it.
fn remove(site: &Site<'_>, link: &Link, all: &[Container]) -> Result<(), Failure> {
    let inside = all.iter().filter(|one| one.networks.contains(&link.name));
    let done = inside.map(|one| docker(site).disconnect(&link.name, &one.id)).collect::<Result<Vec<()>, _>>();
    done.and_then(|_| docker(site).remove_network(&link.name))
}
