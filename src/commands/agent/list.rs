//! `silo agent list`: what goes on, and what has ended.

use serde_json::{Value, json};

use crate::core::agents::record::{Run, Stage};
use crate::core::text::columns::{Cell, Tone, table};
use crate::core::text::source::{one_line, span};
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::agents::{self, Place};
use crate::sys::clock;

const HEADS: [&str; 7] = ["ID", "AGENT", "INSTANCE", "STATE", "AGE", "BRANCH", "TASK"];

pub(super) fn list(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let all = agents::all(&context.dirs);
    if as_json {
        context.ui.answer_json(&all.iter().map(|run| object(context, run)).collect::<Vec<_>>().into())?;
        return Ok(0);
    }
    if all.is_empty() {
        context.ui.answer("No agent has run yet. Run one: silo agent run NAME\n")?;
        return Ok(0);
    }
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    context.ui.lines(&table(&HEADS, &rows, context.ui.width(&context.environment)))?;
    Ok(0)
}

fn state(run: &Run) -> (String, Tone) {
    match (&run.end, run.stage) {
        (Some(end), Stage::Ended) if end.code == 0 => ("done".to_owned(), Tone::Faint),
        (Some(end), Stage::Ended) => (format!("failed ({})", end.code), Tone::Bad),
        _ => (run.stage.word().to_owned(), Tone::Good),
    }
}

fn row(run: &Run) -> Vec<Cell> {
    let (state, tone) = state(run);
    let age = clock::since(&run.created).map_or_else(String::new, |age| span(age.as_secs()));
    let branch = run.end.as_ref().and_then(|end| end.branch.clone()).unwrap_or_else(|| "-".to_owned());
    vec![
        Cell::plain(&run.id),
        Cell::plain(&run.agent),
        Cell::plain(&one_line(&run.name)),
        Cell::new(&state, tone),
        Cell::plain(&age),
        Cell::plain(&branch),
        Cell::tail(&one_line(run.task.as_deref().unwrap_or("-"))),
    ]
}

fn object(context: &Context, run: &Run) -> Value {
    let place = Place::of(&context.dirs, &run.id);
    json!({
        "id": run.id,
        "agent": run.agent,
        "template": run.template,
        "instance": run.name,
        "root": run.root,
        "state": run.stage.word(),
        "persistent": run.is_persistent,
        "task": run.task,
        "image": run.image,
        "created": run.created,
        "base": run.cloned.as_ref().map(|cloned| &cloned.base),
        "folder": place.folder(),
        "findings": place.findings(),
        "log": place.log(),
        "end": run.end,
    })
}
