//! What bash and zsh have in common.

use super::description::Pairs;
use super::lines::{push, room_for};
use super::quote::single;

/// In single quotes, where nothing but their end means anything.
pub(super) fn quote(value: &[u8]) -> Vec<u8> {
    single(value, |byte| if byte == b'\'' { br"'\''" } else { b"" })
}

/// Assignments to a variable that is local to the hook.
pub(super) const MARKS: [&[u8]; 2] = [b"__silo_text='begin'\n", b"__silo_text='end'\n"];

/// Assignments, one `export` and one `unset`; `builtin` stands before what an alias could be in place of.
pub(super) fn commands(builtin: &str, own: &Pairs<'_>, set: &Pairs<'_>, unset: &[&str]) -> Vec<u8> {
    let builtin = builtin.as_bytes();
    let mut text = room_for(own, set);
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
    text
}
