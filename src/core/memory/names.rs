//! What a finding, its file in an export and an agent's role are called: made of text that nobody vouches for.

use super::Finding;
use super::talk::{Body, Found, hex};
use crate::core::text::digest;

/// The longest title, in characters.
const TITLE: usize = 200;
/// The longest part of a file name that is made of a title, in characters.
const SLUG: usize = 60;
/// The longest name of a role that Postgres takes, in bytes.
const ROLE: usize = 63;

/// A finding as it is sent: text that Postgres can hold, and the bytes beside it where they are no such text.
pub fn body(finding: &Finding) -> Body {
    let text = std::str::from_utf8(&finding.body).ok().filter(|text| !text.contains('\0'));
    let (text, hex) = if let Some(text) = text {
        (text.to_owned(), None)
    } else {
        let readable = String::from_utf8_lossy(&finding.body).replace('\0', "\u{fffd}");
        // What cannot be read is three bytes each: the text may not be longer than the bytes may.
        (cut(&readable, super::MOST_BYTES), Some(hex(&finding.body)))
    };
    Body { path: finding.path.clone(), text, hex, created: finding.created.clone() }
}

/// The title of a text: its first line that says something, without the marks of a heading; else the name of its file.
pub fn title(path: &str, text: &str, is_binary: bool) -> String {
    let first = text
        .lines()
        .take(50)
        .map(|line| line.trim_start_matches('#').trim())
        .find(|line| line.chars().any(char::is_alphanumeric));
    let title = match first {
        Some(line) if !is_binary => line,
        _ => path,
    };
    let title: String = title.chars().filter(|c| !c.is_control()).take(TITLE).collect();
    if title.trim().is_empty() { "untitled".to_owned() } else { title }
}

/// Of what kind a finding is, by the name of its file.
pub fn kind(path: &str, is_binary: bool) -> &'static str {
    match extension(path).as_str() {
        _ if is_binary => "binary",
        "md" | "markdown" => "markdown",
        "json" | "jsonl" => "json",
        "csv" | "tsv" => "table",
        "diff" | "patch" => "patch",
        _ => "text",
    }
}

/// The name of a finding's file in an export: its number, words of its title, and the extension it had. No two are the same, and none
/// leads elsewhere, is hidden, or drives a terminal.
pub fn file_name(found: &Found) -> String {
    let path = found.path.as_deref().unwrap_or_default();
    let stem = path.rsplit('/').next().unwrap_or_default().split('.').next().unwrap_or_default();
    let words = slug(if stem.is_empty() { &found.title } else { stem });
    let dash = if words.is_empty() { "" } else { "-" };
    let extension = match (extension(path).as_str(), found.kind.as_str()) {
        ("", "markdown") => "md".to_owned(),
        ("", "json") => "json".to_owned(),
        ("", _) => "txt".to_owned(),
        (extension, _) => extension.to_owned(),
    };
    format!("{:06}{dash}{words}.{extension}", found.id)
}

/// The extension of a file, where it is a plain one.
fn extension(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()).map_or("", |(_, extension)| extension);
    let is_plain = extension.len() <= 8 && extension.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { extension.to_ascii_lowercase() } else { String::new() }
}

fn slug(text: &str) -> String {
    let mut words = String::new();
    for c in text.chars().take(200) {
        match c {
            c if c.is_ascii_alphanumeric() => words.push(c.to_ascii_lowercase()),
            _ if words.is_empty() || words.ends_with('-') => {}
            _ => words.push('-'),
        }
        if words.len() >= SLUG {
            break;
        }
    }
    words.trim_end_matches('-').to_owned()
}

/// What an agent is known by: this user's silo, the root of its instance, and its name.
pub fn key(user: &str, root: &str, agent: &str) -> String {
    digest::of_parts(&[user.as_bytes(), root.as_bytes(), agent.as_bytes()])[..16].to_owned()
}

/// The role of an agent: `silo_INSTANCE_AGENT_` and a part of its key, so that no two agents have one.
pub fn role(instance: &str, agent: &str, key: &str) -> String {
    let end = format!("_{}", &key[..key.len().min(8)]);
    let start: String = format!("silo_{instance}_{agent}").chars().filter(|c| *c != '\0').collect();
    format!("{}{end}", cut(&start, ROLE - end.len()))
}

/// A name in SQL, whatever it is made of.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The start of a text that takes at most so many bytes.
fn cut(text: &str, most: usize) -> String {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_title_is_the_first_line_that_says_something() {
        assert_eq!(title("a.md", "\n---\n## The parser is slow\nmore", false), "The parser is slow");
        assert_eq!(title("a.md", "", false), "a.md");
        assert_eq!(title("x/y.bin", "ELF stuff", true), "x/y.bin");
        assert_eq!(title("\u{1b}", "\n", false), "untitled");
        assert_eq!(title("a", "a\u{1b}[2Jb", false), "a[2Jb");
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_beside_what_can_be_read_of_them() {
        let sent = |bytes: &[u8]| body(&Finding { path: "a".to_owned(), body: bytes.to_vec(), created: None });
        assert_eq!((sent(b"ok").text.as_str(), sent(b"ok").hex), ("ok", None));
        assert_eq!((sent(b"a\0b").text.as_str(), sent(b"a\0b").hex.as_deref()), ("a\u{fffd}b", Some("610062")));
        assert_eq!(sent(b"\xff").hex.as_deref(), Some("ff"));
        assert!(sent(&vec![0xff; 1024 * 1024]).text.len() <= 1024 * 1024);
    }

    #[test]
    fn files_of_an_export_are_called_by_number_and_words() {
        let found = |id, path: Option<&str>, title: &str, kind: &str| Found {
            id,
            path: path.map(str::to_owned),
            title: title.to_owned(),
            kind: kind.to_owned(),
            ..Found::default()
        };
        let name = |path, title, kind| file_name(&found(7, path, title, kind));
        assert_eq!(name(Some("notes/Parser is slow.MD"), "x", "markdown"), "000007-parser-is-slow.md");
        assert_eq!(name(None, "../../etc/passwd", "text"), "000007-etc-passwd.txt");
        assert_eq!(name(Some("../..//.bashrc"), "?", "text"), "000007.txt");
        assert_eq!(name(None, "\u{202e}\n\0", "markdown"), "000007.md");
    }

    #[test]
    fn a_role_fits_and_no_two_agents_have_one() {
        let long = "ä".repeat(60);
        let (one, other) = (key("u", "/a", "x"), key("u", "/a/x", ""));
        assert_ne!(one, other);
        assert_eq!(role("feature-x", "researcher", "0123456789abcdef"), "silo_feature-x_researcher_01234567");
        assert!(role(&long, &long, &one).len() <= ROLE && role(&long, &long, &one).ends_with(&one[..8]));
        assert_eq!(quoted("a\"; DROP TABLE x; --"), "\"a\"\"; DROP TABLE x; --\"");
    }

    proptest! {
        #[test]
        fn no_title_makes_a_file_that_leads_elsewhere(path in "\\PC{0,30}", title in "\\PC{0,30}", id in 0_i64..9_999_999) {
            let found = Found { id, path: Some(path), title, ..Found::default() };
            let name = file_name(&found);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte)), "{}", name);
            prop_assert!(name.len() < 100 && name.starts_with(|c: char| c.is_ascii_digit()), "{}", name);
        }
    }
}
