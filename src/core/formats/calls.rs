//! Calls of docker in what a project runs: scripts, recipes of a `Makefile` or `justfile`, and the scripts of `package.json`. Text
//! in, lines out; nothing is run or filled in.

use std::ffi::OsString;

use crate::core::services::Call;

/// Commands of docker about one container by its name, with what compose has for a service in its place; none for what compose
/// has no command.
const OF_CONTAINER: [(&str, Option<&str>); 13] = [
    ("exec", Some("exec")),
    ("logs", Some("logs")),
    ("cp", Some("cp")),
    ("start", Some("start")),
    ("stop", Some("stop")),
    ("restart", Some("restart")),
    ("kill", Some("kill")),
    ("pause", Some("pause")),
    ("unpause", Some("unpause")),
    ("top", Some("top")),
    ("port", Some("port")),
    ("rm", Some("rm")),
    ("inspect", None),
];

/// What a call says of an instance's services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A command of docker's, with the container that it names, and compose's for a service.
    Container(String, &'static str, Option<&'static str>),
    /// Compose is told the project's name.
    Project(String),
    /// Compose is told a file.
    File(String),
}

/// The calls in a text, with their lines from 1; `is_own` says which words are containers of the project.
pub fn calls(text: &str, is_own: &dyn Fn(&str) -> bool) -> Vec<(usize, Says)> {
    let mut found = Vec::new();
    let mut line = (1, String::new());
    for (at, piece) in text.lines().enumerate() {
        if line.1.is_empty() {
            line.0 = at + 1;
        }
        line.1.push_str(piece.trim_end_matches('\\'));
        if piece.ends_with('\\') && line.1.len() < LONGEST {
            line.1.push(' ');
            continue;
        }
        let whole = std::mem::take(&mut line.1);
        found.extend(in_line(&whole, is_own).into_iter().map(|says| (line.0, says)));
    }
    found.extend(in_line(&line.1, is_own).into_iter().map(|says| (line.0, says)));
    found
}

/// The longest line that is put together from several, in bytes.
const LONGEST: usize = 64 * 1024;

fn in_line(line: &str, is_own: &dyn Fn(&str) -> bool) -> Vec<Says> {
    let line = line.trim_start();
    if line.starts_with(['#', '/']) || !line.contains("docker") {
        return Vec::new();
    }
    // A comment ends it.
    let line = line.split(" #").next().unwrap_or_default();
    let parts = line.split(|c: char| ";&|()`\n".contains(c));
    parts.flat_map(|part| in_command(&words(part), is_own)).collect()
}

/// The words of a command, without quotes and what a Makefile puts before it.
fn words(part: &str) -> Vec<String> {
    let plain = |word: &str| word.trim_matches(['"', '\'', '\\', ',']).to_owned();
    let words = part.split_whitespace().map(plain).filter(|word| !word.is_empty());
    words.map(|word| word.trim_start_matches(['@', '+']).to_owned()).collect()
}

fn in_command(words: &[String], is_own: &dyn Fn(&str) -> bool) -> Vec<Says> {
    let is_tool =
        |word: &String| matches!(word.rsplit(['/', '"', '\'', '=']).next(), Some("docker" | "docker-compose"));
    let Some(at) = words.iter().position(is_tool) else { return Vec::new() };
    let tool = if words[at].ends_with("docker-compose") { "docker-compose" } else { "docker" };
    let rest = &words[at + 1..];
    let given: Vec<OsString> = rest.iter().map(OsString::from).collect();
    if let Some(call) = Call::of(tool, &given) {
        let files = call.files.iter().filter_map(|file| Some(Says::File(file.to_str()?.to_owned())));
        return call.project.iter().map(|name| Says::Project(name.clone())).chain(files).collect();
    }
    let rest = rest.strip_prefix(&["container".to_owned()]).unwrap_or(rest);
    let Some((verb, instead)) = OF_CONTAINER.iter().find(|(verb, _)| rest.first().is_some_and(|word| word == verb))
    else {
        return Vec::new();
    };
    // The first of the words that is a container: behind it stands what runs there.
    let mut named = rest[1..].iter().filter_map(|word| word.split(':').next());
    let name = named.find(|name| !name.contains('$') && is_own(name));
    name.map(|name| Says::Container(name.to_owned(), verb, *instead)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn calls_about_containers_projects_and_files_are_told_with_their_lines() {
        let text = "# docker exec shop-db x\ndocker exec -it shop-db psql -U me\n\t@docker logs -f shop-web | grep x\n\
                    \"db\": \"docker cp 'shop-db:/dump' . && docker compose -p shop up\",\n\
                    docker compose \\\n  -f ../infra/compose.yaml \\\n  up -d\nX=$(docker inspect shop-db)\n\
                    docker run shop-db\ndocker exec other shop-db2\ndocker-compose --project-name=x ps; docker compose ps\n\
                    make x # docker exec shop-db\ndocker container exec shop-db ls\nsudo /usr/bin/docker stop shop-db\n";
        let told: Vec<String> = calls(text, &|word| ["shop-db", "shop-web"].contains(&word))
            .iter()
            .map(|(line, says)| format!("{line} {says:?}"))
            .collect();
        assert_eq!(
            told,
            [
                "2 Container(\"shop-db\", \"exec\", Some(\"exec\"))",
                "3 Container(\"shop-web\", \"logs\", Some(\"logs\"))",
                "4 Container(\"shop-db\", \"cp\", Some(\"cp\"))",
                "4 Project(\"shop\")",
                "5 File(\"../infra/compose.yaml\")",
                "8 Container(\"shop-db\", \"inspect\", None)",
                "11 Project(\"x\")",
                "13 Container(\"shop-db\", \"exec\", Some(\"exec\"))",
                "14 Container(\"shop-db\", \"stop\", Some(\"stop\"))",
            ]
        );
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(docker|compose|exec|-f|-p|[ \\\\\"'\n;=@#é$()x])*") {
            let _ = calls(&text, &|word| ["x", ""].contains(&word));
        }
    }
}
