//! What every check may look at, whichever thread it runs in: gathered once, so that all of them judge the same moment.

use std::path::PathBuf;

use super::super::uncalled;
use crate::core::config::{API_PORT, ConfigFile, Settings};
use crate::core::leases::Leases;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::one_folder;
use crate::store::project::{self, Project};
use crate::store::registry;
use crate::sys::dirs::Dirs;
use crate::sys::files;

/// The project of the folder, or of `-c`.
#[derive(Debug, Clone)]
pub(super) struct Here {
    /// Its canonical root.
    pub(super) root: PathBuf,
    /// The worktree silo was called in, when it is another checkout below the root, without a config file.
    pub(super) astray: Option<PathBuf>,
    /// The project, when its config file can be read.
    pub(super) project: Option<Project>,
    /// Its config, when that is valid.
    pub(super) config: Option<ConfigFile>,
}

/// The moment that is judged.
#[derive(Debug, Clone)]
pub(super) struct Scene {
    pub(super) dirs: Dirs,
    /// The shell's environment, as it is.
    pub(super) shell: Environment,
    /// The same without an instance and without gates, for programs that are asked.
    pub(super) outside: Environment,
    /// The registry; empty when it cannot be read.
    pub(super) leases: Leases,
    pub(super) here: Option<Here>,
    /// silo's own path.
    pub(super) silo: Option<PathBuf>,
    /// What has taken the place of the hook in this shell, and how to go on.
    pub(super) uncalled: Option<(String, String)>,
}

impl Scene {
    /// Looks around.
    ///
    /// # Errors
    /// A [`Failure`] when a config file was named that cannot be read.
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        let here = match &context.config {
            Some(file) => {
                Some(Project::read(&context.folder.join(file)).map(|project| (project.root.clone(), Some(project)))?)
            }
            None => project::find_upward(&context.folder).and_then(|file| {
                let root = files::canonical(file.parent()?).ok()?;
                // One that cannot be read is reported by the check of its root.
                Some((root, Project::read(&file).ok()))
            }),
        };
        // One folder under two paths has one instance, registered under one of them.
        let here =
            here.map(|(root, project)| match project.as_ref().and_then(|p| one_folder::registered(&context.dirs, p)) {
                Some(other) => (other.project.root.clone(), Some(other.project)),
                None => (root, project),
            });
        Ok(Self {
            dirs: context.dirs.clone(),
            shell: context.environment.clone(),
            outside: context.outside(),
            leases: registry::peek(&context.dirs).unwrap_or_default(),
            here: here.map(|(root, project)| {
                let config = project.as_ref().and_then(|project| project.config().ok());
                let astray = context.worktree_without_config(&root);
                Here { root, astray, project, config }
            }),
            uncalled: uncalled::look(context).map(|uncalled| (uncalled.instead, uncalled.remedy)),
            silo: crate::sys::program::own_path(&context.environment, &context.program).ok(),
        })
    }

    /// What the config here means under the profile its instance has.
    pub(super) fn settings(&self) -> Option<Settings> {
        let here = self.here.as_ref()?;
        let profile = self.leases.at(here.root.to_str()?).and_then(|own| own.profile.clone());
        let config = here.config.as_ref()?;
        config.settings(profile.as_deref()).or_else(|| config.settings(None))
    }

    /// Whether a cluster is asked for here, or any instance has one.
    pub(super) fn wants_cluster(&self) -> bool {
        let has = self.leases.instances.iter().any(|instance| instance.ports.contains_key(API_PORT));
        has || self.settings().is_some_and(|settings| settings.k3d.cluster)
    }
}
