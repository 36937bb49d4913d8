//! Services that are wanted (D31): which of them a start has brought up, and bringing back single ones.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::observe::{Observed, with_needs};
use super::prepare::{Prepared, files_for};
use super::run::{compose, engine};
use super::stand::{COLUMN, does_not_run};
use super::start::{prepare_volumes, tie};
use super::{guard, subnet};
use crate::backend::engine::{Container, Health};
use crate::core::config::Text;
use crate::core::leases::Wish;
use crate::core::services::Starts;
use crate::core::text::source::printable;
use crate::failure::Failure;
use crate::parts::part::{Pending, Readiness, ReadyCheck};
use crate::parts::ready;
use crate::parts::scope::Site;
use crate::store::registry;

/// How long compose may take to bring back some.
const BACK: Duration = Duration::from_mins(5);
/// How long after a start it is looked whether it still runs.
const STAYS: Duration = Duration::from_secs(1);
/// How long the end of a log may take.
const LOG: Duration = Duration::from_secs(10);
/// How long those that others need may take until they are ready.
const READY: Duration = Duration::from_mins(2);

/// The services that run after a start, of which these were named.
pub(super) fn up_now(site: &Site<'_>, words: &[OsString]) -> Result<Vec<Wish>, Failure> {
    let observed = Observed::of(site);
    let containers = observed.containers()?;
    let named: Vec<Text> = words
        .iter()
        .filter_map(|word| word.to_str())
        .filter(|word| containers.iter().any(|container| container.service == *word))
        .map(|word| Text { value: word.to_owned(), span: 0..0 })
        .collect();
    let only = with_needs(&containers, &named).unwrap_or_default();
    let stays = |container: &&Container| {
        let is_asked = named.is_empty() || only.contains(&container.service);
        is_asked && !matches!(observed.engine.health(container), Health::Done | Health::Down)
    };
    let mut found: Vec<Wish> =
        containers.iter().filter(stays).map(|container| Wish::of(COLUMN, &container.service)).collect();
    found.dedup();
    Ok(found)
}

/// Brings back some services and nothing else, those that others need first; returns which failed.
pub(super) fn bring_back(site: &Site<'_>, names: &[String]) -> Vec<(Option<String>, Failure)> {
    let all = |failure: Failure| names.iter().map(|name| (Some(name.clone()), failure.clone())).collect();
    let prepared = match prepared(site) {
        Ok(prepared) => prepared,
        Err(failure) => return all(failure),
    };
    let ties = ["--no-deps", "--no-recreate"].into_iter().chain(names.iter().map(String::as_str)).map(OsString::from);
    if let Err(failure) = tie(site, &prepared, &ties.collect::<Vec<_>>()) {
        return all(failure);
    }
    let mut failed = Vec::new();
    for wave in waves(names, &prepared.over.starts) {
        match start(site, &prepared.files, &wave) {
            Ok(()) if stays(site, &wave).is_ok() => {}
            // None is started a second time: the user may have stopped it by now.
            Ok(()) => failed.extend(each(wave, |name| stays(site, name))),
            Err(failure) if wave.len() == 1 => failed.push((wave.into_iter().next(), failure)),
            // Each by itself: one that is not available does not hold up the rest.
            Err(_) => {
                failed.extend(each(wave, |name| start(site, &prepared.files, name).and_then(|()| stays(site, name))));
            }
        }
    }
    failed.extend(heed_stops(site, &prepared.files, names).err().map(|failure| (None, failure)));
    // What runs has its names, whatever failed.
    let published = Observed::of(site).containers().and_then(|containers| subnet::publish(site, &containers));
    failed.extend(published.err().map(|failure| (None, failure)));
    failed
}

/// Stops what is no longer wanted: the user's decision may have come between the last look and the start, and is the last one.
fn heed_stops(site: &Site<'_>, files: &[PathBuf], names: &[String]) -> Result<(), Failure> {
    let leases = registry::peek(&site.scope.context.dirs)?;
    let wanted = leases.at(site.scope.project.root_text()).map(|instance| &instance.wanted);
    let is_over = |name: &&String| wanted.is_none_or(|wanted| !wanted.has(&Wish::of(COLUMN, name)));
    let over: Vec<OsString> = names.iter().filter(is_over).map(OsString::from).collect();
    if over.is_empty() {
        return Ok(());
    }
    let compose = compose(site);
    let cmd = compose.with_files(files, &[vec!["stop".into()], over].concat());
    cmd.capture(BACK)?.success(&cmd).map(|_| ())
}

/// What compose is called with, once everything is there that it needs.
fn prepared(site: &Site<'_>) -> Result<Prepared, Failure> {
    let prepared = Prepared::of(site, files_for(site.scope, &site.environment)?, &[])?;
    guard::may_start(site.scope, engine(site), &prepared.binds)?;
    prepare_volumes(site, &prepared)?;
    Ok(prepared)
}

/// Does something with each of some services; those with which it failed.
fn each(names: Vec<String>, act: impl Fn(&[String]) -> Result<(), Failure>) -> Vec<(Option<String>, Failure)> {
    let failed = names.into_iter().filter_map(|name| Some((act(std::slice::from_ref(&name)).err()?, name)));
    failed.map(|(failure, name)| (Some(name), failure)).collect()
}

/// Starts some services. What has ended with success is not run again, for they are started
/// without what they need.
fn start(site: &Site<'_>, files: &[PathBuf], names: &[String]) -> Result<(), Failure> {
    let compose = compose(site);
    let up = |recreate: &str| {
        let words = ["up", "--detach", "--no-deps", recreate].into_iter().chain(names.iter().map(String::as_str));
        let cmd = compose.with_files(files, &words.map(Into::into).collect::<Vec<OsString>>());
        cmd.capture(BACK)?.success(&cmd).map(|_| ())
    };
    match up("--no-recreate") {
        // What was in a network that is gone can never start again as it is.
        Err(failure) if lacks_network(&failure) => up("--force-recreate"),
        done => done,
    }
}

/// Waits until some services are ready, and looks whether they stay so.
fn stays(site: &Site<'_>, names: &[String]) -> Result<(), Failure> {
    let observed = Observed::of(site);
    let mut check: ReadyCheck<'_> = Box::new(|| readiness(&observed, names));
    ready::until_ready(&mut check, Instant::now(), READY)?;
    // What ends at once runs at the first look.
    ready::pause(STAYS)?;
    ready::until_ready(&mut check, Instant::now(), READY)
}

/// Whether the engine says that a network is gone which a container is in.
fn lacks_network(failure: &Failure) -> bool {
    let said = failure.excerpt.as_deref().unwrap_or_default();
    said.lines().any(|line| line.contains("network") && line.contains("not found"))
}

/// How near some services are to being ready, whatever else runs.
fn readiness(observed: &Observed<'_>, names: &[String]) -> Result<Readiness, Failure> {
    let containers = match observed.containers() {
        Ok(containers) => containers,
        Err(failure) => return Ok(Readiness::Silent(failure)),
    };
    let mut waits = None;
    for name in names {
        let Some(container) = containers.iter().find(|container| container.service == *name) else {
            return Err(does_not_run(name, "it has no container"));
        };
        match observed.engine.health(container) {
            Health::Ready | Health::Done => {}
            Health::Down => return Err(does_not_run(name, &container.status)),
            Health::Starting | Health::Unhealthy => {
                waits = Some(Pending { what: format!("{name}: {}", container.status), log: Some(name.clone()) });
            }
        }
    }
    Ok(waits.map_or(Readiness::Ready, Readiness::Waiting))
}

/// The last lines that a service has logged.
pub(super) fn last_lines(site: &Site<'_>, name: &str) -> Vec<String> {
    let words = ["logs", "--no-color", "--no-log-prefix", "--tail", "5", name];
    let log = compose(site).capture(&[], &words, LOG).map(|log| log.stdout).unwrap_or_default();
    String::from_utf8_lossy(&log).lines().map(printable).collect()
}

/// Names in the order in which they can be started: each wave needs only those before it.
fn waves(names: &[String], starts: &Starts) -> Vec<Vec<String>> {
    let mut left: Vec<String> = names.to_vec();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let waits = |name: &String| {
            let needs = starts.0.get(name).map(|start| &start.needs);
            needs.is_some_and(|needs| needs.iter().any(|need| need != name && left.contains(need)))
        };
        let (now, later): (Vec<String>, Vec<String>) = left.iter().cloned().partition(|name| !waits(name));
        // Compose refuses a circle; here it would never end.
        let (now, later) = if now.is_empty() { (later, Vec::new()) } else { (now, later) };
        waves.push(now);
        left = later;
    }
    waves
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::services::Model;

    #[test]
    fn what_others_need_comes_first_and_a_circle_ends() {
        let model = r#"{"services": {"web": {"depends_on": {"db": {}, "cache": {}}}, "db": {"depends_on": {"disk": {}}},
                                     "cache": {}, "disk": {}, "a": {"depends_on": {"b": {}}}, "b": {"depends_on": {"a": {}}}}}"#;
        let starts = Starts::of(&Model::parse(model).expect("it is one"));
        let waves = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            super::waves(&names, &starts).into_iter().map(|wave| wave.join(" ")).collect::<Vec<_>>()
        };
        assert_eq!(waves(&["web", "cache", "db"]), ["cache db", "web"]);
        assert_eq!(waves(&["web", "disk", "db"]), ["disk", "db", "web"]);
        assert_eq!(waves(&["a", "b", "unknown"]), ["unknown", "a b"]);
    }
}
