//! `silo doc`: the pages silo carries with it, readable without a network, a project or a home.

use serde_json::{Map, Value, json};

use crate::core::config::{self, providers, user};
use crate::core::shell::environment::Environment;
use crate::core::text::columns::{Cell, Tone, cut, hanging};
use crate::core::text::pages::{PAGES, Page, page};
use crate::core::text::search::{Hit, search};
use crate::core::text::suggest::nearest;
use crate::failure::Failure;
use crate::sys::pager;
use crate::ui::Ui;

/// Most that a terminal shows of a place that was found, in columns.
const LONGEST: usize = 300;

pub(super) fn run(
    ui: Ui,
    environment: &Environment,
    topic: Option<&str>,
    words: &[String],
    (bare, json): (bool, bool),
) -> Result<u8, Failure> {
    let lower = topic.map(str::to_lowercase);
    // The file's own name asks for its page.
    let topic = match lower.as_deref() {
        Some("silo.toml" | "silo-toml") => Some("config"),
        topic => topic.map(|name| name.strip_suffix(".md").unwrap_or(name)),
    };
    if !words.is_empty() {
        let pages = match topic {
            Some(topic) => std::slice::from_ref(find(topic)?),
            None => PAGES,
        };
        return found(ui, environment, pages, words, json);
    }
    // No page, but what an editor is told; it is JSON already.
    if let Some((.., schema)) = SCHEMAS.iter().find(|(name, ..)| topic == Some(*name)) {
        return ui.answer(schema).map(|()| 0);
    }
    match (topic, json) {
        (Some(topic), false) => show(ui, environment, find(topic)?)?,
        (Some(topic), true) => {
            let page = find(topic)?;
            let mut object = described(page);
            object.insert("markdown".to_owned(), page.markdown.into());
            ui.answer_json(&Value::Object(object))?;
        }
        (None, false) if bare => {
            let topics = PAGES.iter().map(|page| page.topic).chain(SCHEMAS.iter().map(|schema| schema.0));
            ui.answer(&(topics.collect::<Vec<_>>().join("\n") + "\n"))?;
        }
        (None, false) => ui.answer(&list(ui.width(environment)))?,
        (None, true) => {
            let pages: Value = PAGES.iter().map(|page| Value::Object(described(page))).collect();
            ui.answer_json(&pages)?;
        }
    }
    Ok(0)
}

/// Answers a page: as it is written into a pipe, and laid out on a terminal, in the user's pager where it is longer than that.
fn show(ui: Ui, environment: &Environment, page: &Page) -> Result<(), Failure> {
    let Some((text, is_long)) = ui.laid_out(page.markdown) else { return ui.answer_bytes(page.markdown.as_bytes()) };
    let pager = if is_long { pager::chosen(environment) } else { None };
    match pager {
        Some(line) if pager::show(&line, environment, text.as_bytes())? => Ok(()),
        _ => ui.answer_bytes(text.as_bytes()),
    }
}

/// Answers where words stand: the page and the heading, and the text below, cut to a few lines on a terminal.
fn found(ui: Ui, environment: &Environment, pages: &[Page], words: &[String], json: bool) -> Result<u8, Failure> {
    let hits = search(pages, words);
    if hits.is_empty() && !json {
        let words = words.join(" ");
        let failure = Failure::new(format!("No page has `{words}` in one paragraph"));
        return Err(failure.hint("Fewer words find more; `silo doc --list` lists all topics"));
    }
    if json {
        let object = |hit: &Hit| json!({ "topic": hit.topic, "section": hit.section, "text": hit.text });
        ui.answer_json(&hits.iter().map(object).collect())?;
        return Ok(u8::from(hits.is_empty()));
    }
    let Some(columns) = ui.width(environment) else {
        let line = |hit: &Hit| format!("{}: {}: {}\n", hit.topic, hit.section, hit.text);
        return ui.answer(&hits.iter().map(line).collect::<String>()).map(|()| 0);
    };
    let mut lines = Vec::new();
    for hit in &hits {
        let head = Cell::new(&format!("silo doc {}", hit.topic), Tone::Head);
        lines.push(cut(vec![head, Cell::plain(&format!("  {}", hit.section))], Some(columns)));
        let text = hanging("    ", &hit.around(words, LONGEST), Some(columns));
        lines.extend(text.lines().map(|line| vec![Cell::plain(line)]));
    }
    ui.lines(&lines).map(|()| 0)
}

/// The topics that are no pages, with what each is and holds.
pub(super) const SCHEMAS: [(&str, &str, &str); 3] = [
    ("schema", "The JSON Schema of silo.toml, for editors", config::SCHEMA),
    ("settings-schema", "The JSON Schema of the user's settings", user::SCHEMA),
    ("gateway-schema", "The JSON Schema of gateway.toml", providers::SCHEMA),
];

fn find(topic: &str) -> Result<&'static Page, Failure> {
    page(topic).ok_or_else(|| {
        let failure = Failure::new(format!("There is no page about `{topic}`"));
        let near = nearest(topic, PAGES.iter().map(|page| page.topic).chain(SCHEMAS.iter().map(|schema| schema.0)));
        let failure = near.into_iter().fold(failure, |failure, near| failure.hint(format!("Run `silo doc {near}`")));
        failure.hint("List all topics: `silo doc --list`")
    })
}

/// A line for each page, and more where a terminal is narrower.
fn list(columns: Option<usize>) -> String {
    let pages = PAGES.iter().map(|page| (page.topic, page.summary()));
    let all = pages.chain(SCHEMAS.iter().map(|(name, what, _)| (*name, (*what).to_owned())));
    let all: Vec<_> = all.collect();
    let width = all.iter().map(|(topic, _)| topic.len()).max().unwrap_or(0);
    all.iter().map(|(topic, summary)| hanging(&format!("{topic:width$}  "), summary, columns)).collect()
}

fn described(page: &Page) -> Map<String, Value> {
    let pairs = [("topic", page.topic.to_owned()), ("title", page.title()), ("summary", page.summary())];
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}
