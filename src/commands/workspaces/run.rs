//! `silo run`: make a workspace where it is missing, bring it up, run a command in it, and remove it again.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::libc::{SIGKILL, SIGTERM};

use super::super::up;
use super::furnished::{self, Inside};
use super::new::{self, Wanted};
use super::removal;
use crate::cli::RunArgs;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::core::workspaces::record::Workspace;
use crate::failure::{Failure, code};
use crate::parts::context::Context;
use crate::parts::wanted::Who;
use crate::parts::{enter, ready};
use crate::store::ask::{Ask, Occasion};
use crate::store::workspaces;
use crate::sys::cmd::{self, Cmd};
use crate::sys::processes::{self, Process};
use crate::sys::{lock, signals};

/// How often it is looked whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);
/// How long another `silo` may take to bring it up.
const START: Duration = Duration::from_mins(5);
/// How often it is looked whether it is up.
const PAUSE: Duration = Duration::from_millis(100);
/// How long what the command left gets to end by itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long it takes to be gone when it is killed.
const SOON: Duration = Duration::from_secs(1);

pub(in super::super) fn run(context: &Context, arguments: &RunArgs) -> Result<u8, Failure> {
    signals::watch();
    let wanted = Wanted {
        name: &arguments.name,
        from: arguments.from.as_deref(),
        copy: arguments.copy,
        template: arguments.template.as_deref(),
        may_be_there: true,
    };
    let ran = new::obtain(context, &wanted).and_then(|(workspace, inside)| {
        new::tell(context, &workspace, &inside);
        up_and_run(&inside, &arguments.command)
    });
    // One that is to be read first stays: nothing of it has run.
    if !arguments.rm || ran.as_ref().is_err_and(|failure| failure.code == code::NOT_TRUSTED) {
        return ran;
    }
    // It is being removed; one more signal stops that.
    let asked = signals::asked();
    signals::forget();
    let removed = remove(context, &wanted);
    match (ran, removed) {
        (Ok(code), Ok(())) => Ok(asked.map_or(code, signals::Asked::code)),
        // What the command ended with is the answer; that the workspace stays is said.
        (Ok(code), Err(stays)) => {
            context.ui.fail(&stays);
            Ok(if code == 0 { stays.code } else { code })
        }
        (Err(failure), Ok(())) => Err(failure),
        (Err(before), Err(failure)) => {
            context.ui.warn(&failure.what);
            failure.hints.iter().for_each(|hint| context.ui.step(&format!("Hint: {hint}")));
            Err(before)
        }
    }
}

/// Brings up what the project declares, and runs the command inside; its exit code.
fn up_and_run(inside: &Inside, command: &[OsString]) -> Result<u8, Failure> {
    let project = &inside.project;
    let environment = brought_up(inside)?;
    signals::check()?;
    let (program, words) = command.split_first().expect("clap requires a command");
    let name = program.to_string_lossy();
    let cmd = Cmd { program: &name, arguments: words.to_vec(), environment: &environment, folder: &project.root };
    match cmd::find(&name, &environment) {
        None if !name.contains('/') => {
            Err(Failure::new(format!("`{name}` was not found")).hint("Install it, or check PATH").code(127))
        }
        _ => cmd.run(|_| Ok(())).map(cmd::Ended::code),
    }
}

/// Brings up what the project declares, and gives the environment inside. Of several that do it at once one starts it, and the others
/// wait for that.
fn brought_up(inside: &Inside) -> Result<Environment, Failure> {
    let Inside { context, project, config, settled } = inside;
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let lock = context.dirs.up_lock(&project.root);
    let (start, mut spinner) = (Instant::now(), None);
    while up::is_wanting(context, project, config)? {
        if lock::holder(&lock).is_none() || start.elapsed() > START {
            match up::in_background(context, project, config, Who::User) {
                // Another one was faster.
                Err(_) if lock::holder(&lock).is_some() && start.elapsed() < START => {}
                done => return done,
            }
        }
        spinner.get_or_insert_with(|| context.ui.spin("Waiting for the `silo up` that is on the way"));
        ready::pause(PAUSE)?;
    }
    Ok(match spinner {
        None => enter::inside(context, project, settled),
        // It may have moved a port.
        Some(_) => enter::inside(context, project, &context.settle(project, config, &ask)?),
    })
}

/// Removes the workspace, unless something would be lost; where none was made there is none to remove.
fn remove(context: &Context, wanted: &Wanted<'_>) -> Result<(), Failure> {
    // By its origin: another repository may have one of this name.
    let origin = new::origin(context, wanted)?;
    let place = workspaces::place(&context.dirs, origin.text()?, wanted.name);
    let Some(workspace) = workspaces::load(&place)? else { return Ok(()) };
    end_rest(&workspace);
    removal::remove(context, &workspace, false)
        .inspect_err(|_| context.ui.warn(&format!("The workspace `{}` stays", one_line(&workspace.name))))
}

/// Ends what the command left in the workspace when it ended, as a child of a shell that was killed: what was started inside, and
/// belongs to this very call. What has gone its own way stays, and keeps the workspace.
fn end_rest(workspace: &Workspace) {
    let root = furnished::root(workspace);
    let rest = || {
        let all = processes::below(Path::new(&workspace.folder)).into_iter();
        let is_rest = |one: &Process| one.pid != std::process::id() && processes::is_in_our_group(one.pid);
        all.filter(|one| is_rest(one) && processes::is_inside(one, &root)).collect::<Vec<_>>()
    };
    for (number, limit) in [(SIGTERM, PATIENCE), (SIGKILL, SOON)] {
        let start = Instant::now();
        for process in rest() {
            cmd::send(process.pid, number);
        }
        while !rest().is_empty() && start.elapsed() < limit {
            std::thread::sleep(LOOK);
        }
    }
}
