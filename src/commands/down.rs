//! `silo down`: the steps of docs/architecture.md, "Lifecycle", in that order.

use std::path::{Path, PathBuf};

use crate::backend::hooks::{self, Point};
use crate::backend::k3d::K3d;
use crate::backend::tilt;
use crate::core::instance::lockfile::InstanceState;
use crate::failure::{Failure, shown};
use crate::parts::cluster;
use crate::parts::cluster::Names;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::enter;
use crate::parts::servers::Servers;
use crate::store::ask::{Ask, Occasion};
use crate::store::free;
use crate::store::project;
use crate::store::snapshot;
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::lock::Wait;
use crate::sys::{files, signals};

pub(super) fn run(context: &Context, delete_cluster: bool, clean: bool) -> Result<u8, Failure> {
    let project = context.project().map_err(|failure| with_tilt(failure, nearest_record(context)))?;
    let Some((lockfile, _)) = project.lockfile()? else {
        return Err(Failure::new("No lockfile found. Nothing to stop."));
    };
    signals::watch();
    let config = project
        .config()
        .map_err(|failure| with_tilt(failure, Some((project.root.clone(), lockfile.instance.clone()))))?;
    // What is being stopped is the instance as it is: a profile asked for by a variable does not matter.
    let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
    let (settings, _) = snapshot::preview(&context.dirs, &project, &config, &ask)?;
    let settled = context.settle(&project, &config, &ask)?;
    let environment = enter::behind_gates(context, &project, &settled);
    let k3d = K3d::new(&environment, &project.root);
    let doomed = Names::of(&settled.vars).filter(|_| delete_cluster);
    // Without k3d there may never have been a cluster; where there was one, it takes k3d to delete it.
    let doomed = match cmd::find("k3d", &environment) {
        None if !lockfile.instance.k3d_cluster_created => None,
        None => doomed.map(|names| cluster::require(&environment).map(|()| names)).transpose()?,
        Some(_) => doomed,
    };
    // Before anything is stopped: a cluster of somebody else's is not this instance's to delete.
    if let Some(cluster) = doomed.as_ref().map(|names| k3d.cluster(&names.cluster)).transpose()?.flatten() {
        cluster::require_own(context, &project, &cluster, k3d.docker())?;
    }
    hooks::run(Point::PreDown, settings.hooks.pre_down.as_ref(), &environment, &project.root, context.ui)?;
    let has_tilt = cmd::find("tilt", &context.environment).is_some() && files::is_file(&project.root.join("Tiltfile"));
    if has_tilt {
        let tilt =
            Cmd { program: "tilt", arguments: vec!["down".into()], environment: &environment, folder: &project.root };
        match tilt.run(|_| Ok(())) {
            Ok(Ended::Code(0)) => {}
            Ok(ended) => context.ui.warn(&format!("`tilt down` ended with {}; its resources may remain", ended.code())),
            Err(failure) => context.ui.warn(&failure.what),
        }
    }
    let process = tilt::running(&lockfile.instance, &project.root);
    let something_ran = has_tilt || process.is_some();
    if !something_ran && doomed.is_none() && !clean {
        context.ui.step(&format!("No Tilt runs here; `{}` keeps its leases", settled.known.name));
    }
    if let Some(process) = process {
        context.ui.step(&format!("Stopping Tilt (pid {})", process.pid));
        tilt::stop(&process)?;
    }
    if let Some(names) = doomed {
        let _spinner = context.ui.spin(&format!("Deleting k3d cluster '{}'...", names.cluster));
        // Its kubeconfig is the only one k3d may edit while it deletes. An image registry may be left without its cluster,
        // so k3d is asked to delete what bears the name even where it lists no cluster.
        k3d.delete(&names.cluster)?;
        if cmd::find("docker", &environment).is_some() {
            k3d.docker().sweep(&names.cluster, names.registry.as_deref())?;
        }
        match K3d::remove_kubeconfig(&names.cluster, &names.kubeconfig) {
            Ok(true) => {}
            Ok(false) => {
                context.ui.warn(&format!("`{}` is left: more than this cluster's is in it", shown(&names.kubeconfig)));
            }
            // The cluster is gone all the same, and that is to be recorded.
            Err(failure) => context.ui.warn(&failure.what),
        }
    }
    context.note(&project, |state| {
        state.forget_tilt();
        state.k3d_cluster_created = state.k3d_cluster_created && !delete_cluster;
    })?;
    let post = hooks::run(Point::PostDown, settings.hooks.post_down.as_ref(), &environment, &project.root, context.ui);
    if let Err(failure) = post {
        context.ui.warn(&failure.what);
    }
    if clean {
        let env_file = project.env_file(&config.output)?;
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
        let both = [env_file.path.as_path(), &project.lockfile_path()];
        free::own(&context.dirs, &project.root, &both, &wait)?;
        context.ui.step("Removed env file and lockfile; the leases are free");
    }
    if clean || !something_ran {
        let known = &settled.known;
        for line in Servers::look().left_running(&known.name, &known.ports, &project.root) {
            context.ui.step(&line);
        }
    }
    Ok(signals::asked().map_or(0, signals::Asked::code))
}

/// A `silo.toml` that cannot be read keeps its hooks from running, so nothing is stopped; what to type is said all the same.
fn with_tilt(failure: Failure, record: Option<(PathBuf, InstanceState)>) -> Failure {
    match record.and_then(|(root, state)| tilt::running(&state, &root)) {
        Some(tilt) => failure.hint(format!("Tilt runs here; without hooks, `kill {}` stops it", tilt.pid)),
        None => failure,
    }
}

/// The nearest lockfile upward, where the `silo.toml` beside it is gone: another branch may have none.
fn nearest_record(context: &Context) -> Option<(PathBuf, InstanceState)> {
    let record = |root: &Path| {
        let (lockfile, _) = project::lockfile_of(root).ok()??;
        Some((files::canonical(root).ok()?, lockfile.instance))
    };
    context.folder.ancestors().find_map(record)
}
