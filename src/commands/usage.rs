//! A command line that cannot be understood, said like every other failure: what is wrong with it, and how to go on.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::cli::overview;
use crate::core::text::suggest::ticked;
use crate::failure::{Failure, code};
use crate::ui::Ui;

/// Prints a mistake on the command line, or the help that was asked for.
pub fn usage(error: &clap::Error) -> u8 {
    let ui = Ui::default();
    let is_help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if !is_help {
        ui.fail(&failure(error));
        return code::USAGE;
    }
    if let Err(failure) = ui.explain(error) {
        ui.fail(&failure);
        return failure.code;
    }
    u8::try_from(error.exit_code()).unwrap_or(code::USAGE)
}

fn failure(error: &clap::Error) -> Failure {
    let text = |kind| texts(error, kind).into_iter().next().unwrap_or_default();
    let usage = text(ContextKind::Usage);
    let usage = usage.trim().trim_start_matches("Usage:").trim();
    let is_name = |word: &&str| !word.starts_with(['[', '<', '-']);
    let command = usage.split_whitespace().take_while(is_name).collect::<Vec<_>>().join(" ");
    let (argument, value) = (text(ContextKind::InvalidArg), text(ContextKind::InvalidValue));
    let mut hints: Vec<String> = Vec::new();
    let failure = match error.kind() {
        ErrorKind::InvalidSubcommand => {
            let word = text(ContextKind::InvalidSubcommand);
            hints.push(overview::meant_by(&word).unwrap_or_else(|| "All commands: `silo --help`".to_owned()));
            return hints
                .into_iter()
                .fold(Failure::new(format!("silo has no command `{word}`")), Failure::hint)
                .code(code::USAGE);
        }
        ErrorKind::UnknownArgument if argument.starts_with('-') => {
            let near = text(ContextKind::SuggestedArg);
            hints.extend((!near.is_empty()).then(|| format!("The nearest option is `{near}`")));
            Failure::new(format!("`{command}` has no option `{argument}`"))
        }
        ErrorKind::UnknownArgument => Failure::new(format!("`{command}` takes no further argument: `{argument}`")),
        ErrorKind::InvalidValue if value.is_empty() => Failure::new(format!("`{argument}` needs a value")),
        ErrorKind::InvalidValue => {
            let known = texts(error, ContextKind::ValidValue);
            hints.extend((!known.is_empty()).then(|| format!("Possible are {}", ticked(known))));
            Failure::new(format!("`{argument}` cannot be `{value}`"))
        }
        ErrorKind::ValueValidation => {
            let why = std::error::Error::source(error).map(|why| format!(": {why}")).unwrap_or_default();
            Failure::new(format!("`{argument}` cannot be `{value}`{why}"))
        }
        ErrorKind::MissingRequiredArgument => {
            Failure::new(format!("`{command}` needs {}", ticked(texts(error, ContextKind::InvalidArg))))
        }
        ErrorKind::ArgumentConflict => {
            let other = texts(error, ContextKind::PriorArg);
            Failure::new(format!("`{argument}` does not go together with {}", ticked(other)))
        }
        _ => {
            let said = error.to_string();
            let first = said.lines().next().unwrap_or_default().trim_start_matches("error: ");
            Failure::new(format!("Cannot understand the command line: {first}"))
        }
    };
    let help = match command.strip_prefix("silo ") {
        Some(name) => format!("Usage: `{usage}`; more: `silo help {name}`"),
        None => "How it is called: `silo --help`".to_owned(),
    };
    hints.push(help);
    hints.into_iter().fold(failure, Failure::hint).code(code::USAGE)
}

/// What clap has to say of a kind.
fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(text)) => vec![text.clone()],
        Some(ContextValue::Strings(texts)) => texts.clone(),
        Some(ContextValue::StyledStr(text)) => vec![text.to_string()],
        Some(ContextValue::StyledStrs(texts)) => texts.iter().map(ToString::to_string).collect(),
        _ => Vec::new(),
    }
}
