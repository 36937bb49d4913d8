//! Which command is run, and how its failure is told. One file per command; each reads from top to bottom like the lists
//! in docs/architecture.md.

mod activation_line;
mod adopt;
mod agent;
mod allow;
mod apart;
mod ci;
mod complete;
mod completions;
mod compose;
mod consent;
mod deactivate;
mod deny;
mod diff;
mod dns;
mod doc;
mod doctor;
mod down;
mod elsewhere;
mod env;
mod exec;
mod export;
mod gate;
mod gateway;
mod get;
mod heal;
mod hook;
mod init;
mod instance;
mod key;
mod list;
mod logs;
mod memory;
mod open;
mod profiles;
mod proxy;
mod prune;
mod recorded;
mod require;
mod routes;
mod seed;
mod shell;
mod status;
mod uncalled;
mod up;
mod usage;
mod values;
mod wait;
mod who;
mod workspaces;

pub use complete::call as completion_call;
pub use usage::usage;

use std::ffi::OsString;
use std::path::Path;

use crate::cli::{Cli, Command, ExportFormat, Global, HookArgs, RoutesArgs};
use crate::core::shell::environment::Environment;
use crate::core::shell::named;
use crate::failure::Failure;
use crate::parts::context::{Context, Mistakes};
use crate::parts::part::Stop;
use crate::store::{apart as runs, gates};
use crate::sys::dirs::Dirs;
use crate::ui::Ui;

/// Runs a command and returns the exit code; failures are printed.
pub fn run(cli: Cli, environment: &Environment, program: Option<OsString>) -> u8 {
    let hook_silent = environment.text("SILO_LOG") == Some("off");
    let ui = Ui { verbose: cli.global.verbose, hook_silent, ..Ui::default() };
    let program = program.unwrap_or_else(|| "silo".into());
    let done = match cli.command {
        // These must answer even where there is no home and no folder: start files run them, and help is sought there.
        Command::Hook(HookArgs { shell: Some(shell), install: false, uninstall: false, .. }) => {
            hook::run(ui, environment, &program, shell)
        }
        Command::Doc { topic, search, list, json } => {
            doc::run(ui, environment, topic.as_deref(), &search, (list, json))
        }
        Command::Completions { shell } => completions::run(ui, shell),
        Command::Version => ui.answer(concat!("silo v", env!("CARGO_PKG_VERSION"), "\n")).map(|()| 0),
        command => match (Context::of(cli.global, environment.clone(), program, ui, mistakes(&command)), command) {
            (Ok(context), command) => dispatch(command, &context),
            (Err(failure), Command::Export { format, seen }) => {
                export::leave(ui, environment, (format, seen.is_some()), failure)
            }
            (Err(failure), _) => Err(failure),
        },
    };
    done.unwrap_or_else(|failure| {
        ui.fail(&failure);
        failure.code
    })
}

/// Runs the gate a link to silo stands for, when `program` is the name of one; none when silo was called as itself.
pub fn gate(environment: &Environment, program: Option<&OsString>, arguments: &[OsString]) -> Option<u8> {
    let program = Path::new(program?);
    // The usual call first: nothing is looked up for silo under its own name.
    let tool = program.file_name().filter(|tool| *tool != "silo")?;
    let dirs = Dirs::find(environment).ok()?;
    let (root, run) = (environment.text("SILO_ROOT"), environment.text(runs::INSIDE));
    if !root.is_some_and(|root| gates::is_gate(&dirs, root, run, tool)) {
        return gate::left(&dirs, environment, program, tool, arguments);
    }
    let ui = Ui::default();
    // The link stands for silo itself, wherever that is.
    let silo = std::env::current_exe().map_or_else(|_| "silo".into(), OsString::from);
    let done = Context::of(Global::default(), environment.clone(), silo, ui, Mistakes::Tell)
        .and_then(|context| gate::run(&context, tool, arguments));
    Some(done.unwrap_or_else(|failure| {
        ui.fail(&failure);
        failure.code
    }))
}

/// Answers the calls of start files and of the shell hook, `hook SHELL` and `export SHELL [--seen GENERATION]`, without
/// building the whole command line for them: that was a quarter of what a `cd` costs. None for any other call.
pub fn hook_call(environment: &Environment, program: Option<&OsString>, arguments: &[OsString]) -> Option<u8> {
    let words: Vec<&str> = arguments.iter().map(|word| word.to_str()).collect::<Option<_>>()?;
    let command = match words[..] {
        ["hook", shell] => Command::Hook(HookArgs { shell: Some(named(shell)?), ..HookArgs::default() }),
        ["export", shell, ref seen @ ..] => {
            let seen = match seen {
                ["--seen", generation] => Some((*generation).to_owned()),
                [] => None,
                _ => return None,
            };
            Command::Export { format: ExportFormat::named(shell)?, seen }
        }
        _ => return None,
    };
    Some(run(Cli { global: Global::default(), command }, environment, program.cloned()))
}

/// What runs by itself does its best; what was typed says so and stops, but for what is typed to learn what is wrong.
fn mistakes(command: &Command) -> Mistakes {
    match command {
        Command::Export { .. } => Mistakes::Tell,
        Command::Doctor { .. } => Mistakes::Leave,
        _ => Mistakes::Stop,
    }
}

fn dispatch(command: Command, context: &Context) -> Result<u8, Failure> {
    if !only_looks(&command) {
        context.dirs.require_own(&context.environment)?;
    }
    apart::may_be_typed(context, &command)?;
    if counts_on_the_hook(&command) {
        uncalled::tell(context);
    }
    match command {
        Command::Init { extension } => init::run(context, extension),
        Command::Env(arguments) => env::run(context, &arguments),
        Command::Profiles { json } => profiles::run(context, json),
        Command::Heal(arguments) => heal::run(context, &arguments),
        Command::Status { json, check } => status::run(context, json, check),
        Command::Diff { json, show } => diff::run(context, json, show),
        Command::Allow(args) => allow::run(context, args.path.as_deref()),
        Command::Adopt { folder, copy_slow, json } => adopt::run(context, folder.as_deref(), copy_slow, json),
        Command::Deactivate => deactivate::run(context),
        Command::Deny(args) => deny::run(context, args.path.as_deref()),
        Command::Up(arguments) => up::run(context, &arguments),
        Command::Ci(arguments) => up::ci(context, &arguments),
        Command::Logs { follow, resource } => logs::run(context, follow, resource.as_deref()),
        Command::Wait { timeout } => wait::run(context, timeout),
        Command::Down { delete_cluster, volumes, clean } => down::run(context, Stop { delete_cluster, volumes }, clean),
        Command::Compose(arguments) => compose::run(context, &arguments),
        Command::Seed(arguments) => seed::run(context, &arguments),
        Command::New(arguments) => workspaces::new::run(context, &arguments),
        Command::Templates { json } => workspaces::templates::run(context, json),
        Command::Run(arguments) => workspaces::run::run(context, &arguments),
        Command::Rm(arguments) => workspaces::rm::run(context, &arguments),
        Command::Cd { name, print } => workspaces::cd::run(context, &name, print),
        Command::Dns(arguments) => dns::run(context, &arguments),
        Command::List { json, workspaces: true, .. } => workspaces::list::run(context, json),
        Command::List { json, watch, .. } => list::run(context, json, watch),
        Command::Who { port, json } => who::run(context, port.as_deref(), json),
        Command::Routes(arguments) => routes::run(context, &arguments),
        Command::Proxy(arguments) => proxy::run(context, &arguments),
        Command::Gateway(arguments) => gateway::run(context, &arguments),
        Command::Agent(arguments) => agent::run(context, &arguments),
        Command::Key(arguments) => key::run(context, &arguments),
        Command::Memory(arguments) => memory::run(context, &arguments),
        Command::Get { name, instance } => get::run(context, &name, instance.as_deref()),
        Command::Open { name, instance, print } => open::run(context, name.as_deref(), instance.as_deref(), print),
        Command::Prune(arguments) => prune::run(context, &arguments),
        Command::Doctor { fix, json } => doctor::run(context, fix, json),
        Command::Export { format, seen } => export::run(context, format, seen.as_deref()),
        Command::Exec { command } => exec::run(context, &command),
        Command::Shell { dir } => shell::run(context, dir.as_deref()),
        Command::Require => require::run(context),
        Command::Hook(arguments) => hook::install::run(context, &arguments),
        Command::Doc { .. } | Command::Completions { .. } | Command::Version => {
            unreachable!("`run` answers these")
        }
    }
}

/// Whether what a command says or does is to show at the next prompt.
fn counts_on_the_hook(command: &Command) -> bool {
    use Command as C;
    matches!(command, C::Init { .. } | C::Env(_) | C::Status { .. } | C::Diff { .. } | C::Allow(_) | C::Deny(_))
}

/// Whether a command writes nothing of silo's, or sees to it itself; `export` has to answer whatever happens.
fn only_looks(command: &Command) -> bool {
    use Command as C;
    let looks =
        matches!(command, C::Profiles { .. } | C::Status { .. } | C::Diff { .. } | C::List { .. } | C::Who { .. });
    let looks = looks || matches!(command, C::Routes(RoutesArgs { out: None, .. }));
    looks
        || matches!(
            command,
            C::Cd { .. }
                | C::Templates { .. }
                | C::Require
                | C::Deactivate
                | C::Logs { .. }
                | C::Wait { .. }
                | C::Export { .. }
        )
}
