//! Instance names as `silo env` takes, keeps and refuses them (D4, D5).

use std::fs;

use crate::machine::{assert_agreed, assert_sound, registry};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

const RANDOM: &str = "version = 1\n[ports]\nWEB_PORT = \"random\"\n";

#[test]
fn a_name_is_made_of_the_folder_and_four_characters_and_kept() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("My App", RANDOM);
    sandbox.run(&app, ["env"]).success();
    let name = sandbox.instance(&app);
    let suffix = name.strip_prefix("my-app-").unwrap_or_else(|| panic!("{name}"));
    assert!(suffix.len() == 4 && suffix.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()), "{name}");
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["env", "--force"]).success();
    assert_eq!(sandbox.instance(&app), name);
}

#[test]
fn the_four_characters_are_those_of_the_very_folder_not_of_its_path() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    sandbox.run(&app, ["env"]).success();
    let name = sandbox.instance(&app);
    let again = |how: &str| {
        sandbox.run(&app, ["down", "--clean"]).success();
        sandbox.run(&app, ["env"]).success();
        assert_eq!(sandbox.instance(&app), name, "{how}");
        assert_agreed(&sandbox, &app);
    };
    again("its URL may be a bookmark");
    // A name that was chosen is released.
    sandbox.run(&app, ["env", "chosen"]).success();
    again("the characters are remembered past it");
    // Another folder at the same path, as of another user of it later, is another instance.
    sandbox.run(&app, ["down", "--clean"]).success();
    let moved = sandbox.dir("moved");
    fs::rename(&app, &moved).expect("the sandbox is writable");
    sandbox.project("app", RANDOM);
    sandbox.run(&app, ["env"]).success();
    assert_ne!(sandbox.instance(&app), name);
    let second = sandbox.instance(&app);
    // Its number on the disk may be given out again.
    for _ in 0..3 {
        sandbox.run(&app, ["down", "--clean"]).success();
        fs::remove_dir_all(&app).expect("it is there");
        sandbox.project("app", RANDOM);
        sandbox.run(&app, ["env"]).success();
        let now = sandbox.instance(&app);
        assert!(now != name && now != second, "{now}");
    }
    // Characters that somebody else took meanwhile are theirs.
    let taken = sandbox.instance(&app);
    sandbox.run(&app, ["down", "--clean"]).success();
    sandbox.run(&moved, ["env", &taken]).success();
    sandbox.run(&app, ["env"]).success();
    assert_ne!(sandbox.instance(&app), taken);
}

#[test]
fn a_typed_name_is_sanitised_and_cut() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let long = "x".repeat(100);
    let cut = "x".repeat(63);
    for (typed, name) in
        [("Feature/X  y", "feature-x-y"), ("../../etc", "etc"), ("$(touch x)", "touch-x"), (&long, &cut)]
    {
        sandbox.run(&app, ["env", typed]).success();
        assert_eq!(sandbox.instance(&app), name);
        assert_agreed(&sandbox, &app);
    }
    assert_eq!(registry(&sandbox).instances.len(), 1, "a new name replaces the old one");
}

#[test]
fn a_name_of_which_nothing_is_left_is_refused() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    for typed in ["", "日本", "--", "///"] {
        let expected = format!(
            "Error: `{typed}` cannot name an instance\n\
             Hint: Use letters, digits and `-`, for example `silo env feature-x`\n"
        );
        sandbox.run(&app, ["env", "--", typed]).exit(1).stdout("").stderr(&expected);
    }
    assert!(!app.join(".silo.lock").exists());
}

#[test]
fn a_name_of_another_root_is_refused_while_that_root_exists() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web)]);
    let (one, two) = (sandbox.project("one", &toml), sandbox.project("two", &toml));
    sandbox.run(&one, ["env", "feature-x"]).success();
    sandbox.run(&two, ["env", "feature-x"]).exit(1).stdout("").stderr(
        "Error: The name `feature-x` belongs to `$SANDBOX/projects/one`\n\
         Hint: Choose another name, or run `silo env OTHER-NAME` there\n",
    );
    assert!(!two.join(".silo.lock").exists());
    fs::remove_dir_all(&one).expect("it is there");
    sandbox.run(&two, ["env", "feature-x"]).success();
    assert_eq!(sandbox.lockfile_ports(&two)["WEB_PORT"], web, "the lease of a root that is gone is free");
    assert_eq!(registry(&sandbox).instances.len(), 1);
    assert_agreed(&sandbox, &two);
}

#[test]
fn another_prefix_makes_another_name() {
    let sandbox = Sandbox::new();
    let one = sandbox.project("one", RANDOM);
    let two = sandbox.project("two", &RANDOM.replacen('\n', "\nprefix = \"other\"\n", 1));
    sandbox.run(&one, ["env", "x"]).success();
    sandbox.run(&two, ["env", "x"]).success();
    let names: Vec<String> = registry(&sandbox).instances.iter().map(silo::core::leases::Instance::qualified).collect();
    assert_eq!(names, ["localnet-x", "other-x"]);
}

#[test]
fn a_new_prefix_does_not_take_the_name_of_another_root() {
    let sandbox = Sandbox::new();
    let one = sandbox.project("one", RANDOM);
    let two = sandbox.project("two", &RANDOM.replacen('\n', "\nprefix = \"other\"\n", 1));
    sandbox.run(&one, ["env", "x"]).success();
    sandbox.run(&two, ["env", "x"]).success();
    let ports = sandbox.lockfile_ports(&two);
    sandbox.project("two", RANDOM);
    // An error or another name: both leave one `localnet-x`, and it is the first one's.
    let _ = sandbox.run(&two, ["env"]);
    assert_sound(&registry(&sandbox));
    assert_agreed(&sandbox, &one);
    assert_eq!(sandbox.lockfile_ports(&two), ports, "this is not a copy: it keeps its ports");
}

#[test]
fn without_its_lockfile_a_new_prefix_does_not_take_the_name_of_another_root_either() {
    let sandbox = Sandbox::new();
    let one = sandbox.project("one", RANDOM);
    let two = sandbox.project("two", &RANDOM.replacen('\n', "\nprefix = \"other\"\n", 1));
    sandbox.run(&one, ["env", "x"]).success();
    sandbox.run(&two, ["env", "x"]).success();
    sandbox.project("two", RANDOM);
    fs::remove_file(two.join(".silo.lock")).expect("it was written");
    let _ = sandbox.run(&two, ["env"]);
    assert_sound(&registry(&sandbox));
    assert_agreed(&sandbox, &one);
}

#[test]
fn a_copied_folder_gets_its_own_name_and_ports_and_the_origin_keeps_its_own() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let one = sandbox.project("one", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", 0)]));
    sandbox.run(&one, ["env"]).success();
    let before = sandbox.lockfile(&one);
    let two = sandbox.dir("two");
    let mut copy = sandbox.command("cp", "");
    copy.args(["-a", "one", "two"]);
    sandbox.finish(copy).success();
    let ran = sandbox.run(&two, ["env"]).success();
    let got = &sandbox.lockfile_ports(&two)["WEB_PORT"];
    assert!(
        ran.stderr.starts_with(
            "The name in `.silo.lock` belongs to `$SANDBOX/projects/one`: this folder gets its own name and ports\n"
        ) && ran.stderr.contains(&format!("WEB_PORT is {got}\n")),
        "{ran:#?}"
    );
    assert!(sandbox.instance(&two).starts_with("two-"), "{}", sandbox.instance(&two));
    assert_ne!(sandbox.lockfile(&two)["instance"]["createdAt"], "", "a copy starts again");
    sandbox.run(&one, ["env"]).success().stderr("");
    assert_eq!(sandbox.lockfile(&one), before);
    assert_sound(&registry(&sandbox));
    assert_agreed(&sandbox, &two);
    sandbox.run(&two, ["env"]).success().stderr("");
}

#[test]
fn the_status_of_a_fresh_copy_is_not_that_of_its_origin() {
    let sandbox = Sandbox::new();
    let one = sandbox.project("one", RANDOM);
    sandbox.run(&one, ["env"]).success();
    let mut copy = sandbox.command("cp", "");
    copy.args(["-a", "one", "two"]);
    sandbox.finish(copy).success();
    let status = sandbox.run("two", ["status"]).success();
    assert!(!status.stdout.contains(&sandbox.instance(&one)), "{status:?}");
}

#[test]
fn a_moved_folder_keeps_its_name_and_ports() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let old = sandbox.project("old", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", 0)]));
    sandbox.run(&old, ["env"]).success();
    let (name, ports) = (sandbox.instance(&old), sandbox.lockfile_ports(&old));
    let new = sandbox.dir("new");
    fs::rename(&old, &new).expect("the sandbox is writable");
    let told = format!("Took over `{name}` from `$SANDBOX/projects/old`, which is gone\n");
    sandbox.run(&new, ["env"]).success().stderr(&told);
    assert_eq!((sandbox.instance(&new), sandbox.lockfile_ports(&new)), (name, ports));
    assert_eq!(registry(&sandbox).instances.len(), 1);
    assert_agreed(&sandbox, &new);
}
