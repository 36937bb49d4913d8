//! The whole port range leased: who comes last still fits, who comes after is told so, and a pruned root makes room.

use std::fs;
use std::path::{Path, PathBuf};

use silo::core::leases::source::RANGE;
use silo::core::leases::{Instance, Leases};
use silo::core::text::digest;

use crate::machine::{assert_agreed, assert_sound, files_below, registry, registry_path, written};
use crate::sandbox::{Sandbox, is_free};
use crate::tools::Tools;

/// Ports of each instance.
const EACH: usize = 10;
/// What is left of the range by as many instances as it holds.
const REST: usize = 4;

/// The highest ports that nobody on this machine holds: far from those that other tests and programs get by chance.
fn rest() -> Vec<u16> {
    RANGE.rev().filter(|port| is_free(*port)).take(REST).collect()
}

/// An instance in a folder that is there, with nothing in it.
fn held(sandbox: &Sandbox, name: String, ports: &[u16]) -> Instance {
    let dir = sandbox.dir(&name);
    fs::create_dir(&dir).expect("the sandbox is writable");
    let root = dir.to_str().expect("it is UTF-8").to_owned();
    let ports = ports.iter().enumerate().map(|(n, port)| (format!("P{n}"), *port)).collect();
    let (id, prefix) = (digest::root_id(root.as_bytes()), "localnet".to_owned());
    Instance { id, root, name, prefix, ports, ..Instance::default() }
}

/// Every port of the range but the rest, leased to instances of ten each; the root of one of them.
fn fill(sandbox: &Sandbox) -> PathBuf {
    let rest = rest();
    let all: Vec<u16> = RANGE.filter(|port| !rest.contains(port)).collect();
    let chunks = all.chunks_exact(EACH);
    assert!(chunks.remainder().is_empty());
    let instances: Vec<Instance> =
        chunks.enumerate().map(|(n, ports)| held(sandbox, format!("held-{n}"), ports)).collect();
    assert_eq!(instances.len(), 1638);
    let one = PathBuf::from(&instances[700].root);
    fs::create_dir(sandbox.path("state/silo")).expect("the sandbox is writable");
    let text = Leases::of(instances).render();
    fs::write(registry_path(sandbox), text).expect("the sandbox is writable");
    one
}

fn leases(sandbox: &Sandbox) -> usize {
    let leases = registry(sandbox);
    assert_sound(&leases);
    leases.instances.iter().map(|instance| instance.ports.len()).sum()
}

fn project(sandbox: &Sandbox, name: &str, ports: usize) -> PathBuf {
    let ports: Vec<String> = (0..ports).map(|n| format!("P{n} = \"random\"\n")).collect();
    sandbox.project(name, &format!("version = 1\n[ports]\n{}", ports.concat()))
}

#[test]
fn the_last_port_is_given_out_the_next_is_refused_and_a_pruned_root_makes_room() {
    let sandbox = Sandbox::new();
    let _docker = Tools::install(&sandbox, &["docker"]);
    let one = fill(&sandbox);
    let last = project(&sandbox, "last", REST);
    sandbox.run(&last, ["env"]).success();
    assert_agreed(&sandbox, &last);
    assert_eq!(leases(&sandbox), RANGE.len());

    let next = project(&sandbox, "next", 1);
    let state = || files_below(Path::new(&sandbox.path("state/silo")));
    let before = (state(), written(&[registry_path(&sandbox)]));
    sandbox.run(&next, ["env"]).exit(1).stdout("").stderr(
        "Error: No port is left for `P0`: other instances hold 16384 leases\n\
         Hint: Run `silo prune` to free the leases of projects that are gone\n",
    );
    assert_eq!((state(), written(&[registry_path(&sandbox)])), before);
    assert_eq!(files_below(&next), ["silo.toml"]);
    sandbox.run("", ["prune", "--yes"]).success().stdout("Nothing to prune\n");

    fs::remove_dir(&one).expect("it is empty");
    sandbox.run("", ["prune", "--yes"]).success().stderr("Freed 10 ports\n");
    assert_eq!(leases(&sandbox), RANGE.len() - EACH);
    sandbox.run(&next, ["env"]).success();
    assert_agreed(&sandbox, &next);
    assert_agreed(&sandbox, &last);
    assert_eq!(leases(&sandbox), RANGE.len() - EACH + 1);
}
