//! The user's own settings, `$XDG_CONFIG_HOME/silo/config.toml`: what holds for every project of theirs. Strict like
//! `silo.toml`: a key that is mistyped would be a wish unheard.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Deserialize;

use super::user_agents::{AgentSettings, AgentsFile};
use super::user_network::{NetworkFile, NetworkSettings};
use super::user_problem::{LOWEST, ends};
pub use super::user_problem::{SettingsError, SettingsProblem};
use crate::core::leases::source::RANGE;
use crate::core::text::span;

/// The JSON Schema of the file, for editors; a test keeps it at what [`parse`] takes.
pub const SCHEMA: &str = include_str!("../../../docs/schema/config.schema.json");
/// What stands for the text in `log_format`.
const PLACE: &str = "%s";
/// The port of the proxy when `[proxy] port` is absent.
pub const PROXY_PORT: u16 = 7450;

/// The settings, with their defaults where the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSettings {
    /// The shell hook says nothing but failures.
    pub quiet: bool,
    /// Folders below which every `silo.toml` of the user's own is trusted; `~/` is the home folder.
    pub trusted: Vec<String>,
    /// Where ports come from when a default is not available.
    pub port_range: RangeInclusive<u16>,
    /// What comes before and after the shell hook's lines.
    pub log_format: (String, String),
    /// `cd` acts at once also where the shell does not report a move.
    pub wrap_cd: bool,
    /// What services run in.
    pub engine: EngineKind,
    /// How the proxy serves routes.
    pub proxy: ProxySettings,
    /// `[agents]`.
    pub agents: AgentSettings,
    /// `[network]`.
    pub network: NetworkSettings,
    /// `idle`: how long nobody must have used an instance until `silo heal --watch` stops its services; none for never (D31).
    pub idle: Option<Duration>,
    /// `[workspaces] folder`: where the folders of workspaces are made; none for beside the repository. `~/` is the home folder.
    pub workspaces: Option<String>,
}

/// A container engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EngineKind {
    /// Docker, or what answers in its place.
    #[default]
    Docker,
    /// Podman.
    Podman,
}

/// `[proxy]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxySettings {
    /// The port of loopback it listens on.
    pub port: u16,
    /// How long a server behind a route may take to begin its answer.
    pub timeout: Duration,
}

impl Default for ProxySettings {
    fn default() -> Self {
        Self { port: PROXY_PORT, timeout: Duration::from_mins(2) }
    }
}

impl Default for UserSettings {
    fn default() -> Self {
        let log_format = ("silo: ".to_owned(), String::new());
        Self {
            quiet: false,
            trusted: Vec::new(),
            port_range: RANGE,
            log_format,
            wrap_cd: true,
            engine: EngineKind::Docker,
            proxy: ProxySettings::default(),
            agents: AgentSettings::default(),
            network: NetworkSettings::default(),
            idle: None,
            workspaces: None,
        }
    }
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    quiet: bool,
    trusted: Vec<toml::Spanned<String>>,
    port_range: Option<toml::Spanned<String>>,
    log_format: Option<toml::Spanned<String>>,
    wrap_cd: Option<bool>,
    engine: EngineKind,
    idle: Option<toml::Spanned<String>>,
    proxy: Proxy,
    network: NetworkFile,
    workspaces: Workspaces,
    agents: AgentsFile,
}

/// `[workspaces]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Workspaces {
    folder: Option<toml::Spanned<String>>,
}

/// `[proxy]` as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Proxy {
    port: Option<toml::Spanned<i64>>,
    timeout: Option<toml::Spanned<String>>,
}

/// Reads the settings.
///
/// # Errors
/// A [`SettingsError`] with its place for anything that is not understood.
pub fn parse(text: &str) -> Result<UserSettings, SettingsError> {
    let file: File = toml::from_str(text).map_err(|error| SettingsError {
        problem: SettingsProblem::Malformed(error.message().to_owned()),
        span: error.span().unwrap_or(0..0),
    })?;
    let fail = |value: &toml::Spanned<String>, problem: fn(String) -> SettingsProblem| SettingsError {
        problem: problem(value.get_ref().clone()),
        span: value.span(),
    };
    let mut settings = UserSettings { quiet: file.quiet, engine: file.engine, ..UserSettings::default() };
    for folder in file.trusted {
        if !folder.get_ref().starts_with('/') && !folder.get_ref().starts_with("~/") {
            return Err(fail(&folder, SettingsProblem::Folder));
        }
        settings.trusted.push(folder.into_inner());
    }
    if let Some(text) = file.port_range {
        let range = ends(text.get_ref()).map(|(first, last)| first..=last);
        let usable = range.filter(|range: &RangeInclusive<u16>| *range.start() >= LOWEST && !range.is_empty());
        settings.port_range = usable.ok_or_else(|| fail(&text, SettingsProblem::Range))?;
    }
    if let Some(text) = file.log_format {
        let halves = text.get_ref().split_once(PLACE).filter(|(_, after)| !after.contains(PLACE));
        let (before, after) = halves.ok_or_else(|| fail(&text, SettingsProblem::Format))?;
        settings.log_format = (before.to_owned(), after.to_owned());
    }
    settings.wrap_cd = file.wrap_cd.unwrap_or(settings.wrap_cd);
    if let Some(text) = file.idle {
        let time = span::parse(text.get_ref()).ok().filter(|time| !time.is_zero());
        settings.idle = Some(time.ok_or_else(|| fail(&text, SettingsProblem::Idle))?);
    }
    if let Some(number) = file.proxy.port {
        let problem = SettingsProblem::ProxyPort(*number.get_ref());
        let port = u16::try_from(*number.get_ref()).ok().filter(|port| *port > 0);
        settings.proxy.port = port.ok_or_else(|| SettingsError { problem, span: number.span() })?;
    }
    if let Some(text) = file.proxy.timeout {
        let time = span::parse(text.get_ref()).ok().filter(|time| !time.is_zero());
        settings.proxy.timeout = time.ok_or_else(|| fail(&text, SettingsProblem::ProxyTimeout))?;
    }
    settings.agents = file.agents.read()?;
    settings.network = file.network.read()?;
    if let Some(folder) = file.workspaces.folder {
        if !folder.get_ref().starts_with('/') && !folder.get_ref().starts_with("~/") {
            return Err(fail(&folder, SettingsProblem::WorkspacesFolder));
        }
        settings.workspaces = Some(folder.into_inner());
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_read_and_an_empty_file_is_the_defaults() {
        assert_eq!(parse(""), Ok(UserSettings::default()));
        let text = "quiet = true\ntrusted = [\"~/work\", \"/srv\"]\nport_range = \"20000 - 20099\"\nlog_format = \"[%s]\"\nwrap_cd = false\nengine = \"podman\"\nidle = \"2h\"\nproxy = { port = 80, timeout = \"5m\" }\nworkspaces.folder = \"~/w\"\n";
        let expected = UserSettings {
            quiet: true,
            trusted: vec!["~/work".into(), "/srv".into()],
            port_range: 20000..=20099,
            log_format: ("[".into(), "]".into()),
            wrap_cd: false,
            engine: EngineKind::Podman,
            proxy: ProxySettings { port: 80, timeout: Duration::from_mins(5) },
            agents: AgentSettings::default(),
            network: NetworkSettings::default(),
            idle: Some(Duration::from_hours(2)),
            workspaces: Some("~/w".into()),
        };
        assert_eq!(parse(text), Ok(expected));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        let wrong = |text: &str| parse(text).expect_err("it is wrong");
        assert!(wrong("quite = true").problem.to_string().contains("unknown field `quite`"));
        assert_eq!(wrong("quiet = 1").span, 8..9);
        assert!(wrong("engine = \"lxc\"").problem.to_string().contains("expected `docker` or `podman`"));
        for (text, at) in [
            ("trusted = [\"work\"]", 11..17),
            ("workspaces.folder = \"w\"", 20..23),
            ("port_range = \"1-80\"", 13..19),
            ("port_range = \"3000-2000\"", 13..24),
            ("port_range = \"49152\"", 13..20),
            ("log_format = \"%s %s\"", 13..20),
            ("proxy.port = 65536", 13..18),
            ("proxy.port = 0", 13..14),
            ("proxy.timeout = \"0s\"", 16..20),
            ("idle = \"0\"", 7..10),
            ("idle = \"never\"", 7..14),
            ("proxy.timeout = \"soon\"", 16..22),
        ] {
            assert_eq!(wrong(text).span, at, "{text}");
        }
        for (range, hint) in [
            ("29999 - 20000", "Write the smaller port first: `port_range = \"20000-29999\"`"),
            ("3000-80", "Write two ports of 1024-65535, such as `49152-65535`"),
            ("70000-1024", "Write two ports of 1024-65535, such as `49152-65535`"),
        ] {
            assert_eq!(wrong(&format!("port_range = \"{range}\"")).problem.hint(), hint, "{range}");
        }
    }
}
