//! `share` on a real engine (D28): one container for all instances of a repository, reached in each by its service's name and by one
//! port, from the first that is up to the last that goes down; its data is nobody's to remove.

use std::collections::HashSet;
use std::fs;

use crate::engine::{Engine, get, until, until_is};
use crate::sandbox::free_ports;

/// The shared service counts its starts in its volume, and says by how many it is older.
const COMPOSE: &str = "services:
  search:
    image: silo-test-box
    container_name: search
    stop_grace_period: 0s
    command: [sh, -c, 'echo x >> /data/starts; cat /data/starts | tr -d \"\\n\" > /tmp/index.html; exec httpd -f -p 9200 -h /tmp']
    ports: ['PORT:9200']
    volumes: ['index:/data']
  web:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sh, -c, 'echo web of ${COMPOSE_PROJECT_NAME} > /tmp/index.html; exec httpd -f -p 80 -h /tmp']
    depends_on: [search]
    links: ['search:finder']
volumes:
  index: {}
";

struct Stage {
    engine: Engine,
    word: String,
}

impl Stage {
    /// A repository with two worktrees, `one` and `two`.
    fn new(network: &str) -> Self {
        let engine = Engine::new();
        let word = engine.word();
        let [port] = free_ports();
        let toml = format!(
            "version = 1\n[compose]\nnetwork = \"{network}\"\nshare = [\"search\"]\n[compose.ports]\nSEARCH_PORT = \"{port}:search:9200\"\n"
        );
        let root = engine.sandbox.project("one", &toml);
        fs::write(root.join("compose.yaml"), COMPOSE.replace("PORT", &port.to_string())).expect("it is writable");
        engine.sandbox.git(&root, ["init", "--quiet"]);
        engine.sandbox.git(&root, ["add", "."]);
        engine.sandbox.git(&root, ["commit", "--quiet", "--message", "first"]);
        engine.sandbox.git(&root, ["worktree", "add", "--quiet", "../two"]);
        let stage = Self { engine, word };
        for dir in ["one", "two"] {
            stage.silo(dir, "allow");
            stage.silo(dir, format!("env {}", stage.name(dir)));
        }
        stage
    }

    fn silo(&self, dir: &str, words: impl AsRef<str>) -> String {
        let ran = self.engine.silo(dir, words).success();
        ran.stdout + &ran.stderr
    }

    fn name(&self, dir: &str) -> String {
        format!("{dir}-{}", self.word)
    }

    fn port(&self, dir: &str) -> u16 {
        self.engine.port(dir, "SEARCH_PORT")
    }

    /// The shared containers of this repository: id, state and project of each.
    fn shared(&self) -> Vec<[String; 3]> {
        let format = "{{.ID}} {{.State}} {{.Label \"com.docker.compose.project\"}} {{.Label \"com.docker.compose.project.working_dir\"}}";
        let all = self.engine.docker(&["ps", "--all", "--filter", "label=silo.shared", "--format", format]).success();
        // The sandbox's own path is shown so.
        let own = all.stdout.lines().filter(|line| line.contains("$SANDBOX/"));
        own.map(|line| {
            let mut words = line.split(' ').map(str::to_owned);
            [(); 3].map(|()| words.next().expect("each has three"))
        })
        .collect()
    }

    /// What the web server of an instance gets from another by its name.
    fn got(&self, dir: &str, host: &str, port: u16) -> Option<String> {
        let line = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {host} {port}");
        let container = format!("localnet-{}-web-1", self.name(dir));
        let ran = self.engine.docker(&["exec", &container, "sh", "-c", &line]);
        let body = ran.stdout.split("\r\n\r\n").nth(1).map(|body| body.trim().to_owned());
        body.filter(|body| !body.is_empty())
    }

    fn volumes(&self, project: &str) -> String {
        self.engine.docker(&["volume", "ls", "--quiet", "--filter", &format!("name={project}_")]).success().stdout
    }

    fn remove_volume(&self, project: &str) {
        self.engine.docker(&["volume", "rm", &format!("{project}_index")]).success();
    }
}

#[test]
fn one_container_serves_all_worktrees_from_the_first_that_is_up_to_the_last() {
    let stage = Stage::new("ports");
    assert_eq!(stage.port("one"), stage.port("two"), "one port for all");
    let told = stage.silo("one", "up -d");
    assert!(told.contains("Starting what instances share: search"), "{told}");
    let told = stage.silo("two", "up -d");
    assert!(!told.contains("Starting what instances share"), "{told}");
    let [shared] = &stage.shared()[..] else { panic!("one for all: {:?}", stage.shared()) };
    let [_, runs, project] = shared.clone();
    assert!(runs == "running" && project.starts_with("silo-shared-one-"), "{project}");
    for dir in ["one", "two"] {
        let by = |name: &str| stage.got(dir, name, 9200);
        // By its service's name, started once, and by the name a link gives it.
        until_is(&[(); 2].map(|()| Some("x".to_owned())), || [by("search"), by("finder")]);
        until_is(&Some(format!("web of localnet-{}", stage.name(dir))), || stage.got(dir, "web", 80));
        // And by its port.
        until_is(&"x".to_owned(), || get(stage.port(dir), "/"));
        let status = stage.silo(dir, "status");
        assert!(status.contains("  search  ready") && status.contains("(shared)"), "{status}");
        stage.silo(dir, "wait --timeout 20s");
    }
    assert!(!stage.engine.silo("one", "doctor --json").stdout.contains("port-twice"));
    let id = |stage: &Stage| stage.shared()[0][0].clone();
    let before = id(&stage);
    stage.silo("two", "up -d");
    assert_eq!(id(&stage), before, "nothing is made again");

    // The first goes, and the other still has it; the last takes it along, but not its data.
    let told = stage.silo("one", "down --volumes");
    assert!(!told.contains("still in use") && !told.contains("nobody uses"), "{told}");
    assert_eq!(id(&stage), before);
    until_is(&Some("x".to_owned()), || stage.got("two", "search", 9200));
    let told = stage.silo("two", "down --volumes");
    assert!(told.contains("Stopping what instances shared, for nobody uses it any more: search"), "{told}");
    assert_eq!((stage.shared().len(), stage.volumes(&project).trim()), (0, format!("{project}_index").as_str()));
    stage.silo("two", "up -d");
    // Its data was kept.
    until_is(&Some("xx".to_owned()), || stage.got("two", "search", 9200));

    // Freed with one instance, the port is still the other's.
    let port = stage.port("two");
    stage.silo("one", "down --clean");
    stage.silo("two", "env");
    assert_eq!(stage.port("two"), port);
    until_is(&"xx".to_owned(), || get(port, "/"));

    // Its folder gone, prune stops what it was the last to use.
    fs::remove_dir_all(stage.engine.sandbox.dir("two")).expect("it was made");
    let told = stage.silo("", "prune --all --yes");
    assert!(told.contains("Stopping what instances shared"), "{told}");
    assert_eq!(stage.shared().len(), 0);
    stage.remove_volume(&project);
}

#[test]
fn plain_compose_starts_and_stops_it_too() {
    let stage = Stage::new("ports");
    stage.engine.bash("one", "docker compose up -d").success();
    stage.silo("two", "up -d");
    let project = stage.shared()[0][2].clone();
    for dir in ["one", "two"] {
        until_is(&Some("x".to_owned()), || stage.got(dir, "search", 9200));
    }
    let down = stage.engine.bash("one", "docker compose down").success();
    assert!(!down.stderr.contains("still in use"), "{}", down.stderr);
    assert_eq!(stage.shared().len(), 1);
    until_is(&Some("x".to_owned()), || stage.got("two", "search", 9200));
    stage.engine.bash("two", "docker compose down -v").success();
    assert_eq!((stage.shared().len(), stage.volumes(&project).trim()), (0, format!("{project}_index").as_str()));
    stage.remove_volume(&project);
}

#[test]
fn what_nobody_uses_any_more_the_doctor_finds() {
    let stage = Stage::new("ports");
    stage.silo("one", "up -d");
    let project = stage.shared()[0][2].clone();
    let found = || {
        let all = stage.engine.silo("one", "doctor --json");
        let all: serde_json::Value = serde_json::from_slice(&all.bytes).expect("it is JSON");
        // Those of other tests are in the same engine.
        let own = |one: &&serde_json::Value| one["id"] == "share-unused" && one["what"].to_string().contains(&project);
        all.as_array().expect("it is a list").iter().find(own).map(|one| one["fix"].as_str().expect("text").to_owned())
    };
    assert_eq!(found(), None);
    stage.engine.docker(&["rm", "--force", &format!("localnet-{}-web-1", stage.name("one"))]).success();
    let mut remedy = None;
    until("it runs on, for nobody", || {
        remedy = found();
        remedy.is_some()
    });
    let remedy = remedy.expect("it was found");
    let mut by_hand = stage.engine.command("sh", "");
    by_hand.args(["-c", &remedy]);
    stage.engine.sandbox.finish(by_hand).success();
    assert_eq!((stage.shared().len(), found()), (0, None));
    stage.silo("one", "down");
    stage.remove_volume(&project);
}

#[test]
fn starts_and_stops_at_once_leave_who_is_up_with_it() {
    let stage = Stage::new("ports");
    let silo = |dir: &'static str, words: &'static str| {
        let stage = &stage;
        move || {
            stage.engine.silo(dir, words).success();
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(silo("one", "up -d"));
        scope.spawn(silo("two", "up -d"));
    });
    assert_eq!(stage.shared().len(), 1);
    let project = stage.shared()[0][2].clone();
    stage.silo("two", "down");
    // The last one goes while another comes.
    for (goes, comes) in [("one", "two"), ("two", "one")] {
        std::thread::scope(|scope| {
            scope.spawn(silo(goes, "down"));
            scope.spawn(silo(comes, "up -d"));
        });
        assert_eq!(stage.shared().len(), 1, "{comes}");
        until_is(&true, || stage.got(comes, "search", 9200).is_some());
    }
    stage.silo("one", "down");
    assert_eq!(stage.shared().len(), 0);
    stage.remove_volume(&project);
}

#[test]
fn with_subnets_it_has_an_address_and_a_name_in_each_instance() {
    let stage = Stage::new("subnet");
    let mut addresses = HashSet::new();
    for dir in ["one", "two"] {
        stage.silo(dir, "up -d");
        let name = format!("search.{}.test", stage.name(dir));
        until_is(&Some("x".to_owned()), || stage.got(dir, &name, 9200));
        let status = stage.silo(dir, "status");
        let line = status.lines().find(|line| line.contains("  search  ")).expect("it is there");
        let address = line.split_whitespace().find(|word| word.starts_with("10.224.")).expect("it has an address");
        addresses.insert(address.trim_end_matches(',').to_owned());
    }
    assert_eq!(addresses.len(), 2, "{addresses:?}");
    let project = stage.shared()[0][2].clone();
    stage.silo("one", "down");
    stage.silo("two", "down");
    stage.remove_volume(&project);
}

#[test]
fn what_cannot_be_shared_is_refused_with_its_place() {
    let engine = Engine::new();
    for (share, compose, told) in [
        (
            "serach",
            "  search: {image: x}\n",
            "`compose.share` names the service `serach`, which the compose files do not have",
        ),
        (
            "db",
            "  db: {image: x, network_mode: host}\n",
            "`compose.share` names `db`, which has no network of its own (`network_mode: host`)",
        ),
        (
            "web",
            "  db: {image: x}\n  web: {image: x, depends_on: [db]}\n",
            "`compose.share` names `web`, which needs `db`, and that is each instance's own",
        ),
        (
            "db",
            "  db: {image: x}\n  tool: {image: x, network_mode: 'service:db'}\n",
            "`compose.share` names `db`, and `tool`, which is each instance's own, is in its network or has its volumes",
        ),
        ("db", "  db: {image: x}\n", "`compose.share` names `db`, and no service is left that is the instance's own"),
    ] {
        let root = engine.sandbox.trusted("app", &format!("version = 1\n[compose]\nshare = [\"{share}\"]\n"));
        fs::write(root.join("compose.yaml"), format!("services:\n{compose}")).expect("the project is writable");
        let up = engine.silo("app", "up -d").exit(1);
        assert!(up.stderr.contains(told) && up.stderr.contains("silo.toml:3:"), "{}", up.stderr);
    }
}
