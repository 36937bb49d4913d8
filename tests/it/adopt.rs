//! `silo adopt`: a worktree that others made is filled from the main checkout, and nothing of it without trust (D30, D6).

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use crate::sandbox::{Sandbox, free_ports};

/// A trusted repository whose `[workspace]` says this, and a worktree of it.
pub(crate) fn repository(sandbox: &Sandbox, workspace: &str) -> (PathBuf, PathBuf) {
    let [port] = free_ports();
    let toml = format!("version = 1\n[ports]\nWEB_PORT = {port}\n[workspace]\n{workspace}\n");
    let main = sandbox.project("main", &toml);
    let ignored = ".silo.lock\n.localnet.env\n.env*\n!.env.example\n/data\ncerts/\nnode_modules/\n*.local.*\n";
    write(&main, ".gitignore", ignored);
    write(&main, "config/app.json", "{}\n");
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "first"]);
    sandbox.run(&main, ["allow"]).success();
    let feature = sandbox.dir("feature");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "feature", feature.to_str().expect("it is UTF-8")]);
    (main, feature)
}

pub(crate) fn write(dir: &Path, path: impl AsRef<Path>, text: impl AsRef<[u8]>) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("the sandbox is writable");
    fs::write(path, text).expect("the sandbox is writable");
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    String::from_utf8_lossy(&fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display())))
        .into_owned()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).expect("it is there").permissions().mode() & 0o777
}

/// What is in a folder besides git's and silo's own, sorted.
pub(crate) fn tree(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("it is readable") {
            let path = entry.expect("it is readable").path();
            let place = path.strip_prefix(dir).expect("it is below").to_string_lossy().into_owned();
            if [".git", ".gitignore", "silo.toml", ".silo.lock", ".localnet.env", "config/app.json"]
                .contains(&place.as_str())
            {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else {
                found.push(place);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn env_files_come_along_and_nothing_of_dependencies() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "");
    write(&main, ".env", "TOKEN=hush\n");
    write(&main, "api/.env.local", "A=1\n");
    write(&main, "node_modules/x/.env", "NO=1\n");
    write(&main, "data/big", "NO");
    fs::set_permissions(main.join(".env"), fs::Permissions::from_mode(0o644)).expect("it is ours");
    let ran = sandbox.run(&feature, ["adopt"]).success();
    assert_eq!(ran.stdout, "Instance: main-feature in $SANDBOX/projects/feature\n");
    assert!(ran.stderr.ends_with("Copied 2 files from `$SANDBOX/projects/main`\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("hush"), "{}", ran.stderr);
    assert_eq!(tree(&feature), [".env", "api/.env.local"]);
    assert_eq!((read(feature.join(".env")), mode(&feature.join(".env"))), ("TOKEN=hush\n".to_owned(), 0o600));
    // What is there stays, and a second call has nothing to do.
    write(&feature, ".env", "TOKEN=mine\n");
    sandbox.run(&feature, ["adopt"]).success().stderr("Everything is there already\n");
    assert_eq!(read(feature.join(".env")), "TOKEN=mine\n");
}

#[test]
fn without_trust_nothing_is_copied_and_nothing_runs() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "init = ['touch ran']\nrender = ['.env']\nclone = ['node_modules']\n");
    write(&main, ".env", "TOKEN=hush\n");
    write(&main, "node_modules/a", "a");
    let toml = read(feature.join("silo.toml"));
    write(&feature, "silo.toml", format!("{toml}# a stranger's\n"));
    let ran = sandbox.run(&main, ["adopt", "../feature", "--json"]).exit(3);
    assert_eq!(ran.stdout, "");
    assert_eq!(
        ran.stderr,
        "Error: `$SANDBOX/projects/feature/silo.toml` has changed since it was trusted: nothing was copied, and nothing was run\n\
         Hint: Look at it, then `silo allow $SANDBOX/projects/feature` and `silo adopt $SANDBOX/projects/feature`\n"
    );
    assert_eq!(tree(&feature), [""; 0]);
    assert!(!feature.join(".silo.lock").exists(), "no instance was made");
    sandbox.run(&feature, ["deny"]).success();
    sandbox.run(&feature, ["adopt"]).exit(3);
    sandbox.run(&feature, ["allow"]).success();
    sandbox.run(&feature, ["adopt", "--copy-slow"]).success();
    assert_eq!(tree(&feature), [".env", "node_modules/a", "ran"]);
}

#[test]
fn copy_says_which_and_the_include_file_does_where_it_does_not() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "");
    write(&main, ".env", "");
    write(&main, "certs/a/dev.pem", "");
    write(&main, "certs/old.pem", "");
    write(&main, "config/app.local.json", "");
    write(&main, ".worktreeinclude", "# as others read it\ncerts/\n!old.pem\n*.local.json\n");
    sandbox.run(&feature, ["adopt"]).success();
    assert_eq!(tree(&feature), ["certs/a/dev.pem", "config/app.local.json"]);
    let none = sandbox.dir("none");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "none", none.to_str().expect("it is UTF-8")]);
    let toml = read(none.join("silo.toml"));
    write(&none, "silo.toml", format!("{toml}copy = []\n"));
    sandbox.run(&none, ["allow"]).success();
    sandbox.run(&none, ["adopt"]).success();
    assert_eq!(tree(&none), [""; 0]);
    write(&none, "silo.toml", format!("{toml}copy = ['.env', 'config/*']\n"));
    sandbox.run(&none, ["allow"]).success();
    sandbox.run(&none, ["adopt"]).success();
    assert_eq!(tree(&none), [".env", "config/app.local.json"]);
}

#[test]
fn links_are_made_again_and_never_followed() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "copy = ['.env', '.env.near', '.env.far', 'certs/**', 'data/x/y']\n");
    let outside = sandbox.path("outside");
    write(&outside, "secret", "hush");
    symlink("../shared/.env", main.join(".env")).expect("it is ours");
    symlink(main.join("config/app.json"), main.join(".env.near")).expect("it is ours");
    symlink(outside.join("secret"), main.join(".env.far")).expect("it is ours");
    // Folders behind links: of the source they are not looked into, of the worktree nothing is written through them.
    symlink(&outside, main.join("certs")).expect("it is ours");
    write(&main, "data/x/y", "y");
    fs::create_dir(feature.join("data")).expect("it is ours");
    symlink(&outside, feature.join("data/x")).expect("it is ours");
    let ran = sandbox.run(&feature, ["adopt"]).success();
    let leads = |path: &str| fs::read_link(feature.join(path)).expect("it is a link");
    assert_eq!(leads(".env"), Path::new("../shared/.env"));
    assert_eq!(
        leads(".env.near"),
        feature.join("config/app.json"),
        "what leads into the main checkout leads into this one"
    );
    assert_eq!(leads(".env.far"), outside.join("secret"));
    assert_eq!(fs::read_dir(&outside).expect("it is there").count(), 1);
    assert!(
        ran.stderr.contains("Warning: Left out `data/x/y`: a link on the way to it leads out of the worktree"),
        "{}",
        ran.stderr
    );
}

#[test]
fn what_is_no_file_or_cannot_be_read_is_named_and_the_rest_comes() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "copy = ['data/**']\n");
    write(&main, "data/a\nHint: b", "1");
    write(&main, "data/z", "2");
    nix::unistd::mkfifo(&main.join("data/pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    let socket = std::os::unix::net::UnixListener::bind(main.join("data/sock")).expect("made");
    let answer = sandbox.run(&feature, ["adopt", "--json"]).success();
    drop(socket);
    assert!(answer.stderr.contains("Left out `data/pipe`: it is a pipe\n"), "{}", answer.stderr);
    assert!(answer.stderr.contains("Left out `data/sock`: it is a socket\n"), "{}", answer.stderr);
    assert!(!answer.stderr.contains("\nHint: b"), "{}", answer.stderr);
    let answer: serde_json::Value = serde_json::from_slice(&answer.bytes).expect("it is JSON");
    assert_eq!(answer["copied"], serde_json::json!(["data/a\nHint: b", "data/z"]));
    assert_eq!(answer["leftOut"][0]["path"], "data/pipe");
    assert_eq!(read(feature.join("data/a\nHint: b")), "1");
}

/// The lines of a script that docs/adopt.md has people write into a file.
fn of_the_page(file: &str) -> String {
    let page = crate::docs::read("docs/adopt.md");
    let begin = format!("cat >{file} <<'END'\n");
    let (_, rest) = page.split_once(&begin).expect("the page has it");
    rest.split_once("\nEND\n").expect("it ends").0.to_owned() + "\n"
}

fn script(dir: &Path, path: &str) -> PathBuf {
    write(dir, path, of_the_page(path));
    let path = dir.join(path);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    path
}

#[test]
fn gits_own_hook_fills_each_new_worktree() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "");
    write(&main, ".env", "A=1\n");
    script(&main, ".git/hooks/post-checkout");
    let login = sandbox.dir("login");
    // git tells its hooks of its own folder by variables, which are not for silo's questions.
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "login", login.to_str().expect("it is UTF-8")]);
    assert_eq!(tree(&login), [".env"]);
    sandbox.git(&feature, ["switch", "--quiet", "-c", "other"]);
    assert_eq!(tree(&feature), [""; 0], "a switch is no new worktree");
    sandbox.run(&main, ["deny"]).success();
    let third = sandbox.dir("third");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "third", third.to_str().expect("it is UTF-8")]);
    assert_eq!(tree(&third), [""; 0]);
}

/// What Claude Code 2.1 gives the script, with `$SANDBOX` and the hook's own keys still to be filled in.
const TOLD: &str = r#"{"session_id":"8545bff2","transcript_path":"$SANDBOX/home/.claude/projects/x.jsonl","cwd":"CWD","prompt_id":"d0f6","hook_event_name":"EVENT",KEY}"#;

#[test]
fn the_script_for_claude_code_makes_a_worktree_and_removes_it_with_its_instance() {
    let sandbox = Sandbox::new();
    let (main, _) = repository(&sandbox, "init = ['echo said']\nrender = ['.env']\n");
    write(&main, ".env", "P=${WEB_PORT}\n");
    script(&main, ".claude/worktree.sh");
    sandbox.git(&main, ["add", ".claude"]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "script"]);
    sandbox.run(&main, ["adopt"]).success();
    // Both hooks run in the session's folder, without a terminal: the one that removes runs in the worktree itself.
    let hook = |cwd: &Path, event: &str, key: &str| {
        let told = TOLD.replace("CWD", &cwd.to_string_lossy()).replace("EVENT", event).replace("KEY", key);
        write(&main, ".git/told", told);
        let mut hook = sandbox.command("sh", cwd);
        hook.args(["-c", "\"$CLAUDE_PROJECT_DIR\"/.claude/worktree.sh"]);
        hook.env("CLAUDECODE", "1").env("CLAUDE_PROJECT_DIR", cwd);
        hook.stdin(fs::File::open(main.join(".git/told")).expect("it was written"));
        sandbox.finish(hook)
    };
    let create = |cwd: &Path| hook(cwd, "WorktreeCreate", r#""name":"login""#);
    let login = main.join(".claude/worktrees/login");
    let ran = create(&main).success();
    assert_eq!(ran.stdout, "$SANDBOX/projects/main/.claude/worktrees/login\n");
    assert!(ran.stderr.contains("\nsaid\n"), "{}", ran.stderr);
    let port = |dir: &Path| sandbox.lockfile_ports(dir)["WEB_PORT"];
    assert_eq!(read(login.join(".env")), format!("P={}\n", port(&login)));
    assert_ne!(port(&login), port(&main));
    // `claude --worktree login` again, and from a session in a worktree: it is the same one.
    for cwd in [&main, &login] {
        let again = create(cwd).success();
        assert_eq!(again.stdout, "$SANDBOX/projects/main/.claude/worktrees/login\n");
        assert!(again.stderr.starts_with("Everything is there already\n"), "{}", again.stderr);
    }
    let gone = hook(&login, "WorktreeRemove", &format!(r#""worktree_path":"{}""#, login.display())).success();
    assert_eq!((gone.stdout.as_str(), login.exists()), ("", false));
    let listed = sandbox.run(&main, ["list"]).success();
    assert!(!listed.stdout.contains("main-worktree-login"), "{}", listed.stdout);
    // The branch is there, and a new worktree on it is filled from the beginning.
    assert!(create(&main).success().stderr.contains("\nsaid\n"));
}

#[test]
fn the_script_for_claude_code_runs_nothing_of_a_strangers() {
    let sandbox = Sandbox::new();
    let (main, _) = repository(&sandbox, "");
    let path = script(&main, ".claude/worktree.sh");
    let toml = read(main.join("silo.toml"));
    sandbox.run(&main, ["env"]).success();
    // A branch that brings a lockfile, so that there seems to be something to stop.
    sandbox.git(&main, ["switch", "--quiet", "-c", "worktree-x"]);
    write(&main, "silo.toml", format!("{toml}[hooks]\npre-down = ['touch $PWD/../../../../ran']\n"));
    sandbox.git(&main, ["add", "--force", "silo.toml", ".silo.lock"]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "strange"]);
    sandbox.git(&main, ["switch", "--quiet", "-"]);
    let run = |told: &str| {
        let mut hook = sandbox.command("sh", &main);
        hook.args(["-c", &format!("echo '{told}' | {}", path.display())]);
        sandbox.finish(hook).success()
    };
    run(r#"{"hook_event_name": "WorktreeCreate", "name": "x"}"#);
    let x = main.join(".claude/worktrees/x");
    assert!(x.join(".silo.lock").exists() && read(x.join("silo.toml")).contains("pre-down"));
    run(&format!(r#"{{"hook_event_name": "WorktreeRemove", "worktree_path": "{}"}}"#, x.display()));
    assert!(!x.exists() && !sandbox.path("projects/ran").exists() && !sandbox.path("ran").exists());
}
