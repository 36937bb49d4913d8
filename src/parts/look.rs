//! Every instance of the user as it really is: the registry says which should be, and the world is asked of each, side
//! by side and with a time limit (D101).

use std::path::Path;
use std::time::Duration;

use super::context::Context;
use super::servers::Servers;
use crate::backend::k3d::{Cluster, K3d};
use crate::backend::tilt;
use crate::core::config::{API_PORT, OWN_PORTS, TILT_PORT};
use crate::core::instance::lockfile::InstanceState;
use crate::core::instance::name;
use crate::core::leases::Instance;
use crate::failure::Failure;
use crate::store::{history, project, registry, worktree};
use crate::sys::dirs::Dirs;
use crate::sys::{cmd, files, lock, together};

/// How long the disks may take to answer.
const DISKS: Duration = Duration::from_millis(1500);
/// How long k3d may take.
const CLUSTERS: Duration = Duration::from_secs(3);

/// How an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its Tilt runs.
    Running,
    /// A `silo up` is on the way.
    Starting,
    /// Its Tilt does not run, and somebody listens on a port of the project's.
    Listening,
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
    /// How an instance is whose folder is there; `listening` are the variables whose ports somebody listens on.
    pub fn of(has_tilt: bool, is_starting: bool, listening: &[String]) -> Self {
        match (has_tilt, is_starting) {
            (true, _) => Self::Running,
            (false, true) => Self::Starting,
            // What silo starts itself is told of in other ways.
            _ if listening.iter().any(|name| !OWN_PORTS.contains(&name.as_str())) => Self::Listening,
            _ => Self::Stopped,
        }
    }

    /// The word for people and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Starting => "starting",
            Self::Listening => "listening",
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
    /// Process id of its Tilt.
    pub tilt: Option<u32>,
    /// Where its Tilt is found in the browser, whether it runs or not.
    pub address: Option<String>,
    /// The branch of its work tree.
    pub branch: Option<String>,
    /// Its cluster and how that stands; none where it has none.
    pub cluster: Option<(String, &'static str)>,
    /// The variables whose ports somebody listens on.
    pub listening: Vec<String>,
    /// Whether this shell, or else this folder, is in it.
    pub current: bool,
}

/// What one look at a root's disk tells.
#[derive(Default)]
struct Looked {
    /// Why nothing more can be said.
    missing: Option<State>,
    tilt: Option<u32>,
    starting: bool,
    host: Option<String>,
    branch: Option<String>,
}

/// Looks at every instance; sorted by name.
///
/// # Errors
/// A [`Failure`] when the registry cannot be read.
pub fn observe_all(context: &Context) -> Result<Vec<Observed>, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let mut instances = leases.instances;
    instances.sort_by(|one, other| (&one.name, &one.root).cmp(&(&other.name, &other.root)));
    let with_cluster = instances.iter().any(|instance| instance.ports.contains_key(API_PORT));
    // Without gates: to look starts nothing. Asked while the disks are.
    let environment = context.outside();
    let clusters = std::thread::spawn(move || {
        let asked = with_cluster && cmd::find("k3d", &environment).is_some();
        asked.then(|| K3d::new(&environment, Path::new("/")).within(CLUSTERS).clusters().ok()).flatten()
    });
    let servers = std::thread::spawn(Servers::look);
    let dirs = context.dirs.clone();
    let looked = together::ask(instances.clone(), DISKS, move |instance| look(&dirs, instance));
    let clusters = clusters.join().ok().flatten();
    let servers = servers.join().unwrap_or_default();
    let here = here(context, &instances);
    let seen = instances.into_iter().zip(looked).map(|(instance, looked)| {
        let current = here.as_deref() == Some(instance.root.as_str());
        let looked = looked.unwrap_or(Looked { missing: Some(State::Silent), ..Looked::default() });
        let host = looked.host.unwrap_or_else(|| "localhost".to_owned());
        let address = instance.ports.get(TILT_PORT.0).map(|port| format!("http://{host}:{port}"));
        let cluster = instance.ports.contains_key(API_PORT).then(|| standing(&instance, clusters.as_deref()));
        let listening = servers.on(&instance.ports);
        let state = looked.missing.unwrap_or_else(|| State::of(looked.tilt.is_some(), looked.starting, &listening));
        Observed { state, tilt: looked.tilt, address, branch: looked.branch, cluster, listening, current, instance }
    });
    Ok(seen.collect())
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
    // In a copy the lockfile tells of the origin.
    let recorded = recorded.filter(|state| state.name == instance.name);
    let tilt = recorded.as_ref().and_then(|state| tilt::running(state, root)).map(|process| process.pid);
    let starting = tilt.is_none() && lock::holder(&dirs.up_lock(root)).is_some();
    let branch = worktree::branch(root, rustix::process::geteuid().as_raw());
    Looked { missing, tilt, starting, host: recorded.as_ref().and_then(host), branch }
}

/// Why a root is not there; none when it is.
pub fn missing(dirs: &Dirs, root: &Path) -> Option<State> {
    if files::exists(root) {
        return None;
    }
    Some(if history::unmounted(dirs, root).is_some() { State::Unmounted } else { State::Gone })
}

/// The host name for Tilt's page in the browser; a lockfile is data, so only what could be a host name counts.
fn host(state: &InstanceState) -> Option<String> {
    let host = state.identity.hosts.get("TILT_HOST")?;
    host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).then(|| host.clone())
}

fn standing(instance: &Instance, clusters: Option<&[Cluster]>) -> (String, &'static str) {
    let cluster = name::k3d(&instance.qualified());
    let word = match clusters {
        None => "no answer",
        Some(all) => all.iter().find(|found| found.name == cluster).map_or("not made", |found| found.standing().word()),
    };
    (cluster, word)
}
