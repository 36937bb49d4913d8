//! `silo routes --nginx`, `--caddy`, `--traefik`: with the real nginx and Caddy, and files that must not be lost.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::proxy::{echo, routed, says, server, split, wait};
use crate::sandbox::{SILO, Sandbox, free_ports};

/// A program that is ended when the test is.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // nginx ends its workers only when it is asked.
        let pid = Pid::from_raw(i32::try_from(self.0.id()).expect("a pid is a pid_t"));
        let _ = kill(pid, Signal::SIGTERM);
        let _ = self.0.wait();
    }
}

/// Where a web server of the machine lies; Debian keeps some where only root looks.
fn program(name: &str) -> String {
    let folders = ["/usr/sbin", "/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"];
    let found = folders.iter().map(|folder| format!("{folder}/{name}")).find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| panic!("{name} is missing; tests/run installs it"))
}

/// What a web server on a port answers for a host; none while it does not.
fn get(port: u16, host: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    answer.contains("\r\n\r\n").then(|| split(&answer))
}

#[test]
fn nginx_serves_what_is_written_and_follows_after_a_reload() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    routed(&sandbox, &[server(echo)]);
    let nginx = program("nginx");
    let conf = sandbox.path("nginx.conf");
    let at = sandbox.path("").display().to_string();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {at}run/{kind};\n"))
        .concat();
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    let text = format!(
        "{user}daemon off;\npid {at}run/nginx.pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}include {at}silo.conf;\n}}\n"
    );
    fs::write(&conf, text).expect("writable");
    let call = format!("{nginx} -c {}", conf.display());
    let check = format!("{call} -t");
    let out = |reload: &str| {
        let file = sandbox.path("silo.conf");
        let mut command = sandbox.command(SILO, "");
        command.args(["routes", "--nginx", "--port", &port.to_string(), "--out"]).arg(file);
        command.args(["--test", &check, "--reload", reload]);
        sandbox.finish(command)
    };
    out("true").success().stderr_has("silo.conf");
    let mut command = sandbox.command(&nginx, "");
    command.arg("-c").arg(&conf).stderr(Stdio::null());
    let _nginx = Running(command.spawn().expect("it can be started"));
    let (head, body) = wait(|| get(port, "a.test"));
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains(&format!("Host: a.test:{port}")), "{head} {body}");
    assert!(body.contains("X-Forwarded-For: 127.0.0.1"), "{body}");
    // Another server takes its place, and one more comes: nginx knows them after the reload alone.
    routed(&sandbox, &[server(says("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother")), server(echo)]);
    out(&format!("{call} -s reload")).success();
    wait(|| get(port, "a.test").filter(|(_, body)| body == "other"));
    wait(|| get(port, "b.test").filter(|(_, body)| body.contains("Host: b.test")));
}

#[test]
fn caddy_serves_what_is_written_and_its_own_check_decides() {
    let sandbox = Sandbox::new();
    let [port] = free_ports();
    routed(&sandbox, &[server(echo)]);
    let caddy = program("caddy");
    let (conf, socket, file) = (sandbox.path("Caddyfile"), sandbox.path("run/caddy"), sandbox.path("silo.caddy"));
    let text = format!("{{\n\tadmin unix/{}\n}}\nimport {}\n", socket.display(), file.display());
    fs::write(&conf, text).expect("writable");
    let check = format!("{caddy} validate --adapter caddyfile --config {{}}");
    let reload =
        format!("{caddy} reload --adapter caddyfile --config {} --address unix/{}", conf.display(), socket.display());
    let out = |reload: &str| {
        let mut command = sandbox.command(SILO, "");
        command.args(["routes", "--caddy", "--port", &port.to_string(), "--out"]).arg(&file);
        command.args(["--test", &check, "--reload", reload]);
        sandbox.finish(command)
    };
    out("true").success();
    let mut command = sandbox.command(&caddy, "");
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&conf).stderr(Stdio::null()).stdout(Stdio::null());
    let _caddy = Running(command.spawn().expect("it can be started"));
    let (head, body) = wait(|| get(port, "a.test"));
    assert!(head.starts_with("HTTP/1.1 200 ") && body.contains(&format!("Host: a.test:{port}")), "{head} {body}");
    routed(&sandbox, &[server(echo), server(echo)]);
    out(&reload).success();
    wait(|| get(port, "b.test").filter(|(_, body)| body.contains("Host: b.test")));
}

#[test]
fn traefik_gets_yaml_with_a_router_and_a_service_for_each_route() {
    use saphyr::LoadableYamlNode as _;
    let sandbox = Sandbox::new();
    let port = server(echo);
    routed(&sandbox, &[port]);
    let ran = sandbox.run("", ["routes", "--traefik"]).success();
    let all = saphyr::Yaml::load_from_str(&ran.stdout).expect("it is YAML");
    let http = &all[0]["http"];
    assert_eq!(http["routers"]["silo-a_test"]["rule"].as_str(), Some("Host(`a.test`)"));
    assert_eq!(http["routers"]["silo-a_test"]["service"].as_str(), Some("silo-a_test"));
    let server = &http["services"]["silo-a_test"]["loadBalancer"]["servers"][0]["url"];
    assert_eq!(server.as_str(), Some(format!("http://127.0.0.1:{port}").as_str()));
}

#[test]
fn a_bad_one_never_replaces_a_good_one() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server(echo)]);
    let file = sandbox.path("silo.conf");
    let out = |more: &[&str]| {
        let mut command = sandbox.command(SILO, "");
        command.args(["routes", "--nginx", "--out"]).arg(&file).args(more);
        sandbox.finish(command)
    };
    let names = || {
        let mut names: Vec<String> = fs::read_dir(sandbox.path(""))
            .expect("readable")
            .flatten()
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.contains("silo.conf"))
            .collect();
        names.sort();
        names
    };
    // Where there was none, none is there afterwards.
    out(&["--test", "echo no >&2; false"]).exit(1).stderr_has("no").stderr_has("is as it was before");
    out(&["--test", "false {}"]).exit(1).stderr_has("is as it was before");
    assert_eq!(names(), [""; 0]);
    out(&["--reload", "exit 3"]).exit(1).stderr_has("failed with exit code 3");
    let good = fs::read_to_string(&file).expect("it is there");
    assert!(good.contains("server_name \"a.test\";"), "{good}");
    routed(&sandbox, &[server(echo), server(echo)]);
    for test in ["false", "false {}", "kill -9 $$", "no-such-program-at-all", "! grep -q b.test {}"] {
        out(&["--test", test, "--reload", "touch reloaded"]).exit(1);
        assert_eq!(
            (fs::read_to_string(&file).expect("it is there"), names()),
            (good.clone(), vec!["silo.conf".to_owned()])
        );
    }
    assert!(!sandbox.dir("reloaded").exists(), "what is not written is not reloaded");
    // A test that was cut off has decided nothing.
    fs::write(sandbox.path("silo.conf.silo-before"), &good).expect("writable");
    fs::write(&file, format!("{good}broken")).expect("writable");
    out(&["--test", "false"]).exit(1);
    assert_eq!(
        (fs::read_to_string(&file).expect("it is there"), names()),
        (good.clone(), vec!["silo.conf".to_owned()])
    );
    out(&["--test", "grep -q b.test {}", "--reload", "touch reloaded"]).success();
    assert!(sandbox.dir("reloaded").exists());
    out(&["--reload", "false"]).success().stderr("");
    fs::write(&file, "# the user's own\n").expect("writable");
    out(&[]).exit(1).stderr_has("was not written by `silo routes`");
    assert_eq!(fs::read_to_string(&file).expect("it is there"), "# the user's own\n");
    out(&["--json"]).exit(2);
    sandbox.run("", ["routes", "--test", "true"]).exit(2);
    sandbox.run("", ["routes", "--out", "x"]).exit(2);
}

#[test]
fn watching_writes_each_change_once_until_it_is_stopped() {
    let sandbox = Sandbox::new();
    routed(&sandbox, &[server(echo)]);
    let (file, log) = (sandbox.path("silo.conf"), sandbox.path("reloads"));
    let mut command = sandbox.command(SILO, "");
    command.args(["routes", "--nginx", "--watch", "--out"]).arg(&file);
    command.args(["--test", "! grep -q c.test {}", "--reload", &format!("echo x >>{}", log.display())]);
    let mut watching = Running(command.stderr(Stdio::null()).spawn().expect("it can be started"));
    let written = || fs::read_to_string(&file).unwrap_or_default();
    let reloads = || fs::read_to_string(&log).unwrap_or_default().lines().count();
    wait(|| (written().contains("a.test") && reloads() == 1).then_some(()));
    let [one, two] = [server(echo), server(echo)];
    routed(&sandbox, &[one, two]);
    wait(|| (written().contains("b.test") && reloads() == 2).then_some(()));
    routed(&sandbox, &[one, two, server(echo)]);
    // The refused one is tried in its time; what follows it is taken.
    routed(&sandbox, &[one]);
    wait(|| (!written().contains("b.test") && reloads() == 3).then_some(()));
    let pid = Pid::from_raw(i32::try_from(watching.0.id()).expect("a pid is a pid_t"));
    kill(pid, Signal::SIGTERM).expect("it runs");
    assert_eq!(watching.0.wait().expect("it ends").code(), Some(143));
}
