//! What services mount of this machine, on a real engine (D23): another running instance's paths and devices are refused, and what
//! a worktree lacks is not made by Docker.

use std::fs;
use std::path::{Path, PathBuf};

use crate::engine::{Engine, until};

const TOML: &str = "version = 1\n[compose]\n";

/// A compose file of one service with these lines.
fn compose(lines: &str) -> String {
    format!(
        "services:\n  box:\n    image: silo-test-box\n    command: [sleep, '600']\n    stop_grace_period: 0s\n{lines}"
    )
}

/// A repository with a linked worktree, both trusted. Its name is that of no other test: it is one on the engine.
fn worktrees(engine: &Engine, name: &str, lines: &str) -> [PathBuf; 2] {
    let sandbox = &engine.sandbox;
    let main = sandbox.project(name, TOML);
    fs::write(main.join("compose.yaml"), compose(lines)).expect("the project is writable");
    fs::write(main.join(".gitignore"), "ignored*\n.env\n").expect("the project is writable");
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "All"]);
    let feature = sandbox.dir("feature");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "feature", feature.to_str().expect("it is UTF-8")]);
    sandbox.run(&main, ["allow"]).success();
    [main, feature]
}

/// Replaces `[compose]` in the trusted file.
fn keep(engine: &Engine, root: &Path, entries: &str) {
    fs::write(root.join("silo.toml"), format!("{TOML}keep = [{entries}]\n")).expect("the project is writable");
    engine.sandbox.run(root, ["allow"]).success();
}

#[test]
fn what_a_running_instance_changes_outside_the_project_is_not_another_ones_unless_kept() {
    let engine = Engine::new();
    let shared = engine.sandbox.path("shared");
    fs::create_dir(&shared).expect("the sandbox is writable");
    let path = shared.display().to_string();
    for (lines, entry, has) in [
        (format!("    volumes: ['{path}:/x']\n"), path.as_str(), format!("can write to `{path}`")),
        (
            format!(
                "    volumes: ['disk:/x']\nvolumes:\n  disk:\n    driver_opts: {{ type: none, o: bind, device: '{path}' }}\n"
            ),
            "disk",
            format!("can write to `{path}`"),
        ),
        ("    devices: ['/dev/full']\n".to_owned(), "/dev/full", "has the device `/dev/full`".to_owned()),
    ] {
        let [main, feature] = worktrees(&engine, "shares", &lines);
        engine.silo(&main, "up -d").success();
        let name = engine.sandbox.instance(&main);
        let also =
            format!("Error: `box` {has}, outside the project, and so does `box` of the instance `{name}`, which runs");
        let stop = format!(
            "Stop that one first: `silo down -C {}`",
            engine.sandbox.redact(main.as_os_str().as_encoded_bytes())
        );
        let refused = engine.silo(&feature, "up -d").exit(1).stderr_has(&engine.sandbox.redact(also.as_bytes()));
        refused.stderr_has(&stop);
        // Plain compose is no way past, whether there is an override already or not.
        for _ in 0..2 {
            engine.bash(&feature, "docker compose up -d").exit(1).stderr_has("which runs");
        }
        engine.bash(&feature, "docker compose ps").success();
        keep(&engine, &feature, &format!("{entry:?}"));
        engine.silo(&feature, "up -d").success();
        engine.silo(&feature, "down --volumes").success();
        keep(&engine, &feature, "");
        engine.silo(&main, "down --volumes").success();
        engine.silo(&feature, "up -d").success().stderr_has("the same in every instance");
        engine.silo(&feature, "down --volumes").success();
        for dir in [&feature, &main] {
            engine.silo(dir, "down --clean").success();
            fs::remove_dir_all(dir).expect("it is the sandbox's");
        }
    }
}

#[test]
fn an_env_file_that_a_worktree_lacks_is_told_with_the_command_that_brings_it() {
    let engine = Engine::new();
    let [main, feature] =
        worktrees(&engine, "variables", "    env_file: ignored.env\n    environment: { X: '${X}' }\n");
    for name in ["ignored.env", ".env"] {
        fs::write(main.join(name), "X=1\n").expect("the project is writable");
    }
    let copy = |name: &str| format!("`cp -a $SANDBOX/projects/variables/{name} $SANDBOX/projects/feature/{name}`");
    let refused = engine.silo(&feature, "up -d").exit(1).stderr_has("cannot read the project's compose files");
    refused.stderr_has(&format!("Another worktree has it: {}", copy("ignored.env")));
    fs::copy(main.join("ignored.env"), feature.join("ignored.env")).expect("the project is writable");
    let told = "This worktree has no `.env`, and another one has: `silo adopt` brings it along";
    engine.silo(&feature, "up -d").success().stderr_has(told);
    engine.silo(&feature, "allow").success();
    engine.silo(&feature, "adopt").success();
    assert!(!engine.silo(&feature, "up -d").success().stderr.contains("brings it along"));
}

#[test]
fn a_kept_path_that_no_service_has_is_refused_with_its_place() {
    let engine = Engine::new();
    let root = engine.sandbox.project("app", &format!("{TOML}keep = ['../nowhere']\n"));
    fs::write(root.join("compose.yaml"), compose("")).expect("the project is writable");
    let path = engine.sandbox.redact(engine.sandbox.dir("nowhere").as_os_str().as_encoded_bytes());
    let what = format!("Error: `compose.keep` names the path `{path}`, which no service of the compose files has");
    engine.silo(&root, "up -d").exit(1).stderr_has(&what).stderr_has("silo.toml:3:9");
}

#[test]
fn what_a_worktree_lacks_and_the_main_checkout_has_stops_up_with_the_command_that_brings_it() {
    let engine = Engine::new();
    let lines =
        "    volumes: ['./ignored.conf:/x.conf', './ignored/sub/certs:/certs', './new:/new', './new.conf:/new.conf']\n";
    let [main, feature] = worktrees(&engine, "lacks", lines);
    fs::write(main.join("ignored.conf"), "it's here\n").expect("the project is writable");
    fs::create_dir_all(main.join("ignored/sub/certs")).expect("the project is writable");
    let refused = engine.silo(&feature, "up -d").exit(1);
    let what = "Error: `box` mounts `ignored/sub/certs`, `ignored.conf`, which this worktree does not have and \
                `$SANDBOX/projects/lacks` has\n";
    let refused = refused.stderr_has(what);
    engine.bash(&feature, "docker compose up -d").exit(1).stderr_has("which this worktree does not have");
    assert!(!feature.join("ignored").exists() && !feature.join("new").exists(), "nobody made a folder");
    let refused = refused.stderr_has("For every new worktree: `copy` or `clone` below `[workspace]`");
    // What the hints say, as it is typed.
    let hints = refused.stderr.lines().filter_map(|line| line.strip_prefix("Hint: Bring it along: `"));
    let commands: Vec<&str> = hints.filter_map(|rest| Some(rest.split_once('`')?.0)).collect();
    assert_eq!(commands.len(), 2, "{}", refused.stderr);
    for command in commands {
        let command = command.replace("$SANDBOX", engine.sandbox.path("").to_str().expect("it is UTF-8"));
        engine.bash(&feature, &command).success();
    }
    let missing = "`box` mounts `new.conf`, which is not there: Docker makes a folder of that name";
    let up = engine.silo(&feature, "up -d").success().stderr_has(missing);
    assert!(!up.stderr.contains("`new`"), "a folder of data is begun empty: {}", up.stderr);
    let project = engine.project(&feature);
    until("the file is in the container", || {
        let read = engine.docker(&["exec", &format!("{project}-box-1"), "cat", "/x.conf"]);
        read.succeeded() && read.stdout == "it's here\n"
    });
}
