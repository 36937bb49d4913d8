//! silo killed at any moment: nothing that was promised is lost, and the next run puts everything right (D1).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use silo::core::leases::Leases;

use crate::machine::{assert_agreed, assert_sound, files_below, registry, registry_path};
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

const KILLERS: u64 = 4;
const RUNS: u64 = 125;
const CLONES: usize = 6;

/// Xorshift: the same moments in every run of the test.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// The registry as it is at this moment; every killed run must leave a whole one.
fn whole_registry(sandbox: &Sandbox, roots: &BTreeSet<String>) {
    let text = fs::read_to_string(registry_path(sandbox)).expect("there is always a registry");
    let leases = Leases::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"));
    assert_sound(&leases);
    let there: BTreeSet<String> = leases.instances.iter().map(|instance| instance.root.clone()).collect();
    assert_eq!(&there, roots, "an instance was lost");
}

fn kill_somewhere(sandbox: &Sandbox, clone: &Path, moments: &mut Moments, args: &[&str]) {
    let mut silo = sandbox.command(SILO, clone);
    let mut child = silo.args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("silo starts");
    std::thread::sleep(Duration::from_micros(moments.next(6000)));
    child.kill().expect("it can be killed, or has ended and not been waited for");
    child.wait().expect("it ends");
}

#[test]
fn five_hundred_killed_runs_lose_nothing() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api), ("OTHER_PORT", 0)]);
    let clones: Vec<PathBuf> = (0..CLONES).map(|n| sandbox.trusted(format!("clone-{n}"), &toml)).collect();
    for clone in &clones {
        sandbox.run(clone, ["env"]).success();
    }
    let roots: BTreeSet<String> = registry(&sandbox).instances.iter().map(|one| one.root.clone()).collect();
    assert_eq!(roots.len(), CLONES);
    std::thread::scope(|scope| {
        for killer in 1..=KILLERS {
            let (sandbox, clones, roots) = (&sandbox, &clones, &roots);
            scope.spawn(move || {
                let mut moments = Moments(0x9E37_79B9_7F4A_7C15 ^ killer);
                for run in 0..RUNS {
                    let at = usize::try_from(moments.next(6)).expect("it is small");
                    let name = format!("name-{at}-{killer}-{run}");
                    match moments.next(4) {
                        0 => kill_somewhere(sandbox, &clones[at], &mut moments, &["env", &name, "--force"]),
                        1 => kill_somewhere(sandbox, &clones[at], &mut moments, &["env"]),
                        2 => kill_somewhere(sandbox, &clones[at], &mut moments, &["export", "bash"]),
                        _ => kill_somewhere(sandbox, &clones[at], &mut moments, &["allow"]),
                    }
                    whole_registry(sandbox, roots);
                }
            });
        }
    });
    for clone in &clones {
        sandbox.run(clone, ["env"]).success();
        assert_agreed(&sandbox, clone);
        assert_eq!(files_below(clone), [".localnet.env", ".silo.lock", "silo.toml"]);
        sandbox.run(clone, ["allow"]).success();
        let export = sandbox.run(clone, ["export", "bash"]).success();
        assert!(export.stdout.contains(&format!(" SILO_WORKSPACE='{}' ", sandbox.instance(clone))), "{export:#?}");
    }
    whole_registry(&sandbox, &roots);
    // The next writer of a file takes what a killed one left beside it away.
    sandbox.run(&clones[0], ["env", "last"]).success();
    for folder in ["state", "data"] {
        let left: Vec<_> = files_below(&sandbox.path(folder)).into_iter().filter(|file| file.contains("tmp")).collect();
        assert_eq!(left, [""; 0], "left in {folder}");
    }
}

#[test]
fn what_a_killed_writer_left_goes_with_the_next_run_whatever_that_writes() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["env"]).success();
    let id = &registry(&sandbox).instances[0].id;
    // No process has so high an id.
    let left = "4194305-0.silo-tmp";
    let own = ["registry.toml", &format!("instances/{id}/stamp"), &format!("instances/{id}/history")];
    let own = own.map(|file| sandbox.path(format!("state/silo/{file}.{left}")));
    let records = ["allow", "deny", "last"].map(|kind| sandbox.path(format!("data/silo/trust/{kind}/0123.{left}")));
    let projects = [".silo.lock", ".localnet.env"].map(|file| app.join(format!("{file}.{left}")));
    fs::create_dir_all(sandbox.path("data/silo/trust/deny")).expect("the sandbox is writable");
    let all = [&own[..], &records, &projects].concat();
    for file in &all {
        fs::write(file, "half").expect("the sandbox is writable");
    }
    let others = app.join("notes.4194305-0.silo-tmp");
    fs::write(&others, "somebody's").expect("the sandbox is writable");
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["allow"]).success();
    assert_eq!(all.iter().filter(|file| file.exists()).collect::<Vec<_>>(), Vec::<&PathBuf>::new());
    assert!(others.exists());
}
