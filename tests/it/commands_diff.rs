//! `silo diff`: what activation changes, looked at without changing anything.

use serde_json::{Value, json};

use crate::machine::{files_below, run_with};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

#[test]
fn before_the_first_activation_names_are_shown_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\n[ports]\nWEB_PORT = 3000\nANY_PORT = \"random\"\n[urls]\nU = \"http://${APP_HOST}:${WEB_PORT}\"\n";
    let app = sandbox.project("app", toml);
    sandbox
        .run(&app, ["diff"])
        .success()
        .stdout(
            "+ WEB_PORT=3000, or the next free port\n+ ANY_PORT=a free port\n+ APP_HOST=${name}.localhost\n\
             + U=http://${APP_HOST}:${WEB_PORT}\n",
        )
        .stderr("No instance here yet: name and ports are chosen at the first activation, or by `silo env`\n");
    assert_eq!(files_below(&app), ["silo.toml"]);
    assert_eq!(files_below(&sandbox.path("state")), [""; 0]);
}

#[test]
fn an_instance_is_compared_with_the_shell_as_it_is_outside() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env", "x"]).success();
    let ran = run_with(&sandbox, &app, &[("WEB_PORT", "80")], ["diff"]).success();
    assert!(ran.stdout.contains(&format!("- WEB_PORT=80\n+ WEB_PORT={web}\n")), "{ran:#?}");
    assert!(ran.stdout.contains("+ SILO_WORKSPACE=x\n") && !ran.stdout.contains("__SILO"), "{ran:#?}");
    assert_eq!(
        ran.stderr,
        "This instance is not active in this shell; its `silo.toml` is not trusted yet: `silo allow`\n"
    );
    // Inside, the same is said: what the shell had before is remembered.
    let inside = |args: &[&str]| {
        let line = ["exec", "--", "silo"].iter().chain(args).copied().collect::<Vec<_>>();
        run_with(&sandbox, &app, &[("WEB_PORT", "80")], line).success()
    };
    assert_eq!(inside(&["diff"]).stdout, ran.stdout);
    assert_eq!(
        inside(&["diff"]).stderr,
        "This instance is active in this shell; its `silo.toml` is not trusted yet: `silo allow`\n"
    );
    let told: Value = serde_json::from_slice(&inside(&["diff", "--json"]).bytes).expect("it is JSON");
    assert_eq!(told["WEB_PORT"], json!({ "before": "80", "after": web.to_string() }));
    assert_eq!(told["SILO_ACTIVE"], json!({ "before": null, "after": "1" }));
}

const SECRETS: &str = "version = 1\n[ports]\nDB_PORT = 0\n[urls]\nDATABASE_URL = \"postgres://me:hush1@localhost:${DB_PORT}/db\"\n\
                       [env]\nAPI_TOKEN = \"hush2\"\nLEVEL = \"debug\"\n";

#[test]
fn what_looks_like_a_secret_is_shown_only_when_asked_for() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", SECRETS);
    let check = |args: &[&str]| {
        let shown = run_with(&sandbox, &app, &[("API_TOKEN", "hush3")], args).success();
        let has = |text: &str| format!("{}{}", shown.stdout, shown.stderr).contains(text);
        assert!(!has("hush") && has("***") && has("debug"), "{args:?}: {shown:#?}");
        assert!(
            has("Not shown of DATABASE_URL, API_TOKEN: what looks like a secret (`silo diff --show`)\n"),
            "{shown:#?}"
        );
        let all = run_with(&sandbox, &app, &[("API_TOKEN", "hush3")], args.iter().chain(&["--show"])).success();
        assert!(all.stdout.contains("me:hush1@") && all.stdout.contains("hush2") && !all.stderr.contains("Not shown"));
    };
    check(&["diff"]);
    check(&["diff", "--json"]);
    sandbox.run(&app, ["env", "x"]).success();
    check(&["diff"]);
    check(&["diff", "--json"]);
    let shown = run_with(&sandbox, &app, &[("API_TOKEN", "hush3")], ["diff"]).success().stdout;
    assert!(shown.contains("- API_TOKEN=***\n+ API_TOKEN=***\n"), "that it changes is seen: {shown}");
}

#[test]
fn a_job_gets_the_values_and_its_log_does_not() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", SECRETS);
    let file = sandbox.path("home/github-env");
    let path = file.to_str().expect("it is UTF-8").to_owned();
    let run = |args: &[&str], more: &[(&str, &str)]| {
        std::fs::write(&file, "").expect("HOME is writable");
        let variables = [&[("GITHUB_ENV", path.as_str())], more].concat();
        let ran = run_with(&sandbox, &app, &variables, args).success();
        (ran.stderr, std::fs::read_to_string(&file).expect("it is there") + &ran.stdout)
    };
    for args in [&["env", "--export-ci"][..], &["export", "gha"]] {
        let (told, written) = run(args, &[("GITHUB_ACTIONS", "true")]);
        assert!(
            written.contains("\nhush2\n") && written.contains("\npostgres://me:hush1@localhost:"),
            "{args:?}: {written}"
        );
        assert!(told.contains("::add-mask::hush2\n") && told.contains("::add-mask::postgres://me:hush1@"), "{told}");
        assert!(!told.contains("::add-mask::debug"), "{told}");
        let (told, _) = run(args, &[]);
        assert!(!told.contains("hush"), "another system would show them: {told}");
    }
}
