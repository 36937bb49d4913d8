//! The names instances get in git worktrees: after repository and branch, chosen once, and never shared.

use std::fs;
use std::path::{Path, PathBuf};

use crate::machine::{assert_agreed, assert_sound, registry};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

const TOML: &str = "version = 1\n[ports]\nA = 0\n";

/// A repository with one commit and a `silo.toml` in each of these folders.
fn repository(sandbox: &Sandbox, name: &str, projects: &[&str]) -> PathBuf {
    let main = sandbox.dir(name);
    fs::create_dir_all(&main).expect("the sandbox is writable");
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    fs::write(main.join("text"), "first\n").expect("the project is writable");
    for project in projects {
        sandbox.project(main.join(project), TOML);
    }
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "first"]);
    main
}

fn app(sandbox: &Sandbox) -> PathBuf {
    repository(sandbox, "app", &[""])
}

/// A worktree on a new branch.
fn worktree(sandbox: &Sandbox, main: &Path, folder: &str, branch: &str) -> PathBuf {
    let dir = sandbox.dir(folder);
    sandbox.git(main, ["worktree", "add", "--quiet", "-b", branch, dir.to_str().expect("it is UTF-8")]);
    dir
}

/// The name the instance of a folder has once it is settled.
fn name(sandbox: &Sandbox, dir: impl AsRef<Path>) -> String {
    sandbox.run(&dir, ["env"]).success();
    sandbox.instance(dir)
}

/// What follows the last dash of a name that has this before it.
#[track_caller]
fn end<'a>(name: &'a str, start: &str) -> &'a str {
    name.strip_prefix(start).unwrap_or_else(|| panic!("{name} does not start with {start}"))
}

fn is_chance(end: &str) -> bool {
    end.len() == 4 && end.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}

fn is_hash(end: &str) -> bool {
    end.len() == 6 && end.chars().all(|c| c.is_ascii_hexdigit())
}

#[test]
fn a_worktree_is_named_after_the_repository_and_the_branch_and_its_clone_after_the_folder() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let login = worktree(&sandbox, &main, "somewhere/else", "feature/login");
    assert_eq!(name(&sandbox, &login), "app-feature-login");
    assert_agreed(&sandbox, &login);
    let own = name(&sandbox, &main);
    assert!(own != "app-main" && is_chance(end(&own, "app-")), "{own}");
}

#[test]
fn branches_that_look_alike_have_names_of_their_own() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let long = "x".repeat(120);
    let branches =
        ["feature/x", "feature-x", "feature/X", "日本", "日本語", "ünï", "a.b", "a_b", &long, &format!("{long}y")];
    let mut names: Vec<String> = Vec::new();
    for (number, branch) in branches.into_iter().enumerate() {
        let dir = worktree(&sandbox, &main, &format!("w{number}"), branch);
        names.push(name(&sandbox, &dir));
        assert!(names[number].len() <= 63 && names[number].starts_with("app-"), "{names:?}");
        assert_agreed(&sandbox, &dir);
    }
    assert_eq!(names[0], "app-feature-x");
    assert!(names[1..].iter().all(|name| is_hash(name.rsplit('-').next().unwrap_or_default())), "{names:?}");
    assert_sound(&registry(&sandbox));
}

#[test]
fn a_branch_gets_the_same_name_again_where_nothing_is_remembered() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    for (folder, branch) in [("a", "feature-x"), ("b", "日本")] {
        let dir = worktree(&sandbox, &main, folder, branch);
        let before = name(&sandbox, &dir);
        fs::remove_file(dir.join(".silo.lock")).expect("it was written");
        fs::remove_dir_all(sandbox.path("state/silo")).expect("it was made");
        assert_eq!(name(&sandbox, &dir), before);
    }
}

/// A worktree without a branch.
fn loose(sandbox: &Sandbox, main: &Path, folder: &str) -> PathBuf {
    let dir = sandbox.dir(folder);
    sandbox.git(main, ["worktree", "add", "--quiet", "--detach", dir.to_str().expect("it is UTF-8")]);
    dir
}

#[test]
fn without_a_branch_the_folder_and_chance_give_the_name() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let folders = ["one/ci", "two/ci", "three/app"].map(|folder| loose(&sandbox, &main, folder));
    let branch = worktree(&sandbox, &main, "branch", "ci");
    let names = folders.each_ref().map(|folder| name(&sandbox, folder));
    assert!(names[..2].iter().all(|name| is_chance(end(name, "app-ci-"))) && names[0] != names[1], "{names:?}");
    assert!(is_chance(end(&names[2], "app-")), "{names:?}");
    assert_eq!(name(&sandbox, &branch), "app-ci", "a branch of that name is something else");
    fs::remove_file(folders[0].join(".silo.lock")).expect("it was written");
    assert_eq!(name(&sandbox, &folders[0]), names[0], "the registry remembers");
}

#[test]
fn a_worktree_without_a_branch_inherits_nothing_of_one_whose_id_git_gives_out_again() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let first = loose(&sandbox, &main, "one/ci");
    let id = |dir: &Path| fs::read_to_string(dir.join(".git")).expect("git wrote it");
    let (before, id_before, ports) = (name(&sandbox, &first), id(&first), sandbox.lockfile_ports(&first));
    sandbox.git(&main, ["worktree", "remove", "--force", "../one/ci"]);
    let second = loose(&sandbox, &main, "two/ci");
    assert_eq!(id(&second), id_before, "git gives the id out again");
    sandbox.run(&second, ["env"]).success().stderr("Writing `.localnet.env`\nWriting `.silo.lock`\n");
    assert_ne!(sandbox.instance(&second), before);
    assert_ne!(sandbox.lockfile_ports(&second), ports, "the first one's leases are kept until it is pruned");
    let leases = registry(&sandbox);
    assert_sound(&leases);
    assert_eq!(leases.instances.len(), 2, "{leases:#?}");
    assert_agreed(&sandbox, &second);
}

/// As tools do that have one folder for each of their tasks.
#[test]
fn a_worktree_at_the_path_of_a_removed_one_inherits_nothing_but_of_the_same_branch() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let remove = || sandbox.git(&main, ["worktree", "remove", "--force", "../task"]);
    let first = worktree(&sandbox, &main, "task", "one");
    assert_eq!(name(&sandbox, &first), "app-one");
    let ports = sandbox.lockfile_ports(&first);
    remove();
    let again = || sandbox.git(&main, ["worktree", "add", "--quiet", "../task", "one"]);
    again();
    assert_eq!((name(&sandbox, &first), sandbox.lockfile_ports(&first)), ("app-one".to_owned(), ports));
    // What a clean takes away is no reason to forget.
    fs::remove_file(first.join(".silo.lock")).expect("it was written");
    sandbox.git(&first, ["switch", "--quiet", "--create", "elsewhere"]);
    assert_eq!(name(&sandbox, &first), "app-one");
    remove();
    worktree(&sandbox, &main, "task", "two");
    assert_eq!(name(&sandbox, &first), "app-two");
    assert_agreed(&sandbox, &first);
    remove();
    let detached = name(&sandbox, loose(&sandbox, &main, "task"));
    assert!(is_chance(end(&detached, "app-task-")), "{detached}");
    remove();
    let other = name(&sandbox, loose(&sandbox, &main, "task"));
    assert!(is_chance(end(&other, "app-task-")) && other != detached, "{other}");
    assert_sound(&registry(&sandbox));
    // A lockfile that a tool copies there is another's.
    let main_name = name(&sandbox, &main);
    remove();
    worktree(&sandbox, &main, "task", "three");
    fs::copy(main.join(".silo.lock"), first.join(".silo.lock")).expect("the worktree is writable");
    assert_eq!(name(&sandbox, &first), "app-three");
    assert_eq!(sandbox.instance(&main), main_name);
}

#[test]
fn a_name_stays_through_a_rebase_a_bisect_and_a_switch() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let dir = worktree(&sandbox, &main, "work", "feature/login");
    assert_eq!(name(&sandbox, &dir), "app-feature-login");
    let commit = |dir: &Path, text: &str| {
        fs::write(dir.join("text"), text).expect("the worktree is writable");
        sandbox.git(dir, ["commit", "--quiet", "--all", "--message", text]);
    };
    commit(&main, "theirs\n");
    commit(&dir, "ours\n");

    let mut rebase = sandbox.command("git", &dir);
    rebase.args(["-c", "user.name=tester", "-c", "user.email=tester@example.com", "rebase", "--quiet", "main"]);
    let _ = sandbox.finish(rebase).exit(1);
    let head = fs::read_to_string(main.join(".git/worktrees/work/HEAD")).expect("it is there");
    assert!(!head.starts_with("ref:"), "the rebase goes on: {head}");
    assert_eq!(name(&sandbox, &dir), "app-feature-login");
    fs::remove_file(dir.join(".silo.lock")).expect("it was written");
    assert_eq!(name(&sandbox, &dir), "app-feature-login", "the registry remembers");
    sandbox.git(&dir, ["rebase", "--abort"]);

    sandbox.git(&dir, ["bisect", "start", "HEAD", "HEAD~1"]);
    assert_eq!(name(&sandbox, &dir), "app-feature-login");
    sandbox.git(&dir, ["bisect", "reset"]);

    sandbox.git(&dir, ["switch", "--quiet", "--create", "other"]);
    assert_eq!(name(&sandbox, &dir), "app-feature-login");
    let again = sandbox.dir("again");
    let again_text = again.to_str().expect("it is UTF-8");
    sandbox.git(&main, ["worktree", "add", "--quiet", again_text, "feature/login"]);
    let second = name(&sandbox, &again);
    assert!(is_chance(end(&second, "app-feature-login-")), "the first one keeps its name: {second}");
    assert_sound(&registry(&sandbox));
}

#[test]
fn a_moved_worktree_keeps_name_and_ports() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let main = app(&sandbox);
    let old = worktree(&sandbox, &main, "old", "feature/login");
    fs::write(old.join("silo.toml"), toml_with_ports(&[("A", port), ("B", 0)])).expect("the worktree is writable");
    assert_eq!(name(&sandbox, &old), "app-feature-login");
    let ports = sandbox.lockfile_ports(&old);
    let new = sandbox.dir("new");
    sandbox.git(&main, ["worktree", "move", "../old", "../new"]);
    let told = "Took over `app-feature-login` from `$SANDBOX/projects/old`, which is gone\n";
    sandbox.run(&new, ["env"]).success().stderr(told);
    assert_eq!(sandbox.instance(&new), "app-feature-login");
    assert_eq!(sandbox.lockfile_ports(&new), ports);
    assert_agreed(&sandbox, &new);
}

#[test]
fn two_clones_with_one_branch_do_not_share_a_name() {
    let sandbox = Sandbox::new();
    app(&sandbox);
    let names = ["one", "two"].map(|parent| {
        let clone = sandbox.dir(parent).join("app");
        sandbox.git("", ["clone", "--quiet", "app", clone.to_str().expect("it is UTF-8")]);
        name(&sandbox, worktree(&sandbox, &clone, &format!("{parent}/login"), "feature/login"))
    });
    assert_eq!(names[0], "app-feature-login");
    assert!(is_chance(end(&names[1], "app-feature-login-")), "{names:?}");
    assert_sound(&registry(&sandbox));
}

#[test]
fn a_branch_that_comes_back_gets_its_name_back() {
    let sandbox = Sandbox::new();
    let main = app(&sandbox);
    let first = worktree(&sandbox, &main, "first", "feature/login");
    assert_eq!(name(&sandbox, &first), "app-feature-login");
    sandbox.git(&main, ["worktree", "remove", "../first"]);
    let second = sandbox.dir("second");
    sandbox.git(&main, ["worktree", "add", "--quiet", "../second", "feature/login"]);
    assert_eq!(name(&sandbox, &second), "app-feature-login");
    assert_eq!(registry(&sandbox).instances.len(), 1, "the one that is gone gave it up");
    assert_agreed(&sandbox, &second);
}

#[test]
fn a_bare_repository_gives_its_own_name_or_that_of_the_folder_it_hides_in() {
    let sandbox = Sandbox::new();
    app(&sandbox);
    for (bare, folder, expected) in
        [("shop.git", "w/one", "shop-feature-login"), ("site/.bare", "site/two", "site-two")]
    {
        let bare = sandbox.dir(bare);
        sandbox.git("", ["clone", "--quiet", "--bare", "app", bare.to_str().expect("it is UTF-8")]);
        let branch = if expected.ends_with("login") { "feature/login" } else { "two" };
        assert_eq!(name(&sandbox, worktree(&sandbox, &bare, folder, branch)), expected);
    }
}

#[test]
fn a_project_below_the_top_tells_its_way_too() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "shop", &["", "services/api", "web/api"]);
    let work = worktree(&sandbox, &main, "work", "feature/login");
    let names = ["", "services/api", "web/api"].map(|project| name(&sandbox, work.join(project)));
    assert_eq!(names, ["shop-feature-login", "shop-services-api-feature-login", "shop-web-api-feature-login"]);
    assert!(is_chance(end(&name(&sandbox, main.join("web/api")), "api-")));
}

#[test]
fn a_submodule_and_a_forged_worktree_are_none() {
    let sandbox = Sandbox::new();
    let library = repository(&sandbox, "library", &[""]);
    let main = app(&sandbox);
    sandbox.git(&main, ["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", "../library", "part"]);
    assert!(is_chance(end(&name(&sandbox, main.join("part")), "part-")));
    let genuine = worktree(&sandbox, &library, "genuine", "feature/login");
    let forged = sandbox.project("forged", TOML);
    fs::copy(genuine.join(".git"), forged.join(".git")).expect("the sandbox is writable");
    assert!(is_chance(end(&name(&sandbox, &forged), "forged-")));
}

#[test]
fn a_typed_name_goes_before_and_a_clean_end_lets_the_branch_name_it_again() {
    let sandbox = Sandbox::new();
    let dir = worktree(&sandbox, &app(&sandbox), "work", "feature/login");
    sandbox.run(&dir, ["env", "mine"]).success();
    assert_eq!(name(&sandbox, &dir), "mine");
    sandbox.git(&dir, ["switch", "--quiet", "--create", "feature/logout"]);
    sandbox.run(&dir, ["down", "--clean"]).success();
    assert_eq!(name(&sandbox, &dir), "app-feature-logout");
}
