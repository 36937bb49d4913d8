//! What bash and zsh have in common.

use super::activation::Turns;
use super::description::Answer;
use super::lines::{push, room_for};
use super::quote::single;

/// In single quotes, where nothing but their end means anything.
pub(super) fn quote(value: &[u8]) -> Vec<u8> {
    single(value, |byte| if byte == b'\'' { br"'\''" } else { b"" })
}

/// Assignments to a variable that is local to the hook.
pub(super) const MARKS: [&[u8]; 2] = [b"__silo_text='begin'\n", b"__silo_text='end'\n"];

/// Assignments, one `export` and one `unset`; `builtin` stands before what an alias could be in place of. Around them, where
/// the hook has such functions, what they look at, and what they bring back.
pub(super) fn commands(builtin: &str, looked_at: fn(&Turns<'_>) -> String, answer: &Answer<'_>) -> Vec<u8> {
    let Answer { turns, own, set, unset } = *answer;
    let builtin = builtin.as_bytes();
    let mut text = room_for(own, set);
    let look = turns.map(looked_at).unwrap_or_default();
    if !look.is_empty() {
        push(&mut text, &[b"[[ -z ${__silo_kept+x} ]] || __silo_keep ", look.as_bytes(), b"\n"]);
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
    if !unset.is_empty() {
        push(&mut text, &[builtin, b"unset -v ", unset.join(" ").as_bytes(), b"\n"]);
    }
    let back = turns.map_or(&[][..], |turns| &turns.back);
    if !back.is_empty() {
        push(&mut text, &[b"[[ ${__silo_kept-0} == 0 ]] || __silo_return ", back.join(" ").as_bytes(), b"\n"]);
    }
    text
}
