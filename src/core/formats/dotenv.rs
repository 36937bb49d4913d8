//! What a `.env` or `.envrc` fixes for every instance of a project: names that silo sets, and ports it leases. Text in, places
//! out; nothing is filled in or run.

use std::collections::BTreeMap;

use super::commandline;

/// What direnv runs.
pub const RC: &str = ".envrc";
/// The names such files have.
pub const NAMES: [&str; 4] = [".env", ".env.local", ".env.development", RC];

/// Whether a file of this name sets variables: those of [`NAMES`], `.env.*.local` and `.dev.vars`.
pub fn is_name(name: &str) -> bool {
    let is_local = name.strip_prefix(".env.").and_then(|rest| rest.strip_suffix(".local")).is_some();
    NAMES.contains(&name) || is_local || name == ".dev.vars"
}

/// What is the same in every instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shared {
    /// A variable that silo sets, too.
    Name,
    /// A port in the value.
    Port {
        /// Its number.
        port: u16,
        /// The variable silo leases it as.
        lease: String,
        /// Whether the value is an address, as in `[urls]`.
        is_url: bool,
    },
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// Its number, from 1.
    pub line: usize,
    /// The variable it sets.
    pub name: String,
    /// What in it is the same in every instance.
    pub shared: Shared,
}

/// Finds what is fixed. `declared` are the names silo sets, with the defaults of ports. A value with a `$` follows from
/// something else, and is not looked at.
pub fn scan(text: &str, declared: &BTreeMap<String, Option<u16>>) -> Vec<Fixed> {
    let set = |(at, line)| assignment(line).map(|(name, value)| (at + 1, name, value));
    judge(text.lines().enumerate().filter_map(set), declared)
}

/// The same of lines, names and values.
pub fn judge<'a>(
    set: impl Iterator<Item = (usize, &'a str, &'a str)>,
    declared: &BTreeMap<String, Option<u16>>,
) -> Vec<Fixed> {
    let judged = |(line, name, value): (usize, &str, &str)| {
        let shared = match declared.contains_key(name) {
            true => Shared::Name,
            false => port(name, value, declared)?,
        };
        Some(Fixed { line, name: name.to_owned(), shared })
    };
    set.filter_map(judged).collect()
}

/// What a text gives a variable; the last of several counts.
pub fn value_of<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().rev().filter_map(split).find(|(own, _)| *own == name).map(|(_, value)| value)
}

/// The ports a text gives to variables that are called so, as far as they are of this machine: a `SMTP_PORT` beside a
/// `SMTP_HOST` elsewhere is not.
pub fn ports(text: &str) -> Vec<(String, u16)> {
    let is_here = |host: &str| ["", "localhost", "127.0.0.1", "0.0.0.0", "::1"].contains(&host);
    let port = |line| {
        let (name, value) = split(line).filter(|(name, _)| commandline::is_port_name(name))?;
        let host = format!("{}HOST", name.strip_suffix("PORT")?);
        let is_elsewhere = value_of(text, &host).is_some_and(|host| !is_here(host));
        let port = commandline::whole(value).filter(|port| *port >= 1024 && !is_elsewhere)?;
        Some((name.to_owned(), port))
    };
    text.lines().filter_map(port).collect()
}

/// Name and value of `NAME=value` or `export NAME=value`, when the value is written out.
fn assignment(line: &str) -> Option<(&str, &str)> {
    split(line).filter(|(_, value)| !value.contains(['$', '`']))
}

/// The same, whatever the value is.
fn split(line: &str) -> Option<(&str, &str)> {
    let line = line.trim();
    let line = line.strip_prefix("export ").map_or(line, str::trim_start);
    let (name, value) = line.split_once('=')?;
    let name = name.trim_end();
    crate::core::shell::varname::is_identifier(name).then_some((name, bare(value)))
}

/// A value without its quotes, and without a comment behind it.
fn bare(text: &str) -> &str {
    let value = text.trim_start();
    let quoted = ['"', '\''].into_iter().find_map(|quote| value.strip_prefix(quote)?.split_once(quote));
    if let Some((inner, rest)) = quoted
        && (rest.trim().is_empty() || rest.starts_with([' ', '\t']) && rest.trim_start().starts_with('#'))
    {
        return inner;
    }
    let comment = text.match_indices('#').map(|(at, _)| at).find(|at| text[..*at].ends_with([' ', '\t']));
    text[..comment.unwrap_or(text.len())].trim().trim_matches(['"', '\''])
}

/// A leased port in a value: behind this machine's name, or alone where the variable is called a port.
fn port(name: &str, value: &str, declared: &BTreeMap<String, Option<u16>>) -> Option<Shared> {
    let known = |text: &str| {
        let digits = text.split(|c: char| !c.is_ascii_digit()).next()?;
        let port = digits.parse().ok()?;
        let (variable, _) = declared.iter().find(|(_, default)| **default == Some(port))?;
        Some(Shared::Port { port, lease: variable.clone(), is_url: value.contains("://") })
    };
    if name.to_ascii_uppercase().contains("PORT") && value.chars().all(|c| c.is_ascii_digit()) {
        return known(value);
    }
    ["localhost:", "127.0.0.1:", "[::1]:", "0.0.0.0:"]
        .iter()
        .find_map(|host| value.match_indices(host).find_map(|(at, _)| known(&value[at + host.len()..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let declared = [("PORT", Some(3000)), ("DB_PORT", Some(5432)), ("X_PORT", None), ("WEB_URL", None)];
        let declared = declared.map(|(name, port)| (name.to_owned(), port)).into();
        let line = |one: Fixed| match one.shared {
            Shared::Name => format!("{} {} Name", one.line, one.name),
            Shared::Port { port, lease, is_url } => {
                format!("{} {} {port} of {lease}{}", one.line, one.name, if is_url { ", a URL" } else { "" })
            }
        };
        scan(text, &declared).into_iter().map(line).collect()
    }

    #[test]
    fn names_silo_sets_and_ports_it_leases_are_found_with_their_line() {
        let text = "# PORT=1\nPORT=3000 # ours\n\n  export WEB_URL='http://x'\nSECRET=localhost\n\
                    DATABASE_URL=\"postgres://a:b@localhost:5432/app\"\nPG_PORT = 5432\nHOSTS=127.0.0.1:80,127.0.0.1:3000\n";
        assert_eq!(
            found(text),
            [
                "2 PORT Name",
                "4 WEB_URL Name",
                "6 DATABASE_URL 5432 of DB_PORT, a URL",
                "7 PG_PORT 5432 of DB_PORT",
                "8 HOSTS 3000 of PORT",
            ]
        );
    }

    #[test]
    fn ports_of_this_machine_are_told_from_those_elsewhere() {
        let text = "PORT=3000\nSMTP_HOST=smtp.example.com\nSMTP_PORT=2525\nDB_HOST=localhost\nexport DB_PORT='5433'\n\
                    REPORT=4000\nX_PORT=$Y\nLOW_PORT=80\nBAD_PORT=3000x\n";
        assert_eq!(ports(text), [("PORT".to_owned(), 3000), ("DB_PORT".to_owned(), 5433)]);
    }

    #[test]
    fn a_comment_behind_a_value_is_none_of_it() {
        let text = "A_PORT=3000 # web\nB_PORT=\"3001\"\t# api\nC_PORT='3002' #x\nD_PORT=3003#\nE_PORT= # none\nB_HOST=localhost # here\n\
                    F=\"a # b\"\nG=a#b\nH='it' # isn't\nI=\"cut\n";
        let port = |(name, port)| format!("{name} {port}");
        assert_eq!(
            ports(text).into_iter().map(port).collect::<Vec<_>>(),
            ["A_PORT 3000", "B_PORT 3001", "C_PORT 3002"]
        );
        assert_eq!(
            ["E_PORT", "F", "G", "H", "I"].map(|name| value_of(text, name)),
            ["", "a # b", "a#b", "it", "cut"].map(Some)
        );
        assert_eq!(found("PG_PORT=5432 # postgres\nURL=x # localhost:5432\n"), ["1 PG_PORT 5432 of DB_PORT"]);
    }

    #[test]
    fn what_follows_from_something_else_or_lies_elsewhere_is_not() {
        let text = "export PORT=${PORT:-3000}\nURL=postgres://localhost:$DB_PORT/a\nTIMEOUT=3000\nURL=http://db:5432\n\
                    OTHER_PORT=54321\nURL=localhost:30001\ndotenv\nPATH_add bin\nif [ x = PORT ]; then\nA B=3000\n";
        assert_eq!(found(text), [""; 0]);
    }
}
