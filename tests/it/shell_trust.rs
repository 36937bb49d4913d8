//! What a shell does as trust, files and other terminals change around it.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use crate::pty::{Observed, Session, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(
    an_untrusted_project_is_named_once_and_allow_acts_at_the_next_prompt,
    typing_env_is_no_trust,
    what_may_not_act_is_told_once_whatever_is_typed,
    init_trusts_what_it_writes,
    a_changed_file_keeps_the_variables_but_gives_a_new_shell_none,
    a_file_replaced_by_an_older_one_is_noticed,
    denying_in_another_terminal_takes_the_variables_back,
    a_new_port_gets_a_number_and_the_others_keep_theirs,
    a_broken_file_is_told_once_and_keeps_the_last_good_variables,
    a_file_that_is_gone_is_a_project_left,
    ports_forced_anew_in_another_terminal_show_at_the_next_prompt,
    a_copied_folder_gets_its_own_name_and_ports,
    a_moved_folder_keeps_its_name_and_ports,
    one_allow_covers_genuine_worktrees_and_each_has_its_own_ports,
    an_instance_that_was_let_go_of_comes_back_only_when_asked_for,
);

/// One line of silo's that has all these parts.
#[track_caller]
fn assert_one_line(seen: &Observed, parts: &[&str]) {
    let told = &seen.told;
    assert!(told.starts_with("silo: ") && told.lines().count() == 1, "not one line: {told:?}");
    for part in parts {
        assert!(told.contains(part), "no {part:?} in {told:?}");
    }
}

/// As editors write: whole, for a prompt may come at any moment.
fn write(dir: &Path, toml: &str) {
    fs::write(dir.join("silo.toml.new"), toml).expect("the project is writable");
    fs::rename(dir.join("silo.toml.new"), dir.join("silo.toml")).expect("the project is writable");
}

fn an_untrusted_project_is_named_once_and_allow_acts_at_the_next_prompt(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    let first = session.run("cd app");
    assert_one_line(&first, &["silo.toml", "silo allow"]);
    assert_eq!(first.var("WEB_PORT"), None);
    assert_eq!(first.var("SILO_ACTIVE"), None);
    assert!(!app.join(".silo.lock").exists(), "nothing is written for a file nobody trusts");
    assert_eq!(session.run(":").told, "");
    let allowed = session.run(&shell.quiet("silo allow"));
    allowed.assert_active(&sandbox, &app);
    assert_eq!(allowed.told, format!("silo: {} · WEB_PORT={web}\n", sandbox.instance(&app)));
    assert_eq!(session.run("cd ..").environment(), outside.environment());
}

fn typing_env_is_no_trust(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, &app);
    assert_one_line(&session.run(":"), &["silo allow"]);
    let typed = session.run(&shell.quiet("silo env"));
    assert_eq!((typed.status.as_str(), typed.var("WEB_PORT"), typed.var("SILO_ACTIVE")), ("0", None, None));
    assert_eq!(sandbox.lockfile_ports(&app)["WEB_PORT"], web);
    assert_eq!(session.run(":").var("SILO_ACTIVE"), None);
}

fn what_may_not_act_is_told_once_whatever_is_typed(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let good = toml_with_ports(&[("WEB_PORT", web)]);
    let app = sandbox.project("app", &good);
    let mut session = Session::start(&sandbox, shell, &app);
    assert_one_line(&session.run(":"), &["is not trusted"]);
    for typed in ["silo env", "silo env other", "silo down --clean", "touch silo.toml"] {
        assert_eq!(session.run(&shell.quiet(typed)).told, "", "after `{typed}`");
    }
    assert_one_line(&session.run(&shell.quiet("silo deny")), &["is denied"]);
    assert_eq!(session.run(&shell.quiet("silo env")).told, "");
    write(&app, &format!("{good}API_PORT = \n"));
    assert_eq!(session.run(":").told, "", "a denial is one of the path");
    write(&app, &good);
    session.run(&shell.quiet("silo allow")).assert_active(&sandbox, &app);
    write(&app, &format!("{good}API_PORT = 0\n"));
    assert_one_line(&session.run(":"), &["has changed"]);
    assert_eq!(session.run(&shell.quiet("silo env")).told, "");
    write(&app, &format!("{good}API_PORT = 1\n"));
    assert_one_line(&session.run(":"), &["has changed"]);
    session.run("cd ..");
    assert_one_line(&session.run("cd app"), &["has changed"]);
}

fn init_trusts_what_it_writes(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.dir("app");
    fs::create_dir(&app).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, &app);
    session.run(&shell.quiet("silo init")).assert_active(&sandbox, &app);
    session.run("cd ..").assert_inactive();
}

fn a_changed_file_keeps_the_variables_but_gives_a_new_shell_none(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, other] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, &app);
    let inside = session.run(":");
    write(&app, &toml_with_ports(&[("WEB_PORT", web), ("OTHER_PORT", other)]));
    let changed = session.run(":");
    assert_one_line(&changed, &["silo.toml", "silo allow"]);
    assert_eq!(changed.environment(), inside.environment());
    assert_eq!(session.run(":").told, "");

    let mut fresh = Session::start(&sandbox, shell, &app);
    let first = fresh.run(":");
    assert_one_line(&first, &["silo.toml", "silo allow"]);
    assert_eq!((first.var("SILO_ACTIVE"), first.var("WEB_PORT")), (None, None));

    sandbox.run(&app, ["allow"]).success();
    session.run(":").assert_active(&sandbox, &app);
    let active = fresh.run(":");
    active.assert_active(&sandbox, &app);
    assert_eq!(active.var("OTHER_PORT"), Some(other.to_string().as_str()));
}

fn a_file_replaced_by_an_older_one_is_noticed(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, other] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, &app);
    session.run(":").assert_active(&sandbox, &app);
    let backup = sandbox.project("backup", &toml_with_ports(&[("WEB_PORT", other)])).join("silo.toml");
    let file = fs::File::options().write(true).open(&backup).expect("it was just written");
    file.set_modified(UNIX_EPOCH + Duration::from_hours(300_000)).expect("the file is ours");
    assert_one_line(&session.run(&shell.call("mv ../backup/silo.toml .")), &["silo allow"]);
}

fn denying_in_another_terminal_takes_the_variables_back(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    session.run("cd app").assert_active(&sandbox, &app);
    sandbox.run(&app, ["deny"]).success();
    let denied = session.run(":");
    assert_eq!((denied.var("SILO_ACTIVE"), denied.var("WEB_PORT")), (None, None));
    assert_eq!(session.run(":").told, "");
    sandbox.run(&app, ["allow"]).success();
    session.run(":").assert_active(&sandbox, &app);
    assert_eq!(session.run("cd ..").environment(), outside.environment());
}

fn a_new_port_gets_a_number_and_the_others_keep_theirs(shell: Shell) {
    let sandbox = Sandbox::new();
    let [new] = free_ports();
    let random = "version = 1\n[ports]\nWEB_PORT = \"random\"\n";
    let app = sandbox.trusted("app", random);
    let mut session = Session::start(&sandbox, shell, &app);
    let inside = session.run(":");
    write(&app, &format!("{random}NEW_PORT = {new}\n"));
    let allowed = session.run(&shell.quiet("silo allow"));
    allowed.assert_active(&sandbox, &app);
    assert_eq!(allowed.var("WEB_PORT"), inside.var("WEB_PORT"));
    assert_eq!(allowed.var("NEW_PORT"), Some(new.to_string().as_str()));
}

fn a_broken_file_is_told_once_and_keeps_the_last_good_variables(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let good = toml_with_ports(&[("WEB_PORT", web)]);
    let app = sandbox.trusted("app", &good);
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    let inside = session.run("cd app");
    write(&app, &format!("{good}API_PORT = \n"));
    let broken = session.run(":");
    assert!(broken.told.contains("silo.toml:4:"), "{:?}", broken.told);
    assert_eq!(broken.environment(), inside.environment());
    assert_eq!(session.run(":").told, "");

    write(&app, &good);
    let again = session.run(":");
    assert_eq!(again.environment(), inside.environment());
    assert!(!again.told.contains("silo allow"), "{:?}", again.told);

    write(&app, &format!("{good}API_PORT = \n"));
    session.run(":");
    write(&app, &format!("{good}API_PORT = \"random\"\n"));
    let another = session.run(":");
    assert_one_line(&another, &["silo allow"]);
    assert_eq!(another.environment(), inside.environment());
    assert_eq!(session.run("cd ..").environment(), outside.environment());
}

fn a_file_that_is_gone_is_a_project_left(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    session.run("cd app").assert_active(&sandbox, &app);
    let gone = session.run(&shell.call("rm silo.toml"));
    assert_eq!(gone.environment(), outside.environment());
    assert_eq!(gone.told, format!("silo: left {}\n", sandbox.instance(&app)));
}

fn ports_forced_anew_in_another_terminal_show_at_the_next_prompt(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, &app);
    assert_eq!(session.run(":").var("WEB_PORT"), Some(web.to_string().as_str()));
    let _foreign = TcpListener::bind((Ipv4Addr::LOCALHOST, web)).expect("the port is free");
    sandbox.run(&app, ["env", "--force"]).success();
    assert_ne!(sandbox.lockfile_ports(&app)["WEB_PORT"], web);
    session.run(":").assert_active(&sandbox, &app);
    assert_eq!(session.run(":").told, "");
}

fn a_copied_folder_gets_its_own_name_and_ports(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let one = sandbox.trusted("one", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api)]));
    let two = sandbox.dir("two");
    let mut session = Session::start(&sandbox, shell, &one);
    let first = session.run(":");
    first.assert_active(&sandbox, &one);
    assert_one_line_after_leaving(&session.run(&format!("cd ..; {}; cd two", shell.call("cp -a one two"))));
    session.run(&shell.quiet("silo allow")).assert_active(&sandbox, &two);
    assert_ne!(sandbox.instance(&two), sandbox.instance(&one));
    let theirs = sandbox.lockfile_ports(&two);
    assert!(sandbox.lockfile_ports(&one).values().all(|port| theirs.values().all(|other| port != other)));
    let back = session.run("cd ../one");
    assert_eq!(back.environment(), first.environment());
}

/// The copy is a stranger: after the line on leaving, if any, one that names `silo allow`.
#[track_caller]
fn assert_one_line_after_leaving(seen: &Observed) {
    seen.told.lines().find(|line| line.contains("silo allow")).unwrap_or_else(|| panic!("{:?}", seen.told));
    assert_eq!(seen.var("SILO_ACTIVE"), None);
}

fn a_moved_folder_keeps_its_name_and_ports(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("old", "version = 1\n[ports]\nWEB_PORT = \"random\"\nAPI_PORT = \"random\"\n");
    let mut session = Session::start(&sandbox, shell, &app);
    let before = session.run(":");
    before.assert_active(&sandbox, &app);
    session.run(&format!("cd ..; {}; cd new", shell.call("mv old new")));
    let moved = session.run(&shell.quiet("silo allow"));
    moved.assert_active(&sandbox, &sandbox.dir("new"));
    for name in ["SILO_WORKSPACE", "WEB_PORT", "API_PORT"] {
        assert_eq!(moved.var(name), before.var(name));
    }
}

fn one_allow_covers_genuine_worktrees_and_each_has_its_own_ports(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let main = sandbox.project("main", &toml_with_ports(&[("WEB_PORT", web)]));
    write_ignored(&main);
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "start"]);
    sandbox.run(&main, ["allow"]).success();
    sandbox.git(&main, ["worktree", "add", "--quiet", "../feature"]);
    let mut session = Session::start(&sandbox, shell, &main);
    let first = session.run(":");
    let feature = sandbox.dir("feature");
    let second = session.run("cd ../feature");
    second.assert_active(&sandbox, &feature);
    assert_ne!(second.var("SILO_WORKSPACE"), first.var("SILO_WORKSPACE"));
    assert_ne!(second.var("WEB_PORT"), first.var("WEB_PORT"));

    write(&feature, &toml_with_ports(&[("WEB_PORT", web), ("OTHER_PORT", web)]));
    let mut fresh = Session::start(&sandbox, shell, &feature);
    let changed = fresh.run(":");
    assert_eq!(changed.var("SILO_ACTIVE"), None);
    assert_one_line(&changed, &["silo allow"]);
}

#[test]
fn a_forged_worktree_is_a_stranger() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web)]);
    let main = sandbox.project("main", &toml);
    write_ignored(&main);
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "start"]);
    sandbox.run(&main, ["allow"]).success();
    sandbox.git(&main, ["worktree", "add", "--quiet", "../feature"]);
    let genuine = sandbox.run("feature", ["export", "json"]).success();
    assert!(genuine.stdout.contains("WEB_PORT"), "{genuine:#?}");

    let forged = sandbox.project("forged", &toml);
    fs::copy(sandbox.dir("feature/.git"), forged.join(".git")).expect("a worktree has a file .git");
    let clone = sandbox.dir("clone");
    sandbox.git("", ["clone", "--quiet", "main", "clone"]);
    let inside = sandbox.project("feature/below", &toml);
    for dir in [forged, clone, inside] {
        let ran = sandbox.run(&dir, ["export", "json"]).exit(3).stderr_has("silo allow");
        assert!(!ran.stdout.contains("WEB_PORT"), "{ran:#?}");
    }
}

fn write_ignored(dir: &Path) {
    fs::write(dir.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
}

fn an_instance_that_was_let_go_of_comes_back_only_when_asked_for(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let (mut session, mut other) = (Session::start(&sandbox, shell, &app), Session::start(&sandbox, shell, &app));
    session.run(":").assert_active(&sandbox, &app);
    other.run(":").assert_active(&sandbox, &app);
    let name = sandbox.instance(&app);
    let gone = session.run(&shell.quiet("silo down --clean"));
    gone.assert_inactive();
    let told =
        format!("silo: left {name}, whose leases are free; `silo env` or the next `cd` into it takes new ones\n");
    assert_eq!(gone.told, told);
    let also = other.run(":");
    also.assert_inactive();
    assert_eq!(also.told, told);
    for session in [&mut session, &mut other] {
        let quiet = session.run(":");
        quiet.assert_inactive();
        assert_eq!(quiet.told, "");
    }
    assert!(!app.join(".silo.lock").exists() && !app.join(".localnet.env").exists());
    assert_eq!(crate::machine::registry(&sandbox).instances, []);
    // Asked for again, by one of the two ways, it is there in both.
    session.run("cd ..").assert_inactive();
    session.run("cd app").assert_active(&sandbox, &app);
    other.run(":").assert_active(&sandbox, &app);
    other.run(&shell.quiet("silo down --clean")).assert_inactive();
    other.run(&shell.quiet("silo env")).assert_active(&sandbox, &app);
}
