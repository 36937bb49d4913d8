//! What a removed folder left in a real engine is found and removed: containers, networks, volumes, images. What `keep` names and what
//! another registry's instance has there stays (D23, D111).

use std::fs;

use crate::engine::Engine;
use crate::sandbox::program;

const COMPOSE: &str = "services:
  db:
    build: .
    image: silo-test-everybodys
    stop_grace_period: 0s
    command: [sleep, '600']
    volumes: ['data:/data', 'uploads:/uploads']
volumes:
  data: {}
  uploads: {}
";

/// A project whose services run, by a name of the instance.
fn running(engine: &Engine, dir: &str, name: &str, keep: &str) {
    let root = engine.sandbox.project(dir, &format!("version = 1\n[compose]\n{keep}\n"));
    fs::write(root.join("compose.yaml"), COMPOSE).expect("the project is writable");
    fs::write(root.join("Dockerfile"), "FROM silo-test-box\nENV FOR=prune\n").expect("the project is writable");
    engine.silo(dir, format!("up {name} -d")).success();
}

/// All that has a name in the engine.
fn all(engine: &Engine) -> String {
    let list = |words: &[&str]| engine.docker(words).success().stdout;
    [
        list(&["ps", "--all", "--format", "{{.Names}}"]),
        list(&["network", "ls", "--format", "{{.Name}}"]),
        list(&["volume", "ls", "--quiet"]),
        list(&["image", "ls", "--format", "{{.Repository}}"]),
    ]
    .concat()
}

#[test]
fn what_a_removed_folder_left_goes_and_what_is_kept_is_named() {
    let engine = Engine::new();
    let (gone, there) = (format!("g{}", engine.word()), format!("t{}", engine.word()));
    running(&engine, "gone", &gone, "keep = [\"uploads\"]");
    running(&engine, "there", &there, "");
    // As a copy that was killed leaves it.
    let id = "{{index .Config.Labels \"silo.instance\"}}";
    let id = engine.docker(&["inspect", "--format", id, &format!("localnet-{gone}-db-1")]).success().stdout;
    let (label, mount) = (format!("silo.seed={}", id.trim()), format!("localnet-{gone}_data:/silo-seed"));
    let name = format!("silo-seed-{}-localnet-{gone}_data", id.trim());
    let words = ["create", "--name", &name, "--label", &label, "--volume", &mount, "silo-test-box", "true"];
    engine.docker(&words).success();
    fs::remove_dir_all(engine.sandbox.dir("gone")).expect("it was made");
    let (own, other) = (format!("localnet-{gone}"), format!("localnet-{there}"));

    let left = engine.silo("", "prune --dry-run").success();
    for line in [
        format!("leaves containers {own}-db-1, "),
        format!("leaves network {own}_default"),
        format!("leaves volume {own}_data"),
        format!("leaves image {own}-db"),
    ] {
        assert!(left.stdout.contains(&line), "{line}: {}", left.stdout);
    }
    assert!(left.stderr.contains("`silo prune --all` removes these too"), "{}", left.stderr);
    let kept =
        format!("Kept: volume {own}_uploads, which `keep` names; if nobody needs it: `docker volume rm {own}_uploads`");
    assert!(left.stderr.contains(&kept), "{}", left.stderr);
    assert!(!left.stdout.contains(&other), "{}", left.stdout);

    let done = engine.silo("", "prune --clusters --yes").success();
    assert!(
        done.stderr.contains(&kept) && done.stderr.contains(&format!("Removing volume {own}_data")),
        "{}",
        done.stderr
    );
    let now = all(&engine);
    let own_left: Vec<&str> = now.lines().filter(|name| name.contains(&own)).collect();
    assert_eq!(own_left, [format!("{own}_uploads")]);
    for name in ["-db-1", "_default", "_data", "_uploads", "-db"] {
        assert!(now.lines().any(|line| line == format!("{other}{name}")), "{other}{name}: {now}");
    }
    // It is named for as long as it is there, and forgotten then.
    engine.silo("", "prune --all --yes").success().stderr_has(&kept);
    engine.docker(&["volume", "rm", &format!("{own}_uploads")]).success();
    let forgotten = engine.silo("", "prune --all --yes").success();
    assert!(forgotten.stdout.contains("is gone; forgets it"), "{}", forgotten.stdout);
    let nothing = engine.silo("", "prune --all --yes").success();
    assert!(!nothing.stderr.contains("Kept"), "{}", nothing.stderr);
    engine.silo("there", "down --volumes").success();
    engine.docker(&["image", "rm", &format!("{other}-db")]).success();
}

#[test]
fn what_somebody_removes_meanwhile_keeps_nothing_of_the_rest() {
    let engine = Engine::new();
    let name = engine.word();
    running(&engine, "app", &name, "");
    let (own, other) = (format!("localnet-{name}"), format!("localnet-{name}x"));
    // An image of another project, which goes once it is listed; of volumes the first goes before silo removes it.
    let context = engine.sandbox.dir("other");
    fs::create_dir_all(&context).expect("the sandbox is writable");
    fs::write(context.join("Dockerfile"), "FROM silo-test-box\nENV FOR=other\n").expect("the sandbox is writable");
    let label = format!("com.docker.compose.project={other}");
    let context = context.to_str().expect("it is text");
    engine.docker(&["build", "--quiet", "--label", &label, "--tag", &other, context]).success();
    let docker = engine.docker_path();
    let log = engine.sandbox.path("meanwhile");
    let script = format!(
        "#!/bin/sh
case \"$1 $2\" in
  'volume rm') [ -e '{log}.volume' ] || {{ '{docker}' volume rm \"$3\" >'{log}.volume'; }} ;;
esac
'{docker}' \"$@\"
code=$?
case \"$1 $2\" in
  'image ls') [ -e '{log}.image' ] || {{ '{docker}' image rm {other} >'{log}.image'; }} ;;
esac
exit $code
",
        log = log.display(),
    );
    program(&engine.sandbox.path("bin/docker"), &script);
    fs::remove_dir_all(engine.sandbox.dir("app")).expect("it was made");
    let done = engine.silo("", "prune --all --yes").success();
    assert!(done.stderr.contains(&format!("Removing volumes {own}_data, {own}_uploads")), "{}", done.stderr);
    for kind in ["image", "volume"] {
        let gone = fs::read_to_string(log.with_extension(kind)).expect("it took place");
        assert!(gone.contains(&name), "{gone}");
    }
    let now = all(&engine);
    assert!(!now.lines().any(|line| line.contains(&own)), "{now}");
}

#[test]
fn a_volume_that_was_compose_s_before_it_was_kept_stays_too() {
    let engine = Engine::new();
    let name = engine.word();
    running(&engine, "app", &name, "");
    running(&engine, "app", &name, "keep = [\"data\"]");
    fs::remove_dir_all(engine.sandbox.dir("app")).expect("it was made");
    let own = format!("localnet-{name}");
    let done = engine.silo("", "prune --all --yes").success();
    assert!(done.stderr.contains(&format!("Kept: volume {own}_data, which `keep` names")), "{}", done.stderr);
    let now = all(&engine);
    let own_left: Vec<&str> = now.lines().filter(|name| name.contains(&own)).collect();
    assert_eq!(own_left, [format!("{own}_data")]);
    engine.docker(&["volume", "rm", &format!("{own}_data")]).success();
}

#[test]
fn what_the_instance_of_another_registry_has_under_the_same_name_stays() {
    let (one, two) = (Engine::new(), Engine::new());
    let name = one.word();
    running(&one, "app", &name, "");
    one.silo("app", "down").success();
    fs::remove_dir_all(one.sandbox.dir("app")).expect("it was made");
    // Another user of this engine, who has the same name; and whose folder cannot be seen from here.
    running(&two, "app", &name, "");
    let own = format!("localnet-{name}");
    let kept = one.silo("", "prune --all --yes").success();
    assert!(kept.stderr.contains(&format!("Kept: compose project {own}, for `")), "{}", kept.stderr);
    fs::remove_dir_all(two.sandbox.dir("app")).expect("it was made");
    running(&one, "again", &format!("{name}-2"), "");
    fs::remove_dir_all(one.sandbox.dir("again")).expect("it was made");
    let before = all(&one);
    fs::create_dir_all(one.sandbox.dir("app")).expect("the sandbox is writable");
    assert!(before.contains(&format!("{own}-db-1")), "{before}");
    // The first one settles its name again, and is gone again, without having made anything.
    one.sandbox.project("app", "version = 1\n[compose]\n");
    one.silo("app", format!("env {name}")).success();
    fs::remove_dir_all(one.sandbox.dir("app")).expect("it was made");
    let done = one.silo("", "prune --all --yes").success();
    let told = format!("Kept: compose project {own}, for another instance has things in it");
    assert!(done.stderr.contains(&told), "{}", done.stderr);
    let now = all(&one);
    for thing in ["-db-1", "_default", "_data", "_uploads"] {
        assert!(now.lines().any(|line| line == format!("{own}{thing}")), "{thing}: {now}");
    }
    assert!(!now.contains(&format!("{own}-2")), "its own went: {now}");
    let done = two.silo("", "prune --all --yes").success();
    assert!(done.stderr.contains(&format!("Removing volumes {own}_data, {own}_uploads")), "{}", done.stderr);
    assert!(!all(&two).contains(&own), "{}", all(&two));
}
