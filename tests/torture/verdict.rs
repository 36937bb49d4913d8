//! After the storm: one plain run in each folder that is there, and then nothing may be at odds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Map, Value};

use crate::machine::{assert_agreed, assert_sound, files_below, registry};
use crate::world::World;

/// What a shell gets in each root, before anybody puts anything in order: no two get one port, or one name.
pub(crate) fn look_as_shells_do(world: &World) {
    let mut given: BTreeMap<(String, String), PathBuf> = BTreeMap::new();
    for root in world.living() {
        let ran = world.sandbox.run(&root, ["export", "json", "--seen", ""]);
        let changes: Map<String, Value> = serde_json::from_slice(&ran.bytes).expect("it answers in JSON");
        let is_port = |name: &str| name.strip_prefix('P').is_some_and(|number| number.parse::<u8>().is_ok());
        let own = changes.iter().filter(|(name, _)| *name == "SILO_WORKSPACE" || is_port(name));
        let own = own.map(|(name, value)| (name.trim_end_matches(char::is_numeric), value.to_string()));
        for (kind, value) in own {
            if let Some(other) = given.insert((kind.to_owned(), value.clone()), root.clone()) {
                world.problem(format!("shells in {} and {} both get {value}", root.display(), other.display()));
            }
        }
    }
    assert!(given.len() > world.bystanders.len(), "bystanders at least are trusted");
}

/// One plain `silo env` in each living root, and one word of trust; nothing of it may fail.
pub(crate) fn settle(world: &World) {
    world.sandbox.run(&world.bystanders[0].root, ["allow"]).success();
    for root in world.living() {
        world.sandbox.run(&root, ["env"]).success();
    }
}

/// No two share anything, and every root's own records agree with the registry.
pub(crate) fn pronounce(world: &World) {
    let living = world.living();
    let before = registry(&world.sandbox);
    assert_sound(&before);
    assert!(before.instances.iter().any(|one| one.subnet.is_some()), "nobody leased a subnet");
    for root in &living {
        assert_agreed(&world.sandbox, root);
    }
    for bystander in &world.bystanders {
        let now = before.at(&bystander.root).expect("it was never removed");
        assert_eq!((&now.name, &now.ports), (&bystander.name, &bystander.ports), "{} was disturbed", bystander.root);
    }
    world.sandbox.run("", ["prune", "--yes"]).success();
    let roots: BTreeSet<PathBuf> = registry(&world.sandbox).instances.into_iter().map(|one| one.root.into()).collect();
    assert_eq!(roots, living.iter().cloned().collect(), "after `silo prune` exactly those that are there have leases");
    for root in &living {
        world.sandbox.run(root, ["env"]).success().stderr("");
        assert_agreed(&world.sandbox, root);
    }
    let doctor = world.sandbox.run("", ["doctor"]).success();
    assert!(doctor.stdout.contains("No problems found"), "{doctor:#?}");
}

/// Nothing half-written lies about whose writer has ended. Of a writer whose process id another program has now, nobody
/// can tell.
pub(crate) fn look_for_leftovers(world: &World) {
    for folder in ["state", "data", "config", "projects"] {
        for file in files_below(&world.sandbox.path(folder)) {
            if writer(file.as_ref()).is_some_and(|pid| kill(pid, None) == Err(Errno::ESRCH)) {
                world.problem(format!("left by a run that has ended: {folder}/{file}"));
            }
        }
    }
}

/// The process that a file's name says is writing it.
fn writer(file: &Path) -> Option<Pid> {
    let name = file.file_name()?.to_str()?.strip_suffix(".silo-tmp")?;
    let (pid, _) = name.rsplit_once('.')?.1.split_once('-')?;
    pid.parse().ok().map(Pid::from_raw)
}
