//! The services of a project's compose files (docs/compose.md), isolated by an override and never by an edit (D23).

mod apart;
mod back;
mod fill;
mod filling;
mod former;
mod guard;
mod link;
mod missing;
mod observe;
mod plain;
mod prepare;
mod rest;
mod run;
mod share;
mod source;
mod stand;
mod start;
mod subnet;
mod word;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::part::{
    Declared, Leave, Log, Part, ReadyCheck, Report, Run, Shown, Stage, Stand, Stop, Stopped, Subject, Survey, Tool,
};
use super::scope::{Scope, Site};
use crate::backend::compose::Compose;
use crate::backend::docker::INSTALL;
use crate::backend::engine::{Container, Engine, program};
use crate::core::config::{Gate, Settings, Text};
use crate::core::leases::{Instance, Wish};
use crate::core::services::Override;
use crate::core::shell::environment::Environment;
use crate::core::text::source::{one_line, printable};
use crate::core::text::version::Version;
use crate::failure::Failure;
use crate::store::shared::Repository;
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::signals;
use observe::{Observed, answer, none_runs, shared_of};
use prepare::{Prepared, files_for, project_of};
use run::{compose, engine, engine_of, finish};
use stand::COLUMN;
use start::{prepare_volumes, start};

pub use apart::Whole;
pub use former::{Former, seed as seed_line, volume_keys};
pub use plain::{Plain, is_about, plain};
pub use source::{Manner, Source, seed};

/// How long a stop may take until silo goes on without it: compose gives each container ten seconds.
const STOP: Duration = Duration::from_secs(30);

/// How long the end of a log may take.
const LOG: Duration = Duration::from_secs(10);

/// The part.
pub(super) struct Services;

const TOOLS: [Tool; 1] = [Tool {
    name: "docker",
    install: INSTALL,
    version: &["--version"],
    least: Some((Version(20, 10, 0), "`docker compose` needs it")),
    or: Some("podman"),
}];

impl Part for Services {
    fn shown(&self) -> Option<Shown> {
        Some(Shown { column: COLUMN, key: "services" })
    }

    fn title(&self) -> &'static str {
        "services"
    }

    fn stage(&self) -> Stage {
        Stage::Foundation
    }

    fn stopped_by(&self, settings: &Settings, name: &str) -> Option<String> {
        settings.compose.is_some().then(|| format!("docker compose -p {}-{name} stop", settings.prefix))
    }

    fn declared(&self, settings: &Settings, _: &Path) -> Declared {
        settings.compose.as_ref().is_some_and(|compose| compose.start != Some(false)).into()
    }

    fn is_left_to_others(&self, settings: &Settings) -> bool {
        settings.compose.as_ref().is_some_and(|compose| compose.start.is_none())
    }

    fn tools(&self) -> &'static [Tool] {
        &TOOLS
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::Services)
    }

    fn how_to_declare(&self) -> Option<&'static str> {
        Some("For the services of compose files write `[compose]` in silo.toml")
    }

    fn up(&self, site: &mut Site<'_>, run: Run<'_>) -> Result<u8, Failure> {
        let words = match run {
            Run::Background(words) => words,
            // The terminal comes later, by `attach`.
            Run::Foreground(_) | Run::Once { .. } => &[],
        };
        start(site, words, &[]).map(|()| 0)
    }

    fn up_with(&self, site: &mut Site<'_>, only: &[Text]) -> Result<(), Failure> {
        let names: Vec<OsString> = only.iter().map(|name| name.value.clone().into()).collect();
        start(site, &names, only)
    }

    fn is_up_with(&self, scope: &Scope<'_>, only: &[Text]) -> bool {
        let Some(state) = &scope.state else { return false };
        let (project, shared) = (project_of(scope, &state.name), shared_of(&scope.settings));
        let observed =
            Observed { engine: engine_of(scope).soon(), project: &project, shared, root: &scope.project.root };
        observed.pending(only).is_ok_and(|pending| pending.is_none())
    }

    fn runs_apart(&self) -> bool {
        true
    }

    fn show_end(&self, site: &Site<'_>) {
        let Ok(log) = compose(site).capture(&[], &["logs", "--no-color", "--tail", "20"], LOG) else { return };
        String::from_utf8_lossy(&log.stdout).lines().for_each(|line| site.scope.context.ui.step(&printable(line)));
    }

    fn keeps_terminal(&self) -> bool {
        true
    }

    fn attach(&self, site: &Site<'_>) -> Result<u8, Failure> {
        let prepared = Prepared::of(site, files(site)?, &[])?;
        // Only what runs: what has done its work would do it again.
        let running = own(site)?.into_iter().filter(|container| container.state == "running");
        let mut services: Vec<OsString> = running.map(|container| container.service.into()).collect();
        services.dedup();
        if services.is_empty() {
            return Ok(0);
        }
        let words: Vec<OsString> =
            ["up", "--no-recreate", "--no-deps"].map(Into::into).into_iter().chain(services).collect();
        let ended = compose(site).with_files(&prepared.files, &words).run(|_| Ok(()))?;
        Ok(match (ended, signals::asked()) {
            // Stopping was asked for, and done.
            (Ended::Code(0 | 130 | 143), Some(asked)) if !asked.sent => 0,
            (ended, _) => ended.code(),
        })
    }

    fn end(&self, site: &Site<'_>) -> Result<(), Failure> {
        // In a group of its own: what stopped silo must not stop this.
        compose(site).with_files(&[], &["stop".into()]).hand_over(STOP)?;
        share::leave(site)?;
        subnet::publish(site, &own(site)?)
    }

    fn may_stop(&self, site: &Site<'_>, _: Stop) -> Result<Leave, Failure> {
        if !is_asked(site.scope) {
            return Ok(Leave::Given);
        }
        Ok(match own(site) {
            Ok(_) => Leave::Given,
            Err(failure) => Leave::Unknown(failure),
        })
    }

    fn down(&self, site: &Site<'_>, stop: Stop) -> Result<Stopped, Failure> {
        if !is_asked(site.scope) {
            return Ok(Stopped::Kept);
        }
        let there = own(site)?;
        if there.is_empty() && !stop.volumes {
            link::untie(site)?;
            subnet::publish(site, &[])?;
            return Ok(Stopped::Nothing);
        }
        // What is kept is known from the files alone, so without them no volume goes.
        let files = match files(site).and_then(|files| Prepared::of(site, files, &[])) {
            Ok(prepared) => prepared.files,
            Err(failure) if stop.volumes => return Err(failure),
            Err(_) => Vec::new(),
        };
        site.scope.context.ui.step("Stopping the services");
        if stop.volumes {
            name_volumes(site)?;
        }
        let mut words: Vec<OsString> = Vec::new();
        if !files.is_empty() {
            words.extend(["--profile".into(), "*".into()]);
        }
        words.push("down".into());
        words.extend(stop.volumes.then(|| "--volumes".into()));
        share::disconnect(site)?;
        finish(&compose(site).with_files(&files, &words), "down")?;
        share::retire(site)?;
        link::untie(site)?;
        subnet::publish(site, &[])?;
        Ok(Stopped::Done)
    }

    fn is_up(&self, scope: &Scope<'_>) -> bool {
        self.is_up_with(scope, &[])
    }

    fn readiness<'a>(&self, scope: &'a Scope<'a>) -> Result<Option<ReadyCheck<'a>>, Failure> {
        let name = scope.state.as_ref().map(|state| state.name.clone()).unwrap_or_default();
        let project = project_of(scope, &name);
        let engine = engine_of(scope).soon();
        let (shared, root) = (shared_of(&scope.settings), scope.project.root.as_path());
        if engine.containers(Some(&project))?.is_empty() {
            return Err(none_runs());
        }
        Ok(Some(Box::new(move || answer(&Observed { engine, project: &project, shared, root }, &[]))))
    }

    fn logs(&self, scope: &Scope<'_>, log: Log<'_>) -> Result<Option<u8>, Failure> {
        let Some(state) = scope.state.as_ref().filter(|_| is_asked(scope)) else { return Ok(None) };
        let (environment, root) = (scope.context.outside(), &scope.project.root);
        let project = &project_of(scope, &state.name);
        let is_shared = |name: &str| shared_of(&scope.settings).iter().any(|shared| shared.value == name);
        let shared = log.resource.filter(|name| is_shared(name)).map(|_| Repository::of(root).project);
        let project = shared.as_ref().unwrap_or(project);
        let there = Engine::of(&environment, root).soon().containers(Some(project))?;
        let is_of = |container: &Container| log.resource.is_none_or(|name| container.service == name);
        if !there.iter().any(is_of) {
            return Ok(None);
        }
        let compose = Compose { environment: &environment, folder: root, project };
        let mut words: Vec<OsString> = vec!["logs".into()];
        words.extend(log.follow.then(|| "--follow".into()));
        words.extend(log.resource.map(Into::into));
        // The files would only be read to name what is there already.
        let Cmd { arguments, .. } = compose.with_files(&[], &words);
        Err(cmd::exec(program(&environment).as_ref(), &arguments, &environment, Some(root)))
    }

    fn wishes(&self, site: &Site<'_>, words: &[OsString]) -> Result<Vec<Wish>, Failure> {
        back::up_now(site, words)
    }

    fn is_left(&self, outside: &Environment, stand: &Stand) -> Option<&'static str> {
        stand::left(Engine::of(outside, Path::new("/")), stand)
    }

    fn bring_back(&self, site: &mut Site<'_>, names: &[String]) -> Vec<(Option<String>, Failure)> {
        back::bring_back(site, names)
    }

    fn rest(&self, site: &Site<'_>) -> Result<Option<String>, Failure> {
        rest::rest(site)
    }

    fn last_lines(&self, site: &Site<'_>, name: &str) -> Vec<String> {
        back::last_lines(site, name)
    }

    fn survey(&self, outside: &Environment, instances: &[Instance]) -> Option<Survey> {
        observe::survey(outside, instances)
    }

    fn report(&self, subject: &Subject<'_>) -> Option<Report> {
        observe::report(subject)
    }
}

/// Whether services are this project's matter at all: those that somebody else starts are stopped by `down`, too.
fn is_asked(scope: &Scope<'_>) -> bool {
    scope.settings.compose.is_some()
}

/// The containers of an instance's services.
fn own(site: &Site<'_>) -> Result<Vec<Container>, Failure> {
    Observed::of(site).containers()
}

/// Says which volumes go with the services: those that compose knows as the project's, which kept ones are not.
fn name_volumes(site: &Site<'_>) -> Result<(), Failure> {
    let project = &site.settled.identity.compose_name;
    let all = engine(site).volumes()?;
    let mut own: Vec<String> =
        all.iter().filter(|volume| volume.project == *project).map(|one| one_line(&one.name)).collect();
    own.sort();
    if !own.is_empty() {
        site.scope.context.ui.step(&format!("Removing their volumes, data included: {}", own.join(", ")));
    }
    Ok(())
}

/// The override for a list of files, as `silo compose` prints it; `flags` are compose's own that change how the files are read.
/// Who is to start services with it needs their volumes: those that are kept are made, others filled.
///
/// # Errors
/// A [`Failure`] when compose cannot read the files, `[compose]` does not fit them, or a volume cannot be made.
pub fn override_of(
    site: &Site<'_>,
    files: &[PathBuf],
    flags: &[OsString],
    is_to_start: bool,
) -> Result<Override, Failure> {
    if !is_to_start {
        return prepare::made(site, files, flags).map(|(made, _)| made);
    }
    let prepared = Prepared::of(site, files.to_vec(), flags)?;
    guard::may_start(site.scope, engine(site), &prepared.binds)?;
    prepare_volumes(site, &prepared)?;
    Ok(prepared.over)
}

/// The compose files of a project.
///
/// # Errors
/// A [`Failure`] that says which file is missing.
pub fn files(site: &Site<'_>) -> Result<Vec<PathBuf>, Failure> {
    files_for(site.scope, &site.environment)
}
