//! `silo doctor` on every root silo knows: what is stored of it agrees, or is brought into agreement and nothing moves.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use silo::core::leases::Leases;
use silo::core::text::digest;

use crate::fleet_doctor::Clinic;
use crate::machine::{assert_agreed, assert_sound, registry, registry_path};
use crate::sandbox::free_ports;

fn id_of(root: &Path) -> String {
    digest::root_id(root.to_str().expect("it is UTF-8").as_bytes())
}

/// The folder silo keeps for a root.
pub(crate) fn folder_of(clinic: &Clinic, root: &Path) -> PathBuf {
    clinic.sandbox.path("state/silo/instances").join(id_of(root))
}

fn change_registry(clinic: &Clinic, change: impl FnOnce(&mut Leases)) {
    let mut leases = registry(&clinic.sandbox);
    change(&mut leases);
    fs::write(registry_path(&clinic.sandbox), leases.render()).expect("the sandbox is writable");
}

#[test]
fn a_file_that_is_missing_is_made_again_wherever_doctor_is_called_and_no_port_moves() {
    for (id, file) in [("lockfile-missing", ".silo.lock"), ("env-file-missing", ".localnet.env")] {
        let clinic = Clinic::new();
        let (app, _other) = (clinic.project("app"), clinic.project("other"));
        let before = registry(&clinic.sandbox);
        fs::remove_file(app.join(file)).expect("it was written");
        let found = clinic.only_and_fixed("", id);
        found.tells("`app`", Some(&app.join(file)), &format!("silo env -C {}", app.display()));
        assert_agreed(&clinic.sandbox, &app);
        assert_eq!(registry(&clinic.sandbox), before);
    }
}

#[test]
fn both_files_missing_are_two_findings_with_one_cure() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::remove_file(app.join(".silo.lock")).expect("it was written");
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    assert_eq!(clinic.ids(&app, &[]), ["lockfile-missing", "env-file-missing"]);
    assert_eq!(clinic.ids(&app, &["--fix"]), ["lockfile-missing", "env-file-missing"]);
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn what_an_edit_of_silo_toml_made_stale_is_told_and_settled() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let toml = fs::read_to_string(app.join("silo.toml")).expect("it is there") + "MORE_PORT = 0\n";
    clinic.sandbox.trusted("app", &toml);
    let port = clinic.sandbox.lockfile_ports(&app)["WEB_PORT"];
    let remedy = format!("silo env -C {}", app.display());
    let what = "is not what `silo.toml` asks for (registry, lockfile, env file stale)";
    clinic.only_and_fixed(&app, "stale").tells(what, Some(&app), &remedy);
    assert_agreed(&clinic.sandbox, &app);
    assert_eq!(clinic.sandbox.lockfile_ports(&app)["WEB_PORT"], port);
}

#[test]
fn a_port_that_silo_toml_no_longer_has_is_not_let_go_of_by_fix() {
    let clinic = Clinic::new();
    clinic.project("app");
    let before = registry(&clinic.sandbox);
    clinic.sandbox.trusted("app", "version = 1\n[ports]\nOTHER_PORT = 0\n");
    clinic.found("", &["--fix"]);
    assert_eq!(registry(&clinic.sandbox), before);
    let found = clinic.only("", "stale").cannot_be_fixed();
    found.remedy(&clinic);
    assert_eq!(clinic.ids("", &[]), [""; 0]);
}

#[test]
fn a_lockfile_with_another_name_is_told_with_the_command_that_keeps_the_name_and_is_not_fixed() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let before = registry(&clinic.sandbox);
    let text = fs::read_to_string(app.join(".silo.lock")).expect("it was written");
    fs::write(app.join(".silo.lock"), text.replace("\"name\": \"app\"", "\"name\": \"ape\"")).expect("it is ours");
    clinic.found("", &["--fix"]);
    assert_eq!(registry(&clinic.sandbox), before);
    let found = clinic.only("", "stale").cannot_be_fixed();
    let what = "The name is `app` in the registry and `ape` in the lockfile";
    let found = found.tells(what, Some(&app), &format!("silo env -C {} app", app.display()));
    found.remedy(&clinic);
    assert_eq!(clinic.ids("", &[]), [""; 0]);
    assert_eq!(registry(&clinic.sandbox).instances[0].name, "app");
}

#[test]
fn a_lockfile_with_another_port_gets_the_leased_one() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let before = registry(&clinic.sandbox);
    let port = before.instances[0].ports["WEB_PORT"];
    let text = fs::read_to_string(app.join(".silo.lock")).expect("it was written");
    fs::write(app.join(".silo.lock"), text.replace(&port.to_string(), "1234")).expect("it is ours");
    let what = format!("WEB_PORT is `{port}` in the registry and `1234` in the lockfile (lockfile stale)");
    clinic.only_and_fixed("", "stale").tells(&what, Some(&app), &format!("silo env -C {}", app.display()));
    assert_eq!(registry(&clinic.sandbox), before);
    assert_agreed(&clinic.sandbox, &app);
}

#[test]
fn an_unreadable_lockfile_is_put_aside_and_made_again_from_the_registry() {
    for damage in [&b"{"[..], b"\xff\xfe\0", b"", b"[]", b"{\"version\":1,\"instance\":{\"name\":7}}"] {
        let clinic = Clinic::new();
        let app = clinic.project("app");
        let before = registry(&clinic.sandbox);
        let lockfile = app.join(".silo.lock");
        fs::write(&lockfile, damage).expect("it is ours");
        let aside = app.join(".silo.lock.broken");
        let found = clinic.only(&app, "lockfile-unreadable");
        let remedy = format!("mv {0} {1} && silo env -C {2}", lockfile.display(), aside.display(), app.display());
        found.tells("The lockfile of `app` cannot be read", Some(&lockfile), &remedy);
        let fixed = clinic.ids(&app, &["--fix"]);
        assert_eq!(fixed, ["lockfile-unreadable", "lockfile-missing"]);
        assert_eq!(fs::read(&aside).expect("it was kept"), damage);
        assert_eq!(clinic.ids(&app, &[]), [""; 0]);
        assert_eq!(registry(&clinic.sandbox), before);
        assert_agreed(&clinic.sandbox, &app);
    }
}

#[test]
fn a_lockfile_of_a_newer_silo_stays_as_it_is() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::write(app.join(".silo.lock"), "{\"version\":2}").expect("it is ours");
    clinic.found(&app, &["--fix"]);
    let found = clinic.only(&app, "lockfile-unreadable").cannot_be_fixed();
    found.tells("version is 2", Some(&app.join(".silo.lock")), "Install the newer silo again");
    assert_eq!(fs::read(app.join(".silo.lock")).expect("it is there"), b"{\"version\":2}");
}

#[test]
fn an_instance_the_registry_forgot_is_registered_again_with_its_own_ports() {
    let clinic = Clinic::new();
    let (app, other) = (clinic.project("app"), clinic.project("other"));
    let before = registry(&clinic.sandbox);
    let root = app.to_str().expect("it is UTF-8");
    change_registry(&clinic, |leases| leases.release(root));
    let found = clinic.only_and_fixed(&other, "not-registered");
    let remedy = format!("silo env -C {}", app.display());
    found.tells("names `app`, which the registry does not know", Some(&app.join(".silo.lock")), &remedy);
    let after = registry(&clinic.sandbox);
    assert_sound(&after);
    assert_eq!(after.at(root).map(|one| &one.ports), before.at(root).map(|one| &one.ports));
}

#[test]
fn a_copy_is_told_and_left_to_be_settled_by_hand() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let copy = clinic.sandbox.trusted("copy", &fs::read_to_string(app.join("silo.toml")).expect("it is there"));
    fs::copy(app.join(".silo.lock"), copy.join(".silo.lock")).expect("the sandbox is writable");
    let before = registry(&clinic.sandbox);
    clinic.found(&copy, &["--fix"]);
    assert_eq!(registry(&clinic.sandbox), before);
    let found = clinic.only(&copy, "not-registered").cannot_be_fixed();
    let what = format!("`app`, which belongs to `{}`: this is a copy", app.display());
    let found = found.tells(&what, Some(&copy.join(".silo.lock")), &format!("silo env -C {}", copy.display()));
    found.remedy(&clinic);
    assert_eq!(clinic.ids(&copy, &[]), [""; 0]);
    assert_sound(&registry(&clinic.sandbox));
}

#[test]
fn a_moved_folder_takes_its_name_and_ports_along() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let ports = clinic.sandbox.lockfile_ports(&app);
    let moved = clinic.sandbox.dir("moved");
    fs::rename(&app, &moved).expect("the sandbox is writable");
    clinic.sandbox.run(&moved, ["allow"]).success();
    let ids = clinic.ids(&moved, &["--fix"]);
    assert!(ids.contains(&"not-registered".to_owned()), "{ids:?}");
    assert_eq!(clinic.sandbox.instance(&moved), "app");
    assert_eq!(clinic.sandbox.lockfile_ports(&moved), ports);
    assert_eq!(clinic.ids(&moved, &[]), [""; 0], "nothing of the old place is left");
}

#[test]
fn gone_roots_are_for_prune_and_those_on_unmounted_disks_are_only_told() {
    let clinic = Clinic::new();
    let (gone, away) = (clinic.project("gone"), clinic.project("away"));
    let history = folder_of(&clinic, &away).join("history");
    let mut told: Value = serde_json::from_slice(&fs::read(&history).expect("it was written")).expect("it is JSON");
    let disk = clinic.sandbox.path("projects");
    told["mount"] = json!(disk);
    fs::write(&history, told.to_string()).expect("the sandbox is writable");
    fs::remove_dir_all(&gone).expect("it is there");
    fs::remove_dir_all(&away).expect("it is there");
    let mut found = clinic.found("", &["--fix"]).into_iter();
    let first = found.next().expect("one is away").counts_as_a_note();
    let mount = format!("mount {}", disk.display());
    first.tells("The folder of `away` is on a disk that is not mounted at", Some(&away), &mount);
    found.next().expect("one is gone").tells("The folder of `gone` is gone", Some(&gone), "silo prune");
    assert!(found.next().is_none());
    assert_eq!(registry(&clinic.sandbox).instances.len(), 2, "leases are released by prune alone");
}

#[test]
fn a_silo_toml_that_cannot_be_used_is_told_with_its_line_and_nothing_is_settled() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    clinic.sandbox.project("app", "version = 1\n[ports]\nWEB_PORT = 70000\n");
    clinic.found("", &["--fix"]);
    assert!(!app.join(".localnet.env").exists());
    let place = format!("{}:3", app.join("silo.toml").display());
    let remedy = format!("Edit {0}/silo.toml, then: silo allow -C {0}", app.display());
    let found = clinic.only("", "config-invalid").cannot_be_fixed();
    found.tells("Port `WEB_PORT` has an invalid value: 70000", Some(place.as_ref()), &remedy);
    fs::write(app.join("silo.toml"), b"version = 1\n\n# \xff\n").expect("it is ours");
    clinic.only("", "config-invalid").tells("`silo.toml` is not UTF-8 text (line 3)", Some(place.as_ref()), &remedy);
    fs::remove_file(app.join("silo.toml")).expect("it is there");
    let remedy = format!("silo init -C {}", app.display());
    clinic.only("", "config-missing").counts_as_a_note().tells("`app` has no `silo.toml`", Some(&app), &remedy);
    fs::create_dir(app.join("silo.toml")).expect("it is gone");
    clinic.only("", "config-invalid").cannot_be_fixed();
}

#[test]
fn what_settling_would_refuse_is_told() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    fs::write(app.join(".localnet.env"), "MINE=1\n").expect("it is ours");
    clinic.found("", &["--fix"]);
    assert_eq!(fs::read(app.join(".localnet.env")).expect("it is there"), b"MINE=1\n");
    let remedy = format!("silo env -C {}", app.display());
    clinic.only("", "cannot-settle").cannot_be_fixed().tells("silo did not write the file", Some(&app), &remedy);
}

#[test]
fn trust_is_told_and_needed_only_elsewhere() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let toml = fs::read_to_string(app.join("silo.toml")).expect("it is there");
    clinic.sandbox.project("app", &format!("{toml}# seen by nobody\n"));
    let remedy = format!("silo allow -C {}", app.display());
    let found = clinic.only("", "not-trusted").counts_as_a_note();
    found.tells("has changed since it was allowed", Some(&app.join("silo.toml")), &remedy);
    // What was settled before is as it should be.
    clinic.sandbox.project("app", &format!("{toml}MORE_PORT = 0\n"));
    let mut found = clinic.found("", &[]);
    let what = "What is stored of `app` is not what `silo.toml` asks for, which may not act yet";
    let stale = found.pop().expect("there are two").counts_as_a_note().cannot_be_fixed();
    stale.tells(what, Some(&app), &format!("silo diff -C {}", app.display()));
    assert_eq!(found.pop().expect("there are two").id(), "not-trusted");
    clinic.sandbox.project("app", &format!("{toml}# seen by nobody\n"));
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    // From elsewhere nothing acts on a file that nobody has allowed as it is; here the command itself is consent.
    assert_eq!(clinic.ids("", &["--fix"]), ["not-trusted", "env-file-missing"]);
    assert!(!app.join(".localnet.env").exists());
    assert_eq!(clinic.ids(&app, &["--fix"]), ["env-file-missing", "not-trusted"]);
    assert_agreed(&clinic.sandbox, &app);
    // What is denied stays as it is.
    clinic.sandbox.run(&app, ["deny"]).success();
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    clinic.found("", &["--fix"]);
    assert!(!app.join(".localnet.env").exists());
    assert_eq!(clinic.ids("", &[]), ["not-trusted", "env-file-missing"]);
}

#[test]
fn nothing_of_silo_toml_is_run() {
    let clinic = Clinic::new();
    let toml = "version = 1\n[ports]\nA = 0\n[hooks]\npre-up = [\"touch ran\"]\npost-up = [\"touch ran\"]\n";
    let app = clinic.sandbox.trusted("app", toml);
    clinic.sandbox.run(&app, ["env", "x"]).success();
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    assert_eq!(clinic.ids(&app, &["--fix"]), ["env-file-missing"]);
    assert!(!app.join("ran").exists());
}

#[test]
fn a_stamp_that_misleads_shells_and_a_lost_history_are_fixed() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let folder = folder_of(&clinic, &app);
    let stamp = fs::read_to_string(folder.join("stamp")).expect("it was written");
    let (before, body) = stamp.trim_end().split_once('\n').expect("it has two lines");
    let port = clinic.sandbox.lockfile_ports(&app)["WEB_PORT"];
    let body = body.replace(&port.to_string(), "4242");
    let generation = format!("{}{}", &digest::of(body.as_bytes())[..16], &before[16..]);
    fs::write(folder.join("stamp"), format!("{generation}\n{body}\n")).expect("the sandbox is writable");
    clinic.only_and_fixed("", "stamp-stale").tells("`app`", Some(&app), &format!("silo env -C {}", app.display()));
    // An older silo's name for the same file.
    fs::rename(folder.join("history"), folder.join("memo")).expect("it was written");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    fs::remove_file(folder.join("memo")).expect("it was renamed");
    clinic.only_and_fixed("", "history-missing").counts_as_a_note();
}

#[test]
fn a_project_named_by_its_config_file_is_looked_at() {
    let clinic = Clinic::new();
    let [port] = free_ports();
    let dir = clinic.sandbox.dir("app");
    fs::create_dir(&dir).expect("the sandbox is writable");
    fs::write(dir.join("other.toml"), format!("version = 1\n[ports]\nWEB_PORT = {port}\n")).expect("it is writable");
    clinic.sandbox.run(&dir, ["-c", "other.toml", "allow"]).success();
    clinic.sandbox.run(&dir, ["-c", "other.toml", "env", "x"]).success();
    fs::remove_file(dir.join(".localnet.env")).expect("it was written");
    clinic.only("", "config-missing").counts_as_a_note();
    assert_eq!(clinic.ids(&dir, &["-c", "other.toml", "--fix"]), ["env-file-missing"]);
    assert_agreed(&clinic.sandbox, &dir);
    clinic.doctor(&dir, &["-c", "none.toml"]).fails_naming(&["none.toml"]);
}
