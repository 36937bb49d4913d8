//! What entering and leaving change in an environment, and the undo record that takes it back (D8).
//!
//! The record travels in [`UNDO`], so that a shell started inside a shell can leave too. It is checked, not believed:
//! a variable that no longer has the value silo gave it belongs to the user and is left alone. Of what silo gave it holds a
//! digest: the value itself is in the variable, and twice in each environment it would soon be too large for a program to start.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use super::environment::Environment;
use super::varname;
use crate::core::text::digest::Short;

/// The private variable that carries the undo record.
pub const UNDO: &str = "__SILO_UNDO";

/// The longest record: Linux starts no program with a variable of 128 KiB, name, `=` and end included.
const RECORD_MAX: usize = 128 * 1024 - UNDO.len() - 2;

/// In place of a folder for `PATH`: none, and as long as this instance holds none in the shells below either.
pub const BARRED: &[u8] = b"";

/// One variable to set, or to unset when there is no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The variable.
    pub name: String,
    /// Its new value.
    pub value: Option<Vec<u8>>,
}

/// One variable that silo set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The variable.
    pub name: String,
    /// The digest of what silo gave it.
    pub given: Short,
    /// What it was before.
    pub before: Option<Vec<u8>>,
}

impl Entry {
    /// Whether the variable has the value still that silo gave it.
    pub fn holds(&self, environment: &Environment) -> bool {
        environment.get(&self.name).is_some_and(|value| Short::of(value.as_bytes()) == self.given)
    }
}

/// What an activation did, and for which project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undo {
    /// Canonical root of the project.
    pub root: Vec<u8>,
    /// The folder it put in front of `PATH`, or [`BARRED`]: only ever this entry is added and removed, so that others may
    /// edit the list.
    pub path: Option<Vec<u8>>,
    /// Every variable it set.
    pub entries: Vec<Entry>,
}

impl Undo {
    /// The record an environment carries; anything unreadable is none, for then nothing can be taken back safely.
    pub fn of(environment: &Environment) -> Option<Self> {
        Self::parse(environment.get(UNDO)?.as_bytes())
    }

    /// Reads a record: `2;ROOT;+PATH;NAME=DIGEST:BEFORE;…`, each part percent-encoded, `:BEFORE` absent when it was unset. A
    /// shell that was entered by an earlier silo has `1;…`, with the value that was given in place of its digest.
    pub fn parse(record: &[u8]) -> Option<Self> {
        let mut parts = record.split(|byte| *byte == b';');
        let given: fn(&[u8]) -> Option<Short> = match parts.next()? {
            b"1" => |value| decoded(value).map(|value| Short::of(&value)),
            b"2" => Short::parse,
            _ => return None,
        };
        let root = decoded(parts.next()?)?;
        let mut parts = parts.peekable();
        let path = match parts.peek().and_then(|part| part.strip_prefix(b"+")) {
            Some(path) => {
                parts.next();
                Some(decoded(path)?)
            }
            None => None,
        };
        let entries = parts.map(|part| {
            let (name, values) = cut(part, b'=')?;
            let (value, before) = match cut(values, b':') {
                Some((value, before)) => (value, Some(decoded(before)?)),
                None => (values, None),
            };
            let name = String::from_utf8(decoded(name)?).ok().filter(|name| varname::is_identifier(name))?;
            Some(Entry { name, given: given(value)?, before })
        });
        Some(Self { root, path, entries: entries.collect::<Option<_>>()? })
    }

    /// The record's text.
    pub fn render(&self) -> Vec<u8> {
        let mut record = Vec::with_capacity(64 + self.root.len() + 32 * self.entries.len());
        record.extend(b"2;");
        encode(&self.root, &mut record);
        if let Some(path) = &self.path {
            record.extend(b";+");
            encode(path, &mut record);
        }
        for entry in &self.entries {
            record.push(b';');
            encode(entry.name.as_bytes(), &mut record);
            record.push(b'=');
            record.extend(entry.given.text());
            if let Some(before) = &entry.before {
                record.push(b':');
                encode(before, &mut record);
            }
        }
        record
    }
}

/// The environment as it was before the record's activation, and without the record. Folders of gates go out of `PATH`,
/// whose ever they are: a program that puts back a `PATH` of its own (direnv, a venv) brings left ones along.
pub fn undone(environment: &Environment, undo: Option<&Undo>) -> Environment {
    let mut before = environment.clone();
    before.remove(UNDO);
    let entry = undo.and_then(|undo| undo.path.as_deref()).filter(|entry| *entry != BARRED);
    let ours = |folder: &[u8]| Some(folder) == entry || is_gates(folder);
    if let Some(path) = environment.get("PATH").filter(|path| path.as_bytes().split(|byte| *byte == b':').any(ours)) {
        before.set("PATH", std::ffi::OsString::from_vec(without(path.as_bytes(), ours)));
    }
    for entry in undo.into_iter().flat_map(|undo| &undo.entries) {
        if entry.holds(environment) {
            match &entry.before {
                Some(value) => before.set(entry.name.clone(), std::ffi::OsString::from_vec(value.clone())),
                None => before.remove(&entry.name),
            }
        }
    }
    before
}

/// Changes that take `environment` back to what it was.
pub fn leave(environment: &Environment, undo: Option<&Undo>) -> Vec<Change> {
    let names = undo.into_iter().flat_map(|undo| undo.entries.iter().map(|entry| entry.name.as_str()));
    between(environment, &undone(environment, undo), names.chain(["PATH"]))
}

/// What no environment shows of a shell's variables, so that the shell itself must look: whether one is set and not exported, a
/// number or a list, or hidden behind a function's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Turns<'a> {
    /// Those that are set and were not silo's, and that the environment lacks.
    pub unseen: Vec<&'a str>,
    /// Those that the environment has.
    pub seen: Vec<&'a str>,
    /// Those that were silo's, whether they are still.
    pub old: Vec<&'a str>,
    /// Those of them that become what they were before.
    pub back: Vec<&'a str>,
}

impl<'a> Turns<'a> {
    /// What these changes mean for variables of the shell, where an instance gives those of `vars`.
    pub fn of(
        environment: &Environment,
        undo: Option<&'a Undo>,
        changes: &'a [Change],
        vars: &[(String, String)],
    ) -> Self {
        let old = undo.map_or(&[][..], |undo| &undo.entries);
        let mut turns = Self { old: old.iter().map(|entry| entry.name.as_str()).collect(), ..Self::default() };
        for Change { name, value } in changes.iter().filter(|change| change.name != UNDO && change.name != "PATH") {
            let is_own = old.iter().any(|entry| entry.name == *name && entry.holds(environment));
            if value.is_none() || !vars.iter().any(|(given, _)| given == name) {
                turns.back.push(name);
            } else if !is_own {
                let seen = environment.get(name).is_some();
                if seen { &mut turns.seen } else { &mut turns.unseen }.push(name);
            }
        }
        turns
    }
}

/// A list of folders without some of them.
fn without(list: &[u8], unwanted: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    list.split(|byte| *byte == b':').filter(|folder| !unwanted(folder)).collect::<Vec<_>>().join(&b':')
}

/// Whether a folder is named as those that hold an instance's gates: `…/silo/instances/ID/gates`.
fn is_gates(folder: &[u8]) -> bool {
    let mut parts = folder.rsplit(|byte| *byte == b'/');
    let hex = |part: &[u8]| part.len() == 16 && part.iter().all(u8::is_ascii_hexdigit);
    parts.next() == Some(b"gates")
        && parts.next().is_some_and(hex)
        && parts.next() == Some(b"instances")
        && parts.next() == Some(b"silo")
}

/// What an instance puts into an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Given<'a> {
    /// Canonical root of its project.
    pub root: &'a [u8],
    /// Names and values in order.
    pub vars: &'a [(String, String)],
    /// A folder for the front of `PATH`, or [`BARRED`].
    pub path: Option<&'a [u8]>,
}

/// Changes that undo an earlier activation and make an instance hold.
pub fn enter(environment: &Environment, undo: Option<&Undo>, given: &Given<'_>) -> Vec<Change> {
    let Given { root, vars, path } = *given;
    let mut target = undone(environment, undo);
    let same = undo.filter(|undo| undo.root == root);
    let path = same.and_then(|undo| undo.path.as_deref()).filter(|path| *path == BARRED).or(path);
    if let Some(entry) = path.filter(|entry| *entry != BARRED) {
        let rest =
            target.get("PATH").map(|path| without(path.as_bytes(), |folder| folder == entry)).unwrap_or_default();
        target.set("PATH", std::ffi::OsString::from_vec([entry, b":", &rest].concat()));
    }
    let mut entries = Vec::with_capacity(vars.len());
    for (name, value) in vars {
        let digest = Short::of(value.as_bytes());
        let earlier = same.and_then(|undo| undo.entries.iter().find(|entry| entry.name == *name));
        if let Some(earlier) = earlier
            && earlier.given == digest
            && environment.get(name).map(OsStr::as_bytes) != Some(value.as_bytes())
        {
            // Changed by the user since, while silo's value stayed: the user's stands.
            entries.push(earlier.clone());
            continue;
        }
        let before = target.get(name).map(|value| value.as_bytes().to_vec());
        entries.push(Entry { name: name.clone(), given: digest, before });
        target.set(name.clone(), value.clone());
    }
    let record = Undo { root: root.to_vec(), path: path.map(<[u8]>::to_vec), entries };
    target.set(UNDO, std::ffi::OsString::from_vec(record.render()));
    let old = undo.into_iter().flat_map(|undo| undo.entries.iter().map(|entry| entry.name.as_str()));
    let new = vars.iter().map(|(name, _)| name.as_str());
    between(environment, &target, new.chain(old).chain(["PATH"]))
}

/// How long the record among these changes is, with the variable that takes up most of it, where it is too long for any program
/// to start with.
pub fn too_long(changes: &[Change]) -> Option<(usize, String)> {
    let record = changes.iter().find(|change| change.name == UNDO)?.value.as_ref()?;
    let largest = |undo: Undo| undo.entries.into_iter().max_by_key(|entry| entry.before.as_ref().map_or(0, Vec::len));
    let name = Undo::parse(record).and_then(largest)?.name;
    (record.len() > RECORD_MAX).then_some((record.len(), name))
}

/// Differences in the named variables and the record, each once, in the order given. A record comes before what it takes
/// back, and goes after it: a readonly variable of the user's may end the evaluation anywhere.
fn between<'a>(from: &Environment, to: &Environment, names: impl Iterator<Item = &'a str>) -> Vec<Change> {
    let (first, last) = if to.get(UNDO).is_some() { (Some(UNDO), None) } else { (None, Some(UNDO)) };
    let names = first.into_iter().chain(names).chain(last);
    let mut changes: Vec<Change> = Vec::with_capacity(names.size_hint().0);
    let mut seen = BTreeSet::new();
    for name in names {
        let (old, new) = (from.get(name), to.get(name));
        if old != new && seen.insert(name) {
            changes.push(Change { name: name.to_owned(), value: new.map(|value| value.as_bytes().to_vec()) });
        }
    }
    changes
}

fn cut(bytes: &[u8], at: u8) -> Option<(&[u8], &[u8])> {
    let index = bytes.iter().position(|byte| *byte == at)?;
    Some((&bytes[..index], &bytes[index + 1..]))
}

fn encode(bytes: &[u8], text: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/' | b'@' | b',' | b'+' => {
                text.push(*byte);
            }
            _ => text.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]),
        }
    }
}

fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                bytes.push(digit(*rest.next()?)? * 16 + digit(*rest.next()?)?);
            }
            0 => return None,
            byte => bytes.push(*byte),
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
