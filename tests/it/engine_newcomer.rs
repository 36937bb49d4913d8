//! The README's compose project as a newcomer follows it, in bash, zsh and fish, on a real engine: its compose file, every line of
//! that section typed in order, and what is told then.

use std::ffi::OsStr;
use std::fs;
use std::sync::{Mutex, PoisonError};

use crate::engine::Engine;
use crate::newcomer::{SHOWN_HOME, SHOWN_NAME, at_home, blocks, is_shown, without_widths};
use crate::pty::{Session, Setup, Shell, first_shells};
use crate::sandbox::{free_ports, program};

/// The image the README names, and one that is here.
const IMAGES: [&str; 2] =
    ["image: postgres:16", "image: silo-test-box\n    command: [sleep, '600']\n    stop_grace_period: 0s"];

/// Held by the shell whose turn it is.
static ALONE: Mutex<()> = Mutex::new(());

first_shells!(the_readmes_compose_project_does_what_it_says);

fn the_readmes_compose_project_does_what_it_says(shell: Shell) {
    // The names that the README shows are those of one compose project on the engine.
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let engine = Engine::new();
    let sandbox = &engine.sandbox;
    // The engine's drop finds what was made below the projects' folder.
    let home = sandbox.dir("home");
    let app = home.join("app");
    fs::create_dir_all(&app).expect("the sandbox is writable");
    let before = at_home(shell, &home);
    // Stands for a dev server that reads its database's port.
    program(&sandbox.path("bin/npm"), "#!/bin/sh\necho \"$* with a database on $POSTGRES_PORT\"\n");
    let blocks = blocks("Two commands", "Without compose");
    let (language, compose) = &blocks[0];
    assert!(language == "yaml" && compose.contains(IMAGES[0]), "the README shows a compose file first: {blocks:?}");
    let config = home.join(".config");
    let settings = Engine::settings();
    let own = [("HOME", home.as_os_str()), ("XDG_CONFIG_HOME", config.as_os_str())];
    let env: Vec<(&str, &OsStr)> =
        own.into_iter().chain(settings.iter().map(|(name, value)| (*name, value.as_os_str()))).collect();
    // Port 5432 may be in use on this machine.
    let [free] = free_ports();
    let published = [r#"["5432:5432"]"#.to_owned(), format!(r#"["{free}:5432"]"#)];
    assert!(compose.contains(&published[0]), "{compose}");
    let compose = compose.replace(IMAGES[0], IMAGES[1]).replace(&published[0], &published[1]);
    fs::write(app.join("compose.yaml"), compose).expect("the project is writable");
    sandbox.git(&app, ["init", "--quiet"]);
    sandbox.git(&app, ["add", "."]);
    sandbox.git(&app, ["commit", "--quiet", "--message", "A compose file"]);
    let setup = Setup { before: &before, unhooked: true, env: &env, ..Setup::default() };
    let mut session = Session::with(sandbox, shell, &app, &setup);
    let mut done: Vec<(String, Vec<String>, String)> = Vec::new();
    for line in blocks[1..].iter().filter(|(language, _)| language == "console").flat_map(|(_, text)| text.lines()) {
        if let Some(typed) = line.strip_prefix("$ ") {
            let seen = session.run(&shell.telling(typed));
            assert_eq!(seen.status, "0", "{typed}: {}", seen.told);
            done.push((typed.to_owned(), Vec::new(), seen.told));
        } else {
            done.last_mut().expect("a block begins with a line to type").1.push(line.to_owned());
        }
    }
    assert!(done.len() > 6, "{done:?}");
    let names = [sandbox.instance(&app), sandbox.instance(home.join("feature"))];
    let ports = ["app", "feature"].map(|dir| sandbox.lockfile_ports(home.join(dir))["POSTGRES_PORT"].to_string());
    assert_ne!(ports[0], ports[1]);
    for (typed, shown, told) in done {
        let told = told.replace(home.to_str().expect("it is UTF-8"), SHOWN_HOME).replace(&names[0], SHOWN_NAME);
        let told = told.replace(&ports[0], "5432").replace(&ports[1], "61204");
        let mut told: Vec<String> = told.lines().map(without_widths).collect();
        // `silo list` sorts by name, and so by what is random in one.
        let row = |line: &String| line.contains("  running  ");
        if let (Some(first), Some(last)) = (told.iter().position(row), told.iter().rposition(row)) {
            told[first..=last].sort_by_key(|line| line.trim_start_matches(['*', ' ']).to_owned());
        }
        let lines: Vec<&str> = told.iter().map(String::as_str).collect();
        assert!(is_shown(&shown, &lines), "README.md, `{typed}`: {shown:#?}, but told: {told:#?}");
    }
}
