//! Routes (D29): which host name leads to which port of an instance. What should be reachable follows from `[urls]` and
//! `[routes]`; what is reachable is asked of the system.
//!
//! A route names the variable of a port and not its number: where a lease moves, the registry says so at once.

pub mod host;
pub mod record;
pub mod serve;
pub mod table;
pub mod target;

use crate::core::config::model::Settings;
use crate::core::instance::template;
use crate::core::instance::vars::{TEMPLATE_NAMES, Vars};
use indexmap::IndexMap;

pub use target::{Route, Target};

/// The routes of an instance in declared order: those that follow from its URLs, then those of `[routes]`, which take the
/// place of one of the same host. A name that came out as no host name, being too long say, has none.
pub fn of(settings: &Settings, vars: &Vars) -> Vec<Route> {
    let mut routes = of_urls(settings, vars);
    for (template, routed) in &settings.routes {
        if let Some(host) = declared(template, settings, vars).filter(|name| host::problem(name).is_none()) {
            routes.insert(host, routed.to.clone());
        }
    }
    routes.into_iter().map(|(host, to)| Route { host, to }).collect()
}

/// The host a key of `[routes]` stands for.
pub fn declared(template: &str, settings: &Settings, vars: &Vars) -> Option<String> {
    let lookup = |name: &str| {
        let value = vars.names.get(name).map(String::as_str).or_else(|| vars.get(name));
        value.filter(|_| is_usable(name, settings))
    };
    template::expand(template, lookup).ok().map(|host| host.to_ascii_lowercase())
}

/// Whether a key of `[routes]` may use a name: those of templates, and hosts.
pub fn is_usable(name: &str, settings: &Settings) -> bool {
    TEMPLATE_NAMES.contains(&name) || name == "WORKSPACE_NAME" || settings.hosts.contains_key(name)
}

/// What the URLs say: the first one on a host has it, and each further port on it a name below it.
fn of_urls(settings: &Settings, vars: &Vars) -> IndexMap<String, Target> {
    let places = places(settings, vars);
    let mut routes: IndexMap<String, Target> = IndexMap::new();
    for (host, variable) in &places {
        routes.entry(host.clone()).or_insert_with(|| Target::Variable(variable.clone()));
    }
    let mut further: Vec<(&str, &str)> = Vec::new();
    for (host, variable) in &places {
        let is_first = routes.get(host) == Some(&Target::Variable(variable.clone()));
        if is_first || further.contains(&(host, variable)) {
            continue;
        }
        further.push((host, variable));
        let label = host::label(variable);
        let numbered = (2..100).map(|number| format!("{label}-{number}"));
        let mut names = [label.clone(), host::whole_label(variable)].into_iter().chain(numbered);
        let below = names.find_map(|label| {
            let name = format!("{label}.{host}");
            (!routes.contains_key(&name) && host::problem(&name).is_none()).then_some(name)
        });
        if let Some(name) = below {
            routes.insert(name, Target::Variable(variable.clone()));
        }
    }
    routes
}

/// The host and the port's variable of each URL that has both: a host of the instance or a name below one.
fn places(settings: &Settings, vars: &Vars) -> Vec<(String, String)> {
    let hosts: Vec<String> =
        settings.hosts.keys().filter_map(|name| vars.get(name)).map(str::to_ascii_lowercase).collect();
    let is_below = |host: &str, own: &str| host.strip_suffix(own).is_some_and(|before| before.ends_with('.'));
    let is_own = |host: &str| hosts.iter().any(|own| host == own || is_below(host, own));
    // A port is filled in as a mark with its name, so that which variable it is does not hang on numbers.
    let mut known: IndexMap<&str, String> = vars.iter().map(|(name, value)| (name, value.to_owned())).collect();
    known.extend(vars.names.iter().map(|(name, value)| (name.as_str(), value.clone())));
    known.extend(settings.ports.keys().map(|name| (name.as_str(), format!("{MARK}{name}{MARK}"))));
    let mut places = Vec::new();
    for (name, text) in &settings.urls {
        let Ok(url) = template::expand(&text.value, |name| known.get(name).map(String::as_str)) else { continue };
        places.extend(place(&url).filter(|(host, _)| is_own(host) && host::problem(host).is_none()));
        known.insert(name, url);
    }
    places
}

/// What stands around a port's name in a URL; no `silo.toml` has it in a value that is filled here and means something.
const MARK: char = '\u{1}';

/// The host of an unencrypted address, and the variable of its port.
fn place(url: &str) -> Option<(String, String)> {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("ws://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (host, port) = authority.rsplit('@').next()?.rsplit_once(':')?;
    let variable = port.strip_prefix(MARK)?.strip_suffix(MARK).filter(|name| !name.contains(MARK))?;
    Some((host.to_ascii_lowercase(), variable.to_owned()))
}

#[cfg(test)]
mod tests;
