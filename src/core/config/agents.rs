//! `[agents]`: programs that run in containers of their own, behind a wall (D33).

use std::ops::Range;

use indexmap::IndexMap;
use toml::de::DeValue;

pub use super::agent::{Agent, Lifetime, Limits, Mount, Source};
use super::agents_problem::AgentsProblem as Wrong;
use super::agents_reach;
use super::model::Settings;
use super::problem::{ConfigError, Problem};
use super::providers;
use super::table::{Table, Value};
use super::text::Text;
use crate::core::shell::varname::{self, Refusal};
use crate::core::text::{amount, span};

const KEYS: &[&str] = &[
    "image",
    "build",
    "command",
    "lifetime",
    "repository",
    "memory",
    "cpus",
    "pids",
    "disk",
    "time",
    "services",
    "agents",
    "listen",
    "egress",
    "models",
    "budget",
    "env",
    "mounts",
];

/// The longest name: those of containers, networks and branches are made from it.
const NAME: usize = 24;
/// The least memory that a container starts with, in bytes; and the most of anything.
const LEAST: u64 = 6 * 1024 * 1024;
const MOST: u64 = 1 << 44;

/// Names of variables in an agent that silo sets.
pub const OWN: [&str; 10] = [
    "HOME",
    "USER",
    "SILO_AGENT",
    "SILO_AGENT_ID",
    "SILO_TASK",
    "LLM_GATEWAY_URL",
    "LLM_GATEWAY_KEY",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// Reads the table.
pub(super) fn read(table: &Table<'_>) -> Result<IndexMap<String, Agent>, ConfigError> {
    let mut agents = IndexMap::new();
    for entry in table.entries() {
        if !is_name(entry.key) {
            let problem = Problem::Agents(Wrong::Name(entry.key.to_owned()));
            return Err(ConfigError { problem, span: entry.key_span });
        }
        let table = entry.value.table()?;
        agents.insert(entry.key.to_owned(), agent(&table, entry.key, entry.key_span)?);
    }
    Ok(agents)
}

/// Whether a text can name an agent.
pub fn is_name(text: &str) -> bool {
    let is_plain = text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-');
    is_plain && text.len() <= NAME && text.starts_with(|c: char| c.is_ascii_lowercase()) && !text.ends_with('-')
}

fn agent(table: &Table<'_>, name: &str, span: Range<usize>) -> Result<Agent, ConfigError> {
    table.only(KEYS)?;
    let source = match (table.find("image"), table.find("build")) {
        (Some(image), None) => Source::Image(self::image(&image)?),
        (None, Some(build)) => Source::Build(inside(&build)?),
        _ => return Err(ConfigError { problem: Problem::Agents(Wrong::Source(name.to_owned())), span }),
    };
    let lifetime = match table.find("lifetime") {
        None => Lifetime::default(),
        Some(value) => match value.text()?.value.as_str() {
            "transient" => Lifetime::Transient,
            "persistent" => Lifetime::Persistent,
            other => return Err(wrong(&value, Wrong::Lifetime { key: value.path.clone(), value: other.to_owned() })),
        },
    };
    let wish = match (table.find("models"), table.find("budget")) {
        (None, None) => None,
        _ => Some(providers::wish_of(table)?),
    };
    let env = table.table("env")?.map(|env| variables(&env)).transpose()?.unwrap_or_default();
    Ok(Agent {
        source,
        command: table.texts("command")?.unwrap_or_default(),
        lifetime,
        repository: table.boolean("repository")?.unwrap_or(true),
        limits: limits(table, lifetime)?,
        services: table.texts("services")?.unwrap_or_default(),
        agents: table.texts("agents")?.unwrap_or_default(),
        listen: agents_reach::listen(table, name, lifetime)?,
        egress: egress(table)?,
        wish,
        env,
        mounts: mounts(table)?,
        span,
    })
}

/// Variables of any name: what changes how programs behave does so in the container alone.
fn variables(table: &Table<'_>) -> Result<IndexMap<String, Text>, ConfigError> {
    let mut variables = IndexMap::new();
    for entry in table.entries() {
        let fail = |problem| ConfigError { problem, span: entry.key_span.clone() };
        if OWN.contains(&entry.key) {
            return Err(fail(Problem::Agents(Wrong::Reserved { key: entry.value.path.clone() })));
        }
        if varname::check(entry.key) == Err(Refusal::Malformed) {
            return Err(fail(Problem::Name { name: entry.key.to_owned(), refusal: Refusal::Malformed }));
        }
        variables.insert(entry.key.to_owned(), entry.value.text()?);
    }
    Ok(variables)
}

fn wrong(value: &Value<'_>, problem: Wrong) -> ConfigError {
    value.fail(Problem::Agents(problem))
}

fn image(value: &Value<'_>) -> Result<Text, ConfigError> {
    let text = value.filled_text()?;
    let is_plain = text.value.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_./:@".contains(&c));
    match is_plain && !text.value.starts_with(['-', '.', '/', ':', '@']) && text.value.len() <= 255 {
        true => Ok(text),
        false => Err(wrong(value, Wrong::Image { key: value.path.clone(), value: text.value })),
    }
}

/// A path that stays in the project.
fn inside(value: &Value<'_>) -> Result<Text, ConfigError> {
    let text = value.filled_text()?;
    match leaves(&text.value) {
        false => Ok(text),
        true => Err(wrong(value, Wrong::Outside { key: value.path.clone(), value: text.value })),
    }
}

fn leaves(path: &str) -> bool {
    path.starts_with(['/', '~']) || path.split('/').any(|part| part == "..")
}

fn limits(table: &Table<'_>, lifetime: Lifetime) -> Result<Limits, ConfigError> {
    let mut limits = Limits::of(lifetime);
    if let Some(value) = table.find("memory") {
        limits.memory = bytes(&value, LEAST)?;
    }
    if let Some(value) = table.find("disk") {
        limits.disk = bytes(&value, 1)?;
    }
    if let Some(value) = table.find("cpus") {
        let number = match value.get() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(value.wrong("a number, such as 2 or 0.5")),
        };
        let thousandths = number.parse::<f64>().ok().map(|cpus| (cpus * 1000.0).round());
        let fits = thousandths.filter(|cpus| (10.0..=1_000_000.0).contains(cpus));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 10 and a million")]
        let cpus = fits.map(|cpus| cpus as u32);
        limits.cpus = cpus.ok_or_else(|| out_of_bounds(&value, number, "it is 0.01 to 1000"))?;
    }
    if let Some(value) = table.find("pids") {
        let DeValue::Integer(number) = value.get() else { return Err(value.wrong("a number")) };
        let read = number.as_str().parse::<u32>().ok().filter(|pids| (2..=1 << 22).contains(pids));
        limits.pids = read.ok_or_else(|| out_of_bounds(&value, number.as_str(), "it is 2 to 4194304"))?;
    }
    if let Some(value) = table.find("time") {
        let text = value.text()?.value;
        let time = span::parse(&text).map_err(|why| out_of_bounds(&value, &text, &why))?;
        limits.time = Some(time).filter(|time| !time.is_zero());
        if limits.time.is_none() {
            return Err(out_of_bounds(&value, &text, "it would end at once"));
        }
    }
    Ok(limits)
}

fn out_of_bounds(value: &Value<'_>, text: &str, why: &str) -> ConfigError {
    wrong(value, Wrong::Amount { key: value.path.clone(), value: text.to_owned(), why: why.to_owned() })
}

fn bytes(value: &Value<'_>, least: u64) -> Result<u64, ConfigError> {
    let text = match value.get() {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
        _ => value.text()?.value,
    };
    let bytes = amount::parse(&text).map_err(|why| out_of_bounds(value, &text, &why))?;
    match bytes {
        bytes if bytes < least => Err(out_of_bounds(value, &text, &format!("it is at least {least} bytes"))),
        bytes if bytes > MOST => Err(out_of_bounds(value, &text, "it is at most 16t")),
        bytes => Ok(bytes),
    }
}

fn egress(table: &Table<'_>) -> Result<Vec<Text>, ConfigError> {
    let hosts = table.texts("egress")?.unwrap_or_default();
    match hosts.iter().find(|text| !is_host(&text.value)) {
        None => Ok(hosts),
        Some(text) => {
            let (key, value) = (format!("{}.egress", table.path()), text.value.clone());
            let problem = Problem::Agents(Wrong::Egress { key, value });
            Err(ConfigError { problem, span: text.span.clone() })
        }
    }
}

/// A host name, `*.` before it or not, a port behind it or not. No address: what a name leads to is looked at.
fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let host = host.strip_prefix("*.").unwrap_or(host);
    let is_label = |label: &str| {
        let plain = label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
        plain && (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_number = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|c| c.is_ascii_digit()));
    let fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0) && !port.starts_with('+'));
    host.len() <= 253 && host.split('.').all(is_label) && !is_number && fits
}

fn mounts(table: &Table<'_>) -> Result<Vec<Mount>, ConfigError> {
    let texts = table.texts("mounts")?.unwrap_or_default();
    let key = format!("{}.mounts", table.path());
    texts
        .into_iter()
        .map(|Text { value, span }| {
            let fail = |wrong| ConfigError { problem: Problem::Agents(wrong), span: span.clone() };
            let (from, to) = value
                .split_once(':')
                .filter(|(from, to)| !from.is_empty() && is_target(to))
                .ok_or_else(|| fail(Wrong::Mount { key: key.clone(), value: value.clone() }))?;
            match leaves(from) {
                true => Err(fail(Wrong::Outside { key: key.clone(), value: from.to_owned() })),
                false => Ok(Mount { from: from.to_owned(), to: to.to_owned(), span: span.clone() }),
            }
        })
        .collect()
}

/// Where something may be mounted: a place of its own, on none of silo's, and without what separates options.
pub fn is_target(path: &str) -> bool {
    const TAKEN: [&str; 9] = ["/work", "/findings", "/memory", "/.silo", "/proc", "/sys", "/dev", "/etc", "/tmp"];
    let parts: Vec<&str> = path.split('/').collect();
    let is_taken =
        TAKEN.iter().any(|taken| path.strip_prefix(taken).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    path.len() > 1
        && path.starts_with('/')
        && !path.contains([':', ',', '"'])
        && parts[1..].iter().all(|part| !part.is_empty() && *part != "." && *part != "..")
        && !is_taken
}

/// The commands of agents, each with its key. They are in the process list, so no key of the gateway is in them.
pub(super) fn commands(settings: &Settings) -> impl Iterator<Item = (String, &Text)> {
    let agents = settings.agents.iter();
    agents.flat_map(|(name, agent)| agent.command.iter().map(move |text| (format!("agents.{name}.command"), text)))
}

/// The variables of agents, each with its key.
pub(super) fn variables_of(settings: &Settings) -> impl Iterator<Item = (String, &Text)> {
    let agents = settings.agents.iter();
    agents.flat_map(|(name, agent)| agent.env.iter().map(move |(key, text)| (format!("agents.{name}.env.{key}"), text)))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::core::config::parse;

    fn of(toml: &str) -> Result<Agent, String> {
        let file = parse(&format!("version = 1\n[compose.ports]\nDB_PORT = 'db:5432'\n[agents.scout]\n{toml}\n"));
        file.map(|file| file.agents["scout"].clone()).map_err(|error| error.problem.to_string())
    }

    #[test]
    fn what_is_not_said_has_a_limit_all_the_same() {
        let agent = of("image = 'a'").expect("it is valid");
        assert_eq!((agent.lifetime, agent.repository, agent.wish.clone()), (Lifetime::Transient, true, None));
        assert_eq!(
            agent.limits,
            Limits { memory: 1 << 30, cpus: 1000, pids: 256, disk: 2 << 30, time: Some(Duration::from_hours(1)) }
        );
        assert_eq!((agent.services.len(), agent.egress.len(), agent.mounts.len()), (0, 0, 0));
        assert_eq!(of("image = 'a'\nlifetime = 'persistent'").expect("it is valid").limits.time, None);
    }

    #[test]
    fn every_key_is_read() {
        let agent = of("build = 'agents/scout'\ncommand = ['python', 'main.py']\nrepository = false\nmemory = '512m'\ncpus = 0.5\npids = 64\n\
             disk = '1g'\ntime = '10m'\nservices = ['db']\negress = ['pypi.org', '*.example.org:8443']\nmodels = ['m']\nbudget = 3\n\
             env = { A = '${name}' }\nmounts = ['data:/data']")
        .expect("it is valid");
        let limits =
            Limits { memory: 512 << 20, cpus: 500, pids: 64, disk: 1 << 30, time: Some(Duration::from_mins(10)) };
        assert_eq!((agent.limits, agent.repository), (limits, false));
        assert_eq!(agent.wish.expect("it asks").models, ["m"]);
        assert_eq!((agent.mounts[0].from.as_str(), agent.mounts[0].to.as_str()), ("data", "/data"));
        assert!(matches!(agent.source, Source::Build(text) if text.value == "agents/scout"));
    }

    #[test]
    fn what_would_weaken_the_wall_is_refused_with_its_reason() {
        for (toml, why) in [
            ("command = ['x']", "`agents.scout` needs either `image` or `build`"),
            ("image = 'a'\nbuild = 'b'", "`agents.scout` needs either `image` or `build`"),
            ("image = '--privileged'", "`agents.scout.image` is no image: `--privileged`"),
            ("build = '../x'", "`agents.scout.build` leads out of the project: `../x`"),
            ("image = 'a'\nlifetime = 'for ever'", "`agents.scout.lifetime` has an invalid value: `for ever`"),
            ("image = 'a'\nmemory = '1m'", "`agents.scout.memory` cannot be `1m`: it is at least 6291456 bytes"),
            ("image = 'a'\ncpus = 0", "`agents.scout.cpus` cannot be `0`: it is 0.01 to 1000"),
            ("image = 'a'\ncpus = nan", "`agents.scout.cpus` cannot be `nan`: it is 0.01 to 1000"),
            ("image = 'a'\npids = 1", "`agents.scout.pids` cannot be `1`: it is 2 to 4194304"),
            ("image = 'a'\ntime = '0s'", "`agents.scout.time` cannot be `0s`: it would end at once"),
            (
                "image = 'a'\nservices = ['web']",
                "`agents.scout.services` names `web`, which has no port in `[compose.ports]`",
            ),
            ("image = 'a'\negress = ['10.0.0.1']", "`agents.scout.egress` has an invalid host: `10.0.0.1`"),
            ("image = 'a'\negress = ['*']", "`agents.scout.egress` has an invalid host: `*`"),
            ("image = 'a'\negress = ['a.b:0']", "`agents.scout.egress` has an invalid host: `a.b:0`"),
            (
                "image = 'a'\nmounts = ['/var/run/docker.sock:/x']",
                "`agents.scout.mounts` leads out of the project: `/var/run/docker.sock`",
            ),
            ("image = 'a'\nmounts = ['a/../..:/x']", "`agents.scout.mounts` leads out of the project: `a/../..`"),
            ("image = 'a'\nmounts = ['a:/work/x']", "`agents.scout.mounts` has an invalid mount: `a:/work/x`"),
            ("image = 'a'\nmounts = ['a:/x,rw']", "`agents.scout.mounts` has an invalid mount: `a:/x,rw`"),
            ("image = 'a'\nenv = { HOME = 'x' }", "`agents.scout.env.HOME` is set by silo"),
            ("image = 'a'\nenv = { A = '${NAM}' }", "Unknown variable `${NAM}` in `agents.scout.env.A`"),
            (
                "image = 'a'\ncommand = ['${LLM_GATEWAY_KEY}']",
                "Unknown variable `${LLM_GATEWAY_KEY}` in `agents.scout.command`",
            ),
            ("image = 'a'\ncommand = ['${TASK}']", "Unknown variable `${TASK}` in `agents.scout.command`"),
            ("image = 'a'\nprivileged = true", "Unknown key `privileged` in `agents.scout`"),
        ] {
            assert_eq!(of(toml).expect_err(toml), why, "{toml}");
        }
        let name = parse("version = 1\n[agents.'A/b']\nimage = 'a'\n").expect_err("it is not a name");
        assert_eq!(name.problem.to_string(), "`A/b` cannot name an agent");
    }
}
