//! Plain words: what silo says is worded as in the manuals of tools people know. A word that is out has one that people use in
//! its place, in pages, help, messages and comments alike (CONTRIBUTING.md, "Plain words").

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::docs::{documents, package, read};
use crate::tidy::sources;

/// Words and phrases that are out, and what to write. Each is looked for as whole words, in upper or lower case.
const OUT: &[(&str, &str)] = &[
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("anew", "again"),
    ("shall", "should, must or will"),
    ("is told of", "is reported, or: learns of"),
    ("are told of", "are reported"),
    ("tells of", "reports"),
    ("tell of", "report"),
    ("told of", "reported"),
    ("the user's word", "what the user decided"),
    ("is had", "is available"),
    ("to be had", "available"),
    ("can be had", "is available"),
    ("is no more", "is gone"),
    ("are no more", "are gone"),
    ("runs no more", "no longer runs"),
    ("follows no more", "is no longer updated"),
    ("wanted no more", "no longer wanted"),
    ("of before", "old, or: from before"),
    ("let go of", "given up, or: released"),
    ("lets go of", "gives up, or: releases"),
    ("in its stead", "in its place"),
    ("belongs into", "belongs in"),
    ("belong into", "belong in"),
    ("bears", "has"),
    ("need be", "has to be"),
    ("need not be", "does not have to be"),
    ("did cost", "cost"),
    ("is at it", "is working on it"),
    ("been at it", "been working on it"),
    ("in vain", "without success"),
    ("all the same", "anyway, or: still"),
    ("mostly", "usually"),
    ("likewise", "too"),
    ("once more", "again"),
    ("of no use", "useless"),
    ("as yet", "so far"),
    ("amid", "during"),
    ("amongst", "among"),
    ("whilst", "while"),
    ("lest", "so that … not"),
    ("ere", "before"),
    ("albeit", "although"),
    ("nought", "nothing"),
    ("hither", "here"),
    ("whither", "where"),
    ("whence", "where … from"),
    ("thence", "from there"),
    ("hence", "so"),
    ("henceforth", "from now on"),
    ("forthwith", "at once"),
    ("thereof", "of it"),
    ("whereof", "of which"),
    ("wherein", "in which"),
    ("therein", "in it"),
    ("thereby", "by this"),
    ("hereby", "by this"),
    ("thereupon", "then"),
    ("thereafter", "after that"),
    ("seldom", "rarely"),
    ("oft", "often"),
    ("bade", "asked"),
    ("wont", "used"),
];

/// Out where users read it, in pages and help. In a comment, what is told or said may be a fact of the code.
const OUT_FOR_USERS: &[(&str, &str)] = &[
    ("is said", "silo says so, or: is shown"),
    ("are said", "are shown"),
    ("which is told", "and silo says so"),
    ("is told, and", "is shown, and"),
    ("says the line", "prints the line"),
    ("stands behind", "follows"),
    ("stands in both", "is in both"),
    ("is no plain file", "is not a plain file"),
    ("taken away by", "removed by"),
    ("by chance", "random"),
    ("for who", "for those who"),
    ("a text, not", "a string, not"),
    ("list of texts", "list of strings"),
];

/// Whether a text has these words, each of them whole.
fn has(text: &str, words: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    text.match_indices(words)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + words.len()..].chars().next()))
}

/// A text on one line, without case, and without the marks of comments and of strings that go on in the next line.
fn flowing(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        line.trim_start_matches('/').trim_start_matches('!').trim_end_matches('\\').trim()
    });
    lines.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A page without its blocks, whose words are other programs' or code.
fn prose(page: &str) -> String {
    let parts = page.split("\n```");
    flowing(&parts.step_by(2).collect::<Vec<_>>().join("\n"))
}

/// The comments and strings of a Rust file: what stands between is code, whose names may be anything.
fn words_of(code: &str) -> String {
    let mut found = String::new();
    let mut rest = code;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (from, after) = (&rest[at..], &rest[at + 1..]);
        let end = if from.starts_with("//") {
            from.find('\n').unwrap_or(from.len())
        } else if from.starts_with('"') {
            string_end(after) + 1
        } else if from.starts_with('\'') {
            // A character, or a lifetime: none has a word in it.
            let last =
                if from.starts_with("'\\") { from.char_indices().skip(3).find(|(_, c)| *c == '\'') } else { None };
            last.or_else(|| from.char_indices().nth(2).filter(|(_, c)| *c == '\'')).map_or(1, |(at, _)| at + 1)
        } else {
            1
        };
        if end > 1 && !from.starts_with('\'') {
            let comment = from.starts_with("///") || from.starts_with("//!") || from.starts_with("//");
            let _ = write!(found, "{}{}", &from[..end], if comment { "\n" } else { " ; \n" });
        }
        rest = &from[end.max(1)..];
    }
    flowing(&found)
}

/// Where a string ends, after its first quote: at the next one that is not escaped.
fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

/// The words of a list that a text has, as lines for the person who reads the failure.
fn found(place: &str, text: &str, list: &[(&str, &str)]) -> Vec<String> {
    let hits = list.iter().filter(|(words, _)| has(text, &words.to_lowercase()));
    hits.map(|(words, instead)| format!("{place}: `{words}`; write: {instead}")).collect()
}

#[test]
fn pages_use_plain_words() {
    let mut hits = Vec::new();
    for page in documents().into_iter().filter(|page| page != "docs/decisions.md") {
        let text = prose(&read(&page));
        hits.extend(found(&page, &text, OUT));
        hits.extend(found(&page, &text, OUT_FOR_USERS));
    }
    // The table of before and after has them, to show what is meant.
    let contributing = read("CONTRIBUTING.md");
    let (before, after) = contributing.split_once("## Plain words").expect("it has that section");
    let after = after.split_once("\n## ").map_or("", |(_, after)| after);
    hits.extend(found("CONTRIBUTING.md", &prose(&format!("{before}\n{after}")), OUT));
    assert!(hits.is_empty(), "{}", hits.join("\n"));
}

#[test]
fn help_uses_plain_words() {
    let mut hits = Vec::new();
    for entry in fs::read_dir(package().join("man")).expect("it is there") {
        let path = entry.expect("it is readable").path();
        let text = fs::read_to_string(&path).expect("it is text").replace("\\-", "-").to_lowercase();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        hits.extend(found(name, &text, OUT));
        hits.extend(found(name, &text, OUT_FOR_USERS));
    }
    assert!(hits.is_empty(), "{}", hits.join("\n"));
}

#[test]
fn messages_and_comments_use_plain_words() {
    let own = Path::new(file!()).file_name().and_then(|name| name.to_str()).expect("it has a name");
    let mut hits = Vec::new();
    for source in sources("src").into_iter().chain(sources("tests")).filter(|source| !source.path.ends_with(own)) {
        hits.extend(found(&source.path, &words_of(&source.text), OUT));
    }
    assert!(hits.is_empty(), "{} of them:\n{}", hits.len(), hits.join("\n"));
}

#[test]
fn words_are_found_in_comments_and_strings_and_nowhere_else() {
    let code = "/// It is\n/// told of.\nfn mend(quote: char) -> bool { quote == '\"' || x(\"a \\\"shall\\\" \\\n  stay\") }\n// anew\n";
    let text = words_of(code);
    assert!(has(&text, "is told of") && has(&text, "shall") && has(&text, "anew"), "{text}");
    assert!(!has(&text, "mend") && !has("recommend; mended-by", "mend") && !has("mended-by", "mended"), "{text}");
}
