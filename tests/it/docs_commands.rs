//! `docs/commands.md` is made from the command line itself (`UPDATE_EXPECT=1 cargo test --test it docs_commands`), and
//! every command line of silo's in help and documentation is one it understands.

use clap::builder::StyledStr;
use clap::error::ErrorKind;
use clap::{Arg, CommandFactory as _, Parser as _};
use silo::cli::Cli;

use crate::docs::{GENERATED, documents, package, read};
use crate::docs_examples::fences;

/// The command line, with everything clap adds to it.
fn command() -> clap::Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn text(help: Option<&StyledStr>) -> String {
    help.map(ToString::to_string).unwrap_or_default().replace('|', "\\|")
}

/// How an argument is typed: `-f`, `--force`, `--timeout <SECONDS>` or `[NAME]`.
fn typed(argument: &Arg) -> String {
    let names: Vec<String> =
        argument.get_value_names().unwrap_or_default().iter().map(|name| format!(" <{name}>")).collect();
    let value = if argument.get_action().takes_values() { names.concat() } else { String::new() };
    let (short, long) = (argument.get_short(), argument.get_long());
    if short.is_none() && long.is_none() {
        return format!("`{argument}`");
    }
    let long = long.map(|long| format!("`--{long}{value}`"));
    short.map(|short| format!("`-{short}`")).into_iter().chain(long).collect::<Vec<_>>().join(", ")
}

/// One row of a command's table.
fn row(argument: &Arg) -> String {
    let mut meaning = text(argument.get_help());
    let defaults = argument.get_default_values().iter().filter(|_| argument.get_action().takes_values());
    defaults.for_each(|value| meaning.push_str(&format!(" (default: {})", value.to_string_lossy())));
    let values = argument.get_possible_values();
    let values = values.iter().filter(|value| argument.get_action().takes_values() && !value.is_hide_set());
    let values: Vec<String> =
        values.map(|value| format!("`{}`: {}", value.get_name(), text(value.get_help()))).collect();
    if !values.is_empty() {
        meaning.push_str(&format!(". {}", values.join("; ")));
    }
    format!("| {} | {meaning} |\n", typed(argument))
}

/// The section about one command.
fn section(command: &mut clap::Command) -> String {
    let mut section = format!("## silo {}\n\n{}", command.get_name(), text(command.get_about()));
    let aliases: Vec<String> = command.get_visible_aliases().map(|alias| format!("`silo {alias}`")).collect();
    if !aliases.is_empty() {
        section.push_str(&format!(" (also: {})", aliases.join(", ")));
    }
    let usage = command.render_usage().to_string().replace("Usage: ", "");
    section.push_str(&format!(".\n\n```console\n{usage}\n```\n"));
    let shown = |argument: &&Arg| !argument.is_hide_set() && !argument.is_global_set() && argument.get_id() != "help";
    let rows: String = command.get_arguments().filter(shown).map(row).collect();
    if !rows.is_empty() {
        section.push_str(&format!("\n| argument | meaning |\n|---|---|\n{rows}"));
    }
    let examples = examples(command);
    section + &format!("\n```console\n{}\n```\n", examples.join("\n"))
}

/// The lines below `Examples:` in a command's help.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    help.lines().skip_while(|line| *line != "Examples:").skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn the_page_of_commands_is_what_the_command_line_says() {
    let mut command = command();
    let mut sections = String::new();
    for sub in command.get_subcommands_mut().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        sections.push_str(&format!("\n{}", section(sub)));
    }
    let page = read("docs/commands.md");
    let (head, rest) = page.split_once(GENERATED[0]).expect("the page marks where the generated part begins");
    let (_, tail) = rest.split_once(GENERATED[1]).expect("the page marks where the generated part ends");
    let expected = [head, GENERATED[0], &sections, "\n", GENERATED[1], tail].concat();
    expect_test::expect_file![package().join("docs/commands.md")].assert_eq(&expected);
}

/// The command lines of silo's in a line for a shell: at its start, behind an operator, and in `$(…)`; a port's variable as
/// a port.
pub(crate) fn silo_lines(line: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let mut start = true;
    for (at, c) in line.char_indices() {
        if start && line[at..].starts_with("silo ") {
            let words = shell_words::split(&line[at..at + end(&line[at..])]).expect("its quotes are whole");
            let is_port = |word: &String| word.starts_with('$') && word.ends_with("_PORT");
            found.push(words.into_iter().map(|word| if is_port(&word) { "3000".to_owned() } else { word }).collect());
        }
        start = "|&;($".contains(c) || (start && c == ' ');
    }
    found
}

/// Where a command ends: at an operator, a redirection or a comment that stands in no quotes.
fn end(line: &str) -> usize {
    let mut quote = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        match quote {
            None if "'\"".contains(c) => quote = Some(c),
            None if c == '>' && before.is_ascii_digit() => return at - 1,
            None if "|&;)<>".contains(c) || (c == '#' && before == ' ') => return at,
            Some(open) if open == c => quote = None,
            _ => {}
        }
        before = c;
    }
    line.len()
}

#[test]
fn every_example_is_a_command_line_silo_understands() {
    let mut lines: Vec<String> = command().get_subcommands().flat_map(examples).chain(examples(&command())).collect();
    for file in documents() {
        let text = read(&file);
        let typed = fences(&text).into_iter().filter(|fence| ["sh", "bash", "console"].contains(&fence.language));
        // What usage shows in brackets is typed without them.
        lines.extend(typed.flat_map(|fence| fence.text.lines()).filter(|line| !line.contains('[')).map(str::to_owned));
    }
    let lines: Vec<Vec<String>> = lines.iter().flat_map(|line| silo_lines(line)).collect();
    assert!(lines.len() > 80, "{lines:#?}");
    for words in lines {
        if let Err(error) = Cli::try_parse_from(&words) {
            assert!(!error.use_stderr() || words.contains(&"<SHELL>".to_owned()), "{words:?}: {error}");
        }
    }
}

#[test]
fn prose_names_no_command_or_flag_that_is_not_there() {
    for file in documents() {
        let text = read(&file);
        for span in text.split('`').skip(1).step_by(2).filter(|span| span.starts_with("silo ") && !span.contains('\n'))
        {
            let span = span.replace("\\|", "|");
            let words = shell_words::split(&span[..end(&span)]).unwrap_or_default();
            let words = words.iter().map(|word| if word == "COMMAND" { "env" } else { word });
            let kind = Cli::try_parse_from(words).err().map(|error| error.kind());
            let stale = matches!(kind, Some(ErrorKind::InvalidSubcommand | ErrorKind::UnknownArgument));
            assert!(!stale, "{file}: `{span}`: {kind:?}");
        }
    }
}
