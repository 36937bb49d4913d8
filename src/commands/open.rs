//! `silo open [NAME]`: a URL of the instance in the browser.

use std::path::Path;
use std::time::Duration;

use super::get;
use crate::core::shell::environment::Environment;
use crate::failure::Failure;
use crate::parts::context::Context;
use crate::store::stamp::Known;
use crate::store::{proxy, routes};
use crate::sys::cmd::{self, Cmd};

/// How long an opener may take to hand the address over.
const HANDED: Duration = Duration::from_secs(5);

pub(super) fn run(context: &Context, name: Option<&str>, of: Option<&str>, print: bool) -> Result<u8, Failure> {
    let known = get::known(context, of)?;
    let url = match name {
        Some(name) => web_address(name, get::value(&known, name)?)?,
        None => first(&known)?,
    };
    context.ui.answer(&format!("{url}\n"))?;
    if let Some(routed) = routed(context, &known, url) {
        context.ui.step(&format!("Through the proxy: {routed}"));
    }
    if print {
        return Ok(0);
    }
    let Some((program, arguments)) = opener(&context.environment, url) else {
        return Err(Failure::new("No program to open a URL with was found")
            .hint("Set BROWSER to one, or open the address by hand; `silo open --print` only prints it"));
    };
    let environment = context.outside();
    let arguments = arguments.into_iter().map(Into::into).collect();
    let cmd = Cmd { program: &program, arguments, environment: &environment, folder: Path::new("/") };
    cmd.hand_over(HANDED)?;
    Ok(0)
}

/// The address of the same by its route, where a proxy runs and has one for its port.
fn routed(context: &Context, known: &Known, url: &str) -> Option<String> {
    let running = proxy::running(&context.dirs)?;
    let rest = url.strip_prefix("http://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let (host, port) = authority.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let rows = routes::all(&context.dirs).ok()?;
    let root = known.get("SILO_ROOT")?;
    let own = || rows.iter().filter(|row| row.root == root && row.clash.is_none() && row.port == Some(port));
    let row = own().find(|row| row.host == host.to_ascii_lowercase()).or_else(|| own().next())?;
    Some(running.address(&row.host) + path)
}

/// The first URL of `silo.toml` that a browser can open.
fn first(known: &Known) -> Result<&str, Failure> {
    let all = known.vars.iter().map(|(_, value)| value.as_str());
    all.into_iter().find(|value| is_web_address(value)).ok_or_else(|| {
        Failure::new(format!("No variable of `{}` is a web address", known.name))
            .hint("Add one to `silo.toml`, such as `WEB_URL = \"http://${APP_HOST}:${WEB_PORT}\"` below `[urls]`")
    })
}

fn web_address<'a>(name: &str, value: &'a str) -> Result<&'a str, Failure> {
    match is_web_address(value) {
        true => Ok(value),
        false => Err(Failure::new(format!("`{name}` is not a web address: `{value}`"))
            .hint(format!("Only http:// and https:// are opened; `silo get {name}` prints the value"))),
    }
}

/// A `silo.toml` may come from a stranger: nothing but the web is handed to the desktop, which would run other things.
fn is_web_address(value: &str) -> bool {
    let rest = value.strip_prefix("http://").or_else(|| value.strip_prefix("https://"));
    let odd = |c: char| c.is_control() || c.is_whitespace() || "`'\"\\<>{}|^$();".contains(c);
    rest.is_some_and(|rest| !rest.is_empty() && !value.contains(odd))
}

/// What opens an address: the first installed program of `$BROWSER`, else the desktop's own.
fn opener(environment: &Environment, url: &str) -> Option<(String, Vec<String>)> {
    let named = environment.text("BROWSER").unwrap_or_default().split(':').filter_map(|command| {
        let mut words = shell_words::split(command).ok()?;
        let had_place = words.iter().any(|word| word.contains("%s"));
        // Inside a word it may be read by a shell, to which even `&` says something.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#@=%+,".contains(c);
        if words.iter().any(|word| word.contains("%s") && word != "%s") && !url.chars().all(plain) {
            return None;
        }
        for word in &mut words {
            *word = word.replace("%s", url);
        }
        if !had_place {
            words.push(url.to_owned());
        }
        let program = words.remove(0);
        Some((program, words))
    });
    let desktop = ["xdg-open", "open", "wslview"].map(|program| (program.to_owned(), vec![url.to_owned()]));
    let installed = |program: &str| program.starts_with('/') || cmd::find(program, environment).is_some();
    named.chain(desktop).find(|(program, _)| installed(program))
}
