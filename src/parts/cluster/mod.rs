//! The k3d cluster of an instance, with its image registry and its kubeconfig (docs/k3d.md). It outlives `silo down`.

mod delete;
mod earlier;
mod left;
mod make;
mod names;
mod observe;
mod ports;

use std::path::Path;
use std::time::Duration;

use super::leftovers::{Claim, Inventory, Kind};
use super::part::{Declared, Leave, Part, ReadyCheck, Report, Run, Shown, Stage, Stop, Stopped, Subject, Survey, Tool};
use super::scope::{Scope, Site};
use super::turn;
use crate::backend::k3d::{K3d, Standing};
use crate::backend::{docker, k3d, kubectl};
use crate::core::config::{Gate, Settings};
use crate::core::leases::Instance;
use crate::core::shell::environment::Environment;
use crate::core::text::version::Version;
use crate::failure::Failure;
use crate::sys::{cmd, files, net};
use names::{COLUMN, Names};

/// How long the API server may take to accept for a gate; it is on this machine.
const CONNECT: Duration = Duration::from_millis(300);

/// The part.
pub(super) struct Cluster;

const TOOLS: [Tool; 3] = [
    Tool {
        name: "k3d",
        install: k3d::INSTALL,
        version: &["version"],
        // The loopback address in --registry-create, and the states of nodes in the JSON.
        least: Some((Version(5, 0, 0), "Older ones put no image registry on loopback and answer in another shape")),
        or: None,
    },
    Tool {
        name: "docker",
        install: docker::INSTALL,
        version: &["version", "--format", "{{json .}}"],
        least: Some((Version(20, 10, 5), "k3d 5 makes no working cluster with older ones")),
        or: None,
    },
    Tool {
        name: "kubectl",
        install: kubectl::INSTALL,
        version: &["version", "--client", "-o", "json"],
        least: None,
        or: None,
    },
];

impl Part for Cluster {
    fn shown(&self) -> Option<Shown> {
        Some(Shown { column: COLUMN, key: "k3d" })
    }

    fn title(&self) -> &'static str {
        "cluster"
    }

    fn stage(&self) -> Stage {
        Stage::Foundation
    }

    fn declared(&self, settings: &Settings, _: &Path) -> Declared {
        settings.k3d.cluster.into()
    }

    fn taken_away(&self) -> Option<&'static str> {
        // The older silo's words.
        Some("k3d: disabled by profile")
    }

    fn how_to_declare(&self) -> Option<&'static str> {
        Some("For a k3d cluster write `[k3d]` with `enabled = true` in silo.toml")
    }

    fn tools(&self) -> &'static [Tool] {
        &TOOLS
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::Cluster)
    }

    fn up(&self, site: &mut Site<'_>, _: Run<'_>) -> Result<u8, Failure> {
        make::bring_up(site).map(|()| 0)
    }

    fn may_stop(&self, site: &Site<'_>, stop: Stop) -> Result<Leave, Failure> {
        let Some(names) = doomed(site, stop)? else { return Ok(Leave::Given) };
        let Scope { context, project, .. } = site.scope;
        let k3d = K3d::new(&site.environment, &project.root);
        match k3d.cluster(&names.cluster) {
            Ok(Some(cluster)) => make::require_own(context, project, &cluster, k3d.docker()).map(|()| Leave::Given),
            Ok(None) => Ok(Leave::Given),
            // As when Docker does not run.
            Err(failure) => Ok(Leave::Unknown(failure)),
        }
    }

    fn down(&self, site: &Site<'_>, stop: Stop) -> Result<Stopped, Failure> {
        let Scope { context, project, .. } = site.scope;
        if !stop.delete_cluster {
            return Ok(Stopped::Kept);
        }
        let doomed = doomed(site, stop)?;
        let others = earlier::candidates(context, site, doomed.as_ref())?;
        if !others.is_empty() {
            super::tools::require(&TOOLS[..2], &site.environment)?;
        }
        let forget = || context.note(project, |state| state.k3d_cluster_created = false);
        match &doomed {
            Some(names) => turn::take(context, || delete::one(site, names).and_then(|()| forget()))?,
            None => forget()?,
        }
        if let Some(names) = &doomed {
            context.note_cluster(project, &names.cluster, false)?;
        }
        let more = !others.is_empty() && turn::take(context, || earlier::delete(site, &others))?;
        Ok(if doomed.is_some() || more { Stopped::Done } else { Stopped::Kept })
    }

    fn is_up(&self, scope: &Scope<'_>) -> bool {
        let is_making = || files::exists(&scope.context.dirs.making(&scope.project.root));
        scope.context.environment.get("KUBECONFIG").is_some_and(|path| is_reachable(Path::new(path))) && !is_making()
    }

    fn readiness<'a>(&self, scope: &'a Scope<'a>) -> Result<Option<ReadyCheck<'a>>, Failure> {
        let site = scope.settle()?;
        let Some(names) = Names::of(&site.settled.vars) else { return Ok(None) };
        let cluster = K3d::new(&site.environment, &scope.project.root).cluster(&names.cluster)?;
        match cluster.map(|cluster| cluster.standing()) {
            // k3d itself waits until a cluster that it makes or starts is ready.
            Some(Standing::Running) => Ok(None),
            _ => Err(Failure::new(format!("The k3d cluster `{}` does not run", names.cluster))
                .hint("Run `silo up -d` first")),
        }
    }

    fn survey(&self, outside: &Environment, instances: &[Instance]) -> Option<Survey> {
        Some(observe::survey(outside, instances))
    }

    fn report(&self, subject: &Subject<'_>) -> Option<Report> {
        observe::report(subject)
    }

    fn left(&self, inventory: &Inventory, claim: &Claim) -> Vec<(Kind, String)> {
        left::of(inventory, claim)
    }
}

/// The cluster that goes, when it is to; none where there never was one.
fn doomed(site: &Site<'_>, stop: Stop) -> Result<Option<Names>, Failure> {
    let Some(names) = Names::of(&site.settled.vars).filter(|_| stop.delete_cluster) else { return Ok(None) };
    // Without k3d there may never have been a cluster; where there was one, it takes k3d to delete it.
    if cmd::find("k3d", &site.environment).is_some() {
        return Ok(Some(names));
    }
    let made = site.scope.state.as_ref().is_some_and(|state| state.k3d_cluster_created);
    if made { super::tools::require(&TOOLS, &site.environment).map(|()| Some(names)) } else { Ok(None) }
}

/// Whether the API server a kubeconfig names accepts connections.
fn is_reachable(path: &Path) -> bool {
    names::api_port(path).is_some_and(|port| net::answers(port, CONNECT))
}
