//! Pages of the proxy's own, for people with a browser and for those without: a text says the same. Everything from outside is
//! escaped; no page but that of all instances has a script.

use std::path::Path;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONNECTION, HeaderMap, HeaderName, HeaderValue, LOCATION};
use hyper::{Response, StatusCode};
use silo::core::routes::table::Row;
use silo::core::text::source::one_line;
use silo::failure::quoted;

use super::body::{Answered, own};

/// How every page looks, in light and dark.
pub(super) const STYLE: &str = include_str!("pages.css");

/// A page that says why there is no answer, and how to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page {
    status: StatusCode,
    title: String,
    says: Vec<String>,
    commands: Vec<String>,
    links: Vec<(String, String)>,
}

/// The command that starts an instance, whatever folder it is typed in.
pub(super) fn start_command(root: &str) -> String {
    format!("silo up -d -C {}", quoted(Path::new(root)))
}

impl Page {
    fn new(status: StatusCode, title: String) -> Self {
        Self { status, title, says: Vec::new(), commands: Vec::new(), links: Vec::new() }
    }

    /// A request that is not understood or not allowed.
    pub(crate) fn refused(why: &str) -> Self {
        Self { says: vec![why.to_owned()], ..Self::new(StatusCode::BAD_REQUEST, "Not understood".to_owned()) }
    }

    /// Nobody listens behind a route.
    pub(crate) fn stopped(row: &Row) -> Self {
        let Row { host, instance, root, to, port, .. } = row;
        let leads = match port {
            Some(port) => format!("{host} leads to {} of `{instance}`, port {port}. Nobody listens there.", to.shown()),
            None => format!("{host} leads to {} of `{instance}`, which has no port yet.", to.shown()),
        };
        let start = "Start the instance, or the program that listens on this port:".to_owned();
        Self {
            says: vec![leads, start],
            commands: vec![start_command(root)],
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, format!("{instance} does not answer"))
        }
    }

    /// Who listens behind a route does not answer as it should.
    pub(crate) fn failed(row: &Row, port: u16, status: StatusCode, how: &str) -> Self {
        let Row { host, instance, root, to, .. } = row;
        let says = format!("{host} leads to {} of `{instance}`. Who listens on port {port} {how}.", to.shown());
        Self {
            says: vec![says, "See who that is, and what it says:".to_owned()],
            commands: vec![format!("silo who {port}"), format!("silo logs -C {}", quoted(Path::new(root)))],
            ..Self::new(status, format!("{instance} gave no answer"))
        }
    }

    /// A route that leads back to the proxy.
    pub(crate) fn circle(row: &Row, port: u16) -> Self {
        let Row { host, instance, to, .. } = row;
        let says =
            format!("{host} leads to {} of `{instance}`, port {port}, and from there back to this proxy.", to.shown());
        Self { says: vec![says], ..Self::new(StatusCode::LOOP_DETECTED, "A route in a circle".to_owned()) }
    }

    /// A host without a route; `near` are hosts like it with their addresses.
    pub(crate) fn unknown(host: &str, near: &[(String, String)], front: &str) -> Self {
        let mut says = vec![format!("No instance has the route {host}.")];
        if !near.is_empty() {
            says.push("The nearest are:".to_owned());
        }
        let mut links = near.to_vec();
        links.push(("all instances".to_owned(), front.to_owned()));
        Self { says, links, ..Self::new(StatusCode::NOT_FOUND, "No such route".to_owned()) }
    }

    /// Something of the page of all instances that may not be asked for so.
    pub(crate) fn forbidden(why: &str) -> Self {
        Self { says: vec![why.to_owned()], ..Self::new(StatusCode::FORBIDDEN, "Not allowed".to_owned()) }
    }

    /// An address of the proxy's own that there is not, or a method.
    pub(crate) fn nothing(status: StatusCode) -> Self {
        let says = "The page of all instances is at `/`, and can be read alone.".to_owned();
        Self { says: vec![says], ..Self::new(status, "Nothing here".to_owned()) }
    }

    fn text(&self) -> String {
        let mut text = format!("{}\n", one_line(&self.title));
        self.says.iter().for_each(|line| text.push_str(&format!("{}\n", one_line(line))));
        self.commands.iter().for_each(|line| text.push_str(&format!("  {}\n", one_line(line))));
        self.links
            .iter()
            .for_each(|(name, address)| text.push_str(&format!("  {}  {}\n", one_line(name), one_line(address))));
        text
    }

    fn html(&self) -> String {
        let mut body = format!("<h1>{}</h1>\n", escaped(&self.title));
        self.says.iter().for_each(|line| body.push_str(&format!("<p>{}</p>\n", marked(line))));
        self.commands.iter().for_each(|line| body.push_str(&format!("<pre tabindex=\"0\">{}</pre>\n", escaped(line))));
        if !self.links.is_empty() {
            let link = |(name, address): &(String, String)| {
                format!("<li><a href=\"{}\">{}</a></li>\n", escaped(address), escaped(name))
            };
            body.push_str(&format!("<ul>\n{}</ul>\n", self.links.iter().map(link).collect::<String>()));
        }
        document(&format!("{} {}", self.status.as_u16(), self.title), "", &format!("<main>\n{body}</main>"))
    }
}

/// A whole document; `head` and `body` are markup.
pub(super) fn document(title: &str, head: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <style>\n{STYLE}</style>\n{head}\n<body>\n{body}\n</body>\n</html>\n",
        escaped(title)
    )
}

/// A sentence as markup, with what stands in backticks as code.
fn marked(text: &str) -> String {
    let pieces = text.split('`').map(escaped).enumerate();
    pieces.map(|(at, piece)| if at % 2 == 0 { piece } else { format!("<code>{piece}</code>") }).collect()
}

/// A text as markup that shows it.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c if c.is_control() => safe.push('\u{fffd}'),
            c => safe.push(c),
        }
    }
    safe
}

/// Whether who asks reads pages.
pub(crate) fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// An answer of the proxy's own.
pub(crate) fn response(page: &Page, as_html: bool) -> Response<Answered> {
    match as_html {
        true => with_headers(page.status, "text/html; charset=utf-8", page.html()),
        false => with_headers(page.status, "text/plain; charset=utf-8", page.text()),
    }
}

/// An answer that no other page can read or frame, and nobody keeps.
pub(super) fn with_headers(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Answered> {
    const ALL: [(&str, &str); 6] = [
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "deny"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        (
            "content-security-policy",
            "default-src 'none'; style-src 'unsafe-inline'; script-src 'self'; connect-src 'self'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'",
        ),
    ];
    let mut response = Response::new(own(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in ALL.into_iter().chain([("content-type", kind)]) {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}

/// The same, and the connection ends.
pub(crate) fn closing(mut response: Response<Answered>) -> Response<Answered> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// A way to another address.
pub(crate) fn redirect(to: &str) -> Response<Answered> {
    let mut response = with_headers(StatusCode::FOUND, "text/plain; charset=utf-8", format!("{to}\n"));
    if let Ok(to) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, to);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_text_on_every_page() {
        let evil = "<script>alert('1')</script>\"&\n";
        let row = Row {
            host: evil.into(),
            instance: evil.into(),
            root: evil.into(),
            to: silo::core::routes::Target::Variable(evil.into()),
            port: Some(1),
            clash: None,
        };
        let near = [(evil.to_owned(), evil.to_owned())];
        for page in [
            Page::stopped(&row),
            Page::failed(&row, 1, StatusCode::BAD_GATEWAY, evil),
            Page::circle(&row, 1),
            Page::unknown(evil, &near, evil),
            Page::refused(evil),
        ] {
            let html = page.html();
            let main = html.split_once("<main>").expect("it has one").1;
            assert!(!main.contains("<script") && !main.contains('\'') && !main.contains("&\n"), "{html}");
            assert!(page.text().lines().all(|line| !line.starts_with("Hint")), "{}", page.text());
        }
    }
}
