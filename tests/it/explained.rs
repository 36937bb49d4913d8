//! A port that is not its default is explained where it appears: which variable, why, and who has the default. And what silo
//! says of an instance is true at every moment of its life.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use crate::pty::{Session, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, close, free_ports, toml_with_ports};
use crate::terminal::{collect, terminal};
use crate::tools::Tools;

each_shell!(a_port_that_cd_leases_elsewhere_is_explained_there);

fn this_test() -> String {
    let name = fs::read_to_string("/proc/self/comm").unwrap_or_default();
    format!("`{}` (pid {}) on 127.0.0.1", name.trim_end(), std::process::id())
}

/// The line of a port in `silo status`.
fn port_line(sandbox: &Sandbox, dir: &Path, name: &str) -> String {
    let told = sandbox.run(dir, ["status"]).success().stdout;
    let line = told.lines().find(|line| line.starts_with(&format!("  {name}: ")));
    line.unwrap_or_else(|| panic!("{told}")).trim().to_owned()
}

/// Who ends the engine's program ends the port of somebody's container.
#[test]
fn a_container_in_the_way_is_named_and_not_the_engines_program() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    let [web] = free_ports();
    tools.container("shop-web-1", &[], &[web]);
    let proxy = sandbox.path("docker-proxy");
    std::os::unix::fs::symlink("/usr/bin/python3", &proxy).expect("the sandbox is writable");
    let serve = format!(
        "import socket, sys; s = socket.create_server(('127.0.0.1', {web})); print('ready', flush=True); sys.stdin.read()"
    );
    let mut command = sandbox.command(&proxy, "");
    command.args(["-c", &serve]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut running = command.spawn().expect("it is there");
    std::io::Read::read_exact(running.stdout.as_mut().expect("it is piped"), &mut [0; 6]).expect("it starts");
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let told = sandbox.run(&app, ["env", "x"]).success().stderr;
    let now = sandbox.lockfile_ports(&app)["WEB_PORT"];
    let line = port_line(&sandbox, &app, "WEB_PORT");
    drop(running.stdin.take());
    running.wait().expect("it ends with its input");
    assert!(
        told.starts_with(&format!("Port {web} is held by the container `shop-web-1`; WEB_PORT is {now}\n")),
        "{told}"
    );
    assert_eq!(line, format!("WEB_PORT: {now} (not {web}, which is held by the container `shop-web-1`)"));
}

#[test]
fn status_says_of_each_port_that_is_not_its_default_who_has_that() {
    let sandbox = Sandbox::new();
    let [web, api, log] = free_ports();
    let first = sandbox.project("first", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&first, ["env", "first"]).success();
    let listener = TcpListener::bind(("127.0.0.1", api)).expect("it is free");
    let ports = [("WEB_PORT", web), ("API_PORT", api), ("LOG_PORT", log), ("LOG_TOO_PORT", log)];
    let second = sandbox.project("second", &toml_with_ports(&ports));
    let told = sandbox.run(&second, ["env", "second"]).success().stderr;
    let now = sandbox.lockfile_ports(&second);
    assert!(told.starts_with(&format!(
        "Port {web} is leased to `first`; WEB_PORT is {}\nPort {api} is held by {}; API_PORT is {}\n\
         Port {log} is that of LOG_PORT; LOG_TOO_PORT is {}\n",
        now["WEB_PORT"],
        this_test(),
        now["API_PORT"],
        now["LOG_TOO_PORT"],
    )));
    let line = |name: &str| port_line(&sandbox, &second, name);
    assert_eq!(line("WEB_PORT"), format!("WEB_PORT: {} (not {web}, which is leased to `first`)", now["WEB_PORT"]));
    assert_eq!(
        line("API_PORT"),
        format!("API_PORT: {} (not {api}, which is held by {})", now["API_PORT"], this_test())
    );
    assert_eq!(line("LOG_PORT"), format!("LOG_PORT: {log}"));
    let too = format!("LOG_TOO_PORT: {} (not {log}, which is that of LOG_PORT)", now["LOG_TOO_PORT"]);
    assert_eq!(line("LOG_TOO_PORT"), too);
    // The reason is that of now: what is free again is said with the way to get it.
    close(listener);
    sandbox.run(&first, ["down", "--clean"]).success();
    let free =
        |name: &str, port| format!("{name}: {} (not {port}, which is free now: `silo env --move {name}`)", now[name]);
    assert_eq!(line("WEB_PORT"), free("WEB_PORT", web));
    assert_eq!(line("API_PORT"), free("API_PORT", api));
    sandbox.run(&second, ["env", "--move", "WEB_PORT"]).success();
    assert_eq!(line("WEB_PORT"), format!("WEB_PORT: {web}"));
}

fn a_port_that_cd_leases_elsewhere_is_explained_there(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web)]);
    let [first, second] = ["first", "second"].map(|name| sandbox.trusted(name, &toml));
    sandbox.run(&first, ["env", "first"]).success();
    let mut session = Session::start(&sandbox, shell, "");
    let seen = session.run(&format!("cd '{}'", second.display()));
    let told = format!("silo: not {web} (WEB_PORT), which is leased to `first`");
    assert!(seen.told.contains(&told), "{}", seen.told);
    // It is said once: afterwards `silo status` says it.
    session.run("cd /");
    let seen = session.run(&format!("cd '{}'", second.display()));
    assert!(!seen.told.contains("which is leased"), "{}", seen.told);
}

#[test]
fn init_says_which_of_the_defaults_it_wrote_are_not_to_be_had() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let first = sandbox.project("first", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&first, ["env", "first"]).success();
    let _listener = TcpListener::bind(("127.0.0.1", api)).expect("it is free");
    let app = sandbox.dir("app");
    fs::create_dir(&app).expect("the sandbox is writable");
    fs::write(app.join(".env"), format!("WEB_PORT={web}\nAPI_PORT={api}\n")).expect("it is writable");
    let told = sandbox.run(&app, ["init"]).success().stderr;
    assert!(told.contains(&format!("Port {web} is leased to `first`; WEB_PORT will be another\n")), "{told}");
    assert!(told.contains(&format!("Port {api} is held by {}; API_PORT will be another\n", this_test())), "{told}");
}

#[test]
fn after_down_clean_status_says_what_makes_an_instance_again() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["down", "--clean"]).success();
    let told = "`silo.toml` is trusted; the next `cd` into the folder, or `silo env`, makes an instance again\n";
    sandbox.run(&app, ["status"]).success().stdout("No active instance. Run `silo env` to make one.\n").stderr(told);
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["status"]).success().stderr("");
}

#[test]
fn status_check_fails_where_nothing_may_act() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let check = |code: i32| {
        let plain = sandbox.run(&app, ["status"]).success();
        sandbox.run(&app, ["status", "--check"]).exit(code).stdout(&plain.stdout).stderr(&plain.stderr);
        sandbox.run(&app, ["status", "--check", "--json"]).exit(code);
    };
    check(3);
    sandbox.run(&app, ["allow"]).success();
    check(4);
    sandbox.run(&app, ["env", "x"]).success();
    check(0);
    sandbox.run(&app, ["deny"]).success();
    check(3);
}

#[test]
fn status_has_colours_for_what_is_good_and_what_needs_somebody() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let first = sandbox.project("first", &toml_with_ports(&[("API_PORT", api)]));
    sandbox.run(&first, ["env", "first"]).success();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api)]));
    sandbox.run(&app, ["env", "x"]).success();
    let _stranger = TcpListener::bind(("127.0.0.1", web)).expect("it is free");
    let mut silo = sandbox.command(SILO, &app);
    silo.arg("status").env_remove("NO_COLOR").env("CLICOLOR_FORCE", "1");
    let told = sandbox.finish(silo).success().stdout;
    for (sign, text) in [("1", "State"), ("31", "taken"), ("32", "allowed"), ("31", "taken by "), ("2", "not ")] {
        assert!(told.contains(&format!("\u{1b}[{sign}m{text}")), "{text}: {told:?}");
    }
    // The same words with and without.
    let plain = sandbox.run(&app, ["status"]).success().stdout;
    let mut bare = String::new();
    for (at, part) in told.split('\u{1b}').enumerate() {
        bare.push_str(if at == 0 { part } else { part.split_once('m').map_or("", |(_, rest)| rest) });
    }
    assert_eq!(bare, plain);
}

#[test]
fn on_a_terminal_the_doctor_wraps_at_words_and_says_what_never_changes_once() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["env", "app"]).success();
    let doctor = |columns: &str| {
        let (ours, theirs) = terminal(false);
        let mut silo = sandbox.command(SILO, &app);
        silo.arg("doctor").env("COLUMNS", columns).stdout(theirs);
        let mut child = silo.spawn().expect("it starts");
        drop(silo);
        let seen = collect(ours);
        child.wait().expect("it ends");
        let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
        loop {
            let text = String::from_utf8_lossy(&seen.lock().expect("nobody panics while holding it")).into_owned();
            if text.contains(" lease)") || text.contains(" leases)") {
                return sandbox.redact(text.as_bytes());
            }
            assert!(std::time::Instant::now() < end, "{text:?}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    };
    // No tool is installed in a sandbox, so there is at least this note on the machine.
    let first = doctor("60");
    assert!(first.contains("[tools-missing]"), "{first}");
    let prose = first.lines().filter(|line| !line.starts_with("  --> ") && !line.starts_with("  Fix: "));
    assert!(prose.clone().all(|line| line.chars().count() <= 60), "{first}");
    assert!(prose.clone().any(|line| line.starts_with("    ")), "{first}");
    // This project comes before the machine.
    let at = |text: &str| first.find(text).unwrap_or_else(|| panic!("no {text}: {first}"));
    assert!(at("[not-trusted]") < at("[tools-missing]"), "{first}");
    let second = doctor("60");
    assert!(!second.contains("[tools-missing]") && second.contains("[not-trusted]"), "{second}");
    assert!(second.contains("Said before, and the same:") && second.contains("tools-missing"), "{second}");
    let all = sandbox.run(&app, ["doctor"]).success().stdout;
    assert!(all.contains("[tools-missing]"), "a file gets everything: {all}");
}
