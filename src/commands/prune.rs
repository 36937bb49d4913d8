//! `silo prune`: frees the leases of roots that are gone, and with `--all` removes what they left in Docker. It shows
//! first what it will do, and looks afterwards whether it is done.
//!
//! What an instance left goes before its entry does, and only what is proved its own at that moment: its name may have been
//! taken over since it was shown. A root that is back, or is just being started, is left alone (D111).

mod gone_root;

use std::path::{Path, PathBuf};

use gone_root::GoneRoot;

use super::apart;
use crate::cli::PruneArgs;
use crate::core::leases::block;
use crate::core::text::source::counted;
use crate::failure::{Failure, code, quoted, shown};
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::kept::{self, Kept};
use crate::parts::leftovers::{Claim, Cleaner, Inventory, Kind, Leftovers};
use crate::parts::look::{self, State};
use crate::parts::named;
use crate::parts::neighbours::Neighbours;
use crate::parts::servers::Servers;
use crate::store::apart::Apart;
use crate::store::free::{self, Fate};
use crate::store::history;
use crate::sys::lock::{self, Wait};
use crate::sys::{files, signals};

/// What is done about the roots that are gone.
#[derive(Clone, Copy)]
struct Job<'a> {
    context: &'a Context,
    cleaner: Cleaner<'a>,
    /// Whether what they left in Docker is removed.
    all: bool,
    /// Whether it is known what they left.
    known: bool,
}

impl Job<'_> {
    /// Whether nothing of an instance is left afterwards. Until then its history stays: by that alone what may still lie in
    /// Docker is known to be silo's.
    fn forgets(self, one: &GoneRoot) -> bool {
        self.known && one.unproved.is_empty() && (self.all || one.left.is_none())
    }
}

pub(super) fn run(context: &Context, arguments: &PruneArgs) -> Result<u8, Failure> {
    let outside = context.outside();
    let cleaner = Cleaner { environment: &outside };
    let neighbours = Neighbours::gather(&context.dirs)?;
    let mut gone_roots = gone_roots(context, &neighbours, &arguments.names)?;
    let runs = if arguments.names.is_empty() { apart::cut_off(context)? } else { Vec::new() };
    let there = if arguments.names.is_empty() { kept::roots(&context.dirs, &neighbours) } else { Vec::new() };
    let is_idle = gone_roots.is_empty() && there.is_empty();
    let inventory = inventory(context, cleaner, arguments.all && !gone_roots.is_empty(), is_idle)?;
    if let Some(inventory) = &inventory {
        for one in &mut gone_roots {
            let claim = neighbours.claim(&one.root, &one.names);
            one.left = parts::left(inventory, &claim);
            if arguments.all {
                tell_of_living(context, inventory, &claim);
            }
            one.unproved = kept::unproved(inventory, &neighbours, &one.root);
            for line in &one.unproved {
                context.ui.step(line);
            }
        }
        tell_of_kept(context, inventory, &neighbours, &there);
    }
    let job = Job { context, cleaner, all: arguments.all, known: inventory.is_some() || !cleaner.is_there() };
    let leave_things = !job.all && gone_roots.iter().any(|one| !one.left.is_none());
    let all = gone_roots.len();
    gone_roots.retain(|one| one.entry.is_some() || job.forgets(one));
    context.ui.answer(&plan(job, &gone_roots, &runs))?;
    if !gone_roots.is_empty() {
        tell_of_servers(context, &gone_roots);
    }
    if leave_things {
        context.ui.step("Roots that are gone left things in Docker; `silo prune --all` removes these too");
    } else if gone_roots.len() < all {
        context.ui.step("Docker does not answer; when it does, `silo prune` forgets roots that left nothing there");
    }
    if arguments.dry_run || gone_roots.is_empty() && runs.is_empty() {
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
    signals::watch();
    let ended = apart::finish_cut_off(context, |one| runs.iter().any(|run| run.entry.root == one.entry.root));
    if gone_roots.is_empty() {
        ended.map(|()| 0)
    } else {
        carry_out(job, &gone_roots).and_then(|code| ended.map(|()| code))
    }
}

/// Says which compose projects of an instance's names are kept, and why.
fn tell_of_living(context: &Context, inventory: &Inventory, claim: &Claim) {
    for (project, folder) in inventory.living(claim) {
        let folder = shown(Path::new(folder));
        context.ui.step(&format!("Kept: compose project {project}, for `{folder}`, where it was started, is there"));
    }
    for project in inventory.others(claim) {
        context.ui.step(&format!("Kept: compose project {project}, for another instance has things in it"));
    }
}

/// Says what instances of roots that are there left in Docker under names, or by a profile, that they no longer have.
fn tell_of_kept(context: &Context, inventory: &Inventory, neighbours: &Neighbours, roots: &[PathBuf]) {
    for root in roots {
        let prefix = neighbours.leases.at(&root.to_string_lossy()).map_or("localnet", |entry| &entry.prefix);
        for line in Kept::of_earlier(inventory, neighbours, root).lines(prefix) {
            context.ui.step(&format!("`{}`: {line}", shown(root)));
        }
    }
}

/// Says what still listens on ports that are about to be freed.
fn tell_of_servers(context: &Context, gone_roots: &[GoneRoot]) {
    let entries: Vec<_> = gone_roots.iter().filter_map(|one| Some((one, one.entry.as_ref()?))).collect();
    let held: Vec<u16> = entries.iter().flat_map(|(_, entry)| entry.held()).collect();
    let servers = Servers::of_processes(&held);
    for (one, entry) in entries {
        for line in servers.left_running(&entry.name, &entry.spread(), &one.root) {
            context.ui.step(&line);
        }
    }
}

/// The roots that are gone. One on a disk that is not mounted is said and kept, unless it is named.
fn gone_roots(context: &Context, neighbours: &Neighbours, names: &[String]) -> Result<Vec<GoneRoot>, Failure> {
    let leases = &neighbours.leases;
    let asked = names.iter().map(|name| named::find(leases, name)).collect::<Result<Vec<_>, _>>()?;
    let mut gone_roots = Vec::new();
    for entry in &leases.instances {
        let root = PathBuf::from(&entry.root);
        let is_asked = asked.iter().any(|asked| asked.root == entry.root);
        match look::missing(&context.dirs, &root) {
            None if is_asked => {
                let place = quoted(&root);
                return Err(Failure::new(format!("`{}` is not gone: its folder is `{}`", entry.name, shown(&root)))
                    .hint(format!("Run `silo down --clean -C {place}` to release it")));
            }
            Some(State::Unmounted) if asked.is_empty() => {
                let mount = history::unmounted(&context.dirs, &root).unwrap_or_default();
                context.ui.step(&format!(
                    "Kept: `{}` in `{}`, for its disk is not mounted at `{}`. When that disk is gone for good: `silo prune {}`",
                    entry.name,
                    shown(&root),
                    shown(&mount),
                    if named::find(leases, &entry.name).is_ok() { entry.name.clone() } else { entry.qualified() }
                ));
            }
            Some(_) if asked.is_empty() || is_asked => gone_roots.push(GoneRoot::of(neighbours, root, Some(entry))),
            _ => {}
        }
    }
    if names.is_empty() {
        let orphans = neighbours.histories.iter().filter(|history| leases.at(&history.root).is_none());
        let gone = |root: &PathBuf| look::missing(&context.dirs, root) == Some(State::Gone);
        let roots = orphans.map(|history| PathBuf::from(&history.root)).filter(gone);
        gone_roots.extend(roots.map(|root| GoneRoot::of(neighbours, root, None)));
    }
    Ok(gone_roots)
}

/// What there is in Docker; none where it does not have to be asked, or cannot be and need not answer.
fn inventory(context: &Context, cleaner: Cleaner<'_>, needed: bool, idle: bool) -> Result<Option<Inventory>, Failure> {
    if idle || (!cleaner.is_there() && !needed) {
        return Ok(None);
    }
    if !cleaner.is_there() {
        return Err(Failure::new("`docker` is not installed, so nothing in it can be removed")
            .hint("Run `silo prune` without `--all` to free the leases alone"));
    }
    match cleaner.inventory() {
        Ok(inventory) => Ok(Some(inventory)),
        Err(failure) if needed => Err(failure.hint("Run `silo prune` without `--all` to free the leases alone")),
        Err(failure) => {
            context.ui.detail(&failure.what);
            Ok(None)
        }
    }
}

fn plan(job: Job<'_>, gone_roots: &[GoneRoot], runs: &[Apart]) -> String {
    let mut text = String::new();
    for Apart { entry, project } in runs {
        let of = project.as_ref().map_or_else(String::new, |root| format!(" of {}", shown(root)));
        text.push_str(&format!("{}: a `silo ci`{of} that was cut off; removes what it made\n", entry.name));
    }
    for one in gone_roots {
        let root = shown(&one.root);
        if let Some(entry) = &one.entry {
            let ports: Vec<String> =
                entry.ports.iter().map(|(name, port)| block::shown(name, *port, &entry.blocks)).collect();
            let ports = if ports.is_empty() { "no port".to_owned() } else { ports.join(" ") };
            text.push_str(&format!("{}: {root} is gone; frees {ports}\n", entry.name));
        } else {
            let then = if one.left.is_none() { "; forgets it" } else { ", and its leases are free already" };
            text.push_str(&format!("{}: {root} is gone{then}\n", one.names.join(", ")));
        }
        for line in one.left.lines() {
            text.push_str(&format!("  {} {line}\n", if job.all { "removes" } else { "leaves" }));
        }
    }
    if text.is_empty() { "Nothing to prune\n".to_owned() } else { text }
}

fn carry_out(job: Job<'_>, gone_roots: &[GoneRoot]) -> Result<u8, Failure> {
    let Job { context, .. } = job;
    signals::watch();
    let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
    let (mut ready, mut failures) = (Vec::new(), Vec::new());
    for one in gone_roots {
        signals::check()?;
        let lock = context.dirs.up_lock(&one.root);
        let started = |holder| Failure::new(format!("`{}` is being started{holder}", shown(&one.root)));
        let is_pruned = lock::kind(&lock).as_deref() == Some(lock::PRUNE);
        let wait = if is_pruned { &wait } else { &lock::AT_ONCE };
        let removes = job.all && !one.left.is_none();
        let done = if removes || is_pruned {
            let act = || if removes { remove(job, one) } else { Ok(()) };
            lock::hold_as(lock::PRUNE, &lock, "the other `silo prune`", wait, started, act)
        } else {
            lock::holder(&lock).map_or(Ok(()), |holder| Err(started(holder)))
        };
        match done {
            Ok(()) => ready.push((one.root.as_path(), job.forgets(one))),
            Err(failure) => failures.push(failure),
        }
    }
    let mut freed = 0;
    for ((root, _), fate) in ready.iter().zip(free::gone(&context.dirs, &ready, &wait)?) {
        match fate {
            Fate::Freed(ports) => freed += ports,
            Fate::Back => context.ui.step(&format!("Kept: `{}` is back", shown(root))),
        }
    }
    let is_ready = |one: &&GoneRoot| ready.iter().any(|(root, _)| *root == one.root);
    let cleared = gone_roots.iter().filter(|one| job.all && !one.left.is_none()).filter(is_ready).count();
    if cleared > 0 {
        let of = if cleared == 1 { "1 folder that is" } else { &format!("{cleared} folders that are") };
        context.ui.step(&format!("Removed what {of} gone left in Docker"));
    }
    match gone_roots.iter().any(|one| one.entry.is_some()) {
        true => context.ui.step(&format!("Freed {}", counted(freed, "port"))),
        false if cleared == 0 => context.ui.step(&format!("Forgot {}", counted(ready.len(), "root"))),
        false => {}
    }
    let Some(last) = failures.pop() else { return Ok(0) };
    for failure in &failures {
        context.ui.warn(&failure.what);
    }
    Err(last)
}

/// Removes what an instance left in Docker, and looks whether it is gone. What was shown may be another's by now: only
/// what still is proved to be this instance's is removed.
fn remove(job: Job<'_>, one: &GoneRoot) -> Result<(), Failure> {
    let Job { context, cleaner, .. } = job;
    if files::exists(&one.root) {
        return Ok(());
    }
    parts::finish(context, &one.root)?;
    let mut removed = Ok(());
    // Kind by kind, for each takes its time, and another may take the name over meanwhile.
    for kind in Kind::ALL.into_iter().filter(|kind| !one.left.named(*kind).is_empty()) {
        let left = left_now(job, one)?.only(kind, &one.left);
        for line in left.lines() {
            context.ui.step(&format!("Removing {line}"));
        }
        removed = removed.and(cleaner.clear(kind, &left.named(kind), context));
    }
    let still = left_now(job, one)?;
    if still.is_none() {
        return Ok(());
    }
    let failure = Failure::new(format!("Still there: {}; its leases are kept", still.lines().join("; ")));
    // Docker's own words, where it said some.
    let excerpt = removed.err().map(|failure| failure.excerpt.unwrap_or(failure.what));
    Err(Failure { excerpt, ..failure }
        .hint("See what holds them: `docker ps --all`; then run `silo prune --all` again"))
}

/// What there is in Docker of an instance now, under the names that no other has now.
fn left_now(job: Job<'_>, one: &GoneRoot) -> Result<Leftovers, Failure> {
    let inventory = job.cleaner.inventory()?;
    let neighbours = Neighbours::gather(&job.context.dirs)?;
    if files::exists(&one.root) {
        return Ok(Leftovers::default());
    }
    Ok(parts::left(&inventory, &neighbours.claim(&one.root, &one.names)))
}
