//! Services with addresses of their own, on a real engine (D26): each answers on its address, instances do not reach each other,
//! and an address stays what it was.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use crate::engine::{Engine, until, until_is};
use crate::machine::{files_below, registry};
use crate::proxy::Proxy;
use crate::sandbox::free_ports;

/// A project with a network besides `default`, and a service that is in that one alone.
fn compose(web: u16) -> String {
    format!(
        r#"x-box: &box
  image: silo-test-box
  stop_grace_period: 0s
services:
  web:
    <<: *box
    command: [sh, -c, "echo web > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    ports: ["{web}:80", "9000:9000"]
    networks: [default, back]
  db:
    <<: *box
    command: [sh, -c, "echo db > /tmp/index.html; exec httpd -f -p 5432 -h /tmp"]
    networks: [back]
  many:
    <<: *box
    command: [sleep, "600"]
    deploy: {{ replicas: 2 }}
networks:
  back: {{ ipam: {{ config: [ {{ subnet: 10.213.8.0/24 }} ] }} }}
"#
    )
}

fn toml(web: u16) -> String {
    format!("version = 1\n[compose]\nnetwork = \"subnet\"\n[compose.ports]\nWEB_PORT = \"{web}:web:80\"\n")
}

/// The address of a service, as the engine says.
fn observed(engine: &Engine, container: &str, network: &str) -> String {
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    engine.docker(&["inspect", "--format", &format, container]).success().stdout.trim().to_owned()
}

/// What a web server at an address says; empty where nobody answers within two seconds.
fn get(address: Ipv4Addr, port: u16) -> String {
    let limit = Duration::from_secs(2);
    let Ok(mut stream) = TcpStream::connect_timeout(&SocketAddr::from((address, port)), limit) else {
        return String::new();
    };
    let _ = stream.set_read_timeout(Some(limit));
    let _ = write!(stream, "GET / HTTP/1.0\r\n\r\n");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).split("\r\n\r\n").nth(1).unwrap_or_default().trim().to_owned()
}

#[test]
fn each_service_answers_on_an_address_of_its_own_and_instances_do_not_reach_each_other() {
    let engine = Engine::new();
    let [web] = free_ports();
    let dirs = ["one", "two"];
    for dir in dirs {
        let root = engine.sandbox.trusted(dir, &toml(web));
        fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
        engine.silo(dir, "up -d").success();
    }
    let held = |dir: &str| {
        let leases = registry(&engine.sandbox);
        let one = leases.at(engine.sandbox.dir(dir).to_str().expect("it is text")).expect("it has an instance").clone();
        let at = |service: &str| one.service_addresses().find(|(name, _)| *name == service).map(|(_, at)| at);
        (one.subnet.expect("it has a subnet"), at("web").expect("it has one"), at("db").expect("it has one"))
    };
    let (one, two) = (held("one"), held("two"));
    assert!(!one.0.overlaps(two.0), "{one:?} {two:?}");
    for (dir, (subnet, web_at, db_at)) in dirs.into_iter().zip([one, two]) {
        assert_eq!((web_at.octets()[3], db_at.octets()[3]), (10, 130), "in order of appearance");
        assert!(subnet.has(web_at) && subnet.has(db_at));
        let project = engine.project(dir);
        assert_eq!(observed(&engine, &format!("{project}-web-1"), &format!("{project}_default")), web_at.to_string());
        assert_eq!(observed(&engine, &format!("{project}-db-1"), &format!("{project}_back")), db_at.to_string());
        until_is(&("web".to_owned(), "db".to_owned()), || (get(web_at, 80), get(db_at, 5432)));
        assert_eq!(crate::engine::get(engine.port(dir, "WEB_PORT"), "/"), "web", "and on its port");
    }
    // From a container of one: its own sibling answers, the other instance does not.
    let reach = |container: &str, at: Ipv4Addr, port: &str| {
        let container = format!("{}-{container}-1", engine.project("one"));
        engine.docker(&["exec", &container, "nc", "-w", "2", &at.to_string(), port, "-e", "true"]).code() == Some(0)
    };
    assert!(reach("web", one.2, "5432") && reach("many", one.1, "80"), "siblings do");
    for (at, port) in [(two.1, "80"), (two.2, "5432")] {
        // Docker takes its rule against that away for a moment, whenever somebody makes a network.
        until(&format!("{at} is another instance's"), || !reach("web", at, port));
        until(&format!("{at} is another instance's"), || !reach("many", at, port));
    }

    // Whose an address is.
    let who = engine.silo("two", format!("who {}", one.2)).success();
    let name = engine.sandbox.instance("one");
    assert!(who.stdout.starts_with(&format!("The address of db in {name} ")), "{}", who.stdout);
    let status = engine.silo("one", "status").success().stdout;
    assert!(status.contains(&format!("Subnet: {}", one.0)) && status.contains(&one.1.to_string()), "{status}");
    let list = engine.silo("one", "list --json").success().stdout;
    assert!(list.contains(&one.0.to_string()) && list.contains(&two.0.to_string()), "{list}");

    // Nothing is recreated where nothing changed, and an address stays after all was removed.
    let own = format!("label=com.docker.compose.project={}", engine.project("one"));
    let ids = |engine: &Engine| engine.docker(&["ps", "--quiet", "--no-trunc", "--filter", &own]).success().stdout;
    let before = ids(&engine);
    engine.silo("one", "up -d").success();
    assert_eq!(ids(&engine), before);
    // Nor is compose asked what the files come to: the override's record would be another file.
    let records = || {
        let instances = engine.sandbox.path("state/silo/instances");
        let files = files_below(&instances).into_iter().filter(|file| file.contains("/services-"));
        files.map(|file| fs::metadata(instances.join(&file)).expect("it is there").ino()).collect::<Vec<_>>()
    };
    let record = records();
    let listed = engine.bash("one", "docker compose ps --format '{{.Name}}'").success().stdout;
    assert_eq!((listed.lines().count(), records()), (4, record), "{listed}");
    // Started again, a container has its address again.
    engine.docker(&["restart", &format!("{}-web-1", engine.project("one"))]).success();
    until("it answers there again", || get(one.1, 80) == "web");

    engine.silo("one", "down").success();
    let file = engine.sandbox.dir("one/compose.yaml");
    let text = fs::read_to_string(&file).expect("it is there");
    let first = "services:\n  aaa: { image: silo-test-box, command: [sleep, \"600\"], stop_grace_period: 0s }\n";
    fs::write(&file, text.replace("services:\n", first)).expect("the project is writable");
    engine.silo("one", "up -d").success();
    assert_eq!(held("one"), one, "a service more moves none");
    until_is(&("web".to_owned(), "db".to_owned()), || (get(one.1, 80), get(one.2, 5432)));

    // Freed with the instance.
    engine.silo("one", "down --clean").success();
    let leases = registry(&engine.sandbox);
    assert_eq!(leases.instances.iter().filter_map(|one| one.subnet).collect::<Vec<_>>(), [two.0]);
}

#[test]
fn a_route_leads_to_a_service_that_has_an_address_too() {
    let engine = Engine::new();
    let [web, db] = free_ports();
    let toml = format!(
        "version = 1\n[compose]\nnetwork = \"subnet\"\n[compose.ports]\nWEB_PORT = \"{web}:web:80\"\n\
         DB_PORT = {{ to = \"{db}:db:5432\", bind = \"127.0.0.2\" }}\n\
         [urls]\nWEB_URL = \"http://${{APP_HOST}}:${{WEB_PORT}}\"\nDB_URL = \"${{DB_PORT.host}}:${{DB_PORT}}\"\n\
         [routes]\n\"db.${{APP_HOST}}\" = \"DB_PORT\"\n"
    );
    let root = engine.sandbox.trusted("app", &toml);
    fs::write(root.join("compose.yaml"), compose(web)).expect("the project is writable");
    engine.silo("app", "up -d").success();
    let proxy = Proxy::start(&engine.sandbox);
    let name = engine.sandbox.instance("app");
    let said = |host: String| proxy.get(&host, "/").1.trim().to_owned();
    until_is(&"web".to_owned(), || said(format!("{name}.localhost")));
    until_is(&"db".to_owned(), || said(format!("db.{name}.localhost")));
    let routes = engine.silo("app", "routes").success().stdout;
    assert_eq!(routes.lines().filter(|line| line.contains(&name) && line.ends_with("listens")).count(), 2, "{routes}");
    let at = engine.silo("app", "get DB_URL").success().stdout;
    assert_eq!(
        at.trim(),
        format!("127.0.0.2:{}", engine.port("app", "DB_PORT")),
        "where that port is, and no address of the subnet"
    );
    // Without a proxy, a web server's configuration leads there as well.
    let nginx = engine.silo("app", "routes --nginx").success().stdout;
    assert!(nginx.contains(&format!("proxy_pass http://{};", at.trim())), "{nginx}");
    engine.silo("app", "down").success();
    assert!(proxy.get(&format!("{name}.localhost"), "/").0.starts_with("HTTP/1.1 503 "));
}
