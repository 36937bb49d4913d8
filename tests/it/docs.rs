//! The documentation as a whole: every page is bundled, every link leads somewhere, and what silo has in flags, keys,
//! variables and exit codes is explained. The other `docs_*` files look at errors, examples and the list of commands.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory as _;
use silo::cli::Cli;
use silo::core::config::{self, Problem};
use silo::core::instance::vars;
use silo::core::text::markdown::{Look, render};
use silo::core::text::pages::{PAGES, page};

use crate::docs_errors::{literals, product};
use crate::tidy::{Source, sources};

/// Pages for those who work on silo.
pub(crate) const CONTRIBUTORS: [&str; 4] = ["architecture", "decisions", "performance", "releasing"];

/// What a library reads for silo: colours.
const READ_BY_LIBRARIES: [&str; 4] = ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "TERM"];

/// Where the generated part of a page begins and ends.
pub(crate) const GENERATED: [&str; 2] = ["<!-- generated -->\n", "<!-- end of the generated part -->\n"];

pub(crate) fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(package().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The pages in `docs/`, and the README.
pub(crate) fn documents() -> Vec<String> {
    let entries = fs::read_dir(package().join("docs")).expect("it is there");
    let names = entries.map(|entry| entry.expect("it is readable").file_name().into_string().expect("it is UTF-8"));
    // The contents of the site are made from the pages, and are none.
    let pages = names
        .filter(|name| Path::new(name).extension().is_some_and(|extension| extension == "md") && name != "SUMMARY.md");
    let mut paths: Vec<String> = pages.map(|name| format!("docs/{name}")).chain(["README.md".to_owned()]).collect();
    paths.sort();
    paths
}

/// Everything bundled that was written by hand.
fn hand_written() -> String {
    let texts = PAGES.iter().map(|page| match page.markdown.split_once(GENERATED[0]) {
        Some((head, generated)) => head.to_owned() + generated.split_once(GENERATED[1]).map_or("", |(_, tail)| tail),
        None => page.markdown.to_owned(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Whether a text has a word that no letter, digit, `_` or `-` makes longer.
fn has(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

#[track_caller]
fn assert_all(text: &str, words: impl IntoIterator<Item: Into<String>>, what: &str) {
    let words: BTreeSet<String> = words.into_iter().map(Into::into).collect();
    let missing: Vec<_> = words.iter().filter(|word| !has(text, word)).collect();
    assert!(missing.is_empty(), "{what} does not mention {missing:?}");
}

#[test]
fn every_page_is_bundled_or_for_contributors() {
    let files = documents().into_iter().filter(|path| path != "README.md");
    let topics: BTreeSet<String> =
        files.map(|path| path.trim_start_matches("docs/").trim_end_matches(".md").to_owned()).collect();
    let expected = PAGES.iter().map(|page| page.topic).chain(CONTRIBUTORS).map(str::to_owned).collect();
    assert_eq!(topics, expected);
}

#[test]
fn pages_are_short_and_wholly_laid_out_on_a_terminal() {
    for page in PAGES {
        let lines = page.markdown.lines().count();
        let reference = ["commands", "errors"].contains(&page.topic);
        assert!(reference || (24..=180).contains(&lines), "docs/{}.md has {lines} lines", page.topic);
        let prose = page.markdown.lines().filter(|line| !line.starts_with('|'));
        let long = prose.into_iter().find(|line| line.chars().count() > 150);
        assert_eq!(long, None, "docs/{}.md: wrap this line at about 125 columns", page.topic);
        let shown = render(page.markdown, Look { width: 80, coloured: true });
        let marks = ["**", " *", " _", "](", "`", "<!--", "|---"];
        let left = shown.lines().find(|line| !line.starts_with("    ") && marks.iter().any(|mark| line.contains(mark)));
        assert_eq!(left, None, "docs/{}.md has marks the terminal does not know", page.topic);
    }
}

#[test]
fn every_page_ends_with_where_to_read_on() {
    for page in PAGES {
        let last = page.markdown.lines().last().unwrap_or_default();
        let links =
            last.strip_prefix("See also: ").unwrap_or_else(|| panic!("docs/{}.md ends with {last}", page.topic));
        let own = format!("]({}.md)", page.topic);
        assert!(links.matches("](").count() >= 2 && !links.contains(&own), "docs/{}.md: {last}", page.topic);
    }
}

#[test]
fn every_command_and_flag_is_explained_beside_the_generated_list() {
    let text = hand_written();
    let mut command = Cli::command();
    command.build();
    let mut words = Vec::new();
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        words.push(format!("silo {}", sub.get_name()));
        let flags = sub.get_arguments().filter(|argument| !argument.is_hide_set());
        words.extend(flags.filter_map(|argument| Some(format!("--{}", argument.get_long()?))));
    }
    assert!(words.len() > 40, "{words:?}");
    assert_all(&text, words, "no page written by hand");
}

/// The keys silo allows in a table of `silo.toml`, as its own error lists them; none where names are the project's.
fn allowed(table: &str) -> Vec<&'static str> {
    let key = if table.is_empty() { "no-such-key".to_owned() } else { format!("{table}.no-such-key") };
    match config::parse(&format!("version = 1\n{key} = 1\n")).expect_err("there is no such key").problem {
        Problem::UnknownKey { allowed, .. } => allowed,
        _ => Vec::new(),
    }
}

#[test]
fn every_key_of_silo_toml_is_in_its_reference() {
    let reference = page("config").expect("it is bundled").markdown;
    let mut tables = vec![String::new()];
    let mut keys = BTreeSet::new();
    while let Some(table) = tables.pop() {
        for key in allowed(&table) {
            keys.insert(key);
            let inside = if table.is_empty() { key.to_owned() } else { format!("{table}.{key}") };
            // Below `profiles` every name is a profile.
            tables.push(if inside == "profiles" { "profiles.p".to_owned() } else { inside });
        }
    }
    assert!(keys.contains("append") && keys.contains("hostFromClusterNetwork") && keys.len() > 20, "{keys:?}");
    assert_all(reference, keys, "docs/config.md");
}

/// The variables an instance with everything puts into a shell.
fn set() -> Vec<String> {
    let text =
        "version = 1\nports.WEB_PORT = 1\nk3d.enabled = true\nk3d.registry.enabled = true\nprofiles.p.urls.U = \"u\"\n";
    let settings = config::parse(text).expect("it is valid").settings(Some("p")).expect("it is there");
    let ports = settings.ports.keys().map(|name| (name.clone(), 1)).collect();
    let made = vars::of_instance(&settings, "x", Some("p"), &ports, None, "/home/x");
    let (_, vars) = made.expect("the default host and the URL are fine");
    vars.for_processes("/x", "/x/env").into_iter().map(|(name, _)| name).filter(|name| name != "U").collect()
}

#[test]
fn every_variable_is_explained() {
    let looks_like_one = |text: &String| {
        let bare = text.trim_start_matches('_');
        let shape = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        bare.len() > 1 && bare.starts_with(|c: char| c.is_ascii_uppercase()) && bare.chars().all(shape)
    };
    let code = product().into_iter().flat_map(|(file, code)| literals(&file, &code));
    // Words in capitals that are no variables.
    let others = [
        "CARGO_PKG_VERSION",
        "HEAD",
        "DIR",
        "FILE",
        "NAME",
        "CMD",
        "SECONDS",
        "TIME",
        "__SILO",
        "IP",
        "IPAM",
        "RW",
        "REF",
        "WORD",
        "FRX",
        "GIT_LFS_SKIP_SMUDGE",
        "GIT_TERMINAL_PROMPT",
        "NONE",
        "TEMPLATE",
        "MAKES",
    ];
    let names: Vec<String> = code.filter(looks_like_one).filter(|name| !others.contains(&name.as_str())).collect();
    assert!(names.iter().any(|name| name == "SILO_LOG") && names.len() > 20, "{names:?}");
    let names = names.into_iter().chain(set()).chain(READ_BY_LIBRARIES.map(str::to_owned));
    assert_all(&hand_written(), names, "no page written by hand");
}

#[test]
fn every_exit_code_is_in_the_table() {
    let (_, failure) = product().into_iter().find(|(file, _)| file == "src/failure.rs").expect("it is there");
    let codes = failure.lines().filter_map(|line| line.trim().strip_prefix("pub const ")?.split_once(": u8 = "));
    let codes: Vec<&str> = codes.map(|(_, code)| code.trim_end_matches(';')).chain(["0", "126", "127"]).collect();
    assert!(codes.len() >= 7, "{codes:?}");
    let text = page("commands").expect("it is bundled").markdown;
    let missing: Vec<_> = codes.iter().filter(|code| !text.contains(&format!("\n| {code} | "))).collect();
    assert!(missing.is_empty(), "docs/commands.md has no row for exit codes {missing:?}");
}

/// The anchors a page offers: its headings, as code hosts name them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    let kept = |c: char| (c.is_alphanumeric() || "-_ ".contains(c)).then(|| c.to_ascii_lowercase());
    headings.map(|heading| heading.chars().filter_map(kept).collect::<String>().replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_somewhere_and_names_its_topic() {
    let mut broken = Vec::new();
    let more = ["CONTRIBUTING.md", "CHANGELOG.md", "example/README.md", "example/agents/README.md"].map(str::to_owned);
    for file in documents().into_iter().chain(more) {
        let text = read(&file);
        let links = text.split("](").skip(1).zip(text.split("](")).filter_map(|(after, before)| {
            let (target, label) = (after.split_once(')')?.0, before.rsplit_once('[')?.1);
            (!target.contains("://")).then_some((label, target))
        });
        for (label, target) in links {
            let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = Path::new(&file).parent().expect("it is a file");
            let to = if path.is_empty() { PathBuf::from(&file) } else { folder.join(path) };
            // A picture has no headings, and is not always text.
            let there = fs::read(package().join(&to)).ok().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
            let whole = there.is_some_and(|text| anchor.is_empty() || anchors(&text).iter().any(|one| one == anchor));
            // On a terminal only the label is seen.
            let topic = to.file_stem().and_then(|stem| page(stem.to_str()?)).map(|page| page.topic);
            let bundled = file.starts_with("docs/") && !CONTRIBUTORS.iter().any(|name| file.contains(name));
            let label_names = |topic: &str| label.to_lowercase().contains(topic.trim_end_matches('s'));
            // A picture is shown by its words there.
            let bundled = bundled && !path.starts_with("pictures/");
            if !whole || (bundled && !path.is_empty() && !topic.is_some_and(label_names)) {
                broken.push(format!("{file}: [{label}]({target})"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_finding_of_the_doctor_has_its_row() {
    let page = read("docs/doctor.md");
    let ids = |source: &Source| {
        let text = source.product().to_owned();
        let starts = ["Finding::problem(", "Finding::note(", "unread::finding("];
        let found = starts.iter().flat_map(|start| text.split(start).skip(1)).filter_map(|rest| {
            let id = rest.trim_start().strip_prefix('"')?.split('"').next()?;
            Some(id.to_owned())
        });
        found.collect::<Vec<_>>()
    };
    let mut all: Vec<String> = sources("src").iter().flat_map(ids).collect();
    all.sort();
    all.dedup();
    assert!(all.len() > 30, "{all:?}");
    all.retain(|id| !page.contains(&format!("`{id}`")));
    assert_eq!(all, [""; 0], "docs/doctor.md has no row for these");
}
