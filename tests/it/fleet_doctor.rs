//! `silo doctor`: nothing is found where nothing is wrong, and each thing that is wrong is told with how to fix it.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::machine::{files_below, registry, written};
use crate::sandbox::{Ran, SILO, Sandbox, free_ports, program, toml_with_ports};
use crate::tools::{ALL, Tools};

/// A machine on which all is as it should be, but for the kernel's limits, which are what they are.
pub(crate) struct Clinic {
    pub(crate) tools: Tools,
    pub(crate) sandbox: Sandbox,
}

/// One finding, as `--json` tells it.
pub(crate) struct Found(Value);

impl Clinic {
    pub(crate) fn new() -> Self {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        let clinic = Self { tools, sandbox };
        clinic.program("getent", "echo 127.0.0.1 \"$2\"");
        fs::write(clinic.sandbox.path("home/.bashrc"), "eval \"$(silo hook bash)\"\n").expect("HOME is writable");
        clinic
    }

    /// A program on `PATH`, before any real one.
    pub(crate) fn program(&self, name: &str, script: &str) {
        program(&self.sandbox.path("bin").join(name), &format!("#!/bin/sh\n{script}\n"));
    }

    /// A trusted project with one port, settled under a name.
    pub(crate) fn project(&self, name: &str) -> PathBuf {
        let [port] = free_ports();
        let dir = self.sandbox.trusted(name, &toml_with_ports(&[("WEB_PORT", port)]));
        self.sandbox.run(&dir, ["env", name]).success();
        dir
    }

    /// Runs `silo doctor` as typed in a shell that has loaded the hook: that shell is this very process.
    pub(crate) fn doctor(&self, dir: impl AsRef<Path>, args: &[&str]) -> Ran {
        self.doctor_with(dir, args, &[])
    }

    /// The same with other variables.
    pub(crate) fn doctor_with(&self, dir: impl AsRef<Path>, args: &[&str], variables: &[(&str, &str)]) -> Ran {
        let mark = format!("{} {} {SILO}", std::process::id(), env!("CARGO_PKG_VERSION"));
        let mut silo = self.sandbox.command(SILO, dir);
        silo.env("SHELL", "/bin/bash").env("__SILO_HOOK", mark).envs(variables.iter().copied());
        silo.arg("doctor").args(args);
        let ran = self.sandbox.finish(silo);
        assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
        ran
    }

    /// What is found, the kernel's limits aside; the exit code is 1 exactly when a problem is left.
    pub(crate) fn found(&self, dir: impl AsRef<Path>, args: &[&str]) -> Vec<Found> {
        self.found_with(dir, args, &[])
    }

    /// The same with other variables.
    pub(crate) fn found_with(&self, dir: impl AsRef<Path>, args: &[&str], variables: &[(&str, &str)]) -> Vec<Found> {
        let ran = self.doctor_with(dir, &[&["--json"], args].concat(), variables);
        let all: Vec<Value> = serde_json::from_slice(&ran.bytes).unwrap_or_else(|error| panic!("{error}: {ran:#?}"));
        let found: Vec<Found> = all.into_iter().filter(|one| one["id"] != "inotify-low").map(Found).collect();
        let is_left = found.iter().any(|one| one.0["severity"] == "problem" && one.0["fixed"] == false);
        ran.exit(i32::from(is_left));
        found
    }

    /// The kinds of what is found.
    pub(crate) fn ids(&self, dir: impl AsRef<Path>, args: &[&str]) -> Vec<String> {
        self.found(dir, args).iter().map(Found::id).collect()
    }

    /// This alone is found.
    #[track_caller]
    pub(crate) fn only(&self, dir: impl AsRef<Path>, id: &str) -> Found {
        let mut found = self.found(dir, &[]);
        let ids: Vec<String> = found.iter().map(Found::id).collect();
        assert_eq!(ids, [id]);
        found.remove(0)
    }

    /// This alone is found, `--fix` fixes it, and nothing is found then.
    #[track_caller]
    pub(crate) fn only_and_fixed(&self, dir: impl AsRef<Path>, id: &str) -> Found {
        let dir = dir.as_ref();
        let found = self.only(dir, id);
        assert_eq!(found.0["fixable"], true, "{:#}", found.0);
        let fixed = self.found(dir, &["--fix"]);
        let done: Vec<_> = fixed.iter().map(|one| (one.id(), one.0["fixed"] == true)).collect();
        assert_eq!(done, [(id.to_owned(), true)], "{:#}", fixed[0].0);
        assert!(fixed[0].0["done"].is_string(), "{:#}", fixed[0].0);
        assert_eq!(self.ids(dir, &[]), [""; 0]);
        assert_eq!(self.ids(dir, &["--fix"]), [""; 0]);
        found
    }
}

impl Found {
    pub(crate) fn id(&self) -> String {
        self.text("id")
    }

    /// A field that is text.
    pub(crate) fn text(&self, field: &str) -> String {
        self.0[field].as_str().unwrap_or_else(|| panic!("no {field} in {:#}", self.0)).to_owned()
    }

    /// It names all of this, is at this place, and says how to fix it.
    #[track_caller]
    pub(crate) fn tells(self, what: &str, place: Option<&Path>, remedy: &str) -> Self {
        assert!(self.text("what").contains(what), "no {what:?} in {:#}", self.0);
        assert_eq!(self.0["place"].as_str(), place.map(|place| place.to_str().expect("it is UTF-8")));
        assert!(!self.text("why").is_empty());
        assert_eq!(self.text("fix"), remedy);
        self
    }

    #[track_caller]
    pub(crate) fn cannot_be_fixed(self) -> Self {
        assert_eq!(self.0["fixable"], false, "{:#}", self.0);
        self
    }

    #[track_caller]
    pub(crate) fn counts_as_a_note(self) -> Self {
        assert_eq!(self.0["severity"], "note", "{:#}", self.0);
        self
    }

    /// What its command does, typed as it is told.
    #[track_caller]
    pub(crate) fn remedy(&self, clinic: &Clinic) {
        let mut shell = clinic.sandbox.command("sh", "");
        shell.args(["-c", &self.text("fix")]);
        clinic.sandbox.finish(shell).success();
    }
}

#[test]
fn nothing_is_found_in_a_healthy_project_and_nothing_is_written_or_started() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::write(app.join("Tiltfile"), "local_resource('x', 'true')\n").expect("the project is writable");
    let everything = || -> Vec<PathBuf> {
        let below = |folder: &str| {
            let folder = clinic.sandbox.path(folder);
            files_below(&folder).into_iter().map(move |file| folder.join(file)).collect::<Vec<_>>()
        };
        ["state", "data", "projects", "home"].into_iter().flat_map(below).collect()
    };
    let before = written(&everything());
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    assert_eq!(clinic.ids(&app, &["--fix"]), [""; 0]);
    assert_eq!(clinic.ids("", &[]), [""; 0]);
    let ran = clinic.doctor(&app, &[]).success().stderr("");
    let last = ran.stdout.lines().last().expect("it answers").replace("1 note, ", "");
    assert_eq!(last, "No problems found (1 instance, 1 lease)");
    assert_eq!(written(&everything()), before);
    let mut calls = clinic.tools.calls();
    calls.sort();
    calls.dedup();
    let versions =
        ["docker version --format '{{json .}}'", "k3d version", "kubectl version --client -o json", "tilt version"];
    assert_eq!(calls, versions);
}

#[test]
fn a_machine_that_never_saw_silo_is_healthy_and_stays_untouched() {
    let clinic = Clinic::new();
    for args in [&[][..], &["--fix"]] {
        assert_eq!(clinic.ids("", args), [""; 0]);
    }
    assert_eq!(files_below(&clinic.sandbox.path("state")), [""; 0]);
}

#[test]
fn findings_are_told_in_words_and_what_was_done_too() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    let told = |ran: Ran| {
        // The kernel's limits are not the project's.
        let paragraphs = ran.stdout.split("\n\n").filter(|part| !part.contains("[inotify-low]"));
        paragraphs.collect::<Vec<_>>().join("\n\n").replace("1 note, ", "")
    };
    assert_eq!(
        told(clinic.doctor(&app, &[]).exit(1)),
        "Problem [env-file-missing]: The env file of `app` is missing\n\
         \x20 --> $SANDBOX/projects/app/.localnet.env\n\
         \x20 Why: Programs that read it do not find the ports\n\
         \x20 Fix: silo env -C $SANDBOX/projects/app   (or: silo doctor --fix)\n\
         \n\
         1 problem (1 instance, 1 lease)\n"
    );
    assert_eq!(
        told(clinic.doctor(&app, &["--fix"]).success()),
        "Fixed [env-file-missing]: The env file of `app` is missing\n\
         \x20 --> $SANDBOX/projects/app/.localnet.env\n\
         \x20 Done: settled `app`, wrote `.localnet.env`\n\
         \n\
         No problems found (1 fixed, 1 instance, 1 lease)\n"
    );
    // What `--fix` alone fixes is told once.
    fs::write(crate::machine::registry_path(&clinic.sandbox), "[").expect("the sandbox is writable");
    let told = told(clinic.doctor(&app, &[]).exit(1));
    let remedies: Vec<&str> = told.lines().filter(|line| line.contains("Fix: ")).collect();
    assert_eq!(remedies, ["  Fix: silo doctor --fix"]);
}

#[test]
fn two_hundred_roots_are_looked_at_in_time() {
    let clinic = Clinic::new();
    let first = clinic.project("first");
    let lockfile = fs::read_to_string(first.join(".silo.lock")).expect("it was written");
    let mut leases = registry(&clinic.sandbox);
    let toml = "version = 1\n[ports]\nA = 0\n";
    for n in 0..199_u16 {
        let dir = clinic.sandbox.project(format!("p{n}"), toml);
        fs::write(dir.join(".silo.lock"), &lockfile).expect("the sandbox is writable");
        let mut instance = leases.instances[0].clone();
        instance.root = dir.to_str().expect("it is UTF-8").to_owned();
        instance.id = silo::core::text::digest::root_id(instance.root.as_bytes());
        instance.name = format!("n{n}");
        instance.ports = [("A".to_owned(), 50_000 + n)].into_iter().collect();
        leases.instances.push(instance);
    }
    fs::write(crate::machine::registry_path(&clinic.sandbox), leases.render()).expect("the sandbox is writable");
    let start = Instant::now();
    let found = clinic.ids("", &[]);
    assert!(found.len() >= 199, "{}", found.len());
    // A bound on work done one after the other, not on the machine: five seconds are the promise.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}

#[test]
fn no_gate_is_opened_even_where_they_stand_first() {
    let clinic = Clinic::new();
    let app = clinic.sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n[k3d]\nenabled = true\n");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    let gates = files_below(&clinic.sandbox.path("state"));
    let gate = gates.iter().find(|file| file.ends_with("gates/kubectl")).expect("kubectl has a gate");
    let folder = clinic.sandbox.path("state").join(gate);
    let mut path = OsString::from(folder.parent().expect("it has one"));
    path.push(format!(":{}:/usr/bin:/bin", clinic.sandbox.path("bin").display()));
    let root = app.to_str().expect("it is UTF-8");
    let variables = [("PATH", path.to_str().expect("it is UTF-8")), ("SILO_ROOT", root), ("SILO_ACTIVE", "1")];
    assert_eq!(clinic.found_with(&app, &["--fix"], &variables).len(), 0);
    let calls = clinic.tools.calls();
    assert!(calls.iter().all(|call| call.contains(" version")), "{calls:#?}");
}
