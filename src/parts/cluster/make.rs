//! The cluster of `silo up`: one that runs, its image registry, its kubeconfig, and the word of where the registry is.
//! What is there already is used; what is half there is fixed.

use super::super::context::Context;
use super::super::fill;
use super::super::scope::{Scope, Site};
use super::super::turn;
use super::names::Names;
use super::ports;
use crate::backend::docker::Docker;
use crate::backend::k3d::{Cluster, K3d, Node, Plan, Standing};
use crate::backend::kubectl::{self, Hosting};
use crate::core::config::{API_PORT, REGISTRY_PORT, Settings};
use crate::core::text::digest;
use crate::failure::{Failure, shown_from};
use crate::store::clusters::Made;
use crate::store::instances::Settled;
use crate::store::project::Project;
use crate::sys::files;
use crate::sys::writing::{self, Writing};

/// Brings the cluster up; the settled instance changes when the image registry turns out to have another port.
pub(super) fn bring_up(site: &mut Site<'_>) -> Result<(), Failure> {
    let Some(names) = Names::of(&site.settled.vars) else { return Ok(()) };
    let Scope { context, project, settings, .. } = site.scope;
    let environment = site.environment.clone();
    let k3d = K3d::new(&environment, &project.root);
    K3d::require_own_kubeconfig(&names.cluster, &names.kubeconfig)?;
    let found = turn::take(context, || {
        let found =
            Making { site, context, project, settings, settled: &site.settled, names: &names, k3d: &k3d }.run()?;
        if found.is_none() {
            context.note(project, |state| state.k3d_cluster_created = true)?;
        }
        Ok(found)
    })?;
    let registry = match (&names.registry, settings.k3d.registry) {
        (Some(registry), true) => Some(registry_of(&k3d, registry)?),
        _ => None,
    };
    if let Some(cluster) = &found {
        ports::follow(site, cluster, registry.as_ref())?;
    }
    context.ui.step(&format!("Writing kubeconfig to {}", shown_from(&context.dirs.home, &names.kubeconfig)));
    k3d.save_kubeconfig(&names.cluster, &names.kubeconfig)?;
    if let (Some(registry), true) = (&names.registry, settings.k3d_registry.advertise.unwrap_or(true)) {
        let told = fill::announced(site, "k3d.registry", &settings.k3d_registry)?;
        let hosting = Hosting::of(registry, site.settled.known.port(REGISTRY_PORT), &told)?;
        let _spinner = context.ui.spin(&format!("Checking that the cluster knows its image registry `{registry}`"));
        if kubectl::advertise(&hosting, &site.environment, &project.root)? {
            context.ui.step("Announced the image registry in the cluster");
        }
    }
    Ok(())
}

/// Most of the mark of a making that is read, in bytes.
const MARK: u64 = 4096;

/// The cluster of an instance, and what it is made from.
struct Making<'a> {
    site: &'a Site<'a>,
    context: &'a Context,
    project: &'a Project,
    settings: &'a Settings,
    settled: &'a Settled,
    names: &'a Names,
    k3d: &'a K3d<'a>,
}

impl Making<'_> {
    /// Makes the cluster run; the one that was there, none when it was made now.
    fn run(&self) -> Result<Option<Cluster>, Failure> {
        let Self { context, names, k3d, .. } = self;
        let Some(cluster) = k3d.cluster(&names.cluster)? else { return self.make().map(|()| None) };
        require_own(context, self.project, &cluster, k3d.docker())?;
        // k3d calls one complete that was cut off in the last second of its making.
        let standing = if self.was_cut_off() { Standing::HalfMade } else { cluster.standing() };
        match standing {
            Standing::Running => context.ui.step(&format!("Reusing k3d cluster '{}'", names.cluster)),
            Standing::Stopped => {
                ports::require_free(self.site, names, cluster.nodes.iter())?;
                let _spinner = context.ui.spin(&format!("Starting k3d cluster '{}'...", names.cluster));
                k3d.start(&names.cluster)?;
            }
            Standing::HalfMade => {
                context.ui.warn(&format!("k3d cluster '{}' was only half made; it is made again", names.cluster));
                k3d.delete(&names.cluster)?;
                return self.make().map(|()| None);
            }
        }
        // One that an older silo made, too.
        context.note_cluster(self.project, &names.cluster, true)?;
        self.fix_registry().map(|()| Some(cluster))
    }

    /// Whether the making of this cluster was begun and never ended. One that an older silo made, or whose lockfile was removed,
    /// has no such mark.
    fn was_cut_off(&self) -> bool {
        let there = files::read(&self.context.dirs.making(&self.project.root), MARK).ok().flatten();
        there.is_some_and(|there| there.bytes == self.names.cluster.as_bytes())
    }

    /// Starts the image registry of a cluster that is there, or makes it again where it is gone; the cluster keeps its
    /// state.
    fn fix_registry(&self) -> Result<(), Failure> {
        let Self { context, names, .. } = self;
        let Some(registry) = &names.registry else { return Ok(()) };
        let docker = self.k3d.docker();
        match self.k3d.registry(registry)? {
            Some(node) if node.state.running => Ok(()),
            Some(node) => {
                ports::require_free(self.site, names, std::iter::once(&node))?;
                context.ui.step(&format!("Starting the image registry '{registry}'"));
                docker.start(registry)
            }
            None => {
                context.ui.warn(&format!("The image registry '{registry}' is gone; it is made again, empty"));
                docker.make_registry(registry, &names.cluster, self.settled.known.port(REGISTRY_PORT))
            }
        }
    }

    fn make(&self) -> Result<(), Failure> {
        let Self { context, names, k3d, .. } = self;
        let instance = digest::root_id(self.project.root_text().as_bytes());
        let left = match &names.registry {
            Some(registry) => k3d.registry(registry)?.and(Some(registry)),
            None => None,
        };
        if let Some(registry) = left {
            // Left behind by a cluster of this very name that is gone; k3d would refuse to make another.
            context.ui.step(&format!("Removing the image registry '{registry}' that an earlier cluster left"));
            k3d.delete(&names.cluster)?;
        }
        k3d.docker().sweep(&names.cluster, left.map(String::as_str))?;
        let filled = self.settings.k3d_args.iter().map(|text| fill::text(self.site, "k3d.args", text));
        let arguments = filled.collect::<Result<Vec<_>, _>>()?;
        let said =
            |flag: &str| arguments.iter().any(|argument| argument == flag || argument.starts_with(&format!("{flag}=")));
        let port = |name: &str| self.settled.known.ports.get(name).copied();
        let registry = names.registry.as_deref().zip(port(REGISTRY_PORT.0)).filter(|_| !said("--registry-create"));
        let plan = Plan {
            name: &names.cluster,
            instance: &instance,
            api_port: port(API_PORT).filter(|_| !said("--api-port")),
            registry,
            arguments: &arguments,
        };
        if let Some((registry, port)) = registry {
            context.ui.step(&format!("Creating registry '{registry}:{port}'..."));
        }
        let _spinner = context.ui.spin(&format!("Creating k3d cluster '{}'...", names.cluster));
        let mark = context.dirs.making(&self.project.root);
        writing::replace(&mark, names.cluster.as_bytes(), Writing::PRIVATE)?;
        context.note_cluster(self.project, &names.cluster, true)?;
        k3d.create(&plan)?;
        files::remove(&mark)
    }
}

/// Refuses a cluster that this instance did not make: by its label, or by the lockfile where an older silo set none.
///
/// # Errors
/// A [`Failure`] when it is not, or Docker cannot be asked.
pub(super) fn require_own(
    context: &Context,
    project: &Project,
    cluster: &Cluster,
    docker: Docker<'_>,
) -> Result<(), Failure> {
    let made = Made::of(&context.dirs, &project.root);
    let known = project.lockfile()?.is_some_and(|(lockfile, _)| lockfile.instance.k3d_cluster_created)
        || made.noted.contains(&cluster.name);
    // A making that was cut off before the first server left nothing that could bear a label.
    let owner = docker.cluster_owner(&cluster.name)?;
    if owner.map_or(known || !cluster.has_server(), |owner| made.ids.contains(&owner)) {
        return Ok(());
    }
    Err(Failure::new(format!("There is a k3d cluster `{}` that this instance did not make", cluster.name))
        .hint("Give this instance another name: `silo up OTHER-NAME`")
        .hint(format!("Or delete the cluster, if nobody needs it: `k3d cluster delete {}`", cluster.name)))
}

/// The image registry of a cluster that is there.
fn registry_of(k3d: &K3d<'_>, registry: &str) -> Result<Node, Failure> {
    k3d.registry(registry)?.ok_or_else(|| {
        Failure::new(format!("The image registry `{registry}` does not exist, although its cluster does"))
            .hint("Run `silo down --delete-cluster`, then `silo up`")
    })
}
