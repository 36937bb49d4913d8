//! The end of a run, however it came: each step can be done again, and the record says after each how far it is.

use std::path::Path;

use serde::Deserialize;

use super::order::{COLUMN, GRACE};
use super::outside::Outside;
use super::{findings, image, remember, told};
use crate::backend::labels::LABEL as INSTANCE;
use crate::backend::worktrees::Git;
use crate::core::agents::arguments::{Bind, Bundler};
use crate::core::agents::names;
use crate::core::agents::record::{Cloned, End, Run, Stage, why};
use crate::core::leases::Wish;
use crate::core::text::source::one_line;
use crate::failure::{Failure, quoted, shown};
use crate::parts::beside;
use crate::parts::context::Context;
use crate::store::agents::{self, Place, wall};
use crate::store::gateway::keys;
use crate::store::registry;
use crate::sys::appending::Appending;
use crate::sys::pour::{self, Go};
use crate::sys::{clock, files, lock, trees};

/// Largest file of commits that is taken, in bytes, whatever disk the agent had.
const BUNDLE: u64 = 2 << 30;
/// Most that is kept of what it printed, in bytes.
const LOG: u64 = 32 << 20;
/// Most words of the program in the container that are shown.
const WORDS: usize = 300;

/// What the program in the container says of a repository that an agent could write.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Told {
    commits: u64,
    skipped: Vec<String>,
    error: Option<String>,
}

/// Ends a run and brings home what it made; the holder of its lock calls it.
///
/// # Errors
/// A [`Failure`] of the step that failed; the next call goes on from there.
pub(super) fn end(context: &Context, mut run: Run) -> Result<Run, Failure> {
    let outside = Outside::of(context);
    if run.stage != Stage::Ended {
        outside.require_of(&run)?;
    }
    if run.stage <= Stage::Running {
        stop(&outside, &mut run)?;
        go_on(context, &mut run, Stage::Stopped)?;
    }
    if run.stage == Stage::Stopped {
        bundle(context, &outside, &mut run)?;
        go_on(context, &mut run, Stage::Bundled)?;
    }
    if run.stage == Stage::Bundled {
        let place = Place::of(&context.dirs, &run.id);
        let kept = findings::keep(&place.left(), &place.findings())?;
        let end = run.end.get_or_insert_default();
        end.findings = kept.files;
        end.skipped.extend(kept.skipped);
        if end.findings > 0 {
            let is_saved = remember::keep(context, &run);
            run.end.get_or_insert_default().is_saved = is_saved;
        }
        go_on(context, &mut run, Stage::Kept)?;
    }
    if run.stage == Stage::Kept {
        keep_log(context, &outside, &run)?;
        remove_rest(context, &outside, &run)?;
        go_on(context, &mut run, Stage::Ended)?;
        image::drop_former(context, &outside, &run);
        told::tell(context, &run);
    }
    Ok(run)
}

fn go_on(context: &Context, run: &mut Run, stage: Stage) -> Result<(), Failure> {
    run.stage = stage;
    agents::save(&context.dirs, run)
}

/// Stops its container, and writes down how it ended.
fn stop(outside: &Outside, run: &mut Run) -> Result<(), Failure> {
    let (engine, container) = (outside.engine(), names::container(&run.id));
    if engine.state(&container)?.is_some_and(|state| state.is_up()) {
        outside.docker().stop_container(&container, 2 * GRACE)?;
    }
    let state = engine.state(&container)?;
    let mut end = End { at: clock::now(), ..End::default() };
    match state {
        Some(state) if state.status == "created" => {
            end.code = 125;
            end.why = match state.error.trim() {
                "" => "it was never started".to_owned(),
                error => format!("it could not be started: {}", one_line(error)),
            };
        }
        Some(state) => {
            end.code = u8::try_from(state.exit_code).unwrap_or(u8::MAX);
            why(end.code, state.is_out_of_memory).clone_into(&mut end.why);
        }
        None => {
            end.code = 137;
            "somebody removed its container".clone_into(&mut end.why);
        }
    }
    run.end = Some(end);
    Ok(())
}

/// Has its commits put into a file by git of its own image, in a container without a network, and takes one branch from that.
fn bundle(context: &Context, outside: &Outside, run: &mut Run) -> Result<(), Failure> {
    let place = Place::of(&context.dirs, &run.id);
    let Some(cloned) = run.cloned.clone().filter(|_| files::is_folder(&place.clone_folder())) else { return Ok(()) };
    let file = place.bundles().join("agent.bundle");
    let branch = names::branch(&run.id);
    // What is committed twice, for silo was killed before it could note the first time, is the same commit.
    let date = run.end.as_ref().map_or_else(clock::now, |end| end.at.clone());
    outside.docker().remove_container(&names::bundler(&run.id))?;
    let program = beside::proxy(context)?;
    let words = [
        "bundle",
        "--repository",
        names::WORK,
        "--out",
        "/bundle/agent.bundle",
        "--base",
        &cloned.base,
        "--branch",
        &branch,
        "--message",
        &format!("What the agent {} left open", run.id),
        "--date",
        &date,
        "--limit",
        &run.disk.min(BUNDLE).to_string(),
    ];
    let bundler = Bundler {
        id: &run.id,
        instance: (INSTANCE, &run.instance),
        image: &run.image,
        user: run.user,
        disk: run.disk.min(BUNDLE),
        runtime: context.settings.agents.runtime.as_deref(),
        binds: vec![
            Bind::read(&program, names::PROGRAM),
            Bind::write(&place.clone_folder(), names::WORK),
            Bind::write(&place.bundles(), "/bundle"),
        ],
        words: words.map(str::to_owned).to_vec(),
    };
    let told = match outside.docker().bundle(&bundler) {
        Ok(line) => serde_json::from_slice::<Told>(&line)
            .unwrap_or_else(|_| Told { error: Some("it said nothing that can be read".to_owned()), ..Told::default() }),
        Err(failure) => {
            // An engine that went away says nothing about the repository.
            outside.engine().image(&run.image)?;
            let said = failure.excerpt.as_deref().unwrap_or_default();
            let last = said.lines().last().unwrap_or(&failure.what).trim_start_matches([' ', '|']).to_owned();
            Told { error: Some(last), ..Told::default() }
        }
    };
    let mut skipped: Vec<String> = told.skipped.iter().take(20).map(|line| words_of(line)).collect();
    if let Some(error) = &told.error {
        // What lies there may be all there is of its work.
        let kept = place.folder().join("clone");
        if !files::exists(&kept) {
            files::rename(&place.clone_folder(), &kept)?;
        }
        skipped.push(format!(
            "Its repository cannot be read ({}); what is left of it is in `{}`: open it with care, the agent wrote all of it",
            words_of(error),
            shown(&kept)
        ));
    }
    let others = place.bundles().join("agent.bundle.others");
    let end = run.end.get_or_insert_default();
    if files::is_file(&others) && !files::is_link(&others) {
        files::rename(&others, &place.others())?;
        end.others = Some(place.others().to_string_lossy().into_owned());
        skipped.push(format!(
            "It has commits on other branches of its own, in `{0}`: `git fetch {1} 'refs/heads/*:refs/heads/agent/{2}-*'`",
            shown(&place.others()),
            quoted(&place.others()),
            run.id
        ));
    }
    if files::is_file(&file) && !files::is_link(&file) {
        match take(outside, &cloned, &file, &branch) {
            Ok(commits) => {
                end.branch = Some(branch);
                end.commits = commits;
            }
            Err(failure) => {
                let kept = place.folder().join("agent.bundle");
                files::rename(&file, &kept)?;
                skipped.push(format!("Its commits were not taken: {}; they are in `{}`", failure.what, shown(&kept)));
                skipped.extend(failure.excerpt.iter().flat_map(|said| said.lines()).map(words_of));
            }
        }
    } else if told.commits > 0 {
        skipped.push("It has commits, and the file with them is missing".to_owned());
    }
    end.skipped.extend(skipped);
    Ok(())
}

/// Takes the branch, which is then as the file has it.
fn take(outside: &Outside, cloned: &Cloned, file: &Path, branch: &str) -> Result<u64, Failure> {
    let places = [Some(&cloned.from), cloned.repository.as_ref()];
    let there = places.into_iter().flatten().map(Path::new).find(|place| files::is_folder(place));
    let Some(place) = there else {
        return Err(Failure::new(format!("the repository `{}` is gone", shown(Path::new(&cloned.from)))));
    };
    Git::of(&outside.environment, place).take_branch(file, branch, &cloned.base)
}

/// Words of a stranger's, for one line.
fn words_of(text: &str) -> String {
    one_line(text.trim()).chars().take(WORDS).collect()
}

/// Keeps what it printed.
fn keep_log(context: &Context, outside: &Outside, run: &Run) -> Result<(), Failure> {
    let container = names::container(&run.id);
    if outside.engine().state(&container)?.is_none() {
        return Ok(());
    }
    // From the beginning: an earlier try may have been cut off.
    let mut log = Appending::open(&Place::of(&context.dirs, &run.id).log(), 0)?;
    let mut failed = None;
    let docker = outside.docker();
    let mut both = docker.log(&container, false);
    both.arguments = vec!["-c".into(), "exec \"$@\" 2>&1".into(), "sh".into(), docker.program.into()]
        .into_iter()
        .chain(both.arguments)
        .collect();
    both.program = "sh";
    let read = pour::watch(&both, |piece| match log.append(piece) {
        Ok(()) if log.length() < LOG => Go::On,
        Ok(()) => Go::No,
        Err(failure) => {
            failed = Some(failure);
            Go::No
        }
    });
    if let Err(failure) = read
        && outside.engine().state(&container)?.is_some()
    {
        return Err(failure);
    }
    // Where somebody has removed the container, what it printed last is lost.
    failed.map_or(Ok(()), Err)
}

/// Removes everything of a run but its record, its log and what it found.
fn remove_rest(context: &Context, outside: &Outside, run: &Run) -> Result<(), Failure> {
    let place = Place::of(&context.dirs, &run.id);
    close(context, &run.id)?;
    remove_containers(outside, &run.id)?;
    trees::remove(&place.work())
}

/// Takes back what it may reach, and its key.
fn close(context: &Context, id: &str) -> Result<(), Failure> {
    wall::remove(&context.dirs, id)?;
    keys::revoke_agent(&context.dirs, id)
}

fn remove_containers(outside: &Outside, id: &str) -> Result<(), Failure> {
    for container in [names::container(id), names::relay(id), names::bundler(id)] {
        outside.docker().remove_container(&container)?;
    }
    outside.docker().remove_network(&names::network(id))
}

/// Removes everything of a run of which nothing has run; the holder of its lock calls it.
///
/// # Errors
/// A [`Failure`] when something cannot be removed: the record stays then, and the next `silo agent` tries again.
pub(super) fn clear(context: &Context, id: &str) -> Result<(), Failure> {
    let outside = Outside::of(context);
    let run = agents::load(&context.dirs, id)?;
    if let Some(run) = &run {
        outside.require_of(run)?;
    }
    close(context, id)?;
    if run.is_some() {
        remove_containers(&outside, id)?;
    }
    agents::forget(&context.dirs, id)?;
    if let Some(run) = run {
        image::drop_former(context, &outside, &run);
    }
    Ok(())
}

/// Removes it after a start that failed, whose own reason is told: the next `silo agent` tries again what cannot be removed now.
pub(super) fn clear_after(context: &Context, id: &str) {
    if let Err(failure) = clear(context, id) {
        context.ui.warn(&format!("What was made of the run `{id}` is still there: {}", failure.what));
    }
}

/// Finishes every run that was cut off: whose `silo` is gone, or that was being made or ended. What fails is said, and tried again
/// the next time.
pub fn finish_all(context: &Context) {
    agents::sweep(&context.dirs);
    let outside = Outside::of(context);
    for run in agents::all(&context.dirs) {
        let is_settled = run.stage == Stage::Ended || stays(context, &outside, &run);
        let lock = Place::of(&context.dirs, &run.id).lock();
        if is_settled || lock::holder(&lock).is_some() {
            continue;
        }
        let done = lock::hold(&lock, "the agent", &lock::AT_ONCE, Failure::new, || finish(context, &run.id));
        if let Err(failure) = done
            && lock::holder(&lock).is_none()
        {
            context.ui.warn(&format!("The run `{}` was cut off, and cannot be finished: {}", run.id, failure.what));
        }
    }
}

/// Whether a persistent agent goes on: what is wanted is healed where it is down (D31), and what is up without that is being started.
fn stays(context: &Context, outside: &Outside, run: &Run) -> bool {
    if !run.is_persistent || run.stage != Stage::Running || !files::is_folder(Path::new(&run.root)) {
        return false;
    }
    let own = Wish::of(COLUMN, &run.agent);
    // Where it is not known, nobody's agent is ended.
    let is_wanted =
        registry::peek(&context.dirs).map(|leases| leases.at(&run.root).is_some_and(|at| at.wanted.has(&own)));
    is_wanted.unwrap_or(true)
        || outside.engine().state(&names::container(&run.id)).map_or(true, |state| state.is_some_and(|one| one.is_up()))
}

/// Brings home what the runs of a root made that is gone, before anything of them is removed.
///
/// # Errors
/// A [`Failure`] where one goes on, or cannot be ended.
pub(super) fn finish_of(context: &Context, root: &Path) -> Result<(), Failure> {
    for run in agents::all(&context.dirs) {
        if run.stage == Stage::Ended || Path::new(&run.root) != root {
            continue;
        }
        let busy = |holder| {
            Failure::new(format!("The run `{}` goes on{holder}", run.id))
                .hint(format!("End it first: `silo agent stop {}`", run.id))
        };
        let lock = Place::of(&context.dirs, &run.id).lock();
        lock::hold(&lock, "the agent", &lock::AT_ONCE, busy, || finish(context, &run.id))?;
    }
    Ok(())
}

/// Finishes one, as it is recorded now.
fn finish(context: &Context, id: &str) -> Result<(), Failure> {
    let Some(run) = agents::load(&context.dirs, id)? else { return Ok(()) };
    // Before it is said that something is brought home.
    Outside::of(context).require_of(&run)?;
    match run.stage {
        Stage::Ended => Ok(()),
        Stage::Making => clear(context, id),
        _ => {
            context.ui.step(&format!("The run `{id}` was cut off: bringing home what it made"));
            end(context, run).map(|_| ())
        }
    }
}
