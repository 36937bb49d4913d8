//! Elvish.

use super::description::{Answer, Shell};
use super::launch::{Inside, Launch, Written};
use super::quote::double;
use super::start::{Folder, Place, Start};
use super::template;

pub(super) static ELVISH: Shell = Shell {
    name: "elvish",
    aliases: &[],
    programs: &[],
    about: "Elvish, 0.19 or newer",
    exported: "Commands for Elvish",
    quote,
    commands,
    marks: [b"# \"begin\"\n", b"# \"end\"\n"],
    // What is put for the hook would be shown to everybody else.
    shows_own: true,
    hook: |silo, _| template::hook(include_str!("../../../shell/silo.elv"), silo),
    called_by: "edit:before-readline",
    moves: "",
    named: |_| Vec::new(),
    scripts: &[],
    load: |silo| [b"eval (", silo, b" hook elvish | slurp)"].concat(),
    start: Start {
        older: Some(Place { folder: Folder::Home, path: ".elvish/rc.elv" }),
        ..Start::plain(Folder::Config, "elvish/rc.elv", "~/.config/elvish/rc.elv")
    },
    login_path: None,
    has_job_groups: false,
    launch,
    piped: &[],
    completions: None,
};

fn quote(value: &[u8]) -> Vec<u8> {
    double(value, |byte| format!("\\x{byte:02x}"))
}

/// What is evaluated has variables of its own in Elvish: the values of the hook's are put, and the hook takes them.
fn commands(answer: &Answer<'_>) -> Vec<u8> {
    let Answer { own, set, unset, .. } = *answer;
    let own: Vec<_> = own.iter().map(|(_, value)| quote(value)).collect();
    let put = [b"put ".as_slice(), &own.join(&b' '), b"\n"].concat();
    let mut text = if own.is_empty() { Vec::new() } else { put };
    for (name, value) in set {
        text.extend([b"set-env ", name.as_bytes(), b" ", &quote(value), b"\n"].concat());
    }
    for name in unset {
        text.extend([b"unset-env ", name.as_bytes(), b"\n"].concat());
    }
    text
}

/// Elvish takes one start file: the user's own with this behind it, in the same scope.
const ELVISHRC: &str = "
# Written by silo for `silo shell`.
eval (@SILO@ hook elvish | slurp)
";

fn launch(inside: &Inside<'_>) -> Launch {
    let text = template::filled(ELVISHRC, &[("@SILO@", &quote(inside.silo))]);
    Launch {
        files: vec![Written { name: "rc.elv", is_behind_own: true, text }],
        arguments: vec![b"-rc".into(), inside.path("rc.elv")],
        ..Launch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_quotes_hold() {
        assert_eq!(ELVISH.quote("\"é\\\n".as_bytes()), r#""\"é\\\x0a""#.as_bytes());
        assert_eq!(ELVISH.quote(b"a\xff"), br#""a\xff""#);
        assert_eq!(ELVISH.sample(), "put \"x\"\nset-env A \"1\"\nunset-env B\n");
    }
}
