//! `silo export`: what the shell hook evaluates (D6-D8). It never runs project code, never starts a program (without
//! `/proc`, `ps` and `lsof` are asked once, when a lockfile is taken over whose ports are busy), and whatever goes wrong, the
//! shell gets commands it can evaluate and a prompt that works.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::activation_line::activation_line;
use super::hook::scripts;
use super::{consent, values};
use crate::cli::ExportFormat;
use crate::core::instance::trust::Trust;
use crate::core::shell::Shell;
use crate::core::shell::activation::{self, Change, Turns, UNDO, Undo};
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, shown};
use crate::parts::context::{Context, HOOK_WAIT, copy_line};
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

/// What becomes of this shell.
enum Fate {
    /// The instance holds here.
    Enter(Box<Known>),
    /// The last good variables of this root stay (D108).
    Stay,
    /// No instance holds here.
    Leave,
    /// The instance was released while this shell is in its folder: it is not made again under its user's hands.
    LetGo,
}

/// Who evaluates the answer.
enum Reader {
    Shell(&'static Shell),
    /// A program that takes the changes as an object.
    Json,
}

/// What the hook compares until something has changed.
struct Watched {
    stamp: PathBuf,
    /// The stamp's first line; empty where there is no stamp.
    generation: String,
}

impl Watched {
    fn new(context: &Context, root: &Path, generation: String) -> Self {
        Self { stamp: stamp::file(&context.dirs, root, &generation), generation }
    }
}

/// What silo makes of the folder.
struct Visit {
    fate: Fate,
    /// None outside every project.
    watched: Option<Watched>,
    /// The path the folder was found under, where its instance has another.
    found: Option<PathBuf>,
    /// The user has not allowed what is there.
    untrusted: bool,
    /// Which ports are not their defaults, and why: said where they are leased.
    moved: Vec<(String, String)>,
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
            name_in(&context.environment, undo.as_ref())
        ));
        let changes = activation::leave(&context.environment, undo.as_ref());
        let turns = Turns::of(&context.environment, undo.as_ref(), &changes, &[]);
        print(context.ui, &reader, Some(&turns), None, &changes)?;
        if let Reader::Shell(shell) = reader {
            scripts::take_word(&context.dirs, &context.environment, shell)?;
        }
        return Ok(0);
    }
    let mut visit = match project::find_upward(&context.folder) {
        None => Visit { fate: Fate::Leave, watched: None, found: None, untrusted: false, moved: Vec::new() },
        Some(file) => match context.dirs.require_own(&context.environment) {
            Ok(()) => visit(context, &file, undo.as_ref(), seen.unwrap_or_default()),
            Err(failure) => {
                context.ui.hook_failure(&failure, "no instance is active here");
                Visit { fate: Fate::Leave, watched: None, found: None, untrusted: false, moved: Vec::new() }
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
    if changes.iter().any(|change| change.name != UNDO && change.name != "PATH") {
        announce(context, &visit, undo.as_ref(), seen.is_some_and(|seen| seen != SUBSHELL));
    }
    let vars = if let Fate::Enter(known) = &visit.fate { &known.vars[..] } else { &[] };
    let turns = seen.map(|_| Turns::of(environment, undo.as_ref(), &changes, vars));
    print(context.ui, &reader, turns.as_ref(), visit.watched.as_ref(), &changes)?;
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
    print(ui, &reader, turns.as_ref(), None, &changes).map(|()| 0)
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

/// The hook gets the turns too.
fn print(
    ui: Ui,
    reader: &Reader,
    turns: Option<&Turns<'_>>,
    seen: Option<&Watched>,
    changes: &[Change],
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
    ui.answer_bytes(&turns.map_or_else(|| shell.commands(own, changes), |turns| shell.answer(turns, own, changes)))
}

/// One line on a change, for somebody at a prompt: a script that evaluates this has an output of its own. And a second
/// one where `SILO_PROFILE` asks for what a `cd` may not do.
fn announce(context: &Context, visit: &Visit, undo: Option<&Undo>, at_prompt: bool) {
    match &visit.fate {
        Fate::Enter(known) => {
            if at_prompt {
                context.ui.hook(&activation_line(&known.name, &known.ports));
                for (ports, why) in &visit.moved {
                    context.ui.hook(&format!("not {ports}, which {why}"));
                }
                let root = Path::new(known.get("SILO_ROOT").unwrap_or_default());
                if let Some(found) = &visit.found {
                    context.ui.hook(&format!(
                        "`{}` is `{}` under another path: one folder, one instance",
                        shown(found),
                        shown(root)
                    ));
                }
                if let Some(top) = context.worktree_without_config(root) {
                    context.ui.hook(&format!(
                        "`{}` has no `silo.toml`: this is the instance of `{}`; for one of its own: `{}`",
                        shown(&top),
                        shown(root),
                        copy_line(&root.join(project::CONFIG_NAME), &top)
                    ));
                }
            }
            // What is not set here is not set outside either.
            let outside = context.environment.get("SILO_PROFILE").map(|_| context.outside());
            let asked = outside
                .as_ref()
                .and_then(|outside| outside.text("SILO_PROFILE"))
                .filter(|asked| known.profile.as_deref() != Some(asked));
            if let Some(asked) = asked {
                let current = known.profile.as_deref().unwrap_or("none");
                context.ui.hook(&format!(
                    "SILO_PROFILE={} is not this instance's profile ({current}); `silo env --force` switches",
                    one_line(asked)
                ));
            }
        }
        Fate::Leave if at_prompt => {
            context.ui.hook(&format!("left {}", name_in(&context.environment, undo)));
        }
        Fate::LetGo if at_prompt => {
            let name = name_in(&context.environment, undo);
            context.ui.hook(&format!(
                "left {name}, whose leases are free; `silo env` or the next `cd` into it takes new ones"
            ));
        }
        Fate::Leave | Fate::LetGo | Fate::Stay => {}
    }
}

/// The name of the instance that an activation made hold.
fn name_in(environment: &Environment, undo: Option<&Undo>) -> String {
    let given = undo.and_then(|undo| undo.entries.iter().find(|entry| entry.name == "SILO_WORKSPACE"));
    let name = given.filter(|entry| entry.holds(environment)).and_then(|entry| environment.get(&entry.name));
    one_line(&name.map_or_else(|| "the instance".into(), |name| name.to_string_lossy()))
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
    let (trust, project) = match read.and_then(|project| Ok((trust::judge(&context.dirs, &project)?, project))) {
        Ok(judged) => judged,
        Err(failure) => {
            fail(context, &failure, ours);
            let watched = root.map(|root| frozen(context, &root, file));
            return Visit { fate: keep(), watched, found, untrusted: false, moved: Vec::new() };
        }
    };
    // A shell in a run apart stays in it.
    if ours && matches!(apart::around(&context.dirs, &context.environment, &project), Ok(Some(_))) {
        return Visit { fate: Fate::Stay, watched: None, found, untrusted: false, moved: Vec::new() };
    }
    match consent::refusal(context, &project, trust) {
        None => Visit { found, ..settled(context, &project, trust, known, (ours, before == AGAIN)) },
        Some(state) => {
            let watched = watched(context, &project, trust);
            if !stamp::same_word(before, &watched.generation) {
                // A stranger's file is not even parsed; one that was trusted tells where its last edit is mistaken.
                let mistake = (trust == Trust::Changed).then(|| project.config().err()).flatten();
                match mistake {
                    Some(failure) => fail(context, &failure, ours),
                    None => context.ui.hook(&format!("{} {state}; `silo allow` trusts it", shown(&project.file))),
                }
            }
            let fate = if trust == Trust::Denied { Fate::Leave } else { keep() };
            Visit { fate, watched: Some(watched), found, untrusted: true, moved: Vec::new() }
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
    let visit =
        |fate, watched| Visit { fate, watched: Some(watched), found: None, untrusted: false, moved: Vec::new() };
    let of_generation = |generation| Watched::new(context, &project.root, generation);
    if let Some((known, generation)) = known.and_then(|stamp| self::known(context, project, trust, stamp)) {
        return visit(Fate::Enter(Box::new(known)), of_generation(generation));
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

/// The instance a stamp reports, when config, trust, lockfile, env file and home are still those it was made for.
fn known(
    context: &Context,
    project: &Project,
    trust: Trust,
    (stamp, generation): (Stamp, String),
) -> Option<(Known, String)> {
    let known = stamp.instance.filter(|_| stamp.config == project.digest() && stamp.trust == trust.word())?;
    let holds = project.lockfile_digest().as_ref() == Some(&known.lockfile)
        && files::is_file(known.env_file.as_ref())
        && known.home.as_bytes() == context.dirs.home.as_os_str().as_bytes();
    let current = holds && stamp::sync(&context.dirs, &project.root, &generation, project.modified).is_ok();
    current.then_some((known, generation))
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
