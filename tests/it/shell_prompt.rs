//! The shell hook beside what else a shell has: other prompt commands, an exit status, one-line commands.

use std::ffi::OsStr;
use std::fs;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, free_ports, program, toml_with_ports};

each_shell!(
    the_users_own_prompt_functions_run_and_see_the_variables,
    loading_the_hook_twice_acts_once,
    a_project_that_cannot_act_leaves_the_prompt_alone,
    a_busy_registry_is_told_once_and_tried_again,
    a_silo_that_is_killed_is_tried_again_at_the_next_prompt,
    a_silo_at_an_odd_path_acts_and_its_loss_is_borne,
    an_answer_that_is_outdated_when_it_arrives_is_asked_for_again,
);

fn app(sandbox: &Sandbox) -> std::path::PathBuf {
    let [web] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]))
}

/// Elvish has none.
fn the_exit_status_is_kept(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let mut session = Session::start(&sandbox, shell, "");
    assert_eq!(session.run("sh -c 'exit 7'").status, "7");
    let entered = session.run("cd app; sh -c 'exit 8'");
    entered.assert_active(&sandbox, &app);
    assert_eq!(entered.status, "8");
    assert_eq!(session.run("sh -c 'exit 9'").status, "9");
    let acted = session.run(&format!("{}; sh -c 'exit 3'", shell.quiet("silo deny")));
    assert_eq!((acted.status.as_str(), acted.var("SILO_ACTIVE")), ("3", None));
    assert_eq!(session.run(&format!("cd ..; {}", shell.call("false"))).status, "1");
    let Some(parts) = shell.parts() else { return };
    assert_eq!(session.run(parts).var("PARTS"), Some("1 0"));
}

#[test]
fn the_exit_status_is_kept_in_bash() {
    the_exit_status_is_kept(Shell::BASH);
}

#[test]
fn the_exit_status_is_kept_in_zsh() {
    the_exit_status_is_kept(Shell::ZSH);
}

#[test]
fn the_exit_status_is_kept_in_fish() {
    the_exit_status_is_kept(Shell::FISH);
}

#[test]
fn the_exit_status_is_kept_in_nushell() {
    the_exit_status_is_kept(Shell::NU);
}

#[test]
fn the_exit_status_is_kept_in_tcsh() {
    the_exit_status_is_kept(Shell::TCSH);
}

fn the_users_own_prompt_functions_run_and_see_the_variables(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let (before, after) = shell.prompt_functions();
    let failed = format!("{}/", shell.failed());
    let mut session = Session::with(&sandbox, shell, "", &Setup { before, after, ..Setup::default() });
    let outside = session.run(&shell.call("false"));
    assert_eq!((outside.var("FIRST"), outside.var("LAST")), (Some(failed.as_str()), Some("ran")));
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    let web = inside.var("WEB_PORT").expect("it is active");
    assert_eq!(inside.var("FIRST"), Some(format!("0/{web}").as_str()));
    if shell.knows_moves() {
        assert_eq!(inside.var("MOVED"), Some(web));
    }
    assert_eq!(session.run("cd ..").var("FIRST"), Some("0/"));
}

#[test]
fn a_bash_array_of_prompt_commands_stays_one() {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let setup = Setup {
        before: "PROMPT_COMMAND=('export FIRST=\"$?/${WEB_PORT-}\"' 'export SECOND=\"a  b\"')",
        after: "PROMPT_COMMAND+=('export LAST=${#PROMPT_COMMAND[@]}')",
        ..Setup::default()
    };
    let mut session = Session::with(&sandbox, Shell::BASH, "", &setup);
    let inside = session.run("cd app; false");
    inside.assert_active(&sandbox, &app);
    let first = format!("1/{}", inside.var("WEB_PORT").expect("it is active"));
    assert_eq!(inside.var("FIRST"), Some(first.as_str()));
    assert_eq!((inside.var("SECOND"), inside.var("LAST")), (Some("a  b"), Some("4")));
}

fn loading_the_hook_twice_acts_once(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let (load, hooks) = (shell.load_again(&sandbox), shell.hooks());
    let after = format!("{load}\n{load}\n{hooks}");
    let mut session = Session::with(&sandbox, shell, "", &Setup { after: &after, ..Setup::default() });
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    assert_eq!(inside.told.lines().count(), 1, "{:?}", inside.told);
    let (hooks, moves) = (inside.var("HOOKS").expect("it was exported"), inside.var("MOVES"));
    let (call, times) = shell.hook_call();
    let count = |hooks: &str| hooks.matches(call).count();
    assert_eq!(count(hooks), times, "once for each event: {hooks}");
    assert!(moves.is_none_or(|moves| count(moves) == 1), "{moves:?}");
    let again = session.run(&load);
    assert_eq!(again.told, "", "loading it by hand inside a project");
    again.assert_active(&sandbox, &app);
    session.run("cd ..").assert_inactive();
}

fn a_project_that_cannot_act_leaves_the_prompt_alone(shell: Shell) {
    let sandbox = Sandbox::new();
    sandbox.project("stranger", &toml_with_ports(&[("WEB_PORT", 1)]));
    fs::create_dir_all(sandbox.dir("folder/silo.toml")).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    assert_eq!(session.run("cd stranger").var("WEB_PORT"), None);
    assert_eq!(session.run("cd ..").environment(), outside.environment());
    assert_eq!(session.run("cd folder").told, "", "a folder named silo.toml is not a project");
}

fn a_busy_registry_is_told_once_and_tried_again(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let other = sandbox.trusted("other", "version = 1\n[ports]\nWEB_PORT = \"random\"\n");
    let mut session = Session::start(&sandbox, shell, &app);
    session.run(":").assert_active(&sandbox, &app);
    let lock = fs::File::open(sandbox.path("state/silo/registry.lock")).expect("an instance was made");
    lock.lock().expect("nobody holds it");
    let busy = session.run("cd ../other");
    assert_eq!(busy.told.matches("The registry is busy").count(), 1, "{:?}", busy.told);
    assert_eq!(busy.var("WEB_PORT"), None);
    lock.unlock().expect("it is held");
    session.run(":").assert_active(&sandbox, &other);
}

/// Ctrl-C while silo waits does it, or a system out of memory: the shell must not stay in one project with the variables of another.
fn a_silo_that_is_killed_is_tried_again_at_the_next_prompt(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let other = sandbox.trusted("other", "version = 1\n[ports]\nWEB_PORT = \"random\"\n");
    let mut session = Session::start(&sandbox, shell, &app);
    session.run(":").assert_active(&sandbox, &app);
    // Nothing is swapped while it may be starting: the stand-in looks for a file instead.
    let (silo, real, dying) = (sandbox.path("bin/silo"), sandbox.path("bin/real"), sandbox.path("dying"));
    fs::write(&dying, "").expect("the sandbox is writable");
    fs::rename(&silo, &real).expect("it is there");
    let script =
        format!("#!/bin/sh\n[ ! -e '{}' ] || kill -KILL $$\nexec '{}' \"$@\"\n", dying.display(), real.display());
    let fresh = sandbox.path("bin/fresh");
    program(&fresh, &script);
    fs::rename(&fresh, &silo).expect("the sandbox is writable");
    session.run("cd ../other");
    fs::remove_file(&dying).expect("it is there");
    session.run(":").assert_active(&sandbox, &other);
}

fn a_silo_at_an_odd_path_acts_and_its_loss_is_borne(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let odd = sandbox.path(r"it's $(odd) \ bin");
    fs::create_dir(&odd).expect("the sandbox is writable");
    std::os::unix::fs::symlink(SILO, odd.join("silo")).expect("the sandbox is writable");
    fs::remove_file(sandbox.path("bin/silo")).expect("it is there");
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", odd.display());
    let env = [("PATH", OsStr::new(&path))];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    fs::remove_file(odd.join("silo")).expect("it is there");
    let lost = session.run("cd ..");
    assert_eq!((lost.told.as_str(), lost.status.as_str()), ("", "0"));
    assert_eq!(session.run(":").told, "");
}

fn an_answer_that_is_outdated_when_it_arrives_is_asked_for_again(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    sandbox.run(&app, ["env"]).success();
    let mut session = Session::start(&sandbox, shell, "");
    session.run(":");
    // Between silo's answer and the hook's next look, the user says no in another shell.
    let (silo, flag) = (sandbox.path("bin/silo"), sandbox.path("flag"));
    let script = format!(
        "#!/bin/sh\n{SILO} \"$@\"\nif [ -e {flag} ]; then rm {flag}; {SILO} deny -C {} >/dev/null 2>&1; fi\n",
        app.display(),
        flag = flag.display(),
    );
    fs::remove_file(&silo).expect("it is a link");
    program(&silo, &script);
    fs::write(&flag, "").expect("the sandbox is writable");
    session.run("cd app");
    let seen = session.run(":");
    assert!(!flag.exists());
    seen.assert_inactive();
}

#[test]
fn the_loss_of_the_script_tcsh_reads_is_borne() {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let mut session = Session::start(&sandbox, Shell::TCSH, "");
    session.run("cd app").assert_active(&sandbox, &app);
    // By the shell itself: from outside it might go while a prompt just reads it.
    let scripts = sandbox.path("state/silo/shell");
    assert_eq!(session.run(&format!("rm -r {}", scripts.display())).told, "");
    assert!(!scripts.exists());
    assert_eq!(session.run("cd ..").told, "");
    session.run(&Shell::TCSH.load()).assert_inactive();
}

#[test]
fn a_tcsh_whose_scripts_were_written_anew_by_a_later_silo_goes_on() {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let mut session = Session::start(&sandbox, Shell::TCSH, "");
    session.run("unset __silo_word __silo_path __silo_left __silo_do");
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    assert_eq!(inside.told.lines().count(), 1, "{inside:?}");
}

/// A key that moves the shell while a line is edited: what is then run has the variables of where it runs.
fn a_key_that_moves_the_shell_moves_the_variables(shell: Shell, bind: &str) {
    let sandbox = Sandbox::new();
    let app = app(&sandbox);
    let other = sandbox.trusted("other", "version = 1\n[ports]\nWEB_PORT = \"random\"\n");
    let after = [("a", "cd ../app"), ("b", "cd ../other"), ("g", "cd ..")]
        .map(|(key, go)| bind.replace("KEY", key).replace("GO", go));
    let setup = Setup { after: &after.join("\n"), editing: true, ..Setup::default() };
    let mut session = Session::with(&sandbox, shell, &app, &setup);
    session.run(":").assert_active(&sandbox, &app);
    for (key, place) in [("\x02", Some(&other)), ("\x01", Some(&app)), ("\x07", None)] {
        let seen = sandbox.path("seen");
        session.run(&format!("{key}env >{}", seen.display()));
        let seen = fs::read_to_string(&seen).expect("the line wrote it");
        let root = seen.lines().find_map(|line| line.strip_prefix("SILO_ROOT="));
        assert_eq!(root, place.map(|place| place.to_str().expect("it is text")), "{key:?}");
        assert_eq!(seen.contains("WEB_PORT="), place.is_some(), "{key:?}");
    }
    session.run(":").assert_inactive();
}

#[test]
fn a_key_that_moves_the_shell_moves_the_variables_in_zsh() {
    let bind = "bindkey -e; go-KEY() { GO; zle reset-prompt }; zle -N go-KEY; bindkey '^KEY' go-KEY";
    a_key_that_moves_the_shell_moves_the_variables(Shell::ZSH, bind);
    a_key_that_moves_the_shell_moves_the_variables(Shell::ZSH, &bind.replace("GO", "cd() { builtin cd -q $1 }; GO"));
}

#[test]
fn a_key_that_moves_the_shell_moves_the_variables_in_fish() {
    a_key_that_moves_the_shell_moves_the_variables(Shell::FISH, "bind \\cKEY 'GO; commandline -f repaint'");
}
