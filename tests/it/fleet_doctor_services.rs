//! `silo doctor` on the services of a project with `[compose]`: compose itself, what no override isolates, ports without a variable,
//! scripts that go past the instance, and an engine that is short of addresses.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use crate::fleet_doctor::{Clinic, Found};
use crate::sandbox::{free_ports, program};

/// A settled project with services.
fn project(clinic: &Clinic, compose: &str, more: &str) -> PathBuf {
    let [web] = free_ports();
    let toml = format!("version = 1\n[compose]\n{more}[compose.ports]\nWEB_PORT = \"{web}:web:80\"\n");
    let app = clinic.sandbox.trusted("app", &toml);
    fs::write(app.join("compose.yaml"), compose).expect("the project is writable");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    app
}

/// Each finding: its id, its line, what it says, and how to fix it.
fn told(found: &[Found]) -> Vec<String> {
    let line = |place: String| place.rsplit_once('/').map_or(String::new(), |(_, end)| end.to_owned());
    let one =
        |one: &Found| format!("{} {} {} => {}", one.id(), line(one.text("place")), one.text("what"), one.text("fix"));
    found.iter().map(one).collect()
}

const WEB: &str = "services:\n  web:\n    ports: [\"80:80\"]\n";

#[test]
fn compose_that_is_missing_or_old_is_told_and_only_a_note_without_the_table() {
    let clinic = Clinic::new();
    let app = project(&clinic, WEB, "");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    let install = "Install Docker Compose 2.24.4 or newer: https://docs.docker.com/compose/install";
    clinic.tools.set("docker.compose", "2.24.3");
    let what = "Docker Compose is 2.24.3, and silo needs 2.24.4 or newer to isolate services";
    clinic.only(&app, "compose-old").tells(what, None, install);
    clinic.tools.set("docker.compose", "none");
    clinic.only(&app, "compose-missing").tells("Docker Compose is not installed", None, install);
    let other = clinic.project("other");
    assert_eq!(clinic.ids(&other, &[]), [""; 0]);
    fs::write(other.join("compose.yaml"), "services: {}\n").expect("the project is writable");
    clinic.only(&other, "compose-missing").counts_as_a_note();
}

#[test]
fn what_no_override_isolates_is_told_until_it_is_kept_or_marked() {
    let clinic = Clinic::new();
    let compose = "services:\n  web:\n    ports: [\"80:80\"]\n    network_mode: host\n    volumes:\n      - /srv/models:/m\n      \
                   - ./here:/h\n      - /etc/localtime:/etc/localtime\n      - /var/run/docker.sock:/var/run/docker.sock\n      - ../up:/u\n    \
                   devices:\n      - /dev/ttyUSB0\n      - /dev/null\n";
    let app = project(&clinic, compose, "");
    let up = app.parent().expect("it has one").join("up").display().to_string();
    let keep = |path: &str| format!("If instances are to share it: keep = [\"{path}\"] below [compose] in silo.toml");
    let expected = [
        "compose.yaml:4 `web` uses the host's own network (`network_mode: host`) => Leave it out, and publish what the service listens on"
            .to_owned(),
        format!("compose.yaml:6 `web` can write to `/srv/models`, outside the project => {}", keep("/srv/models")),
        "compose.yaml:9 `web` has the engine's socket `/var/run/docker.sock` => If that is meant: `# silo: shared` on the line".to_owned(),
        format!("compose.yaml:10 `web` can write to `../up`, outside the project => {}", keep(&up)),
        format!("compose.yaml:12 `web` has the device `/dev/ttyUSB0` => {}", keep("/dev/ttyUSB0")),
    ];
    assert_eq!(told(&clinic.found(&app, &[])), expected.map(|line| format!("compose-shared {line}")));
    let marked =
        compose.replace("host\n", "host # silo: shared\n").replace("docker.sock\n", "docker.sock # silo: shared\n");
    let app = project(&clinic, &marked, "keep = ['/srv', '../up', '/dev/ttyUSB0']\n");
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn a_published_port_without_a_variable_is_told_with_the_line_that_gives_it_one() {
    let clinic = Clinic::new();
    let compose = "services:\n  web:\n    ports: [\"80:80\"]\n  dns:\n    ports:\n      - \"5353:53/udp\"\n      - \"9000\"\n  db:\n    ports: [\"5432:5432\"]\n";
    let app = project(&clinic, compose, "");
    let lines = [
        "compose-port-unnamed compose.yaml:6 Port 53 of `dns` has no variable => Below [compose.ports] in silo.toml: DNS_PORT = \"5353:dns:53/udp\"",
        "compose-port-unnamed compose.yaml:9 Port 5432 of `db` has no variable => Below [compose.ports] in silo.toml: DB_PORT = \"db:5432\"",
    ];
    assert_eq!(told(&clinic.found(&app, &[])), lines);
    let toml = fs::read_to_string(app.join("silo.toml")).expect("it is there");
    clinic.sandbox.trusted("app", &(toml + "DNS_PORT = \"5353:dns:53/udp\"\nDB_PORT = \"db:5432\"\n"));
    clinic.sandbox.run(&app, ["env"]).success();
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn ports_of_a_range_are_told_until_each_has_a_variable() {
    let clinic = Clinic::new();
    let app = project(&clinic, "services:\n  rtc:\n    ports: [\"6500-6502:5000-5002/udp\"]\n", "");
    let told = told(&clinic.found(&app, &[]));
    assert_eq!(
        told,
        [
            "compose-port-unnamed compose.yaml:3 Not each of the ports 5000-5002 of `rtc` has a variable => Below [compose.ports] in silo.toml \
             a line for each of them, the first: RTC_6500_PORT = \"6500:rtc:5000/udp\""
        ]
    );
    let toml = fs::read_to_string(app.join("silo.toml")).expect("it is there");
    let line = |at: u16| format!("RTC_{at} = \"{}:rtc:{}/udp\"\n", 6500 + at, 5000 + at);
    clinic.sandbox.trusted("app", &(toml.clone() + &line(0) + &line(2)));
    clinic.sandbox.run(&app, ["env"]).success();
    assert_eq!(clinic.ids(&app, &[]), ["compose-port-unnamed"]);
    clinic.sandbox.trusted("app", &(toml + &line(0) + &line(1) + &line(2)));
    clinic.sandbox.run(&app, ["env"]).success();
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}

#[test]
fn scripts_that_go_past_the_instance_are_told_with_what_to_write() {
    let clinic = Clinic::new();
    let app = project(&clinic, &WEB.replace("  web:\n", "  web:\n    container_name: shop-web\n"), "");
    fs::write(app.join("Makefile"), "sh:\n\tdocker exec -it shop-web sh\n").expect("the project is writable");
    fs::write(app.join("package.json"), "{\n  \"scripts\": {\n    \"up\": \"docker compose -p shop up\"\n  }\n}\n")
        .expect("it is writable");
    fs::create_dir(app.join("bin")).expect("the project is writable");
    program(
        &app.join("bin/dump"),
        "#!/bin/sh\ndocker cp shop-web:/x .\ndocker inspect shop-web\ndocker compose -f ../../infra.yaml up -d\n",
    );
    fs::write(
        app.join("run.sh"),
        "docker compose exec web sh\ndocker compose -f compose.yaml ps\ndocker compose -p \"$P\" ps\n",
    )
    .expect("it is writable");
    fs::write(app.join("logs.sh"), "docker logs shop-web-1\ndocker logs \"${COMPOSE_PROJECT_NAME}-web-1\"\n")
        .expect("it is writable");
    let expected = [
        "script-container-name Makefile:2 `docker exec shop-web` names the container of the service `web` => Write: docker compose exec web",
        "script-container-name logs.sh:1 `docker logs shop-web-1` names the container of the service `web` => Write: docker compose logs web",
        "script-project-name package.json:3 `docker compose` is told the project's name: `shop` => \
         Leave the flag out: in an instance its own name counts",
        "script-container-name dump:2 `docker cp shop-web` names the container of the service `web` => Write: docker compose cp web",
        "script-container-name dump:3 `docker inspect shop-web` names the container of the service `web` => \
         Write: docker inspect \"$(docker compose ps --quiet web)\"",
        "script-compose-file dump:4 `docker compose` is told the file `../../infra.yaml`, outside the project => \
         If instances share what it starts: `# silo: shared` on the line; else let a file of the project include it",
    ];
    assert_eq!(told(&clinic.found(&app, &[])), expected);
}

/// An engine that answers two questions.
fn engine(socket: &Path, networks: usize) {
    let listener = UnixListener::bind(socket).expect("the sandbox is writable");
    let network = |at: usize| {
        format!("{{\"Name\":\"n{at}\",\"IPAM\":{{\"Config\":[{{\"Subnet\":\"192.168.{}.0/20\"}}]}}}}", at * 16 % 256)
    };
    let all = (0..networks).map(network).collect::<Vec<_>>().join(",");
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut asked = [0; 1024];
            let length = stream.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let answer = match asked.split(' ').nth(1) {
                Some("/networks") => format!("[{all},{{\"Name\":\"host\",\"IPAM\":{{\"Config\":null}}}}]"),
                Some("/info") => "{\"DefaultAddressPools\":null}".to_owned(),
                _ => "[]".to_owned(),
            };
            let _ = write!(stream, "HTTP/1.0 200 OK\r\n\r\n{answer}");
        }
    });
}

#[test]
fn an_engine_that_is_short_of_addresses_is_told_with_the_setting() {
    let clinic = Clinic::new();
    let app = project(&clinic, WEB, "");
    for (networks, ids) in [(24, &[][..]), (25, &["docker-pools"])] {
        let socket = clinic.sandbox.path(format!("engine-{networks}"));
        engine(&socket, networks);
        let host = format!("unix://{}", socket.display());
        let found = clinic.found_with(&app, &[], &[("DOCKER_HOST", &host)]);
        assert_eq!(found.iter().map(Found::id).collect::<Vec<_>>(), ids, "{networks}");
        for one in &found {
            assert_eq!(one.text("what"), "25 of the 31 networks that Docker has addresses for are used");
            let remedy = one.text("fix");
            assert!(remedy.contains("silo prune --clusters") && remedy.contains("default-address-pools"), "{remedy}");
        }
    }
}
