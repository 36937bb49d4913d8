//! Where a part acts: a project as it is recorded, and the same once its instance is settled.

use std::path::PathBuf;

use super::context::Context;
use super::enter;
use crate::core::config::{ConfigFile, Settings};
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::Instance;
use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::failure::Failure;
use crate::store::apart;
use crate::store::ask::{Ask, Occasion};
use crate::store::instances::Settled;
use crate::store::project::Project;
use crate::store::snapshot;

/// A project as it is recorded; nothing is settled yet.
pub struct Scope<'a> {
    /// What the command got.
    pub context: &'a Context,
    /// The project.
    pub project: &'a Project,
    /// Its config.
    pub config: &'a ConfigFile,
    /// What that means under the profile that will hold.
    pub settings: Settings,
    /// What the lockfile says.
    pub state: Option<InstanceState>,
    /// silo's own folder for the instance.
    pub folder: PathBuf,
    /// The id that everything it makes has.
    pub id: String,
    /// Whether it is a run apart (D30).
    pub is_apart: bool,
}

impl<'a> Scope<'a> {
    /// The project, with the profile that is asked for.
    ///
    /// # Errors
    /// A [`Failure`] when the profile is not available or a file cannot be read.
    pub fn of(
        context: &'a Context,
        project: &'a Project,
        config: &'a ConfigFile,
        ask: &Ask<'_>,
    ) -> Result<Self, Failure> {
        let dirs = &context.dirs;
        let run = apart::around(dirs, &context.environment, project)?;
        let as_run = run.as_ref().map(|run| Ask { profile: run.profile.as_deref(), force: true, ..*ask });
        let (settings, lockfile) = snapshot::preview(dirs, project, config, as_run.as_ref().unwrap_or(ask))?;
        let state = lockfile.map(|lockfile| lockfile.instance);
        let id = digest::root_id(project.root_text().as_bytes());
        let folder = dirs.instance(&project.root);
        let scope = Self { context, project, config, settings, state, folder, id, is_apart: false };
        Ok(match run {
            Some(run) => scope.of_run(&run),
            None => scope,
        })
    }

    /// The same for a run apart, which keeps and fills no volume; paths that may be written to by several stay such.
    #[must_use]
    pub fn of_run(mut self, run: &Instance) -> Self {
        if let Some(compose) = &mut self.settings.compose {
            compose.keep.iter_mut().for_each(|keep| keep.retain(|entry| entry.value.contains('/')));
            compose.seed = None;
            // Of its own, too: nobody else's data is touched.
            compose.share = None;
        }
        let (name, ports, blocks) = (run.name.clone(), run.ports.clone(), run.blocks.clone());
        let (profile, slot) = (run.profile.clone(), run.slot);
        self.state = Some(InstanceState { name, profile, ports, blocks, slot, ..InstanceState::default() });
        Self { folder: PathBuf::from(&run.root), id: run.id.clone(), is_apart: true, ..self }
    }

    /// Settles the instance as it is, as `cd` does.
    ///
    /// # Errors
    /// As [`Context::settle`].
    pub fn settle(&self) -> Result<Site<'_>, Failure> {
        self.context.dirs.require_own(&self.context.environment)?;
        let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
        Ok(Site::new(self, self.context.settle(self.project, self.config, &ask)?))
    }
}

/// A settled instance, and the environment in which its parts are started.
pub struct Site<'a> {
    /// The project.
    pub scope: &'a Scope<'a>,
    /// The instance.
    pub settled: Settled,
    /// The instance's environment without gates: one would ask silo for what it is just bringing up.
    pub environment: Environment,
}

impl<'a> Site<'a> {
    /// Around an instance that was settled.
    pub fn new(scope: &'a Scope<'a>, settled: Settled) -> Self {
        let environment = enter::behind_gates(scope.context, scope.project, &settled);
        Self { scope, settled, environment }
    }

    /// Settles again: what was found changes the vars.
    ///
    /// # Errors
    /// As [`Context::settle`].
    pub fn settle_again(&mut self, ask: &Ask<'_>) -> Result<(), Failure> {
        let Scope { context, project, config, .. } = self.scope;
        self.settled = context.settle(project, config, ask)?;
        self.environment = enter::behind_gates(context, project, &self.settled);
        Ok(())
    }
}
