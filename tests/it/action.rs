//! The GitHub Action: `action.yml` read, and its steps run as the runner runs them, with a stand-in for cargo.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use saphyr::{LoadableYamlNode as _, Yaml};

use crate::pty::Shell;
use crate::sandbox::{Ran, SILO, Sandbox, free_ports, program, toml_with_ports};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// A step of the action.
struct Step {
    name: String,
    env: Vec<(String, String)>,
    run: String,
}

/// `action.yml`, as far as it matters here.
struct Action {
    inputs: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
    steps: Vec<Step>,
}

impl Action {
    fn load() -> Self {
        let text = fs::read_to_string(Path::new(PACKAGE).join("action.yml")).expect("it is there");
        let documents = Yaml::load_from_str(&text).expect("it is YAML");
        let [action] = &documents[..] else { panic!("it is one document") };
        let text = |yaml: &Yaml<'_>| yaml.as_str().expect("it is a string").to_owned();
        let pairs = |yaml: &Yaml<'_>, field: &str| -> BTreeMap<String, String> {
            let map = yaml.as_mapping().expect("it is a mapping").iter();
            map.map(|(name, value)| (text(name), text(&value[field]))).collect()
        };
        assert_eq!(action["runs"]["using"].as_str(), Some("composite"));
        let steps = action["runs"]["steps"].as_vec().expect("it has steps").iter().map(|step| {
            assert_eq!(step["shell"].as_str(), Some("bash"));
            let env = step["env"].as_mapping().expect("each takes something").iter();
            Step {
                name: text(&step["name"]),
                env: env.map(|(name, value)| (text(name), text(value))).collect(),
                run: text(&step["run"]),
            }
        });
        Self {
            inputs: pairs(&action["inputs"], "default"),
            outputs: pairs(&action["outputs"], "value"),
            steps: steps.collect(),
        }
    }
}

/// A machine of GitHub's with a checked-out project.
struct Runner<'a> {
    sandbox: &'a Sandbox,
    with: BTreeMap<&'a str, &'a str>,
    os: &'a str,
    /// Whether nothing but what the sandbox has is installed.
    bare: bool,
}

/// The files through which steps talk to later ones.
const FILES: [&str; 3] = ["GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT"];

impl<'a> Runner<'a> {
    fn new(sandbox: &'a Sandbox, with: &[(&'a str, &'a str)]) -> Self {
        let cargo = r#"#!/bin/sh
            printf '%s\n' "$(pwd)" "$@" >"$HOME/cargo"
            while [ "$1" != --root ]; do shift; done
            mkdir -p "$2/bin" && ln -sf "$SILO_BUILT" "$2/bin/silo""#;
        program(&sandbox.path("bin/cargo"), cargo);
        let _ = fs::remove_file(sandbox.path("bin/silo"));
        for folder in ["temp", "action"] {
            fs::create_dir_all(sandbox.path(folder)).expect("the sandbox is writable");
        }
        for file in FILES {
            fs::write(sandbox.path(file), "").expect("the sandbox is writable");
        }
        Self { sandbox, with: with.iter().copied().collect(), os: "Linux", bare: false }
    }

    /// What the runner puts in place of `${{ … }}`.
    fn value(&self, action: &Action, expression: &str) -> String {
        let Some(inner) = expression.strip_prefix("${{ ").and_then(|rest| rest.strip_suffix(" }}")) else {
            return expression.to_owned();
        };
        if let Some(name) = inner.strip_prefix("inputs.") {
            let default = action.inputs.get(name).unwrap_or_else(|| panic!("no input `{name}`"));
            return (*self.with.get(name).unwrap_or(&default.as_str())).to_owned();
        }
        match inner {
            "github.action_path" => self.sandbox.path("action").display().to_string(),
            "github.action_repository" => "owner/silo".to_owned(),
            "github.server_url" => "https://example.com".to_owned(),
            other => panic!("the runner of this test knows no `{other}`"),
        }
    }

    /// Runs the action's steps until one fails.
    fn run(&self) -> Ran {
        let action = Action::load();
        for name in self.with.keys() {
            assert!(action.inputs.contains_key(*name), "no input `{name}`");
        }
        let mut last = None;
        for step in &action.steps {
            assert!(!step.run.contains("${{"), "{}: an input would be code", step.name);
            fs::write(self.sandbox.path("temp/step.sh"), &step.run).expect("the sandbox is writable");
            let mut bash = self.sandbox.command(Shell::BASH.program(), "");
            bash.args(["--noprofile", "--norc", "-e", "-o", "pipefail"]).arg(self.sandbox.path("temp/step.sh"));
            bash.envs(step.env.iter().map(|(name, value)| (name, self.value(&action, value))));
            bash.envs(FILES.map(|file| (file, self.sandbox.path(file))));
            bash.env("RUNNER_TEMP", self.sandbox.path("temp")).env("RUNNER_OS", self.os);
            bash.env("CI", "true").env("GITHUB_ACTIONS", "true").env("SILO_BUILT", SILO);
            if self.bare {
                bash.env("PATH", self.sandbox.path("bin"));
            }
            let ran = self.sandbox.finish(bash);
            let failed = ran.code() != Some(0);
            last = Some(ran);
            if failed {
                break;
            }
        }
        last.expect("there are steps")
    }

    /// What cargo was called with, after the folder it was called in.
    fn cargo(&self) -> Vec<String> {
        let text = fs::read(self.sandbox.path("home/cargo")).expect("cargo was called");
        self.sandbox.redact(&text).lines().map(ToOwned::to_owned).collect()
    }

    /// The names and values in one of the files, as the runner reads them.
    fn set(&self, file: &str) -> BTreeMap<String, String> {
        let text = fs::read_to_string(self.sandbox.path(file)).expect("it is text");
        let mut lines = text.lines();
        let mut set = BTreeMap::new();
        while let Some(line) = lines.next() {
            let (name, value) = match line.split_once("<<") {
                Some((name, end)) => {
                    let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
                    (name, value.join("\n"))
                }
                None => line.split_once('=').map(|(name, value)| (name, value.to_owned())).expect("NAME=VALUE"),
            };
            set.insert(name.to_owned(), value);
        }
        set
    }
}

#[test]
fn later_steps_have_silo_and_the_ports() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let runner = Runner::new(&sandbox, &[("directory", "app")]);
    runner.run().success();
    let action = "$SANDBOX/action";
    let root = "$SANDBOX/temp/silo";
    let target = "$SANDBOX/temp/silo/target";
    let called = [action, "install", "--locked", "--root", root, "--target-dir", target, "--path", action];
    assert_eq!(runner.cargo(), called);

    let env = runner.set("GITHUB_ENV");
    let name = sandbox.instance(&app);
    assert_eq!((env["WEB_PORT"].as_str(), env["WORKSPACE_NAME"].as_str()), (web.to_string().as_str(), name.as_str()));
    let path = fs::read_to_string(sandbox.path("GITHUB_PATH")).expect("it is text");
    let mut later = sandbox.command("bash", "app");
    later.args(["-c", "echo $WEB_PORT; silo get WEB_PORT; silo exec -- printenv SILO_ACTIVE"]).envs(&env);
    later.env("PATH", format!("{}:/usr/bin:/bin", path.trim_end()));
    sandbox.finish(later).success().stdout(&format!("{web}\n{web}\n1\n"));

    let outputs = runner.set("GITHUB_OUTPUT");
    assert_eq!(outputs["instance"], name);
    let json: serde_json::Value = serde_json::from_str(&outputs["json"]).expect("it is JSON");
    assert_eq!(json["ports"]["WEB_PORT"], web);
    let declared = Action::load().outputs.into_iter();
    let told = outputs.keys().map(|name| (name.clone(), format!("${{{{ steps.lease.outputs.{name} }}}}")));
    assert!(declared.eq(told), "every output is told, and no other");
    sandbox.run(&app, ["export", "json"]).exit(3);
}

#[test]
fn name_and_profile_are_taken() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n[profiles.e2e]\nurls.MODE = \"e2e\"\n");
    let runner = Runner::new(&sandbox, &[("directory", "app"), ("name", "job-7"), ("profile", "e2e")]);
    runner.run().success();
    assert_eq!(sandbox.instance(&app), "job-7");
    assert_eq!(runner.set("GITHUB_ENV")["MODE"], "e2e");
}

#[test]
fn a_version_is_built_from_its_tag() {
    let sandbox = Sandbox::new();
    sandbox.project("", "version = 1\n[ports]\nA = 0\n");
    let build = |with: &[(&str, &str)]| {
        let runner = Runner::new(&sandbox, with);
        runner.run().success();
        runner.cargo()[7..].to_vec()
    };
    let default = build(&[("version", "9.9.9")]);
    assert_eq!(default, ["--git", "https://example.com/owner/silo", "--tag", "v9.9.9", "silo"]);
    let named = build(&[("version", "9.9.9"), ("repository", "https://example.org/x.git")]);
    assert_eq!(named, ["--git", "https://example.org/x.git", "--tag", "v9.9.9", "silo"]);
}

#[test]
fn what_cannot_be_done_fails_the_step_with_a_reason() {
    let sandbox = Sandbox::new();
    sandbox.project("broken", "version = 1\n[ports]\nA = 70000\n");
    let mut runner = Runner::new(&sandbox, &[("directory", "broken")]);
    runner.run().exit(1).stderr_has("silo.toml:3:5");
    assert_eq!(fs::read(sandbox.path("GITHUB_OUTPUT")).expect("it is there"), b"");

    let hostile = "$(touch hostile); `touch hostile`";
    sandbox.project("", "version = 1\n[ports]\nA = 0\n");
    for (name, code) in [("directory", 1), ("profile", 1), ("name", 0)] {
        let _ = Runner::new(&sandbox, &[(name, hostile)]).run().exit(code);
        assert!(!sandbox.dir("hostile").exists(), "{name} was run");
    }

    runner.os = "Windows";
    runner.run().exit(1).stdout("::error title=silo::silo runs on Linux and macOS, not on Windows\n");
    (runner.os, runner.bare) = ("macOS", true);
    fs::remove_file(sandbox.path("bin/cargo")).expect("it is there");
    let ran = runner.run().exit(1);
    assert!(ran.stdout.contains("::error title=silo::cargo is not installed"), "{ran:#?}");
}

#[test]
fn every_input_and_output_is_used_and_documented() {
    let action = Action::load();
    let page = fs::read_to_string(Path::new(PACKAGE).join("docs/install.md")).expect("it is there");
    let (_, section) = page.split_once("\n## GitHub Actions\n").expect("it has a section");
    for name in action.inputs.keys() {
        let expression = format!("${{{{ inputs.{name} }}}}");
        assert!(action.steps.iter().any(|step| step.env.iter().any(|(_, value)| *value == expression)), "{name}");
    }
    for name in action.inputs.keys().chain(action.outputs.keys()) {
        assert!(section.contains(&format!("\n| `{name}` |")), "docs/install.md does not have `{name}`");
    }
}
