//! `silo up`: the steps of docs/architecture.md, "Lifecycle", in that order.

use std::ffi::OsString;
use std::time::{Duration, Instant};

use super::ci;
use crate::backend::hooks::{self, Point};
use crate::backend::tilt;
use crate::cli::{CiArgs, UpArgs};
use crate::core::config::{ConfigFile, TILT_PORT};
use crate::core::instance::lockfile::Lockfile;
use crate::core::leases::ports::Probe;
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::parts::cluster;
use crate::parts::context::Context;
use crate::parts::enter;
use crate::parts::holder::foreign;
use crate::store::ask::{Ask, Occasion};
use crate::store::instances::Settled;
use crate::store::project::Project;
use crate::store::snapshot;
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::lock;
use crate::sys::{clock, files, net, processes, signals};

/// How long a Tilt in the background may take until it listens.
const READY: Duration = Duration::from_mins(1);
/// How long after that it may take until it can be asked.
const ASKABLE: Duration = Duration::from_secs(5);
/// How long one try to reach it may take.
const CONNECT: Duration = Duration::from_millis(200);
/// How much of its log is looked at when it ended, in bytes.
const LOG_MAX: u64 = 16 * 1024 * 1024;

/// How Tilt is to run.
enum Run<'a> {
    /// `tilt up` in silo's terminal.
    Foreground(&'a [OsString]),
    /// `tilt up` in the background (D18).
    Detached(&'a [OsString]),
    /// `tilt ci`.
    Once { timeout: Option<&'a str>, words: &'a [OsString], export: bool },
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
    let run = if arguments.detach { Run::Detached(&arguments.tilt) } else { Run::Foreground(&arguments.tilt) };
    start(context, ask, &run)
}

/// `silo ci`: the same steps, with `tilt ci` at their end.
pub(super) fn ci(context: &Context, arguments: &CiArgs) -> Result<u8, Failure> {
    let outside = context.outside();
    let ask = Ask {
        name: arguments.name.as_deref(),
        profile: arguments.profile.as_deref(),
        profile_variable: outside.text("SILO_PROFILE"),
        up: true,
        ..Ask::default()
    };
    let timeout = arguments.timeout.as_deref();
    start(context, ask, &Run::Once { timeout, words: &arguments.tilt, export: arguments.export_ci })
}

/// For a gate that needs Tilt: everything up, Tilt in the background, and the environment that goes with it.
pub(super) fn in_background(context: &Context, project: &Project, config: &ConfigFile) -> Result<Environment, Failure> {
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    start(context, ask, &Run::Detached(&[]))?;
    Ok(enter::inside(context, project, &context.settle(project, config, &ask)?))
}

fn start(context: &Context, ask: Ask<'_>, run: &Run<'_>) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let (settings, lockfile) = snapshot::preview(&context.dirs, &project, &config, &ask)?;
    tilt::require(&context.environment)?;
    if settings.k3d.cluster {
        cluster::require(&context.environment)?;
    }
    alone(&project, lockfile.as_ref())?;
    let lock = context.dirs.up_lock(&project.root);
    let started_by = |holder| {
        let failure = Failure::new(format!("This instance is being started already{holder}"));
        failure.hint("Wait for it, or stop it with `silo down`")
    };
    lock::hold(&lock, "the other `silo up`", &lock::AT_ONCE, started_by, || {
        signals::watch();
        let settled = with_own_ports(context, &project, &config, ask)?;
        let environment = enter::behind_gates(context, &project, &settled);
        signals::check()?;
        hooks::run(Point::PreUp, settings.hooks.pre_up.as_ref(), &environment, &project.root, context.ui)?;
        signals::check()?;
        let settled = cluster::bring_up(context, &project, &config, &settings, settled, &environment)?;
        let environment = enter::behind_gates(context, &project, &settled);
        hooks::run(Point::PostUp, settings.hooks.post_up.as_ref(), &environment, &project.root, context.ui)?;
        signals::check()?;
        tilt_of(context, &project, &settled, &environment, run)
    })
}

/// The last steps: Tilt itself.
fn tilt_of(
    context: &Context,
    project: &Project,
    settled: &Settled,
    environment: &Environment,
    run: &Run<'_>,
) -> Result<u8, Failure> {
    let mut arguments: Vec<OsString> = vec!["up".into()];
    match run {
        Run::Foreground(words) | Run::Detached(words) => arguments.extend(words.iter().cloned()),
        Run::Once { timeout, words, export } => {
            ci::export(context, *export, settled)?;
            arguments = vec!["ci".into()];
            arguments.extend(timeout.map(|timeout| format!("--timeout={timeout}").into()));
            arguments.extend(words.iter().cloned());
        }
    }
    let tilt = Cmd { program: "tilt", arguments, environment, folder: &project.root };
    context.ui.step(&format!("Starting Tilt: {}", settled.vars.tilt_address(settled.known.port(TILT_PORT))));
    if let Run::Detached(_) = run {
        return detached(context, project, settled, &tilt);
    }
    let ended = foreground(context, project, &tilt)?;
    Ok(match (ended, signals::asked()) {
        // Stopping was asked for: Tilt answers with 0 or 1, as its version has it.
        (Ended::Code(0 | 1), Some(asked)) if !asked.sent => 0,
        (ended, _) => ended.code(),
    })
}

/// Starts Tilt in the background and waits until it listens and can be asked. It listens a little before `tilt get` and
/// `tilt logs` find it, and these are what comes next.
fn detached(context: &Context, project: &Project, settled: &Settled, tilt: &Cmd<'_>) -> Result<u8, Failure> {
    let log = context.dirs.tilt_log(&project.root);
    let mut child = tilt.detach(&log)?;
    note(context, project, Some(child.pid()))?;
    let port = settled.known.port(TILT_PORT);
    let start = Instant::now();
    let mut listens: Option<Instant> = None;
    loop {
        if child.has_ended() {
            note(context, project, None)?;
            let text = files::read(&log, LOG_MAX)?.map(|content| content.bytes).unwrap_or_default();
            let text = String::from_utf8_lossy(&text).into_owned();
            let lines: Vec<String> = text.lines().map(|line| format!("  | {}", one_line(line))).collect();
            let mut failure = Failure::new("Tilt ended at once");
            failure.excerpt = Some(lines[lines.len().saturating_sub(10)..].join("\n"));
            return Err(failure.hint(format!("Its whole log is `{}`", shown(&log))));
        }
        if listens.is_none() && net::answers(port, CONNECT) {
            listens = Some(Instant::now());
        }
        // Where it cannot be asked at all, it runs all the same.
        let found =
            |since: Instant| since.elapsed() > ASKABLE || tilt::resources(tilt.environment, tilt.folder).is_ok();
        if listens.is_some_and(found) {
            context.ui.step(&format!(
                "Tilt runs in the background (pid {}); see `silo logs -f`, stop with `silo down`",
                child.pid()
            ));
            return Ok(0);
        }
        if listens.is_none() && start.elapsed() > READY {
            return Err(Failure::new(format!(
                "Tilt (pid {}) does not listen on port {port} after {} s",
                child.pid(),
                READY.as_secs()
            ))
            .hint("Look why: `silo logs`; stop it with `silo down`"));
        }
        signals::check()?;
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// The two refusals: this instance's Tilt runs, or another one in its root (D14).
fn alone(project: &Project, lockfile: Option<&Lockfile>) -> Result<(), Failure> {
    let known = lockfile.and_then(|lockfile| tilt::running(&lockfile.instance, &project.root));
    if let (Some(_), Some(lockfile)) = (&known, lockfile) {
        let name = &lockfile.instance.name;
        return Err(Failure::new(format!("Instance '{name}' already running. Use `silo down` first.")));
    }
    match tilt::outside(known.as_ref(), &project.root) {
        Some(process) => Err(Failure::new("Tilt already running outside silo. Stop it first.")
            .hint(format!("It is process {}: `kill {}`", process.pid, process.pid))),
        None => Ok(()),
    }
}

/// Settles, and settles again without the ports that turn out to be held by somebody else (D3).
fn with_own_ports(context: &Context, project: &Project, config: &ConfigFile, ask: Ask<'_>) -> Result<Settled, Failure> {
    let settled = context.settle(project, config, &ask)?;
    context.ui.step(&format!("Instance: {}", settled.known.name));
    let busy = settled.known.ports.iter().filter(|(_, port)| net::probe(**port) == Probe::Busy);
    let mut lost = Vec::new();
    for (name, port) in busy {
        let Some(who) = foreign(&context.outside(), &project.root, &settled.identity, *port) else {
            context.ui.detail(&format!("Port {port} ({name}) is held by this instance itself"));
            continue;
        };
        context.ui.warn(&format!("Port {port} ({name}) is held by {who}; {name} gets another one"));
        lost.push(name.clone());
    }
    if lost.is_empty() {
        return Ok(settled);
    }
    let again = Ask { lost: &lost, name: None, profile: None, profile_variable: None, force: false, ..ask };
    context.settle(project, config, &again)
}

/// Runs Tilt with silo's terminal; the lockfile knows its pid meanwhile.
fn foreground(context: &Context, project: &Project, tilt: &Cmd<'_>) -> Result<Ended, Failure> {
    let ended = tilt.run(|pid| note(context, project, Some(pid)));
    note(context, project, None)?;
    ended
}

/// Tells the lockfile of Tilt.
fn note(context: &Context, project: &Project, pid: Option<u32>) -> Result<(), Failure> {
    context.note(project, |state| {
        state.tilt_pid = pid;
        state.tilt_started_at = pid.map(|_| clock::now());
        state.tilt_birth = pid.and_then(processes::look).and_then(|process| process.birth());
    })
}
