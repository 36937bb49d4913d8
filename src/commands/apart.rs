//! `silo ci` where all there is to run is services (D30): they run under a compose project of their own, beside the developer's
//! instance, for one command. What it made goes with it, however it ends; what a killed one left goes with the next, or with
//! `silo prune`.

use std::ffi::OsString;
use std::path::Path;

use super::ci;
use crate::backend::engine;
use crate::backend::hooks::Point;
use crate::cli::{CiArgs, Command};
use crate::core::config::ConfigFile;
use crate::core::instance::name::qualified;
use crate::core::leases::Instance;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::enter;
use crate::parts::lifecycle;
use crate::parts::part::{Part, Run, Stage};
use crate::parts::scope::{Scope, Site};
use crate::parts::services::Whole;
use crate::store::apart::{self, Apart};
use crate::store::ask::Ask;
use crate::store::project::Project;
use crate::store::registry;
use crate::store::snapshot;
use crate::sys::cmd::{self, Cmd};
use crate::sys::lock::{self, Wait};
use crate::sys::signals;

/// How long the registry is waited for.
const WAIT: Wait<'static> = Wait { limit: COMMAND_WAIT, tell: &|_| () };

/// Runs a project's services apart, where all it has to run can be; none where it is something that runs once by itself.
pub(super) fn run(context: &Context, arguments: &CiArgs, ask: &Ask<'_>) -> Result<Option<u8>, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let ask = apart::ask(ask, &config);
    let scope = Scope::of(context, &project, &config, &ask)?;
    let parts = parts::declared(&scope.settings, &project.root);
    if parts.is_empty() || !parts.iter().all(|part| part.runs_apart()) {
        return Ok(None);
    }
    may_run(arguments)?;
    if engine::program(&context.environment) != "docker" {
        return Err(Failure::new("`silo ci` runs services apart in Docker alone, and this project's run in podman")
            .hint("Run the tests in the instance: `silo up -d && silo exec -- CMD`"));
    }
    parts::require(&parts, &context.environment)?;
    finish_cut_off(context, |run| run.project.as_ref() == Some(&project.root))?;
    let name = context.in_world(&project, &config, &ask, apart::choose)?;
    let place = context.dirs.apart(project.root_text(), &name);
    let lock = apart::lock_of(&place);
    let held = |holder| {
        Failure::new(format!("A `silo ci` runs as `{name}` already{holder}"))
            .hint("Wait until it has ended, or give this one another name: `silo ci OTHER-NAME -- CMD`")
    };
    let run = Job { context, project: &project, config: &config, parts: &parts, arguments };
    lock::hold(&lock, "the other `silo ci`", &lock::AT_ONCE, held, || {
        signals::watch();
        let done = run.leased(scope, &ask, &name, &place);
        if done.is_err() && registry::peek(&context.dirs)?.at(&place.to_string_lossy()).is_none() {
            // Nothing was leased, so nothing was made.
            let _ = apart::free(&context.dirs, &place, &WAIT);
        }
        done
    })
    .map(Some)
}

/// What `ci` does only where something of the project runs once by itself.
fn may_run(arguments: &CiArgs) -> Result<(), Failure> {
    if arguments.words.is_empty() {
        return Err(Failure::new("`silo ci` needs a command to run beside the services of this project")
            .hint("Write it after `--`: `silo ci -- npm test`"));
    }
    if arguments.timeout.is_some() {
        return Err(Failure::new("`--timeout` does not limit a command that runs beside services")
            .hint("Limit the command itself: `silo ci -- timeout 10m npm test`"));
    }
    if arguments.export_ci {
        return Err(Failure::new("`--export-ci` has nothing to export: what `silo ci` starts here goes when it ends")
            .hint("Export the variables of the project's instance: `silo env --export-ci`"));
    }
    Ok(())
}

struct Job<'a> {
    context: &'a Context,
    project: &'a Project,
    config: &'a ConfigFile,
    parts: &'a [&'static dyn Part],
    arguments: &'a CiArgs,
}

impl Job<'_> {
    /// Leases, runs the command, and takes away what there is then.
    fn leased(&self, scope: Scope<'_>, ask: &Ask<'_>, name: &str, place: &Path) -> Result<u8, Failure> {
        let Self { context, project, config, .. } = *self;
        let compose = qualified(&scope.settings.prefix, name);
        let outside = context.outside();
        let whole = Whole { environment: &outside, project: &compose };
        let there = whole.there()?;
        if !there.is_empty() {
            return Err(Failure::new(format!(
                "Docker has {there} of the compose project `{compose}`, which is to be this run's"
            ))
            .hint(format!("If nobody needs them: `docker compose --project-name {compose} down --volumes`"))
            .hint("Or give the run another name: `silo ci OTHER-NAME -- CMD`"));
        }
        let profile = snapshot::profile_of(&context.dirs, project, config, ask)?;
        let settled = context.in_world(project, config, ask, |case| {
            apart::lease(case, &scope.settings, (name, profile.as_deref()), &WAIT)
        })?;
        context.ui.step(&format!("Run: {name}, beside the instance"));
        ci::hide_secrets(context, &settled.known.vars);
        let entry = settled.registered.clone().expect("a run apart has an entry");
        let scope = scope.of_run(&entry);
        let ran = self.inside(Site::new(&scope, settled));
        // It is being stopped; one more signal stops that.
        let asked = signals::asked();
        signals::forget();
        let cleared = end(context, &entry, place);
        match (ran, cleared, asked) {
            (Ok(code), Ok(()), None) => Ok(code),
            (Ok(_), Ok(()), Some(asked)) => Ok(asked.code()),
            (Ok(_), Err(failure), _) => Err(failure),
            (Err(failure), cleared, asked) => {
                let is_clear = cleared.is_ok();
                if let Err(left) = cleared {
                    context.ui.warn(&format!("Not all of this run is removed: {}", left.what));
                }
                Err(match asked {
                    Some(asked) if is_clear => {
                        Failure::new("Stopped by a signal; what this run made is removed").code(asked.code())
                    }
                    Some(asked) => failure.code(asked.code()),
                    None => failure,
                })
            }
        }
    }

    /// Brings all up, and runs the command in it; its exit code.
    fn inside(&self, mut site: Site<'_>) -> Result<u8, Failure> {
        let Self { context, project, parts, .. } = *self;
        signals::check()?;
        lifecycle::run(&site, Point::PreUp)?;
        for part in parts.iter().filter(|part| part.stage() == Stage::Foundation) {
            signals::check()?;
            part.up(&mut site, Run::Background(&[])).inspect_err(|_| part.show_end(&site))?;
        }
        lifecycle::run(&site, Point::PostUp)?;
        signals::check()?;
        let environment = enter::inside(context, project, &site.settled);
        let (program, words): (&OsString, &[OsString]) =
            self.arguments.words.split_first().expect("`may_run` has looked");
        let name = program.to_string_lossy();
        let cmd = Cmd { program: &name, arguments: words.to_vec(), environment: &environment, folder: &context.folder };
        match cmd::find(&name, &environment) {
            None if !name.contains('/') => {
                Err(Failure::new(format!("`{name}` was not found")).hint("Install it, or check PATH").code(127))
            }
            _ => cmd.run(|_| Ok(())).map(cmd::Ended::code),
        }
    }
}

/// Takes away what a run has in Docker, its leases and its files. The holder of its lock calls it.
fn end(context: &Context, entry: &Instance, place: &Path) -> Result<(), Failure> {
    let outside = context.outside();
    let project = entry.qualified();
    let _spinner = context.ui.spin("Removing what this run made");
    Whole { environment: &outside, project: &project }.clear()?;
    apart::free(&context.dirs, place, &WAIT)
}

/// The runs of which nothing runs any more and something may be left.
pub(super) fn cut_off(context: &Context) -> Result<Vec<Apart>, Failure> {
    let leases = registry::peek(&context.dirs)?;
    Ok(apart::all(&context.dirs, &leases).into_iter().filter(Apart::is_cut_off).collect())
}

/// Ends runs that were cut off, as by a kill.
///
/// # Errors
/// The first [`Failure`]; the others are ended anyway.
pub(super) fn finish_cut_off(context: &Context, which: impl Fn(&Apart) -> bool) -> Result<(), Failure> {
    let mut done = Ok(());
    for run in cut_off(context)?.iter().filter(|run| which(run)) {
        let (lock, name) = (apart::lock_of(run.place()), &run.entry.name);
        context.ui.step(&format!("Removing what a `silo ci` that was cut off left of `{name}`"));
        let busy = |holder| Failure::new(format!("Another command is ending or running `{name}`{holder}"));
        let ended = lock::hold(&lock, "the other `silo ci`", &lock::AT_ONCE, busy, || {
            // Somebody may have been faster, or run it again.
            let is_it = registry::peek(&context.dirs)?.at(&run.entry.root) == Some(&run.entry);
            if is_it { end(context, &run.entry, run.place()) } else { Ok(()) }
        });
        // Who holds it sees to it.
        done = done.and(if lock::holder(&lock).is_some() { Ok(()) } else { ended });
    }
    done
}

/// Refuses inside a run what starts, stops or changes the project's instance: it would not be this run.
pub(super) fn may_be_typed(context: &Context, command: &Command) -> Result<(), Failure> {
    let word = match command {
        Command::Up(_) => "up",
        Command::Ci(_) => "ci",
        Command::Down { .. } => "down",
        Command::Env(_) => "env",
        Command::Adopt { .. } => "adopt",
        _ => return Ok(()),
    };
    let Some(run) = context.environment.text(apart::INSIDE) else { return Ok(()) };
    let here = context.project().ok().filter(|here| context.environment.text("SILO_ROOT") == Some(here.root_text()));
    match here {
        None => Ok(()),
        Some(_) => Err(Failure::new(format!(
            "This is inside the `silo ci` run `{}`, and `{word}` would act on the project's instance",
            one_line(run)
        ))
        .hint("Its services are up, and go when it ends; run it outside, in the project's folder")),
    }
}
