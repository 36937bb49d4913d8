//! `silo who`, `get` and `open`: one port, one value, one address.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::blocks::free_run;
use crate::machine::run_with;
use crate::sandbox::{Ran, Sandbox, free_ports, program, toml_with_ports};
use crate::tools::Tools;

fn object(ran: Ran) -> Value {
    serde_json::from_slice(&ran.success().bytes).expect("it answers in JSON")
}

#[test]
fn a_port_has_a_lease_a_process_a_container_or_nobody() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let [web, free, published] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env", "x"]).success();
    let who = |port: u16| sandbox.run("", ["who", &port.to_string()]);
    let lease = "Leased to x as WEB_PORT ($SANDBOX/projects/app)\n";
    who(web).success().stdout(&format!("{lease}Nobody listens on it now\n"));
    who(free).exit(1).stdout(&format!("Nobody holds port {free}\n")).stderr("");

    let listener = TcpListener::bind(("127.0.0.1", web)).expect("it is free");
    let held = who(web).success().stdout;
    let pid = std::process::id();
    assert!(held.starts_with(lease) && held.contains(&format!("(pid {pid}) in ")), "{held}");
    let told = object(sandbox.run("", ["who", "--json", &web.to_string()]));
    assert_eq!(told["lease"], json!({ "instance": "x", "variable": "WEB_PORT", "root": app }));
    assert_eq!(told["process"]["pid"], json!(pid));
    assert_eq!((&told["taken"], &told["container"]), (&json!(true), &Value::Null));
    drop(listener);

    tools.container("web-1", &[("com.docker.compose.project", "p")], &[published]);
    let told = who(published).success().stdout;
    assert_eq!(told, "Published by the container web-1 of the compose project p\n");
    let folder = app.to_str().expect("it is UTF-8");
    let (project, service) = ("com.docker.compose.project", "com.docker.compose.service");
    for (labels, of) in [
        (vec![(project, "p"), (service, "db")], "of the compose project p"),
        (vec![(project, "localnet-x"), (service, "db")], "of the compose project localnet-x"),
        (vec![(project, "localnet-x"), (service, "db"), ("com.docker.compose.project.working_dir", folder)], "of x"),
    ] {
        tools.container("web-1", &labels, &[published]);
        let told = who(published).success().stdout;
        assert!(told.starts_with(&format!("Published by the service db {of}: container web-1, Up ")), "{told}");
        let container = &object(sandbox.run("", ["who", "--json", &published.to_string()]))["containers"][0];
        let instance = if of == "of x" { json!("x") } else { Value::Null };
        assert_eq!((&container["service"], &container["instance"]), (&json!("db"), &instance));
    }
    // An image brings labels along, whoever made it.
    let label = "p\nHeld by nobody\u{1b}[31m";
    for (name, told) in [("com.docker.compose.project", "compose project"), ("k3d.cluster", "cluster")] {
        tools.container("web-1", &[(name, label)], &[published]);
        let expected = format!("Published by the container web-1 of the {told} p\u{fffd}Held by nobody\u{fffd}[31m\n");
        who(published).success().stdout(&expected);
    }
    sandbox.run("", ["who", "0"]).exit(2);
    sandbox.run("", ["who", "70000"]).exit(2);
}

#[test]
fn an_engine_that_never_answers_is_waited_for_within_a_limit_and_told() {
    let sandbox = Sandbox::new();
    let [web, db] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web)]) + &format!("[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n");
    let app = sandbox.project("app", &toml);
    sandbox.run(&app, ["env", "x"]).success();
    let socket = sandbox.path("engine");
    let engine = UnixListener::bind(&socket).expect("the sandbox is writable");
    let calls = std::thread::spawn(move || engine.incoming().map_while(Result::ok).collect::<Vec<_>>());
    let silo = |words: &str| {
        let line = format!("DOCKER_HOST=unix://{} exec silo {words}", socket.display());
        let start = Instant::now();
        let mut command = sandbox.command("sh", &app);
        command.args(["-c", &line]);
        let ran = sandbox.finish(command);
        assert!(start.elapsed() < Duration::from_secs(20), "{words} took {:?}", start.elapsed());
        ran
    };
    let why = "The container engine at `$SANDBOX/engine` does not answer: ";
    let warned = format!("Warning: {why}timed out; containers are left out\n");
    let told = object(silo(&format!("who --json {web}")).stderr(&warned));
    assert!(
        told["containersUnknown"].as_str().is_some_and(|why| why.ends_with("does not answer: timed out")),
        "{told}"
    );
    let list = silo("list").success().stdout;
    assert!(list.contains("no answer"), "{list}");
    let status = silo("status").success().stdout;
    assert!(status.contains(&format!("Services: {why}timed out")), "{status}");
    silo("wait --timeout 1s").exit(1);
    silo("logs").exit(1);
    drop(calls);
}

#[test]
fn a_port_is_asked_for_by_whatever_shows_it() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let urls = "[urls]\nWEB_URL = \"http://${APP_HOST}:${WEB_PORT}/a\"\n[env]\nLEVEL = \"debug\"\n";
    let app = sandbox.project("app", &(toml_with_ports(&[("WEB_PORT", web)]) + urls));
    sandbox.run(&app, ["env", "x"]).success();
    let lease = "Leased to x as WEB_PORT ($SANDBOX/projects/app)\nNobody listens on it now\n";
    let forms = ["{}", ":{}", "localhost:{}", "127.0.0.1:{}", "[::1]:{}", "http://x.localhost:{}/a?b#c", "{}/tcp"];
    for word in forms.iter().map(|form| form.replace("{}", &web.to_string())) {
        sandbox.run("", ["who", &word]).success().stdout(lease).stderr("");
    }
    for word in ["WEB_PORT", "WEB_URL"] {
        sandbox.run(&app, ["who", word]).success().stdout(lease);
    }
    sandbox.run("", ["who", "WEB_PORT"]).success().stdout(lease);
    let wrong = |dir: &std::path::Path, word: &str, told: &str| {
        sandbox.run(dir, ["who", word]).exit(2).stdout("").stderr(told);
    };
    let way = "Hint: A port is a number from 1 to 65535, alone or in an address: `silo who localhost:3000`\n";
    for word in ["0", "70000", "localhost:", "::1"] {
        wrong(&app, word, &format!("Error: `{word}` names no port\n{way}"));
    }
    let all = "Hint: Every leased port: `silo who`\n";
    let unknown = "is not a port, and no variable of an instance\n";
    wrong(&app, "WEB_PROT", &format!("Error: `WEB_PROT` {unknown}Hint: The nearest is `WEB_PORT`\n{all}"));
    wrong(&app, "localhost", &format!("Error: `localhost` {unknown}{all}"));
    let level =
        "Error: The value of `LEVEL` names no port: `debug`\nHint: `silo status` shows which port each variable has\n";
    wrong(&app, "LEVEL", level);
    let other = sandbox.project("other", &toml_with_ports(&[("WEB_PORT", api)]));
    sandbox.run(&other, ["env", "y"]).success();
    sandbox.run(&app, ["who", "WEB_PORT"]).success().stdout(lease);
    let both = format!(
        "Error: 2 instances have a variable `WEB_PORT`\nHint: {web} is that of `x` ($SANDBOX/projects/app)\n\
         Hint: {api} is that of `y` ($SANDBOX/projects/other)\n"
    );
    wrong(&sandbox.dir(""), "WEB_PORT", &both);
}

#[test]
fn without_a_port_every_lease_is_listed_with_who_listens_there() {
    let sandbox = Sandbox::new();
    sandbox.run("", ["who"]).success().stdout("No port is leased. Run `silo env` in a project to lease some.\n");
    let [web, api] = free_ports();
    let [app, other] = [("app", "WEB_PORT", web), ("other", "API_PORT", api)]
        .map(|(name, variable, port)| sandbox.project(name, &toml_with_ports(&[(variable, port)])));
    sandbox.run(&app, ["env", "x"]).success();
    sandbox.run(&other, ["env", "y"]).success();
    let _listener = TcpListener::bind(("127.0.0.1", api)).expect("it is free");
    let told = sandbox.run("", ["who"]).success().stderr("").stdout;
    let mut lines = told.lines();
    let mut next = || lines.next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(next(), "PORT VARIABLE INSTANCE STATE BY ROOT", "{told}");
    let (mut first, mut second) = (next(), next());
    if web > api {
        std::mem::swap(&mut first, &mut second);
    }
    assert_eq!(first, format!("{web} WEB_PORT x $SANDBOX/projects/app"));
    let end = format!("(pid {}) on 127.0.0.1 $SANDBOX/projects/other", std::process::id());
    assert!(second.starts_with(&format!("{api} API_PORT y taken `")) && second.ends_with(&end), "{second}");
    let all = object(sandbox.run("", ["who", "--json"]));
    let of = |port: u16| {
        all.as_array().expect("a list").iter().find(|one| one["port"] == json!(port)).expect("it is leased")
    };
    assert_eq!(of(web)["lease"], json!({ "instance": "x", "variable": "WEB_PORT", "root": app }));
    assert_eq!((&of(web)["listening"], &of(web)["taken"]), (&Value::Null, &Value::Null));
    assert!(of(api)["taken"].as_str().is_some_and(|who| who.contains("127.0.0.1")), "{all}");
}

#[test]
fn every_socket_of_a_port_is_told_with_its_address_and_what_it_does() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let who = |port: u16| sandbox.run("", ["who", &port.to_string()]).success().stdout;
    let four = TcpListener::bind(("127.0.0.1", port)).expect("it is free");
    let serve = format!(
        "import socket, sys; s = socket.create_server(('::1', {port}), family=socket.AF_INET6); \
         print('ready', flush=True); sys.stdin.read()"
    );
    let mut command = sandbox.command("/usr/bin/python3", "");
    command.args(["-c", &serve]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut other = command.spawn().expect("it is there");
    std::io::Read::read_exact(other.stdout.as_mut().expect("it is piped"), &mut [0; 6]).expect("it starts");
    let (told, json) = (who(port), object(sandbox.run("", ["who", "--json", &port.to_string()])));
    let (own, pid) = (std::process::id(), other.id());
    drop(other.stdin.take());
    other.wait().expect("it ends with its input");
    let has =
        |pid: u32, end: &str| told.lines().any(|line| line.contains(&format!("(pid {pid})")) && line.ends_with(end));
    assert!(told.lines().count() == 2 && has(own, ", on 127.0.0.1") && has(pid, ", on ::1"), "{told}");
    let sockets = json["sockets"].as_array().expect("a list");
    let sockets: Vec<_> = sockets.iter().map(|one| (one["address"].clone(), one["process"]["pid"].clone())).collect();
    assert_eq!(sockets, [(json!("127.0.0.1"), json!(own)), (json!("::1"), json!(pid))]);

    let client = std::net::TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let outgoing = client.local_addr().expect("it is connected").port();
    let told = who(outgoing);
    assert!(told.starts_with("In use by a connection of ") && told.contains(&format!("(pid {own})")), "{told}");
    drop((client, four));

    let datagrams = std::net::UdpSocket::bind(("127.0.0.1", port)).expect("it is free");
    let told = who(port);
    assert!(told.starts_with("Held by ") && told.ends_with(", on 127.0.0.1 (UDP)\n"), "{told}");
    let app = sandbox.project("app", &toml_with_ports(&[("RTC_PORT", port)]));
    sandbox.run(&app, ["env", "app"]).success().stderr_has(&format!("Port {port} is held by `"));
    drop(datagrams);
}

#[cfg(target_os = "linux")]
#[test]
fn a_socket_that_is_bound_and_does_not_listen_is_no_other_users() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let kind = rustix::net::SocketType::STREAM;
    let socket = rustix::net::socket(rustix::net::AddressFamily::INET, kind, None).expect("there are sockets");
    rustix::net::bind(&socket, &std::net::SocketAddr::from(([127, 0, 0, 1], port))).expect("it is free");
    let told = sandbox.run("", ["who", &port.to_string()]).success().stdout;
    assert_eq!(told, "Held by a program that has bound it and does not listen\n");
}

#[test]
fn a_process_is_known_by_the_instance_it_was_started_in() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env", "x"]).success();
    // It is listening when it has said so, and ends with its input.
    let serve = "import os, socket, sys; s = socket.create_server(('127.0.0.1', int(os.environ['WEB_PORT']))); \
                 os.chdir('/'); print('ready', flush=True); sys.stdin.read()";
    let mut command = sandbox.command("silo", &app);
    command.args(["exec", "--", "/usr/bin/python3", "-c", serve]);
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut server = command.spawn().expect("silo is on PATH");
    let mut ready = [0; 6];
    std::io::Read::read_exact(server.stdout.as_mut().expect("it is piped"), &mut ready).expect("it starts");
    let told = object(sandbox.run("", ["who", "--json", &web.to_string()]));
    drop(server.stdin.take());
    server.wait().expect("it ends with its input");
    assert_eq!(told["process"]["instance"], json!("x"), "{told}");
    assert_eq!(told["process"]["folder"], json!("/"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_process_cannot_forge_a_line_by_its_name() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    let serve = format!(
        "import socket, sys; s = socket.create_server(('127.0.0.1', {port})); \
         open('/proc/self/comm', 'w').write('a\\nLeased\\x1b[m'); print('ready', flush=True); sys.stdin.read()"
    );
    let mut command = sandbox.command("/usr/bin/python3", "");
    command.args(["-c", &serve]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut server = command.spawn().expect("it is there");
    let mut ready = [0; 6];
    std::io::Read::read_exact(server.stdout.as_mut().expect("it is piped"), &mut ready).expect("it starts");
    let told = sandbox.run("", ["who", &port.to_string()]);
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", port)]));
    let moved = sandbox.run(&app, ["env", "app"]);
    drop(server.stdin.take());
    server.wait().expect("it ends with its input");
    let (told, moved) = (told.success().stdout, moved.success().stderr);
    assert!(told.starts_with("Held by a\u{fffd}Leased\u{fffd}[m (pid ") && told.lines().count() == 1, "{told:?}");
    assert!(!moved.contains("\nLeased"), "{moved:?}");
}

#[test]
fn a_value_is_printed_bare_and_the_story_goes_elsewhere() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web)]) + "[urls]\nWEB_URL = \"http://${APP_HOST}:${WEB_PORT}/a b\"\n";
    let app = sandbox.project("app", &toml);
    sandbox.run(&app, ["get", "WEB_PORT"]).success().stdout(&format!("{web}\n")).stderr_has("Writing `.silo.lock`\n");
    sandbox.run(&app, ["env", "x"]).success();
    sandbox.run(&app, ["get", "WEB_URL"]).success().stdout(&format!("http://x.localhost:{web}/a b\n")).stderr("");
    sandbox.run(&app, ["get", "SILO_ROOT"]).success().stdout("$SANDBOX/projects/app\n");
    let wrong = sandbox.run(&app, ["get", "WEB_PROT"]).exit(1).stdout("");
    assert_eq!(
        wrong.stderr,
        "Error: `WEB_PROT` is not a variable of `x`\nHint: The nearest is `WEB_PORT`\nHint: List them all: `silo diff`\n"
    );
    sandbox.run("", ["get", "WEB_PORT", "-i", "x"]).success().stdout(&format!("{web}\n"));
    sandbox.run("", ["get", "WEB_PORT", "-i", "localnet-x"]).success().stdout(&format!("{web}\n"));
    sandbox.run("", ["get", "WEB_PORT", "-i", "y"]).exit(1).stderr_has("No instance is named `y`");
    sandbox.run("", ["get", "WEB_PORT"]).exit(1).stderr_has("No `silo.toml` in");
    fs::remove_dir_all(&app).expect("it was made");
    sandbox.run("", ["get", "WEB_PORT", "-i", "x"]).exit(1).stderr_has("Hint: Run `silo prune`");
}

#[test]
fn an_address_is_handed_to_the_browser_and_only_the_web_is() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let urls = "[urls]\nDATABASE_URL = \"postgres://localhost\"\nWEB_URL = \"http://${APP_HOST}:${WEB_PORT}\"\n\
                ODD_URL = \"javascript:alert(1)\"\nSHELL_URL = \"http://x/`id`\"\nAND_URL = \"http://x/?a&id\"\nADMIN_URL = \"https://admin.example.com\"\n";
    let app = sandbox.project("app", &(toml_with_ports(&[("WEB_PORT", web)]) + urls));
    sandbox.run(&app, ["env", "x"]).success();
    let opened = sandbox.path("home/opened");
    let browser = sandbox.path("bin/browser");
    let script = format!("#!/bin/sh\nprintf '%s\\n' \"$@\" \"${{SILO_ACTIVE-}}\" >>'{}'\n", opened.display());
    program(&browser, &script);
    let open = |args: &[&str]| run_with(&sandbox, &app, &[("BROWSER", "no-such-browser:browser --new %s")], args);
    open(&["open"]).success().stdout(&format!("http://x.localhost:{web}\n"));
    open(&["open", "ADMIN_URL"]).success();
    let expected = format!("--new\nhttp://x.localhost:{web}\n\n--new\nhttps://admin.example.com\n\n");
    assert_eq!(fs::read_to_string(&opened).expect("it was opened"), expected);
    open(&["open", "--print", "-i", "x", "ADMIN_URL"]).success().stdout("https://admin.example.com\n");
    for odd in ["DATABASE_URL", "ODD_URL", "SHELL_URL", "WEB_PORT"] {
        open(&["open", odd]).exit(1).stdout("").stderr_has("Only http:// and https:// are opened");
    }
    assert_eq!(fs::read_to_string(&opened).expect("it was opened"), expected);
    // Inside a word, which a shell may read, not even `&` is handed over.
    let bin = sandbox.path("bin");
    let shell = [("BROWSER", "sh -c 'browser %s'"), ("PATH", bin.to_str().expect("it is UTF-8"))];
    run_with(&sandbox, &app, &shell, ["open", "AND_URL"]).exit(1).stderr_has("No program to open a URL with was found");
    fs::write(&browser, "#!/bin/sh\nexit 3\n").expect("the sandbox is writable");
    open(&["open"]).exit(1).stderr_has("failed with exit code 3");
}

#[test]
fn each_port_of_a_block_is_looked_at() {
    let sandbox = Sandbox::new();
    let first = free_run();
    let toml = format!("version = 1\n[ports]\nRTC_PORT = {{ default = {first}, count = 3 }}\n");
    let app = sandbox.trusted("app", &toml);
    sandbox.run(&app, ["env", "x"]).success();
    let lease = format!("Leased to x as RTC_PORT {first}-{} ($SANDBOX/projects/app)\n", first + 2);
    sandbox.run(&app, ["who", "RTC_PORT"]).success().stdout(&format!("{lease}Nobody listens on them now\n"));
    let _server = TcpListener::bind(("127.0.0.1", first + 1)).expect("it is free");
    let _datagrams = std::net::UdpSocket::bind(("127.0.0.1", first + 2)).expect("it is free");
    for folder in [app.as_path(), Path::new("")] {
        let told = sandbox.run(folder, ["who", "RTC_PORT"]).success().stdout;
        let lines: Vec<&str> = told.strip_prefix(&lease).expect("the lease comes first").lines().collect();
        assert!(lines.len() == 2 && lines[0].starts_with(&format!("{}: Held by ", first + 1)), "{told}");
        assert!(lines[1].starts_with(&format!("{}: Held by ", first + 2)) && lines[1].ends_with(" (UDP)"), "{told}");
    }
    let json = object(sandbox.run(&app, ["who", "--json", "RTC_PORT"]));
    let taken: Vec<_> = json["others"].as_array().expect("a list").iter().map(|one| one["taken"].clone()).collect();
    assert_eq!(
        (json["port"].clone(), json["taken"].clone(), taken),
        (json!(first), json!(false), vec![json!(true), json!(true)])
    );
}
