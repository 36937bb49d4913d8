//! The words that some arguments are chosen from: shells, from their table, and what else reads `silo export`.

use std::ffi::OsStr;
use std::fmt::Write as _;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use crate::core::shell::{self, Completions, Shell};

/// A reader of `silo export`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportFormat {
    /// A shell, which evaluates commands.
    Shell(&'static Shell),
    /// A program that takes the changes as an object.
    Json,
    /// What reads env files.
    Dotenv,
    /// The file that `$GITHUB_ENV` names.
    Gha,
    /// A unit of systemd.
    Systemd,
}

/// The readers that are no shells, by their names, with what help says of each.
const OTHERS: [(&str, ExportFormat, &str); 4] = [
    ("json", ExportFormat::Json, "An object of names and values, null for one that goes away"),
    ("dotenv", ExportFormat::Dotenv, "All vars, as `NAME=value` lines for sh, docker compose and dotenv readers"),
    ("gha", ExportFormat::Gha, "All vars, as lines to append to `$GITHUB_ENV`"),
    ("systemd", ExportFormat::Systemd, "All vars, as an `EnvironmentFile` of systemd"),
];

impl ExportFormat {
    /// The reader of a name, as typed.
    pub fn named(name: &str) -> Option<Self> {
        let other = || OTHERS.iter().find(|(other, ..)| *other == name).map(|(_, format, _)| *format);
        shell::named(name).map(Self::Shell).or_else(other)
    }
}

/// Takes the name of a shell with a hook.
pub(super) fn shells() -> impl TypedValueParser<Value = &'static Shell> {
    one_of(shell::ALL.into_iter().map(|shell| value(shell, shell.about)), shell::named)
}

/// Takes the name of a shell with completions.
pub(super) fn completed_shells() -> impl TypedValueParser<Value = &'static Completions> {
    let values = completed().map(|(shell, completions)| value(shell, completions.about));
    one_of(values, |name| shell::named(name)?.completions.as_ref())
}

/// Takes the name of a reader of `silo export`.
pub(super) fn export_formats() -> impl TypedValueParser<Value = ExportFormat> {
    let shells = shell::ALL.into_iter().map(|shell| value(shell, shell.exported));
    let others = OTHERS.into_iter().map(|(name, _, help)| PossibleValue::new(name).help(help));
    one_of(shells.chain(others), ExportFormat::named)
}

/// The examples of `silo hook --help`: the line of each shell, those that the user adds by hand last.
pub(super) fn hook_examples() -> String {
    let (by_hand, added): (Vec<_>, Vec<_>) = shell::ALL.into_iter().partition(|shell| shell.start.by_hand.is_some());
    let added = added.into_iter().map(|shell| {
        let line = String::from_utf8(shell.load(b"silo")).expect("each shell's line is text");
        (line, shell.start.shown)
    });
    let by_hand = by_hand.into_iter().filter_map(|shell| {
        let by_hand = shell.start.by_hand.as_ref()?;
        Some((by_hand.example.to_owned(), shell.start.shown))
    });
    let options = [
        ("silo hook --install".to_owned(), "Add the line for $SHELL; asks first"),
        ("silo hook --uninstall".to_owned(), "Remove it again"),
    ];
    let mut text = "Examples:".to_owned();
    for (line, about) in added.chain(by_hand).chain(options) {
        write!(text, "\n  {line:35}# {about}").expect("a string takes any text");
    }
    text
}

/// The examples of `silo completions --help`.
pub(super) fn completions_examples() -> String {
    let lines = completed().map(|(_, completions)| format!("\n  {}", completions.example));
    ["Examples:".to_owned()].into_iter().chain(lines).collect()
}

fn completed() -> impl Iterator<Item = (&'static Shell, &'static Completions)> {
    shell::ALL.into_iter().filter_map(|shell| Some((shell, shell.completions.as_ref()?)))
}

fn value(shell: &Shell, help: &'static str) -> PossibleValue {
    PossibleValue::new(shell.name).aliases(shell.aliases.iter().copied()).help(help)
}

/// Takes one of some words, and makes of it what it stands for.
fn one_of<T: Clone + Send + Sync + 'static>(
    values: impl IntoIterator<Item = PossibleValue>,
    named: fn(&str) -> Option<T>,
) -> impl TypedValueParser<Value = T> {
    let values = Words(PossibleValuesParser::new(values));
    values.map(move |word| named(&word).expect("each word offered stands for something"))
}

/// Bytes that are no text are none of the words, as any other word that is not.
#[derive(Clone)]
struct Words(PossibleValuesParser);

impl TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        self.0.parse_ref(command, argument, OsStr::new(&*value.to_string_lossy()))
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        self.0.possible_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reader_is_found_by_its_name() {
        for (name, format, _) in OTHERS {
            assert_eq!(ExportFormat::named(name), Some(format));
        }
        for shell in shell::ALL {
            assert_eq!(ExportFormat::named(shell.name), Some(ExportFormat::Shell(shell)));
        }
        assert_eq!((ExportFormat::named("nushell"), ExportFormat::named("")), (ExportFormat::named("nu"), None));
    }
}
