//! A call of plain `docker compose` in an active shell: the project's own gets the override and the instance's name, any other
//! loses that name (D24). No program is started where nothing changed.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::guard;
use super::prepare::{Given, Prepared, files_for, project_of};
use super::run::engine_of;
use super::start::{prepare_volumes, tie};
use super::{filling, former, link, share, source, word};
use crate::backend::compose;
use crate::backend::engine::{Engine, program};
use crate::core::formats::compose::NAMES;
use crate::core::services::{Call, Starts};
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, shown};
use crate::parts::scope::Scope;
use crate::store::said;
use crate::sys::files as disk;

/// The command that takes an instance's networks away.
const DOWN: &str = "down";

/// What a call becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// It is about this instance's services: these words instead.
    Own(Vec<OsString>),
    /// It is about something else, or names its project or engine itself: `COMPOSE_PROJECT_NAME` is not for it.
    Others,
}

/// Says what a call becomes.
///
/// # Errors
/// A [`Failure`] when it would make services and they cannot be isolated.
pub fn plain(scope: &Scope<'_>, tool: &OsStr, call: &Call) -> Result<Plain, Failure> {
    if call.is_elsewhere {
        return Ok(Plain::Others);
    }
    let (context, root) = (scope.context, &scope.project.root);
    let engine = engine_of(scope);
    if !engine.is_local() {
        tell(scope, "its engine is not on this machine");
        return Ok(Plain::Others);
    }
    if let Some(why) = other_engine(&context.environment, tool, engine) {
        tell(scope, why);
        return Ok(Plain::Others);
    }
    let Some(files) = own_files(scope, call)? else {
        tell(scope, &format!("its files are not those of `{}`", shown(root)));
        return Ok(Plain::Others);
    };
    if tool == "podman-compose" {
        // It takes other words, and of what an override says not all.
        return match call.makes() {
            true => Err(Failure::new(
                "`podman-compose` is another program than Docker Compose, and does not isolate services",
            )
            .hint("Type `podman compose`, which calls docker-compose where that is installed; or `silo up -d`")),
            false => Ok(Plain::Others),
        };
    }
    let flag = |name: &str, path: &OsStr| [name.into(), context.folder.join(path).into_os_string()];
    let flags: Vec<OsString> = call
        .env_files()
        .flat_map(|file| flag("--env-file", file))
        .chain(call.directory.iter().flat_map(|folder| flag("--project-directory", folder)))
        .collect();
    let project = scope.state.as_ref().map(|state| project_of(scope, &state.name));
    let there = scope.state.as_ref().zip(project.as_deref()).and_then(|(state, project)| {
        let said = scope.settings.compose.as_ref()?;
        let (folder, environment) = (&scope.folder, &context.environment);
        let suffix = &context.settings.network.suffix;
        let given = Given { root, folder, project, leases: &state.ports, said, suffix, environment };
        Prepared::there(&context.dirs, &files, &flags, &given)
    });
    let is_tied = scope.settings.compose.as_ref().is_some_and(|said| said.link.is_some() || said.share.is_some());
    let is_reached = || engine.links().is_ok_and(|links| links.iter().any(|link| link.to == scope.id));
    let asks_others = is_tied && (call.starts() || call.command() == DOWN) || call.starts() && is_reached();
    let there = there.filter(|_| !(call.is_plain() || asks_others || call.makes() && asks_for_data(scope)));
    if let (Some(project), Some(there)) = (&project, there) {
        if call.starts() {
            guard::may_start(scope, engine, &there.binds)?;
        }
        word::note(scope, call, &there.starts);
        return Ok(Plain::Own(call.with(project, files.iter().chain([&there.path]).map(|file| file.as_os_str()))));
    }
    let site = scope.settle()?;
    let project = &site.settled.identity.compose_name;
    if call.is_plain() {
        return Ok(Plain::Own(call.with(project, files.iter().map(|file| file.as_os_str()))));
    }
    let files = match Prepared::of(&site, files.clone(), &flags) {
        Ok(prepared) => {
            if call.starts() {
                guard::may_start(scope, engine, &prepared.binds)?;
            }
            prepared.notices().for_each(|notice| context.ui.step(notice));
            if call.makes() {
                prepare_volumes(&site, &prepared)?;
            }
            if call.starts() {
                let known: Vec<String> = prepared.over.starts.0.keys().cloned().collect();
                tie(&site, &prepared, &call.named(&known))?;
            }
            if call.command() == DOWN {
                share::leave(&site)?;
                link::untie(&site)?;
            }
            word::note(scope, call, &prepared.over.starts);
            prepared.files
        }
        Err(failure) if call.makes() || call.loses_data() => return Err(failure),
        Err(failure) => {
            context.ui.warn(&format!("{}; this call goes without the override", failure.what));
            word::note(scope, call, &Starts::default());
            files
        }
    };
    Ok(Plain::Own(call.with(project, files.iter().map(|file| file.as_os_str()))))
}

/// Whether a call that makes something must look at the volumes first: one is to be filled, or half filled, or nobody has looked.
fn asks_for_data(scope: &Scope<'_>) -> bool {
    let (dirs, root) = (&scope.context.dirs, &scope.project.root);
    !scope.is_apart && (source::lacks_seeds(scope) || filling::is_marked(dirs, root) || !former::was_told(dirs, root))
}

/// Why a tool talks to another engine than the one that services run in; none where it is that.
fn other_engine(environment: &Environment, tool: &OsStr, engine: Engine<'_>) -> Option<&'static str> {
    let is_of_podman = tool.to_str().is_some_and(|tool| tool.starts_with("podman"));
    match (program(environment), is_of_podman) {
        ("docker", true) => Some("its engine is podman; `engine = \"podman\"` in the settings makes that silo's, too"),
        ("podman", false) if !engine.is_at(environment.text("DOCKER_HOST")) => {
            Some("its engine is docker, and the settings say podman; `podman compose` acts on the instance")
        }
        _ => None,
    }
}

/// Whether a call is about files of a project, as far as its words and the current folder tell.
pub fn is_about(folder: &Path, root: &Path, call: &Call) -> bool {
    let is_own = |path: &Path| disk::canonical(path).is_ok_and(|path| path.starts_with(root));
    match call.files.is_empty() {
        // One that is not there is compose's to refuse.
        false => call.files.iter().all(|file| file != "-" && is_own(&folder.join(file))),
        true => is_own(&start(folder, call)),
    }
}

/// Where compose begins to look for files.
fn start(folder: &Path, call: &Call) -> PathBuf {
    call.directory.as_ref().map_or_else(|| folder.to_path_buf(), |directory| folder.join(directory))
}

/// The files a call is about, as compose would find them; none where they are not the project's.
fn own_files(scope: &Scope<'_>, call: &Call) -> Result<Option<Vec<PathBuf>>, Failure> {
    let (context, root) = (scope.context, &scope.project.root);
    if !is_about(&context.folder, root, call) {
        return Ok(None);
    }
    if !call.files.is_empty() {
        return Ok(Some(call.files.iter().map(|file| context.folder.join(file)).collect()));
    }
    let start = disk::canonical(&start(&context.folder, call))?;
    let has_files = |folder: &&Path| NAMES.iter().any(|name| disk::is_file(&folder.join(name)));
    let nearest = start.ancestors().take_while(|folder| folder.starts_with(root)).find(has_files);
    match nearest {
        Some(folder) if folder != root => compose::files_of(folder, None, &context.environment).map(Some),
        _ => files_for(scope, &context.environment).map(Some),
    }
}

/// Says once for each instance that a call does not get its name.
fn tell(scope: &Scope<'_>, why: &str) {
    let (context, root) = (scope.context, &scope.project.root);
    if !said::was(&context.dirs, root, "elsewhere") {
        said::note(&context.dirs, root, "elsewhere", "");
        context.ui.step(&format!("This call of compose goes without the instance's project name: {why}"));
    }
}
