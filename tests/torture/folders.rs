//! What happens to the folders themselves: copied, moved, removed, made again, and their `silo.toml` edited.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::Stdio;

use fastrand::Rng;

use crate::sandbox::SILO;
use crate::world::{Slot, World, is_project};

/// Copies a folder, a bystander's at times, to a place where none is.
pub(crate) fn copy(world: &World, chance: &mut Rng) {
    let to = chance.usize(..world.slots.len());
    if chance.u8(..4) == 0 {
        let from = &world.bystanders[chance.usize(..world.bystanders.len())];
        let _hand = world.slots[to].hold();
        return copy_to(world, from.root.as_ref(), &world.slots[to].dir);
    }
    with_two(world, chance.usize(..world.slots.len()), to, |from, to| copy_to(world, from, to));
}

fn copy_to(world: &World, from: &Path, to: &Path) {
    if is_project(from) && !to.exists() {
        copy_tree(from, to).unwrap_or_else(|error| panic!("cannot copy {}: {error}", from.display()));
        world.count("copied");
    }
}

/// Copies a folder while silo writes in it: what is gone when its turn comes is left out, as `cp` would.
fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        let copied = match entry.file_type()?.is_dir() {
            true => copy_tree(&entry.path(), &target),
            false => copy_file(&entry.path(), &target),
        };
        match copied {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    Ok(())
}

/// A file appears whole. Of one that `cp` has only begun silo says that it cannot be read, which it may say of no other
/// file here.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let beside = to.with_added_extension("begun");
    fs::copy(from, &beside)?;
    fs::rename(&beside, to)
}

/// Moves a folder to a place where none is.
pub(crate) fn relocate(world: &World, chance: &mut Rng) {
    with_two(world, chance.usize(..world.slots.len()), chance.usize(..world.slots.len()), |from, to| {
        if is_project(from) && !to.exists() {
            fs::rename(from, to).expect("nobody else touches either");
            world.count("moved");
        }
    });
}

/// Moves a trusted folder, settles it where it is now, and copies it back: what the old place had is the new one's now.
pub(crate) fn to_and_fro(world: &World, chance: &mut Rng) {
    with_two(world, chance.usize(..world.slots.len()), chance.usize(..world.slots.len()), |from, to| {
        if is_project(from) && !to.exists() {
            settle(world, from, &["allow"]);
            settle(world, from, &["env"]);
            fs::rename(from, to).expect("nobody else touches either");
            settle(world, to, &["env"]);
            copy_tree(to, from).unwrap_or_else(|error| panic!("cannot copy {}: {error}", to.display()));
            world.count("moved, settled and copied back");
        }
    });
}

/// What becomes of it is for the others to find out.
fn settle(world: &World, dir: &Path, words: &[&str]) {
    let mut silo = world.sandbox.command(SILO, dir);
    silo.args(words).stdout(Stdio::null()).stderr(Stdio::null()).status().expect("silo starts");
}

/// Removes a folder with all that is in it.
pub(crate) fn remove(world: &World, chance: &mut Rng) {
    let slot = pick(world, chance);
    let _hand = slot.hold();
    if slot.dir.exists() {
        // silo may write another file while the folder is emptied.
        while let Err(error) = fs::remove_dir_all(&slot.dir) {
            let again = matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound);
            assert!(again, "cannot remove {}: {error}", slot.dir.display());
            if !slot.dir.exists() {
                break;
            }
        }
        world.count("removed");
    }
}

/// Makes a folder again, with another `silo.toml`.
pub(crate) fn recreate(world: &World, chance: &mut Rng) {
    let slot = pick(world, chance);
    let _hand = slot.hold();
    if !slot.dir.exists() {
        world.sandbox.project(&slot.dir, &world.toml(chance));
        world.count("made again");
    }
}

/// Saves another `silo.toml` as an editor does that replaces files: ports come and go.
pub(crate) fn edit(world: &World, chance: &mut Rng) {
    let slot = pick(world, chance);
    let _hand = slot.hold();
    if is_project(&slot.dir) {
        let beside = slot.dir.join("silo.toml.edited");
        fs::write(&beside, world.toml(chance)).expect("nobody else touches the folder");
        fs::rename(&beside, slot.dir.join("silo.toml")).expect("nobody else touches the folder");
        world.count("edited");
    }
}

/// Some folder, there or not.
pub(crate) fn pick<'a>(world: &'a World, chance: &mut Rng) -> &'a Slot {
    &world.slots[chance.usize(..world.slots.len())]
}

/// Acts with two different folders in hand, taken in order so that nobody waits in a circle.
fn with_two(world: &World, from: usize, to: usize, act: impl FnOnce(&Path, &Path)) {
    if from != to {
        let _first = world.slots[from.min(to)].hold();
        let _second = world.slots[from.max(to)].hold();
        act(&world.slots[from].dir, &world.slots[to].dir);
    }
}
