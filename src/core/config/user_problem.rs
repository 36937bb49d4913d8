//! What can be wrong with a user's settings, and the way out of it.

use std::ops::Range;

/// The lowest port of a range: those below need more rights.
pub(super) const LOWEST: u16 = 1024;

/// Settings that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettingsError {
    /// What is wrong.
    pub problem: SettingsProblem,
    /// Where, in bytes.
    pub span: Range<usize>,
}

/// What is wrong with settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsProblem {
    /// Not TOML, a key there is not, or a value of another type.
    #[error("The settings are not understood: {0}")]
    Malformed(String),
    /// A trusted folder that is not absolute.
    #[error("The trusted folder `{0}` is not absolute")]
    Folder(String),
    /// A folder for workspaces that is not absolute.
    #[error("`workspaces.folder` is not absolute: `{0}`")]
    WorkspacesFolder(String),
    /// Not two ports, or no ports between them.
    #[error("`port_range` has an invalid value: `{0}`")]
    Range(String),
    /// No place for the text, or two.
    #[error("`log_format` has an invalid value: `{0}`")]
    Format(String),
    /// A pool that subnets cannot come from.
    #[error("`network.pool` has an invalid value: `{0}`")]
    Pool(String),
    /// A suffix that no name can end in, or that is in use elsewhere.
    #[error("`network.suffix` cannot be `{suffix}`: {why}")]
    Suffix {
        /// What was written.
        suffix: String,
        /// Why it is refused.
        why: RefusedSuffix,
    },
    /// A port that is none, or that needs more rights.
    #[error("`network.dns_port` has an invalid value: `{0}`")]
    DnsPort(String),
    /// No address with a port.
    #[error("`agents.egress_private` has an invalid value: `{0}`")]
    EgressPrivate(String),
    /// No port.
    #[error("`proxy.port` has an invalid value: {0}")]
    ProxyPort(i64),
    /// A runtime that no engine has.
    #[error("`agents.runtime` has an invalid value: `{0}`")]
    Runtime(String),
    /// A project's folder that is not absolute.
    #[error("The folder of a grant is not absolute: `{0}`")]
    GrantFolder(String),
    /// A name that no agent has.
    #[error("`{0}` cannot name an agent")]
    GrantAgent(String),
    /// A mount that cannot be.
    #[error("The mount of a grant has an invalid value: `{0}`")]
    GrantMount(String),
    /// A variable that cannot be.
    #[error("`{0}` cannot be the name of a variable")]
    GrantVariable(String),
    /// No time.
    #[error("`idle` has an invalid value: `{0}`")]
    Idle(String),
    /// No time.
    #[error("`proxy.timeout` has an invalid value: `{0}`")]
    ProxyTimeout(String),
}

impl SettingsProblem {
    /// The way out.
    pub fn hint(&self) -> String {
        let fixed = match self {
            Self::Malformed(_) => {
                "The keys are `quiet`, `trusted`, `port_range`, `log_format`, `wrap_cd`, `engine`, `idle`, `[proxy]`, `[network]`, `[workspaces]` and `[agents]`; see `silo doc settings`"
            }
            Self::Folder(_) | Self::WorkspacesFolder(_) | Self::GrantFolder(_) => {
                "Begin it with `/`, or with `~/` for the home folder"
            }
            Self::Range(text) => match ends(text) {
                Some((first, last)) if LOWEST <= last && last < first => {
                    return format!("Write the smaller port first: `port_range = \"{last}-{first}\"`");
                }
                _ => "Write two ports of 1024-65535, such as `49152-65535`",
            },
            Self::Pool(_) => "Write a range of /8 to /24 from which subnets come, such as `10.224.0.0/16`",
            Self::Suffix { why: RefusedSuffix::OnTheInternet, .. } => {
                "Write `test`, or beside it `force_suffix = true` where the domain is your own"
            }
            Self::Suffix { .. } => "Write `test`, which is reserved for this",
            Self::DnsPort(_) => "Write a port of 1024-65535, such as `5354`",
            Self::EgressPrivate(_) => "Write an address with a port, such as `127.0.0.1:8080`",
            Self::ProxyPort(_) => "Write a port of 1-65535, such as 7450",
            Self::Runtime(_) => "Write the name of a runtime of the engine, such as `runsc` or `kata`",
            Self::GrantAgent(_) => "Write its name as it is below `[agents]` of the project's `silo.toml`",
            Self::GrantMount(_) => "Write \"/FOLDER:/TARGET\", as in \"/opt/models:/models\"; it is read-only",
            Self::GrantVariable(_) => "Use letters, digits and `_`, and no digit first",
            Self::Idle(_) => "Write a time such as `2h` or `45m`, or leave it out: then nothing is stopped",
            Self::ProxyTimeout(_) => "Write a time such as `90s` or `5m`",
            Self::Format(_) => "Write `%s` once, where the text is to stand",
        };
        fixed.to_owned()
    }
}

/// The two ports a range is written with.
pub(super) fn ends(range: &str) -> Option<(u16, u16)> {
    let (first, last) = range.split_once('-')?;
    Some((first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// Why a suffix is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RefusedSuffix {
    /// It is not a host name.
    #[error("no host name ends in it")]
    NoName,
    /// It means something else to every system (<https://www.rfc-editor.org/rfc/rfc6761>, <https://www.rfc-editor.org/rfc/rfc6762>).
    #[error("systems ask for it elsewhere")]
    Taken,
    /// It is, or may become, a name of the Internet.
    #[error("it is used on the Internet")]
    OnTheInternet,
}
