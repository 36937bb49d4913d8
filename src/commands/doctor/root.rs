//! One root: whether it is there, whether all that is stored of its instance agrees, and whether what its lockfile names
//! is one.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::config::{ConfigFile, DEFAULT_OUTPUT};
use crate::core::instance::lockfile::{FILE_NAME, Lockfile, LockfileError};
use crate::core::instance::trust::Trust;
use crate::failure::{Failure, quoted, shown};
use crate::parts;
use crate::parts::finding::{Finding, Fix};
use crate::parts::look::{self, State};
use crate::parts::part::Inspected;
use crate::store::agreement::{self, Drift, Judged};
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{history, registry, trust};
use crate::sys::dirs::Dirs;
use crate::sys::{files, lock, net, unfinished};

/// Before a disagreement is believed: a run that was just writing is done by then.
pub(super) const MOMENT: Duration = Duration::from_millis(120);
/// Largest lockfile that is read, in bytes.
const LIMIT: u64 = 1024 * 1024;

/// A root to look at.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// Its canonical path.
    pub(super) path: PathBuf,
    /// The name the registry has for its instance.
    pub(super) name: Option<String>,
    /// Whether silo was called in it.
    pub(super) is_here: bool,
    /// The config file, when it is not to be looked for in the root.
    pub(super) project: Option<Project>,
}

/// Everything about one root.
pub(super) fn examine(dirs: &Dirs, root: &Root) -> Vec<Finding> {
    let path = root.path.as_path();
    // silo has released it. Only a lockfile there would report a lease that was lost.
    if root.name.is_none() && !root.is_here && !files::is_file(&path.join(FILE_NAME)) {
        return Vec::new();
    }
    if let Some(state) = look::missing(dirs, path) {
        return vec![absent(dirs, root, state)];
    }
    let file = path.join(CONFIG_NAME);
    let project = match root.project.clone().map_or_else(|| Project::read(&file), Ok) {
        Ok(project) => project,
        Err(_) if !files::exists(&file) => {
            // It may have gone as a whole since.
            let state = look::missing(dirs, path);
            return vec![state.map_or_else(|| without_config(root), |state| absent(dirs, root, state))];
        }
        Err(failure) => return vec![closed(root).unwrap_or_else(|| unread(failure, path, &file))],
    };
    let mut found = Vec::new();
    let trust = trust::judge(dirs, &project).unwrap_or(Trust::Unknown);
    let config = match project.config() {
        Ok(config) => config,
        // Its being edited is not a second finding: `silo allow` refuses it.
        Err(failure) => return vec![unread(failure, path, &project.file)],
    };
    found.extend(untrusted(&project, trust));
    found.extend(left_over(path, &config));
    if let Some(finding) = unreadable_lockfile(root) {
        found.push(finding);
        return found;
    }
    found.extend(disagreement(dirs, root, &project, &config, trust));
    let state = project.lockfile().ok().flatten().map(|(lockfile, _)| lockfile.instance);
    let subject = Inspected {
        root: &project.root,
        lockfile: &project.lockfile_path(),
        state: state.as_ref(),
        is_starting: lock::holder(&dirs.up_lock(&project.root)).is_some(),
        is_here: root.is_here,
    };
    found.extend(parts::ALL.iter().flat_map(|part| part.check(&subject)));
    found
}

fn absent(dirs: &Dirs, root: &Root, state: State) -> Finding {
    let name = label(root);
    match history::unmounted(dirs, &root.path) {
        Some(mount) if state == State::Unmounted => {
            let what = format!("The folder of {name} is on a disk that is not mounted at `{}`", shown(&mount));
            Finding::note("root-unmounted", what)
                .at(&root.path)
                .why("It keeps its name and ports meanwhile")
                .remedy(format!("mount {}", quoted(&mount)))
        }
        _ => Finding::problem("root-gone", format!("The folder of {name} is gone"))
            .at(&root.path)
            .why("Its leases keep ports from others, and its containers or cluster may still run")
            .remedy("silo prune"),
    }
}

fn without_config(root: &Root) -> Finding {
    Finding::note("config-missing", format!("The folder of {} has no `{CONFIG_NAME}`", label(root)))
        .at(&root.path)
        .why("Its leases stay; with a config file of another name (`-c`) that is as it should be")
        .remedy(format!("silo init -C {}", quoted(&root.path)))
}

/// A folder on the way that the user may not enter.
fn closed(root: &Root) -> Option<Finding> {
    let folder = files::closed_folder(&root.path)?;
    let what = format!("The folder of {} is out of reach: `{}` may not be entered", label(root), shown(folder));
    let finding = Finding::problem("root-closed", what)
        .at(&root.path)
        .why("No command can act in it, and nothing is known about its instance; its leases stay");
    Some(finding.remedy(format!("ls -ld {}", quoted(folder))))
}

/// What lets the user read a file again: it is theirs, or its owner's to say.
fn reading(file: &Path) -> String {
    let is_own = files::owner(file) == Some(rustix::process::geteuid().as_raw());
    format!("{} {}", if is_own { "chmod u+r" } else { "ls -ld" }, quoted(file))
}

fn unread(failure: Failure, root: &Path, file: &Path) -> Finding {
    Finding::problem("config-invalid", failure.what)
        .at_failure(file, failure.place.as_deref())
        .why("The instance cannot be settled until it is fixed; what was exported before stays")
        .remedy(match files::is_unreadable(file) {
            true => reading(file),
            false => format!("Edit {}, then: silo allow -C {}", quoted(file), quoted(root)),
        })
}

fn untrusted(project: &Project, trust: Trust) -> Option<Finding> {
    let what = match trust {
        Trust::Allowed => return None,
        Trust::Unknown => "is not trusted",
        Trust::Changed => "has changed since it was allowed",
        Trust::Denied => "is denied",
    };
    let finding = Finding::note("not-trusted", format!("`{}` {what}", project.shown_name()))
        .at(&project.file)
        .why("`cd` and gates do not act on it; typed commands such as `silo env` do")
        .remedy(format!("silo allow -C {}", quoted(&project.root)));
    Some(finding)
}

/// What a killed writer left of the two files silo keeps in a project.
fn left_over(root: &Path, config: &ConfigFile) -> Vec<Finding> {
    let env_file = root.join(&config.output);
    let wanted = [root.join(FILE_NAME), env_file.clone(), root.join(DEFAULT_OUTPUT)];
    let mut folders = vec![root];
    folders.extend(env_file.parent().filter(|folder| *folder != root));
    let left = folders.into_iter().flat_map(unfinished::files_in);
    left.filter(|(path, name)| wanted.contains(&path.with_file_name(name))).map(|(path, _)| temporary(&path)).collect()
}

/// A file that was never finished.
pub(super) fn temporary(path: &Path) -> Finding {
    Finding::note("temp-file", "A run that was killed left a file it had not finished")
        .at(path)
        .why("It does no harm; the next run that writes the same file removes it")
        .remedy(format!("rm {}", quoted(path)))
        .fix(Fix::Remove(path.to_path_buf()))
}

/// Why a lockfile is useless.
enum Unread {
    /// A newer silo has written it.
    Newer,
    /// The user may not read it.
    Denied,
    /// It is not a file, or holds no lockfile.
    Damaged,
    /// The disk failed, or it is too large: whatever it holds is not seen.
    Unseen,
}

fn judge_lockfile(path: &Path) -> Option<(String, Unread)> {
    match files::read(path, LIMIT) {
        Ok(None) => None,
        Ok(Some(content)) => match Lockfile::parse(&content.bytes) {
            Ok(_) => None,
            Err(error @ LockfileError::Version(_)) => Some((error.to_string(), Unread::Newer)),
            Err(error) => Some((error.to_string(), Unread::Damaged)),
        },
        Err(failure) if files::is_unreadable(path) => Some((failure.what, Unread::Denied)),
        Err(failure) if files::is_file(path) => Some((failure.what, Unread::Unseen)),
        Err(failure) => Some((failure.what, Unread::Damaged)),
    }
}

/// Whether the lockfile at a path is damaged, and not only out of reach.
pub(super) fn is_damaged(lockfile: &Path) -> bool {
    matches!(judge_lockfile(lockfile), Some((_, Unread::Damaged)))
}

fn unreadable_lockfile(root: &Root) -> Option<Finding> {
    let path = root.path.join(FILE_NAME);
    let (why, unread) = judge_lockfile(&path)?;
    let finding =
        Finding::problem("lockfile-unreadable", format!("The lockfile of {} cannot be read: {why}", label(root)))
            .at(&path);
    let left = match unread {
        Unread::Denied => Some(reading(&path)),
        Unread::Newer => Some("Install the newer silo again".to_owned()),
        Unread::Damaged | Unread::Unseen => None,
    };
    if let Some(remedy) = left {
        let why = "No command settles the instance until this silo can read it; what it holds is not lost";
        return Some(finding.why(why).remedy(remedy));
    }
    let finding = finding
        .why("No command settles the instance until it is put aside; the registry remembers its name and ports")
        .remedy(format!("mv {0} {0}.broken && silo env -C {1}", quoted(&path), quoted(&root.path)));
    // What the registry does not know cannot be made again.
    let can_fix = matches!(unread, Unread::Damaged) && root.name.is_some();
    Some(if can_fix { finding.fix(Fix::PutAside(root.path.clone())) } else { finding })
}

fn disagreement(dirs: &Dirs, root: &Root, project: &Project, config: &ConfigFile, trust: Trust) -> Vec<Finding> {
    let judge = || {
        let leases = registry::peek(dirs).unwrap_or_default();
        agreement::judge(dirs, project, config, &leases, &net::probe)
    };
    let mut judged = judge();
    if judged.as_ref().map_or(true, |judged| !judged.drift.is_empty()) {
        std::thread::sleep(MOMENT);
        judged = judge();
    }
    let Judged { drift, harmless } = match judged {
        Ok(judged) => judged,
        Err(failure) => {
            let finding = Finding::problem("cannot-settle", failure.what)
                .at(&root.path)
                .why("Name, ports and files of this instance cannot be brought into agreement")
                .remedy(format!("silo env -C {}", quoted(&root.path)));
            return vec![finding];
        }
    };
    // A typed command is consent in the project it is typed in; elsewhere the user's decision counts (D6).
    let consented = trust == Trust::Allowed || (root.is_here && trust != Trust::Denied);
    let can_fix = harmless && consented;
    let settle = match &root.name {
        // Without it the lockfile's name would be taken, and containers and cluster go by another.
        Some(name) if !harmless => format!("silo env -C {} {name}", quoted(&root.path)),
        _ => format!("silo env -C {}", quoted(&root.path)),
    };
    let env_file = project.root.join(&config.output);
    let tell = |drift: &Drift| {
        if trust != Trust::Allowed && matches!(drift, Drift::Stale { .. }) {
            return not_asked_for(root);
        }
        let finding = told(drift, root, &env_file).remedy(settle.as_str());
        if can_fix { finding.fix(Fix::Settle(root.path.clone())) } else { finding }
    };
    drift.iter().map(tell).collect()
}

/// What is stored is what another `silo.toml` asked for, which is as it should be until the user trusts this one.
fn not_asked_for(root: &Root) -> Finding {
    let what = format!("What is stored of {} is not what `{CONFIG_NAME}` asks for, which may not act yet", label(root));
    Finding::note("stale", what)
        .at(&root.path)
        .why("What was settled before stays until the file is trusted")
        .remedy(format!("silo diff -C {}", quoted(&root.path)))
}

fn told(drift: &Drift, root: &Root, env_file: &Path) -> Finding {
    let name = label(root);
    let lockfile = root.path.join(FILE_NAME);
    match drift {
        Drift::Unregistered { name, copied_from, moved_from } => {
            let what = match (copied_from, moved_from) {
                (Some(origin), _) => {
                    format!("The lockfile names `{name}`, which belongs to `{origin}`: this is a copy")
                }
                (_, Some(gone)) => format!("`{name}` was moved here from `{gone}`, which the registry still names"),
                _ => format!("The lockfile names `{name}`, which the registry does not know"),
            };
            Finding::problem("not-registered", what)
                .at(&lockfile)
                .why("The ports in it are not this folder's: another instance holds them, or may be given them")
        }
        Drift::NoLockfile => Finding::problem("lockfile-missing", format!("The lockfile of {name} is missing"))
            .at(&lockfile)
            .why("It is the project's own memory: from it a lost registry is made again, and a moved folder known"),
        Drift::NoEnvFile => Finding::problem("env-file-missing", format!("The env file of {name} is missing"))
            .at(env_file)
            .why("Programs that read it do not find the ports"),
        Drift::Stale { records, difference } => {
            let records = records.join(", ");
            let what = match difference {
                Some(difference) => format!("What is stored of {name} does not agree: {difference} ({records} stale)"),
                None => format!("What is stored of {name} is not what `{CONFIG_NAME}` asks for ({records} stale)"),
            };
            Finding::problem("stale", what)
                .at(&root.path)
                .why("Programs that read one of the files and shells that have the vars use different values")
        }
        Drift::Stamp => {
            Finding::problem("stamp-stale", format!("Shells get older variables of {name} than its files hold"))
                .at(&root.path)
                .why("An active shell and the env file name different ports")
        }
        Drift::NoHistory => Finding::note("history-missing", format!("silo has no history of the root of {name}"))
            .at(&root.path)
            .why("If the registry were lost, this root would not be asked for its lockfile"),
    }
}

/// The instance's name, or its root's last part where it has none yet.
fn label(root: &Root) -> String {
    match &root.name {
        Some(name) => format!("`{name}`"),
        None => format!("`{}`", shown(Path::new(root.path.file_name().unwrap_or_default()))),
    }
}
