//! Entering and leaving projects in real shells: what is set, what comes back, and what is said about it.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(
    entering_sets_the_variables_and_says_so_once,
    leaving_gives_back_the_environment_byte_for_byte,
    what_the_user_changed_inside_survives_leaving,
    a_sibling_project_takes_the_place_of_the_first,
    an_inner_project_wins_and_the_outer_comes_back,
    a_folder_below_the_root_is_inside,
    a_shell_started_inside_is_active_at_its_first_prompt,
    a_shell_in_a_shell_inherits_and_can_leave,
    a_shell_started_inside_without_environment_is_active,
    a_link_to_a_project_is_the_project,
    a_project_removed_under_the_shell_is_left,
    a_profile_does_not_follow_into_another_project,
    a_profile_the_user_asks_for_is_taken,
    odd_folder_names_are_taken_as_they_are,
    nothing_is_said_where_nothing_changes,
    silo_log_off_silences_every_line,
);

fn entering_sets_the_variables_and_says_so_once(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api)]));
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    outside.assert_inactive();
    assert_eq!(outside.told, "");

    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    let name = sandbox.instance(&app);
    assert_eq!(inside.told, format!("silo: {name} · WEB_PORT={web} API_PORT={api}\n"));
    assert_eq!(inside.var("APP_HOST"), Some(format!("{name}.localhost").as_str()));
    assert_eq!(inside.var("SILO_PROFILE"), None);
    assert_eq!(
        inside.silo_names(),
        ["SILO_ACTIVE", "SILO_ENV_FILE", "SILO_ROOT", "SILO_WORKSPACE", "__SILO_UNDO"],
        "the hook's own variables are not exported"
    );

    let next = session.run(":");
    assert_eq!((next.told.as_str(), next.environment()), ("", inside.environment()));
}

fn leaving_gives_back_the_environment_byte_for_byte(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, api, db] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api), ("DB_PORT", db)]));
    // Nushell does not start with a variable that is no UTF-8.
    let end: &[u8] = if shell == Shell::NU { "\u{80}é".as_bytes() } else { b"\xff\xfe" };
    let odd = [b"two\nlines, and it's \\ $(x) \"!!\x01\n", end].concat();
    let odd = OsStr::from_bytes(&odd);
    let env = [("WEB_PORT", odd), ("DB_PORT", OsStr::new(""))];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let before = session.run(":");
    assert_eq!(before.bytes("WEB_PORT"), Some(odd.as_bytes()));

    session.run("cd app").assert_active(&sandbox, &app);
    let after = session.run("cd ..");
    assert_eq!(after.told, format!("silo: left {}\n", sandbox.instance(&app)));
    assert_eq!(after.environment(), before.environment());
}

fn what_the_user_changed_inside_survives_leaving(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, api, db] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api), ("DB_PORT", db)]));
    let env = [("WEB_PORT", OsStr::new("before")), ("API_PORT", OsStr::new("before"))];
    let mut session = Session::with(&sandbox, shell, "app", &Setup { env: &env, ..Setup::default() });
    session.run(&shell.export("WEB_PORT", "mine"));
    let inside = session.run(&shell.unset("API_PORT"));
    assert_eq!((inside.var("WEB_PORT"), inside.var("API_PORT")), (Some("mine"), None));
    let after = session.run("cd ..");
    after.assert_inactive();
    assert_eq!((after.var("WEB_PORT"), after.var("API_PORT"), after.var("DB_PORT")), (Some("mine"), None, None));
}

fn a_sibling_project_takes_the_place_of_the_first(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, only, other] = free_ports();
    let one = sandbox.trusted("one", &toml_with_ports(&[("WEB_PORT", web), ("ONLY_PORT", only)]));
    let two = sandbox.trusted("two", &toml_with_ports(&[("WEB_PORT", other)]));
    let env = [("WEB_PORT", OsStr::new("before")), ("ONLY_PORT", OsStr::new("before"))];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let outside = session.run(":");
    session.run("cd one").assert_active(&sandbox, &one);
    let swapped = session.run("cd ../two");
    swapped.assert_active(&sandbox, &two);
    assert_eq!(swapped.var("ONLY_PORT"), Some("before"));
    assert_eq!(swapped.told, format!("silo: {} · WEB_PORT={other}\n", sandbox.instance(&two)));
    assert_eq!(session.run("cd ..").environment(), outside.environment());
}

fn an_inner_project_wins_and_the_outer_comes_back(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, only, inner_web] = free_ports();
    let outer = sandbox.trusted("outer", &toml_with_ports(&[("WEB_PORT", web), ("ONLY_PORT", only)]));
    let inner = sandbox.trusted("outer/lib/inner", &toml_with_ports(&[("WEB_PORT", inner_web)]));
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    let first = session.run("cd outer");
    first.assert_active(&sandbox, &outer);
    let within = session.run("cd lib/inner");
    within.assert_active(&sandbox, &inner);
    assert_eq!(within.var("ONLY_PORT"), None);
    let back = session.run("cd ..");
    back.assert_active(&sandbox, &outer);
    assert_eq!(back.environment(), first.environment());
    assert_eq!(session.run("cd ../..").environment(), outside.environment());
}

fn a_folder_below_the_root_is_inside(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    std::fs::create_dir_all(app.join("src/deep")).expect("the project is writable");
    let mut session = Session::start(&sandbox, shell, "");
    session.run("cd app/src/deep").assert_active(&sandbox, &app);
    let up = session.run("cd ..");
    up.assert_active(&sandbox, &app);
    assert_eq!(up.told, "");
}

fn a_shell_started_inside_is_active_at_its_first_prompt(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, &app);
    let first = session.run(":");
    first.assert_active(&sandbox, &app);
    assert_eq!(first.told, format!("silo: {} · WEB_PORT={web}\n", sandbox.instance(&app)));
}

fn a_shell_in_a_shell_inherits_and_can_leave(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let env = [("WEB_PORT", OsStr::new("before"))];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let outside = session.run(":");
    let outer = session.run("cd app");
    let inner = session.run(&session.again());
    inner.assert_active(&sandbox, &app);
    assert_eq!((inner.told.as_str(), inner.environment()), ("", outer.environment()));
    assert_eq!(session.run("cd ..").environment(), outside.environment(), "left in the inner shell");
    let outer_again = session.run("exit");
    outer_again.assert_active(&sandbox, &app);
    assert_eq!(session.run("cd ..").environment(), outside.environment(), "left in the outer shell");
}

fn a_shell_started_inside_without_environment_is_active(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let mut session = Session::start(&sandbox, shell, &app);
    let outer = session.run(":");
    let mut words = vec!["env".to_owned(), "-i".to_owned()];
    words.extend(sandbox.environment().iter().map(|(name, value)| format!("'{name}={}'", value.display())));
    words.push(format!("'ZDOTDIR={}'", session.zdotdir().display()));
    words.extend(session.words());
    let inner = session.run(&shell.call(&words.join(" ")));
    inner.assert_active(&sandbox, &app);
    assert_eq!(inner.var("WEB_PORT"), outer.var("WEB_PORT"));
    let left = session.run("cd ..");
    left.assert_inactive();
    assert_eq!(left.var("WEB_PORT"), None);
}

fn a_link_to_a_project_is_the_project(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    std::os::unix::fs::symlink(&app, sandbox.dir("link")).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, "");
    session.run("cd link").assert_active(&sandbox, &app);
    let direct = session.run("cd ../app");
    direct.assert_active(&sandbox, &app);
    assert_eq!(direct.told, "");
    session.run("cd ..").assert_inactive();
}

fn a_project_removed_under_the_shell_is_left(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    std::fs::create_dir(app.join("src")).expect("the project is writable");
    let mut session = Session::start(&sandbox, shell, "");
    let outside = session.run(":");
    session.run("cd app/src").assert_active(&sandbox, &app);
    let removal = shell.call(&format!("rm -r {}", app.display()));
    if shell == Shell::NU {
        // It starts no program where there is no folder.
        let after = session.run(&format!("{removal}\nnull\ncd {}", sandbox.dir("").display()));
        assert_eq!(after.environment(), outside.environment());
        return;
    }
    let removed = session.run(&removal);
    assert!(!removed.told.contains("Error"), "{:?}", removed.told);
    assert_eq!(removed.environment(), outside.environment());
    let after = session.run(&format!("cd {}", sandbox.dir("").display()));
    assert_eq!((after.told.as_str(), after.environment()), ("", outside.environment()));
}

fn a_profile_the_user_asks_for_is_taken(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let toml = toml_with_ports(&[("WEB_PORT", web)]) + "[profiles.dev]\nurls.MODE = \"dev\"\n";
    let app = sandbox.trusted("app", &toml);
    let env = [("SILO_PROFILE", OsStr::new("dev"))];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let inside = session.run("cd app");
    inside.assert_active(&sandbox, &app);
    assert_eq!((inside.var("SILO_PROFILE"), inside.var("MODE")), (Some("dev"), Some("dev")));
    let left = session.run("cd ..");
    assert_eq!((left.var("SILO_PROFILE"), left.var("MODE")), (Some("dev"), None));
}

fn a_profile_does_not_follow_into_another_project(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, other] = free_ports();
    let with_profile = |port| toml_with_ports(&[("WEB_PORT", port)]) + "[profiles.dev]\nurls.MODE = \"dev\"\n";
    let one = sandbox.trusted("one", &with_profile(web));
    let two = sandbox.trusted("two", &with_profile(other));
    sandbox.run(&one, ["env", "--profile", "dev"]).success();
    let mut session = Session::start(&sandbox, shell, "");
    let inside = session.run("cd one");
    inside.assert_active(&sandbox, &one);
    assert_eq!((inside.var("SILO_PROFILE"), inside.var("MODE")), (Some("dev"), Some("dev")));
    let swapped = session.run("cd ../two");
    swapped.assert_active(&sandbox, &two);
    assert_eq!((swapped.var("SILO_PROFILE"), swapped.var("MODE")), (None, None));
}

fn odd_folder_names_are_taken_as_they_are(shell: Shell) {
    let sandbox = Sandbox::new();
    for name in [r"it's $(odd) \ dir", " two  spaces\nand a line ", "-[a]*?~!#é\t\"`x`;&|", "a X=1 b", "end\n"] {
        // The `cd` of nushell takes a last newline away.
        if shell == Shell::NU && name.ends_with('\n') {
            continue;
        }
        let [web] = free_ports();
        let dir = sandbox.trusted(name, &toml_with_ports(&[("WEB_PORT", web)]));
        let env = [("ODD", dir.as_os_str())];
        let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
        let outside = session.run(":");
        let inside = session.run(&shell.cd_to("ODD"));
        inside.assert_active(&sandbox, &dir);
        assert_eq!(inside.told.lines().count(), 1, "{:?}", inside.told);
        assert_eq!(session.run(":").told, "");
        assert_eq!(session.run("cd ..").environment(), outside.environment());
    }
}

fn nothing_is_said_where_nothing_changes(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    std::fs::create_dir_all(sandbox.dir("plain/deep")).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, "");
    // Elvish reports a program that failed.
    let failing = if shell == Shell::ELVISH { ":".to_owned() } else { shell.call("false") };
    for line in [":", "cd plain", "cd deep", "cd /", &failing] {
        assert_eq!(session.run(line).told, "", "{line}");
    }
    session.run(&format!("cd {}", app.display())).assert_active(&sandbox, &app);
    for line in [":", "cd .", &failing, "touch other", ":"] {
        assert_eq!(session.run(line).told, "", "{line}");
    }
}

fn silo_log_off_silences_every_line(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web, other] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.project("stranger", &toml_with_ports(&[("WEB_PORT", other)]));
    let env = [("SILO_LOG", OsStr::new("off"))];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let inside = session.run("cd app");
    assert_eq!(inside.var("WEB_PORT"), Some(web.to_string().as_str()));
    sandbox.project(&app, "broken");
    let broken = session.run(":");
    assert_eq!(broken.var("WEB_PORT"), Some(web.to_string().as_str()));
    let left = session.run("cd ../stranger");
    assert_eq!(left.var("WEB_PORT"), None);
    sandbox.project(&app, &toml_with_ports(&[("WEB_PORT", other)]));
    let changed = session.run("cd ../app");
    for seen in [inside, broken, left, changed] {
        assert_eq!(seen.told, "");
    }
}
