//! `[agents]` of the user's settings: what agents of some projects get beyond what a `silo.toml` may ask for (D33).

use ::core::net::SocketAddr;

use serde::Deserialize;
use toml::Spanned;

use super::agents::{is_name, is_target};
use super::user_problem::{SettingsError, SettingsProblem};
use crate::core::shell::varname;

/// `[agents]`, with its defaults where the file says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AgentSettings {
    /// The engine's runtime for agents; none is the engine's default.
    pub runtime: Option<String>,
    /// `[[agents.grants]]`.
    pub grants: Vec<Grant>,
    /// Addresses of this machine and private networks that a name of `egress` may lead to.
    pub egress_private: Vec<SocketAddr>,
}

/// What agents of a project get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The project's folder, or one above it; `~/` is the home folder.
    pub project: String,
    /// The agent; none is all of the project's.
    pub agent: Option<String>,
    /// Folders and files that they see read-only: the path on this machine, and that in the container.
    pub mounts: Vec<(String, String)>,
    /// Variables that they get as they are outside.
    pub env: Vec<String>,
}

impl AgentSettings {
    /// What an agent of a project is granted; `at` gives the folder that a grant names.
    pub fn of<'a>(&'a self, agent: &'a str, is_in: impl Fn(&str) -> bool + 'a) -> impl Iterator<Item = &'a Grant> {
        let is_for = move |grant: &&Grant| grant.agent.as_deref().is_none_or(|name| name == agent);
        self.grants.iter().filter(is_for).filter(move |grant| is_in(&grant.project))
    }
}

/// The table as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AgentsFile {
    runtime: Option<Spanned<String>>,
    grants: Vec<GrantFile>,
    egress_private: Vec<Spanned<String>>,
}

/// A grant as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantFile {
    project: Spanned<String>,
    agent: Option<Spanned<String>>,
    #[serde(default)]
    mounts: Vec<Spanned<String>>,
    #[serde(default)]
    env: Vec<Spanned<String>>,
}

impl AgentsFile {
    /// What the table means.
    pub(super) fn read(self) -> Result<AgentSettings, SettingsError> {
        let runtime = match self.runtime {
            Some(text) if !is_runtime(text.get_ref()) => return Err(fail(&text, SettingsProblem::Runtime)),
            runtime => runtime.map(Spanned::into_inner),
        };
        let grants = self.grants.into_iter().map(GrantFile::read).collect::<Result<Vec<_>, _>>()?;
        let address = |text: Spanned<String>| {
            let address: Option<SocketAddr> = text.get_ref().parse().ok().filter(|one: &SocketAddr| one.port() > 0);
            address.ok_or_else(|| fail(&text, SettingsProblem::EgressPrivate))
        };
        let egress_private = self.egress_private.into_iter().map(address).collect::<Result<_, _>>()?;
        Ok(AgentSettings { runtime, grants, egress_private })
    }
}

impl GrantFile {
    fn read(self) -> Result<Grant, SettingsError> {
        let is_path = |path: &str| path.starts_with('/') || path.starts_with("~/");
        if !is_path(self.project.get_ref()) {
            return Err(fail(&self.project, SettingsProblem::GrantFolder));
        }
        if let Some(agent) = self.agent.as_ref().filter(|agent| !is_name(agent.get_ref())) {
            return Err(fail(agent, SettingsProblem::GrantAgent));
        }
        let mount = |text: Spanned<String>| {
            let pair = text.get_ref().split_once(':').filter(|(from, to)| is_path(from) && is_target(to));
            let pair = pair.map(|(from, to)| (from.to_owned(), to.to_owned()));
            pair.ok_or_else(|| fail(&text, SettingsProblem::GrantMount))
        };
        let variable = |text: Spanned<String>| match varname::check(text.get_ref()) {
            Err(varname::Refusal::Malformed) => Err(fail(&text, SettingsProblem::GrantVariable)),
            _ => Ok(text.into_inner()),
        };
        Ok(Grant {
            project: self.project.into_inner(),
            agent: self.agent.map(Spanned::into_inner),
            mounts: self.mounts.into_iter().map(mount).collect::<Result<_, _>>()?,
            env: self.env.into_iter().map(variable).collect::<Result<_, _>>()?,
        })
    }
}

fn is_runtime(text: &str) -> bool {
    let is_plain = text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c));
    is_plain && !text.is_empty() && !text.starts_with(['-', '.']) && text.len() <= 64
}

fn fail(value: &Spanned<String>, problem: fn(String) -> SettingsProblem) -> SettingsError {
    SettingsError { problem: problem(value.get_ref().clone()), span: value.span() }
}

#[cfg(test)]
mod tests {
    use crate::core::config::user::parse;

    #[test]
    fn grants_are_read_and_what_cannot_be_is_said() {
        let text = "[agents]\nruntime = \"runsc\"\n[[agents.grants]]\nproject = \"~/work/shop\"\nagent = \"technical\"\n\
                    mounts = [\"/opt/models:/models\"]\nenv = [\"HF_TOKEN\"]\n[[agents.grants]]\nproject = \"/srv\"\n";
        let agents = parse(text).expect("it is right").agents;
        assert_eq!(agents.runtime.as_deref(), Some("runsc"));
        let of = |agent: &'static str, folder: &'static str| agents.of(agent, move |project| project == folder).count();
        assert_eq!([of("technical", "~/work/shop"), of("research", "~/work/shop"), of("research", "/srv")], [1, 0, 1]);
        assert_eq!(agents.grants[0].mounts, [("/opt/models".to_owned(), "/models".to_owned())]);
        for line in [
            "runtime = \"--privileged\"",
            "grants = [{ project = \"work\" }]",
            "grants = [{ project = \"/w\", agent = \"A\" }]",
            "grants = [{ project = \"/w\", mounts = [\"/a:/proc/x\"] }]",
            "grants = [{ project = \"/w\", mounts = [\"a:/x\"] }]",
            "grants = [{ project = \"/w\", env = [\"A B\"] }]",
            "grants = [{ agent = \"a\" }]",
            "wall = false",
        ] {
            assert!(parse(&format!("[agents]\n{line}\n")).is_err(), "{line}");
        }
    }

    #[test]
    fn an_address_has_a_port_and_what_has_none_is_said_with_its_place() {
        let text = "[agents]\negress_private = [\"127.0.0.1:8080\", \"[::1]:80\"]\n";
        let private = parse(text).expect("it is right").agents.egress_private;
        assert_eq!(private.iter().map(ToString::to_string).collect::<Vec<_>>(), ["127.0.0.1:8080", "[::1]:80"]);
        for wrong in ["127.0.0.1", "localhost:80", "127.0.0.1:0", ""] {
            let error = parse(&format!("[agents]\negress_private = [\"{wrong}\"]\n")).expect_err(wrong);
            assert_eq!(error.problem.to_string(), format!("`agents.egress_private` has an invalid value: `{wrong}`"));
            assert_eq!(error.span.start, 27, "{wrong}");
        }
    }
}
