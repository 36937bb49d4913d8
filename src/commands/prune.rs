//! `silo prune`: frees the leases of roots that are gone, and with `--clusters` removes what they left in Docker. It shows
//! first what it will do, and looks afterwards whether it is done.
//!
//! What an instance left goes before its entry does, and only what is proved its own at that moment: its name may have been
//! taken over since it was shown. A root that is back, or is just being started, is left alone.

use std::path::{Path, PathBuf};

use super::census::{self, State};
use super::{COMMAND_WAIT, Context, instance};
use crate::backend::leftovers::{Claim, Inventory, Leftovers, Yard};
use crate::cli::PruneArgs;
use crate::core::leases::{Instance, Leases};
use crate::core::source::counted;
use crate::failure::{Failure, code, quoted, shown};
use crate::store::memo::{self, Memo};
use crate::store::registry;
use crate::store::release::{self, Fate};
use crate::sys::lock::{self, Wait};
use crate::sys::{files, signals};

/// A root that is gone, and what there still is of its instance.
struct Doomed {
    root: PathBuf,
    /// Its entry in the registry; none when that was freed before and something stayed in Docker.
    entry: Option<Instance>,
    /// Every name its instance has had.
    names: Vec<String>,
    /// By what its things are known.
    claim: Claim,
    left: Leftovers,
}

pub(super) fn run(context: &Context, arguments: &PruneArgs) -> Result<u8, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let outside = context.outside();
    let yard = Yard { environment: &outside };
    let mut doomed = doomed(context, &leases, &arguments.names)?;
    let inventory = inventory(context, yard, arguments.clusters, doomed.is_empty())?;
    for one in &mut doomed {
        one.left = inventory.as_ref().map_or_else(Leftovers::default, |all| all.of(&one.claim));
    }
    doomed.retain(|one| one.entry.is_some() || (arguments.clusters && !one.left.is_none()));
    if doomed.is_empty() {
        context.ui.answer("Nothing to prune\n")?;
        return Ok(0);
    }
    context.ui.answer(&plan(&doomed, arguments.clusters))?;
    if !arguments.clusters && doomed.iter().any(|one| !one.left.is_none()) {
        context.ui.step("Some of them left things in Docker; `silo prune --clusters` removes these too");
    }
    if arguments.dry_run {
        return Ok(0);
    }
    if !arguments.yes {
        let failure = Failure::new("Nothing was pruned: there is no terminal to ask on").code(code::USAGE);
        match context.ui.confirm("Go on?") {
            None => return Err(failure.hint("Run `silo prune --yes`; `silo prune --dry-run` only shows")),
            Some(false) => {
                context.ui.step("Nothing was pruned");
                return Ok(code::FAILURE);
            }
            Some(true) => {}
        }
    }
    let stock_taken = inventory.is_some();
    carry_out(context, yard, &doomed, (arguments.clusters, stock_taken || !yard.is_there()))
}

/// The roots that are gone. One on a disk that is not mounted is said and kept, unless it is named.
fn doomed(context: &Context, leases: &Leases, names: &[String]) -> Result<Vec<Doomed>, Failure> {
    let asked = names.iter().map(|name| instance::find(leases, name)).collect::<Result<Vec<_>, _>>()?;
    let mut doomed = Vec::new();
    for entry in &leases.instances {
        let root = PathBuf::from(&entry.root);
        let is_asked = asked.iter().any(|asked| asked.root == entry.root);
        match census::missing(&context.dirs, &root) {
            None if is_asked => {
                let place = quoted(&root);
                return Err(Failure::new(format!("`{}` is not gone: its folder is `{}`", entry.name, shown(&root)))
                    .hint(format!("Run `silo down --clean -C {place}` to let go of it")));
            }
            Some(State::Unmounted) if asked.is_empty() => {
                let mount = memo::unmounted(&context.dirs, &root).unwrap_or_default();
                context.ui.step(&format!(
                    "Kept: `{}` in `{}`, for nothing is mounted at `{}`. When that disk is gone for good: `silo prune {}`",
                    entry.name,
                    shown(&root),
                    shown(&mount),
                    entry.qualified()
                ));
            }
            Some(_) if asked.is_empty() || is_asked => {
                let memo = memo::of(&context.dirs, &root);
                let names = names_of(memo.as_ref(), Some(entry));
                let claim = claim(context, leases, &root, &names);
                let entry = Some(entry.clone());
                doomed.push(Doomed { root, entry, names, claim, left: Leftovers::default() });
            }
            _ => {}
        }
    }
    if names.is_empty() {
        let memos = memo::all(&context.dirs);
        let (known, orphans): (Vec<&Memo>, Vec<&Memo>) = memos.iter().partition(|memo| leases.at(&memo.root).is_some());
        for memo in orphans {
            let root = PathBuf::from(&memo.root);
            let ids = memo.ids();
            // What an heir has taken over is the heir's.
            let inherited = known.iter().any(|heir| heir.heir_of.contains(&ids[0]));
            if !inherited && census::missing(&context.dirs, &root) == Some(State::Gone) {
                let names = names_of(Some(memo), None);
                let claim = claim(context, leases, &root, &names);
                doomed.push(Doomed { root, entry: None, names, claim, left: Leftovers::default() });
            }
        }
    }
    Ok(doomed)
}

/// Every name an instance has had.
fn names_of(memo: Option<&Memo>, entry: Option<&Instance>) -> Vec<String> {
    let had = memo.map_or_else(Vec::new, |memo| memo.names.clone());
    let mut names: Vec<String> = had.into_iter().chain(entry.map(Instance::qualified)).collect();
    names.sort();
    names.dedup();
    names
}

/// By what the things of a gone root are known now. A name that another root has, or had and is still there, proves
/// nothing, for the things under it may be that root's; and an id that another has taken over proves nothing alone.
fn claim(context: &Context, leases: &Leases, root: &Path, names: &[String]) -> Claim {
    let text = root.to_string_lossy();
    let memos = memo::all(&context.dirs);
    let others = |memo: &&Memo| memo.root != text && memo::lives(&context.dirs, Path::new(&memo.root));
    let others: Vec<&Memo> = memos.iter().filter(others).collect();
    let is_free = |name: &String| {
        leases.named(name).is_none_or(|holder| holder.root == text)
            && !others.iter().any(|other| other.names.contains(name))
    };
    let mut ids = memo::ids(&context.dirs, root);
    let sole = !memos.iter().any(|memo| memo.root != text && memo.heir_of.contains(&ids[0]));
    let own = ids[0].clone();
    ids.retain(|id| *id == own || !others.iter().any(|other| other.ids().contains(id)));
    Claim { ids, names: names.iter().filter(|name| is_free(name)).cloned().collect(), sole }
}

/// What there is in Docker; none where it need not be asked, or cannot be and need not answer.
fn inventory(context: &Context, yard: Yard<'_>, needed: bool, idle: bool) -> Result<Option<Inventory>, Failure> {
    if idle || (!yard.is_there() && !needed) {
        return Ok(None);
    }
    if !yard.is_there() {
        return Err(Failure::new("`docker` is not installed, so nothing in it can be removed")
            .hint("Run `silo prune` without `--clusters` to free the leases alone"));
    }
    match yard.inventory() {
        Ok(inventory) => Ok(Some(inventory)),
        Err(failure) if needed => {
            Err(failure.hint("Start Docker first, or run `silo prune` without `--clusters` to free the leases alone"))
        }
        Err(failure) => {
            context.ui.detail(&failure.what);
            Ok(None)
        }
    }
}

fn plan(doomed: &[Doomed], clusters: bool) -> String {
    let mut text = String::new();
    for one in doomed {
        let root = shown(&one.root);
        match &one.entry {
            Some(entry) => {
                let ports: Vec<String> = entry.ports.values().map(u16::to_string).collect();
                let ports = if ports.is_empty() { "no port".to_owned() } else { ports.join(" ") };
                text.push_str(&format!("{}: {root} is gone; frees {ports}\n", entry.name));
            }
            None => {
                text.push_str(&format!("{}: {root} is gone, and its leases are free already\n", one.names.join(", ")));
            }
        }
        if clusters {
            for line in one.left.lines() {
                text.push_str(&format!("  removes {line}\n"));
            }
        }
    }
    text
}

fn carry_out(
    context: &Context,
    yard: Yard<'_>,
    doomed: &[Doomed],
    (clusters, known): (bool, bool),
) -> Result<u8, Failure> {
    signals::watch();
    let (mut ready, mut failures) = (Vec::new(), Vec::new());
    for one in doomed {
        signals::check()?;
        let lock = context.dirs.up_lock(&one.root);
        let started = |holder| Failure::new(format!("`{}` is being started{holder}", shown(&one.root)));
        let done = if clusters && !one.left.is_none() {
            lock::hold(&lock, "its start", &lock::AT_ONCE, started, || remove(context, yard, one))
        } else {
            lock::holder(&lock).map_or(Ok(()), |holder| Err(started(holder)))
        };
        match done {
            // What may still lie in Docker is known to be silo's by the memo alone.
            Ok(()) => ready.push((one.root.as_path(), clusters || (known && one.left.is_none()))),
            Err(failure) => failures.push(failure),
        }
    }
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    let mut freed = 0;
    for ((root, _), fate) in ready.iter().zip(release::gone(&context.dirs, &ready, &wait)?) {
        match fate {
            Fate::Freed(ports) => freed += ports,
            Fate::Back => context.ui.step(&format!("Kept: `{}` is back", shown(root))),
        }
    }
    context.ui.step(&format!("Freed {}", counted(freed, "port")));
    let Some(last) = failures.pop() else { return Ok(0) };
    for failure in &failures {
        context.ui.warn(&failure.what);
    }
    Err(last)
}

/// Removes what an instance left in Docker, and looks whether it is gone. What was shown may be another's by now: only
/// what still is proved to be this instance's is removed.
fn remove(context: &Context, yard: Yard<'_>, one: &Doomed) -> Result<(), Failure> {
    if files::exists(&one.root) {
        return Ok(());
    }
    let mut removed = Ok(());
    // Kind by kind, for each takes its time, and another may take the name over meanwhile.
    for kind in one.left.kinds().into_iter().filter(|kind| !kind.is_none()) {
        let left = left_now(context, yard, one)?.and(&kind);
        for line in left.lines() {
            context.ui.step(&format!("Removing {line}"));
        }
        removed = removed.and(yard.clear(&left, &context.dirs.home));
    }
    let still = left_now(context, yard, one)?;
    if still.is_none() {
        return Ok(());
    }
    let failure = Failure::new(format!("Still there: {}; its leases are kept", still.lines().join("; ")));
    // Docker's own words, where it said some.
    let excerpt = removed.err().map(|failure| failure.excerpt.unwrap_or(failure.what));
    Err(Failure { excerpt, ..failure }
        .hint("Look what holds them: `docker ps --all`; then run `silo prune --clusters` again"))
}

/// What there is in Docker of an instance now, under the names that no other bears now.
fn left_now(context: &Context, yard: Yard<'_>, one: &Doomed) -> Result<Leftovers, Failure> {
    let inventory = yard.inventory()?;
    let leases = registry::peek(&context.dirs)?;
    if files::exists(&one.root) {
        return Ok(Leftovers::default());
    }
    Ok(inventory.of(&claim(context, &leases, &one.root, &one.names)))
}
