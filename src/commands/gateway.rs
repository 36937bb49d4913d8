//! `silo gateway`: starts and stops the gateway, and tells what was spent (D34).

use serde_json::{Value, json};

use super::key::{state, unread};
use crate::cli::{GatewayAction, GatewayArgs};
use crate::core::gateway::amount::{Amount, Budget, Money};
use crate::core::gateway::keys::Keys;
use crate::core::gateway::ledger::{Account, Hold, Ledger};
use crate::core::text::columns::{Cell, Tone, table};
use crate::core::text::source::one_line;
use crate::failure::{Failure, code, shown};
use crate::parts::context::Context;
use crate::parts::server;
use crate::store::gateway::{self, Running, book, file, keys};

pub(super) fn run(context: &Context, arguments: &GatewayArgs) -> Result<u8, Failure> {
    let GatewayArgs { action, call, amount, detach, json } = arguments;
    let is_json = matches!(action, GatewayAction::Status | GatewayAction::Spend);
    let misplaced = [
        ("-d", *detach && *action != GatewayAction::Up),
        ("--json", *json && !is_json),
        ("CALL", call.is_some() && *action != GatewayAction::Settle),
    ];
    if let Some((flag, _)) = misplaced.into_iter().find(|(_, is)| *is) {
        let failure = Failure::new(format!("`{flag}` does not go with this action of `silo gateway`"));
        return Err(failure.hint("See `silo gateway --help`").code(code::USAGE));
    }
    match action {
        GatewayAction::Up => up(context, *detach),
        GatewayAction::Down => server::gateway(&context.dirs).down(context),
        GatewayAction::Status => status(context, *json),
        GatewayAction::Spend => spend(context, *json),
        GatewayAction::Settle => settle(context, *call, amount.as_deref()),
    }
}

fn up(context: &Context, detach: bool) -> Result<u8, Failure> {
    told(context, server::gateway_up(context, detach)?)?;
    Ok(0)
}

fn told(context: &Context, running: Running) -> Result<(), Failure> {
    context.ui.answer(&format!("The gateway runs (pid {}) on {}\n", running.pid, running.address()))
}

fn status(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let running = gateway::running(&context.dirs);
    let exit = if running.is_some() { 0 } else { code::FAILURE };
    // Whatever is wrong with its files is said here, before somebody waits for an answer.
    let file = file::load(&context.dirs)?;
    book::peek(&context.dirs)?;
    if as_json {
        let providers = file.iter().flat_map(|file| &file.providers).map(|(name, provider)| {
            let models: Vec<&String> = provider.models.keys().collect();
            json!({ "name": name, "shape": provider.shape.name(), "host": provider.url.authority(), "models": models })
        });
        let object = running.map(|running| {
            json!({
                "pid": running.pid, "port": running.port, "address": running.address(),
                "providers": providers.collect::<Vec<_>>(),
            })
        });
        context.ui.answer_json(&json!(object))?;
        return Ok(exit);
    }
    match running {
        Some(running) => told(context, running)?,
        None if file.is_none() => {
            let path = shown(&file::place(&context.dirs));
            context.ui.answer(&format!("No gateway runs, and `{path}` is missing; read: silo doc gateway\n"))?;
        }
        None => context.ui.answer("No gateway runs. Start it: silo gateway up -d\n")?,
    }
    Ok(exit)
}

fn spend(context: &Context, as_json: bool) -> Result<u8, Failure> {
    let (keys, ledger) = (keys::load(&context.dirs)?, book::peek(&context.dirs)?);
    let unsettled: Vec<(u64, &Hold)> = ledger.holds().filter(|(_, hold)| hold.is_unsettled).collect();
    if as_json {
        context.ui.answer_json(&as_object(&keys, &ledger, &unsettled))?;
        return Ok(0);
    }
    let accounts: Vec<(&str, &Account)> = ledger.accounts().filter(|(key, _)| *key != "-").collect();
    if accounts.is_empty() {
        context.ui.answer("Nothing is spent yet\n")?;
        return Ok(0);
    }
    let mut rows = Vec::new();
    for (id, account) in accounts {
        let key = keys.keys.iter().find(|key| key.id == id);
        let name = key.map_or_else(|| "?".to_owned(), |key| one_line(&key.name));
        let budget = key.map_or_else(String::new, |key| key.budget.shown());
        let row = |first: &str, second: &str, calls: u64, amount: Amount, budget: &str, tone| {
            vec![
                Cell::plain(first),
                Cell::new(second, tone),
                Cell::plain(&calls.to_string()),
                Cell::plain(&amount.money.shown()),
                Cell::plain(&amount.tokens.to_string()),
                Cell::plain(budget),
            ]
        };
        rows.push(row(id, &name, account.calls(), account.committed(), &budget, Tone::Plain));
        for (model, spent) in &account.models {
            rows.push(row("", &format!("  {}", one_line(model)), spent.calls, spent.amount, "", Tone::Faint));
        }
    }
    let heads = ["KEY", "NAME", "CALLS", "MONEY", "TOKENS", "BUDGET"];
    context.ui.lines(&table(&heads, &rows, context.ui.width(&context.environment)))?;
    for (call, hold) in unsettled {
        context.ui.step(&format!(
            "Call {call} of {} at {} came to no end, and counts as {} ({} tokens): `silo gateway settle {call} AMOUNT`",
            hold.key,
            hold.at,
            hold.amount.money.shown(),
            hold.amount.tokens
        ));
    }
    Ok(0)
}

fn amount(amount: Amount) -> Value {
    json!({ "money": amount.money.shown(), "tokens": amount.tokens })
}

fn as_object(keys: &Keys, ledger: &Ledger, unsettled: &[(u64, &Hold)]) -> Value {
    let of_key = |(id, account): (&str, &Account)| {
        let key = keys.keys.iter().find(|key| key.id == id);
        let models: serde_json::Map<String, Value> = account
            .models
            .iter()
            .map(|(model, spent)| (model.clone(), json!({ "calls": spent.calls, "spent": amount(spent.amount) })))
            .collect();
        json!({
            "id": id,
            "name": key.map(|key| &key.name),
            "state": key.map(state),
            "calls": account.calls(),
            "spent": amount(account.committed()),
            "open": amount(account.held),
            "budget": key.map(|key| json!({ "money": key.budget.money.map(Money::shown), "tokens": key.budget.tokens })),
            "models": models,
        })
    };
    let open = |(call, hold): &(u64, &Hold)| json!({ "call": call, "key": hold.key, "model": hold.model, "at": hold.at, "counts": amount(hold.amount) });
    json!({
        "keys": ledger.accounts().filter(|(id, _)| *id != "-").map(of_key).collect::<Vec<_>>(),
        "unsettled": unsettled.iter().map(open).collect::<Vec<_>>(),
    })
}

fn settle(context: &Context, call: Option<u64>, text: Option<&str>) -> Result<u8, Failure> {
    let (Some(call), Some(text)) = (call, text) else {
        let failure = Failure::new("`silo gateway settle` needs a call, and what it cost");
        return Err(failure.hint("See which: `silo gateway spend`").code(code::USAGE));
    };
    let Budget { money, tokens } = Budget::parse_all(text).ok_or_else(|| unread(text))?;
    let amount = Amount { money: money.unwrap_or_default(), tokens: tokens.unwrap_or_default() };
    let ledger = book::peek(&context.dirs)?;
    let is_open = ledger.holds().any(|(number, hold)| number == call && hold.is_unsettled);
    if !is_open {
        return Err(Failure::new(format!("Call {call} is none that came to no end"))
            .hint("See which are: `silo gateway spend`"));
    }
    book::settle(&context.dirs, call, amount)?;
    context.ui.step(&format!("Call {call} counts as {} ({} tokens)", amount.money.shown(), amount.tokens));
    Ok(0)
}
