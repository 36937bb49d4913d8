//! The recipes of `docs/editors.md`, as far as shells can try them: prompts, what tmux and VS Code are told to run, and what
//! editors read. The other programs' files must at least be files of their kind.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::docs::read;
use crate::docs_examples::fences;
use crate::pty::{Session, Setup, Shell};
use crate::sandbox::{Ran, Sandbox, free_ports, program};

/// The only block of a language that holds a word.
#[track_caller]
fn block(language: &str, word: &str) -> String {
    let page = read("docs/editors.md");
    let found = fences(&page).into_iter().filter(|fence| fence.language == language && fence.text.contains(word));
    let [block] = found.map(|fence| fence.text.to_owned()).collect::<Vec<_>>().try_into().expect("there is one");
    block
}

/// A trusted project with an instance named `demo`.
fn project(sandbox: &Sandbox) -> std::path::PathBuf {
    let [web] = free_ports();
    let app = sandbox.trusted("app", &format!("version = 1\n[ports]\nWEB_PORT = {web}\n"));
    sandbox.run(&app, ["env", "demo"]).success();
    app
}

/// What a line of a shell prints, with the name of the instance in the environment or without.
fn shown(shell: &[&str], line: &str, name: Option<&str>) -> String {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command(shell[0], "");
    command.args(&shell[1..]).arg(line).envs(name.map(|name| ("SILO_WORKSPACE", name)));
    sandbox.finish(command).success().stderr("").stdout
}

#[test]
fn prompts_show_the_name_inside_and_nothing_outside() {
    let bash = format!("{}\neval \"printf %s \\\"$PS1\\\"\"", block("bash", "PS1"));
    let zsh = format!("{}\nprint -nP -- $PROMPT", block("zsh", "PROMPT"));
    let fish = format!("{}\nfish_prompt", block("fish", "fish_prompt"));
    let shells: [(&[&str], String); 3] =
        [(&["bash", "-c"], bash), (&["zsh", "-fc"], zsh), (&["fish", "--no-config", "-c"], fish)];
    for (shell, line) in shells {
        let inside = shown(shell, &line, Some("demo"));
        let outside = shown(shell, &line, None);
        assert!(inside.starts_with("(demo) ") && inside.trim_end().len() > 8, "{shell:?}: {inside:?}");
        assert!(!outside.contains('(') && !outside.trim().is_empty(), "{shell:?}: {outside:?}");
    }
}

#[test]
fn above_an_instant_prompt_the_instance_is_there_and_nothing_is_told() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let block = block("zsh", "instant prompt");
    let marked = block.replace("# … the instant prompt's block …", "print -r -- block:$SILO_WORKSPACE");
    assert_ne!(marked, block);
    let mut session = Session::with(&sandbox, Shell::ZSH, &app, &Setup { before: &marked, ..Setup::default() });
    let seen = session.run(":");
    seen.assert_active(&sandbox, &app);
    assert_eq!(seen.told, "block:demo\n");
}

#[test]
fn the_status_line_of_tmux_asks_for_the_folder_of_the_pane() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let block = block("tmux", "status-right");
    let command = block.split_once("#(").and_then(|(_, rest)| rest.trim_end().strip_suffix(")'")).expect("it runs one");
    let asked = |folder: &Path| {
        let mut sh = sandbox.command("sh", "");
        sh.args(["-c", &command.replace("#{pane_current_path}", folder.to_str().expect("it is ASCII"))]);
        sandbox.finish(sh).stderr("").stdout
    };
    assert_eq!(asked(&app), "demo\n");
    assert_eq!(asked(&sandbox.path("home")), "");
}

#[test]
fn tasks_run_inside_and_the_debugger_finds_the_env_file_they_write() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    let npm = sandbox.path("bin/npm");
    program(&npm, "#!/bin/sh\necho \"npm $* on $WEB_PORT\"\n");
    let json = |word: &str| serde_json::from_str::<Value>(&block("json", word)).expect("it is JSON");
    let tasks = json("\"tasks\"");
    let run = |label: &str| -> Ran {
        let task = tasks["tasks"].as_array().into_iter().flatten().find(|task| task["label"] == label);
        let task = task.expect("there is such a task");
        let mut command = sandbox.command(task["command"].as_str().expect("it is a program"), &app);
        command.args(task["args"].as_array().into_iter().flatten().filter_map(Value::as_str));
        sandbox.finish(command).success()
    };
    let launch = json("\"configurations\"");
    let web = &launch["configurations"][0];
    run(web["preLaunchTask"].as_str().expect("it names one"));
    let file =
        web["envFile"].as_str().expect("it names one").replace("${workspaceFolder}", app.to_str().expect("ASCII"));
    assert!(fs::read_to_string(file).is_ok_and(|text| text.contains("\nWEB_PORT=")));
    let port = sandbox.lockfile_ports(&app)["WEB_PORT"];
    assert_eq!(run("test").stdout, format!("npm test on {port}\n"));
}

#[test]
fn a_new_dev_container_gets_its_name_and_ports_back() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let ports = sandbox.lockfile_ports(&app);
    let container: Value = serde_json::from_str(&block("json", "postCreateCommand")).expect("it is JSON");
    // Rebuilt: the home is a new one, the project's folder is the same.
    for folder in ["state/silo", "data/silo"] {
        fs::remove_dir_all(sandbox.path(folder)).expect("silo has made it");
    }
    let mut create = sandbox.command("sh", &app);
    create.args(["-c", container["postCreateCommand"].as_str().expect("it is a command")]);
    sandbox.finish(create).success().stderr_has("Took over `demo` from `.silo.lock`");
    assert_eq!(sandbox.lockfile_ports(&app), ports);
}

#[test]
fn starship_is_told_of_the_variable() {
    let config: toml::Table = block("toml", "env_var").parse().expect("it is TOML");
    assert!(config["env_var"]["SILO_WORKSPACE"]["format"].as_str().is_some_and(|format| format.contains("$env_value")));
    assert!(config["format"].as_str().is_some_and(|format| format.contains("${env_var.SILO_WORKSPACE}")));
}

/// What Vim, Neovim and Emacs rely on: what goes away is told, also where the new folder is not trusted.
#[test]
fn changes_as_json_are_told_from_one_project_to_another_that_is_not_trusted() {
    let sandbox = Sandbox::new();
    let app = project(&sandbox);
    let other = sandbox.project("other", "version = 1\n[ports]\nWEB_PORT = 1\n");
    let changes = |dir: &Path, environment: &Value| -> (Option<i32>, Value) {
        let mut silo = sandbox.command("silo", dir);
        silo.args(["export", "json"]);
        let pairs = environment.as_object().into_iter().flatten();
        silo.envs(pairs.filter_map(|(name, value)| Some((name, value.as_str()?))));
        let ran = sandbox.finish(silo);
        (ran.code(), serde_json::from_slice(&ran.bytes).expect("it answers in JSON"))
    };
    let (code, inside) = changes(&app, &json!({}));
    assert_eq!((code, &inside["SILO_WORKSPACE"]), (Some(0), &json!("demo")));
    let (code, outside) = changes(&other, &inside);
    assert_eq!((code, &outside["SILO_WORKSPACE"], &outside["WEB_PORT"]), (Some(3), &Value::Null, &Value::Null));
    assert!(outside.as_object().is_some_and(|all| all.contains_key("WEB_PORT") && all.contains_key("__SILO_UNDO")));
}
