//! `${slot}`, `${id}` and `${name_snake}`: a number that no other instance has, and names for databases.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use crate::machine::{assert_agreed, assert_sound, env_file, registry, registry_path, value_in};
use crate::sandbox::Sandbox;

const TOML: &str = "version = 1\nprefix = \"shop\"\n[ports]\nA = 0\n[urls]\nREDIS = \"redis://localhost/${slot}\"\n\
                    DATABASE = \"app_${name_snake}\"\nBUCKET = \"b-${id}\"\n";

/// The number an instance has once it is settled.
fn slot(sandbox: &Sandbox, dir: &Path) -> String {
    sandbox.run(dir, ["env"]).success();
    assert_agreed(sandbox, dir);
    let env = env_file(dir);
    value_in(&env, "REDIS").expect("it is set").trim_start_matches("redis://localhost/").to_owned()
}

#[test]
fn each_instance_of_a_prefix_has_the_smallest_number_no_other_has_and_keeps_it() {
    let sandbox = Sandbox::new();
    let dirs = ["a", "b", "c"].map(|name| sandbox.project(name, TOML));
    let other = sandbox.project("other", &TOML.replace("\"shop\"", "\"else\""));
    let slots = dirs.each_ref().map(|dir| slot(&sandbox, dir));
    assert_eq!((slots.each_ref().map(String::as_str), slot(&sandbox, &other).as_str()), (["0", "1", "2"], "0"));
    sandbox.run(&dirs[1], ["down", "--clean"]).success();
    assert_eq!(slot(&sandbox, &dirs[2]), "2", "it keeps what it has");
    let next = sandbox.project("d", TOML);
    assert_eq!([slot(&sandbox, &next), slot(&sandbox, &dirs[1])], ["1", "3"]);
    // A copy gets its own, a moved folder keeps it.
    let copy = sandbox.dir("copy");
    let copied = std::process::Command::new("cp").arg("-R").args([&next, &copy]).status();
    assert!(copied.expect("cp starts").success());
    assert_eq!(slot(&sandbox, &copy), "4");
    let moved = sandbox.dir("moved");
    fs::rename(&next, &moved).expect("the sandbox is writable");
    assert_eq!(slot(&sandbox, &moved), "1");
    let leases = registry(&sandbox);
    assert_sound(&leases);
    let of_shop = leases.instances.iter().filter(|one| one.prefix == "shop").map(|one| one.slot);
    assert_eq!(of_shop.collect::<HashSet<_>>().len(), 5);
}

#[test]
fn a_lost_registry_gives_each_its_number_back_and_none_is_given_where_none_is_used() {
    let sandbox = Sandbox::new();
    let dirs = ["a", "b"].map(|name| sandbox.project(name, TOML));
    assert_eq!(dirs.each_ref().map(|dir| slot(&sandbox, dir)), ["0", "1"]);
    assert_eq!(sandbox.lockfile(&dirs[1])["instance"]["slot"], 1);
    fs::remove_file(registry_path(&sandbox)).expect("it was written");
    assert_eq!([slot(&sandbox, &dirs[1]), slot(&sandbox, &dirs[0])], ["1", "0"]);
    let plain = sandbox.project("plain", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&plain, ["env"]).success();
    assert_eq!(sandbox.lockfile(&plain)["instance"].get("slot"), None);
}

#[test]
fn id_and_database_name_follow_from_the_name() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", TOML);
    sandbox.run(&app, ["env", "feature-x"]).success();
    let env = env_file(&app);
    assert_eq!(value_in(&env, "DATABASE"), Some("app_feature_x"));
    let id = value_in(&env, "BUCKET").expect("it is set").trim_start_matches("b-").to_owned();
    assert!(id.len() == 8 && id.chars().all(|c| c.is_ascii_hexdigit()), "{id}");
    let moved = sandbox.dir("moved");
    fs::rename(&app, &moved).expect("the sandbox is writable");
    sandbox.run(&moved, ["env"]).success();
    assert_eq!(value_in(&env_file(&moved), "BUCKET"), Some(format!("b-{id}").as_str()));
    let other = sandbox.project("other", TOML);
    sandbox.run(&other, ["env", "feature-y"]).success();
    assert_ne!(value_in(&env_file(&other), "BUCKET"), Some(format!("b-{id}").as_str()));
}

#[test]
fn a_number_that_only_env_uses_is_given_too() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\n[ports]\nA = 0\n[env]\nREDIS_DB = \"${slot}\"\n";
    let [one, two] = ["one", "two"].map(|name| sandbox.project(name, toml));
    sandbox.run(&one, ["get", "REDIS_DB"]).success().stdout("0\n");
    sandbox.run(&two, ["get", "REDIS_DB"]).success().stdout("1\n");
}
