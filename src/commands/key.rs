//! `silo key`: placeholder keys for the gateway (D34). A key is told once; what is kept of it is its digest.

use serde_json::json;

use crate::cli::{KeyAction, KeyArgs};
use crate::core::gateway::amount::{Budget, Money};
use crate::core::gateway::keys::Key;
use crate::core::gateway::pace::Limits;
use crate::core::text::columns::{Cell, Tone, table};
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::store::gateway::{book, keys};
use crate::sys::clock;
use crate::sys::writing::{self, Writing};

/// The heads of the list.
const HEADS: [&str; 6] = ["KEY", "NAME", "STATE", "SPENT", "BUDGET", "MODELS"];

pub(super) fn run(context: &Context, arguments: &KeyArgs) -> Result<u8, Failure> {
    let KeyArgs { action, name, budget, models, requests, tokens, out, undo, json } = arguments;
    let is_new = *action == KeyAction::New;
    let misplaced = [
        ("--budget", budget.is_some() && !is_new),
        ("--models", !models.is_empty() && !is_new),
        ("--requests", requests.is_some() && !is_new),
        ("--tokens", tokens.is_some() && !is_new),
        ("--out", out.is_some() && !is_new),
        ("--undo", *undo && *action != KeyAction::Revoke),
        ("--json", *json && *action != KeyAction::List),
        ("NAME", name.is_some() && *action == KeyAction::List),
    ];
    if let Some((flag, _)) = misplaced.into_iter().find(|(_, is)| *is) {
        let failure = Failure::new(format!("`{flag}` does not go with this action of `silo key`"));
        return Err(failure.hint("See `silo key --help`").code(code::USAGE));
    }
    match action {
        KeyAction::New => new(context, arguments),
        KeyAction::List => list(context, *json),
        KeyAction::Revoke => revoke(context, name.as_deref(), *undo),
    }
}

fn new(context: &Context, arguments: &KeyArgs) -> Result<u8, Failure> {
    let missing = || {
        Failure::new("A key needs a budget")
            .hint("Say what it may spend in all: `silo key new NAME --budget 5`, or `--budget \"2M tokens\"`")
            .code(code::USAGE)
    };
    let text = arguments.budget.as_deref().ok_or_else(missing)?;
    let budget = Budget::parse_all(text).ok_or_else(|| unread(text))?;
    let name = one_line(arguments.name.as_deref().unwrap_or("key"));
    let terms = Key {
        id: String::new(),
        name,
        digest: String::new(),
        models: arguments.models.clone(),
        budget,
        limits: Limits { requests: arguments.requests, tokens: arguments.tokens },
        root: None,
        agent: None,
        created: String::new(),
        revoked: None,
        is_released: false,
    };
    let (id, text) = keys::make(&context.dirs, terms)?;
    match &arguments.out {
        None => {
            context.ui.answer(&format!("{text}\n"))?;
            context.ui.step(&format!("Key {id} may spend {}; it is shown this once", budget.shown()));
        }
        Some(out) => {
            let path = context.folder.join(out);
            writing::replace(&path, format!("{text}\n").as_bytes(), Writing::PRIVATE)?;
            context.ui.step(&format!("Key {id} may spend {}; it is in `{}`", budget.shown(), shown(&path)));
        }
    }
    Ok(0)
}

/// A budget that cannot be read.
pub(super) fn unread(text: &str) -> Failure {
    Failure::new(format!("`{}` is not an amount", one_line(text)))
        .hint("Write money such as 5 or 0.25, or tokens such as \"500k tokens\"; a comma joins both")
        .code(code::USAGE)
}

/// How a key stands, in a word.
pub(super) fn state(key: &Key) -> &'static str {
    match key {
        Key { revoked: Some(_), .. } => "revoked",
        Key { is_released: true, .. } => "no instance",
        _ => "open",
    }
}

fn list(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let keys = keys::load(&context.dirs)?.keys;
    let ledger = book::peek(&context.dirs)?;
    if as_json {
        let object = |key: &Key| {
            let spent = ledger.account(&key.id).committed();
            json!({
                "id": key.id, "name": key.name, "state": state(key), "models": key.models, "root": key.root,
                "budget": { "money": key.budget.money.map(Money::shown), "tokens": key.budget.tokens },
                "spent": { "money": spent.money.shown(), "tokens": spent.tokens },
                "requestsPerMinute": key.limits.requests, "tokensPerMinute": key.limits.tokens,
                "created": key.created, "revoked": key.revoked,
            })
        };
        context.ui.answer_json(&keys.iter().map(object).collect::<Vec<_>>().into())?;
        return Ok(0);
    }
    if keys.is_empty() {
        context.ui.answer("No key yet. Make one: silo key new NAME --budget 5\n")?;
        return Ok(0);
    }
    let rows: Vec<Vec<Cell>> = keys
        .iter()
        .map(|key| {
            let (state, spent) = (state(key), ledger.account(&key.id).committed());
            let models = if key.models.is_empty() { "all".to_owned() } else { key.models.join(", ") };
            vec![
                Cell::plain(&key.id),
                Cell::plain(&one_line(&key.name)),
                Cell::new(state, if state == "open" { Tone::Good } else { Tone::Faint }),
                Cell::plain(&format!("{}, {} tokens", spent.money.shown(), spent.tokens)),
                Cell::plain(&key.budget.shown()),
                Cell::tail(&one_line(&models)),
            ]
        })
        .collect();
    context.ui.lines(&table(&HEADS, &rows, context.ui.width(&context.environment)))?;
    Ok(0)
}

fn revoke(context: &Context, id: Option<&str>, undo: bool) -> Result<u8, Failure> {
    let id = id.ok_or_else(|| {
        Failure::new("`silo key revoke` needs the id of a key").hint("See them: `silo key list`").code(code::USAGE)
    })?;
    keys::change(&context.dirs, |keys| {
        let key = keys.keys.iter_mut().find(|key| key.id == id).ok_or_else(|| {
            Failure::new(format!("There is no key `{}`", one_line(id))).hint("See them: `silo key list`")
        })?;
        key.revoked = (!undo).then(|| key.revoked.clone().unwrap_or_else(clock::now));
        Ok(())
    })?;
    let word = if undo { "opens again" } else { "opens nothing any more" };
    context.ui.step(&format!("Key {id} {word}"));
    Ok(0)
}
