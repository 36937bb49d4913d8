//! `silo heal --watch`: looks again and again, and at once when a container ends. What the user stops by the engine itself is told
//! from a crash by the engine's events alone: a `kill`, then a `die`.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::many::{AT_ONCE, Healed, Healer, instances};
use super::own;
use super::plan::{Plan, plan};
use super::report::{Report, is_news};
use super::rest::Rests;
use crate::backend::engine::Engine;
use crate::backend::events::{self, Happened};
use crate::cli::HealArgs;
use crate::core::healing::What;
use crate::core::leases::ports::Probe;
use crate::core::leases::{Instance, Wish};
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::look::{self, Observed, State};
use crate::parts::part::Part;
use crate::store::{healing, registry, wanted};
use crate::sys::lock::Wait;
use crate::sys::{net, signals};

/// How long something must be down until it is brought back: one look may fall between a stop and a start.
const SETTLED: Duration = Duration::from_secs(2);
/// How soon to look again while something is down.
const SOON: Duration = Duration::from_secs(1);
/// How often a signal is looked for.
const STEP: Duration = Duration::from_millis(250);
/// How many times as long as a look takes is waited after it, so that watching costs little.
const REST: u32 = 60;
/// Longest wait that comes of that.
const LONGEST: Duration = Duration::from_mins(1);
/// How long after a `kill` a `die` follows from it: an engine gives a container ten seconds to end.
const FOLLOWS: Duration = Duration::from_secs(30);

/// What a watch is told by its threads.
enum Told {
    /// A container of an instance was killed, or has died.
    Container(events::Event),
    /// Nobody reports containers any more; what was killed was so by the engine's own end.
    EngineGone,
    /// Healing one instance is over.
    Healed(PathBuf, Healed),
    /// Stopping one that nobody used is over.
    Rested(PathBuf, Healed),
}

pub(super) fn run(context: &Arc<Context>, arguments: &HealArgs) -> Result<u8, Failure> {
    signals::watch();
    // A name that is mistyped is said at once.
    instances(context, arguments)?;
    let (send, told) = mpsc::channel();
    follow_engine(context, &send);
    let mut watch = Watch {
        context,
        arguments,
        healer: Arc::new(Healer::of(context)?),
        send,
        down_since: HashMap::new(),
        killed: HashMap::new(),
        stopped: HashMap::new(),
        healing: HashSet::new(),
        said: HashMap::new(),
        told: HashMap::new(),
        taken: HashMap::new(),
        rests: Rests::of(context),
    };
    context.ui.step("Watching; Ctrl-C ends it");
    loop {
        let start = Instant::now();
        for told in told.try_iter() {
            watch.take(told);
        }
        let is_open = watch.look();
        let usual = if is_open { SOON } else { arguments.how.every };
        // While something is down, it is that which counts.
        let rest = if is_open { usual } else { usual.max((start.elapsed() * REST).min(LONGEST)) };
        let rest = watch.rests.as_ref().map_or(rest, |rests| rest.min(rests.every()));
        if let Some(code) = watch.wait(&told, rest) {
            return Ok(code);
        }
    }
}

/// Follows the engine's events in a thread of its own, and looks for an engine again when it has ended.
fn follow_engine(context: &Arc<Context>, send: &Sender<Told>) {
    let (context, send) = (Arc::clone(context), send.clone());
    std::thread::spawn(move || {
        let outside = context.outside();
        loop {
            let engine = Engine::of(&outside, Path::new("/"));
            if let Some(socket) = engine.socket() {
                let _ = events::follow(&socket, |event| send.send(Told::Container(event)).is_ok());
            }
            if send.send(Told::EngineGone).is_err() {
                return;
            }
            std::thread::sleep(SETTLED);
        }
    });
}

struct Watch<'a> {
    context: &'a Arc<Context>,
    arguments: &'a HealArgs,
    healer: Arc<Healer>,
    send: Sender<Told>,
    /// Since when something of a root is down.
    down_since: HashMap<(String, Wish), Instant>,
    /// When a container was killed.
    killed: HashMap<String, Instant>,
    /// What of an instance, by its id, somebody has stopped by the engine, and when it ended.
    stopped: HashMap<(String, Wish), Instant>,
    /// The roots that are being healed.
    healing: HashSet<PathBuf>,
    /// What was last said of a root.
    said: HashMap<String, String>,
    /// What those who healed a root have said since it was last up.
    told: HashMap<PathBuf, HashSet<String>>,
    /// What of a root waits for a port that somebody else has.
    taken: HashMap<(String, Wish), u16>,
    /// What nobody uses, where that is to be stopped.
    rests: Option<Rests>,
}

impl Watch<'_> {
    /// Looks once and starts what is due; whether something is down.
    fn look(&mut self) -> bool {
        let context = self.context;
        // A registry that cannot be read now may be the next time.
        let Ok(mut instances) = instances(context, self.arguments) else { return true };
        instances.retain(|one| !one.wanted.is_nothing());
        let asked = parts_of(&instances);
        let seen = look::observe(context, &asked, instances, false);
        self.heed_stops(&seen);
        let is_open = |seen: &Observed| !(seen.compared.gaps.is_empty() && seen.compared.ended.is_empty());
        let events = if seen.iter().any(is_open) { healing::all(&context.dirs) } else { Vec::new() };
        let outside = context.outside();
        let mut is_down = false;
        let mut down = HashSet::new();
        for seen in &seen {
            let Plan { now, report } = plan(seen, &events, &outside, true);
            let root = PathBuf::from(&seen.instance.root);
            is_down |= !report.later.is_empty();
            let mut is_due = false;
            if now.is_empty() && report.later.is_empty() && report.given_up.is_empty() {
                self.told.remove(&root);
            }
            for gap in &now {
                let key = (seen.instance.root.clone(), gap.wish.clone());
                let since = *self.down_since.entry(key.clone()).or_insert_with(Instant::now);
                let waits = self.taken.get(&key).is_some_and(|port| net::probe(*port) == Probe::Busy);
                down.insert(key);
                if waits {
                    continue;
                }
                is_down = true;
                is_due |= since.elapsed() >= SETTLED;
            }
            self.say(&report);
            let is_free = !self.healing.contains(&root) && self.healing.len() < AT_ONCE;
            // Who heals does not know of what somebody has just stopped by the engine: that is settled first.
            let is_free = is_free && !self.stopped.keys().any(|(id, _)| *id == seen.instance.id);
            if is_due && is_free && seen.state != State::Starting && self.may_act(&root) {
                self.heal(root);
            }
        }
        for root in self.rests.as_mut().map(|rests| rests.due(&seen)).unwrap_or_default() {
            self.rest(PathBuf::from(root));
        }
        self.down_since.retain(|key, _| down.contains(key));
        self.taken.retain(|key, _| down.contains(key));
        if self.arguments.all {
            match own::heal(context, false, true) {
                Ok(Some(report)) => {
                    is_down |= !report.later.is_empty() || !report.failed.is_empty();
                    self.say(&report);
                }
                Ok(None) => {}
                // What cannot be read or written now may be the next time.
                Err(failure) => {
                    is_down = true;
                    if self.said.insert(String::new(), failure.what.clone()).as_ref() != Some(&failure.what) {
                        context.ui.warn(&failure.what);
                    }
                }
            }
        }
        is_down
    }

    /// What somebody has stopped by the engine itself and still is down is no longer wanted.
    fn heed_stops(&mut self, seen: &[Observed]) {
        let context = self.context;
        let over: Vec<(String, Wish)> =
            self.stopped.iter().filter(|(_, at)| at.elapsed() >= SETTLED).map(|(key, _)| key.clone()).collect();
        for key in over {
            let (id, wish) = &key;
            let one = seen.iter().find(|one| one.instance.id == *id);
            // Where the engine does not answer, it may be its own end that was seen.
            if one.is_some_and(|one| one.compared.unknown.iter().any(|(unknown, _)| unknown == wish)) {
                continue;
            }
            self.stopped.remove(&key);
            let is_down =
                |one: &&Observed| one.compared.gaps.iter().chain(&one.compared.ended).any(|gap| gap.wish == *wish);
            let Some(one) = one.filter(is_down).filter(|one| one.state != State::Starting) else { continue };
            let wait = Wait { limit: COMMAND_WAIT, tell: &|_| () };
            let noted = healing::add(&context.dirs, id, What::Killed, Some(wish), None)
                .and_then(|()| wanted::drop_if(&context.dirs, &one.instance.root, &wait, |other| other == wish));
            match noted {
                Ok(()) => context.ui.step(&format!(
                    "{}: {} was stopped by hand, and is no longer wanted; `silo up -d` brings it up again",
                    one.instance.name,
                    wish.shown()
                )),
                Err(failure) => context.ui.warn(&failure.what),
            }
        }
    }

    /// Says what is worth saying, once while it is so.
    fn say(&mut self, report: &Report) {
        let lines = report.worth_saying();
        let text = lines.join("\n");
        if self.said.get(&report.root).is_none_or(|said| *said != text) {
            for line in &lines {
                self.context.ui.step(line);
            }
            self.said.insert(report.root.clone(), text);
        }
    }

    /// Whether the `silo.toml` of a root may act; why not is said once.
    fn may_act(&mut self, root: &Path) -> bool {
        let key = format!("{}\n", root.display());
        let Some(why) = super::one::refusal(self.context, root) else {
            self.said.remove(&key);
            return true;
        };
        if self.said.get(&key) != Some(&why) {
            self.context.ui.step(&why);
            self.said.insert(key, why);
        }
        false
    }

    fn heal(&mut self, root: PathBuf) {
        self.healing.insert(root.clone());
        let (context, healer, send) = (Arc::clone(self.context), Arc::clone(&self.healer), self.send.clone());
        std::thread::spawn(move || {
            let told = healer.heal(&root, &context);
            // The watch may have ended.
            let _ = send.send(Told::Healed(root, told));
        });
    }

    /// Has the instance of a root stopped, unless it is being healed, or may not act.
    fn rest(&mut self, root: PathBuf) {
        if self.healing.contains(&root) || !self.may_act(&root) {
            return;
        }
        self.healing.insert(root.clone());
        let (context, healer, send) = (Arc::clone(self.context), Arc::clone(&self.healer), self.send.clone());
        std::thread::spawn(move || {
            let told = healer.rest(&root, &context);
            let _ = send.send(Told::Rested(root, told));
        });
    }

    /// Says that an instance was stopped, or why that failed; that it is used after all is nothing to say.
    fn note_rest(&mut self, root: &Path, rested: &Healed) {
        self.healing.remove(root);
        let name = root.file_name().unwrap_or_default().to_string_lossy();
        let leases = registry::peek(&self.context.dirs).unwrap_or_default();
        let name = leases.at(&root.to_string_lossy()).map_or_else(|| name.into_owned(), |one| one.name.clone());
        if rested.code != 0 {
            rested.lines.iter().for_each(|line| self.context.ui.step(line));
        } else if rested.answer["inUse"].is_null() {
            let time = self.rests.as_ref().map_or_else(String::new, Rests::time);
            self.context.ui.step(&format!(
                "{name}: nobody used it for {time}, and its services are stopped; `silo up -d` or a gate brings them back"
            ));
        } else if let Some(why) = rested.answer["inUse"].as_str() {
            self.context.ui.detail(&format!("{name}: it is not stopped: {why}"));
        }
    }

    /// Takes note of how healing a root went; what was said of it before is not said again.
    fn note(&mut self, root: &Path, healed: Healed) {
        self.healing.remove(root);
        let told = self.told.entry(root.to_path_buf()).or_default();
        for line in healed.lines {
            if is_news(&line) || !told.contains(&line) {
                self.context.ui.step(&line);
                told.insert(line);
            }
        }
        let taken: HashMap<Wish, u16> = serde_json::from_value(healed.answer["taken"].clone()).unwrap_or_default();
        let root = root.to_string_lossy().into_owned();
        self.taken.retain(|(of, _), _| *of != root);
        self.taken.extend(taken.into_iter().map(|(wish, port)| ((root.clone(), wish), port)));
    }

    /// Waits until the next look; the exit code once it is to end.
    fn wait(&mut self, told: &Receiver<Told>, rest: Duration) -> Option<u8> {
        let mut until = Instant::now() + rest;
        loop {
            if let Some(asked) = signals::asked() {
                return Some(if asked.sent && asked.number != nix::libc::SIGTERM { asked.code() } else { 0 });
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            match told.recv_timeout(left.min(STEP)) {
                Ok(told) => {
                    if self.take(told) {
                        until = until.min(Instant::now() + STEP);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(left.min(STEP)),
            }
        }
    }

    /// Takes note of what a thread tells; whether that is a reason to look soon.
    fn take(&mut self, told: Told) -> bool {
        match told {
            Told::Container(event) => self.heed(event),
            Told::EngineGone => {
                self.killed.clear();
                self.stopped.clear();
                return false;
            }
            Told::Healed(root, healed) => self.note(&root, healed),
            Told::Rested(root, rested) => self.note_rest(&root, &rested),
        }
        true
    }

    fn heed(&mut self, event: events::Event) {
        self.killed.retain(|_, at| at.elapsed() < FOLLOWS);
        match event.happened {
            Happened::Killed => {
                self.killed.insert(event.container, Instant::now());
            }
            Happened::Died => {
                if self.killed.remove(&event.container).is_some() {
                    self.stopped.insert((event.instance, Wish::of("services", &event.service)), Instant::now());
                }
            }
        }
    }
}

/// The parts of which something is wanted: the others does not have to be asked.
pub(super) fn parts_of(instances: &[Instance]) -> Vec<&'static dyn Part> {
    let is_wanted = |column: &str| {
        let all = |one: &Instance| one.wanted.up.iter().chain(&one.wanted.gates).any(|wish| wish.column() == column);
        instances.iter().any(all)
    };
    parts::ALL.into_iter().filter(|part| part.shown().is_some_and(|shown| is_wanted(shown.column))).collect()
}
