//! Everything that can be wrong with a `silo.toml`, and its texts: read together, they speak with one voice.

use std::ops::Range;

use super::agents_problem::AgentsProblem;
use super::memory_problem::MemoryProblem;
use super::providers_problem::ProvidersProblem;
use crate::core::shell::varname::Refusal;
use crate::core::text::suggest::{nearest, ticked};

/// A problem and where it is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// What is wrong.
    pub problem: Problem,
    /// Where, in bytes of the file.
    pub span: Range<usize>,
}

/// Which kind of template an unknown `${VAR}` stands in: they may use different names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TemplateSpot {
    /// `[hosts]`.
    Hosts,
    /// `[urls]`.
    Urls,
    /// `[env]`.
    Env,
    /// `k3d.args`.
    K3dArgs,
    /// `[registry]` and `[k3d.registry]`.
    Registry,
    /// The hosts of `[routes]`.
    Routes,
    /// `command` and `env` of `[agents]`.
    Agents,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the words of the message")]
pub enum Problem {
    /// Not TOML at all.
    Syntax(String),
    /// A key nobody reads.
    UnknownKey { key: String, table: String, allowed: Vec<&'static str> },
    /// A value of another type.
    WrongType { key: String, expected: &'static str, found: &'static str },
    /// `version` is not 1.
    Version(String),
    /// `version` is absent.
    NoVersion,
    /// A port outside 1-65535.
    Port { name: String, value: String },
    /// A block without its number of ports.
    NoCount(String),
    /// A block of no ports, or of too many.
    Count { name: String, value: String },
    /// A block that would end above the last port.
    BlockEnd { name: String, last: u32 },
    /// A block for what has one port.
    OwnBlock(String),
    /// A name that is that of a block's last port.
    BlockName { name: String, block: String },
    /// A place of `[compose.ports]` that is none.
    Published { name: String, value: String },
    /// A table of `[compose.ports]` without `to`.
    NoTarget { name: String },
    /// An address that is none.
    Bind(String),
    /// A `network` that is none.
    Network(String),
    /// A compose file outside the project.
    ComposeFile(String),
    /// A text of `[workspace]` that is not a glob.
    Glob { key: &'static str, value: String, why: &'static str },
    /// `[ports]` is absent or empty.
    NoPorts,
    /// A name that cannot be a variable's.
    Name { name: String, refusal: Refusal },
    /// A name two tables use.
    TwiceNamed { name: String, first: &'static str, second: &'static str },
    /// `prefix` cannot start a Docker name.
    Prefix(String),
    /// `output` would land where silo may not write.
    Output { value: String, why: &'static str },
    /// A newline or NUL, which no env file can carry.
    Unwritable { key: String, character: &'static str },
    /// A value that would not fit into a variable, alone, or with the others into an environment.
    TooLong { key: String, alone: bool },
    /// An empty text where a word is needed.
    Empty { key: String },
    /// A profile name with other characters than letters, digits, `-`, `_` and `.`.
    ProfileName(String),
    /// `${` without an end.
    Template { key: String },
    /// `${VAR}` that nothing defines here.
    UnknownVariable { variable: String, key: String, spot: TemplateSpot, known: Vec<String> },
    /// A host that uses a port.
    PortInHost { variable: String, key: String },
    /// A value that uses one declared after it.
    Later { variable: String, key: String },
    /// A URL that uses a variable of `[env]`.
    EnvInUrl { variable: String, key: String },
    /// Values of a table that use each other.
    Cycle { table: &'static str, names: Vec<String> },
    /// An announcement that is asked for and says no address.
    NoHost,
    /// What is wrong only where this profile is merged with the base.
    InProfile { profile: String, problem: Box<Problem> },
    /// A host of `[routes]` without quotes, which TOML reads as a table.
    RouteUnquoted(String),
    /// A route to neither a variable nor a port.
    RouteTarget { host: String, value: String },
    /// A route to a variable that is no port's.
    RoutePort { host: String, variable: String, known: Vec<String> },
    /// A host that cannot be a route's.
    RouteHost { host: String, why: &'static str },
    /// Two hosts of `[routes]` that are one.
    RouteTwice { host: String, other: String },
    /// A gate level that does not exist.
    GateLevel { tool: String, value: String },
    /// A gate for some services whose names cannot be read.
    GateServices { tool: String, value: String },
    /// A gate for something that is not a plain program name.
    GateTool(String),
    /// What is wrong with `[agents]`.
    Agents(AgentsProblem),
    /// What is wrong with `gateway.toml` or `[gateway]`.
    Gateway(ProvidersProblem),
    /// What is wrong with `[memory]` or `memory.toml`.
    Memory(MemoryProblem),
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(message) => write!(f, "Not valid TOML: {message}"),
            Self::UnknownKey { key, table, .. } if table.is_empty() => write!(f, "Unknown key `{key}`"),
            Self::UnknownKey { key, table, .. } => write!(f, "Unknown key `{key}` in `{table}`"),
            Self::WrongType { key, expected, found } => write!(f, "`{key}` must be {expected}, not {found}"),
            Self::Version(value) => write!(f, "Unknown `version`: {value}"),
            Self::NoVersion => write!(f, "`version` is missing"),
            Self::Port { name, value } => write!(f, "Port `{name}` has an invalid value: {value}"),
            Self::NoCount(name) => write!(f, "Block `{name}` has no `count`"),
            Self::Count { name, value } => write!(f, "Block `{name}` has an invalid `count`: {value}"),
            Self::BlockEnd { name, last } => write!(f, "Block `{name}` would end at {last}, above the last port"),
            Self::OwnBlock(name) => write!(f, "`{name}` is a single port, not a block"),
            Self::BlockName { name, block } => write!(f, "`{name}` is the variable with the last port of `{block}`"),
            Self::Published { name, value } => write!(f, "`compose.ports.{name}` has an invalid value: \"{value}\""),
            Self::NoTarget { name } => write!(f, "`compose.ports.{name}` has no `to`"),
            Self::Bind(value) => write!(f, "`bind` has an invalid value: \"{value}\""),
            Self::Network(value) => write!(f, "`compose.network` has an invalid value: \"{value}\""),
            Self::Glob { key, value, why } => write!(f, "`workspace.{key}` has the glob `{value}`: {why}"),
            Self::ComposeFile(file) => write!(f, "`compose.files` names `{file}`, which is outside the project"),
            Self::NoPorts => write!(f, "`[ports]` declares no port"),
            Self::Name { name, refusal: Refusal::Malformed } => write!(f, "`{name}` cannot name a variable"),
            Self::Name { name, refusal: Refusal::Dangerous } => {
                write!(f, "`{name}` changes how shells or programs behave and cannot be set from `silo.toml`")
            }
            Self::Name { name, refusal: Refusal::Reserved } => write!(f, "`{name}` is set by silo itself"),
            Self::TwiceNamed { name, first, second } => {
                write!(f, "`{name}` is in both `[{first}]` and `[{second}]`")
            }
            Self::Prefix(value) => write!(f, "`prefix` has an invalid value: `{value}`"),
            Self::Output { value, why } => write!(f, "`output` cannot be `{value}`: {why}"),
            Self::Unwritable { key, character } => write!(f, "The value of `{key}` contains {character}"),
            Self::TooLong { key, alone: true } => write!(f, "The value of `{key}` is longer than 120 KiB"),
            Self::TooLong { key, .. } => write!(f, "With `{key}` the values are longer than 256 KiB together"),
            Self::Empty { key } => write!(f, "`{key}` is empty"),
            Self::ProfileName(name) => write!(f, "`{name}` cannot name a profile"),
            Self::Template { key } => write!(f, "Unfinished `${{…}}` in `{key}`"),
            Self::UnknownVariable { variable, key, .. } => write!(f, "Unknown variable `${{{variable}}}` in `{key}`"),
            Self::PortInHost { variable, key } => write!(f, "`{key}` uses the port `${{{variable}}}`"),
            Self::Later { variable, key } => write!(f, "`{key}` uses `${{{variable}}}`, which is declared after it"),
            Self::EnvInUrl { variable, key } => {
                write!(f, "`{key}` uses `${{{variable}}}` of `[env]`, which is filled after the URLs")
            }
            Self::Cycle { table, names } => {
                write!(f, "Values of `[{table}]` use each other in a circle: {}", names.join(" → "))
            }
            Self::NoHost => write!(f, "`registry.advertise` is true and `registry.host` is missing"),
            Self::InProfile { profile, problem } => write!(f, "With profile `{profile}`: {problem}"),
            Self::RouteUnquoted(host) => write!(f, "The host `{host}` of `[routes]` is not in quotes"),
            Self::RouteTarget { host, value } => write!(f, "Route `{host}` has an invalid value: {value}"),
            Self::RoutePort { host, variable, .. } => {
                write!(f, "Route `{host}` leads to `{variable}`, which is not a port here")
            }
            Self::RouteHost { host, why } => write!(f, "`{host}` cannot be a route: {why}"),
            Self::RouteTwice { host, other } => write!(f, "The routes `{other}` and `{host}` are one host"),
            Self::GateLevel { tool, value } => write!(f, "Gate `{tool}` has an invalid value: {value}"),
            Self::GateServices { tool, value } => write!(f, "Gate `{tool}` has no list of services: {value}"),
            Self::GateTool(tool) => write!(f, "`{tool}` cannot be a gate"),
            Self::Gateway(problem) => problem.fmt(f),
            Self::Agents(problem) => problem.fmt(f),
            Self::Memory(problem) => problem.fmt(f),
        }
    }
}

/// Where other tools keep variables.
const FREE: [&str; 4] = ["environment", "vars", "variables", "exports"];

impl Problem {
    /// What is allowed, and the nearest known name: one sentence a line, may be empty.
    pub fn hints(&self) -> Vec<String> {
        let one = |text: &str| vec![text.to_owned()];
        match self {
            Self::Syntax(message) if message.contains("duplicate key") => {
                one("Each table and name appears once: put what is below both into the first")
            }
            Self::Syntax(_) => one("TOML writes `NAME = value`, and strings in double quotes: https://toml.io"),
            Self::WrongType { key, expected, .. } => vec![format!("Write {expected} after `{key} =`")],
            Self::UnknownKey { key, allowed, .. } => {
                let mut hints: Vec<String> = nearest(key, allowed.iter().copied())
                    .map(|near| format!("The nearest known name is `{near}`"))
                    .into_iter()
                    .collect();
                if FREE.contains(&key.as_str()) {
                    hints.push(
                        "Variables of any text go below `[env]`, addresses below `[urls]`, ports below `[ports]`"
                            .to_owned(),
                    );
                }
                hints.push(format!("Allowed here: {}", ticked(allowed)));
                hints
            }
            Self::Version(_) | Self::NoVersion => one("Write `version = 1`"),
            Self::Port { .. } => one("Use a number from 1 to 65535, or \"random\""),
            Self::NoCount(name) => vec![format!("Say how many, as in `{name} = {{ default = 50000, count = 61 }}`")],
            Self::Count { .. } => one("Use a number from 1 to 1024"),
            Self::BlockEnd { .. } => one("Choose a lower `default`, or a smaller `count`"),
            Self::OwnBlock(name) => vec![format!("Write the port alone: `{name} = 10350`")],
            Self::Published { .. } => {
                one("Write \"SERVICE:PORT\" or \"DEFAULT:SERVICE:PORT\", as in \"5433:db:5432\"; `/udp` may follow")
            }
            Self::NoTarget { .. } => one("Write `{ to = \"SERVICE:PORT\", bind = \"0.0.0.0\" }`"),
            Self::Bind(_) => one("Use an IP address of this machine, such as \"0.0.0.0\" or \"192.168.1.5\""),
            Self::Network(_) => one("Write \"ports\", or \"subnet\" for an address of its own for each service"),
            Self::Glob { .. } => {
                one("Write it from the project's root, as in `config/*.local.json` or `**/.env.local`")
            }
            Self::ComposeFile(_) => one("Name a file in the project, relative to it: every worktree has its own"),
            Self::NoPorts => one("Declare at least one, for example `WEB_PORT = 3000` below `[ports]`"),
            Self::Name { refusal: Refusal::Malformed, .. } => one("Use letters, digits and `_`, and no digit first"),
            Self::Name { refusal: Refusal::Dangerous, .. } => {
                one("Choose a name of the project's own, such as `APP_PATH`")
            }
            Self::Name { refusal: Refusal::Reserved, .. } => {
                one("Choose another name; `silo env` shows what silo sets")
            }
            Self::TwiceNamed { .. } | Self::BlockName { .. } => one("Rename one of them"),
            Self::Prefix(_) => {
                one("Use 1 to 32 lower-case letters, digits and `-`, with a letter or digit at both ends")
            }
            Self::Output { .. } => one("Use a file name inside the project, such as `.localnet.env`"),
            Self::Unwritable { .. } => one("Env files, compose and Tilt read one line per value"),
            Self::TooLong { .. } => one("Keep long values in a file, and its path in the variable"),
            Self::Empty { .. } => one("Remove it, or give it a value"),
            Self::ProfileName(_) => one("Use letters, digits, `-`, `_` and `.`"),
            Self::Template { .. } => one("Write `${NAME}`; `$${` stands for a literal `${`"),
            Self::UnknownVariable { variable, spot, known, .. } => {
                let near = nearest(variable, known.iter().map(String::as_str));
                let mut hints: Vec<String> =
                    near.map(|near| format!("The nearest known name is `${{{near}}}`")).into_iter().collect();
                hints.push(spot.hint().to_owned());
                hints
            }
            Self::PortInHost { .. } => one(TemplateSpot::Hosts.hint()),
            Self::Later { variable, .. } => vec![format!("Move `{variable}` above it")],
            Self::EnvInUrl { variable, .. } => vec![format!("Move `{variable}` to `[urls]`, or this one to `[env]`")],
            Self::Cycle { .. } => one("Write one of them without the others"),
            Self::NoHost => {
                one("Write its address, such as `host = \"registry.example.com:5000\"`, below `[registry]`")
            }
            Self::InProfile { profile, problem } => {
                let mut hints = problem.hints();
                if let Self::UnknownVariable { key, .. } = &**problem {
                    hints.push(format!("Or give `{key}` another value in the profile, below `[profiles.{profile}]`"));
                }
                hints
            }
            Self::RouteUnquoted(_) => {
                one("Write the whole host in quotes, as in `\"docs.${name}.localhost\" = \"DOCS_PORT\"`")
            }
            Self::RouteTarget { .. } => {
                one("Name a variable of `[ports]` or `[compose.ports]`, or write a port of 1-65535")
            }
            Self::RoutePort { variable, known, .. } => {
                let near = nearest(variable, known.iter().map(String::as_str));
                let near = near.map(|near| format!("The nearest port is `{near}`"));
                let all = match known.is_empty() {
                    true => "Declare it below `[ports]`".to_owned(),
                    false => format!("Ports here: {}", ticked(known)),
                };
                near.into_iter().chain([all]).collect()
            }
            Self::RouteHost { .. } => one("Write a name such as `docs.${name}.localhost`"),
            Self::RouteTwice { .. } => one("Remove one of them"),
            Self::GateLevel { .. } => one("Use \"env\", \"services\", \"services:NAME,NAME\", \"cluster\" or \"tilt\""),
            Self::GateServices { .. } => one("Name each once, with commas and no spaces, as in \"services:db,redis\""),
            Self::GateTool(_) => one("Name a program, such as `kubectl`, without a path"),
            Self::Gateway(problem) => one(problem.hint()),
            Self::Agents(problem) => problem.hints(),
            Self::Memory(problem) => one(problem.hint()),
        }
    }
}

impl TemplateSpot {
    fn hint(self) -> &'static str {
        match self {
            Self::Hosts => {
                "Hosts can use `${name}`, `${prefix}`, `${name_snake}`, `${id}`, `${slot}`, `${WORKSPACE_NAME}` and `${COMPOSE_PROJECT_NAME}`; ports are chosen later"
            }
            Self::Urls => "URLs can use `${name}`, `${prefix}`, every host and port, and URLs declared above",
            Self::Env => {
                "Variables can use `${name}`, `${prefix}`, every host, port and URL, and variables of `[env]` declared above"
            }
            Self::Registry => {
                "`[registry]` and `[k3d.registry]` can use `${name}`, `${prefix}`, and every host, port, URL and variable"
            }
            Self::Routes => {
                "Hosts of `[routes]` can use `${name}`, `${prefix}`, `${id}`, `${slot}` and every host; ports are what they lead to"
            }
            Self::Agents => {
                "`command` and `env` of an agent can use `${SILO_TASK}`, `${LLM_GATEWAY_URL}`, `${LLM_GATEWAY_KEY}`, and every host, port, URL and variable; `$${` stands for a literal `${`"
            }
            Self::K3dArgs => "`k3d.args` can use `${name}`, `${prefix}`, and every host, port, URL and variable",
        }
    }
}
