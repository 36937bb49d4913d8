//! The manual pages below `man/`, as packages install them: made from the command line's declarations, and kept here.
//! `UPDATE_EXPECT=1` writes them again.

use std::fs;
use std::path::{Path, PathBuf};

use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use expect_test::expect_file;
use silo::cli::overview::GROUPS;

use crate::proxy::PROXY;
use crate::sandbox::Sandbox;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The day of the newest release in the changelog: a page changes with a release, never with the clock.
fn date() -> String {
    let changelog = fs::read_to_string(package().join("CHANGELOG.md")).expect("it is there");
    let mut dates = changelog.lines().filter_map(|line| line.strip_prefix("## [")?.split_once("] - "));
    dates.next().map(|(_, date)| date.to_owned()).unwrap_or_default()
}

/// One section, with text taken as it is.
fn section(title: &str, write: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    roff.control("SH", [title]);
    write(&mut roff);
    let text = roff.render();
    text.split_once(".SH").map(|(_, text)| format!(".SH{text}")).expect("it was just begun")
}

/// What is code in help is bold on a page, and the characters that roff would turn into accents stay themselves.
fn plain(text: &str) -> String {
    let text = text.replace('~', "\\(ti").replace('^', "\\(ha");
    let mut parts = text.split('`');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for (part, font) in parts.zip(["\\fB", "\\fR"].into_iter().cycle()) {
        plain += &format!("{font}{part}");
    }
    plain
}

/// The page of a command: what clap knows, with examples as they are typed.
fn page(command: &clap::Command, more: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let title = format!(".TH {} 1 \"{}\" \"silo {version}\" \"silo\"\n", name.to_uppercase(), date());
    let man = Man::new(command.clone());
    let mut made = Vec::new();
    man.render_name_section(&mut made).and_then(|()| man.render_options_section(&mut made)).expect("memory is there");
    let made = String::from_utf8(made).expect("help is text");
    // Each part brings the definition of an apostrophe along.
    let (apostrophe, made) = made.split_once(".SH").expect("it has sections");
    let (about, options) = made.split_once(apostrophe).expect("both have it");
    let options = options.replace(".br\n\n.br\n", ".sp\n");
    let usage = command.clone().render_usage().to_string();
    let synopsis = section("SYNOPSIS", |roff| {
        roff.text([roman(usage.trim_start_matches("Usage: "))]);
    });
    let examples = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let examples = section("EXAMPLES", |roff| {
        roff.control("EX", []);
        for line in examples.lines().skip(1) {
            roff.text([roman(line.trim_start())]);
        }
        roff.control("EE", []);
    });
    let examples = examples.replace('`', "\\(ga").replace('~', "\\(ti");
    format!("{apostrophe}{title}.SH{}{synopsis}{}{}{examples}", about.replace('`', ""), plain(&options), plain(more))
}

/// The commands in their groups.
fn commands(command: &clap::Command) -> String {
    section("COMMANDS", |roff| {
        for (title, names) in GROUPS {
            roff.control("SS", [*title]);
            for name in *names {
                let found = command.find_subcommand(name).expect("a group holds commands");
                roff.control("TP", []);
                roff.text([bold(format!("silo-{}", found.get_name())), roman("(1)")]);
                roff.text([roman(found.get_about().map(ToString::to_string).unwrap_or_default())]);
            }
        }
    })
}

#[test]
fn every_command_has_its_page() {
    let mut command = silo::cli::overview::command().disable_help_subcommand(true);
    command.build();
    let folder = package().join("man");
    let more = fs::read_to_string(folder.join("more.roff")).expect("it is there");
    let mut pages = vec![("silo.1".to_owned(), page(&command, &format!("{}{more}", commands(&command))))];
    let see_also = section("SEE ALSO", |roff| {
        roff.text([bold("silo"), roman("(1)")]);
    });
    for command in command.get_subcommands().filter(|command| !command.is_hide_set()) {
        let name = command.get_name();
        // What a page has besides, by hand.
        let more = fs::read_to_string(folder.join(format!("silo-{name}.roff"))).unwrap_or_default();
        pages.push((format!("silo-{name}.1"), format!("{}{more}{see_also}", page(command, ""))));
    }
    for (name, text) in &pages {
        expect_file![folder.join(name)].assert_eq(text);
    }
    let kept = fs::read_dir(&folder).expect("it is there").map(|entry| entry.expect("it is readable").path());
    let mut kept: Vec<PathBuf> = kept.filter(|path| path.extension().is_some_and(|end| end == "1")).collect();
    kept.sort();
    let mut expected: Vec<PathBuf> = pages.iter().map(|(name, _)| folder.join(name)).collect();
    expected.sort();
    assert_eq!(kept, expected, "a page of no command is left over, or one is missing");
}

#[test]
fn the_page_of_silo_proxy_says_how_the_program_is_called() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(PROXY, "");
    command.arg("--help");
    let refused = sandbox.finish(command).exit(2);
    let usage = refused.stderr.split_once("Usage: ").and_then(|(_, rest)| rest.split_once(';')).expect("it tells").0;
    let page = fs::read_to_string(package().join("man/silo-proxy.1")).expect("it is there");
    let plain = page.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-");
    assert!(plain.lines().any(|line| line == usage), "no {usage} in {plain}");
}
