//! Workspaces that are copies: without git, with `--copy`, and from templates.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use crate::sandbox::Sandbox;
use crate::workspaces::{Repository, commit, names};

const TOML: &str = "version = 1\n[ports]\nA = 0\n";

#[test]
fn a_project_without_git_is_copied_with_an_instance_of_its_own() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", TOML);
    fs::create_dir_all(app.join("data/deep")).expect("it is ours");
    fs::write(app.join("data/deep/file"), "one\n").expect("it is ours");
    symlink(app.join("data"), app.join("link")).expect("it is ours");
    sandbox.run(&app, ["env"]).success();
    let before = (names(&sandbox.path("state/silo/instances")), names(&sandbox.dir("")));
    sandbox.run(&app, ["new", "x", "--from", "main"]).exit(1).stderr_has("there is no git repository here");
    sandbox.run(&app, ["new", "try it"]).success().stdout_has("Folder: $SANDBOX/projects/app.try-it\n");
    let copy = sandbox.dir("app.try-it");
    assert_eq!(fs::read_to_string(copy.join("data/deep/file")).expect("it came"), "one\n");
    assert_eq!(fs::read_link(copy.join("link")).expect("it came"), copy.join("data"));
    assert_ne!(sandbox.instance(&copy), sandbox.instance(&app));
    sandbox.run(&app, ["run", "try it", "--", "cat", "data/deep/file"]).success().stdout("one\n");
    fs::write(copy.join("data/new"), "mine\n").expect("it is ours");
    fs::write(copy.join("data/deep/file"), "mine\n").expect("it is ours");
    let kept = sandbox.run(&app, ["rm", "try it"]).exit(1);
    kept.stderr_has("  | changed or new since it was copied: data/new, data/deep/file\n");
    sandbox.run(&app, ["rm", "--force", "--yes", "try it"]).success();
    sandbox.run(&app, ["run", "x", "--rm", "--", "true"]).success();
    assert_eq!((names(&sandbox.path("state/silo/instances")), names(&sandbox.dir(""))), before);
    assert_eq!(fs::read_to_string(app.join("data/deep/file")).expect("it is there"), "one\n");
}

#[test]
fn a_copy_of_a_repository_is_one_of_its_own_and_knows_no_worktree_of_the_other() {
    let repository = Repository::new();
    let (sandbox, main) = (&repository.sandbox, &repository.main);
    sandbox.git(main, ["worktree", "add", "--quiet", "inside/other"]);
    fs::write(main.join("not committed"), "mine\n").expect("it is ours");
    repository.silo("new x --copy").success();
    let copy = sandbox.dir("app.x");
    assert!(copy.join("not committed").is_file() && !copy.join("inside/other").exists());
    let mut git = sandbox.command("git", &copy);
    git.args(["worktree", "list"]);
    assert_eq!(sandbox.finish(git).success().stdout.lines().count(), 1);
    fs::write(copy.join("file"), "two\n").expect("it is ours");
    commit(sandbox, &copy);
    let kept = repository.silo("rm x").exit(1).stderr;
    assert!(kept.contains("changed or new since it was copied: "), "{kept}");
    repository.silo("rm --force --yes x").success();
    sandbox.git(main, ["worktree", "remove", "inside/other"]);
}

#[test]
fn nothing_is_copied_of_what_is_not_trusted() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", TOML);
    fs::write(app.join(".env"), "SECRET=1\n").expect("it is ours");
    sandbox.run(&app, ["new", "x"]).exit(3).stderr_has("is not trusted, so no copy is made of what lies beside it");
    assert_eq!(names(&sandbox.dir("")), ["app"]);
    assert!(!sandbox.path("state/silo/workspaces").exists());
}

fn template(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path("config/silo/templates/web");
    fs::create_dir_all(folder.join("src")).expect("it is ours");
    let toml = format!("{TOML}[workspace]\nrender = [\"src/*\"]\ninit = [\"echo $A > made\"]\n");
    fs::write(folder.join("silo.toml"), toml).expect("it is ours");
    fs::write(folder.join("src/settings"), "port ${A}, ${UNKNOWN}\n").expect("it is ours");
    folder
}

#[test]
fn a_template_is_copied_filled_and_begun() {
    let sandbox = Sandbox::new();
    sandbox.run("", ["templates"]).success().stdout_has("No template yet.");
    template(&sandbox);
    sandbox.run("", ["templates"]).success().stdout("TEMPLATE  MAKES\nweb       workspaces\n");
    sandbox.run("", ["new", "shop", "--template", "web"]).success().stdout_has("Folder: $SANDBOX/projects/web.shop\n");
    let shop = sandbox.dir("web.shop");
    let port = sandbox.lockfile_ports(&shop)["A"];
    assert_eq!(
        fs::read_to_string(shop.join("src/settings")).expect("it is there"),
        format!("port {port}, ${{UNKNOWN}}\n")
    );
    assert_eq!(fs::read_to_string(shop.join("made")).expect("init ran"), format!("{port}\n"));
    sandbox.run("", ["run", "shop", "--", "sh", "-c", "echo $A"]).success().stdout(&format!("{port}\n"));
    sandbox.run("", ["rm", "shop"]).success();
    assert_eq!(names(&sandbox.dir("")), [""; 0]);
}

#[test]
fn a_template_whose_name_or_link_leads_out_is_refused() {
    let sandbox = Sandbox::new();
    let web = template(&sandbox);
    for name in ["../web", "..", ".", "", "web/src", "none"] {
        let ran = sandbox.run("", ["new", "x", "--template", name]).exit(1);
        ran.stderr_has("There is no template `").stderr_has("Hint: There are: web\n");
    }
    for target in ["/etc/passwd", "../../../home", "nowhere"] {
        symlink(target, web.join("src/link")).expect("it is ours");
        let ran = sandbox.run("", ["new", "x", "--template", "web"]).exit(1);
        ran.stderr_has("templates/web/src/link` leads out of the template");
        fs::remove_file(web.join("src/link")).expect("it is there");
    }
    symlink("settings", web.join("src/link")).expect("it is ours");
    sandbox.run("", ["new", "x", "--template", "web"]).success();
    assert_eq!(names(&sandbox.dir("")), ["web.x"]);
}
