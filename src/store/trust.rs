//! The user's decision on each `silo.toml` (D6): one small file for each record, named by its digest.
//!
//! `allow/` holds a file per path and content and per repository, place and content; `deny/` one per path; `last/` the
//! content each path, and each place in a repository, was last allowed with, so that `silo allow` can show what changed.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::project::Project;
use super::settings;
use super::stamp::{self, Known, Stamp};
use super::worktree::{self, Membership};
use crate::core::instance::trust::{self, Trust};
use crate::failure::Failure;
use crate::sys::dirs::Dirs;
use crate::sys::files;
use crate::sys::unfinished;
use crate::sys::writing::{self, Writing};

/// Largest record that is read, in bytes: a path, or a whole config file.
const LIMIT: u64 = 1024 * 1024;

/// Whether the user has ever trusted anything.
pub fn is_new(dirs: &Dirs) -> bool {
    files::names_in(&place(dirs, "last", "")).is_empty()
}

/// What the user has said of a project's config file as it is now.
///
/// # Errors
/// A [`Failure`] when a record cannot be read.
pub fn judge(dirs: &Dirs, project: &Project) -> Result<Trust, Failure> {
    judge_with_source(dirs, project).map(|(trust, _)| trust)
}

/// The same, and whether it is the user's settings that trust it: whoever edits those tells no shell.
///
/// # Errors
/// As [`judge`].
pub fn judge_with_source(dirs: &Dirs, project: &Project) -> Result<(Trust, bool), Failure> {
    let path = trust::record_of_path(project.file_bytes());
    if files::read(&place(dirs, "deny", &path), LIMIT)?.is_some() {
        return Ok((Trust::Denied, false));
    }
    if holds(dirs, &own_record(project), project.file_bytes())? {
        return Ok((Trust::Allowed, false));
    }
    let membership = membership(project);
    if let Some(membership) = &membership
        && holds(dirs, &repository_record(project, membership), membership.common_dir.as_os_str().as_bytes())?
    {
        return Ok((Trust::Allowed, false));
    }
    if is_below_trusted(dirs, project) {
        return Ok((Trust::Allowed, true));
    }
    match last(dirs, project, membership.as_ref())? {
        Some(_) => Ok((Trust::Changed, false)),
        None => Ok((Trust::Unknown, false)),
    }
}

/// Whether the user's settings trust the folder a project lies in, and the config file is the user's own. Settings that
/// cannot be read trust nothing; whoever loads them says what is wrong.
fn is_below_trusted(dirs: &Dirs, project: &Project) -> bool {
    let trusted = settings::load(dirs).map(|settings| settings.trusted).unwrap_or_default();
    let below = trusted.iter().any(|folder| {
        let folder = folder.strip_prefix("~/").map_or_else(|| PathBuf::from(folder), |rest| dirs.home.join(rest));
        files::canonical(&folder).is_ok_and(|folder| project.root.starts_with(folder))
    });
    // Whoever owns what a link leads to may change it at any time.
    below && !files::is_link(&project.file) && files::owner(&project.file) == Some(rustix::process::geteuid().as_raw())
}

/// Writes the stamp of a project, with the user's decision as it was judged, and returns the generation. A word given since is
/// not overwritten: the stamp then goes again, and every shell in the project asks again.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn seal(dirs: &Dirs, project: &Project, judged: Trust, instance: Option<Known>) -> Result<String, Failure> {
    let stamp = Stamp { config: project.digest(), trust: judged.word().to_owned(), instance };
    let generation = stamp::save(dirs, &project.root, &stamp, project.modified)?;
    if judge(dirs, project)? != judged {
        stamp::invalidate(dirs, &project.root)?;
    }
    Ok(generation)
}

/// The content a project's config file was last allowed with: here, else in any worktree of its repository.
///
/// # Errors
/// A [`Failure`] when the record cannot be read.
pub fn last_allowed(dirs: &Dirs, project: &Project) -> Result<Option<Vec<u8>>, Failure> {
    last(dirs, project, membership(project).as_ref())
}

fn last(dirs: &Dirs, project: &Project, membership: Option<&Membership>) -> Result<Option<Vec<u8>>, Failure> {
    let names =
        [Some(trust::record_of_path(project.file_bytes())), membership.map(|known| last_record(project, known))];
    for name in names.into_iter().flatten() {
        if let Some(content) = files::read(&place(dirs, "last", &name), LIMIT)? {
            return Ok(Some(content.bytes));
        }
    }
    Ok(None)
}

/// Allows a project's config file as it is now, in every genuine worktree of its repository. Returns its state
/// with the others.
///
/// A denial goes last: when something fails on the way, the old word holds, and what was never allowed is not taken for
/// what was allowed last.
///
/// # Errors
/// A [`Failure`] that names the path that could not be written.
pub fn allow(dirs: &Dirs, project: &Project) -> Result<Others, Failure> {
    sweep(dirs);
    let path = trust::record_of_path(project.file_bytes());
    record(dirs, "allow", &own_record(project), &lined(project.file_bytes()))?;
    let membership = membership(project);
    if let Some(membership) = &membership {
        let name = lined(membership.common_dir.as_os_str().as_bytes());
        record(dirs, "allow", &repository_record(project, membership), &name)?;
    }
    record(dirs, "last", &path, &project.content)?;
    if let Some(membership) = &membership {
        record(dirs, "last", &last_record(project, membership), &project.content)?;
    }
    files::remove(&place(dirs, "deny", &path))?;
    let others = invalidate(dirs, project, membership.as_ref())?;
    Ok(Others::of(dirs, &others))
}

/// Takes the user's decision back: this path is denied until allowed again, and worktrees that were covered by the same
/// word lose it. Returns how many did, and its state with the others now.
///
/// # Errors
/// A [`Failure`] that names the path that could not be written.
pub fn deny(dirs: &Dirs, project: &Project) -> Result<(usize, Others), Failure> {
    sweep(dirs);
    let path = trust::record_of_path(project.file_bytes());
    record(dirs, "deny", &path, &lined(project.file_bytes()))?;
    files::remove(&place(dirs, "allow", &own_record(project)))?;
    let Some(membership) = membership(project) else {
        stamp::invalidate(dirs, &project.root)?;
        return Ok((0, Others::default()));
    };
    let common = place(dirs, "allow", &repository_record(project, &membership));
    let covered = files::exists(&common);
    files::remove(&common)?;
    let last = place(dirs, "last", &last_record(project, &membership));
    if !matches!(files::read(&last, LIMIT), Ok(Some(content)) if content.bytes != project.content) {
        files::remove(&last)?;
    }
    let others = invalidate(dirs, project, Some(&membership))?;
    let loses = |other: &Project| judge(dirs, other).is_ok_and(|word| matches!(word, Trust::Unknown | Trust::Changed));
    Ok((others.iter().filter(|other| covered && loses(other)).count(), Others::of(dirs, &others)))
}

/// Its state with the same content in the other worktrees of a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Others {
    /// Those in which it is trusted.
    pub allowed: usize,
    /// Those in which it was denied, which only `silo allow` there takes back.
    pub denied: usize,
}

impl Others {
    fn of(dirs: &Dirs, others: &[Project]) -> Self {
        let words: Vec<Trust> = others.iter().filter_map(|other| judge(dirs, other).ok()).collect();
        let count = |word: Trust| words.iter().filter(|one| **one == word).count();
        Self { allowed: count(Trust::Allowed), denied: count(Trust::Denied) }
    }
}

/// Lets the shells in this project and in every worktree of its repository ask again. Returns the others of the same content.
fn invalidate(dirs: &Dirs, project: &Project, membership: Option<&Membership>) -> Result<Vec<Project>, Failure> {
    stamp::invalidate(dirs, &project.root)?;
    let others = membership.map(|membership| worktree::siblings(membership, user())).unwrap_or_default();
    let others: Vec<_> = others.iter().filter(|root| **root != project.root).collect();
    others.iter().try_for_each(|root| stamp::invalidate(dirs, root))?;
    let name = project.file.file_name().unwrap_or_default();
    let others = others.iter().filter_map(|root| Project::read(&root.join(name)).ok());
    Ok(others.filter(|other| other.content == project.content).collect())
}

fn membership(project: &Project) -> Option<Membership> {
    worktree::membership(&project.root, user())
}

fn user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// The name of the record of a project's config file as it is now.
pub fn own_record(project: &Project) -> String {
    trust::record_of_file(project.file_bytes(), &project.content)
}

fn repository_record(project: &Project, membership: &Membership) -> String {
    let place = place_in(project, membership);
    let (common_dir, place) = (membership.common_dir.as_os_str(), place.as_os_str());
    trust::record_of_repository(common_dir.as_bytes(), place.as_bytes(), &project.content)
}

fn last_record(project: &Project, membership: &Membership) -> String {
    let place = place_in(project, membership);
    trust::record_of_place(membership.common_dir.as_os_str().as_bytes(), place.as_os_str().as_bytes())
}

fn place_in(project: &Project, membership: &Membership) -> PathBuf {
    membership.place.join(project.file.file_name().unwrap_or_default())
}

/// Whether an allowing record is there and whole: a half-written one gives nobody leave.
fn holds(dirs: &Dirs, name: &str, subject: &[u8]) -> Result<bool, Failure> {
    Ok(files::read(&place(dirs, "allow", name), LIMIT)?.is_some_and(|content| content.bytes == lined(subject)))
}

fn record(dirs: &Dirs, kind: &str, name: &str, content: &[u8]) -> Result<(), Failure> {
    let path = place(dirs, kind, name);
    files::make_folder(path.parent().unwrap_or(Path::new("/")))?;
    writing::replace(&path, content, Writing::PRIVATE)
}

/// Removes what writers that were killed left: the name of a record is that of one content, and may never come again.
fn sweep(dirs: &Dirs) {
    for folder in folders(dirs) {
        unfinished::sweep_folder(&folder);
    }
}

/// Where the records are, a folder for each kind.
pub fn folders(dirs: &Dirs) -> [PathBuf; 3] {
    ["allow", "deny", "last"].map(|kind| dirs.data.join("trust").join(kind))
}

fn place(dirs: &Dirs, kind: &str, name: &str) -> PathBuf {
    dirs.data.join("trust").join(kind).join(name)
}

fn lined(subject: &[u8]) -> Vec<u8> {
    [subject, b"\n"].concat()
}
