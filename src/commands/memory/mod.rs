//! `silo memory`: what agents found, read and searched by people, and saved where it waits (D35).

mod shown;

use std::path::Path;
use std::time::SystemTime;

use serde_json::json;

use crate::cli::{MemoryAction, MemoryArgs, MemoryFilter, MemoryFormat, MemoryRole};
use crate::core::memory::talk::{Answer, Filter, Run, Target, What};
use crate::core::text::source::{counted, one_line, size};
use crate::core::text::span;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::parts::memory::export::{self, Limit};
use crate::parts::memory::save::{self, Saved, Synced};
use crate::parts::memory::{self, roles};
use crate::parts::scope::Scope;
use crate::store::ask::{Ask, Occasion};
use crate::store::memory::waiting::Waiting;
use crate::sys::clock;
use crate::sys::files;

/// How many findings are listed where nothing is said.
const MOST: u32 = 50;

pub(super) fn run(context: &Context, arguments: &MemoryArgs) -> Result<u8, Failure> {
    check(arguments)?;
    let project = context.project()?;
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
    let mut scope = Scope::of(context, &project, &config, &ask)?;
    // What is saved has the instance's name.
    if scope.state.is_none() && matches!(arguments.action, MemoryAction::Sync | MemoryAction::Role) {
        memory::of(&scope)?;
        context.settle(&project, &config, &ask)?;
        scope = Scope::of(context, &project, &config, &ask)?;
    }
    let to = memory::of(&scope)?;
    let words: Vec<&str> = arguments.words.iter().map(String::as_str).collect();
    match (arguments.action, &words[..]) {
        (MemoryAction::List, []) => list(context, &to, arguments, None),
        (MemoryAction::Search, [_, ..]) => list(context, &to, arguments, Some(words.join(" "))),
        (MemoryAction::Show, [id]) => show(context, &to, number(id)?, arguments.json),
        (MemoryAction::Export, [folder]) => export(context, &to, arguments, folder),
        (MemoryAction::Sync, []) => sync(&scope),
        (MemoryAction::Sync, [folder]) => sync_folder(&scope, folder, &arguments.filter),
        (MemoryAction::Status, []) => status(&scope, &to, arguments.json),
        (MemoryAction::Role, [agent]) => role(&scope, agent, &arguments.role),
        (MemoryAction::Rm, ids @ [_, ..]) => remove(context, &to, ids),
        (action, _) => Err(misused(action)),
    }
}

/// The words of an action, where others were typed.
fn misused(action: MemoryAction) -> Failure {
    let usage = match action {
        MemoryAction::List => "silo memory list",
        MemoryAction::Search => "silo memory search WORD…",
        MemoryAction::Show => "silo memory show NUMBER",
        MemoryAction::Export => "silo memory export FOLDER`, or `silo memory export -",
        MemoryAction::Sync => "silo memory sync`, or `silo memory sync FOLDER",
        MemoryAction::Status => "silo memory status",
        MemoryAction::Role => "silo memory role AGENT",
        MemoryAction::Rm => "silo memory rm NUMBER…",
    };
    Failure::new("`silo memory` got too few words for this action, or too many")
        .hint(format!("Type `{usage}`; see `silo memory --help`"))
        .code(code::USAGE)
}

/// Refuses options that an action does not look at.
fn check(arguments: &MemoryArgs) -> Result<(), Failure> {
    use MemoryAction as A;
    let MemoryArgs { action, filter, format, role, json, .. } = arguments;
    let filters = matches!(action, A::List | A::Search | A::Export);
    let misplaced = [
        ("--agent", filter.agent.is_some() && !filters && *action != A::Sync),
        ("--run", filter.run.is_some() && !filters && *action != A::Sync),
        ("--instance", filter.instance.is_some() && !filters),
        ("--since", filter.since.is_some() && !filters),
        ("--number", filter.number.is_some() && !filters),
        ("--format", format.is_some() && *action != A::Export),
        ("--rotate", role.rotate && *action != A::Role),
        ("--drop", role.drop && *action != A::Role),
        ("--json", *json && !matches!(action, A::List | A::Search | A::Show | A::Status)),
    ];
    match misplaced.into_iter().find(|(_, is)| *is) {
        None => Ok(()),
        Some((flag, _)) => Err(Failure::new(format!("`{flag}` does not go with this action of `silo memory`"))
            .hint("See `silo memory --help`")
            .code(code::USAGE)),
    }
}

fn number(text: &str) -> Result<i64, Failure> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
        Failure::new(format!("`{}` is not a number of a finding", one_line(text)))
            .hint("See them: `silo memory list`")
            .code(code::USAGE)
    })
}

fn filter_of(filter: &MemoryFilter, words: Option<String>) -> Result<Filter, Failure> {
    let MemoryFilter { agent, run, instance, since, number } = filter.clone();
    let since = since.map(|since| time(&since)).transpose()?;
    Ok(Filter { agent, run, instance, since, words, most: number.unwrap_or(MOST) })
}

/// A time that is typed: so long ago, or a date.
fn time(text: &str) -> Result<String, Failure> {
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u32>().ok()).map(|days| u64::from(days) * 86_400);
    let ago = days.or_else(|| span::parse(text).ok().map(|time| time.as_secs()));
    let then = match ago {
        Some(seconds) => SystemTime::now().checked_sub(std::time::Duration::from_secs(seconds)),
        None => clock::parse(text).or_else(|| clock::parse(&format!("{text}T00:00:00Z"))),
    };
    then.map(clock::written).ok_or_else(|| {
        Failure::new(format!("`{}` is not a time to look back to", one_line(text)))
            .hint("Write 30m, 2h or 7d, or a date such as 2026-01-31")
            .code(code::USAGE)
    })
}

fn list(context: &Context, to: &Target, arguments: &MemoryArgs, words: Option<String>) -> Result<u8, Failure> {
    let filter = filter_of(&arguments.filter, words)?;
    let is_search = filter.words.is_some();
    let (found, more) = memory::found(context, to, What::List(filter))?;
    if arguments.json {
        let each = found.iter().map(|one| {
            let mut facts = export::facts(one);
            if is_search {
                facts.insert("place".to_owned(), one.text.clone().into());
            }
            facts
        });
        context.ui.answer_json(&json!(each.collect::<Vec<_>>()))?;
        return Ok(0);
    }
    if found.is_empty() {
        context.ui.answer(if is_search { "Nothing has these words\n" } else { "Nothing is found yet\n" })?;
        return Ok(0);
    }
    shown::list(context, &found)?;
    if more {
        context.ui.step("There are more: `--number` shows them");
    }
    Ok(0)
}

fn show(context: &Context, to: &Target, id: i64, as_json: bool) -> Result<u8, Failure> {
    let (found, _) = memory::found(context, to, What::Show(id))?;
    let Some(found) = found.first() else { return Err(none(id)) };
    if as_json {
        context.ui.answer_json(&export::whole(found))?;
        return Ok(0);
    }
    context.ui.step(&shown::title(found));
    context.ui.answer_value(found.text.as_deref().unwrap_or_default().trim_end_matches('\n'))?;
    Ok(0)
}

fn none(id: i64) -> Failure {
    Failure::new(format!("There is no finding {id}")).hint("See them: `silo memory list`")
}

fn export(context: &Context, to: &Target, arguments: &MemoryArgs, folder: &str) -> Result<u8, Failure> {
    let filter = filter_of(&arguments.filter, None)?;
    let format = arguments.format.unwrap_or(if folder == "-" { MemoryFormat::Jsonl } else { MemoryFormat::Files });
    // A folder is what an agent gets, unless more is asked for.
    let limit = match (arguments.filter.number, format) {
        (Some(number), _) => Limit { findings: usize::try_from(number).unwrap_or(usize::MAX), ..Limit::NONE },
        (None, MemoryFormat::Files) => export::FOR_AGENTS,
        (None, MemoryFormat::Jsonl) => Limit::NONE,
    };
    let path = context.folder.join(folder);
    let exported = match (format, folder) {
        (MemoryFormat::Files, "-") => {
            return Err(Failure::new("Standard output takes no folder of files")
                .hint("Name a folder, or write `--format jsonl`")
                .code(code::USAGE));
        }
        (MemoryFormat::Files, _) => export::into_folder(context, to, &filter, &path, limit)?,
        (MemoryFormat::Jsonl, "-") => {
            let line = |found: &_| context.ui.answer_json_line(&export::whole(found));
            export::each(context, to, &filter, limit, line)?;
            return Ok(0);
        }
        (MemoryFormat::Jsonl, _) => export::into_file(context, to, &filter, &path, limit)?,
    };
    let (number, bytes) = (counted(exported.findings, "finding"), size(exported.bytes));
    let rest = if exported.has_more { ", the newest; `--number` writes more" } else { "" };
    context.ui.step(&format!("Wrote {number} ({bytes}) to `{}`{rest}", shown(Path::new(folder))));
    Ok(0)
}

fn sync(scope: &Scope<'_>) -> Result<u8, Failure> {
    let Synced { saved, mut failed } = save::sync(scope)?;
    if saved.is_empty() && failed.is_empty() {
        scope.context.ui.step("Nothing waits to be saved");
    }
    for (run, saved) in &saved {
        tell(scope.context, run, saved);
    }
    match failed.len() {
        0 => Ok(0),
        1 => Err(failed.remove(0)),
        more => {
            Err(failed.remove(0).hint(format!("It is the first of {more}; the others are told when it is put right")))
        }
    }
}

fn sync_folder(scope: &Scope<'_>, folder: &str, filter: &MemoryFilter) -> Result<u8, Failure> {
    let path = files::canonical(&scope.context.folder.join(folder))?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let instance = scope.state.as_ref().map(|state| state.name.clone()).unwrap_or_default();
    let agent = filter.agent.clone().unwrap_or_else(|| name.clone());
    let run = Run { instance, agent, run: filter.run.clone().unwrap_or(name) };
    let (run, saved) = save::sync_folder(scope, &run, &path)?;
    tell(scope.context, &run, &saved);
    Ok(0)
}

fn tell(context: &Context, run: &Run, saved: &Saved) {
    let Saved { added, known, left_out } = saved;
    let (agent, run) = (one_line(&run.agent), one_line(&run.run));
    let added = counted(usize::try_from(*added).unwrap_or(usize::MAX), "finding");
    let known = if *known > 0 { format!("; {known} were there already") } else { String::new() };
    context.ui.step(&format!("Saved {added} of {agent} ({run}){known}"));
    for (path, why) in left_out {
        context.ui.warn(&format!("`{}` of {agent} ({run}) is not saved: {why}", one_line(path)));
    }
}

fn status(scope: &Scope<'_>, to: &Target, as_json: bool) -> Result<u8, Failure> {
    let (waiting, damaged) = save::waiting_here(scope)?;
    if let Some(failure) = damaged {
        scope.context.ui.warn(&failure.what);
    }
    let asked = memory::ask(scope.context, to, What::Status);
    if let Err(failure) = &asked {
        if !waiting.is_empty() {
            scope.context.ui.step(&waits(&waiting));
        }
        return Err(failure.clone());
    }
    let Answer::Status(status) = asked? else { return Ok(code::FAILURE) };
    if as_json {
        let role = |(instance, agent, role): &(String, String, String)| json!({ "instance": instance, "agent": agent, "role": role });
        scope.context.ui.answer_json(&json!({
            "address": status.address, "postgres": status.postgres, "version": status.version,
            "findings": status.findings, "bytes": status.bytes,
            "roles": status.roles.iter().map(role).collect::<Vec<_>>(),
            "waiting": waiting.iter().map(|(_, waiting)| &waiting.run).collect::<Vec<_>>(),
        }))?;
        return Ok(0);
    }
    let bytes = size(u64::try_from(status.bytes).unwrap_or(0));
    let findings = counted(usize::try_from(status.findings).unwrap_or(0), "finding");
    let (title, address) = (to.title(), one_line(&status.address));
    let mut text = format!("The memory is in {title}: {address}, Postgres {}\n", one_line(&status.postgres));
    text += &format!("It has {findings}, {bytes}\n");
    for (instance, agent, role) in &status.roles {
        text += &format!("Role of {} in {}: {}\n", one_line(agent), one_line(instance), one_line(role));
    }
    if !waiting.is_empty() {
        text += &format!("{}\n", waits(&waiting));
    }
    scope.context.ui.answer(&text)?;
    Ok(0)
}

fn waits<T>(waiting: &[(T, Waiting)]) -> String {
    let runs: Vec<String> = waiting.iter().take(10).map(|(_, waiting)| one_line(&waiting.run.run)).collect();
    let rest = if waiting.len() > runs.len() { ", …" } else { "" };
    let number = counted(waiting.len(), "run");
    format!("Not saved yet, on the disk: {number} ({}{rest}); save them: silo memory sync", runs.join(", "))
}

fn role(scope: &Scope<'_>, agent: &str, what: &MemoryRole) -> Result<u8, Failure> {
    let ui = scope.context.ui;
    let instance = scope.state.as_ref().map(|state| state.name.clone()).unwrap_or_default();
    // Which run it is for is known to who starts that.
    let run = Run { instance, agent: agent.to_owned(), run: String::new() };
    if what.drop {
        let was = roles::remove(scope, agent)?;
        let agent = one_line(agent);
        ui.step(&if was {
            format!("{agent} has no role any more; its findings stay")
        } else {
            format!("{agent} has no role")
        });
        return Ok(0);
    }
    let path = if what.rotate { roles::rotate(scope, &run, None) } else { roles::role_for(scope, &run, None) }?;
    ui.answer(&format!("{}\n", shown(&path)))?;
    Ok(0)
}

fn remove(context: &Context, to: &Target, ids: &[&str]) -> Result<u8, Failure> {
    let ids = ids.iter().map(|id| number(id)).collect::<Result<Vec<_>, _>>()?;
    let number = memory::done(context, to, What::Remove(ids.clone()))?;
    if number == 0 {
        return Err(none(ids[0]));
    }
    context.ui.step(&format!("Removed {}", counted(usize::try_from(number).unwrap_or(usize::MAX), "finding")));
    Ok(0)
}
