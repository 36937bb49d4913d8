//! A gate (D17): silo, called by a tool's name in an active shell, brings up the part the tool needs, once, and then becomes
//! the tool.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{consent, up};
use crate::core::config::gate::needs_nothing;
use crate::core::config::profile::COMPOSE_TOOLS;
use crate::core::config::{self, ConfigFile, Gate, Text};
use crate::core::services::Call;
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, code, shown};
use crate::parts;
use crate::parts::context::Context;
use crate::parts::enter::{self, POINT};
use crate::parts::part::{Part, Stage};
use crate::parts::ready;
use crate::parts::scope::{Scope, Site};
use crate::parts::services::{self, Plain};
use crate::parts::starter::Starter;
use crate::parts::turn;
use crate::parts::wanted::{self, Who};
use crate::store::apart::INSIDE;
use crate::store::ask::{Ask, Occasion};
use crate::store::gates;
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::trust;
use crate::sys::{cmd, dirs::Dirs, lock, signals};
use crate::ui::Ui;

/// How long a tool waits until what it needs is ready: time for images to come over the network.
const READY: Duration = Duration::from_mins(5);

/// Runs the gate of a tool, with the tool's own arguments.
pub(super) fn run(context: &Context, tool: &OsStr, arguments: &[OsString]) -> Result<u8, Failure> {
    let real = behind(&context.dirs, &context.environment, tool)?;
    let mut environment = context.environment.clone();
    let words: Vec<Option<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    // What is being brought up, or is up for a run apart, is not brought up by what that runs.
    let is_below = [POINT, INSIDE].iter().any(|name| context.environment.get(name).is_some());
    if let Some(root) = context.environment.get("SILO_ROOT").map(PathBuf::from).filter(|_| !is_below)
        && !tool.to_str().is_some_and(|tool| needs_nothing(tool, &words))
        && let Some(changed) = open(context, &root, tool)?
    {
        environment = changed;
    }
    if let Some(root) = context.environment.get("SILO_ROOT").map(PathBuf::from)
        && let Some(call) =
            tool.to_str().filter(|tool| COMPOSE_TOOLS.contains(tool)).and_then(|tool| Call::of(tool, arguments))
    {
        match of_compose(context, &root, tool, &call, is_below)? {
            Some(Plain::Own(words)) => return Err(cmd::exec(real.as_os_str(), &words, &environment, None)),
            Some(Plain::Others) => environment.remove("COMPOSE_PROJECT_NAME"),
            None => {}
        }
    }
    Err(cmd::exec(real.as_os_str(), arguments, &environment, None))
}

/// What a call of compose becomes; none where the project has no services, or may not act. It may below a lifecycle hook and in a
/// run apart, which somebody has typed.
fn of_compose(
    context: &Context,
    root: &Path,
    tool: &OsStr,
    call: &Call,
    is_typed: bool,
) -> Result<Option<Plain>, Failure> {
    let project = Project::read(&root.join(CONFIG_NAME))?;
    if context.dirs.require_own(&context.environment).is_err() {
        return Ok(None);
    }
    if !is_typed && !consent::may_act(context, &project)? {
        return untrusted(context, &project, call);
    }
    let config = project.config()?;
    let scope = Scope::of(context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    scope.settings.compose.is_some().then(|| services::plain(&scope, tool, call)).transpose()
}

/// What a call becomes while the `silo.toml` may not act, and the shell has the instance's name anyway: without an override
/// that name would be given to what is everybody's.
fn untrusted(context: &Context, project: &Project, call: &Call) -> Result<Option<Plain>, Failure> {
    let last = trust::last_allowed(&context.dirs, project)?;
    let last = last.and_then(|content| config::parse(&String::from_utf8_lossy(&content)).ok());
    let has_services = |config: &ConfigFile| {
        let profiles = std::iter::once(None).chain(config.profiles.keys().map(|name| Some(name.as_str())));
        profiles.filter_map(|profile| config.settings(profile)).any(|settings| settings.compose.is_some())
    };
    if !last.as_ref().is_some_and(has_services) {
        return Ok(None);
    }
    if call.is_elsewhere || !services::is_about(&context.folder, &project.root, call) {
        return Ok(Some(Plain::Others));
    }
    if !call.makes() && !call.loses_data() {
        return Ok(None);
    }
    let failure = Failure::new(format!(
        "`compose {}` would run without the instance's isolation, on the ports, names and volumes of the files themselves",
        call.command()
    ))
    .code(code::NOT_TRUSTED);
    Err(match project.config() {
        Ok(_) => failure.hint("`silo diff` shows what has changed, and `silo allow` trusts it"),
        Err(why) => failure.hint(format!("Fix `{}` first: {}", shown(&project.file), why.what)),
    }
    .hint("To use the files as they are, leave the instance: `silo deactivate`"))
}

/// Becomes the tool at once, when silo was called through a gate of an instance that was left: a program that puts back a
/// `PATH` of its own (direnv, a venv) brings such a folder along. None when it was not a gate.
pub(super) fn left(
    dirs: &Dirs,
    environment: &Environment,
    program: &Path,
    tool: &OsStr,
    arguments: &[OsString],
) -> Option<u8> {
    let called =
        if program.components().count() > 1 { Some(program.into()) } else { cmd::find_in(tool, environment, |_| true) };
    called.and_then(|link| link.parent().map(Path::to_path_buf)).filter(|at| gates::is_gate_folder(dirs, at))?;
    let failure = match behind(dirs, environment, tool) {
        Ok(real) => cmd::exec(real.as_os_str(), arguments, environment, None),
        Err(failure) => failure,
    };
    Ui::default().fail(&failure);
    Some(failure.code)
}

fn behind(dirs: &Dirs, environment: &Environment, tool: &OsStr) -> Result<PathBuf, Failure> {
    gates::real(dirs, environment, tool).ok_or_else(|| {
        Failure::new(format!("`{}` was not found behind its gate", tool.to_string_lossy()))
            .hint("Install it, or check PATH")
            .code(127)
    })
}

/// Brings up what the tool needs; a changed environment when something was brought up.
fn open(context: &Context, root: &Path, tool: &OsStr) -> Result<Option<Environment>, Failure> {
    let project = Project::read(&root.join(CONFIG_NAME))?;
    if !consent::may_act(context, &project)? {
        let file = shown(&project.file);
        match project.config() {
            Ok(_) => context.ui.warn(&format!("{file} is not trusted as it is; `silo allow` lets gates act on it")),
            Err(why) => context.ui.warn(&format!("{file} cannot be read, so gates do not act on it: {}", why.what)),
        }
        return Ok(None);
    }
    if let Err(failure) = context.dirs.require_own(&context.environment) {
        context.ui.warn(&failure.what);
        return Ok(None);
    }
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let scope = Scope::of(context, &project, &config, &ask)?;
    let Some(need) = tool.to_str().and_then(|tool| scope.settings.gates.get(tool)) else { return Ok(None) };
    let declared = |part: &&dyn Part| parts::has(*part, &scope.settings, &project.root);
    let Some(part) = parts::behind(need.gate).filter(declared) else { return Ok(None) };
    let only = &need.services[..];
    let changed = match part.stage() {
        _ if part.is_up_with(&scope, only) => None,
        Stage::Program => Some(in_background(context, &project, &config, part)?),
        Stage::Foundation => {
            parts::require(&[part], &context.environment)?;
            Some(foundation(context, &project, &config, (part, only))?)
        }
    };
    // Of what is up, that may still start which the tool needs.
    let now = Scope::of(context, &project, &config, &ask)?;
    match ready::first_time(&now, part, READY) {
        Err(failure) if signals::asked().is_none() => {
            context.ui.warn(&format!("{}; `{}` runs anyway", failure.what, tool.to_string_lossy()));
            failure.hints.iter().for_each(|hint| context.ui.step(&format!("Hint: {hint}")));
            Ok(changed)
        }
        waited => waited.map(|()| changed),
    }
}

/// Brings up some services of the project, and what they depend on, until they are ready.
pub(super) fn services(
    context: &Context,
    project: &Project,
    config: &ConfigFile,
    only: &[Text],
) -> Result<(), Failure> {
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let scope = Scope::of(context, project, config, &ask)?;
    let Some(part) = parts::behind(Gate::Services) else { return Ok(()) };
    if part.is_up_with(&scope, only) {
        return Ok(());
    }
    parts::require(&[part], &context.environment)?;
    foundation(context, project, config, (part, only)).map(|_| ())
}

/// Brings up one part that the programs need, as the holder of `up.lock`, so that nothing else starts or stops the instance
/// meanwhile; or waits for who is just doing that.
fn foundation(
    context: &Context,
    project: &Project,
    config: &ConfigFile,
    (part, only): (&dyn Part, &[Text]),
) -> Result<Environment, Failure> {
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    signals::watch();
    let bring_up = || {
        let scope = Scope::of(context, project, config, &ask)?;
        let mut site = Site::new(&scope, context.settle(project, config, &ask)?);
        // Another call of a tool may have been faster.
        if !part.is_up_with(&scope, only) {
            part.up_with(&mut site, only)?;
            let names: Vec<OsString> = only.iter().map(|name| name.value.clone().into()).collect();
            wanted::note(&site, part, &names, Who::Gate)?;
        }
        Ok(enter::inside(context, project, &site.settled))
    };
    let lock = context.dirs.up_lock(&project.root);
    let start = Instant::now();
    let mut spinner = None;
    loop {
        if lock::holder(&lock).is_none() {
            let held = |holder| Failure::new(format!("This instance is being started already{holder}"));
            match lock::hold_as(lock::GATE, &lock, "it", &lock::AT_ONCE, held, || Ok(bring_up())) {
                // Another one was faster.
                Err(_) if lock::holder(&lock).is_some() => {}
                done => return done?,
            }
        }
        let scope = Scope::of(context, project, config, &ask)?;
        if part.is_up_with(&scope, only) {
            return Ok(enter::inside(context, project, &context.settle(project, config, &ask)?));
        }
        // One that is past this and keeps a program in its terminal does not let go before that ends; what makes clusters takes
        // turns anyway.
        let state = scope.state.clone().unwrap_or_default();
        let is_past = |starter: Starter| starter.has_started(&parts::ALL, &state, project);
        if Starter::of(&context.dirs, project).is_some_and(is_past) || start.elapsed() > turn::LIMIT {
            return bring_up();
        }
        spinner.get_or_insert_with(|| context.ui.spin("Waiting for the `silo up` that is on the way"));
        ready::pause(Duration::from_millis(50))?;
    }
}

/// Brings up all that the project's programs are, or waits for who is just doing that.
fn in_background(
    context: &Context,
    project: &Project,
    config: &ConfigFile,
    part: &dyn Part,
) -> Result<Environment, Failure> {
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let lock = context.dirs.up_lock(&project.root);
    let is_up = || Scope::of(context, project, config, &ask).map(|scope| part.is_up(&scope));
    let start = Instant::now();
    let mut spinner = None;
    loop {
        if lock::holder(&lock).is_none() {
            match up::in_background(context, project, config, Who::Gate) {
                // Another one was faster.
                Err(_) if lock::holder(&lock).is_some() || is_up()? => {}
                done => return done,
            }
        } else if start.elapsed() > READY {
            return up::in_background(context, project, config, Who::Gate);
        }
        if is_up()? {
            return Ok(enter::inside(context, project, &context.settle(project, config, &ask)?));
        }
        signals::watch();
        spinner.get_or_insert_with(|| context.ui.spin("Waiting for the `silo up` that is on the way"));
        ready::pause(Duration::from_millis(50))?;
    }
}
