//! `silo ci` where there is no Tilt (D30), on a real engine: a command beside services of its own, which are gone afterwards, and
//! nothing of the developer's instance is touched.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::{Engine, get, until};
use crate::sandbox::{Ran, SILO, free_ports};

/// A database, of a kind, and something that needs it.
fn compose(db: u16) -> String {
    format!(
        r#"x-box: &box
  image: silo-test-box
  stop_grace_period: 0s
services:
  db:
    <<: *box
    container_name: db
    command: [httpd, -f, -p, "5432", -h, /data]
    ports: ["{db}:5432"]
    volumes: ["data:/data", "kept:/kept", "outer:/outer"]
  init:
    <<: *box
    command: [sh, -c, "cat /data/mine || echo new > /data/index.html"]
    volumes: ["data:/data"]
volumes:
  data: {{ name: silo-test-ci-data }}
  kept: {{}}
  outer: {{ external: true, name: silo-test-ci-outer-{db} }}
"#
    )
}

fn toml(db: u16) -> String {
    format!(
        "version = 1\n[compose]\nkeep = [\"kept\"]\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n\
         [urls]\nDB_URL = \"http://127.0.0.1:${{DB_PORT}}\"\n"
    )
}

/// An engine, a project, and the outer volume that it wants.
struct Stage {
    engine: Engine,
    root: PathBuf,
    outer: String,
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = self.engine.command("docker", "").args(["volume", "rm", "--force", &self.outer]).output();
    }
}

impl Stage {
    fn new() -> Self {
        let engine = Engine::new();
        let [db] = free_ports();
        let root = engine.sandbox.project("app", &toml(db));
        fs::write(root.join("compose.yaml"), compose(db)).expect("the project is writable");
        let outer = format!("silo-test-ci-outer-{db}");
        engine.docker(&["volume", "create", &outer]).success();
        Self { engine, root, outer }
    }

    fn ci(&self, words: &[&str]) -> Ran {
        let mut command = self.engine.command(SILO, &self.root);
        command.arg("ci").args(words);
        self.engine.sandbox.finish(command)
    }

    /// A run beside the test.
    fn beside(&self, words: &[&str]) -> Child {
        let mut command = self.engine.command(SILO, &self.root);
        command.arg("ci").args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        command.spawn().expect("silo starts")
    }

    /// What Docker has of compose projects whose name begins so, volumes and networks too.
    fn there(&self, project: &str) -> Vec<String> {
        let mut all = Vec::new();
        let label = "{{.Label \"com.docker.compose.project\"}}";
        for (list, name) in
            [(&["ps", "--all"][..], "{{.Names}}"), (&["network", "ls"], "{{.Name}}"), (&["volume", "ls"], "{{.Name}}")]
        {
            let format = format!("{label} {name}");
            let rows = self.engine.docker(&[list, &["--format", &format]].concat()).success().stdout;
            all.extend(rows.lines().filter(|row| row.split(' ').next() == Some(project)).map(str::to_owned));
        }
        all
    }

    fn registry(&self) -> String {
        fs::read_to_string(self.engine.sandbox.path("state/silo/registry.toml")).unwrap_or_default()
    }
}

#[test]
fn engine_ci_runs_beside_the_instance_and_takes_all_of_its_own_away() {
    let stage = Stage::new();
    let engine = &stage.engine;
    engine.silo("app", "up -d").success();
    let (project, port) = (engine.project("app"), engine.port("app", "DB_PORT"));
    let db = format!("{project}-db-1");
    for place in ["data", "kept", "outer"] {
        engine.docker(&["exec", &db, "sh", "-c", &format!("echo mine > /{place}/mine")]).success();
    }
    let before =
        (stage.there(&project), stage.registry(), fs::read(stage.root.join(".silo.lock")).expect("it is there"));
    let env = fs::read(stage.root.join(".localnet.env")).expect("it is there");

    let line = "echo $DB_PORT $COMPOSE_PROJECT_NAME $SILO_CI $DB_URL; docker compose exec -T db sh -c \
                'ls /data /kept /outer; echo ci > /data/ci; echo ci > /kept/ci; echo ci > /outer/ci'; \
                docker compose ps --all --format '{{.Name}}'; silo exec -- sh -c 'echo $DB_PORT'; silo get DB_PORT; \
                silo list --json; silo up; silo down; exit 7";
    let ran = stage.ci(&["--", "sh", "-c", line]).exit(7);
    let name = format!("{}-ci", engine.sandbox.instance("app"));
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let words: Vec<&str> = lines[0].split(' ').collect();
    let own: u16 = words[0].parse().expect("a port");
    assert_ne!(own, port);
    assert_eq!(words[1..], [format!("{project}-ci"), name.clone(), format!("http://127.0.0.1:{own}")]);
    assert!(!ran.stdout.contains("mine"), "its volumes are its own: {}", ran.stdout);
    assert!(
        ran.stdout.contains(&format!("{project}-ci-db-1\n")) && !ran.stdout.contains(&format!("{project}-db-1\n")),
        "{}",
        ran.stdout
    );
    assert_eq!(ran.stdout.lines().filter(|line| *line == own.to_string()).count(), 2, "{}", ran.stdout);
    assert!(!ran.stdout.contains(&format!("\"{name}\"")), "a run is not an instance: {}", ran.stdout);
    for word in ["up", "down"] {
        assert!(ran.stderr.contains(&format!("`{word}` would act on the project's instance")), "{}", ran.stderr);
    }

    assert_eq!(stage.there(&format!("{project}-ci")), [""; 0], "all of it is gone");
    let after =
        (stage.there(&project), stage.registry(), fs::read(stage.root.join(".silo.lock")).expect("it is there"));
    assert_eq!(before, after, "and nothing else");
    assert_eq!(env, fs::read(stage.root.join(".localnet.env")).expect("it is there"));
    let folders = fs::read_dir(engine.sandbox.path("state/silo/instances")).expect("it is there").count();
    assert_eq!(folders, 1, "no file of it is left");
    for place in ["data", "kept", "outer"] {
        let ls = engine.docker(&["exec", &db, "sh", "-c", &format!("cat /{place}/mine; cat /{place}/ci")]);
        assert_eq!(ls.stdout, "mine\n", "{place} is the developer's own");
    }
    assert_eq!(get(port, "/mine"), "mine");
    engine.silo("app", "down --volumes").success();
    engine.docker(&["volume", "rm", &format!("{project}_kept")]).success();
}

#[test]
fn engine_ci_says_what_to_type_and_refuses_what_is_not_its_own() {
    let stage = Stage::new();
    let engine = &stage.engine;
    stage.ci(&[]).exit(1).stderr_has("silo ci -- npm test");
    stage.ci(&["--timeout", "5m", "--", "true"]).exit(1).stderr_has("timeout 10m npm test");
    stage.ci(&["--export-ci", "--", "true"]).exit(1).stderr_has("silo env --export-ci");
    stage.ci(&["x", "--", "no-such-program"]).exit(127).stderr_has("`no-such-program` was not found");
    // A signal of the command is passed on, and the folder is the one it was typed in.
    stage.ci(&["x", "--", "sh", "-c", "kill -9 $$"]).exit(137);
    stage.ci(&["x", "--", "pwd"]).success().stdout("$SANDBOX/projects/app\n");
    assert!(!stage.root.join(".silo.lock").exists(), "a run makes no instance");

    // What outlives its run does not get at the instance in its place.
    let mut outlived = engine.command(SILO, &stage.root);
    outlived.args(["exec", "--", "true"]).env("SILO_CI", "x-ci").env("SILO_ROOT", &stage.root);
    engine.sandbox.finish(outlived).exit(1).stderr_has("The `silo ci` that was `x-ci` here is over");

    // Somebody else's volume of that name is not the run's.
    engine
        .docker(&["volume", "create", "--label", "com.docker.compose.project=localnet-x-ci", "silo-test-ci-theirs"])
        .success();
    stage
        .ci(&["x", "--", "true"])
        .exit(1)
        .stderr_has("Docker has 1 volume of the compose project `localnet-x-ci`")
        .stderr_has("silo ci OTHER-NAME -- CMD");
    engine.docker(&["volume", "rm", "silo-test-ci-theirs"]).success();
    let toml = fs::read_to_string(stage.root.join("silo.toml")).expect("it is there");
    engine.sandbox.project("other", &toml);
    engine.silo("other", "env x-ci").success();
    stage.ci(&["x", "--", "true"]).exit(1).stderr_has("The name `x-ci` belongs to `");

    // Services that do not come up: their log is shown, for it goes with them.
    let broken = fs::read_to_string(stage.root.join("compose.yaml")).expect("it is there");
    let waits = "container_name: db\n    depends_on: { init: { condition: service_completed_successfully } }";
    let broken = broken.replace("cat /data/mine ||", "echo woe; exit 1;").replace("container_name: db", waits);
    fs::write(stage.root.join("compose.yaml"), broken).expect("the project is writable");
    stage
        .ci(&["y", "--", "true"])
        .exit(1)
        .stderr_has("| woe")
        .stderr_has("`docker compose up` failed with exit code 1");
    assert_eq!(stage.there("localnet-y-ci"), [""; 0]);
}

#[test]
fn engine_ci_that_is_stopped_leaves_nothing_and_what_a_kill_leaves_goes_with_the_next() {
    let stage = Stage::new();
    let up = stage.root.join("up");
    let line = format!("touch {}; exec sleep 600", up.display());
    let words = ["z", "--", "sh", "-c", &line];
    // The last as from a terminal, which sends Ctrl-C to all of the group.
    for (signal, to_group) in [(Signal::SIGTERM, false), (Signal::SIGINT, false), (Signal::SIGINT, true)] {
        let mut silo = stage.beside(&words);
        until("the command runs", || up.exists());
        // One more of that name is refused, and one of another name is not.
        stage.ci(&["z", "--", "true"]).exit(1).stderr_has("A `silo ci` runs as `z-ci` already");
        assert!(stage.engine.silo("app", "prune --dry-run").success().stdout.contains("Nothing to prune"));
        let pid = silo.id().cast_signed();
        kill(Pid::from_raw(if to_group { -pid } else { pid }), signal).expect("it runs");
        assert_eq!(silo.wait().expect("it is our child").code(), Some(128 + signal as i32));
        assert_eq!(stage.there("localnet-z-ci"), [""; 0]);
        assert!(!stage.registry().contains("z-ci"), "{}", stage.registry());
        fs::remove_file(&up).expect("it is there");
    }
    for finish in ["prune --yes", "ci y -- true"] {
        let mut silo = stage.beside(&words);
        until("the command runs", || up.exists());
        silo.kill().expect("it runs");
        silo.wait().expect("it is our child");
        assert!(!stage.there("localnet-z-ci").is_empty() && stage.registry().contains("z-ci"));
        let plan = stage.engine.silo("app", "prune --dry-run").success().stdout;
        assert!(plan.contains("z-ci: a `silo ci` of ") && !stage.there("localnet-z-ci").is_empty(), "{plan}");
        let doctor = stage.engine.doctor_says("app", "doctor", &["ci-cut-off"]);
        assert!(!doctor.contains("state-left-over"), "{doctor}");
        stage.engine.silo("app", finish).success().stderr_has("cut off left of `z-ci`");
        assert_eq!(stage.there("localnet-z-ci"), [""; 0]);
        assert!(!stage.registry().contains("z-ci"), "{}", stage.registry());
        fs::remove_file(&up).expect("it is there");
    }
}

#[test]
fn engine_ci_holds_in_shells_hooks_and_profiles_and_takes_built_images_along() {
    let stage = Stage::new();
    let engine = &stage.engine;
    let toml = fs::read_to_string(stage.root.join("silo.toml")).expect("it is there");
    let more = "[hooks]\npre-up = [\"docker compose up -d db && docker compose exec -T db sh -c 'echo early > /data/early'\"]\n\
                post-up = [\"docker compose exec -T db cat /data/early; echo at $SILO_LIFECYCLE of $SILO_CI\"]\n\
                [profiles.p.compose.ports]\nBUILT_PORT = \"built:80\"\n";
    engine.sandbox.trusted("app", &format!("{toml}{more}"));
    let compose = fs::read_to_string(stage.root.join("compose.yaml")).expect("it is there");
    let built = "  built:\n    <<: *box\n    image: silo-test-ci-built\n    build: { context: ., dockerfile_inline: \"FROM silo-test-box\" }\n    command: [sleep, \"600\"]\n    ports: [\"80\"]\n";
    fs::write(
        stage.root.join("compose.yaml"),
        compose.replace("volumes:\n  data:", &format!("{built}volumes:\n  data:")),
    )
    .expect("the project is writable");
    engine.silo("app", "env mine").success();

    // Typed in the active shell, and a shell with the hook inside: all of that is the run.
    let inside = "eval \"$(silo hook bash)\"; __silo_hook; echo $COMPOSE_PROJECT_NAME ${BUILT_PORT:+built}; docker compose ps --services; \
                  docker image ls --format {{.Repository}}; cd /; __silo_hook; echo outside $COMPOSE_PROJECT_NAME; true";
    let line =
        format!("echo $COMPOSE_PROJECT_NAME; silo ci -p p -- bash --norc -c '{inside}'; echo $COMPOSE_PROJECT_NAME");
    let ran = engine.bash("app", &line).success();
    let said: Vec<&str> = ran.stdout.lines().collect();
    for line in ["early", "at post-up of mine-ci", "localnet-mine-ci built", "db", "localnet-mine-ci-built", "outside"]
    {
        assert!(said.contains(&line), "{line}: {}", ran.stdout);
    }
    assert_eq!((said[0], said.last()), ("localnet-mine", Some(&"localnet-mine")), "{}", ran.stdout);
    assert_eq!(stage.there("localnet-mine-ci"), [""; 0]);
    assert_eq!(stage.there("localnet-mine"), [""; 0], "nothing was started for the instance");
    let images = engine.docker(&["image", "ls", "--format", "{{.Repository}}"]).success().stdout;
    assert!(!images.contains("localnet-mine-ci"), "{images}");
    let lockfile = engine.sandbox.lockfile("app");
    assert_eq!(lockfile["instance"]["profile"], serde_json::Value::Null, "the profile is the run's alone");
}
