//! What the project's compose files fix for every instance, and what its parts' own files say: read, never run.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};

use super::compose_told::told;
use super::git::Git;
use super::scene::Scene;
use crate::core::config::OWN_PORTS;
use crate::core::formats::compose::{self, Address, Fixed, Key, Kind, NAMES, OVERRIDES, Scan, Setting, Used};
use crate::core::formats::dotenv;
use crate::core::instance::vars;
use crate::failure::quoted;
use crate::parts;
use crate::parts::finding::Finding;
use crate::parts::{nearby, unread};
use crate::sys::files;

/// The most files that are read.
const MOST: usize = 64;

/// One compose file, read.
struct Scanned {
    path: PathBuf,
    /// Files that give its variables values where nothing else does, beside the `.env` of the project.
    values: Vec<PathBuf>,
    scan: Result<Scan, Box<Finding>>,
}

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let Some(here) = &scene.here else { return Vec::new() };
    let scans: Vec<_> = parts::ALL.iter().map(|part| part.scan(&here.root)).collect();
    let named: Vec<PathBuf> = scans.iter().flat_map(|scan| scan.compose_files.clone()).collect();
    let mut found: Vec<Finding> = scans.into_iter().flat_map(|scan| scan.found).collect();
    // The override takes away what they fix (D23); what another part starts of them does not get it.
    let is_isolated = named.is_empty() && scene.settings().is_some_and(|settings| settings.compose.is_some());
    let given = Values::of(scene, &here.root);
    let (mut scanned, is_cut) = read_all(scene, &given, named);
    let (mut used, mut open) = (Used::new(), Vec::new());
    for Scanned { path, values, scan } in &scanned {
        let Ok(scan) = scan else { continue };
        let lines = scan.used.iter().filter_map(|(name, line)| Some((name, (*line)?)));
        let unset = lines.filter(|(name, _)| given.setting(name, values) == Setting::Unset);
        open.extend(unset.map(|(name, line)| told_unset(path, name, line)));
        used.extend(scan.used.clone());
    }
    // The ports of all files together: one variable is one port.
    let declared = names(scene);
    let scans = scanned.iter_mut().flat_map(|one| one.scan.iter_mut());
    let mut fixed: Vec<&mut Fixed> = scans.flat_map(|scan| &mut scan.fixed).collect();
    compose::name_all(&mut fixed, &declared, &used);
    // Whose a port is: what silo.toml declares, else what the files get.
    let mut owners: BTreeMap<u16, String> = BTreeMap::new();
    owners.extend(fixed.iter().filter_map(|one| one.port.as_ref().map(|port| (port.first, port.variable.0.clone()))));
    owners.extend(declared.iter().filter_map(|(name, port)| port.map(|port| (port, name.clone()))));
    for Scanned { path, values, scan } in scanned {
        let setting = |name: &str| given.setting(name, &values);
        match scan {
            Ok(scan) => {
                let fixed = scan.fixed.iter().filter(|_| !is_isolated);
                found.extend(fixed.map(|fixed| told(&path, fixed, &setting)));
                open.extend(scan.addresses.iter().filter_map(|address| told_address(&path, address, &owners)));
            }
            Err(finding) => found.push(*finding),
        }
    }
    found.append(&mut open);
    found.extend(is_cut.then(|| too_many(&here.root)));
    found
}

/// The files of services that the override isolates, read; none where there is no `[compose]`, or another part starts them.
pub(super) fn isolated(scene: &Scene) -> Option<Vec<(PathBuf, Scan)>> {
    let here = scene.here.as_ref()?;
    let is_left = parts::ALL.iter().any(|part| !part.scan(&here.root).compose_files.is_empty());
    let layer = scene.settings()?.compose.filter(|_| !is_left)?;
    let named = layer.files.iter().flatten().map(|text| here.root.join(&text.value)).collect();
    let (mut scanned, _) = read_all(scene, &Values::of(scene, &here.root), named);
    let scans = scanned.iter_mut().flat_map(|one| one.scan.iter_mut());
    let used = Used::new();
    let mut fixed: Vec<&mut Fixed> = scans.flat_map(|scan| &mut scan.fixed).collect();
    compose::name_all(&mut fixed, &names(scene), &used);
    Some(scanned.into_iter().filter_map(|one| Some((one.path, one.scan.ok()?))).collect())
}

/// Reads the files compose finds in the project's folder or is told about there, those below it, those the parts name, and what
/// all of them take in. Also whether there were more than are read.
fn read_all(scene: &Scene, given: &Values<'_>, named: Vec<PathBuf>) -> (Vec<Scanned>, bool) {
    let root = given.root;
    let usual = |name: &str| NAMES.contains(&name) || OVERRIDES.contains(&name);
    let below = nearby::look(root, &usual);
    let listed = chosen(scene, root).unwrap_or_else(|| {
        NAMES.iter().chain(&OVERRIDES).map(|name| root.join(name)).filter(|path| files::exists(path)).collect()
    });
    let many = listed.len();
    let deeper = below.files.into_iter().filter(|path| path.parent() != Some(root));
    // Compose reads the `.env` beside the first of its files.
    let beside = |path: PathBuf| (vec![path.with_file_name(".env")], path);
    let first = listed.into_iter().chain(named).map(|path| (Vec::new(), path));
    let mut waiting: VecDeque<(Vec<PathBuf>, PathBuf)> = first.chain(deeper.map(beside)).collect();
    let (mut seen, mut scanned, mut together) = (BTreeSet::new(), Vec::<Scanned>::new(), Vec::new());
    let mut at = 0;
    while let Some((values, path)) = waiting.pop_front() {
        at += 1;
        if !seen.insert(files::canonical(&path).unwrap_or_else(|_| path.clone())) {
            continue;
        }
        if scanned.len() == MOST {
            return (scanned, true);
        }
        let scan = scan(root, &path, &|name| given.setting(name, &values));
        let folder = path.parent().unwrap_or(Path::new("/"));
        for file in scan.iter().flat_map(|scan| &scan.files) {
            let path = unread::plain(&folder.join(file));
            let named = scan.iter().filter(|scan| scan.included.contains(file)).flat_map(|scan| &scan.env_files);
            // What is included has the values of its own folder, too; what is extended has not.
            let beside =
                scan.as_ref().is_ok_and(|scan| scan.included.contains(file)).then(|| path.with_file_name(".env"));
            let more = named.map(|name| unread::plain(&folder.join(name))).chain(beside);
            let values = values.iter().cloned().chain(more).collect();
            waiting.extend(files::exists(&path).then_some((values, path)));
        }
        if at <= many {
            together.push(scanned.len());
        }
        scanned.push(Scanned { path, values, scan });
    }
    replace(&mut scanned, &together);
    (scanned, below.is_cut)
}

/// The files `COMPOSE_FILE` names, in the shell or in `.env`; none where it is not set.
fn chosen(scene: &Scene, root: &Path) -> Option<Vec<PathBuf>> {
    let text = unread::text(&root.join(".env")).unwrap_or_default();
    let set = |name: &str| scene.outside.text(name).or_else(|| dotenv::value_of(&text, name)).map(str::to_owned);
    let value = set("COMPOSE_FILE").filter(|value| !value.is_empty() && !value.contains('$'))?;
    let mark = set("COMPOSE_PATH_SEPARATOR").filter(|mark| !mark.is_empty()).unwrap_or_else(|| ":".to_owned());
    Some(value.split(mark.as_str()).map(|name| unread::plain(&root.join(name))).collect())
}

/// Takes out what a later one of the files that compose puts together replaces.
fn replace(scanned: &mut [Scanned], together: &[usize]) {
    for (place, at) in together.iter().enumerate() {
        let later = together[place + 1..].iter().filter_map(|later| scanned[*later].scan.as_ref().ok());
        let replaced: Vec<(String, Key)> = later.flat_map(|scan| scan.replaced.clone()).collect();
        let Ok(scan) = &mut scanned[*at].scan else { continue };
        scan.fixed.retain(|one| {
            let key = match one.kind {
                Kind::HostPort => Key::Ports,
                Kind::ContainerName => Key::ContainerName,
                _ => return true,
            };
            !replaced.iter().any(|(service, replaced)| *service == one.owner && *replaced == key)
        });
    }
}

/// There is more than silo looks at.
fn too_many(root: &Path) -> Finding {
    Finding::note("files-left-out", "The project has more files and folders than silo looks into")
        .at(root)
        .why(unread::WHY)
        .remedy("silo doc doctor")
}

/// An address that a service is given: whoever reads it talks to the instance that has this port.
fn told_address(path: &Path, address: &Address, owners: &BTreeMap<u16, String>) -> Option<Finding> {
    let Address { line, owner, key, port, is_host } = address;
    let variable = owners.get(port);
    if variable.is_none() && !is_host {
        return None;
    }
    let of = variable.map_or_else(String::new, |variable| format!(" of `{variable}`"));
    let remedy = match variable {
        Some(variable) => format!("Write ${{{variable}}} for {port}"),
        None => {
            format!("Declare a variable with {port} below [ports] in silo.toml, and write it for {port}")
        }
    };
    let what = format!("`{key}` of the service `{owner}` names the port {port}{of}");
    let finding = Finding::note("compose-address", what).at_line(path, *line);
    Some(
        finding
            .why("It is the same in every instance: what reads it talks to the one that has this port")
            .remedy(remedy),
    )
}

/// What compose takes the values of variables from.
struct Values<'a> {
    scene: &'a Scene,
    root: &'a Path,
    own: BTreeMap<String, Option<u16>>,
    /// Text of each file that was asked for, and whether all worktrees have that very text from git or through a link.
    read: RefCell<BTreeMap<PathBuf, (String, bool)>>,
}

impl<'a> Values<'a> {
    fn of(scene: &'a Scene, root: &'a Path) -> Self {
        Self { scene, root, own: names(scene), read: RefCell::default() }
    }

    /// What a variable is from instance to instance: silo gives each its own, the shell and a file of this folder alone may; one
    /// that all worktrees have does not. The `.env` of the project goes before others.
    fn setting(&self, name: &str, others: &[PathBuf]) -> Setting {
        // With a `silo.toml` that cannot be read nothing is known of what it declares.
        let is_read = self.scene.settings().is_some();
        if !is_read || self.own.contains_key(name) || self.scene.outside.get(name).is_some() {
            return Setting::Varies;
        }
        let mut read = self.read.borrow_mut();
        for path in std::iter::once(&self.root.join(".env")).chain(others) {
            let (text, is_shared) = read.entry(path.clone()).or_insert_with(|| self.look(path));
            match dotenv::value_of(text, name) {
                None => {}
                Some(value) if *is_shared && !value.contains('$') => return Setting::Shared(value.to_owned()),
                Some(_) => return Setting::Varies,
            }
        }
        Setting::Unset
    }

    fn look(&self, path: &Path) -> (String, bool) {
        let text = unread::text(path).unwrap_or_default();
        let leads = |path: &Path| files::canonical(path).is_ok_and(|path| !path.starts_with(self.root));
        let is_tracked = || path.to_str().is_some_and(|path| Git::of(self.scene, self.root).tracks(path));
        let is_shared = (files::is_link(path) && leads(path)) || (!text.is_empty() && is_tracked());
        (text, is_shared)
    }
}

/// A port that nothing follows.
fn told_unset(path: &Path, name: &str, line: usize) -> Finding {
    Finding::note("compose-unset", format!("Nothing sets `{name}`, which the ports are read from"))
        .at_line(path, line)
        .why("docker compose treats it as empty, and the port is random")
        .remedy("Declare it below [ports] in silo.toml; the names silo sets already: silo diff")
}

/// The names silo knows, with the defaults of the ports that `silo.toml` declares; what silo leases for itself has none that a
/// file may have.
pub(super) fn names(scene: &Scene) -> BTreeMap<String, Option<u16>> {
    let mut names: BTreeMap<String, Option<u16>> = OWN_PORTS.map(|name| (name.to_owned(), None)).into();
    let Some(settings) = scene.settings() else { return names };
    let own = vars::built_in_names(&settings).into_iter().filter(|name| !vars::TEMPLATE_NAMES.contains(name));
    names.extend(own.map(|name| (name.to_owned(), None)));
    let derived = settings.hosts.into_keys().chain(settings.urls.into_keys()).chain(settings.env.into_keys());
    names.extend(derived.map(|name| (name, None)));
    for (name, spec) in settings.ports {
        let default = spec.default().filter(|_| !OWN_PORTS.contains(&name.as_str()));
        names.insert(name, default);
    }
    names
}

fn scan(root: &Path, path: &Path, setting: &dyn Fn(&str) -> Setting) -> Result<Scan, Box<Finding>> {
    let text =
        unread::text_within(root, path).map_err(|failure| unread::finding("compose-unreadable", failure, path))?;
    compose::scan(&text, setting).map_err(|unreadable| {
        Finding::note("compose-unreadable", format!("The compose file is not YAML: {}", unreadable.why))
            .at_line(path, unreadable.line)
            .why(unread::WHY)
            .remedy(format!("docker compose -f {} config --quiet", quoted(path)))
            .into()
    })
}
