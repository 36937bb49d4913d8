//! What the project left in Docker before silo: by plain compose its services ran under compose's own name for it, and their data
//! lies in volumes that no instance uses. It is named with the command that brings it over, and never removed (D30).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::backend::compose;
use crate::backend::copying::Copier;
use crate::backend::engine::{Container, Engine};
use crate::backend::volumes::Listed;
use crate::core::config::Settings;
use crate::core::formats::compose::{Scan, Setting, scan};
use crate::core::instance::name;
use crate::core::leases::{Instance, Leases};
use crate::core::services::{OwnVolume, stop_line};
use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::core::text::source::one_line;
use crate::core::text::suggest::ticked;
use crate::failure::Failure;
use crate::parts::scope::Site;
use crate::parts::unread;
use crate::store::{history, registry, said};
use crate::sys::dirs::Dirs;
use crate::sys::files as disk;

/// Most compose files that are read.
const MANY: usize = 64;
/// What is said once.
const TOPIC: &str = "former";

/// Volumes by key, each with its name in Docker.
type Pairs = Vec<(String, String)>;

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Former {
    /// Those from before silo.
    pub volumes: Pairs,
    /// Those that the instance itself had under other names.
    pub own: Pairs,
    /// Compose projects that still run, each with its services.
    pub running: Vec<(String, Vec<String>)>,
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Sought {
    /// The folders of the compose files: compose writes the first one's on each container.
    folders: BTreeSet<PathBuf>,
    /// The compose projects that the instance has and had.
    own: BTreeSet<String>,
    /// What compose would call the project, and may have.
    names: BTreeSet<String>,
    /// The volumes that the files declare, by key.
    volumes: IndexMap<String, Declared>,
}

/// A volume that the files declare.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Declared {
    /// Its name in the instance; none where that has no name so far.
    own: Option<String>,
    /// A name that is written out and that the override takes away.
    before: Option<String>,
}

impl Former {
    /// Looks for what was there before the instance of this name; `outside` is the environment outside every instance. It takes
    /// two questions to the engine, within their limits, and a look into each volume that is found.
    ///
    /// # Errors
    /// A [`Failure`] when the files cannot be found or the engine does not answer.
    pub fn of(dirs: &Dirs, root: &Path, settings: &Settings, outside: &Environment) -> Result<Self, Failure> {
        let leases = registry::peek(dirs).unwrap_or_default();
        let instance = root.to_str().and_then(|root| leases.at(root)).map(Instance::qualified);
        let sought = Sought::of(root, settings, outside, instance.as_deref())?.with_earlier(dirs, root, &leases);
        sought.look(Engine::of(outside, root).soon())
    }

    /// A line for each, with the command that goes on.
    pub fn lines(&self) -> Vec<String> {
        let volume = |(key, former): &(String, String)| {
            let (key, former) = (one_line(key), one_line(former));
            format!(
                "The volume `{former}` is from before silo, and the instance has a `{key}` of its own; to bring the data over: `{}`",
                seed(&key, &former)
            )
        };
        let running = |(project, services): &(String, Vec<String>)| {
            let services = ticked(services.iter().map(|service| one_line(service)));
            let project = one_line(project);
            format!(
                "Services from before silo still run, and hold their ports: {services}; to stop them: `{}`",
                stop_line(&project)
            )
        };
        let own = |(key, former): &(String, String)| {
            let (key, former) = (one_line(key), one_line(former));
            format!(
                "The volume `{former}` was this instance's `{key}`, which is another one now; to bring the data over: `{}`",
                seed(&key, &former)
            )
        };
        let volumes = self.volumes.iter().map(volume).chain(self.own.iter().map(own));
        volumes.chain(self.running.iter().map(running)).collect()
    }
}

/// The keys of the volumes that the project's compose files declare, read and not asked of compose.
pub fn volume_keys(root: &Path, settings: &Settings, environment: &Environment) -> Vec<String> {
    let sought = Sought::of(root, settings, environment, None);
    sought.map(|sought| sought.volumes.into_keys().collect()).unwrap_or_default()
}

/// The command that brings a volume over.
pub fn seed(key: &str, former: &str) -> String {
    format!("silo seed {} --from-volume {}", shell_words::quote(key), shell_words::quote(former))
}

/// Says once for each instance what was there before it. An engine that does not answer is asked again the next time.
pub(super) fn tell_once(site: &Site<'_>, volumes: &IndexMap<String, OwnVolume>) {
    let scope = site.scope;
    let (context, root) = (scope.context, &scope.project.root);
    // What `keep` says is another name for a volume whose name the files write out.
    let state = volumes.values().fold(String::new(), |state, own| state + &own.name + "\n");
    if said::was_of(&context.dirs, root, TOPIC, &state) {
        return;
    }
    let outside = context.outside();
    let look = || {
        let mut sought = Sought::of(root, &scope.settings, &outside, Some(&site.settled.identity.compose_name))?;
        sought = sought.with_earlier(&context.dirs, root, &registry::peek(&context.dirs)?);
        // compose knows the names of volumes better than who only reads the files.
        let declared = |own: &OwnVolume| Declared { own: Some(own.name.clone()), before: own.before.clone() };
        sought.volumes = volumes.iter().map(|(key, own)| (key.clone(), declared(own))).collect();
        sought.look(Engine::of(&outside, root))
    };
    match look() {
        Ok(former) => {
            former.lines().iter().for_each(|line| context.ui.step(line));
            said::note(&context.dirs, root, TOPIC, &state);
        }
        Err(failure) => context.ui.detail(&failure.what),
    }
}

/// Whether it was said.
pub(super) fn was_told(dirs: &Dirs, root: &Path) -> bool {
    said::was(dirs, root, TOPIC)
}

impl Sought {
    fn of(root: &Path, settings: &Settings, outside: &Environment, instance: Option<&str>) -> Result<Self, Failure> {
        let said = settings.compose.clone().unwrap_or_default();
        let listed: Option<Vec<String>> = said.files.map(|files| files.into_iter().map(|text| text.value).collect());
        let files = compose::files_of(root, listed.as_deref(), outside)?;
        let folders = files.iter().filter_map(|file| disk::canonical(file.parent()?).ok());
        let folders = folders.chain([root.to_path_buf()]).collect();
        let value = |name: &str| match compose::variable(root, name, outside) {
            Some(value) => Setting::Shared(value),
            None => Setting::Unset,
        };
        let scans = scans(root, files, &value);
        let mut names: BTreeSet<String> = scans.iter().filter_map(|scan| scan.project.clone()).collect();
        names.extend(compose::variable(root, "COMPOSE_PROJECT_NAME", outside));
        names.extend(root.file_name().map(|folder| name::compose(&folder.to_string_lossy())));
        names.retain(|name| !name.is_empty() && instance != Some(name.as_str()));
        let kept = |key: &String| said.keep.iter().flatten().any(|kept| kept.value == *key);
        let volumes = scans.into_iter().flat_map(|scan| scan.volumes);
        let declared = |(key, global): (String, Option<String>)| {
            let plain = instance.map(|instance| format!("{instance}_{key}"));
            let (own, before) = match global {
                Some(global) if kept(&key) => (Some(global), None),
                before => (plain, before),
            };
            (key, Declared { own, before })
        };
        let volumes = volumes.map(declared);
        let own = instance.iter().map(|own| (*own).to_owned()).collect();
        Ok(Self { folders, own, names, volumes: volumes.collect() })
    }

    /// With the names that the instance had and nobody else has now.
    fn with_earlier(mut self, dirs: &Dirs, root: &Path, leases: &Leases) -> Self {
        let had = history::of(dirs, root).map_or_else(Vec::new, |history| history.names);
        let is_others = |name: &String| leases.named(name).is_some_and(|holder| Path::new(&holder.root) != root);
        self.own.extend(had.into_iter().filter(|name| !is_others(name)));
        self.names.retain(|name| !self.own.contains(name));
        self
    }

    fn look(mut self, engine: Engine<'_>) -> Result<Former, Failure> {
        let all = engine.containers(None)?;
        let is_former = |one: &&Container| {
            let here = || disk::canonical(Path::new(&one.folder)).is_ok_and(|folder| self.folders.contains(&folder));
            one.instance.is_empty() && !self.own.contains(&one.project) && here()
        };
        let former: Vec<&Container> = all.iter().filter(is_former).collect();
        let mut running: IndexMap<String, Vec<String>> = IndexMap::new();
        for one in former.iter().filter(|one| matches!(one.state.as_str(), "running" | "restarting" | "paused")) {
            running.entry(one.project.clone()).or_default().push(one.service.clone());
        }
        let names: Vec<String> = former.iter().map(|one| one.project.clone()).collect();
        self.names.extend(names);
        let mut running: Vec<(String, Vec<String>)> = running.into_iter().collect();
        for (_, services) in &mut running {
            services.sort();
            services.dedup();
        }
        running.sort();
        let (mut own, mut volumes) = self.volumes(&engine.volumes()?);
        leave_out_empty(&engine, [&mut own, &mut volumes]);
        Ok(Former { volumes, own, running })
    }

    /// The volumes that the instance itself had before, and those that plain compose would use here and the instance does not; what
    /// was brought over is none.
    fn volumes(&self, listed: &[Listed]) -> (Pairs, Pairs) {
        let is_used = |name: &String| self.volumes.values().any(|one| one.own.as_ref() == Some(name));
        // A kept one has no label of compose's.
        let plain = |volume: &Listed| {
            let named = |own: &String| Some(volume.name.strip_prefix(own.as_str())?.strip_prefix('_')?.to_owned());
            self.own.iter().filter(|_| volume.project.is_empty()).find_map(named)
        };
        let is_own = |volume: &Listed| self.own.contains(&volume.project) || plain(volume).is_some();
        let key_of = |volume: &Listed| {
            let of_project = is_own(volume) || self.names.contains(&volume.project);
            let by_label = of_project.then(|| plain(volume).unwrap_or_else(|| volume.key.clone()));
            let by_label = by_label.filter(|key| self.volumes.contains_key(key));
            let is_global = |(_, one): &(&String, &Declared)| one.before.as_ref() == Some(&volume.name);
            // The name that is written out counts whoever made the volume, and the project's where none is.
            let by_name = self.volumes.iter().find(is_global).map(|(key, _)| key.clone());
            by_name.or(by_label).filter(|_| !is_used(&volume.name))
        };
        let is_brought = |key: &str, name: &str| {
            let now = self.volumes[key].own.as_ref();
            listed.iter().any(|volume| volume.seeded == name && now == Some(&volume.name))
        };
        let (mut own, mut before) = (Vec::new(), Vec::new());
        for volume in listed {
            if let Some(key) = key_of(volume).filter(|key| !is_brought(key, &volume.name)) {
                if is_own(volume) { &mut own } else { &mut before }.push((key, volume.name.clone()));
            }
        }
        own.sort();
        before.sort();
        (own, before)
    }
}

/// Takes the volumes away in which nothing lies: there is nothing to bring over. One that cannot be looked into may hold something.
fn leave_out_empty(engine: &Engine<'_>, volumes: [&mut Pairs; 2]) {
    if volumes.iter().all(|pairs| pairs.is_empty()) {
        return;
    }
    // A name of its own: what fills a volume at this moment is not in the way, and is not disturbed.
    let id = format!("{}-look", digest::root_id(engine.folder.as_os_str().as_encoded_bytes()));
    let Ok(copier) = Copier::new(engine.docker(), &id) else { return };
    let is_empty = |name: &str| copier.hold(name, true).and_then(|held| held.is_empty()).unwrap_or(false);
    for pairs in volumes {
        pairs.retain(|(_, name)| !is_empty(name));
    }
}

/// What the files say, and those that they take in. One that cannot be read is compose's to report.
fn scans(root: &Path, files: Vec<PathBuf>, value: &dyn Fn(&str) -> Setting) -> Vec<Scan> {
    let (mut waiting, mut seen, mut scans) = (files, BTreeSet::new(), Vec::new());
    while let Some(file) = waiting.pop() {
        if seen.len() == MANY || !seen.insert(file.clone()) {
            continue;
        }
        let text = unread::text_within(root, &file).unwrap_or_default();
        let Ok(scan) = scan(&text, value) else { continue };
        let folder = file.parent().unwrap_or(root);
        waiting.extend(scan.included.iter().map(|name| unread::plain(&folder.join(name))));
        scans.push(scan);
    }
    scans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(name: &str, project: &str, key: &str) -> Listed {
        Listed { name: name.into(), project: project.into(), key: key.into(), ..Listed::default() }
    }

    fn declared(key: &str, own: &str, before: Option<&str>) -> (String, Declared) {
        (key.to_owned(), Declared { own: Some(own.to_owned()), before: before.map(str::to_owned) })
    }

    #[test]
    fn what_plain_compose_would_use_and_the_instance_does_not_is_from_before() {
        let sought = Sought {
            folders: BTreeSet::new(),
            own: ["localnet-app".to_owned(), "localnet-old".to_owned()].into(),
            names: ["app".to_owned(), "shop".to_owned()].into(),
            volumes: [
                declared("data", "localnet-app_data", None),
                declared("all", "localnet-app_all", Some("shop-all")),
            ]
            .into_iter()
            .collect(),
        };
        let all = [
            listed("app_data", "app", "data"),
            listed("localnet-app_data", "localnet-app", "data"),
            listed("shop_data", "shop", "data"),
            // Of a key that the files no longer have, and of somebody else.
            listed("app_old", "app", "old"),
            listed("other_data", "other", "data"),
            // What the instance had under another name.
            listed("was-all", "localnet-app", "all"),
            listed("localnet-old_data", "", ""),
            listed("localnet-old_other", "", ""),
            // A name that is one for all worktrees, whoever made it.
            listed("shop-all", "", ""),
        ];
        let told = |all: &[Listed]| {
            let (own, before) = sought.volumes(all);
            let own = own.iter().map(|(key, name)| format!("own {key} {name}"));
            let before = before.iter().map(|(key, name)| format!("{key} {name}"));
            own.chain(before).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(
            told(&all),
            "own all was-all, own data localnet-old_data, all shop-all, data app_data, data shop_data"
        );
        let mut brought = all.to_vec();
        brought[1].seeded = "app_data".to_owned();
        assert_eq!(told(&brought), "own all was-all, own data localnet-old_data, all shop-all, data shop_data");
    }
}
