//! `silo proxy`: starts and stops `silo-proxy`, the program beside silo that serves the routes of all instances (D29).

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::libc::{SIGTERM, SIGUSR1};
use serde_json::json;

use crate::cli::{ProxyAction, ProxyArgs};
use crate::core::healing::What;
use crate::core::leases::Wish;
use crate::core::routes::host;
use crate::failure::{Failure, code, shown};
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::store::proxy::{self, Running};
use crate::store::{healing, wanted};
use crate::sys::cmd::{self, Cmd};
use crate::sys::lock::Wait;
use crate::sys::processes::Process;
use crate::sys::{files, lock, program};

/// The program.
const NAME: &str = "silo-proxy";
/// How long it may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(20);
/// Largest log that is shown, in bytes.
const LOG: u64 = 1024 * 1024;

pub(super) fn run(context: &Context, arguments: &ProxyArgs) -> Result<u8, Failure> {
    let ProxyArgs { action, detach, json } = *arguments;
    let misplaced = [("-d", detach && action != ProxyAction::Up), ("--json", json && action != ProxyAction::Status)];
    if let Some((flag, _)) = misplaced.into_iter().find(|(_, is)| *is) {
        let failure = Failure::new(format!("`{flag}` does not go with this action of `silo proxy`"));
        return Err(failure.hint("See `silo proxy --help`").code(code::USAGE));
    }
    match action {
        ProxyAction::Up => up(context, detach),
        ProxyAction::Down => down(context),
        ProxyAction::Status => status(context, json),
        ProxyAction::Reload => reload(context),
    }
}

/// Where the program is: beside silo, as it was called or behind links, else on `PATH`.
fn find(context: &Context) -> Result<PathBuf, Failure> {
    let silo = program::own_path(&context.environment, &context.program)?;
    let beside = [Some(silo.clone()), files::canonical(&silo).ok()].into_iter().flatten();
    let beside = beside.map(|path| path.with_file_name(NAME)).find(|path| files::is_executable(path));
    beside.or_else(|| cmd::find(NAME, &context.environment)).ok_or_else(|| {
        Failure::new(format!("`{NAME}` was not found beside `{}`", shown(&silo)))
            .hint("It comes with silo; install it again: `silo doc install`")
    })
}

fn up(context: &Context, detach: bool) -> Result<u8, Failure> {
    if detach {
        noted(context, true)?;
    }
    if let Some(running) = proxy::running(&context.dirs) {
        told(context, running)?;
        return Ok(0);
    }
    if !detach {
        return Err(cmd::exec(find(context)?.as_os_str(), &[], &context.outside(), Some(Path::new("/"))));
    }
    start(context)?;
    proxy::running(&context.dirs).map_or(Ok(()), |running| told(context, running)).map(|()| 0)
}

/// Remembers whether the user wants it up (D31), and that what failed before counts no more.
fn noted(context: &Context, is_wanted: bool) -> Result<(), Failure> {
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    wanted::server(&context.dirs, &wait, wanted::PROXY, is_wanted)?;
    if is_wanted { healing::add(&context.dirs, "", What::Up, Some(&Wish::part(wanted::PROXY)), None) } else { Ok(()) }
}

/// Starts it in the background.
///
/// # Errors
/// A [`Failure`] with its first words when it does not start.
pub(super) fn start(context: &Context) -> Result<(), Failure> {
    let (path, environment) = (find(context)?, context.outside());
    files::make_folder(&context.dirs.state)?;
    let program = path.to_string_lossy();
    let cmd = Cmd { program: &program, arguments: Vec::new(), environment: &environment, folder: Path::new("/") };
    let log = context.dirs.proxy_log();
    let mut child = cmd.detach(&log)?;
    let start = Instant::now();
    loop {
        if proxy::running(&context.dirs).is_some() {
            return Ok(());
        }
        if child.has_ended() || start.elapsed() > PATIENCE {
            let said = files::read(&log, LOG).ok().flatten().map(|log| log.bytes).unwrap_or_default();
            let said = String::from_utf8_lossy(&said);
            let mut lines = said.lines().filter(|line| !line.trim().is_empty());
            let first = lines.next().unwrap_or("it says nothing").trim_start_matches("Error: ").to_owned();
            let failure = Failure::new(format!("The proxy did not start: {first}"));
            let hints = lines.filter_map(|line| line.strip_prefix("Hint: ")).map(str::to_owned);
            return Err(hints.fold(failure, Failure::hint));
        }
        std::thread::sleep(LOOK);
    }
}

fn told(context: &Context, running: Running) -> Result<(), Failure> {
    let front = running.address(host::FRONT);
    context.ui.answer(&format!("The proxy runs (pid {}). All instances: {front}\n", running.pid))
}

/// The process that holds the proxy's lock.
fn process(context: &Context) -> Option<Process> {
    lock::signer(&context.dirs.proxy_lock(), "silo-proxy")
}

fn down(context: &Context) -> Result<u8, Failure> {
    noted(context, false)?;
    let Some(process) = process(context) else {
        context.ui.step("No proxy runs");
        return Ok(0);
    };
    cmd::send(process.pid, SIGTERM);
    let start = Instant::now();
    while lock::holder(&context.dirs.proxy_lock()).is_some() {
        if start.elapsed() > PATIENCE {
            let pid = process.pid;
            return Err(Failure::new(format!("The proxy (pid {pid}) did not stop"))
                .hint(format!("End it hard: `kill -9 {pid}`")));
        }
        std::thread::sleep(LOOK);
    }
    context.ui.step("The proxy has stopped");
    Ok(0)
}

fn status(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let running = proxy::running(&context.dirs);
    let code = if running.is_some() { 0 } else { code::FAILURE };
    match (running, as_json) {
        (_, true) => {
            let object = running.map(
                |running| json!({ "pid": running.pid, "port": running.port, "address": running.address(host::FRONT) }),
            );
            context.ui.answer_json(&json!(object))?;
        }
        (Some(running), false) => told(context, running)?,
        (None, false) => context.ui.answer("No proxy runs. Start it: silo proxy up -d\n")?,
    }
    Ok(code)
}

fn reload(context: &Context) -> Result<u8, Failure> {
    let Some(process) = process(context) else {
        return Err(Failure::new("No proxy runs").hint("Start it: `silo proxy up -d`"));
    };
    cmd::send(process.pid, SIGUSR1);
    context.ui.step("The proxy reads its settings and routes anew");
    Ok(0)
}
