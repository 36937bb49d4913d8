//! Findings as a folder, as an agent gets them: a file each that can only be read, and a list of them.

use std::path::Path;

use serde_json::{Map, Value};

use super::{ask, target};
use crate::core::memory::names::file_name;
use crate::core::memory::talk::{Filter, Found, Target, What, from_hex};
use crate::failure::{Failure, quoted, shown};
use crate::parts::context::Context;
use crate::parts::scope::Scope;
use crate::sys::appending::Appending;
use crate::sys::writing::{self, Writing};
use crate::sys::{files, folders};

/// About how many bytes are asked for at once.
const BATCH: u64 = 8 * 1024 * 1024;
/// The list of the files.
pub const LIST: &str = "index.jsonl";
/// A file that can only be read.
const READ_ONLY: Writing = Writing { mode: 0o444, durable: false, modified: None };

/// How much is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// The most findings.
    pub findings: usize,
    /// The most bytes of all together.
    pub bytes: u64,
}

impl Limit {
    /// All of them.
    pub const NONE: Self = Self { findings: usize::MAX, bytes: u64::MAX };
}

/// What an agent gets when it starts.
pub const FOR_AGENTS: Limit = Limit { findings: 1000, bytes: 16 * 1024 * 1024 };

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exported {
    /// How many findings.
    pub findings: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Whether there are more than the limit allows; the newest are there.
    pub has_more: bool,
}

/// Writes the newest findings into a folder that is empty or is made, each as a file, and a list of them. Names of files are made of
/// numbers and plain words, whatever an agent called its finding.
///
/// # Errors
/// A [`Failure`] where the folder has something in it or cannot be written, or as of [`super::of`].
pub fn export_to(scope: &Scope<'_>, folder: &Path, limit: Limit) -> Result<Exported, Failure> {
    let to = target::of(scope)?;
    into_folder(scope.context, &to, &Filter::default(), folder, limit)
}

/// The same of the findings that a filter means.
///
/// # Errors
/// As [`export_to`].
pub fn into_folder(
    context: &Context,
    to: &Target,
    filter: &Filter,
    folder: &Path,
    limit: Limit,
) -> Result<Exported, Failure> {
    if files::exists(folder) && !folders::list(folder)?.is_empty() {
        return Err(Failure::new(format!("`{}` is not empty, and nothing in it is overwritten", shown(folder)))
            .hint(format!("Name another folder, or look what is there: `ls -l {}`", quoted(folder))));
    }
    files::make_folder(folder)?;
    let mut list = String::new();
    let exported = each(context, to, filter, limit, |found| {
        let name = file_name(found);
        let bytes = match &found.hex {
            Some(hex) => from_hex(hex).unwrap_or_default(),
            None => found.text.clone().unwrap_or_default().into_bytes(),
        };
        writing::make(&folder.join(&name), &bytes, READ_ONLY)?;
        let mut facts = facts(found);
        facts.insert("file".to_owned(), name.into());
        list += &format!("{}\n", Value::Object(facts));
        Ok(())
    })?;
    writing::make(&folder.join(LIST), list.as_bytes(), READ_ONLY)?;
    Ok(exported)
}

/// Writes the findings that a filter means into a file that is not there yet, a line of JSON each.
///
/// # Errors
/// A [`Failure`] where the file is there or cannot be written, or as of [`each`].
pub fn into_file(
    context: &Context,
    to: &Target,
    filter: &Filter,
    path: &Path,
    limit: Limit,
) -> Result<Exported, Failure> {
    if files::exists(path) {
        return Err(Failure::new(format!("`{}` is there already, and is not overwritten", shown(path)))
            .hint(format!("Name another file, or look at it: `ls -l {}`", quoted(path))));
    }
    writing::make(path, b"", Writing { durable: false, ..Writing::PRIVATE })?;
    let mut file = Appending::open(path, 0)?;
    each(context, to, filter, limit, |found| file.append(format!("{}\n", whole(found)).as_bytes()))
}

/// Hands over each finding, the newest first, with what it says.
///
/// # Errors
/// A [`Failure`] as of [`super::ask`], or of `act`.
pub fn each(
    context: &Context,
    to: &Target,
    filter: &Filter,
    limit: Limit,
    mut act: impl FnMut(&Found) -> Result<(), Failure>,
) -> Result<Exported, Failure> {
    let mut exported = Exported::default();
    let mut below = None;
    loop {
        let left = limit.bytes - exported.bytes;
        let what = What::Export { below, bytes: left.min(BATCH), filter: filter.clone() };
        let (batch, more) = ask::found(context, to, what)?;
        for found in &batch {
            let bytes = u64::try_from(found.size).unwrap_or(0);
            if exported.findings >= limit.findings || exported.bytes.saturating_add(bytes) > limit.bytes {
                return Ok(Exported { has_more: true, ..exported });
            }
            act(found)?;
            exported.findings += 1;
            exported.bytes += bytes;
            below = Some(found.id);
        }
        if batch.is_empty() || !more {
            return Ok(exported);
        }
    }
}

/// What is known of a finding beside what it says.
pub fn facts(found: &Found) -> Map<String, Value> {
    let Found { id, instance, agent, run, path, title, kind, size, sha256, created, role, .. } = found;
    let facts = serde_json::json!({
        "id": id, "instance": instance, "agent": agent, "run": run, "path": path, "title": title, "kind": kind,
        "size": size, "sha256": sha256, "created": created, "role": role,
    });
    match facts {
        Value::Object(facts) => facts,
        _ => Map::new(),
    }
}

/// The same with what it says: `text`, and `bytes` in hexadecimal where it is none.
pub fn whole(found: &Found) -> Value {
    let mut facts = facts(found);
    facts.insert("text".to_owned(), found.text.clone().into());
    if let Some(hex) = &found.hex {
        facts.insert("bytes".to_owned(), hex.clone().into());
    }
    Value::Object(facts)
}
