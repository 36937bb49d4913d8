//! What `silo doctor` finds about Tilt: processes that are not what the lockfile says, and what Tiltfiles fix for every
//! instance. Tiltfiles are read, never run.

use std::collections::{BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::super::finding::{Finding, Fix};
use super::super::part::{Inspected, Part};
use super::super::scan::{Scan, WrittenPort};
use super::super::unread;
use crate::backend::tilt;
use crate::core::formats::tiltfile;
use crate::core::instance::lockfile::InstanceState;
use crate::failure::quoted;
use crate::sys::files;

/// The most Tiltfiles that are read.
const MOST: usize = 64;

/// Whether the Tilt that is recorded runs, and whether another does.
pub(super) fn processes(part: &dyn Part, subject: &Inspected<'_>) -> Vec<Finding> {
    let known = subject.state.and_then(|state| part.process(state, subject.root));
    let mut found = Vec::new();
    if let Some(record) = subject.state.and_then(InstanceState::process)
        && known.is_none()
        && !subject.is_starting
    {
        let pid = record.pid;
        found.push(
            Finding::problem("tilt-pid-stale", format!("The lockfile names a Tilt (pid {pid}) that does not run"))
                .at(subject.lockfile)
                .why("It ended without silo, as by `kill -9` or a restart; older tools believe the number")
                .remedy(format!("silo down -C {}", quoted(subject.root)))
                .fix(Fix::ForgetProcess(subject.root.to_path_buf(), pid)),
        );
    }
    if let Some(process) = subject.is_here.then(|| tilt::outside(known.as_ref(), subject.root)).flatten() {
        let pid = process.pid;
        found.push(
            Finding::problem("tilt-outside", format!("A Tilt that silo did not start runs here (pid {pid})"))
                .at(subject.root)
                .why("`silo up` refuses beside it: both would act on the same resources")
                .remedy(format!("kill {pid}")),
        );
    }
    found
}

/// A port that a Tiltfile writes out, in the words of one.
fn written(path: &Path, one: tiltfile::Port) -> WrittenPort {
    let tiltfile::Port { line, resource, port, is_forward } = one;
    let of = resource.as_ref().map_or_else(String::new, |name| format!(" of `{name}`"));
    let (what, instead) = match is_forward {
        true => (format!("`port_forwards`{of}"), format!("int(os.getenv('…', '{port}'))")),
        false => (format!("A link{of}"), "os.getenv('…')".to_owned()),
    };
    WrittenPort { file: path.to_path_buf(), line, owner: resource, port, is_held: is_forward, what, instead }
}

/// The Tiltfile and those it loads: findings, and the compose files they name.
pub(super) fn files(root: &Path) -> Scan {
    let mut all = Scan::default();
    let mut seen = BTreeSet::new();
    let mut waiting = VecDeque::from([root.join("Tiltfile")]);
    while let Some(path) = waiting.pop_front() {
        let Some(canonical) = files::canonical(&path).ok().filter(|canonical| !seen.contains(canonical)) else {
            continue;
        };
        if seen.len() == MOST {
            break;
        }
        seen.insert(canonical);
        let scan = match unread::text_within(root, &path) {
            Ok(text) => tiltfile::scan(&text),
            Err(failure) => {
                all.found.push(unread::finding("tiltfile-unreadable", failure, &path));
                continue;
            }
        };
        let folder = path.parent().unwrap_or(Path::new("/"));
        all.found.extend(scan.bare.iter().map(|line| {
            Finding::problem("compose-bare", "`docker_compose()` does not get this instance's project name")
                .at_line(&path, *line)
                .why("Tilt ignores COMPOSE_PROJECT_NAME and names the project after the folder, so that instances share containers and volumes")
                .remedy("silo init --tilt, then load('./tilt-extensions/silo/docker_compose/Tiltfile', 'silo_docker_compose') and call that")
        }));
        // As people would name it: `./` in the middle says nothing.
        let below = |name: &String| folder.join(name).components().collect::<PathBuf>();
        all.compose_files.extend(scan.compose_files.iter().map(below));
        all.ports.extend(scan.ports.into_iter().map(|one| written(&path, one)));
        all.needs_cluster |= scan.deploys;
        waiting.extend(scan.loads.iter().map(below));
    }
    all
}
