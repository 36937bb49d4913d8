//! What `silo adopt` fills and runs (D30): values that follow, commands that run once, and what is cut off in the middle.

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::adopt::{read, repository, tree, write};
use crate::sandbox::{SILO, Sandbox};

fn port(sandbox: &Sandbox, dir: &Path) -> u16 {
    sandbox.lockfile_ports(dir)["WEB_PORT"]
}

/// What the state folder keeps of files that were filled.
fn kept(sandbox: &Sandbox) -> Vec<std::path::PathBuf> {
    let instances = fs::read_dir(sandbox.path("state/silo/instances")).expect("it is there");
    let files = instances.flat_map(|folder| fs::read_dir(folder.expect("readable").path()).expect("readable"));
    let paths = files.map(|file| file.expect("readable").path());
    paths.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("unfilled-"))).collect()
}

#[test]
fn a_filled_file_follows_until_the_user_edits_it() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "render = ['.env*', 'data/*']\n");
    write(
        &main,
        ".env",
        "URL=http://localhost:${WEB_PORT}/$${WEB_PORT}\r\nHOME=${HOME} ${A:-b} ${WEB_PORT\nTOKEN=hush\n",
    );
    write(&main, ".env.plain", "A=1\n");
    let ran = sandbox.run(&feature, ["adopt"]).success();
    assert!(ran.stderr.contains("Filled `.env`\n") && !ran.stderr.contains("hush"), "{}", ran.stderr);
    let filled = |port: u16| {
        format!("URL=http://localhost:{port}/${{WEB_PORT}}\r\nHOME=${{HOME}} ${{A:-b}} ${{WEB_PORT\nTOKEN=hush\n")
    };
    let first = port(&sandbox, &feature);
    assert_eq!(read(feature.join(".env")), filled(first));
    let [kept] = &kept(&sandbox)[..] else { panic!("one file was filled") };
    assert_eq!(fs::metadata(kept).expect("it is there").permissions().mode() & 0o777, 0o600);
    // A value that changes is followed by whatever settles the instance, and the record says what silo wrote last.
    let moved = sandbox.run(&feature, ["env", "--move", "WEB_PORT"]).success();
    assert!(moved.stderr.contains("Filled `.env` again\n"), "{}", moved.stderr);
    let second = port(&sandbox, &feature);
    assert_ne!(first, second);
    assert_eq!(read(feature.join(".env")), filled(second));
    // From here on it is the user's.
    write(&feature, ".env", format!("{}MINE=1\n", filled(second)));
    let edited = sandbox.run(&feature, ["env", "--move", "WEB_PORT"]).success();
    let said = "Warning: `.env` has changed since silo filled it: it stays as it is, and no longer follows\n";
    assert!(edited.stderr.contains(said), "{}", edited.stderr);
    let again = sandbox.run(&feature, ["env", "--move", "WEB_PORT"]).success();
    assert!(!again.stderr.contains(".env` has changed"), "said once: {}", again.stderr);
    assert_eq!(read(feature.join(".env")), format!("{}MINE=1\n", filled(second)));
}

#[test]
fn a_file_that_was_removed_is_not_made_again_and_one_of_the_main_checkout_comes_as_it_was() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "render = ['.env']\n");
    write(&main, ".env", "P=${WEB_PORT}\n");
    sandbox.run(&main, ["adopt"]).success();
    assert_eq!(read(main.join(".env")), format!("P={}\n", port(&sandbox, &main)));
    sandbox.run(&feature, ["adopt"]).success();
    assert_eq!(read(feature.join(".env")), format!("P={}\n", port(&sandbox, &feature)));
    fs::remove_file(feature.join(".env")).expect("it is there");
    sandbox.run(&feature, ["env", "--move", "WEB_PORT"]).success();
    assert!(!feature.join(".env").exists());
    assert_eq!(kept(&sandbox).len(), 1, "nothing of it is kept");
}

/// Claude Code by `.worktreeinclude`, workmux, branchlet and others copy the main checkout's own `.env`, before or after the set-up hook.
#[test]
fn a_filled_file_that_a_tool_copied_gets_the_values_of_its_own_instance() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "render = ['.env']\ncopy = []\n");
    write(&main, ".env", "P=${WEB_PORT}\nTOKEN=hush\n");
    sandbox.run(&main, ["adopt"]).success();
    let copy = || fs::copy(main.join(".env"), feature.join(".env")).expect("it is ours");
    let filled = |dir: &Path| format!("P={}\nTOKEN=hush\n", port(&sandbox, dir));
    copy();
    let before = sandbox.run(&feature, ["adopt"]).success();
    assert!(before.stderr.ends_with("Filled `.env`\n"), "{}", before.stderr);
    assert_eq!(read(feature.join(".env")), filled(&feature));
    assert_ne!(filled(&feature), filled(&main));
    // Again, over what silo has filled; and with a text that is newer than the one that this worktree had.
    write(&main, ".env", "P=${WEB_PORT}\nTOKEN=new\n");
    sandbox.run(&main, ["env"]).success();
    sandbox.run(&main, ["adopt"]).success();
    copy();
    let after = sandbox.run(&feature, ["adopt"]).success();
    assert!(after.stderr.starts_with("Filled `.env` again\n"), "{}", after.stderr);
    assert_eq!(read(feature.join(".env")), filled(&feature).replace("hush", "new"));
    sandbox.run(&feature, ["env", "--move", "WEB_PORT"]).success();
    assert_eq!(read(feature.join(".env")), filled(&feature).replace("hush", "new"));
    // What was edited in between is the user's.
    copy();
    write(&feature, ".env", read(feature.join(".env")) + "MINE=1\n");
    let edited = sandbox.run(&feature, ["adopt"]).success();
    assert!(edited.stderr.contains("`.env` has changed since silo filled it"), "{}", edited.stderr);
    assert_eq!(read(feature.join(".env")), format!("{}MINE=1\n", read(main.join(".env"))));
}

/// Claude Code, workmux and others give a later worktree of the same name the same folder.
#[test]
fn a_worktree_at_the_path_of_an_earlier_one_is_filled_as_a_new_one() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "render = ['.env']\ninit = ['echo one >>data1.local.x']\n");
    write(&main, ".env", "P=${WEB_PORT}\n");
    let path = feature.to_str().expect("it is UTF-8");
    for is_given_up in [true, false] {
        sandbox.run(&feature, ["adopt"]).success();
        sandbox.run(&feature, ["adopt"]).success().stderr("Everything is there already\n");
        if is_given_up {
            sandbox.run(&feature, ["down", "--clean"]).success();
        }
        sandbox.git(&main, ["worktree", "remove", "--force", path]);
        sandbox.git(&main, ["worktree", "add", "--quiet", path, "feature"]);
        let ran = sandbox.run(&main, ["adopt", path, "--json"]).success();
        let done: serde_json::Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        assert_eq!(done["ran"].as_array().map(Vec::len), Some(1), "{done}");
        assert_eq!(read(feature.join("data1.local.x")), "one\n");
        assert_eq!(read(feature.join(".env")), format!("P={}\n", port(&sandbox, &feature)));
    }
}

#[test]
fn what_git_tracks_is_never_filled_and_what_it_does_not_ignore_is_said() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "render = ['config/*', '.env']\n");
    write(&main, ".env", "TOKEN=hush ${WEB_PORT}\n");
    let refused = sandbox.run(&feature, ["adopt"]).exit(1);
    let first = refused.stderr.split_once("Error: ").expect("it fails").1.lines().next().expect("it says why");
    assert_eq!(first, "`workspace.render` picks `config/app.json`, which git tracks");
    assert!(refused.stderr.contains("\n  --> silo.toml:5:11\n"), "{}", refused.stderr);
    assert_eq!(tree(&feature), [""; 0], "nothing was copied before");
    sandbox.git(&feature, ["rm", "--quiet", "config/app.json"]);
    write(&feature, "config/new", "${WEB_PORT}");
    let ran = sandbox.run(&feature, ["adopt"]).success();
    assert!(ran.stderr.contains("Left out `config/new`: git does not ignore it"), "{}", ran.stderr);
    assert_eq!(read(feature.join("config/new")), "${WEB_PORT}");
}

#[test]
fn commands_run_once_inside_the_instance_and_go_on_after_a_failure() {
    let sandbox = Sandbox::new();
    let init = "init = ['echo \"$PWD $WEB_PORT\" >>data1.local.x', 'echo said; test -f data/ready', 'echo two >>data2.local.x']\n";
    let (_, feature) = repository(&sandbox, init);
    let failed = sandbox.run(&feature, ["adopt"]).exit(1);
    assert_eq!(failed.stdout, "", "what they say goes to standard error");
    assert!(failed.stderr.contains("\nsaid\n"), "{}", failed.stderr);
    let end = "Error: `echo said; test -f data/ready` failed with exit code 1\n\
               Hint: The worktree is kept; once that is fixed, go on with `silo adopt $SANDBOX/projects/feature`\n";
    assert!(failed.stderr.ends_with(end), "{}", failed.stderr);
    write(&feature, "data/ready", "");
    sandbox.run(&feature, ["adopt"]).success();
    sandbox.run(&feature, ["adopt"]).success().stderr("Everything is there already\n");
    let first = format!("{} {}\n", feature.display(), port(&sandbox, &feature));
    assert_eq!(read(feature.join("data1.local.x")), first);
    assert_eq!(read(feature.join("data2.local.x")), "two\n");
    let state = sandbox.path("state");
    let grep = sandbox.command("grep", &feature).args(["-rl", "said"]).arg(&state).output().expect("it runs");
    let named: Vec<_> = String::from_utf8_lossy(&grep.stdout).lines().map(str::to_owned).collect();
    assert!(named.iter().all(|path| path.ends_with("silo.toml")), "silo keeps nothing of their words: {named:?}");
}

#[test]
fn a_call_that_was_killed_is_gone_on_with_and_another_one_waits() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "init = ['echo begun; read -r _ <data/go; echo done >data/done']\n");
    write(&main, ".env", "A=1\n");
    fs::create_dir(feature.join("data")).expect("it is ours");
    nix::unistd::mkfifo(&feature.join("data/go"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    let begin = || {
        let mut child = sandbox
            .command(SILO, &feature)
            .arg("adopt")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut said = Vec::new();
        let mut pipe = child.stderr.take().expect("it has one");
        let mut byte = [0];
        while !said.ends_with(b"begun\n") {
            assert_eq!(pipe.read(&mut byte).expect("readable"), 1, "{}", String::from_utf8_lossy(&said));
            said.push(byte[0]);
        }
        (child, pipe)
    };
    let (mut first, _pipe) = begin();
    kill(Pid::from_raw(i32::try_from(first.id()).expect("a pid")), Signal::SIGKILL).expect("it runs");
    first.wait().expect("it ends");
    assert_eq!(tree(&feature), [".env", "data/go"], "what was copied is there");
    // The command that was left behind waits for the same line as the one of the second call.
    let (mut second, _second_pipe) = begin();
    let mut third = sandbox
        .command(SILO, &feature)
        .arg("adopt")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut said = third.stderr.take().expect("it has one");
    let mut waiting = String::new();
    while !waiting.ends_with('\n') {
        let mut byte = [0];
        assert_eq!(said.read(&mut byte).expect("readable"), 1, "{waiting}");
        waiting.push(char::from(byte[0]));
    }
    assert!(waiting.starts_with("Waiting for another `silo adopt` here, held by process "), "{waiting}");
    fs::write(feature.join("data/go"), "go\ngo\n").expect("somebody reads");
    assert!(second.wait().expect("it ends").success());
    assert!(third.wait().expect("it ends").success());
    assert_eq!(read(feature.join("data/done")), "done\n");
}

#[test]
fn a_folder_that_the_disk_cannot_clone_is_left_out_and_copied_when_asked_for() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "clone = ['node_modules', 'certs']\n");
    write(&main, "node_modules/a/index.js", "1");
    write(&main, "node_modules/.bin/empty", "");
    fs::set_permissions(main.join("node_modules/a/index.js"), fs::Permissions::from_mode(0o555)).expect("it is ours");
    std::os::unix::fs::symlink("../a/index.js", main.join("node_modules/.bin/a")).expect("it is ours");
    nix::unistd::mkfifo(&main.join("node_modules/pipe"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    // Where the disk of the tests can clone, the folder is there at once.
    let ran = sandbox.run(&feature, ["adopt"]).success();
    let could = feature.join("node_modules").exists();
    let left_out = "Left out `node_modules`: this disk cannot share blocks between two folders; `silo adopt --copy-slow` copies it";
    assert_eq!(ran.stderr.contains(left_out), !could, "{}", ran.stderr);
    assert!(could || tree(&feature).is_empty(), "nothing is left of it");
    let slow = sandbox.run(&feature, ["adopt", "--copy-slow"]).success();
    assert!(
        format!("{}{}", ran.stderr, slow.stderr).contains("Left out `node_modules/pipe`: it is a pipe"),
        "{}",
        slow.stderr
    );
    assert_eq!(tree(&feature), ["node_modules/.bin/a", "node_modules/.bin/empty", "node_modules/a/index.js"]);
    assert_eq!(read(feature.join("node_modules/.bin/a")), "1");
    let mode = fs::metadata(feature.join("node_modules/a/index.js")).expect("it is there").permissions().mode() & 0o777;
    assert_eq!(mode, 0o555);
}

#[test]
fn what_was_left_of_a_killed_copy_is_removed_and_a_full_disk_leaves_what_came_before() {
    let sandbox = Sandbox::new();
    let (main, feature) = repository(&sandbox, "copy = ['data/**']\n");
    write(&main, "data/a", "a");
    write(&main, "data/b", vec![b'b'; 100_000]);
    write(&feature, "data/b.4194305-0.silo-tmp", "left by a crash");
    let mut limited = sandbox.command("bash", &feature);
    limited.args(["-c", "ulimit -f 60; exec silo adopt"]);
    let full = sandbox.finish(limited).exit(1);
    assert!(full.stderr.contains("Error: Cannot write `$SANDBOX/projects/feature/data/b."), "{}", full.stderr);
    assert_eq!(tree(&feature), ["data/a"]);
    sandbox.run(&feature, ["adopt"]).success();
    assert_eq!(tree(&feature), ["data/a", "data/b"]);
}
