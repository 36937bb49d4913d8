//! Workspaces on a real engine: many at once, each with services, ports and data of its own, and nothing left afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::process::Stdio;

use crate::engine::Engine;
use crate::sandbox::{SILO, free_ports};
use crate::workspaces::{below, commit, names};

/// A database that serves what is in its volume.
const COMPOSE: &str = r#"services:
  db:
    image: silo-test-box
    stop_grace_period: 0s
    command: [httpd, -f, -p, "5432", -h, /data]
    ports: ["5432:5432"]
    volumes: ["data:/data"]
volumes:
  data: {}
"#;

/// What runs in each: its port, and what it alone has written into its database.
const AGENT: &str = r#"docker compose exec -T db sh -c "test ! -e /data/id && echo $SILO_WORKSPACE > /data/id" &&
test "$(docker compose exec -T db cat /data/id)" = "$SILO_WORKSPACE" && echo "$DB_PORT $PWD""#;

#[test]
fn engine_ten_agents_at_once_have_all_of_their_own_and_leave_nothing() {
    let engine = Engine::new();
    let [db] = free_ports();
    let toml = format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n");
    let main = engine.sandbox.trusted("app", &toml);
    fs::write(main.join("compose.yaml"), COMPOSE).expect("the project is writable");
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    engine.sandbox.git(&main, ["init", "--quiet", "--initial-branch=main"]);
    commit(&engine.sandbox, &main);
    engine.silo(&main, "allow").success();
    // What it keeps of any start is there before: the log of starts, and its lock.
    engine.silo(&main, "up -d").success();
    engine.silo(&main, "down").success();
    let there = || {
        let mut all = Vec::new();
        for words in [
            &["ps", "--all", "--format", "{{.Names}}"][..],
            &["network", "ls", "--format", "{{.Name}}"],
            &["volume", "ls", "--format", "{{.Name}}"],
        ] {
            let rows = engine.docker(words).success().stdout;
            all.extend(rows.lines().filter(|row| row.contains("app-agent-")).map(str::to_owned));
        }
        for words in [&["branch", "--format=%(refname)"][..], &["worktree", "list"]] {
            let mut git = engine.sandbox.command("git", &main);
            git.args(words);
            all.push(engine.sandbox.finish(git).success().stdout);
        }
        all.extend(names(&engine.sandbox.path("projects")));
        all.extend(below(&engine.sandbox.path("state")));
        all.push(fs::read_to_string(engine.sandbox.path("state/silo/registry.toml")).expect("it is there"));
        all
    };
    let before = there();
    let agents: Vec<_> = (0..10)
        .map(|number| {
            let mut command = engine.command(SILO, &main);
            command.args(["run", &format!("agent-{number}"), "--rm", "--", "sh", "-c", AGENT]).stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("silo starts")
        })
        .collect();
    let ended: Vec<_> = agents.into_iter().map(|agent| agent.wait_with_output().expect("it ends")).collect();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let failed: Vec<String> = ended.iter().filter(|out| !out.status.success()).map(|out| text(&out.stderr)).collect();
    assert_eq!(failed, [""; 0]);
    let said: BTreeSet<String> = ended.iter().map(|out| text(&out.stdout)).collect();
    let ports: BTreeSet<&str> = said.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!((said.len(), ports.len()), (10, 10), "each has a port and a folder of its own: {said:?}");
    assert_eq!(there(), before);
}

/// What Docker has of a compose project by its names. Another test's may begin with the same letters and go on.
fn in_docker(engine: &Engine, project: &str) -> Vec<String> {
    let mut all = Vec::new();
    for words in [
        &["ps", "--all", "--format", "{{.Names}}"][..],
        &["network", "ls", "--format", "{{.Name}}"],
        &["volume", "ls", "--format", "{{.Name}}"],
    ] {
        let rows = engine.docker(words).success().stdout;
        let is_of = |row: &&str| row.strip_prefix(project).is_some_and(|rest| rest.starts_with(['-', '_']));
        all.extend(rows.lines().filter(is_of).map(str::to_owned));
    }
    all
}

#[test]
fn engine_rm_keeps_kept_volumes_and_sweeps_away_what_may_not_act_any_more() {
    let engine = Engine::new();
    let [db] = free_ports();
    let toml = format!("version = 1\n[compose]\nkeep = [\"kept\"]\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n");
    let main = engine.sandbox.trusted("app", &toml);
    let compose = COMPOSE
        .replace("[\"data:/data\"]", "[\"data:/data\", \"kept:/kept\"]")
        .replace("  data: {}", "  data: {}\n  kept: {}");
    fs::write(main.join("compose.yaml"), compose).expect("the project is writable");
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    engine.sandbox.git(&main, ["init", "--quiet", "--initial-branch=main"]);
    commit(&engine.sandbox, &main);
    engine.silo(&main, "allow").success();
    for (name, spoilt) in [("x", false), ("y", true), ("z", true)] {
        engine.silo(&main, format!("run {name} -- true")).success();
        let start = format!("localnet-app-{name}");
        assert_eq!(in_docker(&engine, &start).len(), 4, "{:?}", in_docker(&engine, &start));
        let folder = engine.sandbox.dir(format!("app.{name}"));
        if spoilt && name == "y" {
            // Its hooks are nobody's wish.
            let hooked = format!("{toml}[hooks]\npre-down = [\"touch ../ran\"]\n");
            fs::write(folder.join("silo.toml"), hooked).expect("it is ours");
        } else if spoilt {
            // Somebody removed the folder.
            fs::remove_dir_all(&folder).expect("it is there");
        }
        let ran = engine.silo(&main, format!("rm --force --yes {name}")).success();
        ran.stderr_has(&format!("Kept: volumes {start}_kept; `docker volume rm` removes them"));
        assert_eq!(in_docker(&engine, &start), [format!("{start}_kept")]);
        assert!(!folder.exists() && !engine.sandbox.dir("ran").exists());
        engine.docker(&["volume", "rm", &format!("{start}_kept")]).success();
    }
    assert!(!engine.sandbox.path("state/silo/workspaces").exists());
}

#[test]
fn engine_what_runs_while_the_engine_does_not_answer_is_found_again() {
    let engine = Engine::new();
    let [db] = free_ports();
    let toml = format!("version = 1\n[compose.ports]\nDB_PORT = \"{db}:db:5432\"\n");
    let main = engine.sandbox.trusted("app", &toml);
    fs::write(main.join("compose.yaml"), COMPOSE).expect("the project is writable");
    fs::write(main.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    engine.sandbox.git(&main, ["init", "--quiet", "--initial-branch=main"]);
    commit(&engine.sandbox, &main);
    engine.silo(&main, "allow").success();
    engine.silo(&main, "run later -- true").success();
    let left = || {
        let all = [&["ps", "--all", "--format", "{{.Names}}"][..], &["volume", "ls", "--format", "{{.Name}}"]];
        let rows = all.map(|words| engine.docker(words).success().stdout).join("");
        rows.lines().filter(|row| row.contains("app-later")).count()
    };
    assert_eq!(left(), 2);
    let without = |words: &str| {
        let mut command = engine.command(SILO, &main);
        command.args(words.split(' ')).env("DOCKER_HOST", "unix:///nowhere");
        engine.sandbox.finish(command)
    };
    without("rm later").exit(1).stderr_has("The workspace is there as it was");
    let told = "Docker does not answer: what was started there stays; `silo prune --all` removes it once it does";
    without("rm later --force --yes").success().stderr_has(told);
    assert!(!engine.sandbox.dir("app.later").exists());
    assert_eq!(left(), 2);
    engine.silo(&main, "prune --all --yes").success();
    assert_eq!(left(), 0);
}
