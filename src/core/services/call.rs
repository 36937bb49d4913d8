//! A call of `docker compose` as it is typed: which files it is about, and the same call with an override (D24).

use std::ffi::{OsStr, OsString};

/// What of docker's own flags takes a word of its own.
const DOCKER_WORDS: [&str; 11] = [
    "-c",
    "--context",
    "-H",
    "--host",
    "--config",
    "-l",
    "--log-level",
    "--tlscacert",
    "--tlscert",
    "--connection",
    "--url",
];
/// Flags, docker's or podman's, that name an engine.
const ELSEWHERE: [&str; 8] = ["-c", "--context", "-H", "--host", "--config", "--connection", "--url", "--remote"];
/// What of compose's own flags, before its command, does.
const COMPOSE_WORDS: [&str; 9] =
    ["-f", "--file", "-p", "--project-name", "--project-directory", "--profile", "--env-file", "--ansi", "--progress"];
/// Commands that go without the override: images bear the names that the project's files give them.
const WITHOUT: [&str; 1] = ["push"];
/// Commands that would make what the override isolates, and so are refused without it.
const MAKES: [&str; 9] = ["up", "run", "create", "start", "restart", "build", "watch", "scale", "pull"];
/// Commands that start containers.
const STARTS: [&str; 7] = ["up", "run", "create", "start", "restart", "watch", "scale"];
/// Commands and flags that look at no project.
const ABOUT: [&str; 6] = ["version", "help", "ls", "completion", "__complete", "__completeNoDesc"];

/// A call.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Call {
    /// Docker's own words, `compose` included; empty for `docker-compose`.
    before: Vec<OsString>,
    /// The files it names, in order.
    pub files: Vec<OsString>,
    /// `--project-directory`.
    pub directory: Option<OsString>,
    /// `--project-name`.
    pub project: Option<String>,
    /// Whether it names a project, or an engine, itself.
    pub is_elsewhere: bool,
    /// The other flags before the command.
    flags: Vec<OsString>,
    /// The command and its words.
    after: Vec<OsString>,
}

impl Call {
    /// Reads a call of `docker`, `podman`, `docker-compose` or `podman-compose`; none when it is none of a compose project.
    pub fn of(tool: &str, words: &[OsString]) -> Option<Self> {
        let mut call = Self::default();
        let mut rest = words.iter();
        if ["docker", "podman"].contains(&tool) {
            loop {
                let word = rest.next()?;
                call.before.push(word.clone());
                match word.to_str()? {
                    "compose" => break,
                    flag if flag.starts_with('-') => {
                        let (name, _) = flag.split_once('=').unwrap_or((flag, ""));
                        call.is_elsewhere |= ELSEWHERE.contains(&name);
                        if DOCKER_WORDS.contains(&flag) || flag == "--tlskey" {
                            call.before.push(rest.next()?.clone());
                        }
                    }
                    _ => return None,
                }
            }
        }
        while let Some(word) = rest.next() {
            let text = word.to_str().unwrap_or("");
            if !text.starts_with('-') || text == "-" {
                call.after = std::iter::once(word).chain(rest).cloned().collect();
                break;
            }
            let (name, joined) = match text.split_once('=') {
                Some((name, value)) if name.starts_with("--") => (name, Some(OsString::from(value))),
                // `-fFILE`, as some write it.
                _ if !text.starts_with("--") && text.len() > 2 && matches!(&text[..2], "-f" | "-p") => {
                    (&text[..2], Some(text[2..].trim_start_matches('=').into()))
                }
                _ => (text, None),
            };
            let takes = COMPOSE_WORDS.contains(&name) || name == "--parallel";
            let value = match joined.clone() {
                None if takes => Some(rest.next()?.clone()),
                value => value,
            };
            match (name, value) {
                ("-f" | "--file", Some(file)) => call.files.push(file),
                ("--project-directory", Some(folder)) => call.directory = Some(folder),
                ("-h" | "--help" | "-v" | "--version", _) => return None,
                (name, value) => {
                    if matches!(name, "-p" | "--project-name") {
                        call.is_elsewhere = true;
                        call.project = value.as_ref().map(|name| name.to_string_lossy().into_owned());
                    }
                    call.flags.push(if joined.is_some() { word.clone() } else { name.into() });
                    call.flags.extend(value.filter(|_| joined.is_none()));
                }
            }
        }
        let command = call.command();
        let asks_help = call.after.iter().take_while(|word| *word != "--").any(|word| word == "--help");
        (!command.is_empty() && !ABOUT.contains(&command) && !asks_help).then_some(call)
    }

    /// The command, such as `up`.
    pub fn command(&self) -> &str {
        self.after.first().and_then(|word| word.to_str()).unwrap_or("")
    }

    /// The command and what follows it.
    pub(super) fn words(&self) -> &[OsString] {
        &self.after
    }

    /// Whether nothing is really done.
    pub(super) fn is_dry_run(&self) -> bool {
        self.flags.iter().any(|flag| flag == "--dry-run")
    }

    /// `--profile`, each of them.
    pub fn profiles(&self) -> impl Iterator<Item = &str> {
        let follows = self.flags.windows(2).filter(|pair| pair[0] == "--profile").filter_map(|pair| pair[1].to_str());
        follows.chain(self.flags.iter().filter_map(|flag| flag.to_str()?.strip_prefix("--profile=")))
    }

    /// Whether it goes without an override.
    pub fn is_plain(&self) -> bool {
        WITHOUT.contains(&self.command())
    }

    /// Whether it may not run without an override.
    pub fn makes(&self) -> bool {
        MAKES.contains(&self.command())
    }

    /// Whether it removes volumes: without an override also those that another instance, or what was before silo, has under a
    /// name that the files write out.
    pub fn loses_data(&self) -> bool {
        let words = self.after.iter().skip(1).take_while(|word| *word != "--").filter_map(|word| word.to_str());
        let asks = |word: &str| match word.strip_prefix("--") {
            Some(flag) => flag == "volumes" || flag.strip_prefix("volumes=").is_some_and(|value| value != "false"),
            None => word.starts_with('-') && word.contains('v'),
        };
        self.command() == "down" && words.into_iter().any(asks)
    }

    /// Whether it starts containers.
    pub fn starts(&self) -> bool {
        STARTS.contains(&self.command())
    }

    /// The services among its words, by what the files have.
    pub fn named(&self, services: &[String]) -> Vec<OsString> {
        let is_service = |word: &&OsString| word.to_str().is_some_and(|word| services.iter().any(|one| one == word));
        let named = self.after.iter().skip(1).take_while(|word| *word != "--").filter(is_service);
        // What follows the service of `run` is for its program.
        let most = if self.command() == "run" { 1 } else { usize::MAX };
        named.take(most).cloned().collect()
    }

    /// `--env-file`, each of them.
    pub fn env_files(&self) -> impl Iterator<Item = &OsStr> {
        let follows = self.flags.windows(2).filter(|pair| pair[0] == "--env-file").map(|pair| pair[1].as_os_str());
        let joined = self.flags.iter().filter_map(|flag| Some(OsStr::new(flag.to_str()?.strip_prefix("--env-file=")?)));
        follows.chain(joined)
    }

    /// The call for a project by name, with a list of files in place of its own.
    pub fn with<'a>(&self, project: &str, files: impl Iterator<Item = &'a OsStr>) -> Vec<OsString> {
        let mut words = self.before.clone();
        words.extend(["--project-name".into(), project.into()]);
        for file in files {
            words.extend(["--file".into(), file.to_owned()]);
        }
        if let Some(folder) = &self.directory {
            words.extend(["--project-directory".into(), folder.clone()]);
        }
        words.extend(self.flags.iter().chain(&self.after).cloned());
        words
    }
}

/// The command that stops what runs under a compose project's name.
pub fn stop_line(project: &str) -> String {
    format!("docker compose -p {} stop", shell_words::quote(project))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Option<Call> {
        let mut words = line.split(' ');
        let tool = words.next().expect("a line has words");
        Call::of(tool, &words.map(OsString::from).collect::<Vec<_>>())
    }

    fn with(line: &str) -> String {
        let Some(call) = call(line) else { return "none".to_owned() };
        if call.is_elsewhere {
            return "elsewhere".to_owned();
        }
        let files = call.files.iter().map(OsString::as_os_str).chain([OsStr::new("O")]);
        call.with("P", files).iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn a_call_keeps_its_flags_and_gets_files_and_a_name() {
        for (line, expected) in [
            ("docker compose up -d", "compose --project-name P --file O up -d"),
            (
                "docker --debug compose -f a.yaml --file=b.yaml logs -f web",
                "--debug compose --project-name P --file a.yaml --file b.yaml --file O logs -f web",
            ),
            (
                "docker-compose -fa.yaml --profile x --ansi=never ps",
                "--project-name P --file a.yaml --file O --profile x --ansi=never ps",
            ),
            (
                "docker compose --project-directory .. --env-file e exec db sh -c -p",
                "compose --project-name P --file O --project-directory .. --env-file e exec db sh -c -p",
            ),
            (
                "docker compose --dry-run --parallel 3 down",
                "compose --project-name P --file O --dry-run --parallel 3 down",
            ),
            ("docker compose -p x up", "elsewhere"),
            ("docker compose --project-name=x up", "elsewhere"),
            ("docker -H tcp://x compose up", "elsewhere"),
            ("docker --context x compose up", "elsewhere"),
            ("podman compose up -d", "compose --project-name P --file O up -d"),
            ("podman --connection far compose up", "elsewhere"),
            ("podman ps", "none"),
            ("podman-compose up", "--project-name P --file O up"),
            ("docker ps", "none"),
            ("docker run -it compose up", "none"),
            ("docker compose", "none"),
            ("docker compose version", "none"),
            ("docker compose up --help", "none"),
            ("docker compose --help", "none"),
            ("docker compose ls", "none"),
            ("docker compose -f", "none"),
            ("docker", "none"),
        ] {
            assert_eq!(with(line), expected, "{line}");
        }
        assert!(call("docker compose push").is_some_and(|call| call.is_plain() && !call.makes()));
        assert!(call("docker compose run web sh").is_some_and(|call| call.makes()));
        for (words, loses) in [
            ("down -v", true),
            ("down -t 3 --volumes", true),
            ("down --volumes=true", true),
            ("down -vt3", true),
            ("down", false),
            ("down --volumes=false", false),
            ("down --remove-orphans", false),
            ("down -- -v", false),
            ("exec -v", false),
            ("logs -v", false),
        ] {
            assert_eq!(call(&format!("docker compose {words}")).map(|call| call.loses_data()), Some(loses), "{words}");
        }
    }
}
