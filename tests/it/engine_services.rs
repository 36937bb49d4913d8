//! Services of a compose project, isolated without an edit, on a real engine (D22-D25): each worktree answers on its own ports
//! and has its own data, whatever the compose file fixes.

use std::fs;

use crate::engine::{Engine, get, until, until_is};
use crate::sandbox::{free_ports, program};

/// A compose file with everything that makes two worktrees collide.
fn compose(web: u16) -> String {
    format!(
        r#"name: one-for-all
x-box: &box
  image: silo-test-box
  stop_grace_period: 0s
services:
  db:
    <<: *box
    container_name: db
    command: [httpd, -f, -p, "5432", -h, /data]
    ports: ["{web}:5432"]
    volumes: ["data:/data"]
    healthcheck: {{ test: [CMD, "true"], interval: 1s }}
    networks: {{ default: {{}}, back: {{ ipv4_address: 10.213.7.9 }} }}
  init:
    <<: *box
    command: [sh, -c, "echo $$HOSTNAME | tee -a /data/index.html"]
    volumes: ["data:/data"]
  web:
    <<: *box
    command: [sh, -c, "echo web > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    ports: ["${{WEB_PORT:-{web}}}:80", "9000"]
    depends_on: {{ db: {{ condition: service_healthy }}, init: {{ condition: service_completed_successfully }} }}
volumes:
  data: {{ name: silo-test-shared-data }}
networks:
  back: {{ name: silo-test-shared-net, ipam: {{ config: [ {{ subnet: 10.213.7.0/24 }} ] }} }}
"#
    )
}

fn toml(web: u16, db: u16) -> String {
    format!("version = 1\n[ports]\nWEB_PORT = {web}\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n")
}

/// Two worktrees of one project, trusted.
fn two(engine: &Engine) {
    let [web, db] = free_ports();
    for dir in ["one", "two"] {
        let root = engine.sandbox.trusted(dir, &toml(web, db));
        fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    }
}

#[test]
fn two_worktrees_run_side_by_side_with_ports_and_data_of_their_own() {
    let engine = Engine::new();
    two(&engine);
    for dir in ["one", "two"] {
        engine.silo(dir, "up -d").success().stderr_has("Starting the services");
        let status = engine.silo(dir, "status").success();
        for line in ["State: running", "  db    ready      127.0.0.1:", "  init  done", "  web   ready      127.0.0.1:"]
        {
            assert!(status.stdout.contains(line), "{line}: {}", status.stdout);
        }
    }
    let said = ["one", "two"].map(|dir| get(engine.port(dir, "DB_PORT"), "/"));
    assert!(said.iter().all(|host| host.len() == 12) && said[0] != said[1], "each has its own data: {said:?}");
    until_is(&["web", "web"].map(str::to_owned), || ["one", "two"].map(|dir| get(engine.port(dir, "WEB_PORT"), "/")));
    let (name, project) = (engine.sandbox.instance("two"), engine.project("two"));
    let who = engine.silo("one", format!("who {}", engine.port("two", "WEB_PORT"))).success().stdout;
    let published = format!("\nPublished by the service web of {name}: container {project}-web-1, Up ");
    assert!(who.starts_with(&format!("Leased to {name} as WEB_PORT (")) && who.contains(&published), "{who}");
    let all = engine.silo("one", "who").success().stdout;
    assert!(all.contains("listening  the service `web`"), "{all}");

    // The names that the file gives to all are nobody's.
    let containers = engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout;
    assert!(!containers.lines().any(|name| name == "db"), "{containers}");
    let volumes = engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
    assert!(!volumes.contains("silo-test-shared-data"), "{volumes}");
    // And the name that a container had still finds it from its siblings.
    let project = engine.project("one");
    until("it is found by that", || {
        engine.docker(&["exec", &format!("{project}-web-1"), "nc", "db", "5432", "-e", "true"]).succeeded()
    });

    // Nothing is recreated where nothing changed.
    let own = format!("label=com.docker.compose.project={}", engine.project("one"));
    let ids = |engine: &Engine| engine.docker(&["ps", "--quiet", "--no-trunc", "--filter", &own]).success().stdout;
    let before = ids(&engine);
    engine.silo("one", "up -d").success();
    assert_eq!(ids(&engine), before);

    let list = engine.silo("one", "list").success().stdout;
    assert_eq!(list.matches("2 up").count(), 2, "{list}");
    engine.silo("one", "wait --timeout 20s").success();
    assert!(engine.silo("one", "logs init").success().stdout.contains("init-1"));

    // One goes with its data, and the other stays with its own.
    engine.silo("one", "down --volumes").success();
    assert_eq!(get(engine.port("two", "DB_PORT"), "/"), said[1]);
    let left = engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
    assert!(!left.contains(&format!("{project}_data")) && left.contains(&engine.project("two")), "{left}");
    engine.silo("two", "down").success();
    let left = engine.docker(&["volume", "ls", "--quiet"]).success().stdout;
    assert!(left.contains(&format!("{}_data", engine.project("two"))), "data stays: {left}");
    let again = engine.silo("two", "down").success();
    assert!(again.stderr.contains("No "), "{}", again.stderr);
    engine.silo("two", "up -d").success();
    assert!(get(engine.port("two", "DB_PORT"), "/").starts_with(&said[1]), "what was written is read back");
}

#[test]
fn plain_compose_acts_on_the_instance_it_is_typed_in() {
    let engine = Engine::new();
    two(&engine);
    for dir in ["one", "two"] {
        engine.bash(dir, "docker compose up -d --wait db").success();
    }
    let ports = ["one", "two"].map(|dir| engine.port(dir, "DB_PORT"));
    assert_ne!(ports[0], ports[1]);
    let project = engine.project("one");
    let ps = engine.bash("one", "docker compose ps --format '{{.Name}}'").success();
    assert_eq!(ps.stdout, format!("{project}-db-1\n"));
    let listed = engine.bash("one", "docker compose -f compose.yaml ps --format '{{.Name}}'").success();
    assert_eq!(listed.stdout, ps.stdout, "a list of files is the project's, too");
    engine.bash("one", "docker compose exec -T db sh -c 'echo mine > /data/mine'").success();
    assert_eq!(get(ports[0], "/mine"), "mine");
    assert_ne!(get(ports[1], "/mine"), "mine");
    let run = engine.bash("one", "docker compose run --rm -T --no-deps db cat /data/mine").success();
    assert_eq!(run.stdout.trim(), "mine");

    // In a folder below, as compose climbs.
    fs::create_dir(engine.sandbox.dir("one/below")).expect("the project is writable");
    let below = engine.bash("one/below", "docker compose ps --format '{{.Name}}'").success();
    assert_eq!(below.stdout, ps.stdout);

    // What is another project's is not this one's, wherever it is typed.
    let other = engine.sandbox.dir("other");
    fs::create_dir_all(&other).expect("the sandbox is writable");
    fs::write(
        other.join("compose.yaml"),
        "services: { x: { image: silo-test-box, command: [sleep, '60'], stop_grace_period: 0s } }\n",
    )
    .expect("the sandbox is writable");
    let line = format!("docker compose --project-directory {0} -f {0}/compose.yaml up -d", other.display());
    engine.bash("one", &line).success().stderr_has("without the instance's project name");
    let line = format!("docker compose --project-directory {0} -f {0}/compose.yaml down -v", other.display());
    engine.bash("one", &line).success();
    assert_eq!(get(ports[0], "/mine"), "mine", "it lives, and its volume too");

    engine.bash("one", "docker compose down -v").success();
    assert!(get(ports[0], "/mine").is_empty());
    assert_eq!(get(ports[1], "/mine").lines().count(), get(ports[1], "/mine").lines().count());
    until("the other one still answers", || TcpAnswers(ports[1]).now());
}

#[test]
fn podman_compose_acts_on_the_instance_where_the_settings_say_podman() {
    let engine = Engine::new();
    two(&engine);
    // As podman documents it: `podman compose` calls docker-compose with the address of its own socket.
    let address = std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
    let script = format!("#!/bin/sh\nDOCKER_HOST={address} exec docker \"$@\"\n");
    program(&engine.sandbox.path("bin/podman"), &script);
    fs::create_dir_all(engine.sandbox.path("config/silo")).expect("the sandbox is writable");
    let settings = engine.sandbox.path("config/silo/config.toml");
    fs::write(settings, "engine = \"podman\"\n").expect("the sandbox is writable");
    let silo = |dir: &str, words: &str| {
        let line = format!("DOCKER_HOST=unix:///nowhere CONTAINER_HOST={address} silo {words}");
        let mut command = engine.command("sh", dir);
        command.args(["-c", &line]);
        engine.sandbox.finish(command)
    };
    silo("one", "up -d").success();
    silo("two", "exec -- podman compose up -d --wait db").success();
    for dir in ["one", "two"] {
        let status = silo(dir, "status").success().stdout;
        assert!(status.lines().any(|line| line.starts_with("  db ") && line.contains("  ready ")), "{status}");
        let project = engine.project(dir);
        let ps = silo(dir, "exec -- podman compose ps --format {{.Name}}").success().stdout;
        assert!(ps.contains(&format!("{project}-db-1\n")), "{ps}");
    }
    until_is(&"web".to_owned(), || get(engine.port("one", "WEB_PORT"), "/"));
    silo("one", "down --volumes").success();
    silo("two", "down --volumes").success();
}

/// Whether a web server answers at all.
struct TcpAnswers(u16);

impl TcpAnswers {
    fn now(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.0)).is_ok()
    }
}

#[test]
fn what_compose_says_that_does_not_fit_is_refused_with_its_place() {
    let engine = Engine::new();
    let [web, db] = free_ports();
    let root = engine.sandbox.project("app", &toml(web, db).replace(":db:5432", ":dbb:5432"));
    fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    engine
        .silo("app", "up -d")
        .exit(1)
        .stderr_has("`DB_PORT` names the service `dbb`, which the compose files do not have")
        .stderr_has("silo.toml:5:11")
        .stderr_has("The nearest service is `db`");
    engine.sandbox.project("app", &toml(web, db).replace(":db:5432", ":db:5433"));
    engine.silo("app", "up -d").exit(1).stderr_has("The nearest port of `db` is 5432");
    let keeps = toml(web, db).replace("[compose.ports]", "[compose]\nkeep = [\"dat\"]\n[compose.ports]");
    engine.sandbox.project("app", &keeps);
    engine.silo("app", "up -d").exit(1).stderr_has("The nearest volume is `data`").stderr_has("silo.toml:5:9");
    fs::write(root.join("compose.yaml"), "services: { db: [").expect("the project is writable");
    engine.silo("app", "up -d").exit(1);
    fs::remove_file(root.join("compose.yaml")).expect("it is there");
    engine.sandbox.project("app", &toml(web, db));
    engine.silo("app", "up -d").exit(1).stderr_has("There is no compose file in");
}

#[test]
fn a_kept_volume_outlives_down_with_volumes() {
    let engine = Engine::new();
    let [web, db] = free_ports();
    let root = engine
        .sandbox
        .project("app", &toml(web, db).replace("[compose.ports]", "[compose]\nkeep = [\"data\"]\n[compose.ports]"));
    let text = compose(web).replace("{ name: silo-test-shared-data }", "{}");
    fs::write(root.join("compose.yaml"), text).expect("the project is writable");
    engine.silo("app", "up -d").success();
    let said = get(engine.port("app", "DB_PORT"), "/");
    engine.silo("app", "down --volumes").success();
    engine.silo("app", "up -d").success();
    let again = get(engine.port("app", "DB_PORT"), "/");
    assert!(!said.is_empty() && again.starts_with(&said), "{said:?} {again:?}");
    engine.silo("app", "down --volumes").success();
    engine.docker(&["volume", "rm", &format!("{}_data", engine.project("app"))]).success();
}

#[test]
fn engine_hooks_act_on_the_instance_and_start_nothing_that_waits_for_them() {
    let engine = Engine::new();
    let [web, db] = free_ports();
    let hooks = "[gates]\npsql = \"services\"\ndocker = \"services\"\n[hooks]\n\
                 pre-up = [\"docker compose up -d --wait db && docker compose exec -T db sh -c 'echo early > /data/early'\", \"psql\"]\n\
                 post-up = [\"docker compose run --rm -T --no-deps db cat /data/early\", \"silo exec -- docker compose ps --services\", \
                 \"silo exec -- psql\", \"cd / && docker compose ls --quiet\"]\n\
                 pre-down = [\"docker compose exec -T db cat /data/early > kept\"]\n";
    // Nobody has trusted it: it was typed.
    let root = engine.sandbox.project("app", &format!("{}{hooks}", toml(web, db)));
    fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    crate::sandbox::program(&engine.sandbox.path("bin/psql"), "#!/bin/sh\necho psql at $SILO_LIFECYCLE\n");
    let up = engine.silo("app", "up -d").success();
    let project = engine.project("app");
    for line in ["psql at pre-up", "early", "db", "psql at post-up", project.as_str()] {
        assert!(up.stdout.lines().any(|said| said == line), "{line}: {}", up.stdout);
    }
    assert_eq!(get(engine.port("app", "DB_PORT"), "/early"), "early", "it is the instance's, on its leased port");
    let all = engine.docker(&["ps", "--all", "--format", "{{.Names}}"]).success().stdout;
    assert!(!all.lines().any(|name| name == "db"), "{all}");
    // Outside of hooks the gate is there as ever.
    let ran = engine.silo("app", "exec -- psql").success();
    assert_eq!(ran.stdout, "psql at\n");
    engine.silo("app", "down --volumes").success();
    assert_eq!(fs::read_to_string(root.join("kept")).expect("the hook wrote it"), "early\n");
}

#[test]
fn engine_a_gate_for_some_services_starts_these_and_what_they_need_and_waits_for_no_other() {
    let engine = Engine::new();
    let [web, db] = free_ports();
    let gates = "[gates]\npsql = \"services:db\"\nweb = \"services:web\"\n";
    let root = engine.sandbox.trusted("app", &format!("{}{gates}", toml(web, db)));
    // One that never gets ready, and that nobody needs.
    let text = compose(web).replace(
        "  web:\n",
        "  sick:\n    <<: *box\n    command: [sleep, \"600\"]\n    healthcheck: { test: [CMD, \"false\"], interval: 1s, retries: 1 }\n  web:\n",
    );
    fs::write(root.join("compose.yaml"), text).expect("the project is writable");
    for tool in ["psql", "web"] {
        crate::sandbox::program(&engine.sandbox.path(format!("bin/{tool}")), "#!/bin/sh\necho $0 $DB_PORT\n");
    }
    let running = |engine: &Engine| -> Vec<String> {
        let filter = format!("label=com.docker.compose.project={}", engine.project("app"));
        let format = "{{.Label \"com.docker.compose.service\"}}";
        let ps = engine.docker(&["ps", "--all", "--filter", &filter, "--format", format]).success();
        let mut names: Vec<String> = ps.stdout.lines().map(str::to_owned).collect();
        names.sort();
        names
    };
    let first = engine.bash("app", "psql").success().stderr_has("Starting the services");
    assert!(first.stdout.trim().ends_with(&engine.port("app", "DB_PORT").to_string()), "{}", first.stdout);
    assert_eq!(running(&engine), ["db"]);
    engine.bash("app", "web").success().stderr_has("Starting the services");
    assert_eq!(running(&engine), ["db", "init", "web"]);

    // Up is up, though another one is ill; and one of what it needs that is gone is started again.
    engine.bash("app", "docker compose up -d sick").success();
    until("it is ill", || engine.silo("app", "status").stdout.contains("unhealthy"));
    let again = engine.bash("app", "psql; web").success();
    assert!(!again.stderr.contains("Starting"), "{}", again.stderr);
    // That is one question to the engine, and no program but the tool.
    #[cfg(target_os = "linux")]
    {
        engine.bash("app", "strace -f -e trace=execve,connect -o calls psql").success();
        let calls = fs::read_to_string(root.join("calls")).expect("strace wrote it");
        let many = |call: &str| calls.lines().filter(|line| line.contains(call) && line.ends_with("= 0")).count();
        assert_eq!((many("connect("), many("/bin/psql\"")), (1, 1), "{calls}");
        assert!(!calls.contains("/docker\""), "{calls}");
    }
    engine.bash("app", "docker compose rm --force --stop db").success();
    engine.bash("app", "web").success().stderr_has("Starting the services");
    assert_eq!(running(&engine), ["db", "init", "sick", "web"]);

    // A service that is not there, at its place, when the files are known.
    let wrong = format!("{}{}", toml(web, db), gates.replace("services:web", "services:db,wbe"));
    engine.sandbox.trusted("app", &wrong);
    for ran in [engine.bash("app", "web"), engine.silo("app", "up -d")] {
        ran.exit(1)
            .stderr_has("`gates.web` names the service `wbe`, which the compose files do not have")
            .stderr_has("silo.toml:8:20")
            .stderr_has("The nearest service is `web`");
    }
    engine.silo("app", "down --volumes").success();
}
