//! `silo hook --install` in real shells: what it writes is what a new shell loads.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use crate::machine::written;
use crate::pty::{Session, Setup, Shell, first_shells, installed_shells};
use crate::sandbox::{Ran, SILO, Sandbox, free_ports, program_from, toml_with_ports};

first_shells!(silo_is_called_by_name_where_a_login_shell_finds_it, a_line_written_by_hand_is_left_as_it_is);

installed_shells!(a_new_shell_is_active_on_cd_until_the_line_is_taken_out, a_silo_in_any_folder_is_called_as_it_is,);

/// Writes a start file, which reads the session's own configuration first.
fn write_start_file(sandbox: &Sandbox, shell: Shell, text: &str) -> PathBuf {
    let file = sandbox.path(shell.start_file());
    fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(&file, format!("{}\n{text}", shell.reads_session())).expect("the sandbox is writable");
    file
}

/// Runs `silo hook SHELL …`.
pub(crate) fn hook(sandbox: &Sandbox, shell: Shell, args: &[&str]) -> Ran {
    sandbox.run("", [&["hook", shell.name()], args].concat())
}

/// What a new shell of the user's has after `cd app`, told by its variable.
#[track_caller]
fn web_port(sandbox: &Sandbox, shell: Shell) -> Option<String> {
    let setup = Setup { own_start_file: true, ..Setup::default() };
    let mut session = Session::with(sandbox, shell, "", &setup);
    session.run(":").assert_inactive();
    session.run("cd app").var("WEB_PORT").map(ToOwned::to_owned)
}

/// A project, and the port it declares.
fn project(sandbox: &Sandbox) -> String {
    let [web] = free_ports();
    sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    web.to_string()
}

/// The line that loads the hook with this word for silo.
fn line(shell: Shell, silo: &str) -> String {
    shell.load().replacen("silo", silo, 1)
}

fn a_new_shell_is_active_on_cd_until_the_line_is_taken_out(shell: Shell) {
    let sandbox = Sandbox::new();
    let port = project(&sandbox);
    let file = write_start_file(&sandbox, shell, "true # no line end");
    let before = fs::read(&file).expect("it was just written");
    assert_eq!(web_port(&sandbox, shell), None);

    let ran = hook(&sandbox, shell, &["--install", "--yes"]).success();
    let added: Vec<&str> = ran.stdout.lines().filter_map(|line| line.strip_prefix("+")).collect();
    assert_eq!(added[3], line(shell, shell.quoted_silo()), "{}", ran.stdout);
    ran.stderr_has(&format!("undo: `silo hook {} --uninstall`", shell.name()));
    assert_eq!(web_port(&sandbox, shell).as_ref(), Some(&port));

    let there = written(std::slice::from_ref(&file));
    hook(&sandbox, shell, &["--install"]).success().stderr("");
    assert_eq!(written(std::slice::from_ref(&file)), there, "the second time nothing is written");

    hook(&sandbox, shell, &["--uninstall", "--yes"]).success();
    assert_eq!(fs::read(&file).expect("it is there"), before);
    assert_eq!(web_port(&sandbox, shell), None);
}

fn silo_is_called_by_name_where_a_login_shell_finds_it(shell: Shell) {
    let sandbox = Sandbox::new();
    let port = project(&sandbox);
    let bin = sandbox.path("bin");
    let file = write_start_file(&sandbox, shell, "");
    let (login, text) = shell.login_file(&bin).expect("its login shell is asked");
    let login = sandbox.path(login);
    fs::create_dir_all(login.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(login, text).expect("the sandbox is writable");
    hook(&sandbox, shell, &["--install", "--yes"]).success();
    let text = fs::read_to_string(&file).expect("it is text");
    assert!(text.contains(&format!("\n{}\n", line(shell, "silo"))), "{text}");
    assert_eq!(web_port(&sandbox, shell).as_ref(), Some(&port));

    // Another program of that name does not count.
    fs::remove_file(bin.join("silo")).expect("it is there");
    program_from(&bin.join("silo"), File::open("/bin/true").expect("every machine has it"));
    let ran = hook(&sandbox, shell, &["--install", "--yes"]).success();
    assert!(ran.stdout.contains(&format!("-{}\n+{}\n", line(shell, "silo"), line(shell, "'$SILO'"))), "{}", ran.stdout);
    assert_eq!(web_port(&sandbox, shell).as_ref(), Some(&port));
}

fn a_silo_in_any_folder_is_called_as_it_is(shell: Shell) {
    let sandbox = Sandbox::new();
    let port = project(&sandbox);
    write_start_file(&sandbox, shell, "");
    let folder = sandbox.path("bin").join(r#"it's \ $(odd) "dir" `x`; & ünd"#);
    fs::create_dir(&folder).expect("the sandbox is writable");
    let odd = folder.join("silo");
    std::os::unix::fs::symlink(SILO, &odd).expect("the sandbox is writable");
    let mut silo = sandbox.command(&odd, "");
    silo.args(["hook", shell.name(), "--install", "--yes"]);
    sandbox.finish(silo).success();
    fs::remove_file(sandbox.path("bin/silo")).expect("it is there");
    assert_eq!(web_port(&sandbox, shell).as_ref(), Some(&port));
}

fn a_line_written_by_hand_is_left_as_it_is(shell: Shell) {
    let sandbox = Sandbox::new();
    let file = write_start_file(&sandbox, shell, &format!("  true && {} # mine\n", shell.load()));
    let before = written(std::slice::from_ref(&file));
    let ran = hook(&sandbox, shell, &["--install"]).success().stderr("");
    assert!(
        ran.stdout.starts_with("Line 2 of `") && ran.stdout.ends_with("loads the hook already\n"),
        "{}",
        ran.stdout
    );
    let ran = hook(&sandbox, shell, &["--uninstall"]).success().stderr_has("Line 2 of `");
    assert!(ran.stdout.starts_with("Nothing to take out"), "{}", ran.stdout);
    assert_eq!(written(std::slice::from_ref(&file)), before);
}

#[test]
fn the_shell_is_that_of_the_user_where_none_is_named() {
    let sandbox = Sandbox::new();
    let as_user = |shell: Option<&str>, args: &[&str]| {
        let mut silo = sandbox.command(SILO, "");
        silo.args([&["hook"], args].concat()).envs(shell.map(|shell| ("SHELL", shell)));
        sandbox.finish(silo)
    };
    as_user(Some("/no/such/zsh"), &["--install", "--yes"]).success();
    assert!(sandbox.path("home/.zshrc").is_file(), "a zsh that does not answer is no obstacle");
    as_user(Some("/bin/dash"), &["--install"])
        .exit(2)
        .stderr("Error: No hook for `/bin/dash`\nHint: Name the shell, as in `silo hook bash --install`\n");
    as_user(None, &["--uninstall"])
        .exit(2)
        .stderr("Error: SHELL is not set\nHint: Name the shell, as in `silo hook bash --uninstall`\n");
    as_user(None, &[]).exit(2).stderr_has("<SHELL>");
    as_user(None, &["--yes", "bash"]).exit(2).stderr_has("--install|--uninstall");
}

#[test]
fn without_a_terminal_the_change_is_only_shown() {
    let sandbox = Sandbox::new();
    let ran = hook(&sandbox, Shell::BASH, &["--install"]).exit(2).stderr(
        "Error: Nothing was changed: there is no terminal to ask on\nHint: Run `silo hook bash --install --yes`\n",
    );
    ran.stdout(
        "--- /dev/null\n+++ ~/.bashrc\n@@ -0,0 +1,3 @@\n+# >>> silo hook >>> (there was no file before)\n+eval \"$('$SILO' hook bash)\"\n+# <<< silo hook <<<\n",
    );
    assert!(!sandbox.path("home/.bashrc").exists());
}

#[test]
fn on_a_terminal_it_asks_first() {
    let sandbox = Sandbox::new();
    let mut session = Session::start(&sandbox, Shell::BASH, "");
    for (answer, status, is_there) in [("n", "1", false), ("", "1", false), ("y", "0", true)] {
        let seen = session.run(&format!("silo hook bash --install\n{answer}"));
        assert!(seen.told.contains("+# >>> silo hook >>>") && seen.told.contains("Go on? [y/N] "), "{}", seen.told);
        assert_eq!((seen.status.as_str(), sandbox.path("home/.bashrc").is_file()), (status, is_there), "{answer:?}");
    }
}

#[test]
fn zsh_itself_says_where_its_start_file_lies() {
    let sandbox = Sandbox::new();
    let lies_in = |env: &[(&str, &OsStr)], expected: &Path| {
        let mut silo = sandbox.command(SILO, "");
        silo.args(["hook", "zsh", "--install", "--yes"]).envs(env.iter().copied());
        sandbox.finish(silo).success();
        assert!(expected.join(".zshrc").is_file(), "{}", expected.display());
    };
    let (set, told): (OsString, PathBuf) = (sandbox.path("config/set").into(), sandbox.path("config/told"));
    // Not exported, so that only zsh knows.
    fs::write(sandbox.path("home/.zshenv"), format!("ZDOTDIR={}\n", told.display())).expect("the sandbox is writable");
    lies_in(&[], &told);
    lies_in(&[("ZDOTDIR", &set)], Path::new(&set));
    assert!(!sandbox.path("home/.zshrc").exists());
    let mut silo = sandbox.command(SILO, "");
    silo.args(["hook", "zsh", "--install"]).env("ZDOTDIR", "relative");
    sandbox.finish(silo).exit(1).stderr_has("ZDOTDIR is not an absolute path: `relative`\nHint: ");
}

#[test]
fn older_names_count_where_only_they_are_there() {
    let sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("home/.elvish")).expect("the sandbox is writable");
    for (shell, name, line) in [
        (Shell::ELVISH, ".elvish/rc.elv", "eval (\"$SILO\" hook elvish | slurp)"),
        (Shell::TCSH, ".cshrc", "if ($?tcsh) eval \"`$SILO hook tcsh`\""),
    ] {
        let text = shell.reads_session();
        fs::write(sandbox.path("home").join(name), format!("{text}\n")).expect("the sandbox is writable");
        let ran = hook(&sandbox, shell, &["--install", "--yes"]).success();
        assert!(ran.stdout.contains(&format!("+++ ~/{name}\n")) && ran.stdout.contains(line), "{}", ran.stdout);
    }
    let port = project(&sandbox);
    assert_eq!(web_port(&sandbox, Shell::TCSH).as_ref(), Some(&port));
}

#[test]
fn for_nushell_the_steps_are_told() {
    let sandbox = Sandbox::new();
    for word in ["--install", "--uninstall"] {
        let ran = hook(&sandbox, Shell::NU, &[word]).exit(1).stdout("");
        ran.stderr_has(&Shell::NU.load()).stderr_has("`$nu.config-path`").stderr_has("`rm ($nu.data-dir");
    }
}

#[test]
fn a_line_in_a_file_that_the_start_file_reads_counts() {
    let sandbox = Sandbox::new();
    let snippet = sandbox.path("config/fish/conf.d/mine.fish");
    fs::create_dir_all(snippet.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(snippet, "silo hook fish | source\n").expect("the sandbox is writable");
    let ran = hook(&sandbox, Shell::FISH, &["--install"]).success();
    ran.stdout("Line 1 of `$SANDBOX/config/fish/conf.d/mine.fish` loads the hook already\n");
    fs::write(sandbox.path("home/.bash_aliases"), "eval \"$(silo hook bash)\"\n").expect("the sandbox is writable");
    hook(&sandbox, Shell::BASH, &["--install"])
        .success()
        .stdout("Line 1 of `~/.bash_aliases` loads the hook already\n");
}

/// A login shell of bash, as tmux and ssh start it.
#[track_caller]
fn web_port_at_login(sandbox: &Sandbox) -> Option<String> {
    // In place of `--noprofile`.
    let login = ["/bin/sh", "-c", "bash=$1; shift 2; exec \"$bash\" --login \"$@\"", "sh"].map(OsStr::new);
    let setup = Setup { own_start_file: true, wrapper: &login, ..Setup::default() };
    let mut session = Session::with(sandbox, Shell::BASH, "", &setup);
    session.run(":");
    session.run("cd app").var("WEB_PORT").map(ToOwned::to_owned)
}

#[test]
fn login_shells_of_bash_load_the_hook_too() {
    let reads = Shell::BASH.reads_session();
    for (name, text, needs) in [
        (".bash_profile", "PATH=$PATH:/mine\n", true),
        (".bash_profile", "[ -r /etc/bashrc ] && . /etc/bashrc # not ~/.bash_aliases\n", true),
        (".bash_login", "", true),
        (".profile", "# . ~/.bashrc\n", true),
        (".bash_profile", "[ -f ~/.profile ] && . ~/.profile\n", true),
        (".bash_profile", "[[ -f ~/.bashrc ]] && . ~/.bashrc\n", false),
        (".profile", "if [ -n \"$BASH_VERSION\" ]; then\n . \"$HOME/.bashrc\"\nfi\n", false),
    ] {
        let sandbox = Sandbox::new();
        let port = project(&sandbox);
        write_start_file(&sandbox, Shell::BASH, "");
        let login = sandbox.path("home").join(name);
        fs::write(&login, format!("{reads}\n{text}")).expect("HOME is writable");
        let before = written(std::slice::from_ref(&login));
        let ran = hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
        assert_eq!(ran.stderr.contains(&format!("Changed `~/{name}`\n")), needs, "{name} {text}: {}", ran.stderr);
        assert_eq!(web_port(&sandbox, Shell::BASH).as_ref(), Some(&port), "{name} {text}");
        assert_eq!(web_port_at_login(&sandbox).as_ref(), Some(&port), "{name} {text}");
        assert_eq!(written(std::slice::from_ref(&login)) == before, !needs);
        hook(&sandbox, Shell::BASH, &["--install"]).success().stderr("");
        hook(&sandbox, Shell::BASH, &["--uninstall", "--yes"]).success();
        assert_eq!(fs::read_to_string(&login).expect("it is there"), format!("{reads}\n{text}"), "{name}");
        assert_eq!(web_port_at_login(&sandbox), None);
    }
    // By way of another one.
    let sandbox = Sandbox::new();
    let port = project(&sandbox);
    write_start_file(&sandbox, Shell::BASH, "");
    for (name, text) in [(".bash_profile", ". ~/.profile\n"), (".profile", ". ~/.bashrc\n")] {
        fs::write(sandbox.path("home").join(name), text).expect("HOME is writable");
    }
    hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
    assert_eq!(web_port_at_login(&sandbox).as_ref(), Some(&port));
    assert!(!fs::read_to_string(sandbox.path("home/.bash_profile")).expect("it is there").contains("silo"));
}

#[cfg(not(target_os = "macos"))]
#[test]
fn where_login_shells_read_nothing_it_is_said_what_to_type() {
    let sandbox = Sandbox::new();
    let port = project(&sandbox);
    write_start_file(&sandbox, Shell::BASH, "");
    let ran = hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
    let (_, line) = ran.stderr.split_once("do not load it: `").expect("it is said");
    let line = line.strip_suffix("`\n").expect("it comes last");
    assert!(!sandbox.path("home/.bash_profile").exists());
    let silo = |told: &str| {
        let text = format!("{told}; {} doctor; exit", sandbox.path("bin/silo").display());
        let ran = sandbox.command("bash", "").env("SHELL", "/bin/bash").args(["-l", "-c", &text]).output();
        String::from_utf8_lossy(&ran.expect("bash starts").stdout).into_owned()
    };
    let found = silo(":");
    assert!(
        found.contains("[hook-not-in-login-shells]: Login shells of bash do not load")
            && found.contains("echo '. ~/.bashrc' >>"),
        "{found}"
    );
    let found = silo(line);
    assert!(!found.contains("hook-not-in-login-shells"), "{found}");
    assert_eq!(web_port_at_login(&sandbox).as_ref(), Some(&port));
}
