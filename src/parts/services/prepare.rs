//! The override of an instance's services, made from what compose says of the files, and written where compose finds it.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use super::missing;
use super::run::{self, docker, engine};
use super::subnet;
use crate::backend::compose;
use crate::backend::labels::{LABEL, SHARED};
use crate::backend::volumes::Made;
use crate::core::config::ComposeLayer;
use crate::core::formats::compose::{Setting, scan};
use crate::core::instance::name;
use crate::core::services::{Binds, Isolation, Model, Names, Naming, Override, OwnVolume, Refused, Starts, kept};
use crate::core::shell::environment::Environment;
use crate::core::text::digest;
use crate::core::text::source::one_line;
use crate::core::text::suggest::{nearest, ticked};
use crate::failure::Failure;
use crate::parts::scope::{Scope, Site};
use crate::store::names as store_names;
use crate::store::shared::Repository;
use crate::sys::dirs::Dirs;
use crate::sys::files as disk;
use crate::sys::writing::{self, Writing};

/// This silo: another one may make another override.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Largest override that is read, in bytes.
const MAX: u64 = 16 * 1024 * 1024;

/// Largest file that is followed, in bytes; compose reads larger ones, and their override is made at each call.
const FOLLOWED: u64 = 4 * 1024 * 1024;
/// Most files that are followed by way of `include` and `extends`.
const MANY: usize = 200;

/// What compose is called with.
pub(super) struct Prepared {
    /// The project's files, and the override behind them.
    pub(super) files: Vec<PathBuf>,
    /// The override.
    pub(super) over: Override,
    /// What services mount of this machine.
    pub(super) binds: Binds,
    /// What of another worktree is not here.
    missing: Option<String>,
}

/// What an instance gives its override, besides the compose files.
pub(super) struct Given<'a> {
    pub(super) root: &'a Path,
    /// silo's own folder for the instance.
    pub(super) folder: &'a Path,
    pub(super) project: &'a str,
    pub(super) leases: &'a IndexMap<String, u16>,
    pub(super) said: &'a ComposeLayer,
    /// What names end in.
    pub(super) suffix: &'a str,
    pub(super) environment: &'a Environment,
}

/// What an override was made from, beside it: while all of it is the same, the override is.
#[derive(Serialize, Deserialize)]
struct Origin {
    /// Every file that compose reads for it, those that are not there included.
    files: Vec<PathBuf>,
    /// The variables those name.
    variables: Vec<String>,
    /// A digest of how all that stood.
    state: String,
    /// What services mount of this machine.
    #[serde(default)]
    binds: Binds,
    /// The addresses that its services have.
    #[serde(default)]
    addresses: String,
    /// Which services compose starts.
    starts: Starts,
}

/// An override that is there and still holds.
pub(super) struct There {
    /// Its file.
    pub(super) path: PathBuf,
    /// What services mount of this machine.
    pub(super) binds: Binds,
    /// Which services compose starts.
    pub(super) starts: Starts,
}

impl Prepared {
    /// Makes the override, and writes it where its text is another one; `flags` are compose's own that change how the files
    /// are read.
    ///
    /// # Errors
    /// A [`Failure`] when compose is missing or cannot read the files, `[compose]` does not fit them, or the override cannot be
    /// written.
    pub(super) fn of(site: &Site<'_>, mut files: Vec<PathBuf>, flags: &[OsString]) -> Result<Self, Failure> {
        let scope = site.scope;
        let (root, dirs) = (&scope.project.root, &scope.context.dirs);
        let said = scope.settings.compose.clone().unwrap_or_default();
        let given = Given {
            root,
            folder: &scope.folder,
            project: &site.settled.identity.compose_name,
            leases: &site.settled.known.ports,
            said: &said,
            suffix: &scope.context.settings.network.suffix,
            environment: &site.environment,
        };
        // Looked at before compose reads them: what changes meanwhile is another state.
        let mut origin = Origin::of(&files, flags, &given);
        let (over, binds) = match made(site, &files, flags) {
            Ok(made) => made,
            Err(failure) => {
                let hints = missing::hints(scope, failure.excerpt.as_deref().unwrap_or_default());
                return Err(hints.into_iter().fold(failure, Failure::hint));
            }
        };
        origin.binds.clone_from(&binds);
        origin.starts.clone_from(&over.starts);
        origin.addresses = subnet::record(dirs, root, &said, &site.environment);
        let path = place(&scope.folder, &files, flags);
        let is_there = disk::read(&path, MAX)?.is_some_and(|there| there.bytes == over.text.as_bytes());
        if !is_there {
            disk::make_folder(path.parent().expect("it lies in a folder"))?;
            writing::replace(&path, over.text.as_bytes(), Writing::PRIVATE)?;
        }
        let record = serde_json::to_vec(&origin).expect("paths and strings serialise");
        writing::replace(&path.with_extension("json"), &record, Writing { durable: false, ..Writing::PRIVATE })?;
        files.push(path);
        Ok(Self { files, over, binds, missing: missing::notice(scope) })
    }

    /// What the user should know, one sentence each.
    pub(super) fn notices(&self) -> impl Iterator<Item = &String> {
        self.over.notices.iter().chain(&self.missing)
    }

    /// One of the instance's own volumes.
    ///
    /// # Errors
    /// A [`Failure`] where the files have none of that key, or it is everybody's.
    pub(super) fn own(&self, key: &str) -> Result<&OwnVolume, Failure> {
        self.over.volumes.get(key).ok_or_else(|| {
            let near = nearest(key, self.over.volumes.keys().map(String::as_str));
            let failure = Failure::new(format!("This instance has no volume `{}` of its own", one_line(key)));
            let failure =
                near.into_iter().fold(failure, |failure, near| failure.hint(format!("The nearest is `{near}`")));
            failure.hint(match self.over.volumes.is_empty() {
                true => "The compose files declare none but external ones below `volumes:`".to_owned(),
                false => format!("It has {}", ticked(self.over.volumes.keys())),
            })
        })
    }

    /// Makes the kept volumes that are missing: compose takes them for external.
    ///
    /// # Errors
    /// A [`Failure`] with Docker's last lines.
    pub(super) fn make_kept(&self, site: &Site<'_>) -> Result<(), Failure> {
        let docker = docker(site);
        let kept: Vec<&OwnVolume> = self.over.volumes.values().filter(|own| own.is_kept).collect();
        let names: Vec<String> = kept.iter().map(|own| own.name.clone()).collect();
        site.scope.context.note_kept(site.scope.project, &site.settled.identity.compose_name, &names)?;
        if kept.is_empty() {
            return Ok(());
        }
        let there = engine(site).volumes()?;
        let is_missing = |own: &&&OwnVolume| there.iter().all(|volume| volume.name != own.name);
        kept.iter().filter(is_missing).try_for_each(|own| docker.make_volume(&Made::kept(own)))
    }

    /// The override of a list of files that is there and still holds, found without a program; none where one must be made.
    pub(super) fn there(dirs: &Dirs, files: &[PathBuf], flags: &[OsString], given: &Given<'_>) -> Option<There> {
        let path = place(given.folder, files, flags);
        let record = disk::read(&path.with_extension("json"), MAX).ok()??;
        let Origin { files, variables, state, binds, addresses, starts } =
            serde_json::from_slice(&record.bytes).ok()?;
        let holds = disk::is_file(&path)
            && state_of(&files, &variables, given) == state
            && subnet::record(dirs, given.root, given.said, given.environment) == addresses;
        holds.then_some(There { path, binds, starts })
    }
}

/// Where the override of a list of files lies, and of flags that change how they are read.
fn place(folder: &Path, files: &[PathBuf], flags: &[OsString]) -> PathBuf {
    let words = files.iter().map(|file| file.as_os_str()).chain(flags.iter().map(OsString::as_os_str));
    let list: Vec<u8> = words.flat_map(|word| [word.as_encoded_bytes(), b"\0"].concat()).collect();
    folder.join(format!("services-{}.yaml", &digest::of(&list)[..16]))
}

impl Origin {
    /// What a list of files leads to: what they include and extend, the `.env` beside each, and files that flags name.
    fn of(list: &[PathBuf], flags: &[OsString], given: &Given<'_>) -> Self {
        let mut files: Vec<PathBuf> = vec![given.root.join(".env")];
        let paths = flags.iter().map(Path::new).filter(|path| path.is_absolute());
        files.extend(paths.flat_map(|path| [path.to_path_buf(), path.join(".env")]));
        let mut variables: Vec<String> = ["COMPOSE_FILE", "COMPOSE_PROFILES"].map(str::to_owned).to_vec();
        let mut queue: Vec<PathBuf> = list.to_vec();
        let value = |name: &str| match compose::variable(given.root, name, given.environment) {
            Some(value) => Setting::Shared(value),
            None => Setting::Unset,
        };
        while let Some(file) = queue.pop() {
            if files.contains(&file) || files.len() > MANY {
                continue;
            }
            let folder = file.parent().unwrap_or(given.root).to_path_buf();
            files.push(file.clone());
            let beside = folder.join(".env");
            if !files.contains(&beside) {
                files.push(beside);
            }
            let Some(text) =
                disk::read(&file, FOLLOWED).ok().flatten().and_then(|there| String::from_utf8(there.bytes).ok())
            else {
                continue;
            };
            let named = names(&text).filter(|name| !variables.contains(name)).collect::<Vec<_>>();
            variables.extend(named);
            let scanned = scan(&text, &value).unwrap_or_default();
            queue.extend(scanned.files.iter().map(|name| folder.join(name)));
            files.extend(scanned.env_files.iter().map(|name| folder.join(name)));
        }
        variables.sort();
        variables.dedup();
        let state = state_of(&files, &variables, given);
        Self { files, variables, state, binds: Binds::default(), addresses: String::new(), starts: Starts::default() }
    }
}

/// The variables a text names, after every dollar sign.
fn names(text: &str) -> impl Iterator<Item = String> {
    let name = |rest: &str| {
        let rest = rest.strip_prefix('{').unwrap_or(rest);
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        rest[..end].to_owned()
    };
    text.split('$').skip(1).map(name).filter(|name| !name.is_empty()).collect::<BTreeSet<_>>().into_iter()
}

/// How everything stands that an override follows from: files by time, size and number; no value is kept, only their digest.
fn state_of(files: &[PathBuf], variables: &[String], given: &Given<'_>) -> String {
    let mut state = format!("{VERSION}\n{}\n{:?}\n{:?}\n{}\n", given.project, given.leases, given.said, given.suffix);
    for file in files {
        let _ = writeln!(state, "{} {:?}", file.display(), disk::look(file));
    }
    for name in variables {
        let _ = writeln!(state, "{name}={:?}", given.environment.get(name));
    }
    // compose's own version counts, too: it is one file, the program's or its plugin's.
    let settings = given.environment.get("DOCKER_CONFIG").map(PathBuf::from);
    let settings = settings.or_else(|| Some(Path::new(given.environment.get("HOME")?).join(".docker")));
    let plugin = settings.map(|settings| settings.join("cli-plugins/docker-compose"));
    let programs = plugin.into_iter().chain(PLUGINS.map(PathBuf::from));
    for program in programs {
        let _ = writeln!(state, "{:?}", disk::look(&program));
    }
    digest::of(state.as_bytes())
}

/// Where packages put compose.
const PLUGINS: [&str; 3] = [
    "/usr/local/lib/docker/cli-plugins/docker-compose",
    "/usr/lib/docker/cli-plugins/docker-compose",
    "/usr/libexec/docker/cli-plugins/docker-compose",
];

/// The compose files of a project.
pub(super) fn files_for(scope: &Scope<'_>, environment: &Environment) -> Result<Vec<PathBuf>, Failure> {
    let named = scope.settings.compose.as_ref().and_then(|compose| compose.files.as_ref());
    let named: Option<Vec<String>> = named.map(|files| files.iter().map(|text| text.value.clone()).collect());
    compose::files_of(&scope.project.root, named.as_deref(), environment)
}

/// The compose project's name of an instance.
pub(super) fn project_of(scope: &Scope<'_>, name: &str) -> String {
    name::qualified(&scope.settings.prefix, name)
}

/// The override for a list of files, and what services mount of this machine.
pub(super) fn made(site: &Site<'_>, files: &[PathBuf], flags: &[OsString]) -> Result<(Override, Binds), Failure> {
    let scope = site.scope;
    let root = &scope.project.root;
    let project = &site.settled.identity.compose_name;
    let compose = run::compose(site);
    compose.check()?;
    let mut model = model_of(site, files, flags)?;
    let said = scope.settings.compose.clone().unwrap_or_default();
    let keep: Vec<String> = said.keep.iter().flatten().map(|text| as_kept(site, &text.value)).collect();
    let layout = subnet::layout(site, &model, &said)?;
    let (names, unnamed) = match layout {
        Some(_) => {
            let naming = Naming {
                instance: &site.settled.known.name,
                suffix: &scope.context.settings.network.suffix,
                ingress: said.ingress.as_ref().map(|text| text.value.as_str()),
            };
            naming.of(&model).map_err(|refused| refusal(site, &refused))?
        }
        None => Default::default(),
    };
    if !scope.is_apart {
        store_names::want(&scope.context.dirs, root, &names)?;
    }
    let share = said.shared();
    let isolation = Isolation {
        share: &share,
        layout: layout.as_ref(),
        names: &names,
        project,
        id: &scope.id,
        is_apart: scope.is_apart,
        label: LABEL,
        root: scope.project.root_text(),
        published: &said.ports,
        leases: &site.settled.known.ports,
        keep: &keep,
    };
    let mut over = Override::of(&model, &isolation).map_err(|refused| refusal(site, &refused))?;
    over.notices.extend(unnamed);
    // What is shared mounts nothing here: it is another project's.
    model.services.retain(|name, _| !share.contains(name));
    let profiles = compose::variable(root, "COMPOSE_PROFILES", &site.environment).unwrap_or_default();
    let profiles: Vec<String> = profiles.split(',').map(|profile| profile.trim().to_owned()).collect();
    Ok((over, Binds::of(&model, isolation.root, &keep, &profiles)))
}

/// What compose says the files come to.
fn model_of(site: &Site<'_>, files: &[PathBuf], flags: &[OsString]) -> Result<Model, Failure> {
    Model::parse(&run::compose(site).model(files, flags)?)
        .map_err(|error| Failure::new(error.to_string()).hint("Look at its version: `docker compose version`"))
}

/// The override of the shared services, for the compose project that they have for themselves.
pub(super) fn made_shared(
    site: &Site<'_>,
    files: &[PathBuf],
    Repository { id, project }: &Repository,
) -> Result<Override, Failure> {
    let model = model_of(site, files, &[])?;
    let said = site.scope.settings.compose.clone().unwrap_or_default();
    let (share, none) = (said.shared(), Names::new());
    let mut published = said.ports;
    published.retain(|_, port| share.contains(&port.service));
    let isolation = Isolation {
        share: &[],
        layout: None,
        names: &none,
        project,
        id,
        is_apart: false,
        label: SHARED,
        root: site.scope.project.root_text(),
        published: &published,
        leases: &site.settled.known.ports,
        keep: &[],
    };
    Override::of_shared(&model, &isolation, &share).map_err(|refused| refusal(site, &refused))
}

/// An entry of `keep` as compose names it.
fn as_kept(site: &Site<'_>, entry: &str) -> String {
    kept(entry, &site.scope.project.root, &site.scope.context.dirs.home)
}

/// A refusal with its place in `silo.toml`.
fn refusal(site: &Site<'_>, refused: &Refused) -> Failure {
    let project = site.scope.project;
    let said = site.scope.settings.compose.as_ref();
    let span = refused.variable.as_ref().and_then(|variable| Some(said?.ports.get(variable)?.span.clone()));
    let span = span.or_else(|| {
        let ingress = said?.ingress.as_ref().filter(|_| refused.what.starts_with("`compose.ingress`"));
        ingress.map(|text| text.span.clone())
    });
    let span = span.or_else(|| {
        let share = said?.share.as_ref().filter(|_| refused.what.starts_with("`compose.share`"))?;
        let named = share.iter().find(|text| refused.what.contains(&format!("`{}`", text.value)));
        named.or(share.first()).map(|text| text.span.clone())
    });
    let span = span.or_else(|| {
        let keep = said?.keep.as_ref()?;
        keep.iter()
            .find(|text| refused.what.contains(&format!("`{}`", as_kept(site, &text.value))))
            .map(|text| text.span.clone())
    });
    let failure = match span {
        Some(span) => project.misfit(&refused.what, &span),
        None => Failure::new(refused.what.clone()),
    };
    refused.hints.iter().fold(failure, Failure::hint)
}
