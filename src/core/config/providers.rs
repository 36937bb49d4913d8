//! The gateway's file, `$XDG_CONFIG_HOME/silo/gateway.toml` (D34): providers with their keys, models and prices, and what instances
//! may have. Strict like `silo.toml`: a limit that is mistyped would be none.

use std::fmt;
use std::time::Duration;

use indexmap::IndexMap;
use toml::de::{DeTable, DeValue};

use super::near;
use super::problem::{ConfigError, Problem};
use super::providers_problem::ProvidersProblem as Wrong;
use super::table::{Entry, Table, Value};
use crate::core::gateway::amount::{Budget, Money};
use crate::core::gateway::api::Shape;
use crate::core::gateway::catalog::{Model, Prices};
use crate::core::gateway::keys::Wish;
use crate::core::gateway::pace::Limits;
use crate::core::text::span;

/// The port of the gateway when `port` is absent.
pub const PORT: u16 = 7451;
/// The JSON Schema of the file, for editors; a test keeps it at what [`parse`] takes.
pub const SCHEMA: &str = include_str!("../../../docs/schema/gateway.schema.json");
/// How long a provider may be silent when `timeout` is absent.
const TIMEOUT: Duration = Duration::from_mins(10);
/// The longest name of a model.
const NAME: usize = 200;

/// The file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Providers {
    /// The port of loopback the gateway listens on.
    pub port: u16,
    /// `[providers]`, in declared order.
    pub providers: IndexMap<String, Provider>,
    /// `[instances]`: what an instance may have that asks by `[gateway]`; without it none gets a key.
    pub instances: Option<Allowance>,
}

impl Default for Providers {
    fn default() -> Self {
        Self { port: PORT, providers: IndexMap::new(), instances: None }
    }
}

/// One provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// How it is asked.
    pub shape: Shape,
    /// Where it is.
    pub url: Url,
    /// Its key.
    pub key: KeySource,
    /// A file with the certificates of who signs its own, where that is nobody known.
    pub ca: Option<String>,
    /// How long it may be silent.
    pub timeout: Duration,
    /// `models`, in declared order.
    pub models: IndexMap<String, Model>,
}

/// An address, in the parts that are needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// Whether it is asked over TLS.
    pub is_tls: bool,
    /// The host, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// What comes before every path, without a slash at its end.
    pub base: String,
}

impl Url {
    /// As `Host` has it.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let usual = if self.is_tls { 443 } else { 80 };
        if self.port == usual { host } else { format!("{host}:{}", self.port) }
    }
}

/// Where a provider's key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// It needs none.
    None,
    /// From the file.
    Text(Secret),
    /// A command prints it.
    Command(String),
}

/// What nothing may show.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// A key, without what stands around it; none where no header can carry it.
    pub fn of(text: &str) -> Option<Self> {
        let text = text.trim();
        let is_word = !text.is_empty() && text.len() <= 8192 && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_word.then(|| Self(text.to_owned()))
    }

    /// A password, which may be any text.
    pub fn whole(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The key itself, for who is asked alone.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// What an instance may have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Allowance {
    /// What each may spend in all.
    pub budget: Budget,
    /// The models each may ask; empty is every one of the file.
    pub models: Vec<String>,
    /// What each may take in a minute.
    pub limits: Limits,
}

impl Providers {
    /// The provider that offers a model in a shape.
    pub fn offering(&self, shape: Shape, model: &str) -> Option<(&str, &Provider, &Model)> {
        let mut of_shape = self.providers.iter().filter(|(_, provider)| provider.shape == shape);
        of_shape.find_map(|(name, provider)| Some((name.as_str(), provider, provider.models.get(model)?)))
    }

    /// Every model, each name once.
    pub fn models(&self) -> impl Iterator<Item = (&str, &Provider, &Model)> {
        let all = self.providers.iter();
        all.flat_map(|(name, provider)| provider.models.values().map(move |model| (name.as_str(), provider, model)))
    }
}

/// Reads the file.
///
/// # Errors
/// The first [`ConfigError`], with its place.
pub fn parse(text: &str) -> Result<Providers, ConfigError> {
    let document = DeTable::parse(text).map_err(|error| ConfigError {
        problem: Problem::Syntax(error.message().to_owned()),
        span: error.span().unwrap_or(0..0),
    })?;
    let top = Table::top(document.get_ref());
    top.only(&["port", "providers", "instances"])?;
    let mut file = Providers::default();
    if let Some(value) = top.find("port") {
        let port = u16::try_from(number(&value)?).ok();
        file.port = port.ok_or_else(|| not_a_number(&value))?;
    }
    if let Some(table) = top.table("providers")? {
        for entry in table.entries() {
            check_name(&entry)?;
            let provider = provider(&entry)?;
            for model in provider.models.values() {
                if let Some((first, ..)) = file.offering(provider.shape, &model.name) {
                    let (first, second) = (first.to_owned(), entry.key.to_owned());
                    return Err(wrong(&entry.value, Wrong::Twice { model: model.name.clone(), first, second }));
                }
            }
            file.providers.insert(entry.key.to_owned(), provider);
        }
    }
    file.instances = top.table("instances")?.map(|table| allowance(&table)).transpose()?;
    if let Some(value) = top.find("instances").filter(|_| {
        let allowance = file.instances.as_ref();
        allowance.is_some_and(|allowance| allowance.budget.is_endless())
    }) {
        return Err(wrong(&value, Wrong::Missing { table: "instances".to_owned(), key: "budget" }));
    }
    Ok(file)
}

fn wrong(value: &Value<'_>, problem: Wrong) -> ConfigError {
    value.fail(Problem::Gateway(problem))
}

fn check_name(entry: &Entry<'_>) -> Result<(), ConfigError> {
    let is_name = !entry.key.is_empty()
        && entry.key.len() <= NAME
        && !entry.key.chars().any(|c| c.is_whitespace() || c.is_control())
        && entry.key != "-";
    match is_name {
        true => Ok(()),
        false => Err(ConfigError {
            problem: Problem::Gateway(Wrong::Name(entry.key.to_owned())),
            span: entry.key_span.clone(),
        }),
    }
}

fn provider(entry: &Entry<'_>) -> Result<Provider, ConfigError> {
    let table = entry.value.table()?;
    table.only(&["shape", "url", "key", "key_command", "ca", "timeout", "models"])?;
    let path = || entry.value.path.clone();
    let missing = |key| wrong(&entry.value, Wrong::Missing { table: path(), key });
    let shape = table.find("shape").ok_or_else(|| missing("shape"))?;
    let word = shape.text()?.value;
    let invalid = || wrong(&shape, Wrong::Shape { key: shape.path.clone(), value: word.clone() });
    let shape = Shape::named(&word).ok_or_else(invalid)?;
    let address = table.find("url").ok_or_else(|| missing("url"))?;
    let url = parts(&address)?;
    let key = match (table.find("key"), table.filled_text("key_command")?) {
        (None, None) => KeySource::None,
        (Some(value), Some(_)) => return Err(wrong(&value, Wrong::TwoKeys(path()))),
        (Some(value), None) => {
            let secret = Secret::of(&value.text()?.value).ok_or_else(|| wrong(&value, Wrong::KeyText(path())))?;
            KeySource::Text(secret)
        }
        (None, Some(command)) => KeySource::Command(command.value),
    };
    if !url.is_tls && key != KeySource::None && !near::is_near(&url.host) {
        return Err(wrong(&address, Wrong::InTheClear(path())));
    }
    let timeout = match table.find("timeout") {
        None => TIMEOUT,
        Some(value) => {
            let text = value.text()?.value;
            let time = span::parse(&text).ok().filter(|time| !time.is_zero());
            time.ok_or_else(|| wrong(&value, Wrong::Time { key: value.path.clone(), value: text }))?
        }
    };
    let Some(list) = table.table("models")? else { return Err(missing("models")) };
    let mut models = IndexMap::new();
    for entry in list.entries() {
        check_name(&entry)?;
        models.insert(entry.key.to_owned(), model(&entry)?);
    }
    let ca = table.filled_text("ca")?.map(|text| text.value);
    Ok(Provider { shape, url, key, ca, timeout, models })
}

fn model(entry: &Entry<'_>) -> Result<Model, ConfigError> {
    let table = entry.value.table()?;
    table.only(&["input", "output", "cache_read", "cache_write", "cache_write_hour", "window", "max_output"])?;
    let missing = |key| wrong(&entry.value, Wrong::Missing { table: entry.value.path.clone(), key });
    let price = |key| table.find(key).map(|value| price(&value)).transpose();
    let input = price("input")?.ok_or_else(|| missing("input"))?;
    let cache_write = price("cache_write")?.unwrap_or(input);
    let prices = Prices {
        input,
        output: price("output")?.ok_or_else(|| missing("output"))?,
        // Who says nothing of a cache is counted as if there were none.
        cache_read: price("cache_read")?.unwrap_or(input),
        cache_write,
        cache_write_hour: price("cache_write_hour")?.unwrap_or(cache_write),
    };
    let window = table.find("window").map(|value| number(&value)).transpose()?.ok_or_else(|| missing("window"))?;
    let max_output = table.find("max_output").map(|value| number(&value)).transpose()?;
    Ok(Model { name: entry.key.to_owned(), prices, window, max_output })
}

fn allowance(table: &Table<'_>) -> Result<Allowance, ConfigError> {
    table.only(&["budget", "models", "requests", "tokens"])?;
    let models = table.texts("models")?.unwrap_or_default().into_iter().map(|text| text.value).collect();
    let limit = |key| table.find(key).map(|value| number(&value)).transpose();
    let limits = Limits { requests: limit("requests")?, tokens: limit("tokens")? };
    Ok(Allowance {
        budget: table.find("budget").map(|value| budget(&value)).transpose()?.unwrap_or_default(),
        models,
        limits,
    })
}

/// `[gateway]` of a `silo.toml`.
pub(super) fn wish(table: &Table<'_>) -> Result<Wish, ConfigError> {
    table.only(&["models", "budget"])?;
    wish_of(table)
}

/// The same keys in a table that has others beside them.
pub(super) fn wish_of(table: &Table<'_>) -> Result<Wish, ConfigError> {
    let models = table.texts("models")?.unwrap_or_default().into_iter().map(|text| text.value).collect();
    Ok(Wish { models, budget: table.find("budget").map(|value| budget(&value)).transpose()?.unwrap_or_default() })
}

/// The address of a gateway on a port of this machine.
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

/// A budget: money as a number, tokens as a string, or a list of both.
fn budget(value: &Value<'_>) -> Result<Budget, ConfigError> {
    let text = match value.get() {
        DeValue::String(text) => text.to_string(),
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => return Err(value.wrong("money as a number, or tokens as a string")),
    };
    Budget::parse_all(&text).ok_or_else(|| wrong(value, Wrong::Budget { key: value.path.clone(), value: text }))
}

fn price(value: &Value<'_>) -> Result<Money, ConfigError> {
    let text = match value.get() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        DeValue::Float(number) => number.as_str().to_owned(),
        _ => return Err(value.wrong("a price as a number")),
    };
    Money::per_token(&text).ok_or_else(|| wrong(value, Wrong::Price { key: value.path.clone(), value: text }))
}

fn number(value: &Value<'_>) -> Result<u64, ConfigError> {
    let DeValue::Integer(number) = value.get() else { return Err(value.wrong("a number")) };
    let read = u64::from_str_radix(number.as_str(), number.radix()).ok();
    read.filter(|number| (1..1 << 40).contains(number)).ok_or_else(|| not_a_number(value))
}

fn not_a_number(value: &Value<'_>) -> ConfigError {
    let written = value.get().as_integer().map(|number| number.as_str().to_owned()).unwrap_or_default();
    wrong(value, Wrong::Number { key: value.path.clone(), value: written })
}

fn parts(value: &Value<'_>) -> Result<Url, ConfigError> {
    let text = value.text()?.value;
    let refuse = |why| wrong(value, Wrong::Url { key: value.path.clone(), value: shown(&text), why });
    let (is_tls, rest) = match text.split_once("://") {
        Some(("https", rest)) => (true, rest),
        Some(("http", rest)) => (false, rest),
        _ => return Err(refuse("it begins with neither `https://` nor `http://`")),
    };
    let (authority, base) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
    if authority.contains('@') {
        return Err(refuse("it has a user in it; keys go below `key`"));
    }
    let is_plain = |text: &str, more: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c));
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => authority.split_once(':').map_or((authority, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        None => Some(if is_tls { 443 } else { 80 }),
        Some(port) => port.parse().ok().filter(|port| *port > 0),
    };
    if host.is_empty() || !is_plain(host, "-._:") {
        return Err(refuse("it has no host name"));
    }
    let base = base.trim_end_matches('/');
    // The paths that are sent begin with it.
    let base = base.strip_suffix("/v1").unwrap_or(base);
    if !is_plain(base, "/-._~") || base.split('/').any(|part| part == ".." || part == ".") || base.contains("//") {
        return Err(refuse("its path is none"));
    }
    let port = port.ok_or_else(|| refuse("its port is none"))?;
    Ok(Url { is_tls, host: host.to_ascii_lowercase(), port, base: base.to_owned() })
}

/// An address without what may be a secret in it.
fn shown(url: &str) -> String {
    match url.rsplit_once('@') {
        Some((_, host)) => format!("…@{host}"),
        None => url.to_owned(),
    }
}

#[cfg(test)]
mod tests;
