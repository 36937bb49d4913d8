//! Containers that somebody removes while silo looks at them, and two `silo` that do the same at once, on a real engine: the rest is
//! done, and nothing false is said.

use std::fs;
use std::process::{Child, Output, Stdio};

use crate::engine::{Engine, until};
use crate::sandbox::{SILO, program};

const COMPOSE: &str = "services:
  db:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sleep, '600']
    volumes: ['data:/data']
  web:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sleep, '600']
volumes:
  data: {}
";

struct Stage {
    engine: Engine,
    /// A word that no other test has: names are one for the whole engine.
    word: String,
}

impl Stage {
    fn new() -> Self {
        let engine = Engine::new();
        Self { word: engine.word(), engine }
    }

    fn name(&self, dir: &str) -> String {
        format!("{dir}-{}", self.word)
    }

    fn project(&self, dir: &str, toml: &str) {
        let root = self.engine.sandbox.project(dir, &format!("version = 1\n[compose]\n{toml}"));
        fs::write(root.join("compose.yaml"), COMPOSE).expect("the project is writable");
        self.engine.silo(dir, "allow").success();
        self.engine.silo(dir, format!("env {}", self.name(dir))).success();
    }

    fn container(&self, dir: &str, service: &str) -> String {
        format!("localnet-{}-{service}-1", self.name(dir))
    }

    /// Has these lines run before docker, which gets its words after that; `"$docker"` is docker itself, and `once NAME` is so the
    /// first time.
    fn before_docker(&self, lines: &str) {
        let log = self.engine.sandbox.path("once");
        fs::create_dir_all(&log).expect("the sandbox is writable");
        let script = format!(
            "#!/bin/sh\ndocker='{}'\nonce() {{ mkdir \"{}/$1\" 2>/dev/null; }}\n{lines}\nexec \"$docker\" \"$@\"\n",
            self.engine.docker_path(),
            log.display()
        );
        program(&self.engine.sandbox.path("bin/docker"), &script);
    }

    /// How often that took place.
    fn times(&self) -> usize {
        fs::read_dir(self.engine.sandbox.path("once")).expect("it was made").count()
    }

    fn beside(&self, dir: &str, words: &str) -> Child {
        let mut command = self.engine.command(SILO, dir);
        command.args(words.split(' ')).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("it was built")
    }

    fn names(&self) -> Vec<String> {
        let list = |words: &[&str]| self.engine.docker(words).success().stdout;
        let all = [
            list(&["ps", "--all", "--format", "{{.Names}}"]),
            list(&["network", "ls", "--format", "{{.Name}}"]),
            list(&["volume", "ls", "--quiet"]),
        ];
        all.concat().lines().filter(|name| name.contains(&self.word)).map(str::to_owned).collect()
    }
}

#[track_caller]
fn well(child: Child) -> String {
    let Output { status, stdout, stderr } = child.wait_with_output().expect("it is a child");
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "{said}");
    said
}

#[test]
fn containers_of_a_linked_instance_that_go_meanwhile_are_none_to_connect() {
    let stage = Stage::new();
    stage.project("one", &format!("link = [\"{}\"]\n", stage.name("two")));
    stage.project("two", "");
    stage.engine.silo("two", "up -d").success();
    // Each of the other instance's goes just when it is its turn.
    stage.before_docker(
        "if [ \"$1 $2\" = 'network connect' ] && once connect; then for last; do :; done; \"$docker\" rm --force \"$last\"; fi\n\
         if [ \"$1 $2\" = 'network disconnect' ] && once disconnect; then for last; do :; done; \"$docker\" rm --force \"$last\"; fi",
    );
    stage.engine.silo("one", "up -d").success();
    assert_eq!(stage.times(), 1);
    let down = stage.engine.silo("one", "down").success();
    assert_eq!(stage.times(), 2);
    assert!(!down.stderr.contains("Warning"), "{}", down.stderr);
    let left = stage.names();
    assert!(!left.iter().any(|name| name.contains("_silo-link-")), "{left:?}");
    stage.engine.silo("two", "down --volumes").success();
    stage.engine.silo("one", "down --volumes").success();
}

#[test]
fn containers_that_go_while_a_volume_is_filled_are_none_to_stop_or_start() {
    let stage = Stage::new();
    for dir in ["one", "two"] {
        stage.project(dir, "");
        stage.engine.silo(dir, "up -d").success();
    }
    let [from, to] = ["one", "two"].map(|dir| stage.container(dir, "db"));
    stage.engine.docker(&["exec", &from, "sh", "-c", "echo of-one > /data/file"]).success();
    stage.before_docker(&format!(
        "case \"$1 $2\" in\n'stop {to}') once own && \"$docker\" rm --force {to} ;;\n\
         'start {from}') once writer && \"$docker\" rm --force {from} ;;\nesac"
    ));
    let seeded = stage.engine.silo("two", format!("seed data --from {} --force", stage.name("one"))).success();
    assert_eq!(stage.times(), 2);
    assert!(!seeded.stderr.contains("does not start"), "{}", seeded.stderr);
    let read = stage.engine.docker(&["exec", &to, "cat", "/data/file"]).success();
    assert_eq!(read.stdout, "of-one\n");
    for dir in ["one", "two"] {
        stage.engine.silo(dir, "down --volumes").success();
    }
}

#[test]
fn two_that_prune_at_once_both_end_well() {
    let stage = Stage::new();
    stage.project("app", "");
    stage.engine.silo("app", "up -d").success();
    fs::remove_dir_all(stage.engine.sandbox.dir("app")).expect("it was made");
    stage.before_docker("case \"$1 $2\" in 'rm --force') once rm && sleep 2 ;; esac");
    let one = stage.beside("", "prune --all --yes");
    until("it removes containers", || stage.times() == 1);
    let two = stage.beside("", "prune --all --yes");
    for said in [one, two].map(well) {
        assert!(!said.contains("being started"), "{said}");
    }
    assert_eq!(stage.names(), [""; 0]);
    assert_eq!(stage.engine.silo("", "prune --all --yes").success().stdout, "Nothing to prune\n");
}

#[test]
fn two_commands_of_one_workspace_share_its_start() {
    let stage = Stage::new();
    stage.project("app", "");
    for words in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "--message", "all"]] {
        stage.engine.sandbox.git("app", words);
    }
    stage.engine.silo("app", "allow").success();
    stage.before_docker("case \" $* \" in *' compose '*' up '*) once up && sleep 2 ;; esac");
    let one = stage.beside("app", "run x -- echo first");
    until("it starts", || stage.times() == 1);
    let two = stage.beside("app", "run x -- echo second");
    assert!(well(one).starts_with("first\n"));
    assert!(well(two).starts_with("second\n"));
    stage.engine.silo("app", "rm --force --yes x").success();
}
