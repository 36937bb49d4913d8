//! A gate (D17): silo, called by a tool's name in an active shell, brings up what the tool needs, once, and then
//! becomes the tool. When all is up it costs a connect to the API server.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{consent, up};
use crate::backend::tilt;
use crate::core::config::Gate;
use crate::core::formats::kubeconfig;
use crate::core::instance::gate::needs_nothing;
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, shown};
use crate::parts::cluster;
use crate::parts::context::Context;
use crate::parts::enter;
use crate::store::ask::{Ask, Occasion};
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{gates, snapshot};
use crate::sys::{cmd, dirs::Dirs, files, net, signals};
use crate::ui::Ui;

/// How long the API server may take to accept; it is on this machine.
const CONNECT: Duration = Duration::from_millis(300);
/// Largest kubeconfig that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// Runs the gate of a tool, with the tool's own arguments.
pub(super) fn run(context: &Context, tool: &OsStr, arguments: &[OsString]) -> Result<u8, Failure> {
    let real = behind(&context.dirs, &context.environment, tool)?;
    let mut environment = context.environment.clone();
    let words: Vec<Option<&str>> = arguments.iter().map(|word| word.to_str()).collect();
    if let Some(root) = context.environment.get("SILO_ROOT").map(PathBuf::from)
        && !tool.to_str().is_some_and(|tool| needs_nothing(tool, &words))
        && let Some(changed) = open(context, &root, tool)?
    {
        environment = changed;
    }
    Err(cmd::exec(real.as_os_str(), arguments, &environment, None))
}

/// Becomes the tool at once, when silo was called through a gate of an instance that was left: a program that puts back a
/// `PATH` of its own (direnv, a venv) brings such a folder along. None when it was no gate.
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
        context
            .ui
            .warn(&format!("{} is not trusted as it is; `silo allow` lets gates act on it", shown(&project.file)));
        return Ok(None);
    }
    if let Err(failure) = context.dirs.require_own(&context.environment) {
        context.ui.warn(&failure.what);
        return Ok(None);
    }
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let (settings, lockfile) = snapshot::preview(&context.dirs, &project, &config, &ask)?;
    let needs = tool.to_str().and_then(|tool| settings.gates.get(tool)).copied().unwrap_or(Gate::Env);
    let tilt_runs =
        || lockfile.as_ref().is_some_and(|lockfile| tilt::running(&lockfile.instance, &project.root).is_some());
    let cluster_runs = || context.environment.get("KUBECONFIG").is_some_and(|path| reachable(Path::new(path)));
    match needs {
        Gate::Env => Ok(None),
        Gate::Cluster if !settings.k3d.cluster || cluster_runs() => Ok(None),
        Gate::Cluster => {
            cluster::require(&context.environment)?;
            signals::watch();
            let settled = context.settle(&project, &config, &ask)?;
            let environment = enter::behind_gates(context, &project, &settled);
            let settled = cluster::bring_up(context, &project, &config, &settings, settled, &environment)?;
            Ok(Some(enter::inside(context, &project, &settled)))
        }
        Gate::Tilt if tilt_runs() => Ok(None),
        Gate::Tilt => up::in_background(context, &project, &config).map(Some),
    }
}

/// Whether the API server a kubeconfig names accepts connections.
fn reachable(path: &Path) -> bool {
    let Ok(Some(content)) = files::read(path, LIMIT) else { return false };
    let port = kubeconfig::api_port(&String::from_utf8_lossy(&content.bytes));
    port.is_some_and(|port| net::answers(port, CONNECT))
}
