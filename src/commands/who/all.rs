//! `silo who` without a port: every leased port, whose it is, and who listens there.

use std::path::Path;

use serde_json::{Value, json};

use crate::core::leases::{Instance, Leases, block};
use crate::core::text::columns::{Cell, Tone, table};
use crate::failure::{Failure, shown_from};
use crate::parts::context::Context;
use crate::parts::servers::{Served, Servers};

pub(super) fn run(context: &Context, leases: &Leases, as_json: bool) -> Result<u8, Failure> {
    let outside = context.outside();
    let spread: Vec<_> = leases.instances.iter().map(Instance::spread).collect();
    let asked: Vec<_> =
        leases.instances.iter().zip(&spread).map(|(one, ports)| (Path::new(&one.root), ports)).collect();
    let servers = Servers::look(&outside, &asked);
    if let Some(failure) = &servers.unknown {
        context.ui.warn(&format!("{}; containers are left out", failure.what));
    }
    let served: Vec<Served> = leases
        .instances
        .iter()
        .zip(&spread)
        .map(|(one, ports)| servers.served((&one.prefix, &one.name), ports, Path::new(&one.root)))
        .collect();
    let mut rows: Vec<(u16, &str, &Instance, &Served)> = leases
        .instances
        .iter()
        .zip(&served)
        .flat_map(|(one, served)| one.ports.iter().map(move |(name, port)| (*port, name.as_str(), one, served)))
        .collect();
    rows.sort_by(|one, other| (one.0, &one.2.root).cmp(&(other.0, &other.2.root)));
    if as_json {
        return context.ui.answer_json(&Value::Array(rows.iter().map(object).collect())).map(|()| 0);
    }
    if rows.is_empty() {
        return context.ui.answer("No port is leased. Run `silo env` in a project to lease some.\n").map(|()| 0);
    }
    let cells: Vec<Vec<Cell>> = rows.iter().map(|row| cells(context, row)).collect();
    let heads = ["port", "variable", "instance", "state", "by", "root"];
    context.ui.lines(&table(&heads, &cells, context.ui.width(&context.environment))).map(|()| 0)
}

fn cells(context: &Context, (port, name, one, served): &(u16, &str, &Instance, &Served)) -> Vec<Cell> {
    let (state, by) = match served.of(name) {
        (Some(who), _) => (Cell::new("taken", Tone::Bad), who),
        (None, Some(who)) => (Cell::new("listening", Tone::Good), who),
        (None, None) => (Cell::plain(""), String::new()),
    };
    let root = shown_from(&context.dirs.home, Path::new(&one.root));
    vec![
        Cell::plain(&block::shown(name, *port, &one.blocks)),
        Cell::plain(name),
        Cell::plain(&one.name),
        state,
        Cell::plain(&by),
        Cell::tail(&root),
    ]
}

fn object((port, name, one, served): &(u16, &str, &Instance, &Served)) -> Value {
    json!({
        "port": port,
        "lease": { "instance": one.name, "variable": name, "root": one.root },
        "last": block::last(*port, one.blocks.get(*name).copied().unwrap_or(1)),
        "listening": served.of(name).1,
        "taken": served.of(name).0,
    })
}
