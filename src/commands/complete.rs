//! `silo __complete SHELL WORD…`: what the scripts in `completions/` ask at TAB; the last word is the one to complete.
//!
//! The answer's first line says who completes it: silo, with the `values` that follow, a line each; or the shell, with its
//! own completion of `files N` and `folders N` behind the word's first N characters, or of the `command N` that begins
//! at word N. Nothing is written, locked, started or told here: what cannot be read has no candidates.

mod values;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::sync::{Arc, OnceLock};

use clap::{Arg, ArgMatches, ValueHint};
use clap_complete::engine::{self, ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use self::values::Place;
use crate::cli::{self, Completes};
use crate::core::shell::environment::Environment;
use crate::core::shell::{self, Completions};
use crate::core::text::source::one_line;
use crate::ui::Ui;

/// What the shell completes better itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Own {
    Files,
    Folders,
    /// A command line, in the argument of this id.
    Command(clap::Id),
}

/// What the shell is asked to complete, and the part of the word that belongs to it: its end.
type Handed = OnceLock<(Own, OsString)>;

/// Answers a completion script; none for any other call.
pub fn call(environment: &Environment, arguments: &[OsString]) -> Option<u8> {
    let (call, rest) = arguments.split_first()?;
    if call != "__complete" {
        return None;
    }
    let shell = rest.first().and_then(|shell| shell::of_program(shell.to_str()?)?.completions.as_ref());
    if let (Some(shell), Some(words @ [_, ..])) = (shell, rest.get(1..)) {
        // TAB is no place for errors.
        let _ = Ui::default().answer_bytes(&answer(environment, shell, words));
    }
    Some(0)
}

fn answer(environment: &Environment, shell: &Completions, typed: &[OsString]) -> Vec<u8> {
    let (mut words, places) = words(shell, typed);
    let matches = cli::overview::command().ignore_errors(true).try_get_matches_from(&words).ok();
    let Some(word) = words.last_mut() else { return Vec::new() };
    if word == "-" {
        // A dash alone would list the short forms and hide the long ones, which say more.
        *word = "--".into();
    }
    let (word, at) = (word.clone(), places.len() - 1);
    let option = word.as_bytes().starts_with(b"-");
    let place = Arc::new(Place::of(environment, matches.as_ref()));
    let handed = Arc::new(Handed::new());
    let mut command = attach(cli::overview::command(), &place, &handed);
    let found = engine::complete(&mut command, words, at, Some(&place.folder)).unwrap_or_default();
    match handed.get() {
        Some((Own::Command(id), _)) => {
            let length = matches.as_ref().and_then(|matches| command_length(matches, id.as_str())).unwrap_or(1);
            if length > 1 || !option {
                return format!("command {}\n", places[(at + 1).saturating_sub(length)]).into_bytes();
            }
        }
        Some((own, part)) if !part.as_bytes().starts_with(b"-") => {
            let kind = if *own == Own::Files { "files" } else { "folders" };
            return format!("{kind} {}\n", word.len() - part.len()).into_bytes();
        }
        _ => {}
    }
    let lines = offered(found, option).into_iter().map(|candidate| line(shell, &candidate));
    [b"values\n".to_vec()].into_iter().chain(lines).flatten().collect()
}

/// The words as clap takes them, and for each its place among those typed.
fn words(shell: &Completions, typed: &[OsString]) -> (Vec<OsString>, Vec<usize>) {
    let all = typed.iter().enumerate();
    if !shell.is_raw {
        return all.map(|(place, word)| (word.clone(), place)).unzip();
    }
    let plain = |word: &OsString| {
        let parts = word.to_str().and_then(|word| shell_words::split(word).ok());
        parts.filter(|parts| parts.len() == 1).map_or_else(|| word.clone(), |parts| parts.concat().into())
    };
    all.filter(|(_, word)| *word != "=").map(|(place, word)| (plain(word), place)).unzip()
}

/// Gives every marked argument its candidates, and hands paths and commands to the shell.
fn attach(command: clap::Command, place: &Arc<Place>, handed: &Arc<Handed>) -> clap::Command {
    let argument = |argument: Arg| {
        if let Some(what) = argument.get::<Completes>().copied() {
            let place = Arc::clone(place);
            return argument.add(ArgValueCandidates::new(move || place.candidates(what)));
        }
        let own = match argument.get_value_hint() {
            ValueHint::AnyPath | ValueHint::FilePath => Own::Files,
            ValueHint::DirPath => Own::Folders,
            ValueHint::CommandWithArguments => Own::Command(argument.get_id().clone()),
            _ => return argument,
        };
        let handed = Arc::clone(handed);
        argument.add(ArgValueCompleter::new(move |part: &OsStr| {
            // The first to ask is the one the word belongs to.
            let _ = handed.set((own.clone(), part.to_owned()));
            Vec::new()
        }))
    };
    command.mut_args(argument).mut_subcommands(|command| attach(command, place, handed))
}

/// How many words the command in an argument of the subcommand has.
fn command_length(matches: &ArgMatches, id: &str) -> Option<usize> {
    let (_, matches) = matches.subcommand()?;
    Some(matches.try_get_raw(id).ok()??.len())
}

/// Options only where one is begun, or where there is nothing else; and only what needs no quoting in any shell.
fn offered(found: Vec<CompletionCandidate>, option: bool) -> Vec<CompletionCandidate> {
    let is_option = |candidate: &CompletionCandidate| candidate.get_value().as_bytes().starts_with(b"-");
    let plain = |candidate: &CompletionCandidate| {
        candidate.get_value().as_bytes().iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=".contains(byte))
    };
    let all: Vec<_> = found.into_iter().filter(plain).collect();
    match option || all.iter().all(is_option) {
        true => all,
        false => all.into_iter().filter(|candidate| !is_option(candidate)).collect(),
    }
}

/// A candidate in the words of a shell's script.
fn line(shell: &Completions, candidate: &CompletionCandidate) -> Vec<u8> {
    let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
    let help = one_line(help.lines().next().unwrap_or_default()).replace('\t', " ");
    let help = if help.is_empty() { help } else { (shell.help)(&help) };
    [candidate.get_value().as_bytes(), help.as_bytes(), b"\n"].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn answered(shell: &Completions, line: &str) -> String {
        let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
        String::from_utf8(answer(&Environment::default(), shell, &words)).expect("it is text")
    }

    #[test]
    fn a_dash_begins_an_option_wherever_one_may_stand() {
        for line in ["silo shell -", "silo exec -", "silo up -", "silo -"] {
            let fish = shell::named("fish").and_then(|shell| shell.completions.as_ref()).expect("it has some");
            let answer = answered(fish, line);
            assert!(answer.contains("\n--verbose\t"), "{line:?}: {answer}");
        }
    }

    proptest! {
        #[test]
        fn no_words_panic(words in proptest::collection::vec("(silo|up|exec|shell|-C|--config=?|-|--|=|'|\\\\|~|\\PC{0,4})", 0..7)) {
            for shell in shell::ALL.into_iter().filter_map(|shell| shell.completions.as_ref()) {
                let answer = answered(shell, &words.join(" "));
                let kind = answer.split(['\n', ' ']).next();
                prop_assert!(["", "values", "files", "folders", "command"].map(Some).contains(&kind), "{}", answer);
            }
        }
    }
}
