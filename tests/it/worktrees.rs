//! Trust, names and ports across the worktrees of one repository (D5, D6).

use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::{assert_agreed, assert_sound, registry};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

/// A repository with one commit, in a project that nobody trusts yet.
fn repository(sandbox: &Sandbox, name: &str, toml: &str) -> PathBuf {
    let main = sandbox.project(name, toml);
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    sandbox.git(&main, ["init", "--quiet"]);
    commit(sandbox, &main);
    main
}

fn commit(sandbox: &Sandbox, dir: &Path) {
    sandbox.git(dir, ["add", "."]);
    sandbox.git(dir, ["commit", "--quiet", "--message", "change"]);
}

fn worktree(sandbox: &Sandbox, main: &Path, name: &str) -> PathBuf {
    let dir = sandbox.dir(name);
    sandbox.git(main, ["worktree", "add", "--quiet", "--detach", dir.to_str().expect("it is UTF-8")]);
    dir
}

/// What a `cd` would make of it.
fn trust(sandbox: &Sandbox, dir: impl AsRef<Path>) -> String {
    let answer = sandbox.run(dir, ["status", "--json"]).success().bytes;
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("it is JSON");
    answer["trust"].as_str().expect("it is a word").to_owned()
}

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

#[test]
fn one_allow_covers_every_worktree_with_the_same_content() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let feature = worktree(&sandbox, &main, "feature");
    sandbox
        .run(&main, ["allow"])
        .success()
        .stderr("Allowed `$SANDBOX/projects/main/silo.toml` (and the same content in 1 other worktree)\n");
    let later = worktree(&sandbox, &main, "later");
    assert_eq!([trust(&sandbox, &feature), trust(&sandbox, &later)], ["allowed", "allowed"]);
    fs::write(later.join("silo.toml"), RANDOM.replace('A', "B")).expect("the worktree is writable");
    assert_eq!(trust(&sandbox, &later), "changed", "different content is another matter");
    assert_eq!(trust(&sandbox, &feature), "allowed");
}

#[test]
fn an_edit_in_a_covered_worktree_is_told_as_one_and_allow_shows_it() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    sandbox.run(&main, ["allow"]).success();
    let feature = worktree(&sandbox, &main, "feature");
    fs::write(feature.join("silo.toml"), format!("{RANDOM}B =\n")).expect("the worktree is writable");
    sandbox.run(&feature, ["export", "bash"]).success().stderr_has("silo.toml:4:");
    fs::write(feature.join("silo.toml"), format!("{RANDOM}B = 0\n")).expect("the worktree is writable");
    sandbox.run(&feature, ["export", "bash"]).success().stderr_has("silo.toml has changed; `silo allow` trusts it");
    let allowed = "Allowed `$SANDBOX/projects/feature/silo.toml`\n";
    let shown = "--- last allowed\n+++ now\n@@ -3 +3,2 @@\n A = 0\n+B = 0\n";
    sandbox.run(&feature, ["allow"]).success().stderr(&format!("{shown}{allowed}"));
    // What is allowed already has not changed, whatever was allowed last elsewhere.
    let again = "Allowed already: `$SANDBOX/projects/later/silo.toml` (and the same content in 1 other worktree)\n";
    let later = worktree(&sandbox, &main, "later");
    sandbox.run(&later, ["allow"]).success().stderr(again);

    let fresh = worktree(&sandbox, &main, "fresh");
    sandbox.run(&main, ["deny"]).success();
    assert_eq!(trust(&sandbox, &fresh), "unknown", "nothing of it has changed");
}

#[test]
fn a_copied_repository_covers_none_of_the_worktrees_it_still_names() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let feature = worktree(&sandbox, &main, "feature");
    let copy = sandbox.path("projects/copy");
    let copied = sandbox.command("cp", "").arg("-R").args([&main, &copy]).status().expect("cp starts");
    assert!(copied.success());
    sandbox.run(&copy, ["allow"]).success().stderr("Allowed `$SANDBOX/projects/copy/silo.toml`\n");
    assert_eq!([trust(&sandbox, &feature), trust(&sandbox, &main)], ["unknown", "unknown"]);
}

#[test]
fn an_allow_in_a_worktree_covers_the_main_one_too() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let feature = worktree(&sandbox, &main, "feature");
    sandbox.run(&feature, ["allow"]).success();
    assert_eq!(trust(&sandbox, &main), "allowed");
}

#[test]
fn the_same_content_at_another_place_is_not_covered() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    for place in ["one", "two"] {
        fs::create_dir(main.join(place)).expect("the project is writable");
        fs::write(main.join(place).join("silo.toml"), RANDOM).expect("the project is writable");
    }
    commit(&sandbox, &main);
    let feature = worktree(&sandbox, &main, "feature");
    sandbox.run(main.join("one"), ["allow"]).success();
    assert_eq!(trust(&sandbox, feature.join("one")), "allowed");
    assert_eq!(trust(&sandbox, feature.join("two")), "unknown");
    assert_eq!(trust(&sandbox, &feature), "unknown");
}

#[test]
fn deny_takes_it_back_in_every_worktree() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let feature = worktree(&sandbox, &main, "feature");
    sandbox.run(&main, ["allow"]).success();
    let export = sandbox.run(&feature, ["export", "bash"]).success();
    assert!(export.stdout.contains(" A='"), "{export:#?}");
    let told = |dir: &Path| sandbox.run(dir, ["deny"]).success().stderr;
    assert!(told(&main).ends_with("\nThe same content in 1 other worktree is not trusted any more either\n"));
    assert_eq!([trust(&sandbox, &main), trust(&sandbox, &feature)], ["denied", "unknown"]);
    assert_eq!(told(&main).lines().count(), 1, "nobody loses anything");
    let export = sandbox.run(&feature, ["export", "bash"]).success();
    assert!(!export.stdout.contains(" A='"), "{export:#?}");
    sandbox.run(&main, ["allow"]).success();
    let separately = "\n1 other worktree was allowed separately and stays trusted: `silo deny` there\n";
    assert!(told(&feature).ends_with(separately), "the main one was allowed itself");
    assert_eq!(trust(&sandbox, &feature), "denied");
    let denied =
        "Allowed already: `$SANDBOX/projects/main/silo.toml`\n1 other worktree stays denied: `silo allow` there\n";
    sandbox.run(&main, ["allow"]).success().stderr(denied);
    assert_eq!(trust(&sandbox, &feature), "denied");
}

#[test]
fn deny_takes_back_what_was_allowed_with_earlier_content_too() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let old = worktree(&sandbox, &main, "old");
    sandbox.run(&main, ["allow"]).success();
    fs::write(main.join("silo.toml"), RANDOM.replace('A', "B")).expect("the project is writable");
    sandbox.run(&main, ["allow"]).success();
    assert_eq!(trust(&sandbox, &old), "allowed", "it still has the content that was allowed first");
    sandbox.run(&old, ["deny"]).success();
    assert_eq!([trust(&sandbox, &old), trust(&sandbox, &main)], ["denied", "allowed"]);
    let later = worktree(&sandbox, &main, "later");
    assert_eq!(trust(&sandbox, &later), "changed", "what was allowed last still is");
}

#[test]
fn a_forged_git_file_gains_nothing() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let genuine = worktree(&sandbox, &main, "genuine");
    sandbox.run(&main, ["allow"]).success();
    let forged = sandbox.project("forged", RANDOM);
    let genuine_link = fs::read_to_string(genuine.join(".git")).expect("it is a file");
    let common = main.join(".git");
    let own_admin = forged.join("admin");
    fs::create_dir(&own_admin).expect("the sandbox is writable");
    fs::write(own_admin.join("gitdir"), format!("{}\n", forged.join(".git").display())).expect("writable");
    fs::write(own_admin.join("commondir"), format!("{}\n", common.display())).expect("writable");
    let links = [
        genuine_link,
        format!("gitdir: {}\n", common.display()),
        format!("gitdir: {}\n", common.join("worktrees").display()),
        format!("gitdir: {}\n", own_admin.display()),
        "gitdir: ../main/.git/worktrees/../worktrees/genuine\n".to_owned(),
        "gitdir: \n".to_owned(),
        String::new(),
    ];
    for link in links {
        fs::write(forged.join(".git"), &link).expect("the sandbox is writable");
        assert_eq!(trust(&sandbox, &forged), "unknown", "{link}");
    }
    fs::remove_file(forged.join(".git")).expect("it was written");
    std::os::unix::fs::symlink(genuine.join(".git"), forged.join(".git")).expect("the sandbox is writable");
    assert_eq!(trust(&sandbox, &forged), "unknown", "a link to a genuine .git file");
    assert_eq!(trust(&sandbox, &genuine), "allowed");
}

#[test]
fn a_git_folder_that_is_a_link_to_an_allowed_repository_gains_nothing() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    sandbox.run(&main, ["allow"]).success();
    let forged = sandbox.project("forged", RANDOM);
    std::os::unix::fs::symlink(main.join(".git"), forged.join(".git")).expect("the sandbox is writable");
    assert_eq!(trust(&sandbox, &forged), "unknown");
}

#[test]
fn a_submodule_and_a_clone_are_other_repositories() {
    let sandbox = Sandbox::new();
    let library = repository(&sandbox, "library", RANDOM);
    let main = repository(&sandbox, "main", RANDOM);
    sandbox.git(&main, ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "library"]);
    sandbox.git("", ["clone", "--quiet", "library", "clone"]);
    sandbox.run(&library, ["allow"]).success();
    sandbox.run(&main, ["allow"]).success();
    assert_eq!([trust(&sandbox, main.join("library")), trust(&sandbox, "clone")], ["unknown", "unknown"]);
}

#[test]
fn a_bare_repository_with_worktrees_is_one_repository() {
    let sandbox = Sandbox::new();
    let seed = repository(&sandbox, "seed", RANDOM);
    sandbox.git("", ["clone", "--quiet", "--bare", "seed", "bare.git"]);
    let bare = sandbox.dir("bare.git");
    let (one, two) = (worktree(&sandbox, &bare, "one"), worktree(&sandbox, &bare, "two"));
    sandbox.run(&one, ["allow"]).success();
    assert_eq!([trust(&sandbox, &two), trust(&sandbox, &seed)], ["allowed", "unknown"]);
}

#[test]
fn a_moved_worktree_is_believed_once_git_knows() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "main", RANDOM);
    let old = worktree(&sandbox, &main, "old");
    sandbox.run(&main, ["allow"]).success();
    let new = sandbox.dir("new");
    fs::rename(&old, &new).expect("the sandbox is writable");
    assert_eq!(trust(&sandbox, &new), "unknown");
    sandbox.git(
        &main,
        ["worktree", "repair", "--quiet", new.to_str().expect("it is UTF-8")].iter().filter(|word| **word != "--quiet"),
    );
    assert_eq!(trust(&sandbox, &new), "allowed");
}

#[test]
fn each_worktree_has_its_own_name_and_ports() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let main = repository(&sandbox, "main", &toml_with_ports(&[("WEB_PORT", web)]));
    let feature = worktree(&sandbox, &main, "feature");
    sandbox.run(&main, ["env"]).success();
    sandbox.run(&feature, ["env"]).success();
    assert!(sandbox.instance(&feature).starts_with("main-feature-"), "{}", sandbox.instance(&feature));
    assert_eq!(sandbox.lockfile_ports(&main)["WEB_PORT"], web);
    assert_sound(&registry(&sandbox));
    assert_agreed(&sandbox, &main);
    assert_agreed(&sandbox, &feature);
}

#[test]
fn a_worktree_below_the_project_whose_branch_has_no_config_is_told_until_it_has_one() {
    let sandbox = Sandbox::new();
    let main = sandbox.dir("app");
    fs::create_dir(&main).expect("the sandbox is writable");
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\ntrees\n").expect("the project is writable");
    sandbox.git(&main, ["init", "--quiet"]);
    commit(&sandbox, &main);
    let old = worktree(&sandbox, &main, "app/trees/old");
    fs::create_dir(old.join("deep")).expect("it is there");
    sandbox.trusted("app", RANDOM);
    sandbox.run(&main, ["env", "main"]).success();
    let told = "Warning: The worktree `$SANDBOX/projects/app/trees/old` has no `silo.toml`: this is the instance of \
                `$SANDBOX/projects/app`; for one of its own: `cp $SANDBOX/projects/app/silo.toml \
                $SANDBOX/projects/app/trees/old`\n";
    let name = |dir: &Path, told: &str| {
        sandbox.run(dir, ["exec", "printenv", "WORKSPACE_NAME"]).success().stderr(told).stdout.trim_end().to_owned()
    };
    assert_eq!(name(&old.join("deep"), told), "main");
    // A shell hears of it as it enters, a script that evaluates the variables does not.
    let told = "silo: `$SANDBOX/projects/app/trees/old` has no `silo.toml`: this is the instance of `$SANDBOX/projects/app`; \
                for one of its own: `cp $SANDBOX/projects/app/silo.toml $SANDBOX/projects/app/trees/old`\n";
    let entered = |dir: &Path, args: &[&str]| sandbox.run(dir, args).success().stderr;
    assert!(entered(&old, &["export", "bash", "--seen", ""]).ends_with(told));
    assert_eq!(entered(&old, &["export", "bash"]), "");
    assert_eq!(entered(&main.join("trees"), &["export", "bash", "--seen", ""]).lines().count(), 1);
    let doctor = sandbox.run(&old, ["doctor"]).exit(1);
    assert!(doctor.stdout.contains("[worktree-without-config]"), "{doctor:#?}");
    sandbox.run(&main, ["exec", "-C", "trees", "true"]).success().stderr("");
    // What is asked for by name is meant.
    sandbox.run(&old, ["-c", "../../silo.toml", "exec", "true"]).success().stderr("");
    fs::copy(main.join("silo.toml"), old.join("silo.toml")).expect("it is ours");
    sandbox.run(&old, ["env"]).success();
    assert_ne!(name(&old, ""), "main");
    assert_eq!(trust(&sandbox, &old), "allowed");
}

#[test]
fn a_worktree_without_a_config_is_led_to_that_of_another() {
    let sandbox = Sandbox::new();
    let main = sandbox.dir("app");
    fs::create_dir(&main).expect("the sandbox is writable");
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    sandbox.git(&main, ["init", "--quiet"]);
    commit(&sandbox, &main);
    let old = worktree(&sandbox, &main, "old");
    let deep = old.join("deep");
    fs::create_dir(&deep).expect("it is there");
    let hint = |hint: &str| {
        let told = format!("Error: No `silo.toml` in `$SANDBOX/projects/old/deep` or above\nHint: {hint}\n");
        sandbox.run(&deep, ["env"]).exit(1).stderr(&told);
    };
    hint("Run `silo init` in the project's folder to make one");
    sandbox.trusted("app", RANDOM);
    hint(
        "Another worktree has one; until this branch has it, too: \
         `cp $SANDBOX/projects/app/silo.toml $SANDBOX/projects/old`",
    );
    fs::copy(main.join("silo.toml"), old.join("silo.toml")).expect("it is ours");
    assert_eq!(trust(&sandbox, &old), "allowed");
}
