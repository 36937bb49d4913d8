//! `silo doc`: the bundled pages, raw into a pipe and laid out on a terminal.

use std::fs;

use expect_test::expect;
use serde_json::{Value, json};
use silo::core::text::pages::PAGES;

use crate::docs::read;
use crate::sandbox::{Ran, SILO, Sandbox};

#[test]
fn without_a_topic_there_is_a_line_for_each() {
    let sandbox = Sandbox::new();
    let ran = sandbox.run("", ["doc"]).success().stderr("");
    expect![[r#"
        tutorial         One project, then a second worktree of it, then three agents side by side
        concepts         Eight words explain silo, each with a picture here and a page of its own
        comparison       What silo does that other tools do not, and the other way round
        faq              Short answers to what people ask first
        teams            How to bring silo into a project that several people work on
        wsl              silo runs inside WSL 2, as on any Linux
        config           silo.toml says what a project needs
        commands         Every command of silo, with its arguments, flags and exit codes
        profiles         A profile is a named overlay in silo.toml, such as one for a remote API
        ports            Every instance leases ports of its own and keeps them, so that no two collide
        hosts            Each instance has host names of its own, so that browsers keep its cookies apart
        urls             [urls] holds addresses made from hosts and ports; [env] holds any other variable
        routes           A route is a host name and the port it leads to; silo's proxy serves all of them
        interpolation    Where ${VAR} can be used in silo.toml, and which names it can have
        lockfile         silo writes two files into a project: the lockfile and the env file
        registry         The registry is one file of yours that lists all instances and the ports they hold
        compose          With [compose], silo isolates the services of compose files without editing them
        data             When silo removes the data that services keep in volumes, and how to fill a volume
        names            Services with addresses of their own have names: db.feature-x.test
        sharing          Containers of one instance cannot reach those of another
        k3d              With [k3d], an instance has its own Kubernetes cluster and kubeconfig
        tilt             silo up starts Tilt in the instance, and silo down stops it
        hooks            Lifecycle hooks are commands of the project that run when it starts and stops
        shell            The shell hook makes cd enter and leave an instance
        gates            A gate sits in front of a tool and starts what the tool needs
        trust            silo acts on cd only in projects you have allowed
        worktrees        Every git worktree of a project is an instance of its own
        workspaces       A workspace is a folder that silo made, with an instance of its own
        adopt            How a new worktree gets what git does not bring: secrets, dependencies, commands
        editors          Recipes for prompts, terminals, editors and runners that should know the instance
        recipes          What other tools need so that ports and addresses reach their programs
        fleet            How to list, query and clean up all your instances together
        heal             silo heal brings back what should be up and is not, such as after a crash
        doctor           silo doctor finds what is wrong, and says how to fix it
        ci               CI jobs, scripts and coding agents run inside an instance without a shell hook
        settings         Your own settings apply to every project
        gateway          The gateway keeps your keys for language models, and gives programs keys with limits
        agents           An agent is a program in its own container, behind a wall, that leaves a branch
        coding-agents    Claude Code, Codex, OpenCode and aider as agents: image, settings, and what was tried
        memory           The memory is a Postgres database of what agents found, for you and the next agents
        containment      A wall, limits and an end hold an agent in its container
        install          How to install, upgrade and remove silo
        logging          What silo prints, where, and how to see more or less of it
        migration        What silo takes over from an older silo, and how it works beside direnv and others
        troubleshooting  What to do when something is not as expected, by symptom
        errors           Every error and warning of silo's, with what it means and what to do
        schema           The JSON Schema of silo.toml, for editors
        settings-schema  The JSON Schema of the user's settings
        gateway-schema   The JSON Schema of gateway.toml
    "#]]
    .assert_eq(&ran.stdout);
    let bare = sandbox.run("", ["doc", "--list"]).success().stdout;
    let topics: Vec<&str> = ran.stdout.lines().filter_map(|line| line.split("  ").next()).map(str::trim).collect();
    assert_eq!(bare.lines().collect::<Vec<_>>(), topics);
    let config = sandbox.run("", ["doc", "config"]).success().stdout;
    for name in ["CONFIG", "Config", "silo.toml", "silo-toml", "config.md"] {
        sandbox.run("", ["doc", name]).success().stdout(&config);
    }
}

#[test]
fn a_page_goes_into_a_pipe_as_it_is_written() {
    let sandbox = Sandbox::new();
    for page in PAGES {
        let text = read(&format!("docs/{}.md", page.topic));
        assert_eq!(sandbox.run("", ["doc", page.topic]).success().bytes, text.into_bytes(), "{}", page.topic);
    }
}

#[test]
fn json_has_title_and_summary_and_the_page_itself() {
    let sandbox = Sandbox::new();
    let answer = |args: &[&str]| -> Value {
        serde_json::from_slice(&sandbox.run("", args).success().stderr("").bytes).expect("it is JSON")
    };
    let page = answer(&["doc", "ports", "--json"]);
    let summary = "Every instance leases ports of its own and keeps them, so that no two collide";
    let expected = json!({ "topic": "ports", "title": "Ports", "summary": summary, "markdown": read("docs/ports.md") });
    assert_eq!(page, expected);
    let list = answer(&["doc", "--list", "--json"]);
    assert_eq!(list, answer(&["doc", "--json"]));
    let topics: Vec<&str> = list.as_array().expect("a list").iter().filter_map(|page| page["topic"].as_str()).collect();
    assert_eq!(topics, PAGES.iter().map(|page| page.topic).collect::<Vec<_>>());
    let ports = list.as_array().expect("a list").iter().find(|page| page["topic"] == "ports");
    assert_eq!(ports, Some(&json!({ "topic": "ports", "title": "Ports", "summary": summary })));
}

#[test]
fn an_unknown_topic_names_the_nearest_one() {
    let sandbox = Sandbox::new();
    sandbox.run("", ["doc", "confg"]).exit(1).stdout("").stderr(
        "Error: There is no page about `confg`\nHint: Run `silo doc config`\nHint: List all topics: `silo doc --list`\n",
    );
    sandbox
        .run("", ["doc", "kubernetes", "--json"])
        .exit(1)
        .stdout("")
        .stderr("Error: There is no page about `kubernetes`\nHint: List all topics: `silo doc --list`\n");
    sandbox.run("", ["doc", "config", "--list"]).exit(2).stdout("");
}

#[test]
fn the_pages_are_there_without_home_project_and_environment() {
    let sandbox = Sandbox::new();
    let mut silo = sandbox.command(SILO, "");
    silo.env_clear().args(["doc", "config"]);
    sandbox.finish(silo).success().stderr("").stdout(&read("docs/config.md"));
    assert_eq!(fs::read_dir(sandbox.path("state")).expect("it is there").count(), 0, "reading writes nothing");
}

#[test]
fn words_are_found_with_page_and_heading() {
    let sandbox = Sandbox::new();
    let found = sandbox.run("", ["doc", "--search", "docker", "VOLUME", "ls"]).success().stderr("").stdout;
    let lines: Vec<&str> = found.lines().collect();
    assert!(lines.iter().all(|line| line.split(": ").count() >= 3), "{found}");
    let has_all = |line: &&str| ["docker", "volume", "ls"].iter().all(|word| line.to_lowercase().contains(word));
    assert!(!lines.is_empty() && lines.iter().all(has_all), "{found}");
    // One page, and the same words in one argument.
    let within = sandbox.run("", ["doc", "gates", "--search", "kubectl completion"]).success().stdout;
    assert!(within.starts_with("gates: ") && within.lines().all(|line| line.starts_with("gates: ")), "{within}");
    let json = sandbox.run("", ["doc", "gates", "--json", "--search", "kubectl completion"]).success();
    let hits: Value = serde_json::from_slice(&json.bytes).expect("it is JSON");
    let lines = hits.as_array().expect("a list").iter();
    let lines = lines.map(|hit| ["topic", "section", "text"].map(|key| hit[key].as_str().expect("text")).join(": "));
    assert_eq!(lines.map(|line| line + "\n").collect::<String>(), within);
    let none = "Error: No page has `xyzzy plugh` in one paragraph\n";
    sandbox.run("", ["doc", "--search", "xyzzy", "plugh"]).exit(1).stdout("").stderr_has(none);
    sandbox.run("", ["doc", "--search", "xyzzy", "--json"]).exit(1).stdout("[]\n").stderr("");
    sandbox.run("", ["doc", "confg", "--search", "x"]).exit(1).stderr_has("There is no page about `confg`");
}

#[test]
fn a_long_page_opens_in_the_users_pager_on_a_terminal() {
    let sandbox = Sandbox::new();
    crate::sandbox::program(&sandbox.path("bin/less"), "#!/bin/sh\necho \"less $LESS\"\nexec head -n 1\n");
    let first = "\u{1b}[1;35mGates\u{1b}[0m\n";
    let rows = [("ROWS", "20")];
    let show = |env: &[(&str, &str)]| on_a_terminal(&sandbox, "gates", 70, env);
    assert_eq!(show(&rows), format!("less FRX\n{first}"));
    assert_eq!(show(&[("ROWS", "20"), ("LESS", "R")]), format!("less R\n{first}"));
    assert_eq!(show(&[("ROWS", "20"), ("PAGER", "sed -n '1p'; exit 3")]), first);
    let whole = show(&[]);
    assert!(whole.starts_with(first) && whole.lines().count() > 20, "{whole}");
    for pager in ["", "cat"] {
        assert_eq!(show(&[("ROWS", "20"), ("PAGER", pager)]), whole);
    }
    let missing = show(&[("ROWS", "20"), ("PAGER", "no-such-pager")]);
    assert!(missing.contains("no-such-pager") && missing.ends_with(&whole), "{missing}");
    assert_eq!(show(&[("ROWS", "900")]), whole);
}

/// What `silo doc TOPIC` shows on a terminal of so many columns.
fn on_a_terminal(sandbox: &Sandbox, topic: &str, columns: u16, env: &[(&str, &str)]) -> String {
    const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
    let mut terminal = sandbox.command("/usr/bin/python3", "");
    terminal.args(["-c", TERMINAL, "sh", "-c", "stty cols \"$0\" rows \"${ROWS:-0}\" && exec silo doc $1"]);
    terminal.args([&columns.to_string(), topic]).env_remove("NO_COLOR").env("TERM", "xterm").envs(env.iter().copied());
    let ran: Ran = sandbox.finish(terminal).success();
    ran.stdout.replace("\r\n", "\n")
}

#[test]
fn a_terminal_gets_colours_and_lines_that_fit() {
    let sandbox = Sandbox::new();
    let text = on_a_terminal(&sandbox, "gates", 70, &[]);
    assert!(text.starts_with("\u{1b}[1;35mGates\u{1b}[0m\n\nA gate sits in front of a tool"), "{text:?}");
    assert!(text.contains("\u{1b}[36mkubectl\u{1b}[0m") && !text.contains("```"), "{text:?}");
    for (name, value) in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = on_a_terminal(&sandbox, "gates", 70, &[(name, value)]);
        assert!(text.starts_with("# Gates\n\nA gate sits in front of a tool"), "{text:?}");
        assert!(!text.contains('\u{1b}') && text.contains("`kubectl`") && !text.contains("```"), "{text:?}");
        let long = text.lines().find(|line| line.chars().count() > 70 && !line.starts_with("    "));
        assert_eq!(long, None, "{text}");
    }
    let wide = on_a_terminal(&sandbox, "gates", 300, &[("NO_COLOR", "1")]);
    assert_eq!(wide.lines().map(|line| line.chars().count()).max().map(|width| width <= 120), Some(true), "{wide}");
}

#[test]
fn the_topics_fit_a_terminal_and_hang_below_their_beginning() {
    let sandbox = Sandbox::new();
    let text = on_a_terminal(&sandbox, "", 60, &[("COLUMNS", "")]);
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    let hanging = "ports            Every instance leases ports of its own and\n                 keeps them, so that no two collide\n";
    assert!(text.contains(hanging), "{text}");
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let sandbox = Sandbox::new();
    let mut shell = sandbox.command("sh", "");
    shell.args(["-c", "silo doc troubleshooting | head -n 1; silo doc | true"]);
    sandbox.finish(shell).success().stdout("# Troubleshooting\n").stderr("");
}
