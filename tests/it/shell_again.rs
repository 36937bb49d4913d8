//! A shell that has been where it goes answers itself (D119): silo is asked as soon as anything an answer goes by is another.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::pty::{Observed, Session, Setup, Shell, first_shells};
use crate::sandbox::{SILO, Sandbox, free_ports, program, toml_with_ports};

first_shells!(
    coming_back_asks_nothing_and_says_and_does_the_same,
    going_to_and_fro_between_projects_asks_nothing,
    what_has_changed_outside_is_seen_on_entering,
    what_has_changed_inside_is_seen_on_leaving,
    a_link_that_leads_elsewhere_by_now_is_seen,
    a_folder_of_any_name_is_known_again,
    more_folders_than_a_shell_knows_are_right,
    a_functions_own_variables_are_seen,
    a_value_that_was_there_before_silo_is_seen_to_go,
    a_folder_that_is_moved_under_the_shell_is_seen,
    what_is_exported_by_now_is_seen,
    values_that_read_the_same_together_are_told_apart,
);

/// A shell whose silo writes down that it was asked.
struct Asked {
    session: Session,
    shell: Shell,
    log: PathBuf,
}

impl Asked {
    fn new(sandbox: &Sandbox, shell: Shell) -> Self {
        let (log, asked) = (sandbox.path("asked"), sandbox.path("ask"));
        program(&asked, &format!("#!/bin/sh\necho \"$*\" >>'{}'\nexec '{SILO}' \"$@\"\n", log.display()));
        fs::write(&log, "").expect("the sandbox is writable");
        let set = if shell == Shell::FISH { "set -g __silo_bin " } else { "__silo_bin=" };
        let after = format!("{set}'{}'", asked.display());
        let session = Session::with(sandbox, shell, "", &Setup { after: &after, ..Setup::default() });
        Self { session, shell, log }
    }

    fn run(&mut self, line: &str) -> Observed {
        self.session.run(line)
    }

    /// What a line shows, and how often silo was asked in it.
    fn count(&mut self, line: &str) -> (Observed, usize) {
        fs::write(&self.log, "").expect("the sandbox is writable");
        let seen = self.session.run(line);
        (seen, fs::read_to_string(&self.log).expect("it is there").lines().count())
    }

    /// Goes to each until it knows the way: where it knows too many, it forgets them all at once.
    #[track_caller]
    fn learn(&mut self, ways: &[&str]) {
        for _ in 0..5 {
            if ways.iter().map(|way| self.count(way).1).sum::<usize>() == 0 {
                return;
            }
        }
        panic!("{ways:?} are not known in {}", self.shell.name());
    }
}

/// A project with variables that a shell must quote.
pub(crate) fn project(sandbox: &Sandbox, name: &str) -> PathBuf {
    let [web] = free_ports();
    sandbox.trusted(
        name,
        &(toml_with_ports(&[("WEB_PORT", web)]) + "[env]\nONE = \"it's $HOME; `x` \\\\ \\\"\"\nTWO = \"\"\n"),
    )
}

fn coming_back_asks_nothing_and_says_and_does_the_same(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let mut asked = Asked::new(&sandbox, shell);
    let outside = asked.run(":");
    let first = asked.run("cd app");
    first.assert_active(&sandbox, &app);
    let left = asked.run("cd ..");
    asked.learn(&["cd app", "cd .."]);
    for _ in 0..2 {
        let (again, count) = asked.count("cd app");
        assert_eq!((again.told.as_str(), again.environment(), count), (first.told.as_str(), first.environment(), 0));
        assert_eq!(asked.count(":").1, 0);
        let (out, count) = asked.count("cd ..");
        assert_eq!((out.told.as_str(), out.environment(), count), (left.told.as_str(), outside.environment(), 0));
    }
    // What is known is as good on the way: at once, and told to nobody by a subshell.
    let (and, into) = (shell.and(), shell.redirect());
    let (_, count) = asked.count(&format!("cd app {and} printenv WEB_PORT {into} ../seen; cd .."));
    let port = first.var("WEB_PORT").expect("it is active").to_owned() + "\n";
    assert_eq!((fs::read_to_string(sandbox.dir("seen")).expect("it was written"), count), (port.clone(), 0));
    if shell != Shell::FISH {
        let (seen, count) = asked.count("(cd app && printenv WEB_PORT >../seen); cd .");
        let read = fs::read_to_string(sandbox.dir("seen")).expect("it was written");
        assert_eq!((read, seen.told.as_str(), count), (port, "", 0));
    }
}

fn going_to_and_fro_between_projects_asks_nothing(shell: Shell) {
    let sandbox = Sandbox::new();
    let (one, two) = (project(&sandbox, "one"), project(&sandbox, "two"));
    let mut asked = Asked::new(&sandbox, shell);
    if shell != Shell::FISH {
        // There it is set aside, and silo is asked while anything is.
        asked.run(&shell.export("TWO", "before"));
    }
    let outside = asked.run(":");
    asked.run("cd one");
    asked.learn(&["cd ../two", "cd ../one"]);
    for (dir, root) in [("../two", &two), ("../one", &one)] {
        let (seen, count) = asked.count(&format!("cd {dir}"));
        seen.assert_active(&sandbox, root);
        assert_eq!((seen.var("TWO"), count), (Some(""), 0));
        assert!(seen.told.starts_with(&format!("silo: {} · WEB_PORT=", sandbox.instance(root))), "{}", seen.told);
    }
    assert_eq!(asked.run("cd ..").environment(), outside.environment());
}

/// A command, and whether an instance is there after it.
fn changes(shell: Shell) -> Vec<(String, bool)> {
    let change = |line: &str| (line.to_owned(), true);
    vec![
        change("touch app/silo.toml"),
        change("touch -d 2001-01-01 app/silo.toml"),
        change("rm app/.silo.lock"),
        change("echo >>app/.silo.lock"),
        change("cp -p app/.silo.lock kept; touch -d 2001-01-01 kept; mv kept app/.silo.lock"),
        change("rm app/.localnet.env"),
        change("rm -r $XDG_STATE_HOME/silo/instances/*/lockfile-time"),
        (shell.quiet("sh -c 'cd app && exec silo deny'"), false),
        (shell.quiet("sh -c 'cd app && exec silo env other --rename'"), true),
        (shell.quiet("sh -c 'cd app && exec silo down --clean'"), true),
        (shell.export("WEB_PORT", "mine"), true),
        (shell.edit_path().to_owned(), true),
        (shell.export("SILO_LOG", "off"), true),
        ("echo >>app/silo.toml".to_owned(), false),
    ]
}

fn what_has_changed_outside_is_seen_on_entering(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let mut asked = Asked::new(&sandbox, shell);
    for (line, is_active) in changes(shell) {
        asked.learn(&["cd app", "cd .."]);
        let before = asked.run(&line);
        let (seen, count) = asked.count("cd app");
        assert_ne!(count, 0, "{line}: {seen:?}");
        if is_active {
            seen.assert_active(&sandbox, &app);
        } else {
            seen.assert_inactive();
        }
        assert_eq!(asked.run("cd ..").environment(), before.environment(), "{line}");
        asked.run(&shell.unset("WEB_PORT"));
        asked.run(&shell.unset("SILO_LOG"));
        asked.run(&shell.quiet("silo allow app"));
    }
    // A variable that no environment shows.
    asked.learn(&["cd app", "cd .."]);
    asked.run(if shell == Shell::FISH { "set -g WEB_PORT mine" } else { "WEB_PORT=mine" });
    asked.run("cd app").assert_active(&sandbox, &app);
    let (and, into) = (shell.and(), shell.redirect());
    asked.run(&format!("cd .. {and} echo $WEB_PORT {into} seen"));
    assert_eq!(fs::read_to_string(sandbox.dir("seen")).expect("it was written"), "mine\n");
    assert_eq!(asked.run(":").var("WEB_PORT"), None);
    asked.run(&shell.unset("WEB_PORT"));
    // What silo says more than once is said each time.
    asked.learn(&["cd app", "cd .."]);
    asked.run(&shell.export("SILO_PROFILE", "none"));
    for _ in 0..3 {
        let (seen, count) = asked.count("cd app");
        assert!(count == 1 && seen.told.contains("SILO_PROFILE=none is not this instance's profile"), "{seen:?}");
        asked.run("cd ..");
    }
}

fn what_has_changed_inside_is_seen_on_leaving(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let mut asked = Asked::new(&sandbox, shell);
    let outside = asked.run(":");
    let hide = if shell == Shell::FISH { "set -gu ONE $ONE" } else { "typeset +x ONE" };
    for (line, name, left) in [
        (shell.export("ONE", "mine"), "ONE", Some("mine")),
        (shell.export("TWO", " "), "TWO", Some(" ")),
        (shell.unset("ONE"), "ONE", None),
        (hide.to_owned(), "ONE", None),
        (shell.edit_path().to_owned(), "ONE", None),
    ] {
        let mut expected = outside.environment();
        asked.learn(&["cd app", "cd .."]);
        asked.run("cd app").assert_active(&sandbox, &app);
        let inside = asked.run(&line);
        let (seen, count) = asked.count("cd ..");
        assert_ne!(count, 0, "{line}: {seen:?}");
        assert_eq!(seen.var(name), left, "{line}");
        if let Some(left) = left {
            expected.insert(name.into(), left.into());
        }
        expected.insert("PATH".into(), inside.environment()[OsStr::new("PATH")].clone());
        assert_eq!(seen.environment(), expected, "{line}");
        asked.run(&shell.unset(name));
    }
}

fn a_link_that_leads_elsewhere_by_now_is_seen(shell: Shell) {
    let sandbox = Sandbox::new();
    let one = project(&sandbox, "one");
    let copied = std::process::Command::new("cp").arg("-a").arg(&one).arg(sandbox.dir("two")).status();
    assert!(copied.expect("cp starts").success());
    let two = sandbox.dir("two");
    sandbox.run("two", ["allow"]).success();
    let link = |target: &Path| {
        let _absent = fs::remove_file(sandbox.dir("now"));
        symlink(target, sandbox.dir("now")).expect("the sandbox is writable");
    };
    link(&one);
    let mut asked = Asked::new(&sandbox, shell);
    asked.learn(&["cd two", "cd ..", "cd now", "cd .."]);
    link(&two);
    asked.run("cd now").assert_active(&sandbox, &two);
    asked.run("cd ..");
    link(&one);
    asked.run("cd now").assert_active(&sandbox, &one);
}

fn a_folder_of_any_name_is_known_again(shell: Shell) {
    let sandbox = Sandbox::new();
    let names = [
        "a]b[$(touch evil)",
        "q'\"`touch evil`",
        "(e)${x}*?",
        "#~!",
        "back\\slash\\",
        "-n",
        "é\u{1f9ea} two",
        "new\nline",
    ];
    let roots: Vec<_> = names.iter().map(|name| project(&sandbox, name)).collect();
    let mut asked = Asked::new(&sandbox, shell);
    for (at, root) in roots.iter().enumerate() {
        // A newline is no line that is typed.
        asked.run(&shell.export("TO", ""));
        fs::write(sandbox.path("to"), root.as_os_str().as_encoded_bytes()).expect("the sandbox is writable");
        let read = match shell.name() {
            "fish" => "set -gx TO (cat $HOME/../to | string collect)",
            _ => "export TO=\"$(cat \"$HOME/../to\")\"",
        };
        asked.run(read);
        let back = format!("cd {}", sandbox.dir("").display());
        asked.learn(&[&shell.cd_to("TO"), &back]);
        let (seen, count) = asked.count(&shell.cd_to("TO"));
        seen.assert_active(&sandbox, root);
        assert_eq!(count, 0, "{}", names[at]);
        asked.run(&back).assert_inactive();
        assert!(!sandbox.dir("evil").exists() && !root.join("evil").exists());
    }
}

fn more_folders_than_a_shell_knows_are_right(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    for number in 0..30 {
        fs::create_dir_all(app.join(format!("d{number}"))).expect("the project is writable");
    }
    let mut asked = Asked::new(&sandbox, shell);
    let outside = asked.run(":");
    for number in (0..30).chain(0..30) {
        asked.run(&format!("cd app/d{number}")).assert_active(&sandbox, &app);
        assert_eq!(asked.run("cd ../..").environment(), outside.environment());
    }
    asked.learn(&["cd app/d3", "cd ../.."]);
}

fn a_functions_own_variables_are_seen(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let mut asked = Asked::new(&sandbox, shell);
    let outside = asked.run(":");
    asked.learn(&["cd app", "cd .."]);
    let functions = match shell.name() {
        "fish" => ["set -l ONE mine", "set -lx ONE mine", "set -lx TWO", "set -lx HOME /nowhere"],
        _ => ["local ONE=mine WEB_PORT=mine", "local -x ONE=mine", "local TWO", "local -x HOME=/nowhere"],
    };
    // A function without any is no reason to ask.
    let define = match shell.name() {
        "fish" => "function goes; cd $argv[1]; end",
        _ => "goes() { cd \"$1\"; }",
    };
    asked.run(define);
    asked.learn(&["goes app", "goes .."]);
    asked.run("goes app");
    asked.run(":").assert_active(&sandbox, &app);
    asked.run("goes ..");
    for own in functions {
        let define = match shell.name() {
            "fish" => format!("function go; {own}; cd $argv[1]; end"),
            _ => format!("go() {{ {own}; cd \"$1\"; }}"),
        };
        asked.run(&define);
        for _ in 0..3 {
            let seen = asked.run("go app");
            assert_ne!(seen.var("WEB_PORT"), Some("mine"), "{own}");
            asked.run(":").assert_active(&sandbox, &app);
            asked.run("go ..");
            assert_eq!(asked.run(":").environment(), outside.environment(), "{own}");
        }
    }
}

/// zsh ends, at its next line, where it cannot write its own error, and bash where nobody reads its pipe.
#[test]
fn a_script_goes_on_where_nothing_can_be_said() {
    for shell in ["bash", "zsh"] {
        let sandbox = Sandbox::new();
        let app = project(&sandbox, "app");
        let load = format!("eval \"$(silo hook {shell})\"\nfor _ in 1 2 3; do cd app; cd ..; done 2>/dev/null\n");
        let lines = ["2>&-", "2>/dev/full", "2> >(exit)"]
            .map(|to| format!("cd app {to}\necho $SILO_ROOT\ncd .. 2>/dev/null\n"));
        fs::write(sandbox.path("script"), load + &lines.concat()).expect("the sandbox is writable");
        let ran = sandbox.command(shell, "").arg(sandbox.path("script")).output().expect("it starts");
        assert_eq!(String::from_utf8_lossy(&ran.stdout), format!("{}\n", app.display()).repeat(3), "{ran:?}");
    }
}

fn a_value_that_was_there_before_silo_is_seen_to_go(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let mut asked = Asked::new(&sandbox, shell);
    asked.run(&shell.export("TWO", ""));
    for _ in 0..3 {
        asked.run("cd app").assert_active(&sandbox, &app);
        assert_eq!(asked.run("cd ..").var("TWO"), Some(""));
    }
    asked.run(&shell.unset("TWO"));
    assert_eq!(asked.run("cd app").var("TWO"), Some(""));
    assert_eq!(asked.run("cd ..").var("TWO"), None);
}

fn a_folder_that_is_moved_under_the_shell_is_seen(shell: Shell) {
    let sandbox = Sandbox::new();
    fs::create_dir_all(project(&sandbox, "app").join("src")).expect("the project is writable");
    let mut asked = Asked::new(&sandbox, shell);
    asked.learn(&["cd app/src", "cd ../.."]);
    asked.run("cd app/src");
    let seen = asked.run("mv ../../app ../../moved");
    assert!(seen.told.contains("moved/silo.toml is not trusted"), "{seen:?}");
    seen.assert_inactive();
    // What silo said of that folder is no answer for this one.
    asked.run(&format!("cd {}", sandbox.dir("").display()));
    asked.run("mv moved app");
    asked.run("cd app/src");
    asked.run("cd ../..").assert_inactive();
}

fn what_is_exported_by_now_is_seen(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = project(&sandbox, "app");
    let mut asked = Asked::new(&sandbox, shell);
    asked.run(if shell == Shell::FISH { "set -g SILO_PROFILE none" } else { "SILO_PROFILE=none" });
    asked.learn(&["cd app", "cd .."]);
    asked.run(&shell.export("SILO_PROFILE", "none"));
    let seen = asked.run("cd app");
    seen.assert_active(&sandbox, &app);
    assert!(seen.told.contains("SILO_PROFILE=none is not this instance's profile"), "{seen:?}");
}

fn values_that_read_the_same_together_are_told_apart(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    sandbox.trusted("app", &(toml_with_ports(&[("WEB_PORT", web)]) + "[env]\nONE = \"a b\"\nTWO = \"c\"\n"));
    let mut asked = Asked::new(&sandbox, shell);
    asked.learn(&["cd app", "cd .."]);
    asked.run("cd app");
    asked.run(&shell.export("ONE", "a"));
    asked.run(&shell.export("TWO", "b c"));
    let left = asked.run("cd ..");
    assert_eq!((left.var("ONE"), left.var("TWO")), (Some("a"), Some("b c")));
}
