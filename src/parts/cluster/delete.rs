//! A cluster and what belongs to it, deleted.

use super::super::scope::{Scope, Site};
use super::names::Names;
use crate::backend::k3d::K3d;
use crate::failure::{Failure, shown};
use crate::sys::{cmd, files};

/// Deletes a cluster of the instance, its image registry, its network and its kubeconfig, while it is this one's turn.
///
/// # Errors
/// A [`Failure`] when k3d or Docker fails.
pub(super) fn one(site: &Site<'_>, names: &Names) -> Result<(), Failure> {
    let Scope { context, project, .. } = site.scope;
    // Its kubeconfig, and not that of the name the instance has now.
    let mut environment = site.environment.clone();
    environment.set("KUBECONFIG", names.kubeconfig.as_os_str());
    let k3d = K3d::new(&environment, &project.root);
    let _spinner = context.ui.spin(&format!("Deleting k3d cluster '{}'...", names.cluster));
    // Its kubeconfig is the only one k3d may edit while it deletes. An image registry may be left without its cluster,
    // so k3d is asked to delete what has the name even where it lists no cluster.
    k3d.delete(&names.cluster)?;
    files::remove(&context.dirs.making(&project.root))?;
    if cmd::find("docker", &site.environment).is_some() {
        k3d.docker().sweep(&names.cluster, names.registry.as_deref())?;
    }
    match K3d::remove_kubeconfig(&names.cluster, &names.kubeconfig) {
        Ok(true) => {}
        Ok(false) => {
            context.ui.warn(&format!("`{}` is left: more than this cluster's is in it", shown(&names.kubeconfig)));
        }
        // The cluster is gone anyway, and that is to be recorded.
        Err(failure) => context.ui.warn(&failure.what),
    }
    Ok(())
}
