//! `silo down`, step by step as docs/architecture.md lists them.

use std::path::{Path, PathBuf};

use crate::backend::hooks::Point;
use crate::core::config;
use crate::core::instance::lockfile::InstanceState;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::kept::{self, Kept};
use crate::parts::lifecycle;
use crate::parts::part::{Leave, Part, Stop, Stopped};
use crate::parts::scope::{Scope, Site};
use crate::parts::starter::Starter;
use crate::parts::strays;
use crate::parts::wanted;
use crate::store::ask::{Ask, Occasion};
use crate::store::project::{self, Project};
use crate::store::{free, registry, trust};
use crate::sys::lock::Wait;
use crate::sys::{files, signals};

pub(super) fn run(context: &Context, stop: Stop, clean: bool) -> Result<u8, Failure> {
    let project = context.project().map_err(|failure| with_running(failure, nearest_record(context)))?;
    let state = project.lockfile()?.map(|(lockfile, _)| lockfile.instance);
    let starter = Starter::of(&context.dirs, &project);
    // A lockfile that was removed takes nothing along that runs.
    if state.is_none() && starter.is_none() && !is_left(context, &project, stop.delete_cluster)? {
        return Err(Failure::new("No lockfile found. Nothing to stop."));
    }
    signals::watch();
    // First of all: who heals must not bring back what is being stopped.
    wanted::forget(context, &project)?;
    let state = state.unwrap_or_default();
    if let Some(starter) = starter.filter(|starter| !starter.has_started(&parts::ALL, &state, &project)) {
        context.ui.step(&format!("Stopping the `silo up` that is on the way (pid {})", starter.pid()));
        starter.end()?;
    }
    let config = project.config().map_err(|failure| {
        let failure = by_hand(context, &project, &state).into_iter().fold(failure, Failure::hint);
        with_running(failure, Some((project.root.clone(), state)))
    })?;
    // What is being stopped is the instance as it is: a profile asked for by a variable does not matter.
    let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
    let scope = Scope::of(context, &project, &config, &ask)?;
    let site = Site::new(&scope, context.settle(&project, &config, &ask)?);
    let known = &site.settled.known;
    let stopped = take_down(&site, stop)?;
    if !clean && stopped.iter().all(|(_, stopped)| *stopped != Stopped::Done) {
        let absent = stopped.iter().filter(|(_, stopped)| *stopped == Stopped::Nothing).map(|(part, _)| *part);
        if let Some(absent) = none_runs(absent, &scope) {
            context.ui.step(&format!("{absent} here; `{}` keeps its leases", known.name));
        }
    }
    if let Err(failure) = lifecycle::run(&site, Point::PostDown) {
        context.ui.warn(&failure.what);
    }
    if clean {
        let env_file = project.env_file(&config.output)?;
        let left = kept::stock(context)
            .map(|(inventory, neighbours)| Kept::of_all(&inventory, &neighbours, &project.root))
            .map_or_else(Vec::new, |kept| kept.lines(&config.prefix));
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
        let both = [env_file.path.as_path(), &project.lockfile_path()];
        free::own(&context.dirs, &project.root, &both, &wait)?;
        context.ui.step("Removed env file and lockfile; the leases are free");
        for line in &left {
            context.ui.step(line);
        }
    }
    for line in strays::lines(context, &site.settled, &site.settled.identity, &project.root) {
        context.ui.step(&line);
    }
    if stopped.iter().any(|(_, stopped)| *stopped == Stopped::Done) {
        context.ui.step("Done");
    }
    Ok(signals::asked().map_or(0, signals::Asked::code))
}

/// Takes an instance's parts down, the last first; what became of each.
fn take_down(site: &Site<'_>, stop: Stop) -> Result<Vec<(&'static dyn Part, Stopped)>, Failure> {
    // Before anything is stopped: what is somebody else's is not this instance's to take away.
    let leaves = parts::ALL.iter().map(|part| part.may_stop(site, stop)).collect::<Result<Vec<_>, _>>()?;
    lifecycle::run(site, Point::PreDown)?;
    let (mut stopped, mut unknown) = (Vec::new(), None);
    for (part, leave) in parts::ALL.iter().zip(leaves).rev() {
        match leave {
            Leave::Given => stopped.push((*part, part.down(site, stop)?)),
            Leave::Unknown(failure) => unknown = Some(failure),
        }
    }
    unknown.map_or(Ok(stopped), Err)
}

/// Takes all of an instance down whose workspace is to be removed, its volumes and its cluster included; where nothing of it
/// was ever up, nothing is asked. What its volumes keep stays.
pub(super) fn for_good(context: &Context, project: &Project) -> Result<(), Failure> {
    let state = project.lockfile()?.map(|(lockfile, _)| lockfile.instance).unwrap_or_default();
    if let Some(starter) = Starter::of(&context.dirs, project)
        && !starter.has_started(&parts::ALL, &state, project)
    {
        starter.end()?;
    }
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
    let scope = Scope::of(context, project, &config, &ask)?;
    let site = Site::new(&scope, context.settle(project, &config, &ask)?);
    take_down(&site, Stop { delete_cluster: true, volumes: true })?;
    if let Err(failure) = lifecycle::run(&site, Point::PostDown) {
        context.ui.warn(&failure.what);
    }
    Ok(())
}

/// Says of parts that they do not run; of those that the project declares alone, if it declares any of them.
fn none_runs<'a>(absent: impl Iterator<Item = &'a dyn Part>, scope: &Scope<'_>) -> Option<String> {
    let titles = |parts: &[&dyn Part]| parts.iter().map(|part| part.title()).collect::<Vec<_>>();
    let absent: Vec<&dyn Part> = absent.collect();
    let declared = titles(&parts::declared(&scope.settings, &scope.project.root));
    let own: Vec<_> = absent.iter().copied().filter(|part| declared.contains(&part.title())).collect();
    let titles = titles(if own.is_empty() { &absent } else { &own });
    let runs = if titles.len() == 1 && !titles[0].ends_with('s') { "runs" } else { "run" };
    (!titles.is_empty()).then(|| format!("No {} {runs}", titles.join(" and no ")))
}

/// Whether something of an instance without a lockfile is still there.
fn is_left(context: &Context, project: &Project, delete_cluster: bool) -> Result<bool, Failure> {
    let state = InstanceState::default();
    let runs = parts::ALL.iter().any(|part| part.process(&state, &project.root).is_some());
    Ok(runs || delete_cluster && registry::peek(&context.dirs)?.at(project.root_text()).is_some())
}

/// A `silo.toml` that cannot be read keeps its hooks from running, so nothing is stopped; what to type is said anyway.
fn with_running(failure: Failure, record: Option<(PathBuf, InstanceState)>) -> Failure {
    let Some((root, state)) = record else { return failure };
    let running = parts::ALL.iter().filter_map(|part| Some((part.title(), part.process(&state, &root)?)));
    running.fold(failure, |failure, (title, process)| {
        failure.hint(format!("{title} runs here; without hooks, `kill {}` stops it", process.pid))
    })
}

/// What stops the parts that are no process of silo's, as far as the `silo.toml` that was allowed last tells.
fn by_hand(context: &Context, project: &Project, state: &InstanceState) -> Vec<String> {
    let last = trust::last_allowed(&context.dirs, project).ok().flatten().unwrap_or_default();
    let Ok(config) = config::parse(&String::from_utf8_lossy(&last)) else { return Vec::new() };
    let Some(settings) = config.settings(state.profile.as_deref()) else { return Vec::new() };
    let stops = parts::ALL.iter().filter_map(|part| Some((part.title(), part.stopped_by(&settings, &state.name)?)));
    stops.map(|(title, line)| format!("Where {title} run, `{line}` stops them without hooks")).collect()
}

/// The nearest lockfile upward, where the `silo.toml` beside it is gone: another branch may have none.
fn nearest_record(context: &Context) -> Option<(PathBuf, InstanceState)> {
    let record = |root: &Path| {
        let (lockfile, _) = project::lockfile_of(root).ok()??;
        Some((files::canonical(root).ok()?, lockfile.instance))
    };
    context.folder.ancestors().find_map(record)
}
