//! What only shows when values are seen together: doubled names, unknown `${VAR}`, values that use each other.
//! Every profile is checked as it will be merged, so that a switch never meets a broken one.

use std::ops::Range;

use indexmap::IndexMap;

use super::memory;
use super::model::{ConfigFile, Layer, Profile, REGISTRY_PORT, Settings, Text};
use super::problem::{ConfigError, Problem, TemplateSpot};
use super::profile::merge;
use super::routes;
use super::{agents, agents_reach};
use crate::core::instance::identity::K3dParts;
use crate::core::instance::name::NAME_MAX;
use crate::core::instance::template::{self, Piece};
use crate::core::instance::vars::{HOST_VARIABLES, built_in_names};
use crate::core::leases::block::END;
use crate::core::leases::ports::blocks;
use crate::core::shell::varname;

/// Longest value and longest sum of all values, in bytes: Linux starts no program with a variable of 128 KiB, name and all,
/// and macOS none with an environment of 1 MiB.
const VALUE_MAX: usize = 120 * 1024;
const VALUES_MAX: usize = 256 * 1024;

/// Checks the base and each profile merged with it. A value of the base that only a profile cannot fill, having no cluster say,
/// is that profile's matter: those are returned.
pub(super) fn all(text: &str, file: &ConfigFile) -> Result<IndexMap<String, ConfigError>, ConfigError> {
    published_once(&file.base)?;
    one(text, &file.settings(None).expect("the base is always there"))?;
    let mut broken = IndexMap::new();
    for (name, profile) in &file.profiles {
        published_once(&merge(&file.base, profile))?;
        let settings = file.settings(Some(name)).expect("the name comes from the file");
        let Err(ConfigError { problem, span }) = one(text, &settings) else { continue };
        let is_of_base = matches!(problem, Problem::UnknownVariable { .. }) && !says(profile, &span);
        let error =
            ConfigError { problem: Problem::InProfile { profile: name.clone(), problem: Box::new(problem) }, span };
        if !is_of_base {
            return Err(error);
        }
        broken.insert(name.clone(), error);
    }
    Ok(broken)
}

/// A variable is a port of the project's own or one of a service.
fn published_once(layer: &Layer) -> Result<(), ConfigError> {
    let mut published = layer.compose.iter().flat_map(|compose| &compose.ports);
    match published.find(|(name, _)| layer.ports.contains_key(*name)) {
        None => Ok(()),
        Some((name, port)) => Err(ConfigError {
            problem: Problem::TwiceNamed { name: name.clone(), first: "ports", second: "compose.ports" },
            span: port.span.clone(),
        }),
    }
}

fn one(text: &str, settings: &Settings) -> Result<(), ConfigError> {
    let place = |words: &str| text.find(words).map_or(0..0, |at| at..at + words.len());
    if settings.ports.is_empty() && settings.compose.is_none() && settings.agents.is_empty() {
        return Err(ConfigError { problem: Problem::NoPorts, span: place("[ports]") });
    }
    if settings.registry.advertise == Some(true) && settings.registry.host.is_none() {
        let places = ["[registry]", "registry.advertise", "registry"].map(place);
        let span = places.into_iter().find(|span| !span.is_empty()).unwrap_or_default();
        return Err(ConfigError { problem: Problem::NoHost, span });
    }
    distinct(text, settings)?;
    templates(text, settings)?;
    agents_reach::check(settings)?;
    routes(text, settings)?;
    memory::check(settings)?;
    lengths(settings)
}

/// Whether a place in the file is in a template of the profile's own.
fn says(profile: &Profile, span: &Range<usize>) -> bool {
    let Layer { hosts, urls, k3d, registry, routes, .. } = &profile.layer;
    if routes
        .values()
        .any(|route| [&route.host, &route.span].iter().any(|own| own.start <= span.start && span.end <= own.end))
    {
        return true;
    }
    let tables = hosts.iter().flat_map(IndexMap::values).chain(urls.values());
    let arguments = k3d.args.iter().flatten().chain(&profile.append_args);
    let announced = k3d.registry.texts().chain(registry.texts()).map(|(_, text)| text);
    tables.chain(arguments).chain(announced).any(|text| text.span.start <= span.start && span.end <= text.span.end)
}

fn distinct(source: &str, settings: &Settings) -> Result<(), ConfigError> {
    for block in blocks(&settings.ports).into_keys() {
        let name = format!("{block}{END}");
        let texts = settings.hosts.get(&name).or_else(|| settings.urls.get(&name)).or_else(|| settings.env.get(&name));
        let span = match texts {
            Some(text) => text.span.clone(),
            None if settings.ports.contains_key(&name) || varname::check(&name).is_err() => {
                let at = source.find(&block);
                at.map_or(0..0, |at| at..at + block.len())
            }
            None => continue,
        };
        return Err(ConfigError { problem: Problem::BlockName { name, block }, span });
    }
    let twice = |name: &String, text: &Text, first, second| ConfigError {
        problem: Problem::TwiceNamed { name: name.clone(), first, second },
        span: text.span.clone(),
    };
    for (name, text) in &settings.hosts {
        if settings.ports.contains_key(name) {
            return Err(twice(name, text, "ports", "hosts"));
        }
    }
    for (table, texts) in [("urls", &settings.urls), ("env", &settings.env)] {
        for (name, text) in texts {
            if settings.ports.contains_key(name) {
                return Err(twice(name, text, "ports", table));
            }
            if settings.hosts.contains_key(name) || name == "TILT_HOST" {
                return Err(twice(name, text, "hosts", table));
            }
            if table == "env" && settings.urls.contains_key(name) {
                return Err(twice(name, text, "urls", table));
            }
        }
    }
    Ok(())
}

fn templates(source: &str, settings: &Settings) -> Result<(), ConfigError> {
    for (name, text) in &settings.hosts {
        let key = format!("hosts.{name}");
        for (variable, span) in references(source, &key, text)? {
            if HOST_VARIABLES.contains(&variable.as_str()) {
                continue;
            }
            let problem = match settings.ports.contains_key(&variable) {
                true => Problem::PortInHost { variable, key },
                false => unknown(variable, key, TemplateSpot::Hosts, HOST_VARIABLES.iter().map(ToString::to_string)),
            };
            return Err(ConfigError { problem, span });
        }
    }
    let mut known = known(settings);
    let tables = [("urls", &settings.urls, TemplateSpot::Urls), ("env", &settings.env, TemplateSpot::Env)];
    for (table, texts, spot) in tables {
        for (name, text) in texts {
            let key = format!("{table}.{name}");
            for (variable, span) in references(source, &key, text)? {
                if known.contains(&variable) {
                    continue;
                }
                let problem = match circle(source, texts, name) {
                    Some(names) => Problem::Cycle { table, names },
                    None if texts.contains_key(&variable) => Problem::Later { variable, key },
                    None if settings.env.contains_key(&variable) => Problem::EnvInUrl { variable, key },
                    None => unknown(variable, key, spot, known.iter().cloned()),
                };
                return Err(ConfigError { problem, span });
            }
            known.push(name.clone());
        }
    }
    let announced = settings.registry.texts().map(|(key, text)| (format!("registry.{key}"), text));
    all_known(source, TemplateSpot::Registry, announced, &known)?;
    agent_texts(source, settings)?;
    // These count only where there is a cluster; without one they are judged as with it.
    let with_cluster = Settings { k3d: K3dParts { cluster: true, registry: true }, ..settings.clone() };
    known.extend(built_in_names(&with_cluster).iter().map(ToString::to_string));
    known.push(REGISTRY_PORT.0.to_owned());
    let announced = settings.k3d_registry.texts().map(|(key, text)| (format!("k3d.registry.{key}"), text));
    all_known(source, TemplateSpot::Registry, announced, &known)?;
    let arguments = settings.k3d_args.iter().map(|text| ("k3d.args".to_owned(), text));
    all_known(source, TemplateSpot::K3dArgs, arguments, &known)
}

/// Makes sure that commands and variables of agents use only names that are known.
pub(super) fn agent_texts(source: &str, settings: &Settings) -> Result<(), ConfigError> {
    let values = settings.urls.keys().chain(settings.env.keys()).cloned();
    let in_agents: Vec<String> =
        known(settings).into_iter().chain(values).chain(agents::OWN.map(str::to_owned)).collect();
    all_known(source, TemplateSpot::Agents, agents::variables_of(settings), &in_agents)?;
    let in_commands: Vec<String> = in_agents.into_iter().filter(|name| name != "LLM_GATEWAY_KEY").collect();
    all_known(source, TemplateSpot::Agents, agents::commands(settings), &in_commands)
}

/// Makes sure that the hosts of `[routes]` can be filled, and come out as host names that lead to a port of the file.
fn routes(source: &str, settings: &Settings) -> Result<(), ConfigError> {
    for (host, routed) in &settings.routes {
        let (key, text) = (format!("routes.{host}"), Text { value: host.clone(), span: routed.host.clone() });
        for (variable, span) in references(source, &key, &text)? {
            let names = HOST_VARIABLES.into_iter().filter(|name| routes::is_usable(name, settings));
            let known = names.map(str::to_owned).chain(settings.hosts.keys().cloned());
            match routes::is_usable(&variable, settings) {
                true => {}
                false => {
                    return Err(ConfigError { problem: unknown(variable, key, TemplateSpot::Routes, known), span });
                }
            }
        }
    }
    routes::check(settings)
}

/// Makes sure that templates use only names that are known.
fn all_known<'a>(
    source: &str,
    spot: TemplateSpot,
    texts: impl Iterator<Item = (String, &'a Text)>,
    known: &[String],
) -> Result<(), ConfigError> {
    for (key, text) in texts {
        if let Some((variable, span)) =
            references(source, &key, text)?.into_iter().find(|(variable, _)| !known.contains(variable))
        {
            return Err(ConfigError { problem: unknown(variable, key, spot, known.iter().cloned()), span });
        }
    }
    Ok(())
}

/// Each value must fit into a variable, and all into one environment; and values built from values can double at each step.
fn lengths(settings: &Settings) -> Result<(), ConfigError> {
    let mut known: IndexMap<&str, usize> = IndexMap::new();
    let mut sum = 0_usize;
    for (name, text) in settings.hosts.iter().chain(&settings.urls).chain(&settings.env) {
        let pieces = template::parse(&text.value).unwrap_or_default();
        let length = pieces.iter().fold(0_usize, |sum, piece| match piece {
            Piece::Text(text) => sum.saturating_add(text.len()),
            Piece::Variable { name, .. } => sum.saturating_add(known.get(name.as_str()).copied().unwrap_or(NAME_MAX)),
        });
        known.insert(name, length);
        sum = sum.saturating_add(length);
        if length > VALUE_MAX || sum > VALUES_MAX {
            let problem = Problem::TooLong { key: name.clone(), alone: length > VALUE_MAX };
            return Err(ConfigError { problem, span: text.span.clone() });
        }
    }
    Ok(())
}

/// Everything a value may use before any other.
fn known(settings: &Settings) -> Vec<String> {
    let mut known: Vec<String> = built_in_names(settings).iter().map(ToString::to_string).collect();
    known.extend(settings.hosts.keys().cloned());
    known.extend(settings.ports.keys().cloned());
    known.extend(blocks(&settings.ports).into_keys().map(|block| format!("{block}{END}")));
    let published = settings.compose.iter().flat_map(|compose| compose.ports.keys());
    known.extend(published.map(|name| format!("{name}{}", template::HOST)));
    known
}

fn unknown(variable: String, key: String, spot: TemplateSpot, known: impl Iterator<Item = String>) -> Problem {
    Problem::UnknownVariable { variable, key, spot, known: known.collect() }
}

/// The names a template uses, each with its place in the file.
fn references(source: &str, key: &str, text: &Text) -> Result<Vec<(String, Range<usize>)>, ConfigError> {
    let pieces = template::parse(&text.value).map_err(|malformed| ConfigError {
        problem: Problem::Template { key: key.to_owned() },
        span: inside(source, text, &malformed.range),
    })?;
    let named = pieces.into_iter().filter_map(|piece| match piece {
        Piece::Text(_) => None,
        Piece::Variable { name, range } => Some((name, inside(source, text, &range))),
    });
    Ok(named.collect())
}

/// The place of a part of a value: exact where the file writes it without escapes, else the whole value.
fn inside(source: &str, text: &Text, part: &Range<usize>) -> Range<usize> {
    let start = text.span.start + 1;
    match source.get(start..).is_some_and(|rest| rest.starts_with(&text.value)) {
        true => start + part.start..start + part.end,
        false => text.span.clone(),
    }
}

/// The way from a value of a table back to itself through others of it, when there is one.
fn circle(source: &str, texts: &IndexMap<String, Text>, start: &str) -> Option<Vec<String>> {
    let uses = |name: &str| -> Vec<String> {
        let names = texts.get(name).and_then(|text| references(source, name, text).ok()).unwrap_or_default();
        names.into_iter().map(|(name, _)| name).filter(|name| texts.contains_key(name)).collect()
    };
    let mut seen = vec![start.to_owned()];
    let mut paths = vec![vec![start.to_owned()]];
    while let Some(path) = paths.pop() {
        for next in uses(path.last().map_or("", String::as_str)) {
            let mut longer = path.clone();
            longer.push(next.clone());
            if next == start {
                return Some(longer);
            }
            if !seen.contains(&next) {
                seen.push(next);
                paths.push(longer);
            }
        }
    }
    None
}
