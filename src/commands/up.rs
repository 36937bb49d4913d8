//! `silo up` and `silo ci`, step by step as docs/architecture.md lists them.

use std::path::Path;
use std::time::Duration;

use super::{apart, ci};
use crate::backend::hooks::Point;
use crate::cli::{CiArgs, UpArgs};
use crate::core::config::ConfigFile;
use crate::core::formats::compose;
use crate::core::healing::What;
use crate::core::leases::block;
use crate::core::leases::ports::Probe;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::enter;
use crate::parts::holder::surely_foreign;
use crate::parts::lifecycle;
use crate::parts::part::{Declared, Part, Run, Stage};
use crate::parts::ready;
use crate::parts::renaming;
use crate::parts::scope::{Scope, Site};
use crate::parts::wanted::{self, Who};
use crate::parts::{kept, strays, told};
use crate::store::ask::{Ask, Occasion};
use crate::store::healing;
use crate::store::instances::Settled;
use crate::store::project::Project;
use crate::sys::lock;
use crate::sys::{files, net, signals};

/// What people start by hand; `up` names it where it has nothing to run.
const BY_HAND: [&str; 4] = ["package.json", "Procfile.dev", "Procfile", "Makefile"];

/// How `up` was called.
struct Call<'a> {
    run: Run<'a>,
    /// `--export-ci`, which only `ci` has: the vars go where later steps read them.
    export: Option<bool>,
    /// `--kill`, which only `up` has: what of the instance still listens on its ports is ended first.
    kill: bool,
    /// Who wants it up from now on; nobody where it ends with this command.
    wanted_by: Option<Who>,
}

pub(super) fn run(context: &Context, arguments: &UpArgs) -> Result<u8, Failure> {
    let outside = context.outside();
    let ask = Ask {
        name: arguments.name.as_deref(),
        profile: arguments.profile.as_deref(),
        profile_variable: outside.text("SILO_PROFILE"),
        force: arguments.force,
        up: true,
        ..Ask::default()
    };
    let run = if arguments.detach { Run::Background(&arguments.words) } else { Run::Foreground(&arguments.words) };
    let wanted_by = arguments.detach.then_some(Who::User);
    start(context, ask, &Call { run, export: None, kill: arguments.kill, wanted_by })
}

/// `silo ci`: the same steps, with the program run once at their end.
pub(super) fn ci(context: &Context, arguments: &CiArgs) -> Result<u8, Failure> {
    let outside = context.outside();
    let ask = Ask {
        name: arguments.name.as_deref(),
        profile: arguments.profile.as_deref(),
        profile_variable: outside.text("SILO_PROFILE"),
        up: true,
        ..Ask::default()
    };
    if let Some(code) = apart::run(context, arguments, &ask)? {
        return Ok(code);
    }
    let run = Run::Once { timeout: arguments.timeout.as_deref(), words: &arguments.words };
    start(context, ask, &Call { run, export: Some(arguments.export_ci), kill: false, wanted_by: None })
}

/// For a gate that needs the project's programs, or `silo run`: everything up in the background, and the environment that goes with it.
pub(super) fn in_background(
    context: &Context,
    project: &Project,
    config: &ConfigFile,
    who: Who,
) -> Result<Environment, Failure> {
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let call = Call { run: Run::Background(&[]), export: None, kill: false, wanted_by: Some(who) };
    start(context, ask, &call)?;
    Ok(enter::inside(context, project, &context.settle(project, config, &ask)?))
}

/// Whether a project has something to run and not all of it is up.
pub(super) fn is_wanting(context: &Context, project: &Project, config: &ConfigFile) -> Result<bool, Failure> {
    let scope = Scope::of(context, project, config, &Ask { occasion: Occasion::Cd, up: true, ..Ask::default() })?;
    let mut parts = parts::declared(&scope.settings, &project.root);
    parts.retain(|part| !part.lacks_files(&scope.settings, &project.root));
    Ok(parts.iter().any(|part| !part.is_up(&scope)))
}

fn start(context: &Context, ask: Ask<'_>, call: &Call<'_>) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    renaming::check(context, &project, &config, ask.name, false)?;
    let scope = Scope::of(context, &project, &config, &ask)?;
    let parts = to_run(&scope, call)?;
    parts::require(&parts, &context.environment)?;
    parts.iter().try_for_each(|part| part.may_start(&scope))?;
    let lock = context.dirs.up_lock(&project.root);
    let started_by = |holder| {
        let failure = Failure::new(format!("This instance is being started already{holder}"));
        failure.hint("Wait for it, or stop it with `silo down`")
    };
    after_gate(context, &lock)?;
    lock::hold(&lock, "the other `silo up`", &lock::AT_ONCE, started_by, || {
        signals::watch();
        let mut site = Site::new(&scope, with_own_ports(&scope, ask, call.kill)?);
        signals::check()?;
        lifecycle::run(&site, Point::PreUp)?;
        signals::check()?;
        noted_up(&site, call)?;
        let started: Vec<&dyn Part> = parts.iter().copied().filter(|part| !part.is_up(&scope)).collect();
        bring_up(&mut site, Stage::Foundation, &parts, call)?;
        lifecycle::run(&site, Point::PostUp)?;
        signals::check()?;
        if let Some(asked) = call.export {
            ci::export(context, asked, &site.settled)?;
        }
        let code = bring_up(&mut site, Stage::Program, &parts, call)?;
        let Run::Foreground(_) = call.run else { return Ok(code) };
        // The last part that can has the terminal; one that was brought up before the hooks takes it only now.
        match parts.iter().rfind(|part| part.keeps_terminal()) {
            Some(part) if part.stage() == Stage::Foundation => part.attach(&site),
            _ => started.iter().rev().try_for_each(|part| part.end(&site)).map(|()| code),
        }
    })
}

/// Waits for a gate that is just bringing up what its tool needs: it lets go then, and all of that is used.
fn after_gate(context: &Context, lock: &Path) -> Result<(), Failure> {
    let mut spinner = None;
    while let Some(what) = lock::kind(lock).and_then(|kind| match kind.as_str() {
        lock::GATE => Some("a gate that brings up what its tool needs"),
        lock::HEAL => Some("`silo heal`, which brings back what is down"),
        _ => None,
    }) {
        signals::watch();
        spinner.get_or_insert_with(|| context.ui.spin(&format!("Waiting for {what}")));
        ready::pause(Duration::from_millis(50))?;
    }
    Ok(())
}

/// The declared parts that have something to run (D21).
fn to_run(scope: &Scope<'_>, call: &Call<'_>) -> Result<Vec<&'static dyn Part>, Failure> {
    let (Run::Foreground(words) | Run::Background(words) | Run::Once { words, .. }) = call.run;
    let root = &scope.project.root;
    let mut parts = parts::declared(&scope.settings, root);
    // Words for a part's program may name what is missing here.
    parts.retain(|part| !words.is_empty() || !part.lacks_files(&scope.settings, root));
    if parts.is_empty() {
        let usual = compose::NAMES.iter().chain(&BY_HAND).filter(|name| files::is_file(&root.join(name)));
        let here: Vec<String> = usual.map(|name| format!("`{name}`")).collect();
        let failure = match here.is_empty() {
            true => Failure::new("Nothing to run in this project"),
            false => Failure::new(format!("Nothing to run in this project, where silo found {}", here.join(", "))),
        };
        let failure =
            failure.hint("Its ports and variables need no `silo up`: `silo exec -- CMD`, or `cd` with the shell hook");
        return Err(parts::ALL.iter().filter_map(|part| part.how_to_declare()).fold(failure, Failure::hint));
    }
    if matches!(call.run, Run::Once { .. }) && !parts.iter().any(|part| part.runs_once()) {
        return Err(Failure::new("No part of this project can be run once")
            .hint("Bring it up and run the tests in it: `silo up -d && silo exec -- CMD`"));
    }
    Ok(parts)
}

/// Brings up the parts of a stage, in order. The last that can have the terminal has it, and the words for its program.
fn bring_up(site: &mut Site<'_>, stage: Stage, parts: &[&dyn Part], call: &Call<'_>) -> Result<u8, Failure> {
    let at_terminal = parts.iter().rposition(|part| part.keeps_terminal());
    let mut code = 0;
    for (at, part) in parts.iter().enumerate().filter(|(_, part)| part.stage() == stage) {
        let run = match call.run {
            _ if Some(at) != at_terminal => Run::Background(&[]),
            // It gets its words now, and the terminal at the end.
            Run::Foreground(words) if stage == Stage::Foundation => Run::Background(words),
            run => run,
        };
        signals::check()?;
        code = part.up(site, run)?;
        if let Run::Background(words) = run
            && let Some(who) = call.wanted_by
        {
            wanted::note(site, *part, words, who)?;
        }
    }
    Ok(code)
}

/// Tells who heals that the user brings this up: what failed before counts no more (D31).
fn noted_up(site: &Site<'_>, call: &Call<'_>) -> Result<(), Failure> {
    match call.wanted_by {
        Some(_) => healing::add(&site.scope.context.dirs, &site.scope.id, What::Up, None, None),
        None => Ok(()),
    }
}

/// Settles, and settles again without the ports that turn out to be held by somebody else (D3).
fn with_own_ports(scope: &Scope<'_>, ask: Ask<'_>, kill: bool) -> Result<Settled, Failure> {
    let Scope { context, project, config, settings, state, .. } = scope;
    let settled = context.settle(project, config, &ask)?;
    context.ui.step(&format!("Instance: {}", settled.known.name));
    let of_profile = settled.known.profile.as_ref().map(|profile| format!("Profile: {profile}"));
    for line in told::profile(state.as_ref(), &ask, &settled).into_iter().chain(of_profile) {
        context.ui.step(&line);
    }
    // What the base declares by itself and the profile has not.
    let base = config.settings(None).filter(|_| settled.known.profile.is_some());
    let in_base =
        |part: &dyn Part| base.as_ref().is_some_and(|base| part.declared(base, &project.root) == Declared::Yes);
    for part in parts::ALL {
        if let Some(line) = part.taken_away().filter(|_| in_base(part) && !parts::has(part, settings, &project.root)) {
            context.ui.step(line);
        }
    }
    for line in told::sources(state.as_ref(), &ask, settings, &settled) {
        context.ui.detail(&line);
    }
    kept::tell_of_earlier(context, project, &settled);
    if kill {
        strays::end(context, &block::spread(&settled.known.ports, &settled.blocks), &project.root)?;
    }
    let ports = block::spread(&settled.known.ports, &settled.blocks);
    let busy = ports.iter().filter(|(_, port)| net::probe(**port) == Probe::Busy);
    let mut lost: Vec<String> = Vec::new();
    for (name, port) in busy {
        let name = block::variable(name);
        if lost.iter().any(|lost| lost == name) {
            continue;
        }
        let Some(who) = surely_foreign(&context.outside(), &project.root, &settled.identity, *port) else {
            match strays::on(*port, &project.root) {
                Some(own) => context.ui.step(&format!(
                    "Port {port} ({name}) is still held by `{}` (pid {}), which was started in this instance; \
                     `silo up --kill` ends it",
                    one_line(&own.name),
                    own.pid
                )),
                None => context.ui.detail(&format!("Port {port} ({name}) is held by this instance itself")),
            }
            continue;
        };
        context.ui.warn(&format!("Port {port} ({name}) is held by {who}; {name} gets another one"));
        lost.push(name.to_owned());
    }
    if lost.is_empty() {
        return Ok(settled);
    }
    // The profile is chosen, and in the lockfile: no variable asks for another.
    let occasion = Occasion::Cd;
    let again = Ask { lost: &lost, name: None, profile: None, profile_variable: None, force: false, occasion, ..ask };
    context.settle(project, config, &again)
}
