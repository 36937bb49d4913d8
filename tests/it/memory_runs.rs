//! What the end of an agent's run and the start of the next one call: findings saved now or later, an export to be mounted, a role.

use std::fs;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use silo::cli::Global;
use silo::core::memory::Finding;
use silo::core::memory::talk::Run;
use silo::core::shell::environment::Environment;
use silo::failure::Failure;
use silo::parts::context::{Context, Mistakes};
use silo::parts::memory::export::{Exported, FOR_AGENTS, Limit, export_to};
use silo::parts::memory::roles::{remove, role_for, rotate};
use silo::parts::memory::save::{Saved, end_of_run, save, waiting_here};
use silo::parts::scope::Scope;
use silo::store::ask::{Ask, Occasion};
use silo::ui::Ui;

use crate::memory::{Postgres, Scene, own, psql};
use crate::proxy::wait;
use crate::sandbox::SILO;

/// Calls the library as a command in the project of a scene would.
fn within<T>(scene: &Scene, act: impl FnOnce(&Scope<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let environment: Environment = scene.sandbox.environment().into_iter().collect();
    let global = Global { directory: Some(scene.sandbox.dir("app")), ..Global::default() };
    let context = Context::of(global, environment, SILO.into(), Ui::default(), Mistakes::Stop)?;
    let project = context.project()?;
    let config = project.config()?;
    let scope = Scope::of(&context, &project, &config, &Ask { occasion: Occasion::Cd, ..Ask::default() })?;
    act(&scope)
}

fn run(id: &str) -> Run {
    Run { instance: "feature-x".to_owned(), agent: "researcher".to_owned(), run: id.to_owned() }
}

/// The folder of a run that has ended, with one finding in it.
fn ended(scene: &Scene, id: &str, text: &str) -> PathBuf {
    let folder = scene.sandbox.path("state/silo/agents").join(id);
    own(&folder.join("findings/a.md"), text.as_bytes());
    folder
}

#[test]
fn a_run_that_ends_while_the_server_is_down_is_saved_by_the_end_of_the_next_one() {
    let mut server = Postgres::new("scram-sha-256");
    let scene = Scene::new(&server.file("postgres"));
    let first = ended(&scene, "run-1", "# One");
    server.stop();
    let failed = within(&scene, |scope| end_of_run(scope, &run("run-1"), &first)).expect_err("it is down");
    assert!(failed.what.starts_with("The memory cannot be reached"), "{failed}");
    let waits = |scene: &Scene| within(scene, waiting_here).expect("they are readable").0.len();
    assert!(waits(&scene) == 1 && first.join("findings/a.md").exists());

    let again = Postgres::shared();
    own(&scene.sandbox.path("config/silo/memory.toml"), again.file(&again.database()).as_bytes());
    let second = ended(&scene, "run-2", "# Two");
    let one = Saved { added: 1, ..Saved::default() };
    assert_eq!(within(&scene, |scope| end_of_run(scope, &run("run-2"), &second)), Ok(one.clone()));
    assert_eq!((waits(&scene), scene.list(&[]).len()), (0, 2));
    // Called again, as after a crash, it adds nothing.
    let known = Saved { known: 1, ..Saved::default() };
    assert_eq!(within(&scene, |scope| end_of_run(scope, &run("run-2"), &second)), Ok(known));
    // A changed file of the same name is another finding.
    own(&second.join("findings/a.md"), b"# Two, and more");
    assert_eq!(within(&scene, |scope| end_of_run(scope, &run("run-2"), &second)), Ok(one));
    assert_eq!(scene.list(&["--run", "run-2"]).len(), 2);
}

#[test]
fn a_save_that_is_cut_off_in_the_middle_is_made_again_as_a_whole() {
    let server = Postgres::shared();
    let database = server.database();
    let scene = Scene::new(&server.file(&database));
    assert!(scene.list(&[]).is_empty());
    let findings: Vec<(String, Vec<u8>)> =
        (10..50).map(|number| (format!("{number}.md"), format!("finding {number}").into_bytes())).collect();
    let findings: Vec<(&str, &[u8])> = findings.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    let folder = scene.left("run-1", "researcher", &findings);
    // The tables are there, and somebody is about to save the twentieth of them, too.
    scene.role("other");
    let twentieth = "BEGIN; INSERT INTO silo_memory.findings (instance, agent, run, path, body) \
                     VALUES ('feature-x', 'researcher', 'run-1', '30.md', 'finding 30'); SELECT pg_sleep(60)";
    let is_there = |asked: &str| {
        let asked = format!("SELECT count(*) FROM pg_stat_activity WHERE datname = '{database}' AND {asked}");
        wait(|| (server.sql("postgres", &asked).trim() == "1").then_some(()));
    };
    let end = |whose: &str| {
        let asked =
            format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}' AND {whose}");
        server.sql("postgres", &asked);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| server.sql_that_is_ended(&database, twentieth));
        is_there("wait_event = 'PgSleep'");
        let saving = scope.spawn(|| scene.memory(&["sync"]));
        is_there("application_name = 'silo' AND wait_event_type = 'Lock'");
        end("application_name = 'silo'");
        let told = saving.join().expect("it comes to its end").exit(1);
        assert!(told.stderr.contains("terminating connection") || told.stderr.contains("broke off"), "{told:#?}");
        end("wait_event = 'PgSleep'");
    });
    assert!(scene.list(&[]).is_empty() && folder.join("memory.json").exists(), "all or none");
    scene.memory(&["sync"]).success().stderr("Saved 40 findings of researcher (run-1)\n");
    assert_eq!(scene.list(&[]).len(), 40);
}

#[test]
fn more_findings_than_are_saved_are_named_and_the_newest_are_exported() {
    let server = Postgres::shared();
    let scene = Scene::new(&server.file(&server.database()));
    let findings: Vec<Finding> = (0..1003)
        .map(|number| Finding { path: format!("{number}.txt"), body: vec![b'x'; 1 + number], created: None })
        .collect();
    let saved = within(&scene, |scope| save(scope, &run("run-1"), &findings)).expect("it is there");
    assert_eq!((saved.added, saved.left_out.len()), (1000, 3));
    assert_eq!(saved.left_out[0], ("1000.txt".to_owned(), "there are more than 1000 of this run"));

    let export = |name: &str, limit| {
        let folder = scene.sandbox.path(name);
        within(&scene, |scope| export_to(scope, &folder, limit)).map(|exported| (exported, files(&folder)))
    };
    let (all, names) = export("all", FOR_AGENTS).expect("it is there");
    assert_eq!((all, names.len()), (Exported { findings: 1000, bytes: 500_500, has_more: false }, 1001));
    // The newest are the longest here: 1000 and 999 bytes fit, and a third does not.
    let (some, names) = export("some", Limit { findings: 10, bytes: 2500 }).expect("it is there");
    assert_eq!(
        (some, names),
        (
            Exported { findings: 2, bytes: 1999, has_more: true },
            vec!["000999-998.txt".to_owned(), "001000-999.txt".to_owned(), "index.jsonl".to_owned()],
        )
    );
    assert!(export("some", FOR_AGENTS).expect_err("it is there").what.contains("is not empty"));
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("it was made")
        .map(|entry| {
            let entry = entry.expect("it is readable");
            assert_eq!(entry.metadata().expect("it is readable").permissions().mode() & 0o222, 0, "it can be written");
            entry.file_name().to_string_lossy().into_owned()
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_role_is_told_where_its_agent_reaches_the_server() {
    let server = Postgres::shared();
    let scene = Scene::new(&server.file(&server.database()));
    let read = |path: PathBuf| fs::read_to_string(path).expect("it is there");
    let reach = Some(("memory", 5432));
    let told = within(&scene, |scope| role_for(scope, &run("agent-1"), reach)).map(read).expect("it is made");
    assert!(told.contains("@memory:5432/") && !told.contains("127.0.0.1"), "{told}");
    let here = within(&scene, |scope| role_for(scope, &run("agent-1"), None)).map(read).expect("it is there");
    let password = |text: &str| text.split(['@', ':']).nth(2).map(str::to_owned);
    assert_eq!(password(&told), password(&here), "it is the same role");
    assert!(psql(here.trim(), "INSERT INTO silo_memory.findings (body) VALUES ('x')").2);
    assert_eq!(scene.list(&["--run", "agent-1"]).len(), 1);
    let rotated = within(&scene, |scope| rotate(scope, &run("agent-1"), None)).map(read).expect("it is there");
    assert!(
        password(&rotated) != password(&here) && !psql(here.trim(), "SELECT 1").2 && psql(rotated.trim(), "SELECT 1").2
    );
    assert_eq!(within(&scene, |scope| remove(scope, "researcher")), Ok(true));
    assert_eq!(within(&scene, |scope| remove(scope, "researcher")), Ok(false));
}

#[test]
fn what_a_person_asks_of_a_role_does_not_cut_off_its_agent() {
    let server = Postgres::shared();
    let database = server.database();
    let scene = Scene::new(&server.file(&database));
    let start =
        || within(&scene, |scope| role_for(scope, &run("agent-1"), Some(("memory", 5432)))).expect("it is made");
    let inside = start();
    // As a container has it mounted: the file itself, whatever has its name later.
    let mounted = fs::File::open(&inside).expect("it is there");
    let seen = || {
        let mut text = String::new();
        (&mounted).seek(SeekFrom::Start(0)).expect("it is a file");
        (&mounted).read_to_string(&mut text).expect("it is text");
        text
    };
    let first = seen();
    assert_eq!(fs::metadata(&inside).expect("it is there").permissions().mode() & 0o777, 0o600);
    let run_of = || server.sql(&database, "SELECT run FROM silo_memory.agents").trim().to_owned();
    let outside = scene.role("researcher");
    assert!(outside.contains("@127.0.0.1:") && first.contains("@memory:5432/"), "{outside} {first}");
    assert_eq!((seen(), run_of()), (first.clone(), "agent-1".to_owned()));

    let ran = scene.memory(&["role", "researcher", "--rotate"]).success();
    let path = PathBuf::from(String::from_utf8(ran.bytes).expect("it is a path").trim());
    let rotated = fs::read_to_string(&path).expect("it is there");
    let local = |address: &str| address.trim().replace("@memory:5432/", &format!("@127.0.0.1:{}/", server.port));
    assert!(path != inside && seen() != first && seen().contains("@memory:5432/"), "{}", seen());
    assert_eq!((local(&seen()).as_str(), run_of()), (rotated.trim(), "agent-1".to_owned()));
    assert!(psql(&local(&seen()), "SELECT 1").2 && !psql(&local(&first), "SELECT 1").2);
    // The agent that starts again has what is there, and what its user reads stays.
    let again = start();
    assert_eq!(local(&seen()), rotated.trim());
    assert_eq!(fs::read_to_string(&path).expect("it is there"), rotated);
    // A password that only one of them has, as after a full disk, gets into both.
    own(&path, outside.as_bytes());
    start();
    assert_eq!(local(&seen()), outside);
    scene.memory(&["role", "researcher", "--drop"]).success();
    assert!(!again.exists() && !path.exists());
}

#[test]
fn exports_are_as_large_as_they_are_asked_for_and_nothing_is_overwritten() {
    let server = Postgres::shared();
    let database = server.database();
    let scene = Scene::new(&server.file(&database));
    scene.left("run-1", "one", &[("first", b"x")]);
    scene.memory(&["sync"]).success();
    // More than an agent gets, and more than is asked for at once.
    let many = "INSERT INTO silo_memory.findings (agent, run, path, body) \
                SELECT 'two', 'r', g::text, repeat(g::text || ' ', 1000000 / length(g::text || ' ')) FROM generate_series(1, 20) g";
    server.sql(&database, many);
    let out = |name: &str| scene.sandbox.path(name).display().to_string();
    let number = |name: &str| fs::read_dir(out(name)).expect("it is there").count() - 1;
    scene.memory(&["export", &out("agent")]).success().stderr_has("Wrote 16 findings (15 MB)").stderr_has("the newest");
    assert!(number("agent") == 16 && !scene.sandbox.path("agent/000001-first.txt").exists());
    scene.memory(&["export", &out("more"), "--number", "3"]).success();
    scene.memory(&["export", &out("one"), "--agent", "one"]).success().stderr_has("Wrote 1 finding (0 kB)");
    assert_eq!((number("more"), number("one")), (3, 1));
    let lines = out("lines.jsonl");
    scene.memory(&["export", &lines, "--format", "jsonl"]).success().stderr_has("Wrote 21 findings");
    let text = fs::read_to_string(&lines).expect("it is there");
    let ids: Vec<i64> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("it is JSON")["id"].as_i64().expect("a number"))
        .collect();
    assert!(ids.len() == 21 && ids.windows(2).all(|two| two[0] > two[1]), "{ids:?}");
    scene
        .memory(&["export", &lines, "--format", "jsonl"])
        .exit(1)
        .stderr_has("is there already, and is not overwritten");
    assert_eq!(fs::read_to_string(&lines).expect("it is there"), text);
}

#[test]
fn of_several_syncs_at_once_each_finding_is_saved_once_and_none_holds_another_up() {
    let server = Postgres::shared();
    let scene = Scene::new(&server.file(&server.database()));
    let findings: Vec<(String, Vec<u8>)> =
        (0..40).map(|number| (format!("{number}.md"), format!("finding {number}").into_bytes())).collect();
    let findings: Vec<(&str, &[u8])> = findings.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    scene.left("run-1", &"a".repeat(1000), &findings[..1]);
    for run in ["run-2", "run-3"] {
        scene.left(run, "one", &findings);
    }
    own(&scene.sandbox.path("state/silo/agents/run-0/memory.json"), b"{\"root\": 1");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| scene.memory(&["sync"]).exit(1).stderr_has("The note about a run that waits is damaged"));
        }
    });
    assert_eq!((scene.list(&["--run", "run-2"]).len(), scene.list(&["--run", "run-3"]).len()), (40, 40));
    assert!(!scene.sandbox.path("state/silo/agents/run-3/memory.json").exists());
    // What the server does not take waits on, and is told.
    scene.memory(&["status"]).success().stdout_has("1 run (run-1)").stderr_has("is damaged");
    fs::remove_file(scene.sandbox.path("state/silo/agents/run-0/memory.json")).expect("it is there");
    scene.memory(&["sync"]).exit(1).stderr_has("violates check constraint");
}
