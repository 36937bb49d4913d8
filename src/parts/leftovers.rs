//! What instances left in Docker, proved theirs by label and by name: clusters and what is of agents by `silo.instance`, containers,
//! networks and volumes by compose's project label, the plain network by the instance's own name (D111).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;

use super::context::Context;
use super::shared;
use super::turn;
use crate::backend::agents_left::OfAgents;
use crate::backend::copying::{self, LABEL as COPIER};
use crate::backend::docker::{self, Docker};
use crate::backend::engine::Engine;
use crate::backend::k3d::K3d;
use crate::backend::labels::{LABEL, cluster_of_server};
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::store::agents;
use crate::sys::dirs::Dirs;
use crate::sys::{cmd, files};

/// compose's label on all it makes.
const COMPOSE: &str = "com.docker.compose.project";
/// Its label on containers with the folder they were made from.
const FOLDER: &str = "com.docker.compose.project.working_dir";

/// A thing with the owner its label names; empty without that label.
pub type Labelled = (String, String);

/// What there is in Docker that could be some instance's.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Inventory {
    /// Clusters, each with its instance's id; empty where no silo made it, or an older one that set no label.
    pub clusters: Vec<Labelled>,
    /// Image registries, each with its cluster.
    pub registries: Vec<Labelled>,
    /// Containers with their compose project.
    pub containers: Vec<Labelled>,
    /// Networks with their compose project.
    pub networks: Vec<Labelled>,
    /// Volumes with their compose project; empty where compose did not make it.
    pub volumes: Vec<Labelled>,
    /// Images that compose built, with their compose project.
    pub images: Vec<Labelled>,
    /// What copies of volumes that were killed left, with the instance's id.
    pub copiers: Vec<Labelled>,
    /// What there is of agents.
    pub agents: OfAgents,
    /// The instances whose ids the containers and volumes of a compose project bear.
    pub bearers: BTreeMap<String, BTreeSet<String>>,
    /// Compose projects with a container that was made from a folder which is there, and this folder.
    pub living: BTreeMap<String, String>,
}

/// By what the things of one instance are known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// The ids it may have labelled things with, its own first.
    pub ids: Vec<String>,
    /// The qualified names it has had.
    pub had: Vec<String>,
    /// Those of them that no other root that is there has or ever had.
    pub names: Vec<String>,
    /// Clusters that silo has noted as its own, which count without a label too; none for a root that is gone.
    pub noted: Vec<String>,
    /// Volumes that `keep` names: they are never removed.
    pub kept: Vec<String>,
    /// Whether its own id is nobody else's: a cluster that has it is then its own, even under a name another has now.
    pub sole: bool,
}

/// The kinds of things that are removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A k3d cluster.
    Cluster,
    /// A container: an image registry, or one of compose's.
    Container,
    /// A network.
    Network,
    /// A volume, data included.
    Volume,
    /// An image that was built for the instance alone.
    Image,
}

impl Kind {
    /// All of them, in the order in which they are removed: each may hold those after it.
    pub const ALL: [Self; 5] = [Self::Cluster, Self::Container, Self::Network, Self::Volume, Self::Image];

    /// Its name in a sentence.
    fn word(self) -> &'static str {
        match self {
            Self::Cluster => "cluster",
            Self::Container => "container",
            Self::Network => "network",
            Self::Volume => "volume",
            Self::Image => "image",
        }
    }
}

/// What one instance left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftovers(Vec<(Kind, String)>);

impl FromIterator<(Kind, String)> for Leftovers {
    /// In the order of kinds.
    fn from_iter<I: IntoIterator<Item = (Kind, String)>>(all: I) -> Self {
        let mut all: Vec<_> = all.into_iter().collect();
        all.sort_by_key(|(kind, _)| *kind);
        Self(all)
    }
}

impl Leftovers {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// The names of one kind.
    pub fn named(&self, kind: Kind) -> Vec<&str> {
        self.0.iter().filter(|(other, _)| *other == kind).map(|(_, name)| name.as_str()).collect()
    }

    /// Those of one kind that are among others too.
    #[must_use]
    pub fn only(&self, kind: Kind, among: &Self) -> Self {
        Self(self.0.iter().filter(|one| one.0 == kind && among.0.contains(one)).cloned().collect())
    }

    /// Each kind that there is, with its names.
    pub fn lines(&self) -> Vec<String> {
        let line = |kind: Kind| match self.named(kind)[..] {
            [] => None,
            [name] => Some(format!("{} {name}", kind.word())),
            ref names => Some(format!("{}s {}", kind.word(), names.join(", "))),
        };
        Kind::ALL.into_iter().filter_map(line).collect()
    }
}

impl Inventory {
    /// The compose projects of an instance's names that somebody uses in a folder which is there, each with that folder: another
    /// user of this Docker, or somebody without silo. Nothing proves theirs from the instance's.
    pub fn living<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = (&'a str, &'a str)> {
        let of_claim = self.living.iter().filter(|(project, _)| claim.names.contains(project));
        of_claim.map(|(project, folder)| (project.as_str(), folder.as_str()))
    }

    /// The compose projects of an instance's names that another instance has things in: another user's of this engine.
    pub fn others<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = &'a String> {
        claim.names.iter().filter(|name| self.is_others(claim, name))
    }

    fn is_others(&self, claim: &Claim, project: &str) -> bool {
        self.bearers.get(project).is_some_and(|ids| ids.iter().any(|id| !claim.ids.contains(id)))
    }

    /// Volumes of an instance that stay until somebody names them: what `keep` names, and what has its name and was not made by
    /// compose.
    pub fn kept<'a>(&'a self, claim: &'a Claim) -> impl Iterator<Item = &'a String> {
        let is_of = |name: &String, project: &String| {
            name.strip_prefix(project.as_str()).is_some_and(|rest| rest.starts_with('_'))
        };
        let is_kept = move |(name, owner): &&Labelled| {
            (owner.is_empty() || claim.kept.contains(name)) && claim.names.iter().any(|project| is_of(name, project))
        };
        self.volumes.iter().filter(is_kept).map(|(name, _)| name)
    }

    /// What compose made under an instance's names, and the plain network of one, as far as the claim goes.
    pub fn of_compose(&self, claim: &Claim) -> Vec<(Kind, String)> {
        let names = &claim.names;
        let project = |one: &Labelled| {
            names.contains(&one.1) && !self.living.contains_key(&one.1) && !self.is_others(claim, &one.1)
        };
        let volume = |one: &Labelled| project(one) && !claim.kept.contains(&one.0);
        // The label alone proves nothing: anybody may run a container with it.
        let copier = |(name, id): &Labelled| {
            let of = |project: &String| name.starts_with(&copying::name(id, &format!("{project}_")));
            claim.ids.contains(id) && names.iter().any(of)
        };
        // An image built from another one has its labels: its name must be the instance's own, too.
        let image = |one: &Labelled| project(one) && is_named(&one.0, &one.1);
        let network = |one: &Labelled| project(one) || one.1.is_empty() && names.contains(&one.0);
        [
            picked(Kind::Container, &self.containers, project),
            picked(Kind::Container, &self.copiers, copier),
            picked(Kind::Network, &self.networks, network),
            picked(Kind::Volume, &self.volumes, volume),
            picked(Kind::Image, &self.images, image),
        ]
        .concat()
    }
}

/// Whether an image has the name of a compose project in its own, as a whole: `localnet-x-web`, `reg.example/localnet-x/web`.
fn is_named(image: &str, project: &str) -> bool {
    image.split(['/', ':']).any(|part| {
        let rest = part.strip_prefix(project);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['-', '_', '.']))
    })
}

/// Those of a kind for which it holds, by name, each once.
pub fn picked(kind: Kind, all: &[Labelled], is: impl Fn(&Labelled) -> bool) -> Vec<(Kind, String)> {
    let names: BTreeSet<&String> = all.iter().filter(|one| is(one)).map(|(name, _)| name).collect();
    names.into_iter().map(|name| (kind, name.clone())).collect()
}

/// Docker, to take stock and to clear up.
#[derive(Debug, Clone, Copy)]
pub struct Cleaner<'a> {
    /// The environment, outside every instance.
    pub environment: &'a Environment,
}

impl<'a> Cleaner<'a> {
    /// Whether Docker is installed at all.
    pub fn is_there(self) -> bool {
        cmd::find("docker", self.environment).is_some()
    }

    /// The runs of agents that silo has recorded here.
    fn runs(self) -> HashSet<String> {
        let dirs = Dirs::find(self.environment).ok();
        dirs.iter().flat_map(agents::all).map(|run| run.id).collect()
    }

    /// Takes stock of all there is.
    ///
    /// # Errors
    /// A [`Failure`] when Docker does not answer.
    pub fn inventory(self) -> Result<Inventory, Failure> {
        let compose = format!("label={COMPOSE}");
        let clusters = self.list(&["ps", "--all", "--filter", "label=k3d.role=server"], ".Names", LABEL)?;
        let first_server = |(name, owner): Labelled| Some((cluster_of_server(&name)?.to_owned(), owner));
        let fields = [".Names".to_owned(), docker::label(COMPOSE), docker::label(FOLDER), docker::label(LABEL)];
        let composed = self.docker().rows(&["ps", "--all", "--filter", &compose], &fields)?;
        let is_there = |folder: &str| Path::new(folder).is_absolute() && files::exists(Path::new(folder));
        let living = composed.iter().filter(|[_, _, folder, _]| is_there(folder));
        let volumes = self.docker().volumes()?;
        let mut bearers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let labelled = composed.iter().map(|[_, project, _, id]| (project, id));
        for (project, id) in labelled.chain(volumes.iter().map(|one| (&one.project, &one.instance))) {
            if !id.is_empty() {
                bearers.entry(project.clone()).or_default().insert(id.clone());
            }
        }
        Ok(Inventory {
            living: living.map(|[_, project, folder, _]| (project.clone(), folder.clone())).collect(),
            clusters: clusters.into_iter().filter_map(first_server).collect(),
            registries: self.list(&["ps", "--all", "--filter", "label=k3d.role=registry"], ".Names", "k3d.cluster")?,
            containers: composed.into_iter().map(|[name, project, ..]| (name, project)).collect(),
            networks: self.list(&["network", "ls"], ".Name", COMPOSE)?,
            volumes: volumes.into_iter().map(|one| (one.name, one.project)).collect(),
            images: self.docker().built_images()?,
            agents: self.docker().of_agents(&self.runs())?,
            copiers: self.list(&["ps", "--all", "--filter", &format!("label={COPIER}")], ".Names", COPIER)?,
            bearers,
        })
    }

    /// Removes things of one kind. What cannot be removed is told at the end, and the rest is
    /// removed anyway.
    ///
    /// # Errors
    /// A [`Failure`] of the first thing that could not be removed.
    pub fn clear(self, kind: Kind, names: &[&str], context: &Context) -> Result<(), Failure> {
        let words: &[&str] = match kind {
            Kind::Cluster => {
                let delete = |cluster: &&str| turn::take(context, || self.delete_cluster(cluster, &context.dirs.home));
                let done: Vec<_> = names.iter().map(delete).collect();
                return done.into_iter().collect();
            }
            _ if names.is_empty() => return Ok(()),
            // With the volumes that have no name, where an image registry keeps its images: nobody else can find them.
            Kind::Container => &["rm", "--force", "--volumes"],
            Kind::Network => {
                shared::free(context, self.environment, names)?;
                return self.remove_networks(names);
            }
            Kind::Volume => &["volume", "rm"],
            Kind::Image => &["image", "rm"],
        };
        self.docker().remove(words, names)
    }

    /// Removes networks, out of which containers of other instances are taken first: they came in by a link (D26). Where the engine
    /// does not report any, Docker says so when it removes them.
    fn remove_networks(self, names: &[&str]) -> Result<(), Failure> {
        let engine = Engine::of(self.environment, Path::new("/"));
        let linked: Vec<String> = engine.links().unwrap_or_default().into_iter().map(|link| link.name).collect();
        if names.iter().any(|name| linked.iter().any(|link| link == name)) {
            let all = engine.containers(None)?;
            for name in names.iter().filter(|name| linked.iter().any(|link| link == *name)) {
                let inside = all.iter().filter(|one| one.networks.iter().any(|network| network == name));
                inside.map(|one| self.docker().disconnect(name, &one.id)).collect::<Result<Vec<()>, _>>()?;
            }
        }
        self.docker().remove(&["network", "rm"], names)
    }

    fn delete_cluster(self, cluster: &str, home: &Path) -> Result<(), Failure> {
        // k3d edits the kubeconfig that the environment names; this one goes with the cluster.
        let kubeconfig = home.join(".kube").join(cluster);
        let mut environment = self.environment.clone();
        environment.set("KUBECONFIG", kubeconfig.as_os_str());
        K3d::new(&environment, Path::new("/")).delete(cluster)?;
        K3d::remove_kubeconfig(cluster, &kubeconfig).map(|_| ())
    }

    fn list(self, words: &[&str], name: &str, owner: &str) -> Result<Vec<Labelled>, Failure> {
        let rows = self.docker().rows(words, &[name.to_owned(), docker::label(owner)])?;
        Ok(rows.into_iter().map(|[name, owner]| (name, owner)).filter(|(name, _)| !name.is_empty()).collect())
    }

    fn docker(self) -> Docker<'a> {
        Docker { program: "docker", environment: self.environment, folder: Path::new("/") }
    }
}
