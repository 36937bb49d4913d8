//! Findings as a table. All of it is text of others: one line each, and nothing in it drives a terminal (D116).

use crate::core::memory::talk::Found;
use crate::core::text::columns::{Cell, Tone, table};
use crate::core::text::source::{one_line, size};
use crate::failure::Failure;
use crate::parts::context::Context;

/// The heads of the list.
const HEADS: [&str; 6] = ["NUMBER", "WHEN", "INSTANCE", "AGENT", "SIZE", "TITLE"];
/// The longest name in a column, in characters.
const NAME: usize = 24;

pub(super) fn list(context: &Context, found: &[Found]) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for one in found {
        let when = one.created.get(..16).unwrap_or(&one.created).replace('T', " ");
        rows.push(vec![
            Cell::plain(&one.id.to_string()),
            Cell::new(&one_line(&when), Tone::Faint),
            Cell::plain(&name(&one.instance)),
            Cell::plain(&name(&one.agent)),
            Cell::new(&bytes(one.size), Tone::Faint),
            Cell::plain(&one.title),
        ]);
    }
    let mut lines = table(&HEADS, &rows, context.ui.width(&context.environment));
    // The place with the words is below its line.
    if found.iter().any(|one| one.text.is_some()) {
        let head = lines.remove(0);
        let places = found.iter().map(|one| one.text.as_deref().unwrap_or_default());
        let place = |text: &str| vec![Cell::new(&format!("        {}", words(text)), Tone::Faint)];
        let each = lines.into_iter().zip(places).flat_map(|(line, text)| [line, place(text)]);
        lines = std::iter::once(head).chain(each).collect();
    }
    context.ui.lines(&lines)
}

/// A text in one line, with single spaces.
fn words(text: &str) -> String {
    one_line(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn name(text: &str) -> String {
    let text = one_line(text);
    match text.chars().count() > NAME {
        true => text.chars().take(NAME - 1).chain(['…']).collect(),
        false => text,
    }
}

fn bytes(bytes: i64) -> String {
    match u64::try_from(bytes).unwrap_or(0) {
        few @ 0..1000 => format!("{few} B"),
        more => size(more),
    }
}

/// What is said of a finding above it.
pub(super) fn title(found: &Found) -> String {
    let Found { id, title, agent, instance, run, created, path, kind, size, .. } = found;
    let path = path.as_deref().map(|path| format!(", {}", one_line(path))).unwrap_or_default();
    let (title, agent, instance) = (one_line(title), one_line(agent), one_line(instance));
    let (run, created, kind) = (one_line(run), one_line(created), one_line(kind));
    format!("{id}  {title}\n    {agent} in {instance}, run {run}, {created}{path}, {kind}, {}", bytes(*size))
}
