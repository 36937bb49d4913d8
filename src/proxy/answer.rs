//! What a request is about: a route, the page of all instances, or nothing there is.

use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::HOST;
use hyper::{Method, Request, Response, StatusCode};
use silo::core::routes::host;
use silo::core::routes::table::{Row, near};

use super::body::Answered;
use super::client::Client;
use super::forward::{Unanswered, forward};
use super::pages::{self, Page};
use super::{front, headers};

/// Names under which this machine itself is asked, and no route can be.
const SELF: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Answers one request.
pub(crate) async fn answer(client: &Arc<Client>, request: Request<Incoming>) -> Response<Answered> {
    client.guard.is_in_body(!request.body().is_end_stream());
    let wants_page = pages::wants_html(request.headers());
    let say = |page: &Page| pages::response(page, wants_page);
    if client.guard.has_refused() {
        return pages::closing(say(&Page::refused(
            "The request says its length twice: by Content-Length and by Transfer-Encoding",
        )));
    }
    if request.method() == Method::CONNECT {
        return pages::closing(say(&Page::refused("This proxy serves routes; it makes no tunnels")));
    }
    let Some(authority) = authority(&request) else {
        return pages::closing(say(&Page::refused("The request names no host, or more than one")));
    };
    let Some(name) = host::named(&authority) else {
        return say(&Page::refused("The request names a host that is not a host name"));
    };
    let running = client.shared.running();
    if name == host::FRONT {
        return front::answer(&client.shared, &request).await;
    }
    if SELF.contains(&name.as_str()) {
        return pages::redirect(&running.address(host::FRONT));
    }
    let table = client.shared.table();
    let Some(row) = table.find(&name) else {
        // A page of another site can come by a name of its own that leads here; it learns nothing.
        let hosts = if host::is_local(&name) { near(&table.rows, &name) } else { Vec::new() };
        let near: Vec<(String, String)> =
            hosts.into_iter().map(|host| (host.to_owned(), running.address(host))).collect();
        return say(&Page::unknown(&name, &near, &running.address(host::FRONT)));
    };
    let Some(port) = row.port else { return say(&Page::stopped(row)) };
    if port == client.shared.port() || headers::is_circling(request.headers()) {
        return say(&Page::circle(row, port));
    }
    match forward(client, request, port).await {
        Ok(answer) => answer,
        Err(why) => say(&unanswered(row, port, why)),
    }
}

/// The host a request is for: that of its target, else its one `Host` header.
fn authority(request: &Request<Incoming>) -> Option<String> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.as_str().to_owned());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next()?.to_str().ok()?.to_owned();
    hosts.next().is_none().then_some(host)
}

fn unanswered(row: &Row, port: u16, why: Unanswered) -> Page {
    match why {
        Unanswered::Nobody => Page::stopped(row),
        Unanswered::Broken => Page::failed(row, port, StatusCode::BAD_GATEWAY, "hung up, or what it said is no HTTP"),
        Unanswered::Late => Page::failed(row, port, StatusCode::GATEWAY_TIMEOUT, "did not begin to answer in time"),
    }
}
