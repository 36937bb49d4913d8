//! What every command gets, and what every command does with it: find the project, settle its instance in the real world,
//! and say what was done.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;

use super::{holder, moved};
use crate::backend::engine::{ENGINE, Engine};
use crate::cli::Global;
use crate::core::config::ConfigFile;
use crate::core::config::user::{EngineKind, UserSettings};
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::ports::Reason;
use crate::core::shell::UNCALLED;
use crate::core::shell::activation::{self, Undo};
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, quoted, shown};
use crate::store::ask::{Ask, Case, World};
use crate::store::filled::Fate;
use crate::store::give_way::GaveWay;
use crate::store::instances::{self, Settled};
use crate::store::project::{self, Project};
use crate::store::{apart, clusters, gates, kept as kept_volumes, one_folder, settings, worktree};
use crate::sys::dirs::{self, Dirs};
use crate::sys::lock::Wait;
use crate::sys::{clock, files, net, program, random, signals};
use crate::ui::Ui;

/// How long a typed command waits for the registry.
pub const COMMAND_WAIT: Duration = Duration::from_secs(30);
/// How long the shell hook waits for it (D7).
pub const HOOK_WAIT: Duration = Duration::from_secs(2);

/// What every command gets.
#[derive(Clone)]
pub struct Context {
    /// The environment silo was called in.
    pub environment: Environment,
    /// The folder to act in: absolute, as the shell names it where that is true.
    pub folder: PathBuf,
    /// `-c`.
    pub config: Option<PathBuf>,
    /// The user's folders.
    pub dirs: Dirs,
    /// What prints.
    pub ui: Ui,
    /// The user's settings.
    pub settings: UserSettings,
    /// The path silo was called by.
    pub program: OsString,
    /// What the shell says has taken the place of its hook; nobody further in is told.
    pub uncalled: Option<String>,
}

/// What becomes of settings that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistakes {
    /// The command fails.
    Stop,
    /// They are told about, and the defaults hold.
    Tell,
    /// The defaults hold; the command reports them itself.
    Leave,
}

/// The command line that gives a worktree the config file of another checkout.
pub fn copy_line(file: &Path, worktree: &Path) -> String {
    format!("cp {} {}", quoted(file), quoted(worktree))
}

impl Context {
    /// For a command called so. Settings that cannot be read are handled as `mistakes` says.
    ///
    /// # Errors
    /// A [`Failure`] without a folder or a home, or for settings that cannot be read.
    pub fn of(
        global: Global,
        mut environment: Environment,
        program: OsString,
        ui: Ui,
        mistakes: Mistakes,
    ) -> Result<Self, Failure> {
        signals::outlive_file_limit();
        let uncalled = environment.get(UNCALLED).map(|what| what.to_string_lossy().into_owned());
        if uncalled.is_some() {
            environment.remove(UNCALLED);
        }
        let mut folder = dirs::working_folder(&environment)?;
        if let Some(directory) = &global.directory {
            folder = files::canonical(&folder.join(directory))?;
        }
        let dirs = Dirs::find(&environment)?;
        let settings = match settings::load(&dirs) {
            Err(failure) if mistakes == Mistakes::Tell => {
                ui.hook_failure(&failure, "the defaults hold until that is fixed");
                UserSettings::default()
            }
            Err(_) if mistakes == Mistakes::Leave => UserSettings::default(),
            loaded => loaded?,
        };
        if settings.engine == EngineKind::Podman && environment.get(ENGINE).is_none() {
            environment.set(ENGINE, "podman");
        }
        let ui = ui.set(&settings);
        Ok(Self { dirs, environment, folder, config: global.config, ui, settings, program, uncalled })
    }

    /// The same in another folder, whose project is not the one that `-c` names.
    #[must_use]
    pub fn at(&self, folder: &Path) -> Self {
        let mut environment = self.environment.clone();
        environment.set("PWD", folder);
        Self {
            environment,
            folder: folder.to_path_buf(),
            config: None,
            dirs: self.dirs.clone(),
            ui: self.ui,
            settings: self.settings.clone(),
            program: self.program.clone(),
            uncalled: None,
        }
    }

    /// The project of the folder, or of `-c`.
    ///
    /// # Errors
    /// A [`Failure`] when there is none, or it cannot be read.
    pub fn project(&self) -> Result<Project, Failure> {
        self.project_in(&self.folder)
    }

    /// The project of a folder or a `silo.toml` that was named; else [`Context::project`].
    ///
    /// # Errors
    /// A [`Failure`] when there is none, or it cannot be read.
    pub fn project_named(&self, path: Option<&Path>) -> Result<Project, Failure> {
        match path.map(|path| self.folder.join(path)) {
            None => self.project(),
            Some(folder) if files::is_folder(&folder) => Project::load(&files::canonical(&folder)?, None),
            Some(file) => Project::read(&file),
        }
    }

    /// The project of a folder, or of `-c` there.
    ///
    /// # Errors
    /// A [`Failure`] when there is none, or it cannot be read.
    pub fn project_in(&self, folder: &Path) -> Result<Project, Failure> {
        let mut project = Project::load(folder, self.config.as_deref()).map_err(|failure| {
            let is_missing = self.config.is_none() && project::find_upward(folder).is_none();
            let elsewhere = is_missing.then(|| worktree::config_elsewhere(folder, geteuid().as_raw())).flatten();
            let Some((top, file)) = elsewhere else { return failure };
            let hint = format!("Another worktree has one; until this branch has it, too: `{}`", copy_line(&file, &top));
            Failure { hints: vec![hint], ..failure }
        })?;
        if let Some(other) = one_folder::registered(&self.dirs, &project) {
            let (found, root) = (shown(&other.found), shown(&other.project.root));
            self.ui.step(&format!("`{found}` is `{root}` under another path: one folder, one instance"));
            project = other.project;
        }
        self.ui.detail(&format!("Config: {}", shown(&project.file)));
        if let Some(top) = self.worktree_without_config(&project.root) {
            self.ui.warn(&format!(
                "The worktree `{}` has no `silo.toml`: this is the instance of `{}`; for one of its own: `{}`",
                shown(&top),
                shown(&project.root),
                copy_line(&project.file, &top)
            ));
        }
        Ok(project)
    }

    /// The worktree this folder is in, when the project found above it is another checkout of the same repository.
    pub fn worktree_without_config(&self, root: &Path) -> Option<PathBuf> {
        let by_walking = self.config.is_none() && self.folder != root;
        by_walking.then(|| worktree::without_config(&self.folder, root, geteuid().as_raw()))?
    }

    /// The environment as it is outside every instance.
    pub fn outside(&self) -> Environment {
        activation::undone(&self.environment, Undo::of(&self.environment).as_ref())
    }

    /// Settles an instance.
    ///
    /// # Errors
    /// As [`instances::settle`].
    pub fn settle_with(
        &self,
        project: &Project,
        config: &ConfigFile,
        ask: &Ask<'_>,
        wait: &Wait<'_>,
    ) -> Result<Settled, Failure> {
        self.in_world(project, config, ask, |case| instances::settle(case, wait))
    }

    /// Acts on a project in the real world: this clock, this machine's ports and tools, chance.
    ///
    /// # Errors
    /// A [`Failure`] where silo's own path is not known, or of `act` itself.
    pub fn in_world<T>(
        &self,
        project: &Project,
        config: &ConfigFile,
        ask: &Ask<'_>,
        act: impl FnOnce(&Case<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let silo = program::own_path(&self.environment, &self.program)?;
        let own = holder::own_ports(&self.dirs, &|| self.outside(), project, config, ask);
        let installed = |tool: &str| gates::real(&self.dirs, &self.environment, tool.as_ref()).is_some();
        let world = World {
            now: clock::now(),
            suffix: &random::suffix,
            silo: &silo,
            installed: &installed,
            port_range: &self.settings.port_range,
            outgoing: net::outgoing(),
            user: geteuid().as_raw(),
            probe: &net::probe,
            own: &own,
        };
        act(&Case { dirs: &self.dirs, project, config, ask, world: &world })
    }

    /// Changes what the lockfile of a settled instance says.
    ///
    /// # Errors
    /// A [`Failure`] when the lockfile cannot be read or written.
    pub fn note(&self, project: &Project, change: impl FnOnce(&mut InstanceState)) -> Result<(), Failure> {
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| self.ui.step(text) };
        instances::note(&self.dirs, project, &wait, change)
    }

    /// Remembers that a cluster was made for the instance of a project, or is gone.
    ///
    /// # Errors
    /// A [`Failure`] when that cannot be written.
    pub fn note_cluster(&self, project: &Project, cluster: &str, is_there: bool) -> Result<(), Failure> {
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| self.ui.step(text) };
        clusters::note(&self.dirs, &project.root, &wait, cluster, is_there)
    }

    /// Remembers which volumes of a project's services are kept.
    ///
    /// # Errors
    /// A [`Failure`] when that cannot be written.
    pub fn note_kept(&self, project: &Project, compose_name: &str, kept: &[String]) -> Result<(), Failure> {
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| self.ui.step(text) };
        kept_volumes::note(&self.dirs, &project.root, compose_name, kept, &wait)
    }

    /// Settles an instance for a typed command, and says what was done. Inside a run apart that run is the instance, as it is.
    ///
    /// # Errors
    /// As [`instances::settle`].
    pub fn settle(&self, project: &Project, config: &ConfigFile, ask: &Ask<'_>) -> Result<Settled, Failure> {
        if let Some(run) = apart::around(&self.dirs, &self.environment, project)? {
            let settings = config.settings(run.profile.as_deref()).or_else(|| config.settings(None));
            let settings = settings.expect("every file has a base");
            return Ok(apart::settled(&self.dirs, project, &settings, &run));
        }
        let outside = self.outside();
        let ask = Ask { profile_variable: outside.text("SILO_PROFILE"), ..*ask };
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| self.ui.step(text) };
        let settled = self.settle_with(project, config, &ask, &wait)?;
        self.tell(project, &settled, ask.lost);
        Ok(settled)
    }

    /// Says what became of the files that silo has filled with the vars.
    fn tell_followed(&self, followed: &Result<Vec<(PathBuf, Fate)>, Failure>) {
        match followed {
            Err(failure) => self.ui.warn(&failure.what),
            Ok(fates) => fates.iter().for_each(|(place, fate)| match fate {
                Fate::Filled => self.ui.step(&format!("Filled `{}` again", shown(place))),
                Fate::Edited => self.ui.warn(&format!(
                    "`{}` has changed since silo filled it: it stays as it is, and no longer follows",
                    shown(place)
                )),
                Fate::Same | Fate::LeftOut(_) => {}
            }),
        }
    }

    /// Says what settling did; who holds the ports that are `lost` was said already.
    fn tell(&self, project: &Project, settled: &Settled, lost: &[String]) {
        if let Some(origin) = &settled.copied_from {
            self.ui.step(&format!(
                "The name in `.silo.lock` belongs to `{}`: this folder gets its own name and ports",
                shown(Path::new(origin))
            ));
        }
        if let Some(gone) = &settled.moved_from {
            let gone = shown(Path::new(gone));
            self.ui.step(&format!("Took over `{}` from `{gone}`, which is gone", settled.known.name));
        }
        if let Some(before) = &settled.adopted {
            self.ui.step(&format!(
                "Took over `{}` from `.silo.lock`, which the registry did not know (`silo doc migration`)",
                settled.known.name
            ));
            for (name, port) in before {
                let told = settled.moved.iter().any(|(moved, _)| moved.name == *name && moved.wanted == *port);
                if let Some(now) = settled.known.ports.get(name).filter(|now| *now != port && !told) {
                    self.ui.step(&format!("Port {port} is no longer available; {name} is {now}"));
                }
            }
        }
        if let Some(before) = &settled.renamed_from {
            self.ui.step(&format!("Renamed `{before}` to `{}`", settled.known.name));
        }
        for GaveWay { instance, variable, port, now } in &settled.gave_way {
            self.ui.step(&format!("Took port {port} from `{instance}`, whose {variable} is {now} now"));
        }
        let outside = self.outside();
        let engine = Engine::of(&outside, &project.root).soon();
        for (other, holder) in &settled.moved {
            if other.reason != Reason::Left && lost.contains(&other.name) {
                self.ui.step(&format!("{} is {}", other.name, other.got));
                continue;
            }
            if let Some(line) = moved::line(other, holder.as_deref(), &project.root, &|port| engine.container_on(port))
            {
                self.ui.step(&line);
            }
        }
        for path in &settled.written {
            let shown = shown(path.strip_prefix(&project.root).unwrap_or(path));
            self.ui.step(&format!("Writing `{shown}`"));
        }
        self.tell_followed(&settled.followed);
        if settled.written.is_empty() {
            self.ui.detail("Name and ports are as before; nothing was written");
        }
    }
}
