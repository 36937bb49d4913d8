//! `silo routes`: the routes of all instances with what is observed behind each (D29), or the same as configuration of a web
//! server, printed or written.

mod out;

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use serde_json::{Value, json};

use crate::cli::RoutesArgs;
use crate::core::leases::Instance;
use crate::core::routes::serve::{Served, Server};
use crate::core::routes::table::Row;
use crate::core::text::columns::{Cell, Tone, table};
use crate::failure::{Failure, quoted};
use crate::parts::context::Context;
use crate::store::proxy::{self, Running};
use crate::store::{registry, routes};
use crate::sys::{files, listeners};

/// How many instances of an earlier silo are named.
const TOLD: usize = 3;
/// The heads of the columns.
const HEADS: [&str; 5] = ["route", "instance", "leads to", "port", "behind it"];

pub(super) fn run(context: &Context, arguments: &RoutesArgs) -> Result<u8, Failure> {
    if let (Some(server), Some(path)) = (server(arguments), &arguments.out) {
        return out::run(context, arguments, path, || text(context, server, arguments.port));
    }
    if let Some(server) = server(arguments) {
        context.ui.answer(&text(context, server, arguments.port)?)?;
        return Ok(0);
    }
    let instances = registry::peek(&context.dirs)?.instances;
    let (listening, running) = (listeners::listening(), proxy::running(&context.dirs));
    if arguments.json {
        let rows = routes::joined(&context.dirs, instances);
        let all = rows.iter().map(|row| object(row, &listening, running)).collect();
        context.ui.answer_json(&Value::Array(all))?;
        return Ok(0);
    }
    tell_unwritten(context, &instances);
    let rows = routes::joined(&context.dirs, instances);
    if rows.is_empty() {
        context.ui.answer("No route yet. URLs such as `http://${APP_HOST}:${WEB_PORT}` below `[urls]` make them.\n")?;
        return Ok(0);
    }
    let cells: Vec<_> = rows.iter().map(|row| line(row, &listening, running)).collect();
    context.ui.lines(&table(&HEADS, &cells, context.ui.width(&context.environment)))?;
    if running.is_none() {
        context.ui.step("Nothing serves them; `silo proxy up -d` does");
    }
    Ok(0)
}

/// Says of instances that an earlier silo made how they get routes.
fn tell_unwritten(context: &Context, instances: &[Instance]) {
    // A run of CI has leases and no file of its own.
    let there = |instance: &&Instance| files::is_file(&Path::new(&instance.root).join("silo.toml"));
    let mut found = routes::unwritten(&context.dirs, instances).filter(there);
    for Instance { name, root, .. } in found.by_ref().take(TOLD) {
        let root = quoted(Path::new(root));
        context.ui.step(&format!("`{name}` was made by an earlier silo; its routes come with `silo env -C {root}`"));
    }
    let more = found.count();
    if more > 0 {
        context.ui.step(&format!("{more} more were made by an earlier silo"));
    }
}

fn server(arguments: &RoutesArgs) -> Option<Server> {
    let asked = &arguments.server;
    let all = [(asked.nginx, Server::Nginx), (asked.caddy, Server::Caddy), (asked.traefik, Server::Traefik)];
    all.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, server)| server)
}

/// The configuration for what runs now.
fn text(context: &Context, server: Server, port: u16) -> Result<String, Failure> {
    let (rows, listening) = (routes::all(&context.dirs)?, listeners::listening());
    // A route to the server itself, or to the proxy, would go in a circle.
    let own = [Some(port), proxy::running(&context.dirs).map(|running| running.port)];
    let found = rows.into_iter().filter(|row| row.clash.is_none() && !own.contains(&row.port)).filter_map(|row| {
        let at = SocketAddr::new(*listening.get(&row.port?)?, row.port?);
        Some(Served { host: row.host, at, instance: row.instance })
    });
    Ok(server.render(&found.collect::<Vec<_>>(), port))
}

/// What is behind a route.
fn observed(row: &Row, listening: &HashMap<u16, IpAddr>, running: Option<Running>) -> (String, Tone) {
    match (&row.clash, row.port) {
        (Some(other), _) => (format!("taken by {other}"), Tone::Bad),
        (None, Some(port)) if running.is_some_and(|running| running.port == port) => {
            ("the proxy itself".to_owned(), Tone::Bad)
        }
        (None, Some(port)) if listening.contains_key(&port) => ("listens".to_owned(), Tone::Good),
        (None, Some(_)) => ("nobody".to_owned(), Tone::Faint),
        (None, None) => ("no port yet".to_owned(), Tone::Faint),
    }
}

fn line(row: &Row, listening: &HashMap<u16, IpAddr>, running: Option<Running>) -> Vec<Cell> {
    let (says, tone) = observed(row, listening, running);
    let address = running.map_or_else(|| row.host.clone(), |running| running.address(&row.host));
    vec![
        Cell::plain(&address),
        Cell::plain(&row.instance),
        Cell::plain(&row.to.shown()),
        Cell::plain(&row.port.map_or_else(String::new, |port| port.to_string())),
        Cell::new(&says, tone),
    ]
}

fn object(row: &Row, listening: &HashMap<u16, IpAddr>, running: Option<Running>) -> Value {
    json!({
        "host": row.host,
        "instance": row.instance,
        "root": row.root,
        "to": row.to,
        "port": row.port,
        "listening": row.port.is_some_and(|port| listening.contains_key(&port)),
        "takenBy": row.clash,
        "address": running.filter(|_| row.clash.is_none()).map(|running| running.address(&row.host)),
    })
}
