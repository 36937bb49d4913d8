//! What bash and zsh have in common.

use super::activation::Turns;
use super::description::Answer;
use super::lines::{push, room_for};
use super::quote::single;

/// In single quotes, where nothing but their end means anything.
pub(super) fn quote(value: &[u8]) -> Vec<u8> {
    single(value, |byte| if byte == b'\'' { br"'\''" } else { b"" })
}

/// Conditions that hold: no alias stands for them, and they change nothing, the status included.
pub(super) const MARKS: [&[u8]; 2] = [b"[[ __silo_text='begin' ]]\n", b"[[ __silo_text='end' ]]\n"];

/// Assignments, one `export` and one `unset`; `builtin` comes before what an alias could be in place of. Around them, where
/// the hook has such functions, what they look at, and what they bring back. Names that were silo's become arguments of the
/// hook's function, so that they are there once: a shell reads an answer byte by byte.
pub(super) fn commands(builtin: &str, looked_at: fn(&Turns<'_>, &str) -> String, answer: &Answer<'_>) -> Vec<u8> {
    let Answer { turns, own, set, unset, again } = *answer;
    let builtin = builtin.as_bytes();
    let mut text = room_for(own, set);
    let old = turns.map_or(&[][..], |turns| &turns.old);
    if !old.is_empty() {
        push(&mut text, &[builtin, b"set -- ", old.join(" ").as_bytes(), b"\n"]);
    }
    // In place of the same names.
    let arguments = |names: &[&str]| match names {
        [] => String::new(),
        _ if names == old => "\"$@\"".to_owned(),
        _ => names.join(" "),
    };
    text.extend(turns.map(|turns| looked_at(turns, &arguments(old))).unwrap_or_default().into_bytes());
    // The hook before this one has no such variable, here and below.
    if again.is_some() && !old.is_empty() {
        push(&mut text, &[b"[[ -z ${__silo_question-} ]] || __silo_note \"$@\" || ", builtin, b"return 0\n"]);
    }
    for (name, value) in own {
        push(&mut text, &[name.as_bytes(), b"=", &quote(value), b"\n"]);
    }
    if !set.is_empty() {
        push(&mut text, &[builtin, b"export"]);
        for (name, value) in set {
            push(&mut text, &[b" ", name.as_bytes(), b"=", &quote(value)]);
        }
        text.push(b'\n');
    }
    if let Some((last, others)) = unset.split_last() {
        // The undo record is the last.
        let names = if others == old { format!("{} {last}", arguments(others)) } else { unset.join(" ") };
        push(&mut text, &[builtin, b"unset -v ", names.trim_start().as_bytes(), b"\n"]);
    }
    let back = turns.map_or(&[][..], |turns| &turns.back);
    if !back.is_empty() {
        push(&mut text, &[b"[[ ${__silo_kept-0} == 0 ]] || __silo_return ", arguments(back).as_bytes(), b"\n"]);
    }
    // Last: it is there when all before it was done.
    if let Some(line) = again {
        push(&mut text, &[b"[[ -z ${__silo_question-} ]] || __silo_say=", &quote(line.as_bytes()), b"\n"]);
    }
    text
}
