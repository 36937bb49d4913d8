//! Subnets (D26), with a stand-in for the engine: what is chosen, what is refused, and that a machine which does not reach them has
//! ports instead.

use std::fs;
use std::path::PathBuf;

use crate::machine::{assert_sound, registry};
use crate::sandbox::{Ran, SILO, Sandbox};
use crate::stand_in::StandIn;

/// A sandbox with a stand-in for the engine, and a small pool.
struct Stage {
    sandbox: Sandbox,
    engine: StandIn,
}

impl Stage {
    fn new(pool: &str) -> Self {
        let sandbox = Sandbox::new();
        let engine = StandIn::start(&sandbox.path("bin/docker"), &sandbox.path("engine"));
        fs::create_dir_all(sandbox.path("config/silo")).expect("the sandbox is writable");
        let settings = format!("[network]\npool = \"{pool}\"\n");
        fs::write(sandbox.path("config/silo/config.toml"), settings).expect("the sandbox is writable");
        Self { sandbox, engine }
    }

    fn project(&self, name: &str) -> PathBuf {
        // The stand-in for compose reads no file.
        let toml = "version = 1\n[compose]\nfiles = [\"silo.toml\"]\nnetwork = \"subnet\"\n";
        self.sandbox.trusted(name, toml)
    }

    /// Prints the override of a project, and so leases its subnet.
    fn compose(&self, dir: &str) -> Ran {
        let mut silo = self.sandbox.command(SILO, dir);
        silo.arg("compose").env("DOCKER_HOST", format!("unix://{}", self.sandbox.path("engine").display()));
        self.sandbox.finish(silo)
    }

    fn subnet(&self, dir: &str) -> Option<String> {
        let root = self.sandbox.dir(dir);
        registry(&self.sandbox).at(root.to_str().expect("it is text"))?.subnet.map(|subnet| subnet.to_string())
    }
}

#[test]
fn a_moved_folder_takes_its_subnet_along_and_leaves_no_names_behind() {
    let stage = Stage::new("10.231.0.0/22");
    let old = stage.project("old");
    stage.compose("old").success();
    let subnet = stage.subnet("old").expect("it has one");
    let id = registry(&stage.sandbox).at(old.to_str().expect("it is text")).expect("it is there").id.clone();
    let names = stage.sandbox.path("state/silo/dns/hosts").join(id);
    fs::create_dir_all(names.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(&names, "10.231.0.10 db.old.test\n").expect("the sandbox is writable");
    fs::rename(&old, stage.sandbox.dir("new")).expect("the sandbox is writable");
    stage.sandbox.run("new", ["env"]).success();
    assert!(!names.exists(), "they would be another instance's");
    assert_eq!(stage.subnet("new"), Some(subnet));
}

#[test]
fn each_instance_gets_one_that_nothing_else_uses_until_the_pool_is_empty() {
    let stage = Stage::new("10.231.0.0/22");
    for name in ["a", "b", "c", "d"] {
        stage.project(name);
    }
    stage.engine.networks(&["10.231.1.128/25"]);
    for name in ["a", "b", "c"] {
        let made = stage.compose(name).success().stdout;
        let subnet = stage.subnet(name).expect("it has one");
        let start = subnet.trim_end_matches("0/24").to_owned();
        for part in
            [format!("subnet: {start}0/25"), format!("ipv4_address: {start}10"), format!("ipv4_address: {start}11")]
        {
            assert!(made.contains(&part), "{part}: {made}");
        }
        assert_ne!(subnet, "10.231.1.0/24", "Docker has a part of it");
        assert!(fs::read_to_string(stage.sandbox.dir(name).join(".silo.lock")).expect("it is there").contains(&subnet));
    }
    assert_sound(&registry(&stage.sandbox));
    stage.compose("d").fails_naming(&[
        "No subnet of 10.231.0.0/22 is free: 3 of 4 are leased, and routes or networks of Docker use the others",
        "`silo prune`",
        "below `[network]` in the settings",
    ]);
    // A folder that is gone makes room.
    let before = stage.subnet("b");
    fs::remove_dir_all(stage.sandbox.dir("b")).expect("it is ours");
    stage.sandbox.run("", ["prune", "--yes"]).success();
    stage.compose("d").success();
    assert_eq!(stage.subnet("d"), before);
}

#[test]
fn a_subnet_stays_and_only_what_overlaps_it_moves_it() {
    let stage = Stage::new("10.231.0.0/22");
    let app = stage.project("app");
    stage.compose("app").success();
    let before = stage.subnet("app").expect("it has one");
    // Settled again by all that settles, and made again after the registry was lost.
    for args in [&["env"][..], &["env", "--force"], &["env", "other-name"]] {
        stage.sandbox.run(&app, args).success();
        assert_eq!(stage.subnet("app").as_ref(), Some(&before), "{args:?}");
    }
    fs::remove_file(crate::machine::registry_path(&stage.sandbox)).expect("it is there");
    let again = stage.compose("app").success();
    assert!(again.stderr.contains("The registry was gone; made again"), "{}", again.stderr);
    assert_eq!(stage.subnet("app").as_ref(), Some(&before));
    let mut moved = stage.sandbox.dir("app");
    fs::rename(&moved, stage.sandbox.dir("moved")).expect("it is ours");
    moved = stage.sandbox.dir("moved");
    stage.sandbox.run(&moved, ["env"]).success();
    assert_eq!(stage.subnet("moved").as_ref(), Some(&before), "a folder that was moved keeps it");

    stage.engine.networks(&[&before]);
    let told = stage.compose("moved").success().stderr;
    let after = stage.subnet("moved").expect("it has one");
    assert_ne!(after, before);
    let line = format!("The subnet {before} is used by something else; the services have addresses of {after} now");
    assert!(told.contains(&line), "{told}");
    assert!(!stage.compose("moved").success().stderr.contains("is used by something else"));
}

#[test]
fn a_lockfile_that_came_with_a_clone_takes_nothing_and_leads_nowhere() {
    let stage = Stage::new("10.231.0.0/22");
    let own = stage.project("own");
    stage.compose("own").success();
    let lockfile = fs::read_to_string(own.join(".silo.lock")).expect("it is there");
    let held = stage.subnet("own").expect("it has one");
    for (at, subnet) in [held.as_str(), "8.8.8.0/24", "10.231.0.0/16", "x", "10.231.9.0/24"].into_iter().enumerate() {
        let name = format!("clone-{at}");
        let clone = stage.project(&name);
        let strangers =
            lockfile.replace(&held, subnet).replace(&stage.sandbox.instance(&own), &format!("stranger-{at}"));
        fs::write(clone.join(".silo.lock"), strangers).expect("it is ours");
        let ran = stage.compose(&name);
        if at < 3 {
            ran.success();
            let got = stage.subnet(&name).expect("it has one");
            assert!(got.starts_with("10.231.") && got != held && got.ends_with(".0/24"), "{subnet}: {got}");
        }
        assert_sound(&registry(&stage.sandbox));
    }
}

#[test]
fn where_addresses_are_not_reached_there_are_ports_and_it_is_said_once() {
    for (info, why) in [
        (r#"{"OperatingSystem":"Docker Desktop"}"#, "Docker Desktop keeps them in a virtual machine"),
        (r#"{"OperatingSystem":"Debian","SecurityOptions":["name=rootless"]}"#, "its engine runs without root"),
    ] {
        let stage = Stage::new("10.231.0.0/22");
        stage.project("app");
        stage.engine.say("/info", info);
        let first = stage.compose("app").success();
        assert!(first.stderr.contains(why) && !first.stdout.contains("ipv4_address"), "{first:?}");
        assert_eq!(stage.compose("app").success().stderr, "");
        assert_eq!(stage.subnet("app"), None);
    }
    // OrbStack reaches them, as this machine does.
    let stage = Stage::new("10.231.0.0/22");
    stage.project("app");
    stage.engine.say("/info", r#"{"OperatingSystem":"OrbStack"}"#);
    assert!(stage.compose("app").success().stdout.contains("ipv4_address"));
}

#[test]
fn an_engine_that_answers_nonsense_leases_nothing() {
    let stage = Stage::new("10.231.0.0/22");
    stage.project("app");
    let huge = format!("[{}", "1,".repeat(9_000_000));
    for (path, answer) in [("/info", "no JSON"), ("/info", "[]"), ("/networks", "{}"), ("/networks", &huge)] {
        stage.engine.say("/info", r#"{"OperatingSystem":"Linux"}"#);
        stage.engine.networks(&[]);
        stage.engine.say(path, answer);
        stage.compose("app").fails_naming(&["The container engine at `$SANDBOX/engine` does not answer: "]);
        assert_eq!(stage.subnet("app"), None);
    }
    // Networks of a kind that is not known are passed over.
    stage.engine.say("/info", r#"{"OperatingSystem":"Linux"}"#);
    stage.engine.say("/networks", r#"[{"IPAM":{"Config":[{"Subnet":"fd00::/64"},{"Subnet":7},{}]}},{"IPAM":null},7]"#);
    stage.compose("app").success();
}
