//! `[routes]`: host names beside those that follow from `[urls]`, and where they lead (D29).

use std::collections::HashMap;

use indexmap::IndexMap;
use toml::de::DeValue;

use super::model::{OWN_PORTS, Routed, Settings};
use super::problem::{ConfigError, Problem};
use super::table::{Entry, Table};
use crate::core::instance::vars;
use crate::core::routes::{self, Target, host};

pub(super) use crate::core::routes::is_usable;

/// Reads the table.
pub(super) fn read(table: &Table<'_>) -> Result<IndexMap<String, Routed>, ConfigError> {
    table.entries().map(|entry| Ok((entry.key.to_owned(), routed(&entry)?))).collect()
}

fn routed(entry: &Entry<'_>) -> Result<Routed, ConfigError> {
    let host = entry.key.to_owned();
    let to = match entry.value.get() {
        DeValue::Integer(number) => {
            let port = i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|n| u16::try_from(n).ok());
            let port = port.filter(|port| *port > 0);
            let fail = || entry.value.fail(Problem::RouteTarget { host, value: number.as_str().to_owned() });
            Target::Port(port.ok_or_else(fail)?)
        }
        DeValue::Table(_) => {
            return Err(ConfigError { problem: Problem::RouteUnquoted(host), span: entry.key_span.clone() });
        }
        DeValue::String(_) => match entry.value.text()?.value {
            text if text.trim().is_empty() => {
                return Err(entry.value.fail(Problem::RouteTarget { host, value: format!("\"{text}\"") }));
            }
            variable => Target::Variable(variable),
        },
        _ => return Err(entry.value.wrong("a port variable or a port number")),
    };
    Ok(Routed { to, host: entry.key_span.clone(), span: entry.value.span() })
}

/// Makes sure that each leads to a port of the file, and that the hosts come out as host names, each once. They are filled as for
/// an instance with a short name: what only a long one makes too long is not a mistake of the file's.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    if settings.routes.is_empty() {
        return Ok(());
    }
    for (host, routed) in &settings.routes {
        let Target::Variable(variable) = &routed.to else { continue };
        if !settings.ports.contains_key(variable) && !OWN_PORTS.contains(&variable.as_str()) {
            let known = settings.ports.keys().cloned().collect();
            let problem = Problem::RoutePort { host: host.clone(), variable: variable.clone(), known };
            return Err(ConfigError { problem, span: routed.span.clone() });
        }
    }
    let ports = settings.ports.keys().map(|name| (name.clone(), 1)).collect();
    let Ok((_, vars)) = vars::of_instance(settings, "x", None, &ports, Some(0), "/") else { return Ok(()) };
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (template, routed) in &settings.routes {
        let filled = routes::declared(template, settings, &vars).unwrap_or_default();
        let problem = match (host::problem(&filled), seen.insert(filled.clone(), template)) {
            (Some(why), _) => Problem::RouteHost { host: template.clone(), why },
            (None, Some(other)) => Problem::RouteTwice { host: template.clone(), other: other.to_owned() },
            (None, None) => continue,
        };
        return Err(ConfigError { problem, span: routed.host.clone() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::core::config::parse;
    use crate::core::text::source;

    fn wrong(routes: &str) -> String {
        let text = format!("version = 1\nports.WEB_PORT = 3000\n[routes]\n{routes}\n");
        let error = parse(&text).expect_err("it is wrong");
        let place = source::locate(&text, &error.span);
        let hint = error.problem.hints().into_iter().next().unwrap_or_default();
        format!("{}:{} {}; {hint}", place.line, place.column, error.problem)
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (routes, said) in [
            (
                "\"a.test\" = \"WEB\"",
                "4:12 Route `a.test` leads to `WEB`, which is not a port here; Ports here: `WEB_PORT`",
            ),
            (
                "\"a.test\" = \"WEB_PROT\"",
                "4:12 Route `a.test` leads to `WEB_PROT`, which is not a port here; The nearest port is `WEB_PORT`",
            ),
            ("\"a.test\" = 0", "4:12 Route `a.test` has an invalid value: 0; Name a variable"),
            ("\"a.test\" = 65536", "4:12 Route `a.test` has an invalid value: 65536; Name a variable"),
            ("\"a.test\" = \"\"", "4:12 Route `a.test` has an invalid value: \"\"; Name a variable"),
            (
                "\"a.test\" = true",
                "4:12 `routes.a.test` must be a port variable or a port number, not `true` or `false`",
            ),
            ("a.test = 80", "4:1 The host `a` of `[routes]` is not in quotes; Write the whole host in quotes"),
            ("\"a_b.test\" = 80", "4:1 `a_b.test` cannot be a route: a host name has"),
            ("\"silo.localhost\" = 80", "4:1 `silo.localhost` cannot be a route: silo's proxy"),
            ("\"127.0.0.1\" = 80", "4:1 `127.0.0.1` cannot be a route: it is an address"),
            (
                "\"${name_snake}.test\" = 80\n\"${name}.test\" = 81",
                "5:1 The routes `${name_snake}.test` and `${name}.test` are one host",
            ),
            ("\"${WEB_PORT}.test\" = 80", "4:2 Unknown variable `${WEB_PORT}`"),
            (
                "\"${nam}.test\" = 80",
                "4:2 Unknown variable `${nam}` in `routes.${nam}.test`; The nearest known name is `${name}`",
            ),
            (
                "\"${COMPOSE_PROJECT_NAM}.test\" = 80",
                "4:2 Unknown variable `${COMPOSE_PROJECT_NAM}` in `routes.${COMPOSE_PROJECT_NAM}.test`; Hosts of",
            ),
            ("\"${name.test\" = 80", "4:2 Unfinished `${…}`"),
            ("\"\" = 80", "4:1 `` cannot be a route: it is empty"),
        ] {
            let got = wrong(routes);
            assert!(got.starts_with(said), "{routes}: {got}");
        }
    }

    #[test]
    fn a_profile_adds_routes_and_replaces_single_ones() {
        let file = parse(
            "version = 1\nports.A = 1\nports.B = 2\n[routes]\n\"a.test\" = \"A\"\n[profiles.p.routes]\n\"a.test\" = \"B\"\n\"b.test\" = 80\n",
        )
        .expect("it is valid");
        let shown = |profile| {
            let settings = file.settings(profile).expect("it is there");
            settings.routes.iter().map(|(host, routed)| format!("{host} {}", routed.to.shown())).collect::<Vec<_>>()
        };
        assert_eq!(shown(None), ["a.test A"]);
        assert_eq!(shown(Some("p")), ["a.test B", "b.test 80"]);
    }
}
