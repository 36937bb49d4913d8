//! The user's own settings in `$XDG_CONFIG_HOME/silo/config.toml`.

use std::fs;
use std::path::Path;

use crate::fleet_doctor::Clinic;
use crate::machine::{assert_agreed, run_with};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

fn set(sandbox: &Sandbox, text: &str) {
    fs::create_dir_all(sandbox.path("config/silo")).expect("the sandbox is writable");
    fs::write(sandbox.path("config/silo/config.toml"), text).expect("the sandbox is writable");
}

fn export(sandbox: &Sandbox, dir: &Path) -> (String, bool) {
    let ran = sandbox.run(dir, ["export", "bash", "--seen", ""]).success();
    (ran.stderr, ran.stdout.contains(" SILO_ACTIVE='1' "))
}

#[test]
fn quiet_silences_what_goes_well_and_log_format_frames_the_rest() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    set(&sandbox, "quiet = true\nlog_format = \"[silo] %s.\"\n");
    assert_eq!(export(&sandbox, &app), (String::new(), true));
    fs::write(app.join("silo.toml"), "version = 2\n").expect("the sandbox is writable");
    let (told, active) = export(&sandbox, &app);
    assert!(told.starts_with("Error: ") && told.ends_with("\n[silo] no instance is active here.\n"), "{told}");
    assert!(!active);
    set(&sandbox, "log_format = \"[silo] %s.\"\n");
    let [web] = free_ports();
    let other = sandbox.trusted("other", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&other, ["env", "x"]).success();
    assert_eq!(export(&sandbox, &other), (format!("[silo] x · WEB_PORT={web}.\n"), true));
}

#[test]
fn a_trusted_folder_needs_no_allow_and_denying_still_counts() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("work/app", RANDOM);
    let other = sandbox.project("workshop/app", RANDOM);
    let home = sandbox.project("../home/play/app", RANDOM);
    let link = sandbox.path("work-link");
    std::os::unix::fs::symlink(sandbox.dir("work"), &link).expect("the sandbox is writable");
    assert!(!export(&sandbox, &app).1);
    set(&sandbox, &format!("trusted = [\"{}\", \"~/play\", \"/nowhere\"]\n", link.display()));
    assert!(export(&sandbox, &app).1 && export(&sandbox, &home).1);
    assert!(!export(&sandbox, &other).1, "a folder that only begins alike is another one");
    let linked = sandbox.project("work/linked", RANDOM);
    fs::rename(linked.join("silo.toml"), sandbox.path("home/elsewhere.toml")).expect("it is there");
    std::os::unix::fs::symlink(sandbox.path("home/elsewhere.toml"), linked.join("silo.toml")).expect("it is gone");
    assert!(!export(&sandbox, &linked).1, "what a link leads to may be anybody's");
    sandbox.run(&app, ["deny"]).success();
    assert!(!export(&sandbox, &app).1);
    sandbox.run(&app, ["allow"]).success();
    set(&sandbox, "");
    assert!(export(&sandbox, &app).1, "what was allowed stays so");
    assert!(!export(&sandbox, &home).1, "what the settings trusted is not");
}

#[test]
fn ports_come_from_the_users_own_range() {
    let sandbox = Sandbox::new();
    let [first] = free_ports();
    set(&sandbox, &format!("port_range = \"{first}-{}\"\n", u32::from(first) + 2000));
    let app = sandbox.project("app", RANDOM);
    sandbox.run(&app, ["env"]).success();
    let port = sandbox.lockfile_ports(&app)["A"];
    assert!((first..=first + 2000).contains(&port), "{port}");
    set(&sandbox, "");
    sandbox.run(&app, ["env"]).success();
    assert_eq!(sandbox.lockfile_ports(&app)["A"], port, "a lease stays where it is");
    assert_agreed(&sandbox, &app);
}

#[test]
fn settings_that_cannot_be_read_stop_what_is_typed_and_never_the_prompt() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", RANDOM);
    for (text, place, hint) in [
        (
            "quite = true\n",
            ":1:1",
            "`quiet`, `trusted`, `port_range`, `log_format`, `wrap_cd`, `engine`, `idle`, `[proxy]`, `[network]`, `[workspaces]` and `[agents]`",
        ),
        ("trusted = [\"work\"]\n", ":1:12", "or with `~/`"),
        ("port_range = \"80-90\"\n", ":1:14", "two ports of 1024-65535"),
        ("log_format = \"x\"\n", ":1:14", "`%s` once"),
        ("[network]\npool = \"10.0.0.0/7\"\n", ":2:8", "a range of /8 to /24"),
        ("[network]\nsuffix = \"dev\"\n", ":2:10", "`force_suffix = true`"),
    ] {
        set(&sandbox, text);
        let place = format!("  --> $SANDBOX/config/silo/config.toml{place}\n");
        sandbox.run(&app, ["env"]).fails_naming(&[&place, hint]);
        let (told, active) = export(&sandbox, &app);
        assert!(told.contains(&place) && told.contains("silo: the defaults hold until that is fixed\n"), "{told}");
        assert!(active);
    }
    fs::write(sandbox.path("config/silo/config.toml"), b"\xff").expect("the sandbox is writable");
    sandbox.run(&app, ["status"]).fails_naming(&["is not UTF-8 text"]);
    set(&sandbox, "quiet = true\n");
    let config = sandbox.path("config");
    let elsewhere = [("XDG_CONFIG_HOME", "relative"), ("HOME", config.to_str().expect("it is UTF-8"))];
    run_with(&sandbox, &app, &elsewhere, ["env"]).success();
}

#[test]
fn doctor_goes_on_without_settings_it_cannot_read_and_tells_of_them() {
    let clinic = Clinic::new();
    let app = clinic.project("app");
    let path = clinic.sandbox.path("config/silo/config.toml");
    let tells = |place: &str, what: &str, remedy: &str| {
        let place = format!("{}{place}", path.display());
        let found = clinic.only(&app, "settings-invalid").cannot_be_fixed();
        found.tells(what, Some(Path::new(&place)), &remedy.replace("PATH", path.to_str().expect("it is UTF-8")));
        let ran = clinic.doctor(&app, &["--fix"]).exit(1).stderr("");
        assert!(ran.stdout.contains("Problem [settings-invalid]: "), "{ran:#?}");
    };
    set(&clinic.sandbox, "quiet = true\nport_range = \"80-90\"\n");
    tells(
        ":2",
        "`port_range` has an invalid value: `80-90`",
        "Edit PATH: Write two ports of 1024-65535, such as `49152-65535`",
    );
    fs::write(&path, b"\xff").expect("the sandbox is writable");
    tells(":1", "is not UTF-8 text (line 1)", "Edit PATH: Save it as UTF-8 in the editor");
    fs::remove_file(&path).expect("it is ours");
    fs::create_dir(&path).expect("it is gone");
    tells("", "it is not a plain file", "Look at it: `ls -ld PATH`");
    fs::remove_dir(&path).expect("it is ours");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}
