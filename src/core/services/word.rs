//! What a call of `docker compose` says of what is to run (D31): `up -d` and `start` want services up, `stop` and its like do not.

use super::call::Call;

/// Flags of these commands that take a word of their own, each with a space on both sides.
const VALUED: &str =
    " -t --timeout --attach --no-attach --exit-code-from --pull --scale --wait-timeout --rmi -s --signal ";
/// Short flags that can be written together, such as `-dV`.
const SHORT: &str = "dVyfsv";
/// Signals by which nothing ends.
const HARMLESS: [&str; 8] = ["hup", "usr1", "usr2", "winch", "cont", "1", "10", "12"];

/// The user's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// These services are wanted up; none named is all that the call starts.
    Up(Vec<String>),
    /// These are not; none named is every one.
    Down(Vec<String>),
}

impl Call {
    /// The user's decision in it; none in a call that says nothing of it.
    pub fn word(&self) -> Option<Word> {
        let words: Vec<&str> = self.words().iter().map(|word| word.to_str()).collect::<Option<_>>()?;
        let (command, rest) = words.split_first()?;
        let mut names = Vec::new();
        let (mut in_background, mut signal) = (false, None);
        let mut rest = rest.iter();
        while let Some(word) = rest.next() {
            if !word.starts_with('-') {
                names.push((*word).to_owned());
                continue;
            }
            let (flag, joined) = word.split_once('=').map_or((*word, None), |(flag, value)| (flag, Some(value)));
            let bundled = !flag.starts_with("--") && flag.len() > 2 && flag[1..].chars().all(|c| SHORT.contains(c));
            // `rm -s` and `rm -v` are flags without a word.
            let takes = VALUED.contains(&format!(" {flag} ")) && !(*command == "rm" && flag == "-s");
            let value = match joined {
                None if takes => rest.next().copied(),
                value => value,
            };
            match flag {
                "--dry-run" => return None,
                "-d" | "--detach" | "--wait" => in_background = joined != Some("false"),
                "-s" | "--signal" => signal = value,
                _ if bundled && flag.contains('d') => in_background = true,
                _ => {}
            }
        }
        // A flag of compose's own before the command.
        if self.is_dry_run() {
            return None;
        }
        let signal = signal.map(str::to_ascii_lowercase);
        let is_harmless = signal.is_some_and(|signal| HARMLESS.contains(&signal.trim_start_matches("sig")));
        match *command {
            "up" if in_background => Some(Word::Up(names)),
            "start" | "unpause" => Some(Word::Up(names)),
            "kill" if is_harmless => None,
            "down" | "stop" | "kill" | "rm" | "pause" => Some(Word::Down(names)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn word(line: &str) -> Option<Word> {
        let words: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        Call::of("docker-compose", &words).expect("it is a call").word()
    }

    #[test]
    fn up_in_the_background_wants_and_stop_does_not() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let up = |list: &[&str]| Some(Word::Up(names(list)));
        let down = |list: &[&str]| Some(Word::Down(names(list)));
        for (line, expected) in [
            ("up -d", up(&[])),
            ("up db --detach -t 5 web", up(&["db", "web"])),
            ("up -dV --scale web=3 web", up(&["web"])),
            ("up --wait --pull always db", up(&["db"])),
            ("-f a.yaml up --detach=true", up(&[])),
            ("up --detach=false db", None),
            ("up", None),
            ("up db", None),
            ("up -d --dry-run", None),
            ("--dry-run up -d", None),
            ("start", up(&[])),
            ("unpause db", up(&["db"])),
            ("restart db", None),
            ("stop -t 3 db", down(&["db"])),
            ("stop --timeout=3", down(&[])),
            ("down -v --rmi local", down(&[])),
            ("down db", down(&["db"])),
            ("rm -fs db", down(&["db"])),
            ("rm -s db", down(&["db"])),
            ("pause web", down(&["web"])),
            ("kill db", down(&["db"])),
            ("kill -s SIGHUP db", None),
            ("kill --signal=USR1 db", None),
            ("kill -s KILL db", down(&["db"])),
            ("ps", None),
            ("run -d db sh", None),
            ("logs -f db", None),
        ] {
            assert_eq!(word(line), expected, "{line}");
        }
    }
}
