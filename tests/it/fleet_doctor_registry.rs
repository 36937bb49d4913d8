//! `silo doctor` on the registry: whatever became of it, every instance keeps its name and ports, and nothing is lost
//! without a word.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use silo::core::leases::Leases;

use crate::fleet_doctor::Clinic;
use crate::machine::{assert_agreed, assert_sound, hold_registry, registry, registry_path};
use crate::sandbox::Ran;

/// Three settled projects.
fn three(clinic: &Clinic) -> [PathBuf; 3] {
    ["one", "two", "three"].map(|name| clinic.project(name))
}

/// Every instance has its old name and ports, everywhere they are written.
#[track_caller]
fn assert_kept(clinic: &Clinic, before: &Leases, projects: &[PathBuf]) {
    let after = registry(&clinic.sandbox);
    assert_sound(&after);
    for old in &before.instances {
        let new = after.at(&old.root).unwrap_or_else(|| panic!("{} was lost", old.root));
        assert_eq!((&new.id, &new.name, &new.prefix, &new.ports), (&old.id, &old.name, &old.prefix, &old.ports));
    }
    assert_eq!(after.instances.len(), before.instances.len());
    for project in projects {
        assert_agreed(&clinic.sandbox, project);
    }
    let mode = fs::symlink_metadata(registry_path(&clinic.sandbox)).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert!(fs::symlink_metadata(registry_path(&clinic.sandbox)).expect("it is there").is_file());
}

/// A command that names what is wrong, or does its work; it never panics.
#[track_caller]
fn bears(ran: &Ran) {
    assert!(!ran.stderr.contains("panicked"), "{ran:#?}");
    assert!(ran.stderr.is_empty() || ran.stderr.contains("registry"), "{ran:#?}");
}

#[test]
fn a_cut_or_turned_registry_is_put_aside_and_made_again_and_no_port_moves() {
    let clinic = Clinic::new();
    let projects = three(&clinic);
    let before = registry(&clinic.sandbox);
    let path = registry_path(&clinic.sandbox);
    let whole = fs::read(&path).expect("it was written");
    let aside = path.with_file_name("registry.toml.broken");
    let cuts = [1, 40, whole.len() / 3, whole.len() / 2, whole.len() - 2].map(|at| whole[..at].to_vec());
    let flips = [3, 110, whole.len() / 2, whole.len() - 5].map(|at| {
        let mut turned = whole.clone();
        turned[at] ^= 1 << (at % 7);
        turned
    });
    let odd =
        [b"".to_vec(), b"\0".repeat(5000), b"[[instance]]\n".repeat(9), vec![0xff; 90], b"version = 1\n".to_vec()];
    for (n, damage) in cuts.into_iter().chain(flips).chain(odd).enumerate() {
        fs::write(&path, &damage).expect("it is ours");
        if n % 4 == 0 {
            bears(&clinic.sandbox.run(&projects[0], ["status"]));
            bears(&clinic.sandbox.run(&projects[1], ["env"]));
            bears(&clinic.sandbox.run(&projects[1], ["list"]));
            assert_eq!(fs::read(&path).expect("it is there"), damage, "it waits for doctor");
            let ids = clinic.ids("", &[]);
            assert_eq!(ids, ["registry-unreadable"], "{n}");
        }
        let fixed = clinic.found("", &["--fix"]);
        assert_eq!(fixed.iter().map(crate::fleet_doctor::Found::id).collect::<Vec<_>>(), ["registry-unreadable"]);
        assert!(fixed[0].text("done").contains("registry.toml.broken"), "{}", fixed[0].text("done"));
        assert_eq!(fs::read(&aside).expect("it was kept"), damage);
        fs::remove_file(&aside).expect("it is ours");
        assert_kept(&clinic, &before, &projects);
    }
    assert_eq!(clinic.ids(&projects[2], &["--fix"]), [""; 0]);
}

#[test]
fn a_registry_that_is_a_folder_or_a_link_becomes_a_file_again() {
    let clinic = Clinic::new();
    let projects = three(&clinic);
    let before = registry(&clinic.sandbox);
    let path = registry_path(&clinic.sandbox);
    let whole = fs::read(&path).expect("it was written");
    let elsewhere = clinic.sandbox.path("home/registry.toml");
    let make: [(&str, &dyn Fn()); 6] = [
        ("registry-unreadable", &|| fs::create_dir(&path).expect("nothing is there")),
        ("registry-unreadable", &|| symlink("registry.toml", &path).expect("nothing is there")),
        ("registry-unreadable", &|| symlink("/dev/zero", &path).expect("nothing is there")),
        ("registry-link", &|| symlink("nowhere", &path).expect("nothing is there")),
        ("registry-link", &|| {
            fs::write(&elsewhere, &whole).expect("the sandbox is writable");
            symlink(&elsewhere, &path).expect("nothing is there");
        }),
        ("registry-gone", &|| ()),
    ];
    for (id, make) in make {
        fs::remove_file(&path).expect("it is a file");
        make();
        let found = clinic.only_and_fixed("", id);
        assert_eq!(
            (found.text("place"), found.text("fix")),
            (path.display().to_string(), "silo doctor --fix".to_owned())
        );
        assert_kept(&clinic, &before, &projects);
    }
    assert_eq!(fs::read(&elsewhere).expect("what a link named stays"), whole);
}

#[test]
fn a_registry_others_can_read_or_nobody_can_gets_its_permissions_back() {
    let clinic = Clinic::new();
    let projects = three(&clinic);
    let before = registry(&clinic.sandbox);
    let path = registry_path(&clinic.sandbox);
    for mode in [0o000, 0o644, 0o666, 0o400, 0o200] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("it is ours");
        bears(&clinic.sandbox.run(&projects[0], ["status"]));
        let found = clinic.only_and_fixed("", "registry-mode");
        found.tells(&format!("{mode:04o}"), Some(&path), &format!("chmod 600 {}", path.display()));
        assert_kept(&clinic, &before, &projects);
    }
}

#[test]
fn entries_are_checked_one_against_the_other() {
    let clinic = Clinic::new();
    let projects = three(&clinic);
    let before = registry(&clinic.sandbox);
    let path = registry_path(&clinic.sandbox);
    let write = |leases: &Leases| fs::write(&path, leases.render()).expect("it is ours");
    let mut leases = before.clone();
    leases.instances[1].id = "0123456789abcdef".to_owned();
    write(&leases);
    clinic.only_and_fixed("", "registry-id").tells("projects/two` has an id", Some(&path), "silo doctor --fix");
    assert_kept(&clinic, &before, &projects);

    let mut leases = before.clone();
    let port = leases.instances[0].ports["WEB_PORT"];
    leases.instances[1].ports.insert("WEB_PORT".to_owned(), port);
    write(&leases);
    let found = clinic.found("", &["--fix"]).into_iter().find(|one| one.id() == "port-twice").expect("it is told");
    let what = format!("Port {port} is leased to `one` (WEB_PORT) and to `two` (WEB_PORT)");
    let remedy = format!("silo env -C {} --force", projects[1].display());
    found.cannot_be_fixed().tells(&what, Some(&path), &remedy).remedy(&clinic);
    assert_eq!(clinic.ids("", &[]), [""; 0]);
    assert_sound(&registry(&clinic.sandbox));

    let mut leases = before.clone();
    leases.instances[1].name = "one".to_owned();
    write(&leases);
    let ids = clinic.ids("", &["--fix"]);
    assert!(ids.contains(&"name-twice".to_owned()), "{ids:?}");
}

#[test]
fn a_registry_of_a_newer_silo_is_told_and_stays() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let path = registry_path(&clinic.sandbox);
    fs::write(&path, "version = 3\n[subnets]\n").expect("it is ours");
    for args in [&["--fix"][..], &[]] {
        let found = clinic.found(&app, args).remove(0).cannot_be_fixed();
        found.tells(
            "its version is 3, and this silo (0.1.0) reads version 2",
            Some(&path),
            "Install the newer silo again",
        );
    }
    assert_eq!(fs::read(&path).expect("it is there"), b"version = 3\n[subnets]\n");
}

#[test]
fn a_lock_that_is_none_or_is_sat_on_is_told_in_time() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    let lock = hold_registry(&clinic.sandbox);
    let path = clinic.sandbox.path("state/silo/registry.lock");
    let start = Instant::now();
    let found = clinic.found("", &["--fix"]);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    let ids: Vec<_> = found.iter().map(|one| (one.id(), one.text("fix"))).collect();
    let remedy = format!("silo env -C {}", app.display());
    let expected = [("registry-busy", format!("fuser -v {}", path.display())), ("env-file-missing", remedy)];
    assert_eq!(ids, expected.map(|(id, remedy)| (id.to_owned(), remedy)));
    assert!(found[0].text("what").contains(&format!("held by process {}", std::process::id())));
    assert!(found[1].text("failed").contains("The registry is busy"), "{}", found[1].text("failed"));
    drop(lock);
    assert_eq!(clinic.ids("", &["--fix"]), ["env-file-missing"]);

    fs::remove_file(&path).expect("nobody holds it");
    fs::create_dir(&path).expect("it is gone");
    let found = clinic.only("", "registry-lock").cannot_be_fixed();
    let remedy = format!("mv {0} {0}.broken", path.display());
    found.tells("lock is not a file", Some(&path), &remedy).remedy(&clinic);
    assert_eq!(clinic.ids("", &[]), [""; 0]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_state_folder_that_cannot_be_written_is_told() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let file = clinic.sandbox.path("home/file");
    fs::write(&file, "").expect("HOME is writable");
    for state in ["/proc/self", file.to_str().expect("it is UTF-8")] {
        let found = clinic.found_with(&app, &["--fix"], &[("XDG_STATE_HOME", state)]);
        assert_eq!(found[0].id(), "state-unwritable");
        assert!(found[0].text("fix").starts_with("ls -ld "), "{}", found[0].text("fix"));
    }
}
