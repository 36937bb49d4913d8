//! `silo list`: every instance of the user, and how it is.

use std::path::Path;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value, json};

use crate::core::leases::block;
use crate::core::text::columns::{self, Cell, shortened, table};
use crate::core::text::source::{one_line, span};
use crate::failure::{Failure, shown_from};
use crate::parts;
use crate::parts::context::Context;
use crate::parts::gaps::Gap;
use crate::parts::look::{Observed, observe_all};
use crate::sys::{clock, processes, signals};

/// How long between two looks of `--watch`.
const PAUSE: Duration = Duration::from_secs(1);
/// In how many steps that is waited, so that Ctrl-C acts at once.
const STEPS: u32 = 20;
/// How wide a table with the names of ports may get on a terminal.
const READABLE: usize = 100;
/// How many ports a row shows.
const PORTS: usize = 4;
/// How many names of what is wanted a row shows.
const NAMED: usize = 3;
/// The heads of the columns, around those of the parts.
const HEADS: ([&str; 6], &str) = (["", "name", "state", "profile", "age", "ports"], "root");

pub(super) fn run(context: &Context, as_json: bool, watch: bool) -> Result<u8, Failure> {
    if watch {
        return follow(context, as_json);
    }
    let seen = observe_all(context, &parts::ALL)?;
    if as_json {
        context.ui.answer_json(&Value::Array(seen.iter().map(object).collect()))?;
    } else {
        context.ui.lines(&lines(context, &seen, context.ui.width(&context.environment)))?;
    }
    Ok(0)
}

/// Prints again whenever something has changed: on a screen of its own on a terminal, one below the other elsewhere, and
/// one JSON text a line. Ends with Ctrl-C or when its reader has gone, which are its usual ends and no failure.
fn follow(context: &Context, as_json: bool) -> Result<u8, Failure> {
    signals::watch();
    let mut before: Option<String> = None;
    let on_screen = !as_json && context.ui.can_move(&context.environment);
    if on_screen {
        signals::watch_pause();
    }
    let mut screen = on_screen.then(|| context.ui.screen()).transpose()?;
    loop {
        let seen = observe_all(context, &parts::ALL)?;
        let width = context.ui.width(&context.environment);
        if as_json {
            let all = Value::Array(seen.iter().map(object).collect());
            let now = all.to_string();
            if before.as_ref() != Some(&now) {
                context.ui.answer_json_line(&all)?;
                before = Some(now);
            }
        } else {
            let lines = lines(context, &seen, width);
            let state = |seen: &Observed| format!("{:?}\n", (&seen.instance, seen.state, &seen.parts, &seen.served));
            let now = match &screen {
                // Ages are kept true, and the width is that of now.
                Some(_) => format!("{width:?}{lines:?}"),
                // The age alone is no change worth a second table in a file.
                None => seen.iter().map(state).collect(),
            };
            if before.as_ref() != Some(&now) {
                match &screen {
                    Some(screen) => screen.show(&lines)?,
                    None => context.ui.lines(&lines)?,
                }
                before = Some(now);
            }
        }
        for _ in 0..STEPS {
            if let Some(code) = end(context) {
                return Ok(code);
            }
            if on_screen && signals::pause_asked() {
                // The shell gets the first screen back as it was.
                drop(screen.take());
                if let Some(code) = pause(context) {
                    return Ok(code);
                }
                screen = Some(context.ui.screen()?);
                before = None;
                break;
            }
        }
    }
}

/// Stops until `fg`: what `bg` lets go on has no terminal to show anything on. Says how to end, if so.
fn pause(context: &Context) -> Option<u8> {
    loop {
        signals::pause();
        if !context.ui.is_behind() {
            return None;
        }
        if let Some(code) = end(context) {
            return Some(code);
        }
    }
}

/// Waits one step, and says how to end when that was asked for or nobody reads any more.
fn end(context: &Context) -> Option<u8> {
    if let Some(asked) = signals::asked() {
        return Some(if asked.sent { asked.code() } else { 0 });
    }
    context.ui.loses_reader(PAUSE / STEPS).then_some(0)
}

fn lines(context: &Context, seen: &[Observed], width: Option<usize>) -> Vec<Vec<Cell>> {
    if seen.is_empty() {
        return vec![vec![Cell::plain("No instance yet. Run `silo env` or `silo up` in a project to make one.")]];
    }
    // On a narrow terminal a long name would leave no room for anything else.
    let longest = width.map_or(usize::MAX, |width| (width / 3).max(16));
    let columns = parts::ALL.iter().filter_map(|part| Some(part.shown()?.column));
    let heads: Vec<&str> = HEADS.0.into_iter().chain(columns).chain([HEADS.1]).collect();
    let rows =
        |ports| -> Vec<Vec<Cell>> { seen.iter().map(|seen| row(seen, &context.dirs.home, longest, ports)).collect() };
    // With their names where there is room for all of them; a file has room.
    let named = table(&heads, &rows(Ports::Named), None);
    match width {
        Some(width) if named.iter().any(|line| columns::width(line) > width.min(READABLE)) => {
            table(&heads, &rows(Ports::Bare), Some(width))
        }
        _ => named,
    }
}

/// How ports are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ports {
    Named,
    Bare,
}

fn row(seen: &Observed, home: &Path, longest: usize, how: Ports) -> Vec<Cell> {
    let instance = &seen.instance;
    let shown = |(name, port): (&String, &u16)| match how {
        Ports::Named => format!("{name}={}", block::shown(name, *port, &instance.blocks)),
        Ports::Bare => block::shown(name, *port, &instance.blocks),
    };
    let mut ports: Vec<String> = instance.ports.iter().take(PORTS).map(shown).collect();
    if instance.ports.len() > PORTS {
        ports.push(format!("+{}", instance.ports.len() - PORTS));
    }
    let age = clock::since(&instance.created).map_or_else(String::new, |age| span(age.as_secs()));
    let root = shown_from(home, Path::new(&instance.root));
    let branch = seen.branch.as_ref().map_or_else(String::new, |branch| format!(" ({branch})"));
    let mut row = vec![
        Cell::plain(if seen.current { "*" } else { "" }),
        Cell::plain(&shortened(&instance.name, longest)),
        Cell::new(&state(seen), seen.state.tone()),
        Cell::plain(instance.profile.as_deref().unwrap_or_default()),
        Cell::plain(&age),
        Cell::plain(&ports.join(" ")),
    ];
    row.extend(seen.parts.iter().map(|(_, part)| Cell::plain(part.as_ref().map_or("", |part| &part.cell))));
    row.push(Cell::tail(&format!("{root}{branch}")));
    row
}

/// What is wanted and not up, and its state instead.
fn missing(gap: &Gap) -> (&str, &str) {
    (gap.wish.as_str(), &gap.why)
}

/// How an instance is, and what is wanted of it that is not up.
fn state(seen: &Observed) -> String {
    let word = seen.state.word();
    let missing: Vec<&str> = seen.compared.gaps.iter().map(|gap| gap.wish.shown()).collect();
    match &missing[..] {
        [] => word.to_owned(),
        some if some.len() <= NAMED => format!("{word}, wanted: {}", one_line(&some.join(" "))),
        some => format!("{word}, wanted: {} more", some.len()),
    }
}

fn object(seen: &Observed) -> Value {
    let instance = &seen.instance;
    let mut object = json!({
        "instance": instance.name,
        "prefix": instance.prefix,
        "profile": instance.profile,
        "state": seen.state.word(),
        "wanted": instance.wanted.now(processes::boot().as_deref()),
        "missing": seen.compared.gaps.iter().map(missing).collect::<IndexMap<_, _>>(),
        "current": seen.current,
        "root": instance.root,
        "branch": seen.branch,
        "ports": instance.ports,
        "listening": seen.served.own.keys().collect::<Vec<_>>(),
        "taken": seen.served.others,
        "created": instance.created,
        "changed": instance.changed,
    });
    if !instance.blocks.is_empty() {
        object["blocks"] = json!(instance.blocks);
    }
    if let Some(subnet) = instance.subnet {
        object["subnet"] = json!(subnet);
        object["addresses"] = json!(instance.service_addresses().collect::<IndexMap<_, _>>());
    }
    for (column, part) in &seen.parts {
        object[column] = part.as_ref().map_or(Value::Null, |part| part.value.clone());
    }
    object
}
