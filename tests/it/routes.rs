//! `silo routes`: what follows from `silo.toml`, what is observed, and what two instances claim.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::proxy::server_on;
use crate::sandbox::Sandbox;

const TOML: &str = r#"
version = 1
[ports]
WEB_PORT = "random"
API_PORT = "random"
[urls]
WEB_URL = "http://${APP_HOST}:${WEB_PORT}"
API_URL = "http://${APP_HOST}:${API_PORT}/v1"
[routes]
"docs.${name}.localhost" = "WEB_PORT"
"shared.test" = 9
"#;

fn routes(sandbox: &Sandbox) -> Vec<Value> {
    let ran = sandbox.run("", ["routes", "--json"]).success().stderr("");
    serde_json::from_slice(&ran.bytes).expect("it is a list")
}

#[test]
fn routes_follow_from_urls_and_the_table_with_what_listens() {
    let sandbox = Sandbox::new();
    sandbox
        .run("", ["routes"])
        .success()
        .stdout("No route yet. URLs such as `http://${APP_HOST}:${WEB_PORT}` below `[urls]` make them.\n");
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "first"]).success();
    let ports = sandbox.lockfile_ports("one");
    let (web, api) = (ports["WEB_PORT"], ports["API_PORT"]);
    server_on("127.0.0.1", web, drop);
    let all = routes(&sandbox);
    let told: Vec<Value> =
        all.iter().map(|one| json!([one["host"], one["to"], one["port"], one["listening"]])).collect();
    assert_eq!(
        told,
        [
            json!(["first.localhost", "WEB_PORT", web, true]),
            json!(["api.first.localhost", "API_PORT", api, false]),
            json!(["docs.first.localhost", "WEB_PORT", web, true]),
            json!(["shared.test", 9, 9, false]),
        ]
    );
    assert_eq!(all[0]["address"], Value::Null, "no proxy runs");
    let ran = sandbox.run("", ["routes"]).success().stderr("Nothing serves them; `silo proxy up -d` does\n");
    let table = ran.stdout.replace(&web.to_string(), "WWWWW").replace(&api.to_string(), "AAAAA");
    expect_test::expect![[r#"
        ROUTE                 INSTANCE  LEADS TO  PORT   BEHIND IT
        first.localhost       first     WEB_PORT  WWWWW  listens
        api.first.localhost   first     API_PORT  AAAAA  nobody
        docs.first.localhost  first     WEB_PORT  WWWWW  listens
        shared.test           first     9         9      nobody
    "#]]
    .assert_eq(&table);
}

#[test]
fn the_first_instance_has_a_host_that_two_claim() {
    let sandbox = Sandbox::new();
    for name in ["one", "two"] {
        sandbox.trusted(name, TOML);
        sandbox.run(name, ["env", name]).success();
    }
    let clash = |all: &[Value]| -> Vec<Value> {
        let shared = all.iter().filter(|one| one["host"] == "shared.test");
        shared.map(|one| json!([one["instance"], one["takenBy"]])).collect()
    };
    let mut told = clash(&routes(&sandbox));
    told.sort_by_key(|one| one[1].is_string());
    let (has, wants) = (told[0][0].clone(), told[1].clone());
    assert_eq!(told[0][1], Value::Null);
    assert_eq!(wants[1], has, "who has it is named");
    assert!(
        sandbox.run("", ["routes"]).success().stdout.contains(&format!("taken by {}", has.as_str().expect("a name")))
    );
    sandbox.run(has.as_str().expect("a name"), ["down", "--clean"]).success();
    assert_eq!(clash(&routes(&sandbox)), [json!([wants[0], null])]);
}

#[test]
fn they_change_with_name_profile_and_file_and_go_with_the_instance() {
    let sandbox = Sandbox::new();
    let hosts =
        || routes(&sandbox).iter().map(|one| one["host"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>();
    let toml = format!("{TOML}[profiles.p.routes]\n\"extra.${{name}}.test\" = \"API_PORT\"\n");
    sandbox.trusted("one", &toml);
    sandbox.run("one", ["env", "a"]).success();
    assert_eq!(hosts(), ["a.localhost", "api.a.localhost", "docs.a.localhost", "shared.test"]);
    sandbox.run("one", ["env", "b", "--profile", "p", "--force"]).success();
    assert_eq!(hosts(), ["b.localhost", "api.b.localhost", "docs.b.localhost", "shared.test", "extra.b.test"]);
    sandbox.run("one", ["env", "--force"]).success();
    assert_eq!(hosts().len(), 4);
    // An edit counts once the user has said so: the shell hook does not act on it, and neither do routes.
    sandbox.project("one", "version = 1\nports.WEB_PORT = \"random\"\nroutes.\"evil.test\" = 22\n");
    sandbox.run("one", ["export", "bash"]).success();
    assert_eq!(hosts().len(), 4, "it is not trusted");
    sandbox.run("one", ["env"]).success();
    assert_eq!(hosts(), ["evil.test"], "typed is the user's decision");
    sandbox.run("one", ["down", "--clean"]).success();
    assert_eq!(hosts(), [""; 0]);
    let left = fs::read_dir(sandbox.path("state/silo/instances")).expect("it is there").flatten();
    assert!(left.into_iter().all(|folder| !folder.path().join("routes").exists()));
}

#[test]
fn a_damaged_file_of_routes_is_no_route_and_the_next_settling_writes_it_again() {
    let sandbox = Sandbox::new();
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "a"]).success();
    let folder =
        fs::read_dir(sandbox.path("state/silo/instances")).expect("there").flatten().next().expect("one").path();
    let whole = fs::read(folder.join("routes")).expect("it is written");
    fs::remove_file(folder.join("routes")).expect("it is there");
    let told =
        format!("`a` was made by an earlier silo; its routes come with `silo env -C {}`", "$SANDBOX/projects/one");
    sandbox.run("", ["routes"]).success().stderr_has(&told);
    for damage in [&b"{"[..], b"", b"\xff\xfe", b"[]", b"{\"version\":1,\"root\":\"/other\",\"routes\":[]}"] {
        fs::write(folder.join("routes"), damage).expect("writable");
        assert_eq!(routes(&sandbox), [Value::Null; 0]);
        sandbox.run("one", ["env"]).success();
        assert_eq!(fs::read(folder.join("routes")).expect("it is there"), whole);
    }
}

#[test]
fn five_hundred_instances_are_listed_in_no_time() {
    let sandbox = Sandbox::new();
    let mut leases = silo::core::leases::Leases::none();
    for number in 0..500_u16 {
        let root = format!("/projects/p{number}");
        let instance = silo::core::leases::Instance {
            id: silo::core::text::digest::root_id(root.as_bytes()),
            name: format!("p{number}"),
            prefix: "localnet".into(),
            created: "2026-01-01T00:00:00Z".into(),
            changed: "2026-01-01T00:00:00Z".into(),
            ports: [("WEB_PORT".to_owned(), 20_000 + number)].into_iter().collect(),
            root: root.clone(),
            ..silo::core::leases::Instance::default()
        };
        let folder = sandbox.path("state/silo/instances").join(&instance.id);
        fs::create_dir_all(&folder).expect("writable");
        let route = silo::core::routes::Route {
            host: format!("p{number}.localhost"),
            to: silo::core::routes::Target::Variable("WEB_PORT".into()),
        };
        fs::write(folder.join("routes"), silo::core::routes::record::render(&root, &[route])).expect("writable");
        leases.claim(instance, &[]);
    }
    fs::write(sandbox.path("state/silo/registry.toml"), leases.render()).expect("writable");
    let best = (0..5).map(|_| {
        let start = Instant::now();
        assert_eq!(routes(&sandbox).len(), 500);
        start.elapsed()
    });
    // A build without optimisation, on a machine that has other things to do.
    let best = best.min().expect("there are five");
    assert!(best < Duration::from_secs(3), "{best:?}");
}

#[test]
fn open_and_status_tell_the_address_while_a_proxy_runs() {
    let sandbox = Sandbox::new();
    sandbox.trusted("one", TOML);
    sandbox.run("one", ["env", "first"]).success();
    let url = format!("http://first.localhost:{}\n", sandbox.lockfile_ports("one")["WEB_PORT"]);
    sandbox.run("one", ["open", "--print"]).success().stdout(&url).stderr("");
    assert!(!sandbox.run("one", ["status"]).success().stdout.contains("Routes:"));
    let proxy = crate::proxy::Proxy::start(&sandbox);
    let port = proxy.port;
    sandbox
        .run("one", ["open", "--print"])
        .success()
        .stdout(&url)
        .stderr(&format!("Through the proxy: http://first.localhost:{port}\n"));
    sandbox
        .run("one", ["open", "API_URL", "--print"])
        .success()
        .stderr(&format!("Through the proxy: http://api.first.localhost:{port}/v1\n"));
    let status = sandbox.run("one", ["status"]).success().stdout;
    assert!(status.contains(&format!("Routes:\n  http://first.localhost:{port}: WEB_PORT\n")), "{status}");
    let object: Value =
        serde_json::from_slice(&sandbox.run("one", ["status", "--json"]).success().bytes).expect("JSON");
    assert_eq!(object["routes"][format!("http://docs.first.localhost:{port}")], "WEB_PORT");
}
