//! One who only reads: whatever is written, whoever is killed, the registry is whole and sound at every moment.

use std::fs;
use std::time::{Duration, Instant};

use silo::core::leases::Leases;

use crate::machine::registry_path;
use crate::world::World;

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Reads the registry again and again until the time is over.
pub(crate) fn watch(world: &World) {
    let mut last = String::new();
    while !world.is_over() {
        let started = Instant::now();
        match fs::read_to_string(registry_path(&world.sandbox)) {
            Ok(text) if text == last => {}
            Ok(text) => {
                look(world, &text);
                world.count("versions of the registry read");
                last = text;
            }
            Err(error) => world.problem(format!("the registry cannot be read: {error}")),
        }
        std::thread::sleep(PAUSE.saturating_sub(started.elapsed()));
    }
}

fn look(world: &World, text: &str) {
    let leases = match Leases::parse(text) {
        Ok(leases) => leases,
        Err(error) => return world.problem(format!("the registry is not whole: {error}:\n{text}")),
    };
    for problem in unsound(&leases) {
        world.problem(format!("{problem}:\n{text}"));
    }
    for before in &world.bystanders {
        let now = leases.at(&before.root);
        if now.map(|now| (&now.name, &now.ports)) != Some((&before.name, &before.ports)) {
            world.problem(format!("`{}` was disturbed: {before:?} is {now:?}", before.root));
        }
    }
}

/// What is wrong with the registry, where two claim one thing.
fn unsound(leases: &Leases) -> Vec<String> {
    let mut problems = Vec::new();
    for (at, one) in leases.instances.iter().enumerate() {
        for other in &leases.instances[at + 1..] {
            let (root, theirs) = (&one.root, &other.root);
            if one.qualified() == other.qualified() {
                problems.push(format!("`{root}` and `{theirs}` are both `{}`", one.qualified()));
            }
            let shared = one.ports.values().find(|port| other.ports.values().any(|theirs| theirs == *port));
            problems.extend(shared.map(|port| format!("`{root}` and `{theirs}` both hold {port}")));
        }
    }
    problems
}
