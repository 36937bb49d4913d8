//! `docs/decisions.md`: every decision that a file cites has a section there, and no file cites what is not in the repository.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::docs::{package, read};

/// What files cite for the reason of something.
const PAGE: &str = "docs/decisions.md";

/// Where citations may stand: everything written by hand, this file too.
const CITING: [&str; 13] = [
    ".ci",
    "bench",
    "completions",
    "docs",
    "example",
    "release",
    "shell",
    "src",
    "tests",
    "tilt-extensions",
    "CONTRIBUTING.md",
    "README.md",
    "action.yml",
];

/// Documents that are not in the repository, by their usual names; each in two parts, so that this file does not name them.
const ELSEWHERE: [(&str, &str); 6] =
    [("the ", "spec"), ("(", "spec"), ("design", " D"), ("(", "design"), ("ci", "lo.md"), ("house", ".md")];

/// A file and its text.
struct Text {
    path: String,
    text: String,
}

/// Every file below the citing places, apart from those that are not text.
fn texts() -> Vec<Text> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = CITING.iter().map(|place| package().join(place)).collect();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).expect("the package is readable");
            left.extend(entries.map(|entry| entry.expect("the package is readable").path()));
        } else if let Ok(text) = fs::read_to_string(&path) {
            let path = path.strip_prefix(package()).expect("it lies below").to_string_lossy().into_owned();
            found.push(Text { path, text });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

impl Text {
    /// What is said in it: every line of a page, the comments of all else; each with its number, from 1.
    fn said(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_page = Path::new(&self.path).extension().is_some_and(|extension| extension == "md");
        let lines = self.text.lines().zip(1..).map(|(line, number)| (number, line));
        lines.filter_map(move |(number, line)| Some((number, if is_page { line } else { comment(line)? })))
    }
}

/// The comment in a line of Rust, a shell, Python, TOML or YAML.
fn comment(line: &str) -> Option<&str> {
    let bare = line.trim_start();
    let begins = ["//", "#"].into_iter().any(|mark| bare.starts_with(mark));
    let behind = || [" // ", " # "].into_iter().find_map(|mark| line.split_once(mark)).map(|(_, comment)| comment);
    if begins { Some(bare) } else { behind() }
}

/// Whether a character makes a word longer.
fn is_part(c: Option<char>) -> bool {
    c.is_some_and(|c| c.is_alphanumeric() || c == '_')
}

/// The numbers of the decisions a line names: `D` and one to three digits, as a word of their own.
fn cited(line: &str) -> Vec<u32> {
    let number = |(at, _): (usize, &str)| {
        let digits: String = line[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let after = line[at + 1 + digits.len()..].chars().next();
        let is_word = !is_part(line[..at].chars().next_back()) && !is_part(after);
        let is_number = (1..=3).contains(&digits.len()) && !digits.starts_with('0');
        digits.parse().ok().filter(|_| is_word && is_number)
    };
    line.match_indices('D').filter_map(number).collect()
}

/// The first document that is not in the repository, where a line names one.
fn elsewhere(line: &str) -> Option<String> {
    let lower = line.to_lowercase();
    let names = |word: &String| {
        let word = word.to_lowercase();
        // A word may go on where it ends in a blank and a letter: the number of a decision follows.
        let ends = |at: usize| word.ends_with(" d") || !is_part(lower[at + word.len()..].chars().next());
        let begins = |at: usize| word.starts_with('(') || !is_part(lower[..at].chars().next_back());
        lower.match_indices(&word).any(|(at, _)| begins(at) && ends(at))
    };
    let contracts = || {
        let is_section = |(at, word): (usize, &str)| {
            let number = lower[at + word.len()..].split(|c: char| !c.is_ascii_digit() && c != '.').next();
            number.is_some_and(|number| number.contains('.') && number.starts_with(|c: char| c.is_ascii_digit()))
        };
        let word = ["contracts", " "].concat();
        lower.match_indices(word.as_str()).any(is_section).then_some(word)
    };
    ELSEWHERE.iter().map(|(start, end)| [*start, *end].concat()).find(names).or_else(contracts)
}

/// The numbers of the sections, in the order of the page.
fn sections() -> Vec<u32> {
    let text = read(PAGE);
    let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
    let numbers = headings.map(|heading| {
        let (number, title) = heading.split_once(' ').unwrap_or_else(|| panic!("`{heading}` has no title"));
        assert!(!title.trim().is_empty(), "`{heading}` has no title");
        *cited(number).first().unwrap_or_else(|| panic!("`{heading}` has no number"))
    });
    numbers.collect()
}

/// The numbers that the page keeps for work that has not landed.
fn is_kept_free(number: u32) -> bool {
    (26..=36).contains(&number)
}

#[test]
fn sections_are_numbered_once_and_upward() {
    let sections = sections();
    assert!(sections.len() > 30, "{sections:?}");
    assert!(sections.is_sorted_by(|one, other| one < other), "{sections:?}");
    let chosen_freely: Vec<_> = sections.iter().filter(|number| (37..=100).contains(*number)).collect();
    assert!(chosen_freely.is_empty(), "new decisions count from D101: {chosen_freely:?}");
}

#[test]
fn every_decision_that_is_cited_has_a_section() {
    let sections: BTreeSet<u32> = sections().into_iter().collect();
    let (mut missing, mut seen) = (Vec::new(), 0);
    for text in texts() {
        for (line, said) in text.said() {
            let cited = cited(said);
            seen += cited.len();
            let unknown = cited.into_iter().filter(|number| !sections.contains(number));
            let unknown = unknown.filter(|number| text.path != PAGE || !is_kept_free(*number));
            missing.extend(unknown.map(|number| format!("{}:{line}: D{number}", text.path)));
        }
    }
    assert!(missing.is_empty(), "{PAGE} has no section for\n{}", missing.join("\n"));
    assert!(seen > 100, "only {seen} citations were found");
}

#[test]
fn no_file_cites_what_is_not_in_the_repository() {
    let mut found = Vec::new();
    for text in texts() {
        for (line, said) in text.said() {
            found.extend(elsewhere(said).map(|word| format!("{}:{line}: `{word}`", text.path)));
        }
    }
    assert!(found.is_empty(), "cite {PAGE} by number, or a page of docs/:\n{}", found.join("\n"));
}

#[test]
fn every_page_that_is_cited_is_there() {
    let mut missing = Vec::new();
    for Text { path, text } in texts() {
        for (at, _) in text.match_indices("docs/") {
            let name: String =
                text[at..].chars().take_while(|c| c.is_ascii_lowercase() || "/-_.".contains(*c)).collect();
            let name = name.trim_end_matches('.');
            let ours = !text[..at].ends_with(['/', '.', '$']) && !is_part(text[..at].chars().next_back());
            let is_page = Path::new(name).extension().is_some_and(|extension| extension == "md");
            if ours && is_page && !package().join(name).is_file() {
                missing.push(format!("{path}: {name}"));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn citations_are_told_from_other_words() {
    assert_eq!(comment("    /// As (D7) says."), Some("/// As (D7) says."));
    assert_eq!(comment("x=1 # (D7)"), Some("(D7)"));
    assert_eq!(comment("let at = \"docs/trust.md#D7\";"), None);
    assert_eq!(cited("D1, (D21) D13-D15; D104."), [1, 21, 13, 15, 104]);
    let others = ["ID1", "D", "D1a", "D_1", "\u{e9}D1", "D0123", "D1234", "0D1", "D01"];
    assert!(others.iter().all(|other| cited(other).is_empty()), "{others:?}");
    let told = |line: &str| elsewhere(line).is_some();
    let [spec, design, contracts] = [["sp", "ec"], ["des", "ign"], ["contr", "acts"]].map(|parts| parts.concat());
    for line in [
        format!("The {spec}'s own, as ({spec}, \"Naming\")"),
        format!("as {design} D7 has it"),
        format!("kept ({design}, \"Words\")"),
        format!("by label ({contracts} 2.4)"),
    ] {
        assert!(told(&line), "{line}");
    }
    for line in [format!("the {spec}ial, in{spec}t"), format!("{design}ed, {contracts}"), "PortSpec".to_owned()] {
        assert!(!told(&line), "{line}");
    }
}
