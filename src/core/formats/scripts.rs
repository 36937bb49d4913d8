//! Ports that are written out where a project says how its programs start: the scripts of `package.json`, `Procfile`,
//! `Makefile`, and the settings of emulators. Text in, lines out; nothing is run.

use toml::de::{DeTable, DeValue};

use super::commandline::{self, Written};

/// One command, or one setting, with the ports it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Its number, from 1.
    pub line: usize,
    /// The script, process, target or setting.
    pub owner: String,
    /// What it names.
    pub ports: Vec<Written>,
}

/// A file that is not what its name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Where reading stopped, from 1.
    pub line: usize,
    /// What the parser says.
    pub why: String,
}

/// How the ports of a command line are found.
pub type Find = fn(&str) -> Vec<Written>;

/// Whether a file of this name says which processes there are: `Procfile`, `Procfile.dev`.
pub fn is_procfile(name: &str) -> bool {
    let plain = |end: &str| !end.is_empty() && end.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    name == "Procfile" || name.strip_prefix("Procfile.").is_some_and(plain)
}

/// The names that make looks for.
pub const MAKEFILES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// The scripts of a `package.json`.
///
/// # Errors
/// [`Unreadable`] when it is not JSON.
pub fn package(text: &str, find: Find) -> Result<Vec<Line>, Unreadable> {
    let root = json(text)?;
    let scripts = root.get("scripts").and_then(|scripts| scripts.as_object()).into_iter().flatten();
    let lines = scripts.map(|(name, command)| {
        let ports = find(command.as_str().unwrap_or_default());
        Line { line: line_of(text, &["scripts", name]), owner: name.clone(), ports }
    });
    Ok(lines.filter(|line| !line.ports.is_empty()).collect())
}

/// The processes of a `Procfile`.
pub fn procfile(text: &str, find: Find) -> Vec<Line> {
    let process = |(at, line): (usize, &str)| {
        let (owner, command) = line.split_once(':').filter(|(owner, _)| !owner.trim_start().starts_with('#'))?;
        Some(Line { line: at + 1, owner: owner.trim().to_owned(), ports: find(command) })
    };
    text.lines().enumerate().filter_map(process).filter(|line| !line.ports.is_empty()).collect()
}

/// The variables and recipes of a `Makefile`.
pub fn makefile(text: &str) -> Vec<Line> {
    let mut target = String::new();
    let mut lines = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let (owner, ports) = if line.starts_with('\t') {
            (target.clone(), commandline::ports(line))
        } else if let Some((name, value)) = line.split_once('=') {
            // `?=` leaves what the environment has.
            let name = name.trim_end_matches([':', '+', '!']).trim().trim_start_matches("export ").trim();
            let port = commandline::whole(value.trim()).filter(|_| commandline::is_port_name(name));
            let ports = port.map(|port| Written { variable: Some(name.to_owned()), port });
            (name.to_owned(), ports.into_iter().collect())
        } else {
            let name = line.split(':').next().unwrap_or_default();
            name.trim().clone_into(&mut target);
            continue;
        };
        lines.push(Line { line: at + 1, owner, ports });
    }
    lines.retain(|line| !line.ports.is_empty());
    lines
}

/// The ports of a `firebase.json`'s emulators.
///
/// # Errors
/// [`Unreadable`] when it is not JSON.
pub fn firebase(text: &str) -> Result<Vec<Line>, Unreadable> {
    let root = json(text)?;
    let emulators = root.get("emulators").and_then(|emulators| emulators.as_object()).into_iter().flatten();
    let lines = emulators.filter_map(|(name, emulator)| {
        let port =
            emulator.get("port")?.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port != 0)?;
        let line = line_of(text, &["emulators", name, "port"]);
        Some(Line { line, owner: name.clone(), ports: vec![Written { variable: None, port }] })
    });
    Ok(lines.collect())
}

/// The ports of a `supabase/config.toml`.
///
/// # Errors
/// [`Unreadable`] when it is not TOML.
pub fn supabase(text: &str) -> Result<Vec<Line>, Unreadable> {
    let line_at = |at: usize| text.get(..at).map_or(1, |before| before.matches('\n').count() + 1);
    let root = DeTable::parse(text).map_err(|error| Unreadable {
        line: line_at(error.span().map_or(0, |span| span.start)),
        why: error.message().to_owned(),
    })?;
    let mut lines = Vec::new();
    let mut waiting = vec![(String::new(), root.get_ref())];
    while let Some((path, table)) = waiting.pop() {
        let is_off =
            table.iter().any(|(key, value)| key.get_ref() == "enabled" && value.get_ref().as_bool() == Some(false));
        for (key, value) in table.iter().filter(|_| !is_off) {
            let name = key.get_ref();
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            match value.get_ref() {
                DeValue::Table(table) => waiting.push((path, table)),
                DeValue::Integer(number) if name == "port" || name.ends_with("_port") => {
                    let port = commandline::whole(number.as_str());
                    let ports = port.map(|port| Written { variable: None, port }).into_iter().collect();
                    lines.push(Line { line: line_at(value.span().start), owner: path, ports });
                }
                _ => {}
            }
        }
    }
    lines.retain(|line| !line.ports.is_empty());
    lines.sort_by_key(|line| line.line);
    Ok(lines)
}

fn json(text: &str) -> Result<serde_json::Value, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable { line: error.line().max(1), why: error.to_string() })
}

/// The line of a key below others, each looked for behind the one before.
fn line_of(text: &str, keys: &[&str]) -> usize {
    let mut at = 0;
    for key in keys {
        let quoted = serde_json::Value::from(*key).to_string();
        let is_key = |found: &usize| text[found + quoted.len()..].trim_start().starts_with(':');
        let mut found = text[at..].match_indices(&quoted).map(|(place, _)| at + place);
        at = found.find(is_key).unwrap_or(at);
    }
    text[..at].matches('\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn told(lines: &[Line]) -> Vec<String> {
        let ports = |line: &Line| line.ports.iter().map(|one| one.port.to_string()).collect::<Vec<_>>().join(" ");
        lines.iter().map(|line| format!("{} {}: {}", line.line, line.owner, ports(line))).collect()
    }

    #[test]
    fn each_file_names_its_ports_with_their_lines() {
        let package = "{\n  \"name\": \"dev\",\n  \"scripts\": {\n    \"build\": \"tsc\",\n    \"dev\": \"next dev -p 3000\"\n  }\n}\n";
        assert_eq!(told(&super::package(package, commandline::ports).expect("it is JSON")), ["5 dev: 3000"]);
        assert_eq!(
            told(&procfile("# web: -p 1111\nweb: puma -p 5000\nworker: x\n", commandline::ports)),
            ["2 web: 5000"]
        );
        let makefile = "PORT := 8080\nAPI_PORT ?= 8081\nrun: build\n\tgo run . --port 8082\nx: ; y\n";
        assert_eq!(told(&super::makefile(makefile)), ["1 PORT: 8080", "4 run: 8082"]);
        let firebase = "{\n\"hosting\": {\"port\": 1},\n\"emulators\": {\n  \"auth\": {\n    \"port\": 9099 },\n  \"ui\": {\"enabled\": true}\n}}";
        assert_eq!(told(&super::firebase(firebase).expect("it is JSON")), ["5 auth: 9099"]);
        let supabase = "project_id = \"x\"\n[api]\nport = 54321\n[db]\nport = 54322\nshadow_port = 54320\n[studio]\nenabled = false\nport = 54323\n";
        let expected = ["3 api.port: 54321", "5 db.port: 54322", "6 db.shadow_port: 54320"];
        assert_eq!(told(&super::supabase(supabase).expect("it is TOML")), expected);
    }

    #[test]
    fn what_is_not_what_its_name_says_is_told_with_its_line() {
        assert_eq!(package("{\n\"scripts\": [\n", commandline::ports).expect_err("it is cut").line, 3);
        assert_eq!(supabase("a = 1\n[b\n").expect_err("it is cut").line, 2);
        for odd in
            ["{}", "[]", "1", "{\"scripts\": 1, \"emulators\": [1]}", "{\"emulators\": {\"a\": {\"port\": 70000}}}"]
        {
            assert_eq!((package(odd, commandline::ports), firebase(odd)), (Ok(vec![]), Ok(vec![])), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z\\[\\]{}=:\"\t\n.0-9é -]{0,80}") {
            let _ = (package(&text, commandline::ports), firebase(&text), supabase(&text), procfile(&text, commandline::ports), makefile(&text));
        }
    }
}
