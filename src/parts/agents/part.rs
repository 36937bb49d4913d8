//! Persistent agents as a part of the instance: up while that is, brought back where they died, and their work brought home at the
//! end.

use std::cell::Cell;
use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::end::{clear, clear_after, end, finish_of};
use super::order::{COLUMN, Order};
use super::origin::Origin;
use super::outside::Outside;
use super::{ask, start, wall};
use crate::backend::agents::Owned;
use crate::backend::agents_left::OfAgents;
use crate::backend::docker::INSTALL;
use crate::backend::engine::Engine;
use crate::core::agents::names;
use crate::core::agents::record::{Run, Stage};
use crate::core::config::Settings;
use crate::core::config::agents::{Agent, Lifetime};
use crate::core::leases::{Instance, Wish};
use crate::core::shell::environment::Environment;
use crate::core::text::source::{one_line, printable};
use crate::core::text::version::Version;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::parts::leftovers::{self, Claim, Inventory, Kind};
use crate::parts::part::{
    Declared, How, Log, Part, PartState, Report, Run as Way, Shown, Stage as Step, Stand, Stop, Stopped, Subject,
    Survey, Tool,
};
use crate::parts::scope::{Scope, Site};
use crate::store::agents::{self, Place};
use crate::sys::dirs::Dirs;
use crate::sys::lock::{self, Wait};
use crate::sys::{random, signals};

/// How many lines of a log tell why something failed.
const LINES: usize = 5;
/// After how long of waiting for another `silo` it is looked whether a signal came; it says so before.
const LOOK: Duration = Duration::from_secs(1);

/// The part.
pub(in crate::parts) struct Agents;

const TOOLS: [Tool; 1] = [Tool {
    name: "docker",
    install: INSTALL,
    version: &["--version"],
    least: Some((Version(20, 10, 0), "agents need it")),
    or: Some("podman"),
}];

/// The persistent agents of a project.
fn persistent(settings: &Settings) -> impl Iterator<Item = (&str, &Agent)> {
    let all = settings.agents.iter().filter(|(_, agent)| agent.lifetime == Lifetime::Persistent);
    all.map(|(name, agent)| (name.as_str(), agent))
}

/// The run of a persistent agent that goes on.
fn current(context: &Context, root: &str, name: &str) -> Option<Run> {
    let all = agents::all(&context.dirs).into_iter();
    all.rev().find(|run| run.is_persistent && run.root == root && run.agent == name && run.stage != Stage::Ended)
}

impl Part for Agents {
    fn shown(&self) -> Option<Shown> {
        Some(Shown { column: COLUMN, key: "agents" })
    }

    fn title(&self) -> &'static str {
        "agents"
    }

    fn stage(&self) -> Step {
        Step::Foundation
    }

    fn declared(&self, settings: &Settings, _: &Path) -> Declared {
        persistent(settings).next().is_some().into()
    }

    fn tools(&self) -> &'static [Tool] {
        &TOOLS
    }

    fn up(&self, site: &mut Site<'_>, _: Way<'_>) -> Result<u8, Failure> {
        let mut all: Vec<(&str, &Agent)> = persistent(&site.scope.settings).collect();
        // Those that others may name are there first.
        all.sort_by_key(|(_, agent)| agent.listen.is_none());
        let names: Vec<String> = all.into_iter().map(|(name, _)| name.to_owned()).collect();
        names.iter().try_for_each(|name| bring_up(site, name)).map(|()| 0)
    }

    fn end(&self, site: &Site<'_>) -> Result<(), Failure> {
        take_down(site.scope).map(|_| ())
    }

    fn down(&self, site: &Site<'_>, _: Stop) -> Result<Stopped, Failure> {
        let has_some = persistent(&site.scope.settings).next().is_some();
        Ok(match take_down(site.scope)? {
            0 if has_some => Stopped::Nothing,
            0 => Stopped::Kept,
            _ => Stopped::Done,
        })
    }

    fn wishes(&self, site: &Site<'_>, _: &[std::ffi::OsString]) -> Result<Vec<Wish>, Failure> {
        Ok(persistent(&site.scope.settings).map(|(name, _)| Wish::of(COLUMN, name)).collect())
    }

    fn is_left(&self, _: &Environment, stand: &Stand) -> Option<&'static str> {
        (stand.how == How::Ended).then_some("it has done its work")
    }

    fn bring_back(&self, site: &mut Site<'_>, names: &[String]) -> Vec<(Option<String>, Failure)> {
        let all: Vec<String> = persistent(&site.scope.settings).map(|(name, _)| name.to_owned()).collect();
        let wanted = all.iter().filter(|name| names.is_empty() || names.contains(name));
        let back = |name: &String| bring_up(site, name).err().map(|failure| (Some(name.clone()), failure));
        wanted.filter_map(back).collect()
    }

    fn last_lines(&self, site: &Site<'_>, name: &str) -> Vec<String> {
        let context = site.scope.context;
        let Some(run) = current(context, site.scope.project.root_text(), name) else { return Vec::new() };
        let outside = Outside::of(context);
        let text = outside.docker().last_lines(&names::container(&run.id), LINES);
        text.lines().map(printable).collect()
    }

    fn is_up(&self, scope: &Scope<'_>) -> bool {
        let outside = Outside::of(scope.context);
        let Ok(all) = outside.engine().soon().agents() else { return false };
        let is_up = |name: &str| {
            all.iter().any(|one| one.instance == scope.id && one.agent == name && one.is_persistent && one.is_well())
        };
        persistent(&scope.settings).all(|(name, _)| is_up(name))
    }

    fn logs(&self, scope: &Scope<'_>, log: Log<'_>) -> Result<Option<u8>, Failure> {
        // All of them at once would be one log in several hands.
        let Some(name) = log.resource else { return Ok(None) };
        let Some(run) = current(scope.context, scope.project.root_text(), name) else { return Ok(None) };
        signals::watch();
        Ok(ask::show_log(scope.context, &run, log.follow)?.then_some(0))
    }

    fn survey(&self, outside: &Environment, instances: &[Instance]) -> Option<Survey> {
        // Who has no agent going on asks the engine nothing about them.
        let dirs = Dirs::find(outside).ok()?;
        let goes_on = || agents::all(&dirs).iter().any(|run| run.stage != Stage::Ended);
        if instances.is_empty() || !goes_on() {
            return None;
        }
        let engine = Engine::of(outside, Path::new("/")).soon();
        let all = match engine.agents() {
            Ok(all) => all,
            Err(failure) => {
                let why = failure.what;
                return Some(Box::new(move |instance, _| {
                    let asks = instance.wanted.up.iter().any(|wish| wish.column() == COLUMN);
                    asks.then(|| PartState { silent: Some(why.clone()), ..PartState::default() })
                }));
            }
        };
        let mut by_instance: HashMap<String, Vec<Owned>> = HashMap::new();
        for one in all {
            by_instance.entry(one.instance.clone()).or_default().push(one);
        }
        Some(Box::new(move |instance, _| by_instance.get(&instance.id).map(|own| state(own))))
    }

    fn finish(&self, context: &Context, root: &Path) -> Result<(), Failure> {
        finish_of(context, root)
    }

    fn left(&self, inventory: &Inventory, claim: &Claim) -> Vec<(Kind, String)> {
        // An id that another root has taken over is that one's.
        let is_own = |id: &String| claim.ids.contains(id) && (claim.sole || claim.ids.first() != Some(id));
        let OfAgents { containers, networks, images } = &inventory.agents;
        [(Kind::Container, containers), (Kind::Network, networks), (Kind::Image, images)]
            .into_iter()
            .flat_map(|(kind, all)| leftovers::picked(kind, all, |(_, id)| is_own(id)))
            .collect()
    }

    fn report(&self, subject: &Subject<'_>) -> Option<Report> {
        let settings = subject.settings?;
        if settings.agents.is_empty() {
            return None;
        }
        let id = crate::core::text::digest::root_id(subject.root.to_string_lossy().as_bytes());
        let engine = Engine::of(subject.outside, subject.root).soon();
        let mut own = match engine.agents() {
            Ok(own) => own,
            Err(_) if engine.is_absent() => return None,
            Err(failure) => {
                let (lines, value) =
                    (vec![format!("Agents: {}", one_line(&failure.what))], json!({ "error": failure.what }));
                return Some(Report { runs: false, publishes: Vec::new(), lines, value, beside: Vec::new() });
            }
        };
        own.retain(|one| one.instance == id);
        own.sort_by(|one, other| one.run.cmp(&other.run));
        if own.is_empty() {
            return None;
        }
        let width = own.iter().map(|one| one.run.chars().count()).max().unwrap_or(0);
        let line =
            |one: &Owned| format!("  {:width$}  {}", one_line(&one.run), one_line(&one.status)).trim_end().to_owned();
        let lines = std::iter::once("Agents:".to_owned()).chain(own.iter().map(line)).collect();
        let PartState { runs, value, .. } = state(&own);
        Some(Report { runs, publishes: Vec::new(), lines, value, beside: Vec::new() })
    }
}

/// What was observed of an instance's agents.
fn state(own: &[Owned]) -> PartState {
    let up = own.iter().filter(|one| one.is_well()).count();
    let cell = if up == own.len() { format!("{up} up") } else { format!("{up} of {} up", own.len()) };
    let value = own
        .iter()
        .map(|one| json!({ "id": one.run, "agent": one.agent, "state": one.state, "persistent": one.is_persistent }));
    let stands = own.iter().filter(|one| one.is_persistent).map(|one| {
        let how = match one.state.as_str() {
            _ if one.is_well() => How::Up,
            _ if one.is_up() => How::Down("its relay has ended".to_owned()),
            "exited" if one.status.starts_with("Exited (0)") => How::Ended,
            "created" => How::Down("it was made and never started".to_owned()),
            _ => How::Down(one.status.clone()),
        };
        Stand { wish: Wish::of(COLUMN, &one.agent), how, mark: one.container.clone() }
    });
    PartState {
        runs: own.iter().any(Owned::is_up),
        cell,
        value: Value::Array(value.collect()),
        stands: stands.collect(),
        ..PartState::default()
    }
}

/// Brings up one: its container where it is there, else a new run.
fn bring_up(site: &Site<'_>, name: &str) -> Result<(), Failure> {
    let scope = site.scope;
    let context = scope.context;
    let outside = Outside::of(context);
    outside.require()?;
    let agent = &scope.settings.agents[name];
    if let Some(run) = current(context, scope.project.root_text(), name)
        && as_it_is(context, &run.id, |run| go_on(context, &outside, run))?
    {
        return Ok(());
    }
    let id = format!("{name}-{}", random::suffix());
    let origin = Origin::project(scope.project, name);
    let order = Order { site, name, agent, origin: &origin, id: &id, task: None };
    let busy = |holder: String| busy(&id, &holder);
    lock::hold(&Place::of(&context.dirs, &id).lock(), "the agent", &lock::AT_ONCE, busy, || {
        context.ui.step(&format!("Starting the agent `{name}`"));
        let started = start::make(&order).and_then(|_| outside.docker().start(&names::container(&id)));
        if started.is_err() {
            clear_after(context, &id);
        }
        started
    })?;
    forget_earlier(context, scope.project.root_text(), name)
}

/// Has a run go on that is up or was; else ends it, and says no.
fn go_on(context: &Context, outside: &Outside, run: Run) -> Result<bool, Failure> {
    let container = names::container(&run.id);
    match outside.engine().state(&container)? {
        Some(state) if run.stage == Stage::Running && wall::reopen(context, outside, &run)? => {
            if !state.is_up() {
                outside.docker().start(&container)?;
            }
            Ok(true)
        }
        _ => end(context, run).map(|_| false),
    }
}

/// Removes what earlier runs of a persistent agent have left, where that is nothing but a log: one up after another would leave one
/// each. One that another `silo` is at is that one's to remove, or the next start's.
fn forget_earlier(context: &Context, root: &str, name: &str) -> Result<(), Failure> {
    let is_empty = |run: &Run| {
        run.end.as_ref().is_none_or(|end| end.findings == 0 && end.others.is_none() && end.skipped.is_empty())
    };
    for run in agents::all(&context.dirs) {
        let is_earlier = run.is_persistent && run.root == root && run.agent == name && run.stage == Stage::Ended;
        if is_earlier && is_empty(&run) && lock::holder(&Place::of(&context.dirs, &run.id).lock()).is_none() {
            ask::forget(context, &run.id)?;
        }
    }
    Ok(())
}

/// Ends all persistent agents of an instance, and brings their work home. Returns how many.
fn take_down(scope: &Scope<'_>) -> Result<usize, Failure> {
    let context = scope.context;
    let root = scope.project.root_text();
    let is_own = |run: &Run| run.is_persistent && run.root == root && run.stage != Stage::Ended;
    let all: Vec<Run> = agents::all(&context.dirs).into_iter().filter(is_own).collect();
    for run in &all {
        context.ui.step(&format!("Ending the agent `{}`", run.agent));
        as_it_is(context, &run.id, |run| end(context, run).map(|_| true))?;
    }
    Ok(all.len())
}

/// Acts on a run that is up, as it is recorded once nobody else has it: another `silo` may have ended or removed it meanwhile, and
/// to end it by an older record would bring home again what is gone. False where it has ended.
fn as_it_is(context: &Context, id: &str, act: impl Fn(Run) -> Result<bool, Failure>) -> Result<bool, Failure> {
    let (start, is_busy, told) = (Instant::now(), Cell::new(false), Cell::new(false));
    let tell = |text: &str| {
        if !told.replace(true) {
            context.ui.step(text);
        }
    };
    let wait = Wait { limit: LOOK, tell: &tell };
    let busy = |holder: String| {
        is_busy.set(true);
        busy(id, &holder)
    };
    loop {
        let done = lock::hold(&Place::of(&context.dirs, id).lock(), "the agent", &wait, busy, || {
            match agents::load(&context.dirs, id)? {
                // The lock has made its folder again.
                None => agents::forget(&context.dirs, id).map(|()| false),
                Some(run) => match run.stage {
                    Stage::Ended => Ok(false),
                    Stage::Making => clear(context, id).map(|()| false),
                    _ => act(run),
                },
            }
        });
        if !is_busy.replace(false) || start.elapsed() > ask::HOME {
            return done;
        }
        signals::check()?;
    }
}

fn busy(id: &str, holder: &str) -> Failure {
    Failure::new(format!("The agent's run `{id}` is being started or ended{holder}"))
        .hint("Wait for it, then run this again")
}
