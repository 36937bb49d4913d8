//! `silo-proxy bundle`: takes what an agent has committed, and what lies open in its folder, into a file that the host's git can fetch from
//! (D33). It runs in a second container of the same image without a network, for a program of the agent's may run with git.
//!
//! The agent's repository is read and never written: git works in a repository of silo's own, which borrows its objects, so that no
//! setting, hook, lock or broken index of it counts.

mod git;
mod heads;
mod no;
mod open;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use silo::core::agents::names;
use silo::core::formats::git_refs;
use silo::core::shell::environment::Environment;
use silo::failure::Failure;
use silo::sys::cmd::{self, Ended};
use silo::sys::{clock, files, limits, signals};
use silo::ui::Ui;

use self::git::{Git, failed};
use self::heads::Heads;
use self::no::No;
use super::codes;
use super::words::Words;

/// How long all may take.
const DEADLINE: Duration = Duration::from_mins(5);
/// How large a bundle may be, in bytes, and each file in it.
const LIMIT: u64 = 1024 * 1024 * 1024;
/// How many places of `HEAD`'s past are looked at.
const PAST: usize = 100;
/// How many notes are told.
const NOTES: usize = 100;

/// What is asked for.
struct Asked {
    repository: PathBuf,
    out: PathBuf,
    base: String,
    branch: String,
    message: OsString,
    name: OsString,
    email: OsString,
    /// The time of that commit: the same call gives the same commit again.
    date: Option<String>,
    limit: u64,
    deadline: Duration,
}

/// Where the agent's work stands.
struct Head {
    commit: String,
    /// It goes on from the base.
    is_based: bool,
    committed_open: bool,
}

fn read(words: &[OsString]) -> Result<Asked, Failure> {
    let mut words = Words::new("bundle", words);
    let mut asked = Asked {
        repository: PathBuf::new(),
        out: PathBuf::new(),
        base: String::new(),
        branch: String::new(),
        message: "What lay open when the agent ended".into(),
        name: names::COMMITTER.0.into(),
        email: names::COMMITTER.1.into(),
        date: None,
        limit: LIMIT,
        deadline: DEADLINE,
    };
    while let Some(flag) = words.flag()? {
        match flag.as_str() {
            "--repository" => asked.repository = words.value()?.into(),
            "--out" => asked.out = words.value()?.into(),
            "--base" => asked.base = words.parsed()?,
            "--branch" => asked.branch = words.parsed()?,
            "--message" => asked.message = words.value()?,
            "--author-name" => asked.name = words.value()?,
            "--author-email" => asked.email = words.value()?,
            "--date" => {
                let date: String = words.parsed()?;
                let what = "`--date` takes a time such as 2026-01-30T14:02:00Z";
                clock::parse(&date).ok_or_else(|| words.usage(what))?;
                asked.date = Some(date);
            }
            "--limit" => asked.limit = words.parsed()?,
            "--deadline" => asked.deadline = words.seconds()?,
            _ => return Err(words.unknown()),
        }
    }
    match () {
        () if !asked.repository.is_absolute() => Err(words.usage("it needs `--repository` with an absolute path")),
        () if !asked.out.is_absolute() => Err(words.usage("it needs `--out` with an absolute path")),
        () if git_refs::commit(&asked.base).is_none() => Err(words.usage("it needs `--base` with a whole commit")),
        () if !git_refs::is_name(&format!("refs/heads/{}", asked.branch)) => {
            Err(words.usage("it needs `--branch` with the name of a branch"))
        }
        () => Ok(asked),
    }
}

/// Bundles, and tells in one line of JSON what came of it.
pub(super) fn run(ui: Ui, environment: &Environment, words: &[OsString]) -> Result<u8, Failure> {
    let asked = read(words)?;
    // The first process of a container ends by no signal that it does not wait for.
    signals::watch();
    limits::forbid_dumps();
    if cmd::find("git", environment).is_none() {
        ui.answer_json_line(&json!({ "error": "the image has no `git`", "reason": "no_git" }))?;
        return Ok(codes::LACKS);
    }
    // With room for what stands around what is bundled.
    limits::cap_files(asked.limit.saturating_add(asked.limit / 8 + 1024 * 1024));
    let done = bundle(environment, &asked);
    let scratch = silo::sys::trees::remove(&scratch(&asked));
    match done.and_then(|told| scratch.map(|()| told).map_err(No::of)) {
        Ok(told) => ui.answer_json_line(&told).map(|()| 0),
        Err(no) => ui.answer_json_line(&no.told()).map(|()| no.code()),
    }
}

/// A path beside the one that is written.
fn beside(out: &Path, end: &str) -> PathBuf {
    let mut path = out.as_os_str().to_owned();
    path.push(end);
    path.into()
}

fn scratch(asked: &Asked) -> PathBuf {
    beside(&asked.out, ".git")
}

fn bundle(environment: &Environment, asked: &Asked) -> Result<Value, No> {
    let until = Instant::now() + asked.deadline;
    let others_out = beside(&asked.out, ".others");
    for old in [&asked.out, &others_out] {
        files::remove(old).map_err(No::of)?;
    }
    if files::is_link(&asked.repository) || !files::is_folder(&asked.repository) {
        return Err(No::Gone);
    }
    let mut git = Git::make(environment, scratch(asked), &asked.repository, &asked.base, until)?;
    git.sign(&asked.name, &asked.email, asked.date.as_deref());
    let mut notes = Vec::new();
    let agents = asked.repository.join(".git");
    let agents = (!files::is_link(&agents) && files::is_folder(&agents)).then_some(agents);
    let heads = if let Some(agents) = &agents {
        git.borrow(agents)?;
        Heads::read(agents)
    } else {
        notes.push("`.git` is not a folder any more; the files were taken without what was committed".to_owned());
        Heads { head: None, all: Vec::new(), been: Vec::new() }
    };
    let base = git.has(&asked.base)?.then_some(asked.base.as_str());
    let head = commit(&git, asked, base, &heads, agents.as_deref(), &mut notes)?;
    let own = format!("refs/heads/{}", asked.branch);
    git.must(&["update-ref", &own, &head.commit], b"")?;
    let base = base.filter(|_| head.is_based);
    let not: Vec<&str> = base.into_iter().collect();
    let commits = git.count(&[&head.commit], &not)?;
    if commits > 0 {
        write(&git, asked, &asked.out, &[&own], &not)?;
    }
    let others = others(&git, &own, &head.commit, base, &heads)?;
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().map(String::as_str).collect();
        write(&git, asked, &others_out, &names, &[&not[..], &[&head.commit]].concat())?;
    }
    let more = notes.len().saturating_sub(NOTES);
    notes.truncate(NOTES);
    notes.extend((more > 0).then(|| format!("and {more} more")));
    Ok(json!({
        "head": head.commit, "commits": commits, "based": base.is_some(), "committed_open": head.committed_open,
        "others": others, "skipped": notes,
    }))
}

/// The commit the agent is at, with what lies open.
fn commit(
    git: &Git,
    asked: &Asked,
    base: Option<&str>,
    heads: &Heads,
    agents: Option<&Path>,
    notes: &mut Vec<String>,
) -> Result<Head, No> {
    let mut upon = None;
    match &heads.head {
        Some(head) if git.has(head)? && git.is_whole(head, base)? => upon = Some(head.as_str()),
        Some(_) => notes.push("commits of its branch are broken; the files were taken without them".to_owned()),
        None if agents.is_some() => notes.push("`HEAD` is at no commit; the files were taken without it".to_owned()),
        None => {}
    }
    let upon = match (upon, base) {
        (Some(head), _) => Some(head),
        (None, base) => base,
    };
    open::take(git, upon, agents, asked.limit, notes)?;
    let tree = git.line(&["write-tree"])?;
    let is_based = base.is_some();
    if let Some(upon) = upon
        && git.line(&["rev-parse", "--verify", &format!("{upon}^{{tree}}")])? == tree
    {
        return Ok(Head { commit: upon.to_owned(), is_based, committed_open: false });
    }
    let mut words = vec!["commit-tree", tree.as_str(), "-F", "-"];
    words.extend(upon.into_iter().flat_map(|upon| ["-p", upon]));
    let message: &OsStr = &asked.message;
    let printed = git.must(&words, &[message.as_encoded_bytes(), b"\n"].concat())?;
    let commit = git_refs::commit(&String::from_utf8_lossy(&printed));
    let commit = commit.ok_or_else(|| No::Failed("git names no commit".to_owned()))?;
    Ok(Head { commit, is_based, committed_open: true })
}

/// What else has commits: branches, tags, the stash, and where `HEAD` has been. Gives the names they have in the bundle.
fn others(git: &Git, own: &str, head: &str, base: Option<&str>, heads: &Heads) -> Result<Vec<String>, No> {
    let mut known: Vec<String> = [Some(head), base].into_iter().flatten().map(str::to_owned).collect();
    let mut found = Vec::new();
    let past = heads.been.iter().take(PAST).map(|commit| {
        let name = format!("refs/heads/past-{}", &commit[..12]);
        (name, commit.clone())
    });
    let named = heads.all.iter().map(|(name, commit)| (name.clone(), commit.clone()));
    for (name, object) in named.chain(past) {
        if known.contains(&object) {
            continue;
        }
        let not: Vec<&str> = known.iter().map(String::as_str).collect();
        // What is broken, or no commit, is nothing that can be fetched.
        if !git.has(&object)? || !git.is_whole(&object, base)? || git.count(&[&object], &not)? == 0 {
            continue;
        }
        let name = if name == "refs/stash" { "refs/heads/stash".to_owned() } else { name };
        // One of that name, or above it, may be there.
        let is_set = name != own && git.call(&["update-ref", &name, &object], b"")?.ended == Ended::Code(0);
        let name = if is_set { name } else { format!("refs/heads/other-{}", &object[..12]) };
        if !is_set {
            git.must(&["update-ref", &name, &object], b"")?;
        }
        known.push(object);
        found.push(name);
    }
    Ok(found)
}

/// Writes a bundle of references, without what those have.
fn write(git: &Git, asked: &Asked, out: &Path, names: &[&str], not: &[&str]) -> Result<(), No> {
    let new = git.folder.join("new.bundle");
    let path = new.to_str().ok_or_else(|| No::Failed("`--out` is not UTF-8".to_owned()))?;
    let mut words = vec!["bundle", "create", path];
    words.extend(names);
    words.push("--not");
    words.extend(not);
    let captured = git.call(&words, b"")?;
    if captured.ended != Ended::Code(0) {
        return Err(failed(&words, &captured));
    }
    if !matches!(files::kind(&new), files::Kind::File(size) if size <= asked.limit) {
        return Err(No::TooLarge);
    }
    files::rename(&new, out).map_err(No::of)
}
