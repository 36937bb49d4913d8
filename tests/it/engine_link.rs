//! `link` on a real engine (D26): instances do not reach each other, and with it one reaches the services of the other by name, while
//! what either calls its own stays its own.

use std::fs;

use crate::engine::{Engine, until, until_is};
use crate::sandbox::program;

/// Each service says which instance it is of.
const COMPOSE: &str = "services:
  web:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sh, -c, 'echo web of ${COMPOSE_PROJECT_NAME} > /tmp/index.html; exec httpd -f -p 80 -h /tmp']
  db:
    image: silo-test-box
    stop_grace_period: 0s
    command: [sh, -c, 'echo db of ${COMPOSE_PROJECT_NAME} > /tmp/index.html; exec httpd -f -p 5432 -h /tmp']
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

    /// A project whose instance has a name of this test's own.
    fn project(&self, dir: &str, link: &[&str]) {
        let link: Vec<String> = link.iter().map(|dir| format!("{:?}", self.name(dir))).collect();
        let toml = format!("version = 1\n[compose]\nlink = [{}]\n", link.join(", "));
        let root = self.engine.sandbox.trusted(dir, &toml);
        fs::write(root.join("compose.yaml"), COMPOSE).expect("the project is writable");
    }

    fn up(&self, dir: &str) -> String {
        self.engine.silo(dir, format!("up {} -d", self.name(dir))).success().stderr
    }

    fn container(&self, dir: &str, service: &str) -> String {
        format!("localnet-{}-{service}-1", self.name(dir))
    }

    /// What a container of an instance gets from a web server, by its name there; none where it reaches none.
    fn got(&self, dir: &str, host: &str, port: u16) -> Option<String> {
        let line = format!("printf 'GET / HTTP/1.0\\r\\n\\r\\n' | nc -w 2 {host} {port}");
        let ran = self.engine.docker(&["exec", &self.container(dir, "web"), "sh", "-c", &line]);
        let body = ran.stdout.split("\r\n\r\n").nth(1).map(|body| body.trim().to_owned());
        body.filter(|body| !body.is_empty())
    }

    fn db_of(&self, dir: &str) -> String {
        format!("db of localnet-{}", self.name(dir))
    }

    fn networks(&self) -> Vec<String> {
        let all = self.engine.docker(&["network", "ls", "--format", "{{.Name}}"]).success().stdout;
        all.lines().filter(|name| name.contains(&self.word)).map(str::to_owned).collect()
    }

    fn links(&self) -> usize {
        self.networks().iter().filter(|name| name.contains("_silo-link-")).count()
    }
}

#[test]
fn an_instance_reaches_another_only_where_it_is_linked_and_each_keeps_its_own_names() {
    let stage = Stage::new();
    let (one, two) = (stage.name("one"), stage.name("two"));
    stage.project("one", &[]);
    stage.project("two", &[]);
    stage.up("one");
    stage.up("two");
    let far = format!("db.{two}.test");
    let address = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}";
    let inspected = stage.engine.docker(&["inspect", "--format", address, &stage.container("two", "db")]).success();
    let address = inspected.stdout.trim();
    // A sibling reaches it.
    until_is(&Some(stage.db_of("two")), || stage.got("two", address, 5432));
    // Another instance does not, but for the moments in which Docker makes a network and takes its rule against that away.
    until_is(&(None, None), || (stage.got("one", &far, 5432), stage.got("one", address, 5432)));
    assert_eq!(stage.links(), 0);

    // The same container as before, linked: compose makes none again for that.
    let id =
        |dir| stage.engine.docker(&["inspect", "--format", "{{.Id}}", &stage.container(dir, "web")]).success().stdout;
    let before = (id("one"), id("two"));
    stage.project("one", &["two"]);
    stage.up("one");
    assert_eq!((id("one"), id("two")), before);
    until_is(&Some(stage.db_of("two")), || stage.got("one", &far, 5432));
    until_is(&Some(format!("web of localnet-{two}")), || stage.got("one", &format!("web.{two}.test"), 80));
    for dir in ["one", "two"] {
        // Its own name is its own service's.
        until_is(&Some(stage.db_of(dir)), || stage.got(dir, "db", 5432));
    }
    assert_eq!(stage.got("two", &format!("db.{one}.test"), 5432), None, "it is not linked the other way");

    // The linked one comes and goes, and nothing holds it.
    let down = stage.engine.silo("two", "down").success();
    assert!(!down.stderr.contains("still in use"), "{}", down.stderr);
    assert!(!stage.networks().contains(&format!("localnet-{two}_default")), "{:?}", stage.networks());
    assert_eq!(stage.got("one", &far, 5432), None);
    stage.up("two");
    // Its own start links it again.
    until_is(&Some(stage.db_of("two")), || stage.got("one", &far, 5432));

    // Both at once, each linked to the other and to itself, as one `silo.toml` for all says it.
    stage.project("two", &["one", "two"]);
    stage.up("two");
    assert_eq!(stage.links(), 2);
    until_is(&Some(stage.db_of("one")), || stage.got("two", &format!("db.{one}.test"), 5432));
    until_is(&Some(stage.db_of("two")), || stage.got("two", "db", 5432));

    // Stopped, not removed: the link goes with the one that wanted it, and the other starts without.
    let two_services = ["web", "db"].map(|service| stage.container("two", service));
    stage.engine.docker(&["stop", &two_services[0], &two_services[1]]).success();
    stage.engine.silo("one", "down").success();
    assert_eq!(stage.links(), 1, "{:?}", stage.networks());
    stage.engine.docker(&["start", &two_services[0], &two_services[1]]).success();
    until_is(&Some(stage.db_of("two")), || stage.got("two", "db", 5432));

    // No more declared, it is gone there.
    stage.project("two", &[]);
    stage.up("two");
    assert_eq!(stage.links(), 0, "{:?}", stage.networks());
    stage.engine.silo("two", "down").success();
    assert_eq!(stage.networks(), [""; 0]);
}

#[test]
fn a_link_to_nobody_is_said_and_a_link_outlives_neither_folder() {
    let stage = Stage::new();
    stage.project("one", &["two", "nobody"]);
    stage.project("two", &[]);
    let name = stage.name("nobody");
    let told = stage.up("one");
    let nobody = format!("Warning: `link` reaches nothing by `{name}`: No instance is named `{name}`");
    assert!(told.contains(&nobody), "{told}");
    assert_eq!(stage.links(), 0, "two was never there");
    stage.engine.silo("two", format!("env {}", stage.name("two"))).success();
    let told = stage.up("one");
    let later =
        format!("`{}`, which `link` names, has no services now; they are reached once it is up", stage.name("two"));
    assert!(told.contains(&later), "{told}");
    stage.up("two");
    let far = format!("db.{}.test", stage.name("two"));
    until_is(&Some(stage.db_of("two")), || stage.got("one", &far, 5432));

    // The one that is linked goes with its folder, though the other is in a network with it.
    fs::remove_dir_all(stage.engine.sandbox.dir("two")).expect("it was made");
    stage.engine.silo("", "prune --all --yes").success();
    assert_eq!(stage.links(), 1, "it is the other's");
    until_is(&Some(stage.db_of("one")), || stage.got("one", "db", 5432));
    stage.up("one");
    assert_eq!(stage.links(), 0);

    // And so does the one that links.
    stage.project("two", &[]);
    stage.up("two");
    stage.up("one");
    until_is(&(1, Some(stage.db_of("two"))), || (stage.links(), stage.got("one", &far, 5432)));
    fs::remove_dir_all(stage.engine.sandbox.dir("one")).expect("it was made");
    stage.engine.silo("", "prune --all --yes").success();
    assert_eq!(stage.links(), 0, "{:?}", stage.networks());
    until_is(&Some(stage.db_of("two")), || stage.got("two", "db", 5432));
    stage.engine.silo("two", "down").success();
    assert_eq!(stage.networks(), [""; 0]);
}

#[test]
fn plain_compose_links_and_unlinks_too() {
    let stage = Stage::new();
    stage.project("one", &["two"]);
    stage.project("two", &[]);
    for dir in ["one", "two"] {
        stage.engine.silo(dir, format!("env {}", stage.name(dir))).success();
    }
    let plain = |dir: &str, words: &str| stage.engine.bash(dir, &format!("docker compose {words}")).success();
    let far = format!("db.{}.test", stage.name("two"));
    plain("two", "up -d");
    plain("one", "up -d");
    until_is(&(1, Some(stage.db_of("two"))), || (stage.links(), stage.got("one", &far, 5432)));
    // The one that is reached is made again, and knows nothing of the link itself.
    plain("two", "rm --force --stop db");
    assert_eq!(stage.got("one", &far, 5432), None);
    plain("two", "up -d");
    until_is(&Some(stage.db_of("two")), || stage.got("one", &far, 5432));

    // Both say so.
    let said = |dir: &str| stage.engine.silo(dir, "status").success().stdout;
    let json = |dir: &str| -> serde_json::Value {
        serde_json::from_slice(&stage.engine.silo(dir, "status --json").success().bytes).expect("it is JSON")
    };
    assert!(said("one").contains(&format!("Linked to: {} (db, web)\n", stage.name("two"))), "{}", said("one"));
    assert!(said("two").contains(&format!("Linked by: {}\n", stage.name("one"))), "{}", said("two"));
    assert_eq!(json("one")["links"][stage.name("two")], serde_json::json!(["db", "web"]));
    assert_eq!(json("two")["linkedBy"], serde_json::json!([stage.name("one")]));
    plain("two", "stop");
    assert!(said("one").contains(&format!("Linked to: {} (nothing of it runs)\n", stage.name("two"))));

    plain("one", "down");
    assert_eq!(stage.links(), 0, "{:?}", stage.networks());
    plain("two", "start");
    plain("two", "down");
    assert_eq!(stage.networks(), [""; 0]);
}

#[test]
fn the_doctor_finds_links_that_are_left_and_those_to_nobody() {
    let stage = Stage::new();
    stage.project("one", &["two"]);
    stage.project("two", &[]);
    let found = || {
        let all = stage.engine.silo("one", "doctor --json");
        let all: serde_json::Value = serde_json::from_slice(&all.bytes).expect("it is JSON");
        let of_links = |one: &&serde_json::Value| one["id"].as_str().is_some_and(|id| id.starts_with("link-"));
        let own = all.as_array().expect("it is a list").iter().filter(of_links);
        own.map(|one| [one["id"].clone(), one["fix"].clone()].map(|text| text.as_str().expect("text").to_owned()))
            .collect::<Vec<_>>()
    };
    let found_one = || {
        let mut all = Vec::new();
        until("one is found", || {
            all = found();
            all.len() == 1
        });
        all.remove(0)
    };
    stage.up("two");
    stage.up("one");
    assert_eq!(found(), [[""; 2]; 0]);

    // All containers removed by hand: the network stays, and `down` takes it away.
    for service in ["web", "db"] {
        stage.engine.docker(&["rm", "--force", &stage.container("one", service)]).success();
    }
    let [id, remedy] = found_one();
    let words = remedy.strip_prefix("silo ").expect("it is silo's to do");
    assert_eq!((id.as_str(), words.split_whitespace().next()), ("link-left", Some("down")));
    stage.engine.silo("", words).success();
    assert_eq!((stage.links(), found()), (0, Vec::new()));

    // The one that is reached is released, with everything.
    stage.up("one");
    stage.engine.silo("two", "down --clean").success();
    let [id, remedy] = found_one();
    let words = remedy.strip_prefix("silo ").expect("it is silo's to do");
    assert_eq!((id.as_str(), words.split_whitespace().next()), ("link-gone", Some("up")));
    stage.engine.silo("", words).success();
    assert_eq!((stage.links(), found()), (0, Vec::new()));

    // The one that asked is gone from the registry, and its network is not.
    stage.up("two");
    stage.up("one");
    let network = stage.networks().into_iter().find(|name| name.contains("_silo-link-")).expect("there is one");
    let labels = "{{range $key, $value := .Labels}} --label {{$key}}={{$value}}{{end}}";
    let labels = stage.engine.docker(&["network", "inspect", "--format", labels, &network]).success().stdout;
    stage.engine.silo("one", "down --clean").success();
    let words: Vec<&str> =
        ["network", "create"].into_iter().chain(labels.split_whitespace()).chain([network.as_str()]).collect();
    stage.engine.docker(&words).success();
    stage.engine.docker(&["network", "connect", &network, &stage.container("two", "web")]).success();
    let [id, remedy] = found_one();
    assert_eq!(id, "link-left");
    let mut by_hand = stage.engine.command("sh", "");
    by_hand.args(["-c", &remedy]);
    stage.engine.sandbox.finish(by_hand).success();
    assert_eq!((stage.links(), found()), (0, Vec::new()));
    stage.engine.silo("two", "down").success();
    assert_eq!(stage.networks(), [""; 0]);
}

#[test]
fn a_container_that_somebody_removes_meanwhile_is_in_the_way_of_no_link() {
    let stage = Stage::new();
    stage.project("one", &["two"]);
    stage.project("two", &[]);
    stage.up("two");
    let docker = stage.engine.docker_path();
    let log = stage.engine.sandbox.path("meanwhile");
    // The other's database goes just before it is connected, and its web server before it is disconnected.
    let script = format!(
        "#!/bin/sh
gone() {{ [ -e '{log}'.$1 ] || {{ '{docker}' rm --force $2 >'{log}'.$1; }}; }}
case \"$1 $2\" in
  'network connect') gone connect {} ;;
  'network disconnect') gone disconnect {} ;;
esac
exec '{docker}' \"$@\"
",
        stage.container("two", "db"),
        stage.container("two", "web"),
        log = log.display(),
    );
    program(&stage.engine.sandbox.path("bin/docker"), &script);
    stage.up("one");
    assert!(log.with_extension("connect").exists() && stage.links() == 1, "{:?}", stage.networks());
    stage.engine.silo("one", "down").success();
    assert!(log.with_extension("disconnect").exists() && stage.links() == 0, "{:?}", stage.networks());
    stage.up("two");
    stage.engine.silo("two", "down").success();
    assert_eq!(stage.networks(), [""; 0]);
}
