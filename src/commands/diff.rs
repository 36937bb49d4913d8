//! `silo diff`: what activation changes in this shell: before it is allowed, what it would; after, what it did. Nothing is
//! settled, leased or written for it.

use std::path::Path;

use serde_json::json;

use super::{elsewhere, recorded};
use crate::core::config::{ConfigFile, Settings, acts};
use crate::core::leases::block;
use crate::core::leases::ports::PortSpec;
use crate::core::shell::activation::{self, Given, UNDO};
use crate::core::text::columns::{Cell, Tone};
use crate::core::text::secret;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::project::Project;
use crate::store::{snapshot, stamp, trust};

/// One variable before and after; `None` is unset.
struct Line {
    name: String,
    before: Option<String>,
    after: Option<String>,
}

pub(super) fn run(context: &Context, as_json: bool, show: bool) -> Result<u8, Failure> {
    let project = context.project();
    elsewhere::tell(context, project.as_ref().ok().map(Project::root_text));
    let project = project?;
    let config = project.config()?;
    if !as_json {
        for line in acts::lines(&config) {
            context.ui.step(&one_line(&line));
        }
    }
    let known = stamp::load(&context.dirs, &project.root).and_then(|(stamp, _)| stamp.instance);
    let gates = known.and_then(|known| known.gates);
    let Some(vars) = vars(context, &project, &config)? else {
        return planned(context, &config, (as_json, show));
    };
    let given = Given { root: project.root_text().as_bytes(), vars: &vars, path: gates.as_deref().map(str::as_bytes) };
    let outside = context.outside();
    let changes = activation::enter(&outside, None, &given);
    let text = |value: &Vec<u8>| String::from_utf8_lossy(value).into_owned();
    let lines: Vec<Line> = changes
        .iter()
        .filter(|change| change.name != UNDO)
        .map(|change| Line {
            before: outside.get(&change.name).map(|value| value.to_string_lossy().into_owned()),
            after: change.value.as_ref().map(text),
            name: change.name.clone(),
        })
        .collect();
    answer(context, lines, (as_json, show))?;
    let active = context.environment.text("SILO_ROOT") == Some(project.root_text());
    let trust = trust::judge(&context.dirs, &project)?.said();
    let state = if active { "active in this shell" } else { "not active in this shell" };
    context.ui.step(&format!("This instance is {state}; its `{}` {trust}", project.shown_name()));
    Ok(0)
}

/// The vars of the instance as an active shell has them; none when there is no instance yet.
fn vars(context: &Context, project: &Project, config: &ConfigFile) -> Result<Option<Vec<(String, String)>>, Failure> {
    let Some(recorded) = snapshot::recorded(&context.dirs, project, config)? else { return Ok(None) };
    let vars = recorded::vars(context, &project.root, config, &recorded);
    let env_file = project.root.join(&config.output);
    Ok(Some(vars.for_processes(project.root_text(), &env_file.to_string_lossy())))
}

/// Without an instance there are no values yet, for ports and name are chosen at the first activation: names alone.
fn planned(context: &Context, config: &ConfigFile, how: (bool, bool)) -> Result<u8, Failure> {
    let settings: Settings = config.settings(None).expect("the base is always there");
    let port = |spec: &PortSpec| match spec {
        PortSpec::Default(port) => format!("{port}, or the next free port"),
        PortSpec::Random => "a free port".to_owned(),
        PortSpec::Block { default: Some(first), count } => {
            format!("{first}-{}, or the next {count} free ports side by side", block::last(*first, *count))
        }
        PortSpec::Block { default: None, count } => format!("{count} free ports side by side"),
    };
    let ports = settings.ports.iter().map(|(name, spec)| (name, port(spec)));
    let texts =
        settings.hosts.iter().chain(&settings.urls).chain(&settings.env).map(|(name, text)| (name, text.value.clone()));
    let lines: Vec<Line> =
        ports.chain(texts).map(|(name, after)| Line { name: name.clone(), before: None, after: Some(after) }).collect();
    answer(context, lines, how)?;
    context.ui.step("No instance here yet: name and ports are chosen at the first activation, or by `silo env`");
    Ok(0)
}

/// Shows the lines; without `show`, what looks like a secret is not among them.
fn answer(context: &Context, mut lines: Vec<Line>, (as_json, show): (bool, bool)) -> Result<(), Failure> {
    let mut hidden: Vec<&str> = Vec::new();
    for Line { name, before, after } in lines.iter_mut().filter(|_| !show) {
        let before_and_after = [before, after].into_iter().flatten();
        let masks = before_and_after.filter_map(|value| secret::masked(name, value).map(|mask| *value = mask));
        if masks.count() > 0 {
            hidden.push(name);
        }
    }
    if !hidden.is_empty() {
        context.ui.step(&format!("Not shown of {}: what looks like a secret (`silo diff --show`)", hidden.join(", ")));
    }
    if as_json {
        let pair = |line: &Line| (line.name.clone(), json!({ "before": line.before, "after": line.after }));
        let object: serde_json::Map<_, _> = lines.iter().map(pair).collect();
        return context.ui.answer_json(&serde_json::Value::Object(object));
    }
    let shown: Vec<Vec<Cell>> = lines.iter().flat_map(cells).collect();
    context.ui.lines(&shown)
}

/// `+ NAME=VALUE` for a new variable; for a changed one the old value too. `PATH` shows only the folder it gets.
fn cells(line: &Line) -> Vec<Vec<Cell>> {
    let Line { name, before, after } = line;
    let plus = |value: &str| vec![Cell::new(&format!("+ {name}={value}"), Tone::Good)];
    let minus = |value: &str| vec![Cell::new(&format!("- {name}={value}"), Tone::Bad)];
    if name == "PATH"
        && let (Some(before), Some(after)) = (before, after)
        && let Some(folder) = after.strip_suffix(before.as_str()).and_then(|folder| folder.strip_suffix(':'))
    {
        return vec![plus(&format!("{}:$PATH", Path::new(folder).display()))];
    }
    let old = before.as_deref().map(minus);
    old.into_iter().chain(after.as_deref().map(plus)).collect()
}
