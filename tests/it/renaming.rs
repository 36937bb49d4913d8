//! Names that are refused because something else was meant, or because the old name is still needed.

use std::fs;
use std::time::{Duration, Instant};

use crate::lifecycle_up::Stage;
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};
use crate::tools::Tools;

const RANDOM: &str = "version = 1\n[ports]\nWEB_PORT = \"random\"\n";

#[test]
fn a_word_that_is_a_command_names_no_instance() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    for (command, word) in
        [("env", "list"), ("env", "ls"), ("env", "help"), ("env", "Status"), ("up", "list"), ("ci", "prune")]
    {
        let lower = word.to_lowercase();
        sandbox.run(&app, [command, word]).exit(1).stdout("").stderr(&format!(
            "Error: `{word}` is a silo command, and cannot name an instance\n\
             Hint: Run `silo {lower}`, or choose another name\n"
        ));
    }
    assert!(!app.join(".silo.lock").exists());
    sandbox.run(&app, ["env", "x"]).success();
    sandbox.run(&app, ["env", "list"]).exit(1);
    assert_eq!(sandbox.instance(&app), "x");
    sandbox.run(&app, ["env", "listing"]).success();
    assert_eq!(sandbox.instance(&app), "listing", "only the whole word");
    // One that has such a name already, as an older silo gave it, keeps it.
    let lockfile = fs::read_to_string(app.join(".silo.lock")).expect("it is there").replace("listing", "list");
    sandbox.run(&app, ["down", "--clean"]).success();
    fs::write(app.join(".silo.lock"), lockfile).expect("the project is writable");
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["env", "list"]).success();
    assert_eq!(sandbox.instance(&app), "list");
}

#[test]
fn a_name_under_which_things_lie_in_docker_is_given_up_only_when_that_is_said() {
    let stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let (own, other) = ("localnet-dev", "localnet-other");
    for project in [own, other] {
        let label = [("com.docker.compose.project", project)];
        stage.tools.container(&format!("{project}-db-1"), &label, &[]);
        stage.tools.thing("volume", &format!("{project}_data"), &label);
    }
    let left = [
        "cluster localnet-dev",
        "containers localnet-dev-registry.localhost, localnet-dev-db-1",
        "volume localnet-dev_data",
    ];
    let told = format!(
        "Error: `dev` has things in Docker, which another name would leave behind: {}\n\
         Hint: Remove them first, data included: `silo down --delete-cluster`, `docker compose -p localnet-dev down --volumes`\n\
         Hint: To leave them: `silo env fresh --rename`\n",
        left.join("; ")
    );
    for line in ["env fresh", "up fresh", "ci fresh"] {
        stage.run(line).exit(1).stderr(&told);
    }
    assert_eq!(stage.sandbox.instance(&stage.app), "dev");
    stage.run("env dev").success();
    let ran = stage.run("env fresh --rename").success();
    assert!(ran.stderr.contains("localnet-dev"), "what stays is named: {ran:#?}");
    assert_eq!(stage.sandbox.instance(&stage.app), "fresh");
    assert_eq!(stage.tools.names_of("volume"), ["localnet-dev_data", "localnet-other_data"], "nothing is removed");
    stage.run("env --rename").exit(2);
}

#[test]
fn a_docker_that_does_not_answer_is_said_where_something_may_be_there() {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, &["docker"]);
    tools.set("docker.down", "");
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env", "one"]).success();
    // Nothing here runs anything in Docker.
    sandbox.run(&app, ["env", "two"]).success();
    fs::write(app.join("compose.yaml"), "services: {}\n").expect("the project is writable");
    let start = Instant::now();
    let told = sandbox.run(&app, ["env", "three"]).exit(1).stdout("").stderr;
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    let error = "Error: What `two` has in Docker cannot be asked, and another name would leave it behind\nHint: ";
    assert!(told.starts_with(error) && told.ends_with("\nHint: To leave them: `silo env three --rename`\n"), "{told}");
    sandbox.run(&app, ["env", "three", "--rename"]).success();
    assert_eq!(sandbox.instance(&app), "three");
}
