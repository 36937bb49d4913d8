//! `silo export`: what the shell hook evaluates (D6-D8). It never runs project code, never starts a program (without
//! `/proc`, `ps` and `lsof` are asked once, when a lockfile is taken over whose ports are busy), and whatever goes wrong, the
//! shell gets commands it can evaluate and a prompt that works.

mod lines;
mod visit;

use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

use self::visit::{Fate, Visit, Watched};
use super::hook::scripts;
use super::{consent, values};
use crate::cli::ExportFormat;
use crate::core::instance::trust::Trust;
use crate::core::shell::Shell;
use crate::core::shell::activation::{self, Change, Turns, UNDO, Undo};
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, code, shown};
use crate::parts::context::{Context, HOOK_WAIT};
use crate::parts::moved;
use crate::store::apart;
use crate::store::ask::{Ask, Occasion};
use crate::store::free;
use crate::store::one_folder;
use crate::store::project::{self, Project};
use crate::store::stamp::{self, Known, Stamp};
use crate::store::trust;
use crate::sys::files;
use crate::sys::lock::Wait;
use crate::ui::Ui;

/// A generation no stamp has: the next prompt asks again.
const AGAIN: &str = "again";

/// What the shell hook asks with when the instance is to be off in its shell.
const OFF: &str = "off";
/// What a subshell says instead: it ends with its line, so nothing is said of entering and leaving.
const SUBSHELL: &str = "subshell";

/// Who evaluates the answer.
enum Reader {
    Shell(&'static Shell),
    /// A program that takes the changes as an object.
    Json,
}

pub(super) fn run(context: &Context, format: ExportFormat, seen: Option<&str>) -> Result<u8, Failure> {
    let reader = match reader(format) {
        Ok(reader) => reader,
        Err(file) => return values::run(context, file),
    };
    let undo = Undo::of(&context.environment);
    if seen == Some(OFF) {
        context.ui.hook(&format!(
            "{} is off in this shell until its folder is left",
            lines::name_in(&context.environment, undo.as_ref())
        ));
        let changes = activation::leave(&context.environment, undo.as_ref());
        let turns = Turns::of(&context.environment, undo.as_ref(), &changes, &[]);
        print(context.ui, &reader, Some(&turns), None, (&changes, None))?;
        if let Reader::Shell(shell) = reader {
            scripts::take_word(&context.dirs, &context.environment, shell)?;
        }
        return Ok(0);
    }
    let mut visit = match project::find_upward(&context.folder) {
        None => Visit { is_lasting: true, ..Visit::new(Fate::Leave, None) },
        Some(file) => match context.dirs.require_own(&context.environment) {
            Ok(()) => visit(context, &file, undo.as_ref(), seen.unwrap_or_default()),
            Err(failure) => {
                context.ui.hook_failure(&failure, "no instance is active here");
                Visit::new(Fate::Leave, None)
            }
        },
    };
    let environment = &context.environment;
    let entered = match &visit.fate {
        Fate::Enter(known) => {
            activation::enter(environment, undo.as_ref(), &known.given(known.get("SILO_ROOT").unwrap_or_default()))
        }
        _ => Vec::new(),
    };
    if let Some(too_long) = activation::too_long(&entered) {
        context.ui.hook_failure(&no_room(too_long), "no instance is active here");
        visit.fate = Fate::Leave;
    }
    let changes = match &visit.fate {
        Fate::Enter(_) => entered,
        Fate::Stay => Vec::new(),
        Fate::Leave | Fate::LetGo => activation::leave(environment, undo.as_ref()),
    };
    let at_prompt = seen.is_some_and(|seen| seen != SUBSHELL);
    let shows = changes.iter().any(|change| change.name != UNDO && change.name != "PATH");
    let lines = if shows { lines::say(context, &visit, undo.as_ref(), at_prompt) } else { Vec::new() };
    let vars = if let Fate::Enter(known) = &visit.fate { &known.vars[..] } else { &[] };
    let turns = seen.map(|_| Turns::of(environment, undo.as_ref(), &changes, vars));
    // One that has its value already and was not silo's is in no change: the hook would not see when it goes.
    let sees_all = |turns: &Turns<'_>| {
        let is_seen = |name: &str| environment.get(name).is_none() || turns.old.contains(&name);
        turns.seen.is_empty() && vars.iter().all(|(name, _)| is_seen(name))
    };
    let is_lasting = visit.is_lasting && at_prompt && turns.as_ref().is_some_and(sees_all);
    let again = match &lines[..] {
        _ if !is_lasting => None,
        [] => Some(String::new()),
        [line] => Some(line.clone()),
        _ => None,
    };
    print(context.ui, &reader, turns.as_ref(), visit.watched.as_ref(), (&changes, again.as_deref()))?;
    Ok(if visit.untrusted && matches!(reader, Reader::Json) { code::NOT_TRUSTED } else { 0 })
}

/// Without a home nothing can be looked up, but what an activation set can still be taken back.
pub(super) fn leave(
    ui: Ui,
    environment: &Environment,
    (format, at_prompt): (ExportFormat, bool),
    why: Failure,
) -> Result<u8, Failure> {
    let Ok(reader) = reader(format) else { return Err(why) };
    ui.hook_failure(&why, "no instance is active here");
    let undo = Undo::of(environment);
    let changes = activation::leave(environment, undo.as_ref());
    let turns = at_prompt.then(|| Turns::of(environment, undo.as_ref(), &changes, &[]));
    print(ui, &reader, turns.as_ref(), None, (&changes, None)).map(|()| 0)
}

/// With a record that fits no environment no program could be started.
fn no_room((size, name): (usize, String)) -> Failure {
    Failure::new(format!("What leaving takes back would be {size} bytes, too long for a variable; most of it is the value `{name}` has now"))
        .hint(format!("Unset `{name}`, or give it another name, then enter the folder again: `cd ..`, then `cd -`"))
}

/// Who evaluates a format, or the file that it stands for.
fn reader(format: ExportFormat) -> Result<Reader, values::File> {
    match format {
        ExportFormat::Shell(shell) => Ok(Reader::Shell(shell)),
        ExportFormat::Json => Ok(Reader::Json),
        ExportFormat::Dotenv => Err(values::File::Dotenv),
        ExportFormat::Gha => Err(values::File::Gha),
        ExportFormat::Systemd => Err(values::File::Systemd),
    }
}

/// The hook gets the turns too, and the line to say where it may give this answer again by itself.
fn print(
    ui: Ui,
    reader: &Reader,
    turns: Option<&Turns<'_>>,
    seen: Option<&Watched>,
    (changes, again): (&[Change], Option<&str>),
) -> Result<(), Failure> {
    let shell = match reader {
        Reader::Shell(shell) => shell,
        Reader::Json => {
            let text = |bytes: &Vec<u8>| String::from_utf8_lossy(bytes).into_owned();
            let pairs = changes.iter().map(|change| (change.name.clone(), change.value.as_ref().map(text).into()));
            return ui.answer_json(&serde_json::Value::Object(pairs.collect()));
        }
    };
    let (stamp, generation) = match seen {
        Some(seen) => (seen.stamp.as_os_str().as_bytes(), seen.generation.as_bytes()),
        None => (b"".as_slice(), b"".as_slice()),
    };
    let mut own = vec![("__silo_stamp", stamp), ("__silo_gen", generation)];
    let place = seen.filter(|_| !shell.has_functions()).and_then(|seen| stamp::place(&seen.stamp, &seen.generation));
    let place = place.map(|place| place.map(|number| number.to_string()).join(" "));
    own.extend(place.iter().map(|place| ("__silo_at", place.as_bytes())));
    let own = if shell.shows_own && turns.is_none() { &[][..] } else { &own };
    ui.answer_bytes(&match turns {
        None => shell.commands(own, changes),
        Some(turns) => shell.answer(turns, own, changes, again),
    })
}

/// Looks at the project of a config file; `before` is the generation the shell has seen there. What it was told then, such as
/// why a first try failed, is not told again.
fn visit(context: &Context, file: &Path, undo: Option<&Undo>, before: &str) -> Visit {
    let read = Project::read(file);
    let known = read.as_ref().ok().and_then(|project| stamp::load(&context.dirs, &project.root));
    // Looked for only where this path has no instance of its own.
    let is_known = known.as_ref().is_some_and(|(stamp, _)| stamp.instance.is_some());
    let other = read.as_ref().ok().filter(|_| !is_known).and_then(|here| one_folder::registered(&context.dirs, here));
    let (read, known, found) = match other {
        Some(other) => (Ok(other.project.clone()), stamp::load(&context.dirs, &other.project.root), Some(other.found)),
        None => (read, known, None),
    };
    let root = match &read {
        Ok(project) => Some(project.root.clone()),
        Err(_) => file.parent().and_then(|root| files::canonical(root).ok()),
    };
    let ours = undo.is_some_and(|undo| root.as_ref().is_some_and(|root| root.as_os_str().as_bytes() == undo.root));
    let keep = || if ours { Fate::Stay } else { Fate::Leave };
    let judged = read.and_then(|project| Ok((trust::judge_with_source(&context.dirs, &project)?, project)));
    let ((trust, by_settings), project) = match judged {
        Ok(judged) => judged,
        Err(failure) => {
            fail(context, &failure, ours);
            let watched = root.map(|root| frozen(context, &root, file));
            return Visit { found, ..Visit::new(keep(), watched) };
        }
    };
    // A shell in a run apart stays in it.
    if ours && matches!(apart::around(&context.dirs, &context.environment, &project), Ok(Some(_))) {
        return Visit { found, ..Visit::new(Fate::Stay, None) };
    }
    match consent::refusal(context, &project, trust) {
        None => {
            let settled = settled(context, &project, trust, known, (ours, before == AGAIN));
            Visit { is_lasting: settled.is_lasting && !by_settings && found.is_none(), found, ..settled }
        }
        Some(state) => {
            let watched = watched(context, &project, trust);
            if !stamp::same_word(before, &watched.generation) {
                // A stranger's file is not even parsed; one that was trusted tells where its last edit is mistaken.
                let mistake = (trust == Trust::Changed).then(|| project.config().err()).flatten();
                if let Some(failure) = mistake {
                    fail(context, &failure, ours);
                } else {
                    context.ui.hook(&format!("{} {state}; `silo allow` trusts it", shown(&project.file)));
                }
            }
            let fate = if trust == Trust::Denied { Fate::Leave } else { keep() };
            Visit { found, untrusted: true, ..Visit::new(fate, Some(watched)) }
        }
    }
}

/// What the hook compares where the config file itself cannot be read: the stamp as it is, at the file's time, so that
/// only a change of either asks again.
fn frozen(context: &Context, root: &Path, file: &Path) -> Watched {
    let generation = stamp::load(&context.dirs, root).map(|(_, generation)| generation);
    let synced = |generation: &str| {
        files::modified(file).is_some_and(|modified| stamp::sync(&context.dirs, root, generation, modified).is_ok())
    };
    let kept = generation.filter(|generation| synced(generation));
    if kept.is_none() {
        // One that cannot be waited for, such as an older silo's, goes: the next prompt would ask again.
        let _ = stamp::invalidate(&context.dirs, root);
    }
    Watched::new(context, root, kept.unwrap_or_default())
}

fn fail(context: &Context, failure: &Failure, ours: bool) {
    let after = if ours { "the variables in this shell stay as they were" } else { "no instance is active here" };
    // A mistake in `silo.toml` has a place there, and its next edit is noticed; of anything else silo must be told.
    let wake = if failure.place.is_none() { "; once that is fixed, run `silo env`" } else { "" };
    context.ui.hook_failure(failure, &format!("{after}{wake}"));
}

/// The instance of a project that may act: from its stamp where that is still true, else settled again.
fn settled(
    context: &Context,
    project: &Project,
    trust: Trust,
    known: Option<(Stamp, String)>,
    (ours, again): (bool, bool),
) -> Visit {
    let visit = |fate, watched| Visit::new(fate, Some(watched));
    let of_generation = |generation| Watched::new(context, &project.root, generation);
    if let Some((known, generation, is_lasting)) = known.and_then(|stamp| self::known(context, project, trust, stamp)) {
        return Visit { is_lasting, ..visit(Fate::Enter(Box::new(known)), of_generation(generation)) };
    }
    let wait = Wait { limit: HOOK_WAIT, tell: &|_| () };
    let outside = context.outside();
    let occasion = if ours { Occasion::Inside } else { Occasion::Cd };
    let settled = project.config().and_then(|config| {
        let ask = Ask { profile_variable: outside.text("SILO_PROFILE"), occasion, ..Ask::default() };
        context.settle_with(project, &config, &ask, &wait)
    });
    match settled {
        Ok(settled) => {
            let moved = moved::by_reason(&settled.moved, &project.root);
            Visit { moved, ..visit(Fate::Enter(Box::new(settled.known)), of_generation(settled.generation)) }
        }
        // Asked only now: it may have been released while its turn was waited for.
        Err(_) if ours && free::is_let_go(&context.dirs, project) => {
            visit(Fate::LetGo, watched(context, project, trust))
        }
        Err(failure) => {
            match (failure.transient, again) {
                (true, true) => {}
                (true, false) => context.ui.hook_failure(&failure, "this is tried again at the next prompt"),
                (false, _) => fail(context, &failure, ours),
            }
            let fate = if ours { Fate::Stay } else { Fate::Leave };
            let watched = match failure.transient {
                true => of_generation(AGAIN.to_owned()),
                false => watched(context, project, trust),
            };
            visit(fate, watched)
        }
    }
}

/// The instance a stamp reports, when config, trust, lockfile, env file and home are still those it was made for; and whether
/// the shell can see by itself that they are.
fn known(
    context: &Context,
    project: &Project,
    trust: Trust,
    (stamp, generation): (Stamp, String),
) -> Option<(Known, String, bool)> {
    let known = stamp.instance.filter(|_| stamp.config == project.digest() && stamp.trust == trust.word())?;
    let (_, written) = project.lockfile_state().filter(|(digest, _)| *digest == known.lockfile)?;
    let holds =
        files::is_file(known.env_file.as_ref()) && known.home.as_bytes() == context.dirs.home.as_os_str().as_bytes();
    let current = holds && stamp::sync(&context.dirs, &project.root, &generation, project.modified).is_ok();
    let is_lasting = trust == Trust::Allowed && stamp::sync_lockfile(&context.dirs, &project.root, written).is_ok();
    current.then_some((known, generation, is_lasting))
}

/// What the hook compares where no instance holds: the stamp as it is when it describes this state, else a new one.
/// Where none can be written (a read-only home) the generation is empty, and the hook waits for one to appear.
fn watched(context: &Context, project: &Project, trust: Trust) -> Watched {
    let told = stamp::load(&context.dirs, &project.root)
        .filter(|(stamp, _)| stamp.config == project.digest() && stamp.trust == trust.word())
        .map(|(_, generation)| generation)
        .filter(|told| stamp::sync(&context.dirs, &project.root, told, project.modified).is_ok());
    let sealed = told.or_else(|| trust::seal(&context.dirs, project, trust, None).ok());
    Watched::new(context, &project.root, sealed.unwrap_or_default())
}
