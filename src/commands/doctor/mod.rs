//! `silo doctor`: what should be is stored, what is gets asked, and the two are compared (never mixed). It starts nothing,
//! evaluates nothing of the project's, needs no trust, and takes five seconds at most; `--fix` does what loses nothing.

mod compose;
mod compose_told;
mod dotenv;
mod file_ports;
mod fix;
mod former;
mod git;
mod instances;
mod machine;
mod names;
mod ports;
mod registry;
mod root;
mod scene;
mod services;
mod settings;
mod shared;
mod shell;
mod ties;
mod tools;
mod wanted;

use std::time::Duration;

use serde_json::Value;

use crate::core::text::columns::{Cell, Tone, wrapped};
use crate::core::text::source::counted;
use crate::failure::{Failure, code};
use crate::parts::context::Context;
use crate::parts::finding::{Finding, Fix, Outcome, Severity};
use crate::store::project::Project;
use crate::store::said;
use crate::sys::together;
use scene::Scene;

/// How long everything outside silo's own files may take.
const AROUND: Duration = Duration::from_millis(4200);
/// Notes on the machine, which stay until somebody changes it.
const STANDING: [&str; 3] = ["inotify-low", "localhost-names", "tools-missing"];
/// How often is looked again after something was fixed: a lockfile that was put aside is then missing.
const PASSES: u32 = 4;

pub(super) fn run(context: &Context, fix: bool, as_json: bool) -> Result<u8, Failure> {
    let before = Scene::of(context)?;
    let here = before.here.as_ref().and_then(|here| here.project.clone());
    let mut found: Vec<Finding> = shell::of_another_project(context, before.here.as_ref()).into_iter().collect();
    found.extend(settings::examine(&before.dirs));
    found.extend(passes(context, here.as_ref(), fix, || registry::examine(&before.dirs)));
    // The registry may just have been made again.
    let scene = Scene::of(context)?;
    let around = scene.clone();
    let around = std::thread::spawn(move || look_around(&around));
    let asked = context.clone();
    let down = std::thread::spawn(move || wanted::examine(&asked));
    // Behind what ails silo itself, and may be the cause of the rest, this project comes first.
    let own = found.len();
    found.extend(passes(context, here.as_ref(), fix, || instances::examine(&scene)));
    found.extend(passes(context, here.as_ref(), fix, || names::examine(&scene)));
    found.extend(around.join().unwrap_or_default());
    found.extend(down.join().unwrap_or_default());
    let root = scene.here.as_ref().map(|here| here.root.as_path());
    found[own..].sort_by_key(|finding| !root.is_some_and(|root| finding.is_in(root)));
    if as_json {
        let objects = found.iter().map(Finding::object).collect();
        context.ui.answer_json(&Value::Array(objects))?;
    } else {
        let width = context.ui.width(&context.environment);
        // Somebody at a terminal reads every line; a file or a program gets all of them.
        let old = if width.is_some() { said_before(&scene, &found) } else { Vec::new() };
        context.ui.lines(&report(&scene, &found, &old, width))?;
    }
    let is_left = found.iter().any(|finding| finding.severity == Severity::Problem && !finding.is_fixed());
    Ok(if is_left { code::FAILURE } else { 0 })
}

/// What nothing is fixed of here: asked once, side by side.
fn look_around(scene: &Scene) -> Vec<Finding> {
    let checks: Vec<fn(&Scene) -> Vec<Finding>> = vec![
        ports::examine,
        compose::examine,
        dotenv::examine,
        file_ports::examine,
        services::examine,
        shell::examine,
        tools::examine,
        machine::examine,
        former::examine,
        ties::examine,
    ];
    let scene = scene.clone();
    let answers = together::ask(checks, AROUND, move |check| check(&scene));
    let found: Vec<Finding> = answers.into_iter().flatten().flatten().collect();
    shared::without(found)
}

/// Looks, fixes where that is asked for, and looks again, until nothing is left that can be fixed: what is said about as
/// fixed was looked for afterwards, and not found.
fn passes(context: &Context, here: Option<&Project>, fix: bool, look: impl Fn() -> Vec<Finding>) -> Vec<Finding> {
    let mut found = look();
    let mut tried: Vec<Finding> = Vec::new();
    for _ in 0..PASSES {
        if !fix || !remedy(context, here, &found, &mut tried) {
            break;
        }
        found = look();
    }
    for finding in &mut found {
        let before = tried.iter().find(|before| before.is(finding)).map(|before| before.outcome.clone());
        finding.outcome = match before {
            Some(Outcome::Done(_)) => Outcome::Failed("it came back".to_owned()),
            Some(outcome) => outcome,
            None => Outcome::Open,
        };
    }
    tried.retain(|before| before.is_fixed() && !found.iter().any(|again| again.is(before)));
    tried.append(&mut found);
    tried
}

/// Does what was not tried yet, and takes note of it; true when anything was done.
fn remedy(context: &Context, here: Option<&Project>, found: &[Finding], tried: &mut Vec<Finding>) -> bool {
    let mut acts: Vec<(Fix, Outcome)> = Vec::new();
    let fresh: Vec<&Finding> = found.iter().filter(|one| !tried.iter().any(|before| before.is(one))).collect();
    for finding in fresh {
        let Some(wanted) = finding.fix.clone() else { continue };
        // Several findings may have one cure.
        let known = acts.iter().find(|(done, _)| *done == wanted).map(|(_, outcome)| outcome.clone());
        let (outcome, is_busy) = match known.map_or_else(|| fix::apply(context, here, &wanted), Ok) {
            Ok(outcome) => (outcome, false),
            Err(failure) => (Outcome::Failed(failure.what), failure.transient),
        };
        acts.push((wanted, outcome.clone()));
        tried.push(Finding { outcome, ..finding.clone() });
        // The others would wait as long.
        if is_busy {
            break;
        }
    }
    acts.iter().any(|(_, outcome)| matches!(outcome, Outcome::Done(_)))
}

/// The notes on this machine that were shown before and are still the same.
fn said_before(scene: &Scene, found: &[Finding]) -> Vec<&'static str> {
    let notes: Vec<&Finding> = found
        .iter()
        .filter(|one| one.severity == Severity::Note && one.outcome == Outcome::Open && STANDING.contains(&one.id))
        .collect();
    let texts: Vec<String> = notes.iter().map(|note| format!("{} {}", note.id, note.what)).collect();
    let before = said::before(&scene.dirs, &texts);
    notes.iter().zip(before).filter(|(_, before)| *before).map(|(note, _)| note.id).collect()
}

fn report(scene: &Scene, found: &[Finding], old: &[&str], width: Option<usize>) -> Vec<Vec<Cell>> {
    let count =
        |severity: Severity| found.iter().filter(|finding| finding.severity == severity && !finding.is_fixed()).count();
    let (problems, notes) = (count(Severity::Problem), count(Severity::Note));
    let fixed = found.len() - problems - notes;
    let mut lines: Vec<Vec<Cell>> = Vec::new();
    for finding in found.iter().filter(|finding| finding.severity == Severity::Problem || !old.contains(&finding.id)) {
        lines.extend(finding.lines(width));
        lines.push(Vec::new());
    }
    if !old.is_empty() {
        let text = format!("Said before, and the same: {} (all of it: `silo doctor | cat`)", old.join(", "));
        lines.extend(wrapped(&text, 0, 2, width).iter().map(|line| vec![Cell::new(line, Tone::Faint)]));
    }
    let mut parts = Vec::new();
    parts.extend((fixed > 0).then(|| format!("{fixed} fixed")));
    parts.extend((notes > 0).then(|| counted(notes, "note")));
    let leases = scene.leases.instances.iter().map(|instance| instance.held().count()).sum();
    parts.push(counted(scene.leases.instances.len(), "instance"));
    parts.push(counted(leases, "lease"));
    let (word, tone) = match problems {
        0 => ("No problems found".to_owned(), Tone::Good),
        _ => (counted(problems, "problem"), Tone::Bad),
    };
    lines.push(vec![Cell::new(&word, tone), Cell::plain(&format!(" ({})", parts.join(", ")))]);
    lines
}
