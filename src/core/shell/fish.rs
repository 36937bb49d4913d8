//! fish.

use super::description::{Answer, Completions, Shell};
use super::launch::{Inside, Launch};
use super::lines::{push, room_for};
use super::quote::single;
use super::start::{Folder, Place, Start};
use super::template;

pub(super) static FISH: Shell = Shell {
    name: "fish",
    aliases: &[],
    programs: &[],
    about: "fish, 3.1 or newer",
    exported: "Commands for fish",
    quote,
    commands,
    // The first is a line of its own, whatever is before it.
    marks: [b"\nset -l __silo_text 'begin';\n", b"set -l __silo_text 'end';\n"],
    shows_own: false,
    hook: |silo, _| template::hook(include_str!("../../../shell/silo.fish"), silo),
    called_by: "fish_prompt",
    moves: "",
    named: |_| Vec::new(),
    scripts: &[],
    load: |silo| [silo, b" hook fish | source"].concat(),
    start: Start {
        snippets: Some((Place { folder: Folder::Config, path: "fish/conf.d" }, "fish")),
        ..Start::plain(Folder::Config, "fish/config.fish", "~/.config/fish/config.fish")
    },
    login_path: Some("(string join : $PATH)"),
    has_job_groups: true,
    launch,
    piped: &[],
    completions: Some(Completions {
        about: "fish",
        example: "silo completions fish > ~/.config/fish/completions/silo.fish",
        script: include_str!("../../../completions/silo.fish"),
        is_raw: false,
        help: |help| format!("\t{help}"),
    }),
};

/// In its single quotes a backslash escapes too. A newline stands outside of them, so that a command is one line: the hook
/// evaluates the lines with spaces between, which takes it half the time of `source`.
fn quote(value: &[u8]) -> Vec<u8> {
    single(value, |byte| match byte {
        b'\'' => br"\'",
        b'\\' => br"\\",
        b'\n' => br"'\n'",
        _ => b"",
    })
}

fn commands(answer: &Answer<'_>) -> Vec<u8> {
    let Answer { turns, own, set, unset, again } = *answer;
    let mut text = room_for(own, set);
    for (name, value) in own {
        push(&mut text, &[b"set -g ", name.as_bytes(), b" ", &quote(value), b";\n"]);
    }
    // The hook before this one has no such function.
    let look = |then: &str, names: &[&str]| format!("set -q __silo_kept; and {then} {};\n", names.join(" "));
    let new: Vec<_> = turns.iter().flat_map(|turns| turns.unseen.iter().chain(&turns.seen)).copied().collect();
    if !new.is_empty() {
        text.extend(look("__silo_keep", &new).into_bytes());
    }
    let old = turns.map_or(&[][..], |turns| &turns.old);
    if again.is_some() && !old.is_empty() {
        push(&mut text, &[b"set -q __silo_question; and __silo_note ", old.join(" ").as_bytes(), b";\n"]);
    }
    for (name, value) in set {
        push(&mut text, &[b"set -gx ", name.as_bytes(), b" ", &quote(value), b";\n"]);
    }
    if !unset.is_empty() {
        push(&mut text, &[b"set -e ", unset.join(" ").as_bytes(), b";\n"]);
    }
    if let Some(back) = turns.map(|turns| &turns.back).filter(|back| !back.is_empty()) {
        text.extend(look("__silo_return", back).into_bytes());
    }
    // Last: it is there when all before it was done.
    if let Some(line) = again {
        push(&mut text, &[b"set -q __silo_question; and set -g __silo_say ", &quote(line.as_bytes()), b";\n"]);
    }
    text
}

fn launch(inside: &Inside<'_>) -> Launch {
    let command = (FISH.load)(&quote(inside.silo));
    Launch { arguments: vec![b"--init-command".into(), command], ..Launch::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_quotes_hold() {
        assert_eq!(FISH.quote(br"it's \"), br"'it\'s \\'");
        assert_eq!(FISH.sample(), "set -g __silo_s 'x';\nset -gx A '1';\nset -e B;\n");
    }
}
