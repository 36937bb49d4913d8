//! `silo-proxy`: serves the routes of all instances on a port of loopback (D29). A program of its own, so that nothing of it is in
//! `silo`, which runs at each `cd`; `silo proxy` starts and stops it.
//!
//! It is two servers, each in a process of its own: `gateway/` keeps keys (D34), the rest serves routes. `inside/` is what runs in
//! containers of agents (D33).
//! It is two servers, each in a process of its own: `gateway/` keeps keys (D34), the rest serves routes. `memory/` is no server: it asks
//! the Postgres in which findings of agents are kept (D35), once for each call.
//!
//! `listen.rs` takes connections, `answer.rs` decides what a request is about, `forward.rs` passes it on, `front.rs` shows all
//! instances. Only loopback is listened on and only loopback is connected to.

mod answer;
mod body;
mod client;
mod forward;
mod front;
mod gateway;
mod guard;
mod headers;
mod inside;
mod listen;
mod memory;
mod pages;
mod passing;
mod seen;
mod shared;

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use silo::cli::Global;
use silo::core::shell::environment::Environment;
use silo::failure::{Failure, code};
use silo::parts::context::{Context, Mistakes};
use silo::store::proxy;
use silo::sys::lock;
use silo::ui::Ui;

/// Serves until it is told to stop.
type Server = fn(Ui, Environment, OsString, Option<u16>) -> Result<(), Failure>;

fn main() -> ExitCode {
    let environment: Environment = std::env::vars_os().collect();
    let mut words = std::env::args_os();
    let program = words.next().unwrap_or_else(|| "silo-proxy".into());
    let ui = Ui::default();
    let words: Vec<OsString> = words.collect();
    let first = words.first().and_then(|word| word.to_str()).unwrap_or_default();
    if let Some(done) = inside::run(ui, &environment, first, words.get(1..).unwrap_or_default()) {
        return ended(ui, done);
    }
    if words == ["memory"] {
        return ended(ui, memory::run(ui, environment, program).map(|()| 0));
    }
    let (server, rest) = match words.split_first() {
        Some((word, rest)) if word == "gateway" => (gateway::run as Server, rest),
        Some((word, rest)) if word == "routes" => (run as Server, rest),
        _ => (run as Server, &words[..]),
    };
    let done = match rest {
        [] => server(ui, environment, program, None),
        [flag, port] if flag == "--port" && number(port).is_some() => server(ui, environment, program, number(port)),
        [flag] if flag == "--version" => ui.answer(concat!("silo-proxy v", env!("CARGO_PKG_VERSION"), "\n")),
        _ => Err(Failure::new("`silo-proxy` is started by `silo proxy up` and `silo gateway up`")
            .hint("Usage: silo-proxy [routes|gateway] [--port PORT]; read about it: `silo doc routes`, `silo doc gateway`")
            .code(code::USAGE)),
    };
    ended(ui, done.map(|()| 0))
}

fn number(port: &OsStr) -> Option<u16> {
    port.to_str()?.parse().ok()
}

/// Reports a failure, and gives the exit code.
fn ended(ui: Ui, done: Result<u8, Failure>) -> ExitCode {
    match done {
        Ok(code) => code.into(),
        Err(failure) => {
            ui.fail(&failure);
            failure.code.into()
        }
    }
}

/// Serves until it is told to stop. `port` stands in for the setting.
fn run(ui: Ui, environment: Environment, program: OsString, port: Option<u16>) -> Result<(), Failure> {
    let context = Context::of(Global::default(), environment, program, ui, Mistakes::Stop)?;
    context.dirs.require_own(&context.environment)?;
    let busy = |holder: String| {
        Failure::new(format!("A proxy of this user runs already{holder}"))
            .hint("See where: `silo proxy status`; stop it: `silo proxy down`")
    };
    lock::hold(&context.dirs.proxy_lock(), "the proxy", &lock::AT_ONCE, busy, || {
        // What one left that was killed.
        proxy::forget(&context.dirs)?;
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        // Only the page of all instances asks outside of the one thread.
        let runtime = runtime.enable_all().max_blocking_threads(2).thread_keep_alive(seen::FRESH).build();
        let runtime = runtime.map_err(|error| Failure::new(format!("Cannot start the proxy: {error}")))?;
        runtime.block_on(listen::serve(context, port))
    })
}
