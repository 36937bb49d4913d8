//! What `[compose]` makes of a call of docker, without an engine: a stand-in says what it was given.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Sandbox, free_ports, program};

/// A trusted project with services, and a `docker` that says the project's name it sees, and its words.
fn project(sandbox: &Sandbox) -> PathBuf {
    program(&sandbox.path("bin/docker"), "#!/bin/sh\necho \"${COMPOSE_PROJECT_NAME-none}: $*\"\n");
    let [db] = free_ports();
    let app = sandbox.trusted("app", &format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n"));
    sandbox.run(&app, ["env", "dev"]).success();
    app
}

#[test]
fn a_call_that_names_its_project_or_engine_itself_does_not_get_the_instances_name() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    for line in ["-H tcp://127.0.0.1:1 compose ps", "--context far compose up", "compose -p other down -v"] {
        let words = ["exec", "--", "docker"].into_iter().chain(line.split(' '));
        sandbox.run(&app, words).success().stdout(&format!("none: {line}\n")).stderr("");
    }
    sandbox.run(&app, ["exec", "--", "docker", "ps"]).success().stdout("localnet-dev: ps\n");
}

#[test]
fn where_silo_toml_cannot_be_read_down_says_how_services_are_stopped() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    fs::write(app.join("silo.toml"), "version = 1\n[compose\n").expect("the project is writable");
    let hint = "Hint: Where services run, `docker compose -p localnet-dev stop` stops them without hooks\n";
    sandbox.run(&app, ["down"]).exit(1).stderr_has("Not valid TOML").stderr_has(hint);
}

#[test]
fn a_call_for_an_engine_elsewhere_or_about_other_files_is_said_once() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let said = "This call of compose goes without the instance's project name: its engine is not on this machine\n";
    for told in [said, ""] {
        let line = "DOCKER_HOST=tcp://127.0.0.1:1 docker compose ps; cd / && docker compose ps";
        let ran = sandbox.run(&app, ["exec", "--", "sh", "-c", line]).success();
        ran.stdout("none: compose ps\nnone: compose ps\n").stderr(told);
    }
}

#[test]
fn a_tool_of_another_engine_than_silos_does_not_get_the_instances_name() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    fs::write(app.join("compose.yaml"), "services: {}\n").expect("the project is writable");
    for tool in ["podman", "podman-compose"] {
        fs::copy(sandbox.path("bin/docker"), sandbox.path("bin").join(tool)).expect("the sandbox is writable");
    }
    sandbox.run(&app, ["env"]).success();
    let exec = |line: &str| sandbox.run(&app, ["exec", "--", "sh", "-c", line]);
    let said = "This call of compose goes without the instance's project name: its engine is podman; \
                `engine = \"podman\"` in the settings makes that silo's, too\n";
    for told in [said, ""] {
        exec("podman compose up -d").success().stdout("none: compose up -d\n").stderr(told);
    }
    exec("podman ps").success().stdout("localnet-dev: ps\n");
    fs::create_dir_all(sandbox.path("config/silo")).expect("the sandbox is writable");
    fs::write(sandbox.path("config/silo/config.toml"), "engine = \"podman\"\n").expect("the sandbox is writable");
    exec("docker compose up").success().stdout("none: compose up\n");
    exec("podman-compose ps").success().stdout("none: ps\n");
    let refused = "Error: `podman-compose` is another program than Docker Compose, and does not isolate services\n\
                   Hint: Type `podman compose`, which calls docker-compose where that is installed; or `silo up -d`\n";
    exec("podman-compose up -d").exit(1).stderr(refused);
    // What is asked goes to podman's socket.
    let line = "DOCKER_HOST=unix:///docker CONTAINER_HOST=unix:///podman silo logs";
    exec(line).exit(1).stderr_has("The container engine at `/podman` does not answer");
    let line = "CONTAINER_HOST=unix:///podman SILO_ENGINE=docker silo logs";
    exec(line).exit(1).stderr_has("The container engine at `/nowhere` does not answer");
}

#[test]
fn to_look_at_services_settles_nothing() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    fs::remove_file(app.join(".localnet.env")).expect("it is there");
    for line in ["silo logs", "silo logs db", "silo status", "silo list"] {
        let line = format!("DOCKER_HOST=unix:///nowhere {line}");
        let ran = sandbox.command("sh", &app).args(["-c", &line]).output().expect("sh starts");
        let told = String::from_utf8_lossy(&ran.stderr).into_owned() + &String::from_utf8_lossy(&ran.stdout);
        let is_told = told.contains("The container engine at `/nowhere` does not answer: ");
        assert!(is_told || line.ends_with("list"), "{line}: {told}");
        assert!(!app.join(".localnet.env").exists(), "{line}");
    }
}

#[test]
fn without_a_port_there_is_no_list_of_ports() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[compose]\n");
    let ran = sandbox.run(&app, ["env", "dev"]).success();
    ran.stdout("Instance: dev\n");
    assert!(!sandbox.run(&app, ["status"]).success().stdout.contains("Ports"));
}
