//! The examples of the documentation work: every `toml` block is a `silo.toml` or a part of one, and every `sh` block runs
//! in a project with the stand-ins of [`crate::tools`]. `console` is for what a test cannot run.

use std::fs;
use std::path::Path;

use silo::core::config;
use silo::core::config::memory_servers;
use silo::core::config::providers;
use silo::core::config::user;
use silo::core::instance::lockfile::Lockfile;
use silo::core::leases::Leases;
use toml::{Table, Value};

use crate::docs::{documents, read};
use crate::sandbox::{Ran, Sandbox, free_ports, program};
use crate::tools::{ALL, Tools};

/// What a part of a `silo.toml` is laid over, and what a block runs in where its page shows none before it.
const BASE: &str = r#"
version = 1
[ports]
WEB_PORT = 3000
API_PORT = 8080
REDIS_PORT = 6379
[hosts]
APP_HOST = "${name}.localhost"
[urls]
WEB_URL = "http://${APP_HOST}:${WEB_PORT}"
[profiles.testnet]
"#;

/// Programs of the reader's own: here they do nothing.
const READERS: [&str; 5] = ["npm", "make", "psql", "docker-compose", "jq"];

/// A fenced block.
pub(crate) struct Fence<'a> {
    /// What follows the backticks.
    pub(crate) language: &'a str,
    /// Its lines.
    pub(crate) text: &'a str,
    /// Its first line, from 1.
    pub(crate) line: usize,
}

/// The fenced blocks of a page, in order.
pub(crate) fn fences(page: &str) -> Vec<Fence<'_>> {
    let mut found = Vec::new();
    let mut rest = page;
    while let Some((_, after)) = rest.split_once("\n```").filter(|_| !rest.is_empty()) {
        let (language, body) = after.split_once('\n').expect("a block has lines");
        let (text, after) = body.split_once("```").expect("a block ends");
        let line = page[..page.len() - body.len()].lines().count() + 1;
        found.push(Fence { language, text, line });
        rest = after;
    }
    found
}

/// A table with another one laid over it, key by key.
fn laid_over(mut base: Table, over: Table) -> Table {
    for (key, value) in over {
        let value = match (base.remove(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) => Value::Table(laid_over(base, over)),
            (_, value) => value,
        };
        base.insert(key, value);
    }
    base
}

/// Their blocks belong together or are other programs' files; `recipes.rs` and `recipes_editors.rs` try them.
const RECIPES: [&str; 2] = ["docs/worktrees.md", "docs/editors.md"];

/// A block as a whole `silo.toml`: itself where it says its version, else laid over [`BASE`].
fn whole(block: &str) -> Result<Table, toml::de::Error> {
    let table: Table = toml::from_str(block)?;
    let base = toml::from_str(BASE).expect("it is valid");
    Ok(if table.contains_key("version") { table } else { laid_over(base, table) })
}

#[test]
fn every_silo_toml_is_valid() {
    let mut seen = 0;
    for file in documents() {
        let text = read(&file);
        let files = fences(&text).into_iter();
        let files = files.filter(|fence| fence.language == "toml" && !RECIPES.contains(&file.as_str()));
        for fence in files {
            let place = format!("{file}:{}", fence.line);
            if file == "docs/settings.md" {
                user::parse(fence.text).unwrap_or_else(|error| panic!("{place}: {error:?}"));
                continue;
            }
            if fence.text.contains("[providers.") {
                providers::parse(fence.text).unwrap_or_else(|error| panic!("{place}: {error:?}"));
                continue;
            }
            if file == "docs/memory.md" && fence.text.contains("[servers.") {
                memory_servers::parse(fence.text).unwrap_or_else(|error| panic!("{place}: {error:?}"));
                continue;
            }
            let text = match whole(fence.text).unwrap_or_else(|error| panic!("{place}: {error}")) {
                table if fence.text.contains("version =") && !table.is_empty() => fence.text.to_owned(),
                table => toml::to_string(&table).expect("it was TOML"),
            };
            if let Err(error) = config::parse(&text) {
                panic!("{place}: {}\n{}", error.problem, error.problem.hints().join("\n"));
            }
            seen += 1;
        }
    }
    assert!(seen > 10, "only {seen} blocks were found");
}

#[test]
fn the_lockfile_and_registry_shown_are_ones_silo_reads() {
    let (lockfile, registry) = (read("docs/lockfile.md"), read("docs/registry.md"));
    let json = fences(&lockfile).into_iter().find(|fence| fence.language == "json").expect("it is shown");
    let shown = Lockfile::parse(json.text.as_bytes()).expect("silo reads it");
    assert_eq!(shown.instance.ports["WEB_PORT"], 3000);
    let shown = fences(&registry).into_iter().find(|fence| fence.text.contains("[[instance]]")).expect("it is shown");
    let leases = Leases::parse(shown.text).expect("silo reads it");
    assert_eq!(leases.instances[0].ports["WEB_PORT"], 3000);
}

/// Ports that nobody holds, for every port of a `silo.toml` and those that are leased without being named.
fn with_free_ports(mut table: Table) -> Table {
    let k3d = table.get("k3d").and_then(|k3d| k3d.get("enabled")).and_then(Value::as_bool) == Some(true);
    let ports = table.get_mut("ports").and_then(Value::as_table_mut).expect("every silo.toml has ports");
    let implied: &[&str] = if k3d { &["TILT_PORT", "K3D_API_PORT", "K3D_REGISTRY_PORT"] } else { &["TILT_PORT"] };
    for name in implied {
        ports.entry(*name).or_insert(Value::Integer(0));
    }
    for ((_, value), port) in ports.iter_mut().zip(free_ports::<12>()) {
        *value = Value::Integer(port.into());
    }
    table
}

/// A program that does nothing.
fn idle(path: &Path) {
    fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    program(path, "#!/bin/sh\n");
}

/// Runs a block in a trusted project of its own, a git repository with a Tiltfile and the scripts its hooks name.
fn run(fence: &Fence<'_>, silo_toml: &str) -> Ran {
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, ALL);
    tools.set("tilt.up.listen", "");
    tools.set("k3d.listen", "");
    for name in READERS {
        idle(&sandbox.path("bin").join(name));
    }
    let table = with_free_ports(whole(silo_toml).expect("it is valid"));
    let text = toml::to_string(&table).expect("it was TOML");
    let app = sandbox.trusted("app", &text);
    for script in text.split('"').filter(|word| word.starts_with("./")) {
        idle(&app.join(script));
    }
    fs::write(app.join("Tiltfile"), "").expect("the project is writable");
    fs::write(app.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    fs::write(sandbox.path("home/.gitconfig"), "[user]\nname = tester\nemail = tester@example.com\n")
        .expect("it is ours");
    sandbox.git(&app, ["init", "-q"]);
    sandbox.git(&app, ["add", "."]);
    sandbox.git(&app, ["commit", "-qm", "project"]);
    let mut shell = sandbox.command(fence.language, &app);
    shell.args(["-euc", fence.text]).env("SHELL", "/bin/sh");
    sandbox.finish(shell)
}

#[test]
fn every_block_for_a_shell_runs() {
    let mut seen = 0;
    for file in documents().into_iter().filter(|file| !RECIPES.contains(&file.as_str())) {
        let page = read(&file);
        let mut silo_toml = BASE;
        for fence in fences(&page) {
            match fence.language {
                "toml" => silo_toml = fence.text,
                "sh" | "bash" | "zsh" => {
                    let ran = run(&fence, silo_toml);
                    let told = format!("{}{}", ran.stdout, ran.stderr);
                    assert_eq!(ran.code(), Some(0), "{file}:{}:\n{}\n{told}", fence.line, fence.text);
                    seen += 1;
                }
                "json" | "python" | "yaml" | "dockerfile" | "console" | "text" | "" => {}
                other => panic!("{file}:{}: nobody knows what a block of `{other}` is", fence.line),
            }
        }
    }
    assert!(seen > 10, "only {seen} blocks were found");
}
