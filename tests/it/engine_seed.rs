//! Data from before silo is named and brought over, and an instance's volume is filled from another's, on a real engine (D30): whole,
//! or not at all.

use std::fs;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::engine::{Engine, until};
use crate::sandbox::{free_ports, program};

const COMPOSE: &str = "services:
  db:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sleep, '600']
    volumes: ['data:/data', 'shared:/shared']
  web:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sleep, '600']
volumes:
  data: {}
  shared: { name: NAME }
";

/// A word that no other sandbox has: compose projects and volumes are one for the whole engine.
fn unique(engine: &Engine) -> String {
    let folder = engine.sandbox.path("").to_string_lossy().into_owned();
    folder.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase()
}

/// A project with a volume of its own and one whose name is written out; the name has to be nobody else's.
fn project(engine: &Engine, dir: &str, toml: &str) -> String {
    let name = format!("silo-test-{}", unique(engine));
    let root = engine.sandbox.project(dir, &format!("version = 1\n[compose]\n{toml}"));
    fs::write(root.join("compose.yaml"), COMPOSE.replace("NAME", &name)).expect("the project is writable");
    name
}

/// What a file in an instance's volume says.
fn read(engine: &Engine, container: &str, path: &str) -> String {
    let mut command = engine.command("docker", "");
    command.args(["exec", container, "cat", path]);
    String::from_utf8_lossy(&command.output().expect("docker runs").stdout).trim().to_owned()
}

fn write(engine: &Engine, container: &str, line: &str) {
    engine.docker(&["exec", container, "sh", "-c", line]).success();
}

/// What copies leave behind: nothing.
fn nothing_is_left(engine: &Engine) {
    for folder in fs::read_dir(engine.sandbox.path("state/silo/instances")).expect("there is one") {
        let id = folder.expect("it can be read").file_name().to_string_lossy().into_owned();
        for label in [format!("label=silo.seed={id}"), format!("label=silo.seed={id}-look")] {
            let containers = engine.docker(&["ps", "--all", "--quiet", "--filter", &label]).success().stdout;
            let images = engine.docker(&["image", "ls", "--quiet", "--filter", &label]).success().stdout;
            assert_eq!((containers.as_str(), images.as_str()), ("", ""), "{label}");
        }
    }
}

#[test]
fn what_plain_compose_wrote_before_silo_is_named_and_brought_over() {
    let engine = Engine::new();
    let shop = &format!("shop-{}", unique(&engine));
    let root = engine.sandbox.dir(shop);
    let global = project(&engine, shop, "");
    fs::remove_file(root.join("silo.toml")).expect("it was written");
    let plain = |words: &[&str]| {
        let mut command = engine.command("docker", shop);
        command.arg("compose").args(words);
        engine.sandbox.finish(command).success()
    };
    plain(&["up", "-d"]);
    // compose's own name for it: the folder's.
    let before = &format!("{shop}-db-1");
    write(&engine, before, "echo old > /data/file; busybox chown 70:71 /data/file /data; busybox chmod 640 /data/file");
    write(&engine, before, "echo all > /shared/file; busybox ln -s file /data/link");
    let seed = &format!("silo seed data --from-volume {shop}_data");

    // While they run and once they are gone, and before anything was trusted or started.
    let init = engine.silo(shop, "init").success();
    for line in [
        &format!("The volume `{shop}_data` is from before silo"),
        seed,
        &format!("silo seed shared --from-volume {global}"),
        &format!("`db`, `web`; to stop them: `docker compose -p {shop} stop`"),
    ] {
        assert!(init.stderr.contains(line), "{line}: {}", init.stderr);
    }
    engine.silo(shop, "deny").success();
    engine.silo(shop, "allow").success().stderr_has(seed);
    engine.doctor_says(shop, "doctor --json", &["former-volume", "former-services"]);
    plain(&["down"]);
    let up = engine.silo(shop, "up -d").success().stderr_has(seed).stderr_has("shared --from-volume");
    assert!(!up.stderr.contains("still run"), "{}", up.stderr);
    let again = engine.silo(shop, "up -d").success();
    assert!(!again.stderr.contains("before silo"), "it is said once: {}", again.stderr);
    let found = engine.doctor_says(shop, "doctor --json", &[seed]);
    assert!(!found.contains("former-services"), "{found}");

    // The service has written since: that is lost only where it is asked for.
    let project = engine.project(shop);
    let db = format!("{project}-db-1");
    write(&engine, &db, "echo new > /data/file");
    engine
        .silo(shop, &seed["silo ".len()..])
        .exit(1)
        .stderr_has(&format!("The volume `{project}_data` is not empty"))
        .stderr_has(&format!("{} --force", &seed["silo ".len()..]));
    assert_eq!(read(&engine, &db, "/data/file"), "new");
    engine
        .silo(shop, format!("{} --force", &seed["silo ".len()..]))
        .success()
        .stderr_has(&format!("This loses all that is in `{project}_data`, made "))
        .stderr_has("Stopping `db` for the copy")
        .stderr_has("Starting `db` again");
    assert_eq!(read(&engine, &db, "/data/file"), "old");
    let listed = engine.docker(&["exec", &db, "busybox", "ls", "-lna", "/data"]).success().stdout;
    assert!(listed.contains("-rw-r-----    1 70       71"), "owners and modes are kept: {listed}");
    assert!(listed.contains("link -> file") && listed.contains("70       71"), "{listed}");
    // Nothing has been written to the other one, so it is no loss.
    engine.silo(shop, format!("seed shared --from-volume {global}")).success();
    assert_eq!(read(&engine, &db, "/shared/file"), "all");
    nothing_is_left(&engine);

    // compose takes the volumes for its own, and the ones before are still there.
    let up = engine.silo(shop, "up -d").success();
    assert!(!up.stderr.contains("already exists") && !up.stderr.contains("Recreate"), "{}", up.stderr);
    assert_eq!(read(&engine, &db, "/data/file"), "old");
    let volumes = engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
    assert!(volumes.contains(&format!("{shop}_data")) && volumes.contains(&global), "{volumes}");
    let found = engine.silo(shop, "doctor --json");
    assert!(!found.stdout.contains("former-volume"), "it was brought over: {}", found.stdout);
    engine.silo(shop, "down --volumes").success();
    for volume in [&format!("{shop}_data"), &global, &format!("{project}_data")] {
        engine.docker(&["volume", "rm", "--force", volume]).success();
    }
}

#[test]
fn an_empty_volume_from_before_is_not_named_until_something_is_in_it() {
    let engine = Engine::new();
    let shop = &format!("shop-{}", unique(&engine));
    let global = project(&engine, shop, "");
    let plain = |words: &[&str]| {
        let mut command = engine.command("docker", shop);
        command.arg("compose").args(words);
        engine.sandbox.finish(command).success()
    };
    plain(&["up", "-d"]);
    let said = engine.silo(shop, "allow").success().stderr;
    assert!(!said.contains("is from before silo") && said.contains("still run"), "{said}");
    write(&engine, &format!("{shop}-db-1"), "echo old > /data/file");
    let found = engine.doctor_says(shop, "doctor --json", &[&format!("{shop}_data` is from before silo")]);
    assert!(!found.contains(&format!("{global}` is from before silo")), "{found}");
    engine.silo(shop, "env").success();
    nothing_is_left(&engine);
    plain(&["down", "--volumes"]);
}

#[test]
fn a_new_instance_is_filled_from_another_whose_services_stop_for_a_moment() {
    let engine = Engine::new();
    let port = free_ports::<1>()[0];
    project(&engine, "main", &format!("[compose.ports]\nDB_PORT = \"{port}:db:5432\"\n"));
    engine.silo("main", "up main -d").success();
    let main = format!("{}-db-1", engine.project("main"));
    write(&engine, &main, "echo of-main > /data/file");
    let id = |engine: &Engine| engine.docker(&["inspect", "--format", "{{.Id}} {{.State.Pid}}", &main]).stdout;
    let before = id(&engine);

    project(&engine, "work", "seed = { data = \"main\", shared = \"nobody\" }\n");
    engine.silo("work", "allow").success();
    engine
        .bash("work", "docker compose up -d")
        .success()
        .stderr_has("for the copy")
        .stderr_has("-db-1` again\n")
        .stderr_has("The volume `shared` starts empty: No instance is named `nobody`");
    let work = format!("{}-db-1", engine.project("work"));
    assert_eq!(read(&engine, &work, "/data/file"), "of-main");
    let after = id(&engine);
    assert_eq!(before.split(' ').next(), after.split(' ').next(), "it is the same container");
    assert_ne!(before, after, "and was started again");

    // Each has its own from then on, and an instance that has data keeps it.
    write(&engine, &work, "echo of-work > /data/file");
    engine.silo("work", "down").success();
    engine.silo("work", "up -d").success();
    assert_eq!(read(&engine, &work, "/data/file"), "of-work");
    assert_eq!(read(&engine, &main, "/data/file"), "of-main");
    engine.silo("work", "down --volumes").success();
    let up = engine.silo("work", "up -d").success();
    assert!(up.stderr.contains("Filled"), "an instance without the volume is a new one: {}", up.stderr);
    assert_eq!(read(&engine, &work, "/data/file"), "of-main");

    // The same by hand, and what cannot be.
    let told = |words: &str| engine.silo("work", words).exit(1).stderr;
    assert!(told("seed dta --from main").contains("The nearest is `data`"));
    assert!(told("seed data --from-volume no-such-volume").contains("There is no volume `no-such-volume`"));
    assert!(told("seed data --from work-nobody").contains("No instance is named"));
    let own = format!("{}_data", engine.project("work"));
    assert!(told(&format!("seed data --from-volume {own}")).contains("is the volume that is to be filled"));
    engine.silo("work", "seed data").exit(2);
    engine.silo("work", "seed data --from main --from-volume x").exit(2);
    let live = engine.silo("work", "seed data --from main --force --live").success();
    assert!(live.stderr.contains("runs on: what it writes during the copy"), "{}", live.stderr);
    nothing_is_left(&engine);

    // A container of nobody's is not stopped.
    let volume = format!("{}_data", engine.project("main"));
    let mount = format!("{volume}:/data");
    engine.silo("main", "down").success();
    engine.docker(&[
        "run",
        "--detach",
        "--name",
        "silo-test-nobodys",
        "--volume",
        &mount,
        "silo-test-box",
        "sleep",
        "60",
    ]);
    let refused = told("seed data --from main --force");
    engine.docker(&["rm", "--force", "silo-test-nobodys"]).success();
    assert!(refused.contains("`silo-test-nobodys`") && refused.contains("docker stop silo-test-nobodys"), "{refused}");
    for dir in ["work", "main"] {
        engine.silo(dir, "down --volumes").success();
    }
}

/// A `docker` whose copies of a volume come as far as their first megabytes, and go on no more.
struct Half {
    stays: PathBuf,
    came: PathBuf,
}

impl Half {
    fn new(engine: &Engine) -> Self {
        let half = Self { stays: engine.sandbox.path("stays"), came: engine.sandbox.path("came") };
        half.begin();
        let docker = engine.docker_path();
        let (stays, came) = (half.stays.display(), half.came.display());
        // What is only looked at is no copy, and has no mark.
        let mark = engine.sandbox.path("state/silo/instances/*/filling");
        let script = format!(
            "#!/bin/sh
[ \"$1 $3\" = 'cp -' ] && [ -e {stays} ] && ls {mark} >/dev/null 2>&1 || exec {docker} \"$@\"
{docker} \"$@\" | {{
  head -c 2000000
  : >{came}
  while [ -e {stays} ] && kill -0 $PPID; do sleep 0.1; done 2>/dev/null
}}
",
            mark = mark.display()
        );
        program(&engine.sandbox.path("bin/docker"), &script);
        half
    }

    fn begin(&self) {
        let _ = fs::remove_file(&self.came);
        fs::write(&self.stays, "").expect("the sandbox is writable");
    }

    fn came(&self) -> bool {
        self.came.exists()
    }

    /// From here on all of it is copied.
    fn end(&self) {
        fs::remove_file(&self.stays).expect("it was made");
    }
}

#[test]
fn a_copy_that_breaks_off_leaves_no_half_of_a_database() {
    let engine = Engine::new();
    project(&engine, "app", "");
    engine.silo("app", "allow").success();
    engine.silo("app", "up -d").success();
    let project = engine.project("app");
    let source = format!("{project}-source");
    let mount = format!("{source}:/data");
    let fill = "for i in 1 2 3 4 5 6; do busybox dd if=/dev/urandom of=/data/$i bs=1M count=3 2>/dev/null; done";
    engine.docker(&["run", "--rm", "--volume", &mount, "silo-test-box", "sh", "-c", fill]).success();
    let half = Half::new(&engine);

    let run = || {
        let mut command = engine.command(crate::sandbox::SILO, "app");
        command.args(["seed", "data", "--from-volume", &source, "--force"]);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::piped());
        command.spawn().expect("silo runs")
    };
    let id = engine.docker(&[
        "inspect",
        "--format",
        "{{index .Config.Labels \"silo.instance\"}}",
        &format!("{project}-db-1"),
    ]);
    let label = format!("label=silo.seed={}", id.stdout.trim());
    let is_copying = || {
        // The mark stands while the first byte has yet to come and the last one has not.
        let folders = fs::read_dir(engine.sandbox.path("state/silo/instances")).expect("there is one");
        let is_marked = folders.filter_map(Result::ok).any(|folder| folder.path().join("filling").exists());
        let listed = engine.docker(&["ps", "--all", "--quiet", "--filter", &label]).stdout;
        is_marked && half.came() && listed.lines().count() == 2
    };
    let volumes = || engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
    let target = format!("{project}_data");

    // Ctrl-C: the volume is not there.
    let child = run();
    until("it copies", is_copying);
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("it is a process id"));
    kill(pid, Signal::SIGINT).expect("it runs");
    let out = child.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(130), "{said}");
    assert!(said.contains("was removed; try again: `silo seed data --from-volume"), "{said}");
    assert!(!volumes().lines().any(|name| name == target), "{}", volumes());
    nothing_is_left(&engine);

    // Killed: nothing starts beside a half, until it is whole.
    half.begin();
    let mut child = run();
    until("it copies", is_copying);
    child.kill().expect("it runs");
    child.wait().expect("it ends");
    half.end();
    let again = format!("silo seed data --from-volume {source}");
    for line in ["up -d", "exec -- docker compose up -d"] {
        let refused = engine.silo("app", line).exit(1).stderr;
        assert!(refused.contains(&format!("The volume `{target}` is half filled: `{again}` did not end")), "{refused}");
    }
    engine.silo("app", "exec -- docker compose ps").success();
    engine.silo("app", &again["silo ".len()..]).success();
    engine.silo("app", "up -d").success();
    let db = format!("{project}-db-1");
    let sums = |what: &[&str]| {
        let words = [what, &["sh", "-c", "cd /data && busybox md5sum 1 2 3 4 5 6"]].concat();
        engine.docker(&words).success().stdout
    };
    assert_eq!(sums(&["exec", &db]), sums(&["run", "--rm", "--volume", &mount, "silo-test-box"]));
    nothing_is_left(&engine);
    engine.silo("app", "down --volumes").success();
    engine.docker(&["volume", "rm", &source]).success();
}

#[test]
fn a_new_worktree_begins_with_what_the_main_checkout_has() {
    let engine = Engine::new();
    project(&engine, "shop", "seed = { data = \"main\" }\n");
    for words in [&["init", "--quiet"][..], &["add", "."], &["commit", "--quiet", "-m", "all"]] {
        engine.sandbox.git("shop", words);
    }
    engine.silo("shop", "allow").success();
    // The main checkout is called after its folder; `main` is its branch, and itself it is not filled from.
    let up = engine.silo("shop", "up -d").success();
    assert!(!up.stderr.contains("starts empty") && !up.stderr.contains("Filled"), "{}", up.stderr);
    write(&engine, &format!("{}-db-1", engine.project("shop")), "echo of-main > /data/file");
    engine.sandbox.git("shop", ["worktree", "add", "--quiet", "-b", "feature", "../feature"]);

    // A gate is the first that starts something there.
    engine.bash("feature", "docker compose up -d && docker compose exec -T db cat /data/file").success();
    let feature = format!("{}-db-1", engine.project("feature"));
    assert_eq!(read(&engine, &feature, "/data/file"), "of-main");
    write(&engine, &feature, "echo of-feature > /data/file");
    let again = engine.bash("feature", "docker compose up -d").success();
    assert!(!again.stderr.contains("Filled"), "{}", again.stderr);
    let read_back = [("feature", "of-feature"), ("shop", "of-main")];
    for (dir, text) in read_back {
        assert_eq!(read(&engine, &format!("{}-db-1", engine.project(dir)), "/data/file"), text);
        engine.silo(dir, "down --volumes").success();
    }
}
