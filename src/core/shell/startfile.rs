//! The marked lines `silo hook --install` keeps in a shell's start file: text in, text out. Every byte outside the marks
//! stays as it is, a final line without an end and the line ends of another system included.

use std::ops::Range;

use super::description::Shell;

/// The line above what silo added.
const BEGIN: &str = "# >>> silo hook >>>";
/// The same, where the text before had no line end: taking the lines out takes the added line end out too.
const BEGIN_JOINED: &str = "# >>> silo hook >>> (the line above had no end)";
/// The same, where there was no file before: taking the lines out takes the file away when nothing else is in it by then.
const BEGIN_MADE: &str = "# >>> silo hook >>> (there was no file before)";
/// The line below what silo added.
const END: &str = "# <<< silo hook <<<";

/// Why marked lines cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmarked {
    /// A mark without its other, or more than two.
    #[error("its line {0} is a mark of silo's without its other half")]
    Torn(usize),
    /// Something else stands between the marks.
    #[error("what stands between silo's marks, at line {0}, was written by somebody else")]
    Foreign(usize),
}

/// A start file's text with the line in it, between marks and at the end; a text that has it is returned as it is. There
/// may be no file yet.
///
/// # Errors
/// [`Unmarked`] where marks are there that silo did not write so.
pub fn with_line(file: Option<&[u8]>, line: &[u8], shell: &Shell) -> Result<Vec<u8>, Unmarked> {
    let text = file.unwrap_or_default();
    let Some(marked) = marked(text)? else {
        let joined = !text.is_empty() && !text.ends_with(b"\n");
        let (before, begin) = match file {
            None => ("", BEGIN_MADE),
            Some(_) if joined => ("\n", BEGIN_JOINED),
            Some(_) => ("", BEGIN),
        };
        let lines = [before.as_bytes(), begin.as_bytes(), b"\n", line, b"\n", END.as_bytes(), b"\n"].concat();
        return Ok([text, &lines].concat());
    };
    let inner = &text[marked.inner.clone()];
    let lines: Vec<&[u8]> = inner.split_inclusive(|byte| *byte == b'\n').collect();
    match lines[..] {
        [one] if bare(one) == line => Ok(text.to_vec()),
        [_] => Ok([&text[..marked.inner.start], line, b"\n", &text[marked.inner.end..]].concat()),
        _ if loaded_at(inner, shell).is_some() => Ok(text.to_vec()),
        _ => Err(Unmarked::Foreign(line_number(text, marked.inner.start))),
    }
}

/// A start file's text without the marked lines; none where there are none.
///
/// # Errors
/// [`Unmarked`] where a mark has lost its other half.
pub fn without_line(text: &[u8]) -> Result<Option<Vec<u8>>, Unmarked> {
    let Some(Marked { mut whole, joined, .. }) = marked(text)? else { return Ok(None) };
    if joined && whole.end == text.len() && text[..whole.start].ends_with(b"\n") {
        whole.start -= 1;
    }
    Ok(Some([&text[..whole.start], &text[whole.end..]].concat()))
}

/// Whether silo made this file and nothing but its lines is in it.
pub fn is_own(text: &[u8]) -> bool {
    text.starts_with([BEGIN_MADE, "\n"].concat().as_bytes())
        && without_line(text).is_ok_and(|rest| rest.is_some_and(|rest| rest.is_empty()))
}

/// Whether the text has marked lines.
pub fn is_marked(text: &[u8]) -> bool {
    !matches!(marked(text), Ok(None))
}

/// The number of the first line that loads a shell's hook, however it is written: comments aside, the words `silo`,
/// alone or at the end of a path, `hook`, and the shell.
pub fn loaded_at(text: &[u8], shell: &Shell) -> Option<usize> {
    let text = String::from_utf8_lossy(text);
    text.lines().position(|line| loads(line, shell)).map(|at| at + 1)
}

/// Whether a start file reads another one of this name too; those of the system do not count, nor longer names such as
/// `.bashrc.d/`.
pub fn reads(text: &[u8], name: &str) -> bool {
    let name = name.trim_start_matches('.');
    let text = String::from_utf8_lossy(text);
    let is_end = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || "._-/".contains(c));
    let own = |line: &str| {
        let line = line.replace("/etc/bashrc", "").replace("/bash.bashrc", "");
        line.match_indices(name).any(|(at, _)| is_end(&line[at + name.len()..]))
    };
    text.lines().any(|line| own(line) && !line.trim_start().starts_with('#'))
}

fn loads(line: &str, shell: &Shell) -> bool {
    let line = line.replace(['"', '\''], "");
    let words = line.split([' ', '\t', '(', ')', '<', '>', '|', ';', '&', '$', '`']).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.take_while(|word| !word.starts_with('#')).collect();
    words.windows(3).any(|three| {
        (three[0] == "silo" || three[0].ends_with("/silo")) && three[1] == "hook" && three[2] == shell.name
    })
}

/// The marked lines of a text.
struct Marked {
    /// Marks included.
    whole: Range<usize>,
    /// What stands between them.
    inner: Range<usize>,
    joined: bool,
}

fn marked(text: &[u8]) -> Result<Option<Marked>, Unmarked> {
    let mut marks = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        let range = at..at + line.len();
        at = range.end;
        let known = [BEGIN, BEGIN_JOINED, BEGIN_MADE, END].into_iter().find(|mark| mark.as_bytes() == bare(line));
        marks.extend(known.map(|mark| (mark, range)));
    }
    match &marks[..] {
        [] => Ok(None),
        [(begin, first), (END, last)] if *begin != END => Ok(Some(Marked {
            whole: first.start..last.end,
            inner: first.end..last.start,
            joined: *begin == BEGIN_JOINED,
        })),
        [(_, first), ..] => Err(Unmarked::Torn(line_number(text, first.start))),
    }
}

/// A line without its end.
fn bare(line: &[u8]) -> &[u8] {
    line.trim_ascii_end()
}

fn line_number(text: &[u8], at: usize) -> usize {
    text[..at].split(|byte| *byte == b'\n').count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{bash::BASH, fish::FISH};
    use super::*;

    const LINE: &[u8] = b"eval \"$(silo hook bash)\"";

    fn added(text: &[u8]) -> Vec<u8> {
        with_line(Some(text), LINE, &BASH).expect("nothing is marked")
    }

    #[test]
    fn the_line_stands_at_the_end_between_marks() {
        let block = "# >>> silo hook >>>\neval \"$(silo hook bash)\"\n# <<< silo hook <<<\n";
        assert_eq!(added(b""), block.as_bytes());
        assert_eq!(added(b"a\r\n"), format!("a\r\n{block}").into_bytes());
        let joined = block.replacen(BEGIN, BEGIN_JOINED, 1);
        assert_eq!(added(b"a"), format!("a\n{joined}").into_bytes());
    }

    proptest! {
        #[test]
        fn taking_the_line_out_gives_back_every_byte(text in prop::collection::vec(prop::sample::select(b"a #\r\n\xff".to_vec()), 0..40)) {
            let with = added(&text);
            prop_assert_eq!(&added(&with), &with);
            prop_assert_eq!(without_line(&with), Ok(Some(text.clone())));
            prop_assert_eq!(without_line(&text), Ok(None));
            // What was written behind the marks stays, on a line of its own.
            let behind = [with, b"behind\n".to_vec()].concat();
            let rest = without_line(&behind).expect("the marks are whole").expect("and there");
            let end: &[u8] = if text.is_empty() || text.ends_with(b"\n") { b"" } else { b"\n" };
            prop_assert_eq!(rest, [&text, end, b"behind\n"].concat());
        }
    }

    #[test]
    fn another_silo_takes_the_place_of_the_one_between_the_marks() {
        let other = with_line(Some(b"a\n"), b"eval \"$('/old/silo' hook bash)\"", &BASH).expect("nothing is marked");
        assert_eq!(added(&[&other[..], b"b\n"].concat()), [added(b"a\n"), b"b\n".to_vec()].concat());
        let text = String::from_utf8(added(b"")).expect("it is text");
        let crlf = text.replace('\n', "\r\n");
        assert_eq!(added(crlf.as_bytes()), crlf.as_bytes(), "an editor changed the line ends");
    }

    #[test]
    fn a_file_that_silo_made_is_known_while_nothing_else_is_in_it() {
        let made = with_line(None, LINE, &BASH).expect("nothing is marked");
        assert!(is_own(&made) && is_own(&added(&made)));
        assert_eq!(without_line(&made), Ok(Some(Vec::new())));
        assert!(!is_own(&[&made[..], b"a\n"].concat()) && !is_own(&[b"\n", &made[..]].concat()));
        assert!(!is_own(&added(b"")), "an empty file was there before");
    }

    #[test]
    fn what_somebody_else_wrote_between_the_marks_is_left_alone() {
        let longer = format!("{BEGIN}\nif true; then\neval \"$(silo hook bash)\"\nfi\n{END}\n").into_bytes();
        assert_eq!(added(&longer), longer);
        for (text, why) in [
            (format!("a\n{BEGIN}\n"), Unmarked::Torn(2)),
            (format!("{END}\n"), Unmarked::Torn(1)),
            (format!("{END}\nx\n{BEGIN}\n"), Unmarked::Torn(1)),
            (format!("{BEGIN}\nx\n{END}\n{BEGIN}\nx\n{END}\n"), Unmarked::Torn(1)),
            (format!("{BEGIN}\n{END}\n"), Unmarked::Foreign(2)),
            (format!("a\n{BEGIN}\nx\ny\n{END}\n"), Unmarked::Foreign(3)),
        ] {
            assert_eq!(with_line(Some(text.as_bytes()), LINE, &BASH), Err(why), "{text}");
        }
        assert_eq!(without_line(format!("a\n{BEGIN}\n").as_bytes()), Err(Unmarked::Torn(2)));
    }

    #[test]
    fn a_line_written_by_hand_is_known_however_it_is_written() {
        for line in [
            "eval \"$(silo hook bash)\"",
            "  command -v silo >/dev/null && eval \"$(silo hook bash)\"",
            "source <(/opt/x/bin/silo hook bash)",
            "eval \"`'/a b/silo' hook bash`\" # silo",
            "eval \"$(\"$HOME/.cargo/bin/silo\"  hook\tbash)\"\r",
        ] {
            assert_eq!(loaded_at(format!("a\n{line}\n").as_bytes(), &BASH), Some(2), "{line}");
        }
        for line in [
            "# eval \"$(silo hook bash)\"",
            "x # silo hook bash",
            "silo hook zsh",
            "asilo hook bash",
            "silo hooks bash",
        ] {
            assert_eq!(loaded_at(line.as_bytes(), &BASH), None, "{line}");
        }
        assert_eq!(loaded_at(b"silo hook fish | source", &FISH), Some(1));
    }

    #[test]
    fn a_login_file_that_hands_on_to_bashrc_is_known() {
        assert!(reads(b"if [ -f ~/.bashrc ]; then\n  . ~/.bashrc\nfi\n", ".bashrc"));
        assert!(!reads(b"[ -r /etc/bashrc ] && . /etc/bashrc\n. /etc/bash.bashrc\n", ".bashrc"));
        assert!(!reads(b"# ~/.bashrc is not read\nexport A=1\n", ".bashrc"));
        for longer in ["for f in ~/.bashrc.d/*; do . $f; done\n", ". ~/.bashrc_local\n", ". ~/.bashrc.local\n"] {
            assert!(!reads(longer.as_bytes(), ".bashrc"), "{longer}");
        }
        for line in [
            "source \"$HOME/.bashrc\"",
            "[[ -r ~/.bashrc]] && .  ~/.bashrc;",
            "(. ~/.bashrc)",
            ". ~/.bashrc.d/x; . ~/.bashrc",
        ] {
            assert!(reads(line.as_bytes(), ".bashrc"), "{line}");
        }
    }
}
