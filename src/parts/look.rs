//! Every instance of the user as it really is: the registry says which should be, and the world is asked of each, side
//! by side and with a time limit (D101).

use std::path::Path;
use std::time::Duration;

use super::context::Context;
use super::gaps::{self, Compared};
use super::part::{self, Part};
use super::servers::{Served, Servers};
use crate::core::config::OWN_PORTS;
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::Instance;
use crate::core::text::columns::Tone;
use crate::failure::Failure;
use crate::store::{apart, history, project, registry, worktree};
use crate::sys::dirs::Dirs;
use crate::sys::{files, lock, processes, together};

/// How long the disks may take to answer.
const DISKS: Duration = Duration::from_millis(1500);

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its programs run.
    Running,
    /// A `silo up` is on the way.
    Starting,
    /// Its programs do not run by silo, and a server of its own listens on a port of the project's.
    Listening,
    /// None of its own listens, and somebody else does on a port of the project's.
    Taken,
    /// It is there and nothing runs.
    Stopped,
    /// Its folder is gone.
    Gone,
    /// Its folder is on a disk that is not mounted.
    Unmounted,
    /// Its disk did not answer in time.
    Silent,
}

impl State {
    /// How an instance is whose folder is there; `served` says who listens on its ports.
    pub fn of(runs: bool, is_starting: bool, served: &Served) -> Self {
        // What silo starts itself is reported in other ways.
        let projects = |name: &String| !OWN_PORTS.contains(&name.as_str());
        match (runs, is_starting) {
            (true, _) => Self::Running,
            (false, true) => Self::Starting,
            _ if served.own.keys().any(projects) => Self::Listening,
            _ if served.others.keys().any(projects) => Self::Taken,
            _ => Self::Stopped,
        }
    }

    /// What a colour says of it.
    pub fn tone(self) -> Tone {
        match self {
            Self::Running | Self::Listening => Tone::Good,
            Self::Starting => Tone::Busy,
            Self::Stopped => Tone::Faint,
            Self::Taken | Self::Gone | Self::Unmounted | Self::Silent => Tone::Bad,
        }
    }

    /// The word for people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Listening => "listening",
            Self::Taken => "taken",
            Self::Stopped => "stopped",
            Self::Gone => "gone",
            Self::Unmounted => "unmounted",
            Self::Silent => "no answer",
        }
    }
}

/// One instance, recorded and seen.
#[derive(Debug, Clone)]
pub struct Observed {
    /// What the registry says.
    pub instance: Instance,
    /// How it is.
    pub state: State,
    /// The branch of its work tree.
    pub branch: Option<String>,
    /// What was observed of each part that is shown, by the head of its column.
    pub parts: Vec<(&'static str, Option<part::PartState>)>,
    /// How what is wanted of it stands; nothing where its folder is not there.
    pub compared: Compared,
    /// Who listens on its ports.
    pub served: Served,
    /// Whether this shell, or else this folder, is in it.
    pub current: bool,
}

/// What one look at a root's disk tells.
#[derive(Default)]
struct Looked {
    /// Why nothing more can be said.
    missing: Option<State>,
    starting: bool,
    /// What the lockfile says, where it is this instance's.
    state: Option<InstanceState>,
    branch: Option<String>,
}

/// Looks at every instance; sorted by name. `all` are the parts that are asked, each in a thread of its own.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read.
pub fn observe_all(context: &Context, all: &'static [&'static dyn Part]) -> Result<Vec<Observed>, Failure> {
    // What CI runs beside an instance is none.
    let leases = apart::without(&context.dirs, registry::peek(&context.dirs)?);
    Ok(observe(context, all, leases.instances, true))
}

/// Looks at some instances; at who listens on their ports only where that is asked for, since it costs most.
pub fn observe(
    context: &Context,
    all: &[&'static dyn Part],
    mut instances: Vec<Instance>,
    with_servers: bool,
) -> Vec<Observed> {
    instances.sort_by(|one, other| (&one.name, &one.root).cmp(&(&other.name, &other.root)));
    // Without gates: to look starts nothing. Asked while the disks are.
    let environment = context.outside();
    let asked: Vec<_> = all.iter().filter_map(|part| Some((*part, part.shown()?.column))).collect();
    let surveys = asked.into_iter().map(|(part, column)| {
        let (environment, instances) = (environment.clone(), instances.clone());
        (column, std::thread::spawn(move || part.survey(&environment, &instances)))
    });
    let surveys: Vec<_> = surveys.collect();
    let (outside, all) = (environment, instances.clone());
    let servers = with_servers.then(|| {
        std::thread::spawn(move || {
            let spread: Vec<_> = all.iter().map(Instance::spread).collect();
            let ports: Vec<_> = all.iter().zip(&spread).map(|(one, ports)| (Path::new(&one.root), ports)).collect();
            Servers::look(&outside, &ports)
        })
    });
    let dirs = context.dirs.clone();
    let looked = together::ask(instances.clone(), DISKS, move |instance| look(&dirs, instance));
    let surveys: Vec<_> = surveys.into_iter().map(|(column, survey)| (column, survey.join().ok().flatten())).collect();
    let servers = servers.and_then(|servers| servers.join().ok()).unwrap_or_default();
    let boot = processes::boot();
    let here = here(context, &instances);
    let observed = instances.into_iter().zip(looked).map(|(instance, looked)| {
        let current = here.as_deref() == Some(instance.root.as_str());
        let looked = looked.unwrap_or(Looked { missing: Some(State::Silent), ..Looked::default() });
        let tell = |survey: &part::Survey| survey(&instance, looked.state.as_ref());
        let parts: Vec<_> = surveys.iter().map(|(column, survey)| (*column, survey.as_ref().and_then(tell))).collect();
        let runs = parts.iter().any(|(_, observed)| observed.as_ref().is_some_and(|observed| observed.runs));
        let served = servers.served((&instance.prefix, &instance.name), &instance.spread(), Path::new(&instance.root));
        let served = served.believing(looked.state.as_ref(), Path::new(&instance.root));
        let kept: Vec<u16> =
            parts.iter().filter_map(|(_, one)| one.as_ref()).flat_map(|one| one.publishes.clone()).collect();
        let by_programs = served.without(&instance.ports, &kept);
        let state = looked.missing.unwrap_or_else(|| State::of(runs, looked.starting, &by_programs));
        let wanted = instance.wanted.now(boot.as_deref());
        let compared = if looked.missing.is_some() { Compared::default() } else { gaps::compare(&wanted, &parts) };
        Observed { state, branch: looked.branch, parts, compared, served, current, instance }
    });
    observed.collect()
}

/// The root this shell or folder is in.
fn here(context: &Context, instances: &[Instance]) -> Option<String> {
    let active = context.environment.text("SILO_ROOT").map(str::to_owned);
    let known = |root: &String| instances.iter().any(|instance| instance.root == *root);
    active.filter(known).or_else(|| {
        let folder = files::canonical(&context.folder).ok()?;
        let above = folder.ancestors().filter_map(|folder| folder.to_str().map(str::to_owned));
        above.into_iter().find(known)
    })
}

fn look(dirs: &Dirs, instance: &Instance) -> Looked {
    let root = Path::new(&instance.root);
    let missing = missing(dirs, root);
    if missing.is_some() {
        return Looked { missing, ..Looked::default() };
    }
    let recorded = project::lockfile_of(root).ok().flatten().map(|(lockfile, _)| lockfile.instance);
    // In a copy the lockfile names the origin.
    let recorded = recorded.filter(|state| state.name == instance.name);
    let starting = lock::holder(&dirs.up_lock(root)).is_some();
    let branch = worktree::branch(root, rustix::process::geteuid().as_raw());
    Looked { missing, starting, state: recorded, branch }
}

/// Why a root is not there; none when it is.
pub fn missing(dirs: &Dirs, root: &Path) -> Option<State> {
    if files::exists(root) {
        return None;
    }
    Some(if history::unmounted(dirs, root).is_some() { State::Unmounted } else { State::Gone })
}
