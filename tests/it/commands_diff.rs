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
