//! `silo proxy`: starts and stops `silo-proxy`, the program beside silo that serves the routes of all instances (D29).

use nix::libc::SIGUSR1;
use serde_json::json;

use crate::cli::{ProxyAction, ProxyArgs};
use crate::core::healing::What;
use crate::core::leases::Wish;
use crate::core::routes::host;
use crate::failure::{Failure, code};
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::server::Server;
use crate::store::proxy::{self, Running};
use crate::store::{healing, wanted};
use crate::sys::cmd;
use crate::sys::lock::Wait;

fn server(context: &Context) -> Server {
    Server { what: "proxy", word: "routes", lock: context.dirs.proxy_lock(), log: context.dirs.proxy_log() }
}

pub(super) fn run(context: &Context, arguments: &ProxyArgs) -> Result<u8, Failure> {
    let ProxyArgs { action, detach, json } = *arguments;
    let misplaced = [("-d", detach && action != ProxyAction::Up), ("--json", json && action != ProxyAction::Status)];
    if let Some((flag, _)) = misplaced.into_iter().find(|(_, is)| *is) {
        let failure = Failure::new(format!("`{flag}` does not go with this action of `silo proxy`"));
        return Err(failure.hint("See `silo proxy --help`").code(code::USAGE));
    }
    match action {
        ProxyAction::Up => up(context, detach),
        ProxyAction::Down => {
            noted(context, false)?;
            server(context).down(context)
        }
        ProxyAction::Status => status(context, json),
        ProxyAction::Reload => reload(context),
    }
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
    server(context).up(context, true, || proxy::running(&context.dirs)).map(|_| ())
}

fn up(context: &Context, detach: bool) -> Result<u8, Failure> {
    if detach {
        noted(context, true)?;
    }
    let running = || proxy::running(&context.dirs);
    let running = match running() {
        Some(running) => running,
        None => server(context).up(context, detach, running)?,
    };
    told(context, running)?;
    Ok(0)
}

fn told(context: &Context, running: Running) -> Result<(), Failure> {
    let front = running.address(host::FRONT);
    context.ui.answer(&format!("The proxy runs (pid {}). All instances: {front}\n", running.pid))
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
    let Some(process) = server(context).process() else {
        return Err(Failure::new("No proxy runs").hint("Start it: `silo proxy up -d`"));
    };
    cmd::send(process.pid, SIGUSR1);
    context.ui.step("The proxy reads its settings and routes again");
    Ok(0)
}
