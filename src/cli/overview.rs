//! What `silo --help` shows: every command in a group by its use, short enough for one screen.

use std::ffi::OsString;
use std::fmt::Write as _;

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};

use super::Cli;
use crate::core::text::columns::wrapped;
use crate::core::text::pages;
use crate::core::text::suggest::nearest;

/// The groups of the overview and the commands of each, in order. A command stands in exactly one.
pub const GROUPS: &[(&str, &[&str])] = &[
    ("Begin with", &["init", "allow", "status"]),
    ("This project's instance", &["env", "adopt", "profiles", "get", "open", "exec", "shell"]),
    ("Run", &["up", "wait", "logs", "ci", "down", "compose", "seed", "dns"]),
    ("Workspaces and agents", &["new", "run", "cd", "rm", "templates", "agent"]),
    ("All instances", &["list", "heal", "who", "routes", "proxy", "gateway", "doctor", "prune"]),
    ("Shell, and silo itself", &["hook", "deactivate", "doc"]),
    (MORE, &["completions", "diff", "deny", "require", "export", "key", "memory", "version"]),
];

/// The group whose commands are only named, for start files and scripts type them.
pub const MORE: &str = "More";

/// Where what is said of a command begins in the overview, in columns.
const INDENT: usize = 16;
/// From so many columns on, each line of the overview fits as it is.
const WIDE: usize = 80;

/// The command line, with the overview as its help.
pub fn command() -> clap::Command {
    command_within(None)
}

/// The same for a terminal of so many columns; none where lines are not broken.
fn command_within(width: Option<usize>) -> clap::Command {
    let command = Cli::command();
    let template = template(&command, width.filter(|width| *width < WIDE));
    command.help_template(template)
}

/// Understands a command line; its first word is the program. The overview is put together only where it is shown, for a terminal of
/// so many columns.
///
/// # Errors
/// What is wrong with it, or the help or version that was asked for.
pub fn parse(
    words: impl IntoIterator<Item = OsString>,
    width: impl FnOnce() -> Option<usize>,
) -> Result<Cli, clap::Error> {
    let words: Vec<OsString> = words.into_iter().collect();
    Cli::try_parse_from(&words).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            command_within(width()).try_get_matches_from(words).err().unwrap_or(error)
        }
        _ => error,
    })
}

/// What other tools call it.
const LEADS: &[(&str, &str)] = &[
    ("start", "silo up"),
    ("stop", "silo down"),
    ("restart", "silo down`, then `silo up"),
    ("reload", "silo env"),
    ("refresh", "silo env"),
    ("edit", "$EDITOR silo.toml`, then `silo allow"),
    ("create", "silo init"),
    ("ps", "silo list"),
    ("clean", "silo down --clean"),
    ("delete", "silo down --clean"),
    ("destroy", "silo down --clean"),
    ("remove", "silo rm NAME"),
    ("port", "silo get NAME"),
    ("ports", "silo who"),
    ("set", "$EDITOR silo.toml`, then `silo allow"),
    ("setup", "silo init"),
    ("activate", "silo allow"),
    ("enable", "silo allow"),
    ("disable", "silo deactivate"),
    ("leave", "silo deactivate"),
    ("exit", "silo deactivate"),
    ("enter", "silo shell"),
    ("install", "silo hook --install"),
    ("uninstall", "silo hook --uninstall"),
    ("kill", "silo down"),
    ("check", "silo doctor"),
    ("import", "silo doc migration"),
    ("which", "silo get NAME"),
    ("update", "silo doc install"),
    ("upgrade", "silo doc install"),
];

/// Whether a word is a command, by one of its names.
pub fn is_command(word: &str) -> bool {
    let command = Cli::command();
    word == "help" || command.get_subcommands().any(|one| one.get_name_and_visible_aliases().contains(&word))
}

/// What is meant by a word that is not a command: another tool's name for one, a page, or a slip of the fingers.
pub fn meant_by(word: &str) -> Option<String> {
    if let Some((_, line)) = LEADS.iter().find(|(name, _)| *name == word) {
        return Some(format!("What does that here: `{line}`"));
    }
    if let Some(page) = pages::page(word) {
        return Some(format!("There is a page about it: `silo doc {}`", page.topic));
    }
    let command = Cli::command();
    let all = command.get_subcommands().filter(|command| !command.is_hide_set());
    let names: Vec<&str> =
        all.flat_map(|one| std::iter::once(one.get_name()).chain(one.get_visible_aliases())).collect();
    nearest(word, names).map(|near| format!("The nearest command is `silo {near}`"))
}

/// Options in one line, for each command's own help explains them; commands in groups, aliases beside their names.
fn template(command: &clap::Command, width: Option<usize>) -> StyledStr {
    let (header, literal) = (*command.get_styles().get_header(), *command.get_styles().get_literal());
    let mut text = StyledStr::new();
    let mut put = |words: std::fmt::Arguments<'_>| text.write_fmt(words).expect("a text takes every line");
    put(format_args!("{{about}}\n{{usage-heading}} {literal}silo{literal:#}"));
    let options = command.get_arguments().filter(|argument| !argument.is_positional());
    let (valued, flags): (Vec<_>, Vec<_>) = options.partition(|option| option.get_action().takes_values());
    let short = |option: &clap::Arg| option.get_short().expect("every option of all commands has a short form");
    let flags: String = ['h', 'V'].into_iter().chain(flags.into_iter().map(short)).collect();
    put(format_args!(" [{literal}-{flags}{literal:#}]"));
    for option in valued {
        let value = option.get_value_names().and_then(<[_]>::first).expect("it has a value");
        put(format_args!(" [{literal}-{}{literal:#} <{value}>]", short(option)));
    }
    let gap = if width.is_some() { "\n  " } else { "   " };
    put(format_args!(" <COMMAND>{gap}(more: silo help COMMAND)\n"));
    for (title, names) in GROUPS {
        if *title == MORE {
            let lines = wrapped(&names.join(", "), title.len() + 2, 2, width).join("\n");
            put(format_args!("\n{header}{title}:{header:#} {literal}{lines}{literal:#}"));
            continue;
        }
        put(format_args!("\n{header}{title}:{header:#}"));
        for name in *names {
            let Some(found) = command.find_subcommand(name) else { continue };
            let all = found.get_name_and_visible_aliases().join(", ");
            let about = found.get_about().map(ToString::to_string).unwrap_or_default();
            let gap = (INDENT - 4).saturating_sub(all.len());
            let about = wrapped(&about, 4 + all.len() + gap, INDENT, width).join("\n");
            put(format_args!("\n  {literal}{all}{literal:#}{:gap$}  {about}", ""));
        }
    }
    put(format_args!("{{after-help}}"));
    text
}
