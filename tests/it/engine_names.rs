//! Names of services (D27), on a real engine and a real dnsmasq: written from what the engine says, answered at once, gone with the
//! services, and fixed where the engine has gone on without silo.

use std::fs;
use std::net::Ipv4Addr;
use std::time::Duration;

use silo::sys::dns;

use crate::engine::{Engine, until};
use crate::machine::registry;
use crate::sandbox::free_ports;

const COMPOSE: &str = r#"x-box: &box
  image: silo-test-box
  stop_grace_period: 0s
services:
  web:
    <<: *box
    command: [sh, -c, "echo web > /tmp/index.html; exec httpd -f -p 80 -h /tmp"]
    expose: ["80"]
  db:
    <<: *box
    command: [httpd, -f, -p, "5432", -h, /tmp]
  my_job:
    <<: *box
    command: [sleep, "600"]
"#;

/// A sandbox with a project, and settings that name a port for dnsmasq.
struct Named {
    engine: Engine,
    port: u16,
}

impl Named {
    fn new() -> Self {
        let engine = Engine::new();
        let [port] = free_ports();
        fs::create_dir_all(engine.sandbox.path("config/silo")).expect("the sandbox is writable");
        fs::write(engine.sandbox.path("config/silo/config.toml"), format!("[network]\ndns_port = {port}\n"))
            .expect("the sandbox is writable");
        let root = engine.sandbox.trusted("app", "version = 1\n[compose]\nnetwork = \"subnet\"\n");
        fs::write(root.join("compose.yaml"), COMPOSE).expect("the project is writable");
        engine.silo("app", "env").success();
        Self { engine, port }
    }

    /// What the name server says.
    fn ask(&self, name: &str) -> Option<Ipv4Addr> {
        dns::ask(self.port, name, Duration::from_secs(2)).ok().flatten()
    }

    /// The instance's name, which no other test has: all of them share one engine.
    fn name(&self) -> String {
        registry(&self.engine.sandbox).instances[0].name.clone()
    }

    /// The address that is remembered for a service.
    fn held(&self, service: &str) -> Option<Ipv4Addr> {
        let leases = registry(&self.engine.sandbox);
        let one = leases.instances.iter().find(|one| one.name == self.name())?;
        one.service_addresses().find(|(name, _)| *name == service).map(|(_, address)| address)
    }

    fn hosts(&self) -> Vec<std::path::PathBuf> {
        let folder = self.engine.sandbox.path("state/silo/dns/hosts");
        fs::read_dir(folder).expect("it was made").map(|entry| entry.expect("it is readable").path()).collect()
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = self.engine.command(crate::sandbox::SILO, "app").args(["dns", "down"]).output();
    }
}

#[test]
fn shells_that_start_the_name_server_at_once_all_find_one() {
    let named = Named::new();
    let all: Vec<_> = (0..4)
        .map(|_| {
            let mut command = named.engine.command(crate::sandbox::SILO, "app");
            command.args(["dns", "up"]).stderr(std::process::Stdio::piped()).spawn().expect("it was built")
        })
        .collect();
    let said = all.into_iter().map(|child| child.wait_with_output().expect("it is a child"));
    let said: Vec<_> =
        said.map(|one| (one.status.success(), String::from_utf8_lossy(&one.stderr).into_owned())).collect();
    assert!(said.iter().all(|(is_well, _)| *is_well), "{said:?}");
    assert_eq!(said.iter().filter(|(_, said)| said.contains("The name server answers on ")).count(), 1, "{said:?}");
    // The one that runs is the one that is known.
    named.engine.silo("app", "dns down").success().stderr_has("Stopped the name server");
    assert!(dns::ask(named.port, "test", Duration::from_secs(2)).is_err());
}

#[test]
fn a_name_leads_to_its_service_from_up_to_down() {
    let named = Named::new();
    let whole = format!("{}.test", named.name());
    let name = |service: &str| format!("{service}.{whole}");
    named.engine.silo("app", "dns").exit(1);
    named.engine.silo("app", "dns up").success().stderr_has("The name server answers on 127.0.0.1:");
    named.engine.silo("app", "dns up").success().stderr_has("The name server runs already");
    let up = named.engine.silo("app", "up -d").success();
    assert!(up.stderr.contains("The service `my_job` has no name in `test`"), "{}", up.stderr);
    let (web, db) = (named.held("web"), named.held("db"));
    assert!(web.is_some() && db.is_some());
    until("each name is answered", || {
        (named.ask(&name("web")), named.ask(&whole), named.ask(&name("db"))) == (web, web, db)
    });
    assert_eq!(named.ask(&name("nobody")), None);
    assert_eq!(named.ask("example.com"), None, "it answers for nobody else");
    let status = named.engine.silo("app", "dns").success().stdout;
    assert!(status.contains(&format!("  {}  {}", name("db"), db.expect("it has one"))), "{status}");

    // The same names lead there from inside.
    let container = format!("{}-web-1", named.engine.project("app"));
    until("the name leads there from inside", || {
        named.engine.docker(&["exec", &container, "nc", "-w", "5", &name("db"), "5432", "-e", "true"]).succeeded()
    });

    // Gone with the services, at once.
    named.engine.silo("app", "down").success();
    assert_eq!(named.hosts(), [""; 0].map(std::path::PathBuf::from));
    until("no name is answered any more", || named.ask(&name("db")).is_none());

    // Back at the same address; and gone with the instance.
    named.engine.silo("app", "up -d").success();
    until("it is back", || named.ask(&name("db")) == db);
    named.engine.silo("app", "down --clean").success();
    until("it is gone", || named.ask(&name("db")).is_none());
    named.engine.silo("app", "dns down").success().stderr_has("Stopped the name server");
    assert!(dns::ask(named.port, "test", Duration::from_millis(200)).is_err(), "nobody answers");
}

#[test]
fn what_went_on_without_silo_the_doctor_finds_and_fixes() {
    let named = Named::new();
    let engine = &named.engine;
    let whole = format!("{}.test", named.name());
    let name = |service: &str| format!("{service}.{whole}");
    engine.silo("app", "dns up").success();
    engine.silo("app", "up -d").success();
    let db = named.held("db");
    let found = || {
        let all = engine.silo("app", "doctor --json").stdout;
        let all: serde_json::Value = serde_json::from_str(&all).expect("it is JSON");
        let ids = all.as_array().expect("it is a list").iter().filter_map(|one| one["id"].as_str().map(str::to_owned));
        ids.filter(|id| id.starts_with("names-") || id.starts_with("dns-")).collect::<Vec<_>>()
    };
    assert_eq!(found(), [""; 0]);

    // A file that was cut in half.
    let [hosts] = <[_; 1]>::try_from(named.hosts()).expect("there is one");
    let text = fs::read_to_string(&hosts).expect("it is there");
    fs::write(&hosts, &text[..text.len() / 2]).expect("it is ours");
    until("it is found", || found() == ["names-stale"]);
    engine.silo("app", "doctor --fix");
    assert_eq!(fs::read_to_string(&hosts).expect("it is there"), text);

    // A container that somebody removed by hand, and one that was stopped.
    let project = engine.project("app");
    engine.docker(&["rm", "--force", &format!("{project}-db-1")]).success();
    until("it is found", || found() == ["names-stale"]);
    engine.silo("app", "doctor --fix");
    until("the name is gone", || named.ask(&name("db")).is_none());
    assert!(named.ask(&name("web")).is_some());

    // Made again by hand, at another address.
    let network = format!("{project}_default");
    let label = |key: &str, value: &str| format!("com.docker.compose.{key}={value}");
    let words = [label("project", &project), label("service", "db")];
    let container = format!("{project}-db-1");
    let run =
        ["run", "--detach", "--name", &container, "--network", &network, "--label", &words[0], "--label", &words[1]];
    let folder = label("project.working_dir", engine.sandbox.dir("app").to_str().expect("it is text"));
    let rest = ["--label", &folder, "silo-test-box", "sleep", "600"];
    engine.docker(&[&run[..], &rest[..]].concat()).success();
    until("it is found", || found() == ["names-stale"]);
    engine.silo("app", "doctor --fix");
    until("the name is back", || named.ask(&name("db")).is_some_and(|now| Some(now) != db));

    // dnsmasq that was killed, and a file of nobody's.
    let pid = engine.silo("app", "dns status --json").success().stdout;
    let pid: serde_json::Value = serde_json::from_str(&pid).expect("it is JSON");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(pid["pid"].as_i64().expect("it runs")).expect("it is a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it is ours");
    fs::write(engine.sandbox.path("state/silo/dns/hosts/0123456789abcdef"), "10.224.9.9 x.y.test\n")
        .expect("it is ours");
    until("both are found", || found() == ["names-left", "dns-down"]);
    engine.silo("app", "doctor --fix");
    assert_eq!(found(), [""; 0]);
    assert!(named.ask(&name("web")).is_some() && named.ask("x.y.test").is_none());
    engine.silo("app", "down").success();
}

#[test]
fn of_two_instances_that_want_one_name_the_first_has_it() {
    let named = Named::new();
    let (engine, whole) = (&named.engine, format!("{}.test", named.name()));
    engine.silo("app", "dns up").success();
    engine.silo("app", "up -d").success();
    let web = named.held("web");
    let toml = "version = 1\nprefix = \"other\"\n[compose]\nnetwork = \"subnet\"\n";
    let other = engine.sandbox.trusted("other", toml);
    fs::write(other.join("compose.yaml"), COMPOSE).expect("the project is writable");
    engine.silo("other", format!("env {}", named.name())).success();
    let told = engine.silo("other", "up -d").success().stderr;
    let line = format!("The name `{whole}` is another instance's (`$SANDBOX/projects/app`); `silo env NAME` gives");
    assert!(told.contains(&line), "{told}");
    until("the first has it", || named.ask(&whole) == web);
    assert_eq!(named.hosts().len(), 1);
    for dir in ["app", "other"] {
        engine.silo(dir, "down").success();
    }
}
