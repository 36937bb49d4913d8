//! The integration test script of the older silo (`tests/script/spec.sh`, word for word), against the stand-ins.

use std::fs;

use crate::lifecycle_up::Stage;
use crate::sandbox::free_ports;

#[test]
fn the_script_of_the_older_silo_passes() {
    let stage = Stage::with_cluster("");
    let [api] = free_ports();
    let toml = fs::read_to_string(stage.app.join("silo.toml")).expect("it is there");
    let toml = format!(
        "{}[hosts]\nAPP_HOST = \"${{name}}.localhost\"\nAPI_HOST = \"api.${{name}}.localhost\"\n\
         [urls]\nWEB_URL = \"http://${{APP_HOST}}:${{WEB_PORT}}\"\n",
        toml.replace("[ports]\n", &format!("[ports]\nAPI_PORT = {api}\n"))
    );
    stage.sandbox.project("app", &toml);
    let script = include_str!("../script/spec.sh");
    fs::write(stage.app.join("integration.sh"), script).expect("the project is writable");
    stage.tools.set("kubectl.pods", "web-5d8f7c-x2x9k Running\napi-66c9bd-7vq5p Running\n");
    let mut bash = stage.sandbox.command("bash", &stage.app);
    bash.arg("integration.sh");
    let ran = stage.sandbox.finish(bash).success();
    let passed: Vec<_> = ran.stdout.lines().filter(|line| line.starts_with("PASS: ")).collect();
    assert_eq!(passed.len(), script.matches("\necho \"PASS: ").count(), "{ran:#?}");
    assert!(ran.stdout.contains("All tests passed!\n") && !ran.stdout.contains("FAIL"), "{ran:#?}");
    assert!(!stage.app.join(".silo.lock").exists());
}
