//! tcsh. It has no functions, and evaluates no more than one line at a time: its hook is files that it reads.

use super::description::{Answer, Shell};
use super::launch::{Inside, Launch, Written};
use super::start::{Folder, Place, Start};
use super::template;

pub(super) static TCSH: Shell = Shell {
    name: "tcsh",
    aliases: &[],
    // It is often what is behind this name.
    programs: &["csh"],
    about: "tcsh, 6.24 or newer",
    exported: "Commands for tcsh",
    quote,
    commands,
    // The answer is a line of its own, which begins as no other.
    marks: [b"\n", b""],
    shows_own: false,
    hook,
    called_by: "alias precmd",
    moves: "",
    named: |_| Vec::new(),
    // The second is read at each prompt, and reads the first where something has changed.
    scripts: &[
        ("change.tcsh", include_str!("../../../shell/change.tcsh")),
        ("hook.tcsh", include_str!("../../../shell/silo.tcsh")),
    ],
    load,
    start: Start {
        // csh reads the older one too.
        older: Some(Place { folder: Folder::Home, path: ".cshrc" }),
        shared: &[".cshrc"],
        guard: "if ($?tcsh) ",
        ..Start::plain(Folder::Home, ".tcshrc", "~/.tcshrc")
    },
    login_path: None,
    has_job_groups: true,
    launch,
    piped: &[],
    completions: None,
};

/// A backslash before whatever could mean something: `!` does even in quotes, and what a backslash does there is an option
/// of the user's. A newline cannot be written on one line; the hook keeps one.
fn quote(value: &[u8]) -> Vec<u8> {
    if value.is_empty() {
        return b"''".to_vec();
    }
    let mut word = Vec::with_capacity(value.len());
    for (at, byte) in value.iter().enumerate() {
        match byte {
            // A newline in quotes takes one backslash before it away, wherever in the word that came from (`Dword` in tcsh's sh.dol.c).
            b'\n' if value[..at].ends_with(b"\\") => word.extend(b"\\\\\"$__silo_nl:q\""),
            b'\n' => word.extend(b"\"$__silo_nl:q\""),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/' | b':' | 0x80.. => word.push(*byte),
            _ => word.extend([b'\\', *byte]),
        }
    }
    word
}

/// All on one line: tcsh takes the lines of what a program prints for words.
fn commands(answer: &Answer<'_>) -> Vec<u8> {
    let Answer { own, set, unset, .. } = *answer;
    let own = own.iter().map(|(name, value)| [b"set ", name.as_bytes(), b" = ", &quote(value)].concat());
    let set = set.iter().map(|(name, value)| [b"setenv ", name.as_bytes(), b" ", &quote(value)].concat());
    let unset = unset.iter().map(|name| [b"unsetenv ", name.as_bytes()].concat());
    let commands: Vec<_> = own.chain(set).chain(unset).collect();
    [commands.join(b"; ".as_slice()), b"\n".to_vec()].concat()
}

fn hook(silo: &[u8], script: &[u8]) -> Vec<u8> {
    let set = [b"set __silo_bin = ".as_slice(), silo, b"; set __silo_hook = ", script].concat();
    [set.as_slice(), b"; set __silo_load; source \"$__silo_hook:h:q/change.tcsh\"\n"].concat()
}

/// Within backquotes only an alias keeps its quotes; the hook has both names for the same.
fn load(silo: &[u8]) -> Vec<u8> {
    if silo.contains(&b'\\') {
        let ask = b"; alias __silo_ask '\"$__silo_bin:q\" hook tcsh'; eval \"`__silo_ask`\"";
        return [b"set __silo_bin = ".as_slice(), silo, ask].concat();
    }
    [b"eval \"`", silo, b" hook tcsh`\""].concat()
}

/// tcsh looks for its start file in `HOME` alone. Within backquotes only an alias keeps its quotes.
const TCSHRC: &str = r#"# Written by silo for `silo shell`.
setenv HOME @HOME@
set home = "$HOME:q"
if ( -r ~/.tcshrc ) then
  source ~/.tcshrc
else if ( -r ~/.cshrc ) then
  source ~/.cshrc
endif
set __silo_bin = @SILO@
alias __silo_ask '"$__silo_bin:q" hook tcsh'
eval "`__silo_ask`"
"#;

fn launch(inside: &Inside<'_>) -> Launch {
    let (silo, home) = (quote(inside.silo), quote(inside.home));
    let text = template::filled(TCSHRC, &[("@SILO@", &silo), ("@HOME@", &home)]);
    Launch {
        files: vec![Written::new(".tcshrc", text)],
        variables: vec![("HOME", inside.folder.to_vec())],
        ..Launch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_quotes_hold() {
        assert_eq!(TCSH.quote("é !a\nb".as_bytes()), "é\\ \\!a\"$__silo_nl:q\"b".as_bytes());
        assert_eq!(TCSH.quote(b"\\\n"), br#"\\\\"$__silo_nl:q""#);
        assert_eq!((TCSH.quote(b""), TCSH.quote(b"a\xff")), (b"''".to_vec(), b"a\xff".to_vec()));
        assert_eq!(TCSH.sample(), "set __silo_s = x; setenv A 1; unsetenv B\n");
    }

    #[test]
    fn the_hook_is_one_line_that_names_silo_and_its_script() {
        assert_eq!(
            String::from_utf8((TCSH.hook)(&quote(b"/b/silo"), &quote(b"/s/it's"))).expect("it is text"),
            "set __silo_bin = /b/silo; set __silo_hook = /s/it\\'s; set __silo_load; source \"$__silo_hook:h:q/change.tcsh\"\n"
        );
    }
}
