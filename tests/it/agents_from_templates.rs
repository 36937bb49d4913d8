//! `silo agent run T` from a template (D32), as far as no engine is needed: what is found, and what is refused.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use silo::core::config::{self, agent_template, providers};

use crate::complete::values;
use crate::sandbox::Sandbox;

const PROJECT: &str = "version = 1\n[ports]\nWEB_PORT = 3000\n[agents.own]\nimage = \"a\"\n";

/// A template with this `silo.toml` behind its version.
fn template(sandbox: &Sandbox, name: &str, toml: &str) -> PathBuf {
    let folder = sandbox.path("config/silo/templates").join(name);
    fs::create_dir_all(&folder).expect("it is ours");
    fs::write(folder.join("silo.toml"), format!("version = 1\n{toml}")).expect("it is ours");
    folder
}

#[test]
fn an_agent_that_nobody_has_is_looked_for_in_both_places() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", PROJECT);
    let ran = sandbox.run(&app, ["agent", "run", "owl"]).exit(1);
    ran.stderr(
        "Error: Neither `silo.toml` nor a template has the agent `owl`\nHint: The nearest one is `own`\n\
         Hint: Agents of `silo.toml`: `own`\nHint: There is no template with an agent in `$SANDBOX/config/silo/templates`\n",
    );
    template(&sandbox, "universal", "[agents.universal]\nimage = 'a'\n");
    template(&sandbox, "web", "[ports]\nA = 1\n");
    let ran = sandbox.run(&app, ["agent", "run", "univresal"]).exit(1);
    ran.stderr_has("Hint: The nearest one is `universal`\n")
        .stderr_has("Hint: Templates in `$SANDBOX/config/silo/templates`: `universal`\n");
    for name in ["../universal", ".", "", "universal/"] {
        sandbox.run(&app, ["agent", "run", name]).exit(1).stderr_has("nor a template has the agent");
    }
}

#[test]
fn a_template_that_cannot_be_run_says_why_and_where() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", PROJECT);
    let agent = |name: &str, more: &str| format!("[agents.{name}]\nimage = 'a'\n{more}\n");
    for (name, toml, said) in [
        (
            "empty",
            "[ports]\nA = 1\n".to_owned(),
            "The template `empty` has no agent\nHint: Add `[agents.empty]` to `$SANDBOX/config/silo/templates/empty/silo.toml`",
        ),
        (
            "two",
            agent("a", "") + &agent("b", ""),
            "The template `two` has several agents, and none is called `two`\nHint: Rename the one",
        ),
        (
            "lasting",
            agent("lasting", "lifetime = 'persistent'"),
            "The agent of the template `lasting` is persistent; only a project has such\nHint: Copy `[agents.lasting]`",
        ),
        ("Upper", agent("upper", ""), "The template `Upper` cannot be run: no agent can have this name\nHint: Rename"),
        (
            "db",
            agent("db", "services = ['db']"),
            "`agents.db.services` names `db`, which has no port in `[compose.ports]`\n  --> $SANDBOX/config/silo/templates/db/silo.toml:4:13",
        ),
        (
            "unknown",
            agent("unknown", "env = { A = '${API_PORT}' }"),
            "Unknown variable `${API_PORT}` in `agents.unknown.env.A`",
        ),
        (
            "outside",
            agent("outside", "mounts = ['../x:/x']"),
            "`agents.outside.mounts` leads out of the project: `../x`",
        ),
        ("broken", "[agents".to_owned(), "templates/broken/silo.toml:2"),
    ] {
        template(&sandbox, name, &toml);
        let ran = sandbox.run(&app, ["agent", "run", name]).exit(1);
        assert!(ran.stderr.contains(said), "{name}: {}", ran.stderr);
    }
    let link = template(&sandbox, "link", &agent("link", ""));
    symlink("/etc", link.join("etc")).expect("it is ours");
    sandbox.run(&app, ["agent", "run", "link"]).exit(1).stderr_has("templates/link/etc` leads out of the template");
    assert!(!sandbox.path("state/silo/agents").exists());
}

#[test]
fn templates_says_what_each_makes_and_completion_offers_those_with_an_agent() {
    let sandbox = Sandbox::new();
    sandbox.trusted("app", PROJECT);
    template(&sandbox, "both", "[agents.both]\nimage = 'a'\n");
    template(&sandbox, "runs", "[agents.x]\nimage = 'a'\nservices = ['db']\n");
    template(&sandbox, "web", "[ports]\nA = 1\n");
    template(&sandbox, "wrong", "[agents");
    sandbox.run("", ["templates"]).success().stdout(
        "TEMPLATE  MAKES\nboth      workspaces, agents\nruns      agents\nweb       workspaces\n\
         wrong     nothing: its `silo.toml` has a mistake\n",
    );
    let json = sandbox.run("", ["templates", "--json"]).success().bytes;
    let all: serde_json::Value = serde_json::from_slice(&json).expect("it is JSON");
    let makes: Vec<String> = all.as_array().expect("a list").iter().map(|one| one["makes"].to_string()).collect();
    assert_eq!(makes, ["[\"workspaces\",\"agents\"]", "[\"agents\"]", "[\"workspaces\"]", "[]"]);
    let offered = values(&sandbox, "app", "silo agent run ");
    assert_eq!(offered, ["own", "both", "runs"]);
}

#[test]
fn the_example_of_agents_and_its_template_are_valid() {
    let read = |path: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("example/agents").join(path);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    let project = config::parse(&read("silo.toml")).expect("it is valid").settings(None).expect("the base is there");
    let text = read("templates/universal/silo.toml");
    let template = agent_template::read(&text).expect("it is valid");
    let (name, agent) = template.agent("universal").expect("it is there");
    agent_template::check(&text, name, agent, &project).expect("the project has what it names");
    providers::parse(&read("gateway.example.toml")).expect("it is valid");
}
