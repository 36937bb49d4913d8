//! The clusters that an instance made under another name or profile, for as long as they are there.

use std::path::Path;

use super::delete;
use super::names::Names;
use crate::backend::docker::Docker;
use crate::backend::k3d::{Cluster, K3d};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::scope::{Scope, Site};
use crate::store::clusters::Made;
use crate::sys::cmd;

/// Those of all clusters that are an instance's, without the one it has `now`. Docker, which knows whose each is, is asked where
/// one could be; where it does not answer, what silo has noted is believed.
pub(super) fn among<'c>(
    all: &'c [Cluster],
    made: &Made,
    now: Option<&str>,
    owners: &dyn Fn() -> Vec<(String, String)>,
) -> Vec<&'c Cluster> {
    let mut others: Vec<&Cluster> =
        all.iter().filter(|one| Some(one.name.as_str()) != now && made.may_have(&one.name)).collect();
    if !others.is_empty() {
        let owners = owners();
        let owner = |one: &Cluster| owners.iter().find(|(cluster, _)| *cluster == one.name).map(|(_, owner)| owner);
        others.retain(|one| made.has(&one.name, owner(one)));
    }
    others
}

/// Whose each cluster is, as far as Docker says so.
pub(super) fn owners(environment: &Environment) -> Vec<(String, String)> {
    let docker = Docker { program: "docker", environment, folder: Path::new("/") };
    let asked = cmd::find("docker", environment).map(|_| docker.labelled_clusters());
    asked.and_then(Result::ok).unwrap_or_default()
}

/// The names of those that may still be there and are not the one that goes anyway.
pub(super) fn candidates(context: &Context, site: &Site<'_>, now: Option<&Names>) -> Result<Vec<String>, Failure> {
    let Scope { project, .. } = site.scope;
    let made = Made::of(&context.dirs, &project.root);
    let mut found = made.noted.clone();
    // What has the label, though nobody noted it: the state folder may be younger than the cluster.
    if cmd::find("docker", &site.environment).is_some() {
        let docker = Docker { program: "docker", environment: &site.environment, folder: &project.root };
        match docker.labelled_clusters() {
            Ok(all) => found.extend(all.into_iter().filter(|(one, id)| made.has(one, Some(id))).map(|(one, _)| one)),
            Err(failure) if !found.is_empty() => return Err(failure),
            Err(_) => {}
        }
    }
    found.sort();
    found.dedup();
    found.retain(|one| now.is_none_or(|names| names.cluster != *one));
    Ok(found)
}

/// Deletes the earlier clusters that are still there and the instance's; true when there was one.
pub(super) fn delete(site: &Site<'_>, candidates: &[String]) -> Result<bool, Failure> {
    let Scope { context, project, .. } = site.scope;
    let k3d = K3d::new(&site.environment, &project.root);
    let (all, made) = (k3d.clusters()?, Made::of(&context.dirs, &project.root));
    let mut any = false;
    for name in candidates {
        if let Some(cluster) = all.iter().find(|cluster| cluster.name == *name) {
            let owner = k3d.docker().cluster_owner(name)?;
            if !made.has(name, owner.as_ref()) {
                context
                    .ui
                    .warn(&format!("The k3d cluster `{}` stays: it is not this instance's any more", cluster.name));
                context.note_cluster(project, name, false)?;
                continue;
            }
            delete::one(site, &Names::earlier(name, &context.dirs.home))?;
            any = true;
        }
        context.note_cluster(project, name, false)?;
    }
    Ok(any)
}
