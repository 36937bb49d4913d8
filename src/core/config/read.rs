//! From TOML to [`ConfigFile`]: every key by name, in the order of docs/config.md.

use indexmap::IndexMap;
use toml::de::{DeTable, DeValue};

use super::agents;
use super::compose;
use super::memory;
use super::model::{
    Advertisement, ConfigFile, DEFAULT_OUTPUT, DEFAULT_PREFIX, Gate, Hooks, K3dLayer, Layer, Need, OWN_PORTS, Profile,
    REGISTRY_PORT, Text, is_profile_name,
};
use super::problem::{ConfigError, Problem};
use super::providers;
use super::routes;
use super::table::{Entry, Table, Value, named, not_a_host};
use super::workspace;
use crate::core::instance::name;
use crate::core::leases::block;
use crate::core::leases::ports::PortSpec;

const TOP: &[&str] = &[
    "version",
    "prefix",
    "output",
    "ports",
    "compose",
    "hosts",
    "urls",
    "routes",
    "env",
    "k3d",
    "tilt",
    "hooks",
    "workspace",
    "profiles",
    "registry",
    "gates",
    "gateway",
    "agents",
    "memory",
];
const PROFILE: &[&str] =
    &["ports", "compose", "hosts", "urls", "routes", "env", "k3d", "tilt", "hooks", "workspace", "append", "registry"];
const HOOKS: &[&str] = &["pre-up", "post-up", "pre-down", "post-down"];
const REGISTRY: &[&str] = &["advertise", "host", "hostFromContainerRuntime", "hostFromClusterNetwork", "help"];
const K3D_REGISTRY: &[&str] =
    &["enabled", "advertise", "host", "hostFromContainerRuntime", "hostFromClusterNetwork", "help"];

/// Reads the whole file; references between values are checked afterwards.
pub(super) fn file(text: &str) -> Result<ConfigFile, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| ConfigError {
        problem: Problem::Syntax(error.message().to_owned()),
        span: error.span().unwrap_or(0..0),
    })?;
    let top = Table::top(document.get_ref());
    top.only(TOP)?;
    version(&top)?;
    Ok(ConfigFile {
        prefix: top.find("prefix").map_or_else(|| Ok(DEFAULT_PREFIX.to_owned()), |value| prefix(&value))?,
        output: top.find("output").map_or_else(|| Ok(DEFAULT_OUTPUT.to_owned()), |value| output(&value))?,
        base: layer(&top)?,
        profiles: profiles(&top)?,
        gates: gates(&top)?,
        gateway: top.table("gateway")?.map(|table| providers::wish(&table)).transpose()?,
        agents: top.table("agents")?.map_or_else(|| Ok(IndexMap::new()), |table| agents::read(&table))?,
        memory: top.find("memory").map(|value| memory::read(&value)).transpose()?,
        broken: IndexMap::new(),
    })
}

fn version(top: &Table<'_>) -> Result<(), ConfigError> {
    let Some(value) = top.find("version") else {
        return Err(ConfigError { problem: Problem::NoVersion, span: 0..0 });
    };
    match value.get() {
        DeValue::Integer(number) if number.as_str() == "1" && number.radix() == 10 => Ok(()),
        DeValue::Integer(number) => Err(value.fail(Problem::Version(number.as_str().to_owned()))),
        _ => Err(value.wrong("the number 1")),
    }
}

fn prefix(value: &Value<'_>) -> Result<String, ConfigError> {
    let text = value.text()?.value;
    match name::is_prefix(&text) {
        true => Ok(text),
        false => Err(value.fail(Problem::Prefix(text))),
    }
}

fn output(value: &Value<'_>) -> Result<String, ConfigError> {
    let text = value.text()?.value;
    let why = match text.as_str() {
        "" | "." => Some("it names no file"),
        _ if text.starts_with('/') => Some("it is outside the project"),
        _ if text.split('/').any(|part| part == "..") => Some("it leads out of the project"),
        _ if text.ends_with('/') => Some("it names a folder"),
        _ if text.split('/').any(|part| part.eq_ignore_ascii_case(".git")) => Some("it is git's own folder"),
        _ if text.rsplit('/').next().is_some_and(|last| last == "silo.toml" || last == ".silo.lock") => {
            Some("silo keeps something else there")
        }
        _ => None,
    };
    match why {
        None => Ok(text),
        Some(why) => Err(value.fail(Problem::Output { value: text, why })),
    }
}

fn layer(table: &Table<'_>) -> Result<Layer, ConfigError> {
    Ok(Layer {
        ports: table.table("ports")?.map_or_else(|| Ok(IndexMap::new()), |ports| named(&ports, port))?,
        hosts: table.table("hosts")?.map(|hosts| named(&hosts, |entry| entry.value.text())).transpose()?,
        urls: templates(table, "urls")?,
        routes: table.table("routes")?.map(|routes| routes::read(&routes)).transpose()?.unwrap_or_default(),
        env: templates(table, "env")?,
        k3d: table.table("k3d")?.map_or_else(|| Ok(K3dLayer::default()), |k3d| self::k3d(&k3d))?,
        compose: table.table("compose")?.map(|compose| compose::read(&compose)).transpose()?,
        tilt: match table.table("tilt")? {
            Some(tilt) => tilt.only(&["enabled"]).and_then(|()| tilt.boolean("enabled"))?,
            None => None,
        },
        hooks: table.table("hooks")?.map_or_else(|| Ok(Hooks::default()), |hooks| self::hooks(&hooks))?,
        registry: table.table("registry")?.map_or_else(
            || Ok(Advertisement::default()),
            |registry| registry.only(REGISTRY).and_then(|()| advertisement(&registry)),
        )?,
        workspace: table.table("workspace")?.map(|table| workspace::read(&table)).transpose()?.unwrap_or_default(),
    })
}

/// A table of variables that are templates.
fn templates(table: &Table<'_>, key: &str) -> Result<IndexMap<String, Text>, ConfigError> {
    table.table(key)?.map_or_else(|| Ok(IndexMap::new()), |texts| named(&texts, |entry| entry.value.text()))
}

fn port(entry: &Entry<'_>) -> Result<PortSpec, ConfigError> {
    not_a_host(entry, "ports")?;
    let invalid = |value: String| entry.value.fail(Problem::Port { name: entry.key.to_owned(), value });
    match entry.value.get() {
        DeValue::Integer(number) => {
            match i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|n| u16::try_from(n).ok()) {
                Some(0) => Ok(PortSpec::Random),
                Some(port) => Ok(PortSpec::Default(port)),
                None => Err(invalid(number.as_str().to_owned())),
            }
        }
        DeValue::String(word) if word == "random" => Ok(PortSpec::Random),
        DeValue::String(word) => Err(invalid(format!("\"{word}\""))),
        DeValue::Table(_) => block_of(entry),
        _ => Err(entry.value.wrong("a port number or \"random\"")),
    }
}

/// Neighbouring ports: `{ default = 50000, count = 61 }`.
fn block_of(entry: &Entry<'_>) -> Result<PortSpec, ConfigError> {
    let table = entry.value.table()?;
    table.only(&["default", "count"])?;
    let name = || entry.key.to_owned();
    if OWN_PORTS.contains(&entry.key) || entry.key == REGISTRY_PORT.0 {
        return Err(entry.value.fail(Problem::OwnBlock(name())));
    }
    let Some(count) = table.find("count") else { return Err(entry.value.fail(Problem::NoCount(name()))) };
    let DeValue::Integer(number) = count.get() else { return Err(count.wrong("a number")) };
    let read = i64::from_str_radix(number.as_str(), number.radix()).ok().and_then(|n| u16::try_from(n).ok());
    let Some(read) = read.filter(|read| (1..=block::MOST).contains(read)) else {
        return Err(count.fail(Problem::Count { name: name(), value: number.as_str().to_owned() }));
    };
    let first = table.entries().find(|entry| entry.key == "default");
    let default = match first.as_ref().map(|first| (first, first.value.get())) {
        Some((first, DeValue::Table(_))) => return Err(first.value.wrong("a port number or \"random\"")),
        Some((first, _)) => {
            port(&Entry { key: entry.key, key_span: entry.key_span.clone(), value: first.value.clone() })?.default()
        }
        None => None,
    };
    match default {
        Some(default) if default.checked_add(read - 1).is_none() => {
            let last = u32::from(default) + u32::from(read) - 1;
            Err(entry.value.fail(Problem::BlockEnd { name: name(), last }))
        }
        _ if read == 1 => Ok(default.map_or(PortSpec::Random, PortSpec::Default)),
        _ => Ok(PortSpec::Block { default, count: read }),
    }
}

fn k3d(table: &Table<'_>) -> Result<K3dLayer, ConfigError> {
    table.only(&["enabled", "args", "registry"])?;
    let mut layer = K3dLayer { enabled: table.boolean("enabled")?, args: table.texts("args")?, ..K3dLayer::default() };
    if let Some(registry) = table.table("registry")? {
        registry.only(K3D_REGISTRY)?;
        layer.registry_enabled = registry.boolean("enabled")?;
        layer.registry = advertisement(&registry)?;
    }
    Ok(layer)
}

fn advertisement(table: &Table<'_>) -> Result<Advertisement, ConfigError> {
    Ok(Advertisement {
        advertise: table.boolean("advertise")?,
        host: table.filled_text("host")?,
        host_from_container_runtime: table.filled_text("hostFromContainerRuntime")?,
        host_from_cluster_network: table.filled_text("hostFromClusterNetwork")?,
        help: table.text("help")?,
    })
}

fn hooks(table: &Table<'_>) -> Result<Hooks, ConfigError> {
    table.only(HOOKS)?;
    let list = |key| {
        table.texts(key).map(|texts| texts.map(|texts| texts.into_iter().map(|text| text.value).collect::<Vec<_>>()))
    };
    Ok(Hooks {
        pre_up: list("pre-up")?,
        post_up: list("post-up")?,
        pre_down: list("pre-down")?,
        post_down: list("post-down")?,
    })
}

fn profiles(top: &Table<'_>) -> Result<IndexMap<String, Profile>, ConfigError> {
    let mut profiles = IndexMap::new();
    let Some(table) = top.table("profiles")? else { return Ok(profiles) };
    for entry in table.entries() {
        if !is_profile_name(entry.key) {
            return Err(ConfigError { problem: Problem::ProfileName(entry.key.to_owned()), span: entry.key_span });
        }
        let table = entry.value.table()?;
        table.only(PROFILE)?;
        let mut profile = Profile { layer: layer(&table)?, ..Profile::default() };
        if let Some(append) = table.table("append")? {
            append.only(&["hooks", "k3d"])?;
            if let Some(table) = append.table("hooks")? {
                profile.append_hooks = hooks(&table)?;
            }
            if let Some(k3d) = append.table("k3d")? {
                k3d.only(&["args"])?;
                profile.append_args = k3d.texts("args")?.unwrap_or_default();
            }
        }
        profiles.insert(entry.key.to_owned(), profile);
    }
    Ok(profiles)
}

fn gates(top: &Table<'_>) -> Result<IndexMap<String, Need>, ConfigError> {
    let mut gates = IndexMap::new();
    let Some(table) = top.table("gates")? else { return Ok(gates) };
    for entry in table.entries() {
        let plain = entry.key.chars().all(|c| c.is_ascii_alphanumeric() || "-_.+".contains(c));
        if !plain || entry.key.is_empty() || entry.key.starts_with(['.', '-']) || entry.key == "silo" {
            return Err(ConfigError { problem: Problem::GateTool(entry.key.to_owned()), span: entry.key_span });
        }
        let text = entry.value.text()?;
        let gate = match text.value.as_str() {
            "env" => Gate::Env,
            "cluster" => Gate::Cluster,
            "tilt" => Gate::Tilt,
            "services" => Gate::Services,
            some if some.starts_with(SOME_SERVICES) => {
                let invalid = || Problem::GateServices { tool: entry.key.to_owned(), value: format!("\"{some}\"") };
                let services = some_services(&text).ok_or_else(|| entry.value.fail(invalid()))?;
                gates.insert(entry.key.to_owned(), Need { gate: Gate::Services, services });
                continue;
            }
            other => {
                let problem = Problem::GateLevel { tool: entry.key.to_owned(), value: format!("\"{other}\"") };
                return Err(entry.value.fail(problem));
            }
        };
        gates.insert(entry.key.to_owned(), Need::from(gate));
    }
    Ok(gates)
}

/// What begins a gate for some of the services.
const SOME_SERVICES: &str = "services:";

/// The services of `services:db,redis`, each with its place; none where one is not a name, or is there twice.
fn some_services(text: &Text) -> Option<Vec<Text>> {
    // Where the string has escapes, the place is the whole of it.
    let is_plain = text.span.len() == text.value.len() + 2;
    let mut services: Vec<Text> = Vec::new();
    let mut at = text.span.start + 1 + SOME_SERVICES.len();
    for name in text.value[SOME_SERVICES.len()..].split(',') {
        if !compose::is_service(name) || services.iter().any(|before| before.value == name) {
            return None;
        }
        let span = if is_plain { at..at + name.len() } else { text.span.clone() };
        services.push(Text { value: name.to_owned(), span });
        at += name.len() + 1;
    }
    Some(services)
}
