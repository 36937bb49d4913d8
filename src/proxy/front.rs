//! The page of all instances: their state, routes, ports and the commands to type. It shows and starts nothing. It works without
//! scripts; with them it keeps itself true.
//!
//! No page of another site learns what is on it: its own name must be asked for, so that a name that leads here by the tricks of a
//! name server (DNS rebinding) meets no data; what scripts of another origin ask for is refused; nothing allows them to read it.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, ORIGIN};
use hyper::{Method, Request, Response, StatusCode};
use silo::cli::Global;
use silo::core::leases::block;
use silo::core::routes::Target;
use silo::core::routes::host;
use silo::core::routes::table::Row;
use silo::core::text::columns::Tone;
use silo::failure::{Failure, quoted, shown_from};
use silo::parts;
use silo::parts::context::{Context, Mistakes};
use silo::parts::look::{Observed, observe_all};
use silo::sys::listeners;

use super::body::Answered;
use super::pages::{self, Page, document, escaped, start_command, with_headers};
use super::shared::Shared;

/// The script that keeps the page true.
const SCRIPT: &str = include_str!("pages.js");
const HTML: &str = "text/html; charset=utf-8";

/// Answers a request for the page or a part of it.
pub(crate) async fn answer(shared: &Arc<Shared>, request: &Request<Incoming>) -> Response<Answered> {
    let wants_page = pages::wants_html(request.headers());
    if let Some(why) = stranger(request.headers(), &shared.running().address(host::FRONT)) {
        return pages::response(&Page::forbidden(why), wants_page);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return pages::response(&Page::nothing(StatusCode::METHOD_NOT_ALLOWED), wants_page);
    }
    match request.uri().path() {
        "/" => {
            let head = "<script src=\"/pages.js\" defer></script>\n\
                        <noscript><meta http-equiv=\"refresh\" content=\"5\"></noscript>";
            let body = format!("<h1>Instances</h1>\n<main>{}</main>", instances(shared).await);
            with_headers(StatusCode::OK, HTML, document("silo: all instances", head, &body))
        }
        "/instances" => with_headers(StatusCode::OK, HTML, instances(shared).await.to_string()),
        "/pages.js" => with_headers(StatusCode::OK, "text/javascript; charset=utf-8", SCRIPT),
        _ => pages::response(&Page::nothing(StatusCode::NOT_FOUND), wants_page),
    }
}

/// Why who asks is a stranger, as far as its browser tells; none when it is not. A link that leads here is nobody's script.
fn stranger(headers: &HeaderMap, own: &str) -> Option<&'static str> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    if headers.get(ORIGIN).is_some_and(|origin| origin.as_bytes() != own.as_bytes()) {
        return Some("This page is asked for by a page of another site");
    }
    let is_own = matches!(text("sec-fetch-site"), None | Some("same-origin" | "none"));
    let is_link = text("sec-fetch-mode") == Some("navigate") && text("sec-fetch-dest") == Some("document");
    (!is_own && !is_link).then_some("This page is asked for by a page of another site")
}

/// The list of instances as markup, looked at again where that is long ago.
async fn instances(shared: &Arc<Shared>) -> Arc<str> {
    if let Some(html) = shared.seen.fresh() {
        return html;
    }
    let _turn = shared.seen.turn.lock().await;
    if let Some(html) = shared.seen.fresh() {
        return html;
    }
    let asked = Arc::clone(shared);
    let looked = tokio::task::spawn_blocking(move || look(&asked));
    let html: Arc<str> = match looked.await {
        Ok(Ok(html)) => html.into(),
        Ok(Err(failure)) => format!("<p class=\"bad\">{}</p>\n", escaped(&failure.to_string())).into(),
        Err(_) => "<p class=\"bad\">The instances could not be looked at</p>\n".into(),
    };
    shared.seen.keep(&html);
    html
}

fn look(shared: &Arc<Shared>) -> Result<String, Failure> {
    let own = &shared.context;
    let context =
        Context::of(Global::default(), own.environment.clone(), own.program.clone(), own.ui, Mistakes::Leave)?;
    let seen = observe_all(&context, &parts::ALL)?;
    if seen.is_empty() {
        return Ok("<p>No instance yet. Make one in a project:</p>\n<pre tabindex=\"0\">silo up -d</pre>\n".to_owned());
    }
    let table = shared.table();
    let listening = listeners::listening();
    let mut html = String::new();
    for one in &seen {
        let routes = table.rows.iter().filter(|row| row.root == one.instance.root);
        let routes: Vec<(&Row, bool)> =
            routes.map(|row| (row, row.port.is_some_and(|port| listening.contains_key(&port)))).collect();
        instance(&mut html, one, &routes, shared);
    }
    Ok(html)
}

fn class(tone: Tone) -> &'static str {
    match tone {
        Tone::Good => "good",
        Tone::Busy => "busy",
        Tone::Bad => "bad",
        _ => "idle",
    }
}

fn instance(html: &mut String, seen: &Observed, routes: &[(&Row, bool)], shared: &Shared) {
    let instance = &seen.instance;
    let root = Path::new(&instance.root);
    let folder = shown_from(&shared.context.dirs.home, root);
    let _ = write!(
        html,
        "<article>\n<header><h2>{}</h2><span class=\"state {}\">{}</span></header>\n<p class=\"faint\">{}{}{}</p>\n",
        escaped(&instance.name),
        class(seen.state.tone()),
        escaped(seen.state.word()),
        escaped(&folder),
        seen.branch.as_ref().map(|branch| format!(" · branch {}", escaped(branch))).unwrap_or_default(),
        instance.profile.as_ref().map(|profile| format!(" · profile {}", escaped(profile))).unwrap_or_default(),
    );
    let parts: Vec<String> = seen
        .parts
        .iter()
        .filter_map(|(column, part)| Some(format!("{} {}", escaped(column), escaped(&part.as_ref()?.cell))))
        .collect();
    if !parts.is_empty() {
        let _ = writeln!(html, "<p>{}</p>", parts.join(" · "));
    }
    if !routes.is_empty() {
        html.push_str("<table>\n<tr><th>Route</th><th>Leads to</th><th>Behind it</th></tr>\n");
        for (row, listens) in routes {
            route(html, row, behind(seen, row, *listens), shared);
        }
        html.push_str("</table>\n");
    }
    let leased: Vec<String> = instance
        .ports
        .iter()
        .map(|(name, port)| format!("{}={}", escaped(name), escaped(&block::shown(name, *port, &instance.blocks))))
        .collect();
    if !leased.is_empty() {
        let _ = writeln!(html, "<p class=\"faint\">{}</p>", leased.join(" "));
    }
    let _ = write!(
        html,
        "<details id=\"c-{}\">\n<summary>Commands</summary>\n<pre tabindex=\"0\">{}</pre>\n<pre tabindex=\"0\">{}</pre>\n\
         <pre tabindex=\"0\">{}</pre>\n</details>\n</article>\n",
        escaped(&instance.id),
        escaped(&format!("cd {}", quoted(root))),
        escaped(&start_command(&instance.root)),
        escaped(&format!("silo down -C {}", quoted(root))),
    );
}

/// What is behind a route, and how good that is.
fn behind(seen: &Observed, row: &Row, listens: bool) -> (&'static str, String) {
    let by = match &row.to {
        Target::Variable(variable) => seen.served.of(variable),
        Target::Port(_) => (None, None),
    };
    match (&row.clash, by, listens) {
        (Some(other), ..) => ("bad", format!("`{other}` has this name")),
        (None, (Some(other), _), _) => ("bad", format!("taken by {other}")),
        (None, (None, Some(own)), _) => ("good", format!("listens: {own}")),
        (None, _, true) => ("good", "listens".to_owned()),
        (None, _, false) => ("idle", "nobody listens".to_owned()),
    }
}

fn route(html: &mut String, row: &Row, (tone, says): (&str, String), shared: &Shared) {
    let address = shared.running().address(&row.host);
    let leads = row.port.map_or_else(|| row.to.shown(), |port| format!("{} {port}", row.to.shown()));
    let _ = writeln!(
        html,
        "<tr><td><a id=\"r-{host}-{root}\" href=\"{}\">{host}</a></td><td>{}</td><td class=\"{tone}\">{}</td></tr>",
        escaped(&address),
        escaped(&leads),
        escaped(&says),
        host = escaped(&row.host),
        root = escaped(&row.instance),
    );
}
