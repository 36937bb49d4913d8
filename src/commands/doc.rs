//! `silo doc`: the pages silo carries with it, readable without a network, a project or a home.

use serde_json::{Map, Value};

use crate::core::config;
use crate::core::config::user;
use crate::core::shell::environment::Environment;
use crate::core::text::columns::hanging;
use crate::core::text::pages::{PAGES, Page, page};
use crate::core::text::suggest::nearest;
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) fn run(
    ui: Ui,
    environment: &Environment,
    topic: Option<&str>,
    (bare, json): (bool, bool),
) -> Result<u8, Failure> {
    let lower = topic.map(str::to_lowercase);
    // The file's own name asks for its page.
    let topic = match lower.as_deref() {
        Some("silo.toml" | "silo-toml") => Some("config"),
        topic => topic.map(|name| name.strip_suffix(".md").unwrap_or(name)),
    };
    // No page, but what an editor is told; it is JSON already.
    if let Some((.., schema)) = SCHEMAS.iter().find(|(name, ..)| topic == Some(*name)) {
        return ui.answer(schema).map(|()| 0);
    }
    match (topic, json) {
        (Some(topic), false) => ui.page(find(topic)?.markdown)?,
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

/// The topics that are no pages, with what each is and holds.
pub(super) const SCHEMAS: [(&str, &str, &str); 2] = [
    ("schema", "The JSON Schema of silo.toml, for editors", config::SCHEMA),
    ("settings-schema", "The JSON Schema of the user's settings", user::SCHEMA),
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
