//! `[memory]`: where what agents find is kept (D35). It names a service of the instance, or a server of the user's own file, and never
//! an address or a password: a project's file alone sends no credential anywhere.

use super::memory_problem::MemoryProblem as Wrong;
use super::model::Settings;
use super::problem::{ConfigError, Problem};
use super::table::{Table, Value};
use crate::core::memory::place::{Memory, MemoryService, PasswordSource};

/// The database and the role where none is said: those of the usual image.
pub const DEFAULT: &str = "postgres";
/// The port that Postgres listens on.
const PORT: u16 = 5432;

/// Reads the table.
pub(super) fn read(value: &Value<'_>) -> Result<Memory, ConfigError> {
    let table = value.table()?;
    table.only(&["service", "database", "user", "password_file", "password_variable", "server"])?;
    match (table.find("service"), table.find("server")) {
        (None, None) => Err(wrong(value, Wrong::Nowhere)),
        (Some(_), Some(server)) => Err(wrong(&server, Wrong::Both)),
        (None, Some(server)) => of_server(&table, &server),
        (Some(service), None) => Ok(Memory::Service(MemoryService {
            service: service.filled_text()?.value,
            span: service.span(),
            database: name(&table, "database")?,
            user: name(&table, "user")?,
            password: password(&table)?,
        })),
    }
}

fn of_server(table: &Table<'_>, server: &Value<'_>) -> Result<Memory, ConfigError> {
    let own = ["database", "user", "password_file", "password_variable"];
    if let Some((key, value)) = own.into_iter().find_map(|key| Some((key, table.find(key)?))) {
        return Err(wrong(&value, Wrong::OfService(key)));
    }
    let text = server.filled_text()?;
    if text.value.contains("://") || text.value.contains('@') {
        return Err(wrong(server, Wrong::Address));
    }
    Ok(Memory::Server(text.value))
}

fn name(table: &Table<'_>, key: &str) -> Result<String, ConfigError> {
    Ok(table.filled_text(key)?.map_or_else(|| DEFAULT.to_owned(), |text| text.value))
}

fn password(table: &Table<'_>) -> Result<Option<PasswordSource>, ConfigError> {
    let (file, variable) = (table.filled_text("password_file")?, table.filled_text("password_variable")?);
    match (file, variable) {
        (None, None) => Ok(None),
        (Some(file), Some(_)) => Err(ConfigError { problem: Problem::Memory(Wrong::TwoPasswords), span: file.span }),
        (Some(file), None) => {
            let leads_out = file.value.starts_with(['/', '~']) || file.value.split('/').any(|part| part == "..");
            match leads_out {
                true => Err(ConfigError { problem: Problem::Memory(Wrong::File(file.value)), span: file.span }),
                false => Ok(Some(PasswordSource::File(file.value))),
            }
        }
        (None, Some(variable)) => {
            let is_plain = variable.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            // A stranger's file must not name any other secret of the shell.
            if is_plain && variable.value.to_ascii_uppercase().ends_with("PASSWORD") {
                return Ok(Some(PasswordSource::Variable(variable.value)));
            }
            Err(ConfigError { problem: Problem::Memory(Wrong::Variable(variable.value)), span: variable.span })
        }
    }
}

/// Checks it together with the services of a profile.
pub(super) fn check(settings: &Settings) -> Result<(), ConfigError> {
    match &settings.memory {
        Some(Memory::Service(memory)) if variable(settings, memory).is_none() => Err(ConfigError {
            problem: Problem::Memory(Wrong::Unpublished(memory.service.clone())),
            span: memory.span.clone(),
        }),
        _ => Ok(()),
    }
}

/// The variable that holds the port a memory's service is published on: that of Postgres's own port, else its first.
pub fn variable<'a>(settings: &'a Settings, memory: &MemoryService) -> Option<&'a str> {
    let ports = settings.compose.iter().flat_map(|compose| &compose.ports);
    let own: Vec<_> = ports.filter(|(_, port)| port.service == memory.service && !port.udp).collect();
    own.iter().find(|(_, port)| port.target == PORT).or_else(|| own.first()).map(|(name, _)| name.as_str())
}

fn wrong(value: &Value<'_>, problem: Wrong) -> ConfigError {
    value.fail(Problem::Memory(problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::parse;

    fn problem(memory: &str) -> String {
        let text = format!("version = 1\n[compose.ports]\nP = \"db:9999\"\nDB = \"db:5432\"\n[memory]\n{memory}\n");
        parse(&text).map_or_else(|error| error.problem.to_string(), |_| String::new())
    }

    #[test]
    fn a_service_is_reached_by_its_own_port() {
        let text = "version = 1\n[compose.ports]\nP = 'db:9999'\nDB = 'db:5432'\n[memory]\nservice = 'db'\n";
        let settings = parse(text).expect("it is valid").settings(None).expect("the base");
        let Some(Memory::Service(memory)) = &settings.memory else { panic!("it is a service") };
        assert_eq!((variable(&settings, memory), memory.user.as_str()), (Some("DB"), "postgres"));
    }

    #[test]
    fn neither_an_address_nor_a_password_stands_in_it() {
        assert_eq!(problem("service = 'db'\npassword_variable = 'DB_PASSWORD'\ndatabase = 'm'"), "");
        assert_eq!(problem("server = 'team'"), "");
        for (memory, told) in [
            ("", "`memory` names no server"),
            ("service = 'db'\nserver = 'x'", "`memory` has both `service` and `server`"),
            ("service = 'x'", "`memory.service` is `x`, which publishes no port"),
            ("server = 'postgres://u:p@h/d'", "`memory.server` is an address"),
            ("server = 'x'\nuser = 'u'", "`memory.user` does not go with `memory.server`"),
            (
                "service = 'db'\npassword_file = '/etc/shadow'",
                "`memory.password_file` leads out of the project: `/etc/shadow`",
            ),
            (
                "service = 'db'\npassword_file = 'a/../../x'",
                "`memory.password_file` leads out of the project: `a/../../x`",
            ),
            ("service = 'db'\npassword_variable = 'AWS_SECRET'", "`memory.password_variable` cannot be `AWS_SECRET`"),
            ("service = 'db'\npassword_file = 'a'\npassword_variable = 'PASSWORD'", "`memory` has two passwords"),
            ("service = 'db'\npassword = 'x'", "Unknown key `password` in `memory`"),
        ] {
            assert_eq!(problem(memory), told, "{memory}");
        }
    }
}
