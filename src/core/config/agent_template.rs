//! The agent of a template (D32): written in the template's `silo.toml`, with services, agents and variables of the project that it
//! runs for.

use indexmap::IndexMap;

use super::agents::Agent;
use super::model::{Settings, Text};
use super::problem::ConfigError;
use super::{agents_reach, check, read};

/// What the `silo.toml` of a template says of agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Its agents, by name.
    pub agents: IndexMap<String, Agent>,
    /// Globs of the files that are filled.
    pub render: Vec<Text>,
}

/// Reads the `silo.toml` of a template. Services, agents and variables are looked at by [`check()`], for they are a project's.
///
/// # Errors
/// The first [`ConfigError`], with its place in the file.
pub fn read(text: &str) -> Result<Template, ConfigError> {
    let file = read::file(text)?;
    Ok(Template { agents: file.agents, render: file.base.workspace.render.unwrap_or_default() })
}

impl Template {
    /// The agent for which a template of this name stands: the one of that name, or the only one.
    pub fn agent(&self, name: &str) -> Option<(&str, &Agent)> {
        let only = self.agents.first().filter(|_| self.agents.len() == 1);
        self.agents.get_key_value(name).or(only).map(|(name, agent)| (name.as_str(), agent))
    }
}

/// Makes sure that a project with these settings has the services and variables that an agent of a template names.
///
/// # Errors
/// The first [`ConfigError`], with its place in the template's file.
pub fn check(text: &str, name: &str, agent: &Agent, settings: &Settings) -> Result<(), ConfigError> {
    let alone = Settings { agents: IndexMap::from([(name.to_owned(), agent.clone())]), ..settings.clone() };
    check::agent_texts(text, &alone)?;
    agents_reach::check_one(settings, name, agent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;

    const PROJECT: &str = "version = 1\n[ports]\nWEB_PORT = 3000\n[compose.ports]\nDB_PORT = 'db:5432'\n[env]\nMODE = 'x'\n\
         [agents.research]\nimage = 'a'\nlifetime = 'persistent'\nlisten = 8080\n";

    fn settings() -> Settings {
        parse(PROJECT).expect("it is valid").settings(None).expect("the base is there")
    }

    #[test]
    fn services_and_variables_are_those_of_the_project() {
        let problem = |line: &str| {
            let text = format!("version = 1\n[agents.scout]\nimage = 'a'\n{line}\n");
            let template = read(&text).expect("it is read without its project");
            let (name, agent) = template.agent("scout").expect("it is there");
            check(&text, name, agent, &settings())
                .err()
                .map(|error| (error.problem.to_string(), text[error.span].to_owned()))
        };
        let known = "services = ['db']\nenv = { A = '${WEB_PORT}${DB_PORT}${MODE}${SILO_TASK}' }";
        assert_eq!(problem(known), None);
        let message = |text: &str, place: &str| Some((text.to_owned(), place.to_owned()));
        assert_eq!(
            problem("services = ['web']"),
            message("`agents.scout.services` names `web`, which has no port in `[compose.ports]`", "'web'")
        );
        assert_eq!(problem("agents = ['research']"), None);
        assert_eq!(
            problem("agents = ['web']"),
            message("`agents.scout.agents` names `web`, which is no agent", "'web'")
        );
        assert_eq!(
            problem("env = { A = '${API_PORT}' }"),
            message("Unknown variable `${API_PORT}` in `agents.scout.env.A`", "${API_PORT}")
        );
    }

    #[test]
    fn a_template_stands_for_the_agent_of_its_name_or_for_its_only_one() {
        let named = |text: &str| {
            let template = read(&format!("version = 1\n{text}")).expect("it is valid");
            template.agent("one").map(|(name, _)| name.to_owned())
        };
        let agent = |name: &str| format!("[agents.{name}]\nimage = 'a'\n");
        assert_eq!(named(&agent("other")).as_deref(), Some("other"));
        assert_eq!(named(&(agent("other") + &agent("one"))).as_deref(), Some("one"));
        assert_eq!(named(&(agent("other") + &agent("more"))), None);
        assert_eq!(named(""), None);
    }
}
