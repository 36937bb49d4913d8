//! One file per command; each reads from top to bottom like the list in the spec.

mod allow;
mod census;
mod ci;
mod cluster;
mod complete;
mod completions;
mod consent;
mod deactivate;
mod deny;
mod diff;
mod doc;
mod doctor;
mod down;
mod env;
mod exec;
mod export;
mod gate;
mod get;
mod holder;
mod hook;
mod init;
mod instance;
mod list;
mod logs;
mod open;
mod profiles;
mod prune;
mod recorded;
mod require;
mod shell;
mod status;
mod up;
mod values;
mod wait;
mod who;

pub use complete::call as completion_call;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum as _;

use crate::backend::tilt;
use crate::cli::{Cli, Command, ExportFormat, Global, HookArgs, ShellName};
use crate::core::activation::{self, Undo};
use crate::core::config::ConfigFile;
use crate::core::environment::Environment;
use crate::core::lockfile::InstanceState;
use crate::core::ports::Reason;
use crate::core::settings::UserSettings;
use crate::failure::{Failure, shown};
use crate::store::gates;
use crate::store::instances::{self, Ask, Case, Occasion, Settled, World};
use crate::store::project::Project;
use crate::store::settings;
use crate::sys::dirs::{self, Dirs};
use crate::sys::lock::Wait;
use crate::sys::processes::Process;
use crate::sys::{clock, files, net, random, signals};
use crate::ui::Ui;

/// How long a typed command waits for the registry.
const COMMAND_WAIT: Duration = Duration::from_secs(30);
/// How long the shell hook waits for it (design D7).
const HOOK_WAIT: Duration = Duration::from_secs(2);

/// What every command gets.
struct Context {
    environment: Environment,
    /// The folder to act in: absolute, as the shell names it where that is true.
    folder: PathBuf,
    /// `-c`.
    config: Option<PathBuf>,
    dirs: Dirs,
    ui: Ui,
    /// The user's settings.
    settings: UserSettings,
    /// The path silo was called by.
    program: OsString,
}

/// What becomes of settings that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistakes {
    /// The command fails.
    Stop,
    /// They are told of, and the defaults hold.
    Tell,
    /// The defaults hold; the command tells of them itself.
    Leave,
}

impl Mistakes {
    /// What runs by itself does its best; what was typed says so and stops, but for what is typed to learn what is wrong.
    fn of(command: &Command) -> Self {
        match command {
            Command::Export { .. } => Self::Tell,
            Command::Doctor { .. } => Self::Leave,
            _ => Self::Stop,
        }
    }
}

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
        Command::Doc { topic, json, .. } => doc::run(ui, environment, topic.as_deref(), json),
        Command::Completions { shell } => completions::run(ui, shell),
        Command::Version => ui.answer(concat!("silo ", env!("CARGO_PKG_VERSION"), "\n")).map(|()| 0),
        command => match (context(cli.global, environment.clone(), program, ui, Mistakes::of(&command)), command) {
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
    let root = environment.get("SILO_ROOT");
    if !root.is_some_and(|root| gates::is_gate(&dirs, Path::new(root), tool)) {
        return gate::left(&dirs, environment, program, tool, arguments);
    }
    let ui = Ui::default();
    // The link stands for silo itself, wherever that is.
    let silo = std::env::current_exe().map_or_else(|_| "silo".into(), OsString::from);
    let done = context(Global::default(), environment.clone(), silo, ui, Mistakes::Tell)
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
        ["hook", shell] => {
            Command::Hook(HookArgs { shell: Some(ShellName::from_str(shell, false).ok()?), ..HookArgs::default() })
        }
        ["export", shell, ref seen @ ..] => {
            let seen = match seen {
                ["--seen", generation] => Some((*generation).to_owned()),
                [] => None,
                _ => return None,
            };
            Command::Export { format: ExportFormat::from_str(shell, false).ok()?, seen }
        }
        _ => return None,
    };
    Some(run(Cli { global: Global::default(), command }, environment, program.cloned()))
}

/// Prints a mistake on the command line, or the help that was asked for.
pub fn usage(error: &clap::Error) -> u8 {
    let ui = Ui::default();
    if let Err(failure) = ui.explain(error) {
        ui.fail(&failure);
        return failure.code;
    }
    u8::try_from(error.exit_code()).unwrap_or(crate::failure::code::USAGE)
}

fn dispatch(command: Command, context: &Context) -> Result<u8, Failure> {
    if !only_looks(&command) {
        context.dirs.require_own(&context.environment)?;
    }
    match command {
        Command::Init { tilt } => init::run(context, tilt),
        Command::Env(arguments) => env::run(context, &arguments),
        Command::Profiles { json } => profiles::run(context, json),
        Command::Status { json } => status::run(context, json),
        Command::Diff { json } => diff::run(context, json),
        Command::Allow => allow::run(context),
        Command::Deactivate => deactivate::run(context),
        Command::Deny => deny::run(context),
        Command::Up(arguments) => up::run(context, &arguments),
        Command::Ci(arguments) => up::ci(context, &arguments),
        Command::Logs { follow, resource } => logs::run(context, follow, resource.as_deref()),
        Command::Wait { timeout } => wait::run(context, timeout),
        Command::Down { delete_cluster, clean } => down::run(context, delete_cluster, clean),
        Command::List { json, watch } => list::run(context, json, watch),
        Command::Who { port, json } => who::run(context, port, json),
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

/// Whether a command writes nothing of silo's, or sees to it itself; `export` has to answer whatever happens.
fn only_looks(command: &Command) -> bool {
    use Command as C;
    let looks =
        matches!(command, C::Profiles { .. } | C::Status { .. } | C::Diff { .. } | C::List { .. } | C::Who { .. });
    looks || matches!(command, C::Require | C::Deactivate | C::Logs { .. } | C::Wait { .. } | C::Export { .. })
}

fn context(
    global: Global,
    environment: Environment,
    program: OsString,
    ui: Ui,
    mistakes: Mistakes,
) -> Result<Context, Failure> {
    signals::outlive_file_limit();
    let mut folder = dirs::working_folder(&environment)?;
    if let Some(directory) = &global.directory {
        folder = files::canonical(&folder.join(directory))?;
    }
    let dirs = Dirs::find(&environment)?;
    let settings = match settings::load(&dirs) {
        Err(failure) if mistakes == Mistakes::Tell => {
            ui.hook_failure(&failure, "the defaults hold until that is mended");
            UserSettings::default()
        }
        Err(_) if mistakes == Mistakes::Leave => UserSettings::default(),
        loaded => loaded?,
    };
    let ui = ui.set(&settings);
    Ok(Context { dirs, environment, folder, config: global.config, ui, settings, program })
}

impl Context {
    /// The project of the folder, or of `-c`.
    fn project(&self) -> Result<Project, Failure> {
        let project = Project::load(&self.folder, self.config.as_deref())?;
        self.ui.detail(&format!("Config: {}", shown(&project.file)));
        Ok(project)
    }

    /// The environment as it is outside every instance.
    fn outside(&self) -> Environment {
        activation::undone(&self.environment, Undo::of(&self.environment).as_ref())
    }

    /// Settles an instance in the real world: this clock, this machine's ports and tools, chance.
    fn settle_with(
        &self,
        project: &Project,
        config: &ConfigFile,
        ask: &Ask<'_>,
        wait: &Wait<'_>,
    ) -> Result<Settled, Failure> {
        let silo = hook::program(&self.environment, &self.program)?;
        let own = holder::own_ports(self, project, config, ask);
        let installed = |tool: &str| gate::real(&self.dirs, &self.environment, tool.as_ref()).is_some();
        let world = World {
            now: clock::now(),
            suffix: &random::suffix,
            silo: &silo,
            installed: &installed,
            port_range: &self.settings.port_range,
            probe: &net::probe,
            own: &own,
        };
        instances::settle(&Case { dirs: &self.dirs, project, config, ask, world: &world }, wait)
    }

    /// Changes what the lockfile of a settled instance says.
    fn note(&self, project: &Project, change: impl FnOnce(&mut InstanceState)) -> Result<(), Failure> {
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| self.ui.step(text) };
        instances::note(&self.dirs, project, &wait, change)
    }

    /// Settles an instance for a typed command, and says what was done.
    fn settle(&self, project: &Project, config: &ConfigFile, ask: &Ask<'_>) -> Result<Settled, Failure> {
        let outside = self.outside();
        let ask = Ask { profile_variable: outside.text("SILO_PROFILE"), ..*ask };
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| self.ui.step(text) };
        let settled = self.settle_with(project, config, &ask, &wait)?;
        if let Some(origin) = &settled.copied_from {
            self.ui.step(&format!(
                "The name in `.silo.lock` belongs to `{}`: this folder gets its own name and ports",
                shown(Path::new(origin))
            ));
        }
        if let Some(gone) = &settled.moved_from {
            let gone = shown(Path::new(gone));
            self.ui.step(&format!("Took over `{}` from `{gone}`, which is gone", settled.known.name));
        }
        if let Some(before) = &settled.adopted {
            self.ui.step(&format!(
                "Took over `{}` from `.silo.lock`, which the registry did not know (`silo doc migration`)",
                settled.known.name
            ));
            for (name, port) in before {
                let told = settled.moved.iter().any(|(moved, _)| moved.name == *name && moved.wanted == *port);
                if let Some(now) = settled.known.ports.get(name).filter(|now| *now != port && !told) {
                    self.ui.step(&format!("Port {port} is not to be had any more; {name} is {now}"));
                }
            }
        }
        if let Some(before) = &settled.renamed_from {
            self.ui.step(&format!("Renamed `{before}` to `{}`", settled.known.name));
        }
        for (moved, holder) in &settled.moved {
            let reason = match (moved.reason, holder) {
                (Reason::Leased, Some(holder)) => format!("is leased to `{holder}`"),
                (Reason::Leased, None) => "is leased to another instance".to_owned(),
                (Reason::Taken, _) => "is taken by another variable here".to_owned(),
                (Reason::Busy, _) => "is in use (perhaps by this instance itself)".to_owned(),
                (Reason::Denied, _) => "needs more rights (below 1024)".to_owned(),
            };
            self.ui.step(&format!("Port {} {reason}; {} is {}", moved.wanted, moved.name, moved.got));
        }
        for path in &settled.written {
            let shown = shown(path.strip_prefix(&project.root).unwrap_or(path));
            self.ui.step(&format!("Writing `{shown}`"));
        }
        if settled.written.is_empty() {
            self.ui.detail("Name and ports are as before; nothing was written");
        }
        Ok(settled)
    }
}

/// The Tilt that runs for a project, and the environment in which its commands find it.
fn running(context: &Context, project: &Project) -> Result<Option<(Environment, Process)>, Failure> {
    let Some((lockfile, _)) = project.lockfile()? else { return Ok(None) };
    let Some(process) = tilt::running(&lockfile.instance, &project.root) else { return Ok(None) };
    let config = project.config()?;
    context.dirs.require_own(&context.environment)?;
    let settled = context.settle(project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    Ok(Some((exec::behind_gates(context, project, &settled), process)))
}

/// The one short line of an activation: the name, then as many ports as fit (design D11: no other values).
fn activation_line<'a>(name: &str, ports: impl IntoIterator<Item = (&'a String, &'a u16)>) -> String {
    const WIDTH: usize = 72;
    let mut line = format!("{name} ·");
    for (variable, port) in ports {
        let next = format!(" {variable}={port}");
        if line.chars().count() + next.len() > WIDTH {
            return line + " …";
        }
        line.push_str(&next);
    }
    line
}
