//! Saving what a run of an agent has found. It lies on the disk until it is saved: a server that is down loses nothing.

use std::path::Path;

use super::ask::{ask, done};
use super::target;
use crate::core::memory::names::body;
use crate::core::memory::place::Memory;
use crate::core::memory::talk::{Body, Run, What};
use crate::core::memory::{Finding, MOST_BYTES, MOST_FINDINGS, refusal};
use crate::failure::Failure;
use crate::parts::scope::Scope;
use crate::store::memory::waiting::{self, FINDINGS, Notes, Waiting};
use crate::sys::{clock, files, trees};

/// About how many bytes are sent at once.
const BATCH: usize = 8 * 1024 * 1024;

/// What became of findings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Saved {
    /// How many are new.
    pub added: u64,
    /// How many were there already.
    pub known: u64,
    /// What is not saved, and why: its file, and the end of a sentence about it.
    pub left_out: Vec<(String, &'static str)>,
}

/// Saves findings of a run. What is there already stays as it is, so that a call that was cut off is made again as a whole.
///
/// # Errors
/// A [`Failure`] as of [`target::of`], or where the server cannot be asked: what was sent until then is saved.
pub fn save(scope: &Scope<'_>, run: &Run, findings: &[Finding]) -> Result<Saved, Failure> {
    let to = target::of(scope)?;
    let mut saved = Saved::default();
    let (mut batch, mut bytes): (Vec<Body>, usize) = (Vec::new(), 0);
    let send = |batch: &mut Vec<Body>, saved: &mut Saved| -> Result<(), Failure> {
        if batch.is_empty() {
            return Ok(());
        }
        let number = batch.len() as u64;
        let findings = std::mem::take(batch);
        let added = done(scope.context, &to, What::Save { run: run.clone(), findings })?;
        saved.added += added;
        saved.known += number.saturating_sub(added);
        Ok(())
    };
    for (at, finding) in findings.iter().enumerate() {
        let why = refusal(finding).or_else(|| (at >= MOST_FINDINGS).then_some("there are more than 1000 of this run"));
        if let Some(why) = why {
            saved.left_out.push((finding.path.clone(), why));
            continue;
        }
        bytes += finding.body.len();
        batch.push(body(finding));
        if bytes >= BATCH {
            send(&mut batch, &mut saved)?;
            bytes = 0;
        }
    }
    send(&mut batch, &mut saved)?;
    Ok(saved)
}

/// The findings in a folder: regular files, in the order of their names. What is none, or too large to be saved, is named.
pub fn in_folder(folder: &Path) -> (Vec<Finding>, Vec<(String, &'static str)>) {
    let mut paths = trees::files_below(folder);
    paths.sort();
    let (mut findings, mut left_out) = (Vec::new(), Vec::new());
    for path in paths {
        let name = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy().into_owned();
        if files::is_link(&path) {
            left_out.push((name, "it is a link"));
            continue;
        }
        match files::read(&path, MOST_BYTES as u64) {
            Ok(Some(content)) => {
                let created = Some(clock::written(content.modified));
                findings.push(Finding { path: name, body: content.bytes, created });
            }
            Ok(None) => {}
            Err(_) if files::is_file(&path) && files::size(&path) > MOST_BYTES as u64 => {
                left_out.push((name, "it is larger than 1 MiB"));
            }
            Err(_) => left_out.push((name, "it is not a file that can be read")),
        }
    }
    (findings, left_out)
}

/// Saves what lies in the folder of a run that has ended: its `findings`. First it is noted there that they wait, and the note goes
/// when they are saved; until then [`sync`] tries it again.
///
/// # Errors
/// As [`save`]; the findings stay where they are in any case.
pub fn end_of_run(scope: &Scope<'_>, run: &Run, folder: &Path) -> Result<Saved, Failure> {
    let server = match &scope.settings.memory {
        Some(Memory::Server(name)) => Some(name.clone()),
        _ => None,
    };
    waiting::note(folder, &Waiting { root: scope.project.root_text().to_owned(), server, run: run.clone() })?;
    let saved = of_folder(scope, run, folder)?;
    // The server answers, so what waits from before has its turn; what fails there waits on.
    let _ = sync(scope);
    Ok(saved)
}

fn of_folder(scope: &Scope<'_>, run: &Run, folder: &Path) -> Result<Saved, Failure> {
    let (findings, left_out) = in_folder(&folder.join(FINDINGS));
    let mut saved = save(scope, run, &findings)?;
    saved.left_out.extend(left_out);
    waiting::forget(folder)?;
    Ok(saved)
}

/// Which runs wait for this project's memory: its own, and those of roots that are gone whose server it was too. And what is wrong with
/// a note that is damaged, whosever it is.
///
/// # Errors
/// A [`Failure`] when the notes cannot be read.
pub fn waiting_here(scope: &Scope<'_>) -> Result<(Notes, Option<Failure>), Failure> {
    let server = match &scope.settings.memory {
        Some(Memory::Server(name)) => Some(name),
        _ => None,
    };
    let own = scope.project.root_text();
    let is_ours = |waiting: &Waiting| {
        let is_same = server.is_some() && waiting.server.as_ref() == server;
        waiting.root == own || is_same && !files::is_folder(Path::new(&waiting.root))
    };
    let (all, damaged) = waiting::all(&scope.context.dirs)?;
    Ok((all.into_iter().filter(|(_, waiting)| is_ours(waiting)).collect(), damaged))
}

/// What became of runs that waited.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Synced {
    /// Those that are saved.
    pub saved: Vec<(Run, Saved)>,
    /// Those that are not, and wait on.
    pub failed: Vec<Failure>,
}

/// Saves what waits here. One that cannot be saved holds none of the others up.
///
/// # Errors
/// A [`Failure`] where the server does not answer or the notes cannot be read: then nothing was tried.
pub fn sync(scope: &Scope<'_>) -> Result<Synced, Failure> {
    let (waiting, damaged) = waiting_here(scope)?;
    let mut synced = Synced { failed: damaged.into_iter().collect(), ..Synced::default() };
    if !waiting.is_empty() {
        // Of a server that is down each of them would wait for its end.
        ask(scope.context, &target::of(scope)?, What::Status)?;
    }
    for (folder, waiting) in waiting {
        match of_folder(scope, &waiting.run, &folder) {
            Ok(saved) => synced.saved.push((waiting.run, saved)),
            Err(failure) => synced.failed.push(failure),
        }
    }
    Ok(synced)
}

/// Saves a folder that a run left, as somebody names it: the one with its `findings` and its note, or any with files.
///
/// # Errors
/// As [`save`].
pub fn sync_folder(scope: &Scope<'_>, run: &Run, folder: &Path) -> Result<(Run, Saved), Failure> {
    if let Some(waiting) = waiting::of(folder)? {
        return of_folder(scope, &waiting.run, folder).map(|saved| (waiting.run, saved));
    }
    let inner = folder.join(FINDINGS);
    let (findings, left_out) = in_folder(if files::is_folder(&inner) { &inner } else { folder });
    let mut saved = save(scope, run, &findings)?;
    saved.left_out.extend(left_out);
    Ok((run.clone(), saved))
}
