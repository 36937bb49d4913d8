//! nushell.

use serde_json::{Map, Value, json};

use super::activation::Turns;
use super::description::{Answer, Shell, Wanted};
use super::launch::{Inside, Launch, Written};
use super::quote::double;
use super::start::{ByHand, Folder, Start};
use super::template;

/// nushell's line writes a second file, which it goes on reading: taking the line out would not be the whole undo.
pub(super) static NU: Shell = Shell {
    name: "nu",
    aliases: &["nushell"],
    programs: &[],
    about: "nushell, 0.101 or newer",
    exported: "An object for nushell's hook",
    quote,
    commands,
    // The object is a line of its own, which begins as no other.
    marks: [b"\n", b""],
    shows_own: false,
    hook,
    called_by: "$env.config.hooks",
    moves: include_str!("../../../shell/cd.nu"),
    named,
    scripts: &[],
    // The file is replaced as a whole: another nushell that starts at this moment reads it, too.
    load: |silo| {
        let after = " hook nu | save -f $'($file).($nu.pid)'; mv -f $'($file).($nu.pid)' $file } \
                     ($nu.data-dir | path join vendor/autoload/silo.nu)";
        [b"do {|file| mkdir ($file | path dirname); ", silo, after.as_bytes()].concat()
    },
    start: Start {
        by_hand: Some(ByHand {
            shell: "nushell",
            file: "$nu.config-path",
            undo: "rm ($nu.data-dir | path join vendor/autoload/silo.nu)",
            add: ("\"\\n", "\\n\" | save --append $nu.config-path"),
            example: "silo hook nu | save -f silo.nu",
        }),
        ..Start::plain(Folder::AppConfig, "nushell/config.nu", "In an autoload folder of nushell")
    },
    login_path: None,
    has_job_groups: true,
    launch,
    // It reads no script from its input unless it is told to.
    piped: &["/dev/stdin"],
    completions: None,
};

/// Its strings are UTF-8: what is not arrives replaced.
fn quote(value: &[u8]) -> Vec<u8> {
    double(String::from_utf8_lossy(value).as_bytes(), |byte| format!("\\u{{{byte:x}}}"))
}

/// Nushell evaluates nothing at run time: its hook reads an object, where own variables have no `__silo_` before them.
fn commands(answer: &Answer<'_>) -> Vec<u8> {
    let Answer { turns, own, set, unset, .. } = *answer;
    let text = |value: &[u8]| Value::from(String::from_utf8_lossy(value));
    let own = own.iter().map(|(name, value)| (name.trim_start_matches("__silo_").to_owned(), text(value)));
    let mut object: Map<_, _> = own.collect();
    object.insert("set".to_owned(), set.iter().map(|(name, value)| ((*name).to_owned(), text(value))).collect());
    object.insert("unset".to_owned(), json!(unset));
    if let Some(Turns { unseen, seen, back, .. }) = turns {
        let keep: Vec<_> = unseen.iter().chain(seen).copied().collect();
        // One look for all: each takes longer than what it is for.
        let look = if keep.is_empty() { String::new() } else { format!(r"\b({})\b", keep.join("|")) };
        object.insert("keep".to_owned(), json!(keep));
        object.insert("look".to_owned(), look.into());
        object.insert("back".to_owned(), json!(back));
    }
    format!("{}\n", Value::from(object)).into_bytes()
}

fn hook(silo: &[u8], _: &[u8]) -> Vec<u8> {
    template::hook(include_str!("../../../shell/silo.nu"), silo)
}

/// A command of the hook's could not hand every word on as it was typed.
fn named(silo: &[u8]) -> Vec<u8> {
    [b"\n# It is in no folder of PATH.\nalias silo = ^".as_slice(), &quote(silo), b"\n"].concat()
}

fn launch(inside: &Inside<'_>) -> Launch {
    let source = [b"source ".as_slice(), &quote(&inside.path("hook.nu"))].concat();
    Launch {
        files: vec![Written::new(
            "hook.nu",
            NU.hook(&Wanted { silo: inside.silo, script: b"", wraps_cd: inside.wraps_cd, is_on_path: true }),
        )],
        arguments: vec![b"--execute".into(), source],
        ..Launch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_quotes_hold() {
        assert_eq!(NU.quote("\"é\\\n".as_bytes()), r#""\"é\\\u{a}""#.as_bytes());
        assert_eq!(NU.quote(b"a\xff"), "\"a\u{fffd}\"".as_bytes());
        assert_eq!(NU.sample(), "{\"s\":\"x\",\"set\":{\"A\":\"1\"},\"unset\":[\"B\"]}\n");
    }
}
