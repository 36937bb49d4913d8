//! `[network]` of the user's settings: the addresses and names that instances get.

use serde::Deserialize;
use toml::Spanned;

use super::user_problem::{RefusedSuffix, SettingsError, SettingsProblem};
use crate::core::leases::subnet::{self, POOL, Range};
use crate::core::routes::host::is_label;

/// `[network]`, with its defaults where the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkSettings {
    /// Where subnets come from.
    pub pool: Range,
    /// What the names of services end in.
    pub suffix: String,
    /// Where silo's dnsmasq listens on loopback.
    pub dns_port: u16,
}

impl Default for NetworkSettings {
    fn default() -> Self {
        Self { pool: POOL, suffix: "test".to_owned(), dns_port: 5354 }
    }
}

/// What no name server is asked for, or only one in the local network.
const TAKEN: [&str; 4] = ["localhost", "local", "invalid", "onion"];
/// What no name of the Internet ends in (<https://www.rfc-editor.org/rfc/rfc2606>, <https://www.rfc-editor.org/rfc/rfc8375>,
/// and `internal`, which ICANN has set aside).
const FREE: [&str; 4] = ["test", "example", "internal", "home.arpa"];

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NetworkFile {
    pool: Option<Spanned<String>>,
    suffix: Option<Spanned<String>>,
    force_suffix: bool,
    dns_port: Option<Spanned<i64>>,
}

impl NetworkFile {
    /// What the table means.
    pub(super) fn read(self) -> Result<NetworkSettings, SettingsError> {
        let mut settings = NetworkSettings::default();
        if let Some(text) = self.pool {
            let usable = |pool: &Range| (subnet::WIDEST..=subnet::BITS).contains(&pool.bits());
            let pool = text.get_ref().parse().ok().filter(usable);
            settings.pool = pool.ok_or_else(|| fail(&text, SettingsProblem::Pool(text.get_ref().clone())))?;
        }
        if let Some(text) = self.suffix {
            let suffix = text.get_ref().trim_start_matches('.').to_ascii_lowercase();
            if let Some(why) = refusal(&suffix, self.force_suffix) {
                return Err(fail(&text, SettingsProblem::Suffix { suffix: text.get_ref().clone(), why }));
            }
            settings.suffix = suffix;
        }
        if let Some(port) = self.dns_port {
            let usable = u16::try_from(*port.get_ref()).ok().filter(|port| *port >= 1024);
            settings.dns_port =
                usable.ok_or_else(|| fail(&port, SettingsProblem::DnsPort(port.get_ref().to_string())))?;
        }
        Ok(settings)
    }
}

fn fail<T>(value: &Spanned<T>, problem: SettingsProblem) -> SettingsError {
    SettingsError { problem, span: value.span() }
}

fn refusal(suffix: &str, is_forced: bool) -> Option<RefusedSuffix> {
    let last = suffix.rsplit('.').next().unwrap_or(suffix);
    let ends_in = |name: &str| suffix == name || suffix.strip_suffix(name).is_some_and(|rest| rest.ends_with('.'));
    if !suffix.split('.').all(is_label) || suffix.len() > 100 || last.bytes().all(|c| c.is_ascii_digit()) {
        return Some(RefusedSuffix::NoName);
    }
    if TAKEN.into_iter().any(ends_in) {
        return Some(RefusedSuffix::Taken);
    }
    (!is_forced && !FREE.into_iter().any(ends_in)).then_some(RefusedSuffix::OnTheInternet)
}

#[cfg(test)]
mod tests {
    use crate::core::config::user::parse;

    #[test]
    fn the_table_is_read_and_what_cannot_be_is_said_with_its_place() {
        let text = "[network]\npool = \"10.1.0.0/20\"\nsuffix = \".Silo.TEST\"\ndns_port = 5400\n";
        let network = parse(text).expect("it is right").network;
        assert_eq!((network.pool.to_string().as_str(), network.suffix.as_str()), ("10.1.0.0/20", "silo.test"));
        assert_eq!(network.dns_port, 5400);
        for (line, problem) in [
            ("pool = \"10.0.0.0/7\"", "`network.pool` has an invalid value: `10.0.0.0/7`"),
            ("pool = \"10.0.0.0/25\"", "`network.pool` has an invalid value: `10.0.0.0/25`"),
            ("pool = \"10.0.0.1/16\"", "`network.pool` has an invalid value: `10.0.0.1/16`"),
            ("dns_port = 53", "`network.dns_port` has an invalid value: `53`"),
            ("suffix = \"dev\"", "`network.suffix` cannot be `dev`: it is used on the Internet"),
            (
                "suffix = \"local\"\nforce_suffix = true",
                "`network.suffix` cannot be `local`: systems ask for it elsewhere",
            ),
            ("suffix = \"a..b\"\nforce_suffix = true", "`network.suffix` cannot be `a..b`: no host name ends in it"),
            (
                "suffix = \"test.1\"\nforce_suffix = true",
                "`network.suffix` cannot be `test.1`: no host name ends in it",
            ),
        ] {
            let error = parse(&format!("[network]\n{line}\n")).expect_err(line);
            assert_eq!(error.problem.to_string(), problem);
            assert!(error.span.start > 10, "{line}");
        }
        for good in
            ["suffix = \"test\"", "suffix = \"a.internal\"", "suffix = \"dev.example.com\"\nforce_suffix = true"]
        {
            assert!(parse(&format!("[network]\n{good}\n")).is_ok(), "{good}");
        }
    }
}
