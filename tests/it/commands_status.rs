//! `silo status`, `silo version`, `-C`, `-c`, and what every command shares: usage errors and closed pipes.

use std::fs;

use serde_json::json;

use crate::machine::run_with;
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

#[test]
fn status_without_an_instance_says_how_to_start_one_and_why_no_shell_is_in_it() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let told = |why: &str| {
        let ran = sandbox.run(&app, ["status"]).success().stdout("No active instance. Run `silo env` to make one.\n");
        ran.stderr(&format!("`silo.toml` {why}\n"));
    };
    told("is not trusted yet: `silo allow`");
    let expected = json!({ "instance": null, "root": "$SANDBOX/projects/app", "trust": "unknown", "activeRoot": null });
    sandbox.run(&app, ["status", "--json"]).success().stderr("").stdout(&format!("{expected:#}\n"));
    assert!(!app.join(".silo.lock").exists(), "asking writes nothing");
    assert_eq!(fs::read_dir(sandbox.path("state")).expect("it is there").count(), 0, "asking writes nothing");
    sandbox.run(&app, ["allow"]).success();
    told("is trusted; the next prompt enters it where the shell hook is loaded (`silo hook --help`)");
    // Only where it has something to run.
    fs::write(app.join("Tiltfile"), "").expect("the project is writable");
    sandbox.run(&app, ["status"]).success().stdout("No active instance. Run `silo up` to start.\n");
}

#[test]
fn what_keeps_shells_out_is_said_before_the_answer() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let both = sandbox.command("/bin/sh", &app).args(["-c", "silo status 2>&1"]).output().expect("sh starts");
    let said = "`silo.toml` is not trusted yet: `silo allow`\nNo active instance. Run `silo env` to make one.\n";
    assert_eq!(String::from_utf8_lossy(&both.stdout), said);
    sandbox.run(&app, ["env", "app"]).success();
    let trust = |line: &str| {
        let ran = sandbox.run(&app, ["status"]).success().stderr("");
        assert!(ran.stdout.contains(&format!("\nTrust: {line}\n")), "{ran:#?}");
    };
    trust("unknown; `silo allow` trusts it");
    sandbox.run(&app, ["deny"]).success();
    trust("denied; `silo allow` trusts it");
    sandbox.run(&app, ["allow"]).success();
    trust("allowed");
}

#[test]
fn status_shows_the_instance_and_whether_this_shell_is_in_it() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = format!(
        "{}[urls]\nWEB_URL = \"http://${{APP_HOST}}:${{WEB_PORT}}\"\n[profiles.p]\n",
        toml_with_ports(&[("WEB_PORT", web)])
    );
    let app = sandbox.trusted("app", &toml);
    sandbox.run(&app, ["env", "dev", "-p", "p"]).success();
    let expected = |shell: &str| {
        format!(
            "Instance: dev\n\
             Profile: p\n\
             State: stopped\n\
             Root: $SANDBOX/projects/app\n\
             Trust: allowed\n\
             This shell: {shell}\n\
             Ports:\n\
             \x20 WEB_PORT: {web}\n\
             URLs:\n\
             \x20 WEB_URL: http://dev.localhost:{web}\n"
        )
    };
    sandbox.run(&app, ["status"]).success().stderr("").stdout(&expected("not active"));
    sandbox.run(&app, ["exec", "silo", "status"]).success().stderr("").stdout(&expected("active"));
    let answer = json!({
        "instance": "dev",
        "profile": "p",
        "state": "stopped",
        "root": "$SANDBOX/projects/app",
        "trust": "allowed",
        "activeHere": false,
        "activeRoot": null,
        "tilt": null,
        "k3d": null,
        "agents": null,
        "services": null,
        "envFile": "$SANDBOX/projects/app/.localnet.env",
        "ports": { "WEB_PORT": web },
        "listening": [],
        "taken": {},
        "listeners": {},
        "moved": {},
        "urls": { "WEB_URL": format!("http://dev.localhost:{web}") },
        "routes": {},
    });
    sandbox.run(&app, ["status", "--json"]).success().stderr("").stdout(&format!("{answer:#}\n"));
    let deep = app.join("a/b");
    fs::create_dir_all(&deep).expect("the project is writable");
    sandbox.run(&deep, ["status"]).success().stdout(&expected("not active"));
}

#[test]
fn status_names_what_something_else_has_set_again_in_this_shell() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nWEB_PORT = 0\nAPI_PORT = 0\n[urls]\nWEB_URL = \"x\"\n");
    let shell = |line: &str, told: &str| {
        let ran = sandbox.run(&app, ["exec", "sh", "-c", &format!("{line}; silo status 2>/dev/null")]).success();
        assert!(ran.stdout.contains(&format!("\nThis shell: {told}\n")), "{ran:#?}");
    };
    shell("WEB_PORT=$WEB_PORT", "active");
    shell("API_PORT=1", "active, but another value of API_PORT than silo's: `silo diff`");
    shell("WEB_PORT=3000; unset WEB_URL", "active, but another value of WEB_PORT, WEB_URL than silo's: `silo diff`");
}

#[test]
fn the_trust_that_status_shows_follows_the_file() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    let trust = || {
        let answer = sandbox.run(&app, ["status", "--json"]).success().bytes;
        let answer: serde_json::Value = serde_json::from_slice(&answer).expect("it is JSON");
        answer["trust"].as_str().expect("it is a word").to_owned()
    };
    assert_eq!(trust(), "allowed");
    sandbox.project("app", "version = 1\n[ports]\nB = 0\n");
    assert_eq!(trust(), "changed");
    sandbox.run(&app, ["deny"]).success();
    assert_eq!(trust(), "denied");
}

#[test]
fn without_a_project_every_command_names_init() {
    let sandbox = Sandbox::new();
    let told = "Error: No `silo.toml` in `$SANDBOX/projects/` or above\n\
                Hint: Run `silo init` in the project's folder to make one\n";
    for command in
        ["env", "status", "profiles", "allow", "deny", "require", "shell", "up", "ci", "logs", "wait", "down"]
    {
        let code = if command == "require" { 4 } else { 1 };
        let ran = sandbox.run("", [command]).exit(code).stdout("");
        assert_eq!(ran.stderr.replace("projects`", "projects/`"), told, "{command}");
    }
    sandbox.run("", ["exec", "true"]).exit(1);
    sandbox.run("", ["export", "bash"]).success().stderr("");
}

#[test]
fn in_a_folder_that_is_gone_the_hint_leads_to_one_that_is_there() {
    let sandbox = Sandbox::new();
    let folder = sandbox.dir("gone/deep");
    fs::create_dir_all(&folder).expect("the sandbox is writable");
    let mut sh = sandbox.command("/bin/sh", &folder);
    sh.args(["-c", "rm -r ../../gone; silo status"]);
    let told = "Error: No `silo.toml` in `$SANDBOX/projects/gone/deep` or above\n\
                Hint: The folder is gone: `cd $SANDBOX/projects`\n";
    sandbox.finish(sh).exit(1).stdout("").stderr(told);
}

#[test]
fn the_version_is_the_crates() {
    let sandbox = Sandbox::new();
    let version = concat!("silo v", env!("CARGO_PKG_VERSION"), "\n");
    for args in [["version"], ["--version"], ["-V"]] {
        sandbox.run("", args).success().stderr("").stdout(version);
    }
}

#[test]
fn another_folder_and_another_config_file_can_be_named() {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let one = sandbox.project("one", &toml_with_ports(&[("WEB_PORT", web)]));
    fs::write(one.join("more.toml"), toml_with_ports(&[("API_PORT", api)])).expect("the project is writable");
    fs::create_dir(one.join("deep")).expect("the project is writable");
    for args in [["-C", "one", "status"], ["status", "-C", "one/deep"], ["-C", "../projects/one", "status"]] {
        sandbox.run("", args).success().stdout("No active instance. Run `silo env` to make one.\n");
    }
    let got = format!("Instance: x\nPorts:\n  API_PORT: {api}\n");
    sandbox.run("", ["-c", "one/more.toml", "env", "x"]).success().stdout(&got);
    sandbox.run("", ["-C", "one", "-c", "more.toml", "env"]).success().stdout(&got).stderr("");
    let absolute = one.join("more.toml").into_os_string().into_string().expect("it is UTF-8");
    sandbox.run("", ["env", "--config", &absolute]).success().stdout(&got).stderr("");
    assert!(one.join(".silo.lock").exists());
    sandbox.run("", ["-C", "nowhere", "status"]).exit(1).stdout("").stderr_has("nowhere");
    sandbox.run("", ["-c", "nowhere.toml", "status"]).exit(1).stdout("").stderr(
        "Error: No config file at `$SANDBOX/projects/nowhere.toml`\n\
         Hint: Run `silo init -c $SANDBOX/projects/nowhere.toml` to make one\n",
    );
}

#[test]
fn what_cannot_be_understood_exits_with_2() {
    let sandbox = Sandbox::new();
    let cases: [&[&str]; 9] = [
        &[],
        &["frob"],
        &["env", "--frob"],
        &["env", "a", "b"],
        &["env", "--profile"],
        &["hook"],
        &["hook", "csh"],
        &["export", "sh"],
        &["exec"],
    ];
    for args in cases {
        let ran = sandbox.run("", args).exit(2).stdout("");
        assert!(["--help", "Usage: silo", "silo help"].iter().any(|way| ran.stderr.contains(way)), "{ran:#?}");
    }
}

#[test]
fn a_near_miss_is_named() {
    let sandbox = Sandbox::new();
    sandbox.run("", ["stauts"]).exit(2).stderr_has("`silo status`");
}

#[test]
fn a_reader_that_went_away_ends_silo_quietly() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    let cases: [&[&str]; 9] = [
        &["--help"],
        &["env", "--help"],
        &["--version"],
        &["version"],
        &["env"],
        &["status", "--json"],
        &["profiles"],
        &["hook", "fish"],
        &["export", "bash"],
    ];
    for args in cases {
        let (reader, writer) = std::io::pipe().expect("there are pipes");
        drop(reader);
        let mut silo = sandbox.command(SILO, &app);
        let output = silo
            .args(args)
            .env("SILO_LOG", "off")
            .stdout(writer)
            .stderr(std::process::Stdio::piped())
            .output()
            .expect("it starts");
        let stderr =
            String::from_utf8_lossy(&output.stderr).replace("Writing `.localnet.env`\nWriting `.silo.lock`\n", "");
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}

#[test]
fn colours_are_for_terminals_alone() {
    let sandbox = Sandbox::new();
    let mut silo = sandbox.command(SILO, "");
    silo.arg("status").env_remove("NO_COLOR");
    let ran = sandbox.finish(silo).exit(1);
    assert!(!ran.stderr.contains('\u{1b}'), "{ran:?}");
    let ran = run_with(&sandbox, "", &[("CLICOLOR_FORCE", "1")], ["status"]).exit(1);
    assert!(!ran.stderr.contains('\u{1b}'), "NO_COLOR counts more: {ran:?}");
}
