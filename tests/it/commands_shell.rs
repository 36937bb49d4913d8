//! `silo shell`: `$SHELL` inside the instance, on a terminal and with its input from a pipe.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

each_shell!(a_shell_on_a_terminal_reads_its_users_start_file_and_then_loads_the_hook);

fn a_shell_on_a_terminal_reads_its_users_start_file_and_then_loads_the_hook(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let program = shell.program();
    let env = [("SHELL", program.as_os_str())];
    let mut session = Session::with(&sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let outside = session.run(":");
    // The user's own file has all but the hook. Without it there is no `dump`.
    let (ours, theirs) = shell.start_files(&sandbox, session.zdotdir());
    let text = fs::read_to_string(ours).expect("the session wrote it");
    assert!(text.contains(&shell.load()), "{text}");
    fs::create_dir_all(theirs.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(theirs, text.replace(&shell.load(), "")).expect("the sandbox is writable");
    if shell == Shell::NU {
        fs::remove_dir_all(sandbox.path("data/nushell/vendor")).expect("the session wrote the hook there");
    }

    let inside = session.run(&shell.call("silo shell app"));
    inside.assert_active(&sandbox, &app);
    assert!(inside.told.contains(&format!("silo: {} · WEB_PORT={web}\n", sandbox.instance(&app))), "{inside:?}");
    let left = session.run("cd ..");
    assert_eq!(left.told, format!("silo: left {}\n", sandbox.instance(&app)));
    assert_eq!((left.silo_names(), left.var("WEB_PORT")), (vec!["__SILO_CONSENT".to_owned()], None));
    assert_eq!(left.var("HOME"), outside.var("HOME"));
    session.run("cd app").assert_active(&sandbox, &app);
    session.run("exit").assert_inactive();
}

/// What a shell answers to a script on its input.
#[track_caller]
fn piped(sandbox: &Sandbox, shell: &str, args: &[&str], script: &str) -> (Option<i32>, String, String) {
    let mut silo = sandbox.command(SILO, "");
    silo.arg("shell").args(args).env("SHELL", shell);
    silo.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = silo.spawn().expect("silo starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(script.as_bytes()).expect("it reads");
    drop(input);
    let output = child.wait_with_output().expect("it ends");
    (output.status.code(), sandbox.redact(&output.stdout), sandbox.redact(&output.stderr))
}

#[test]
fn a_script_on_the_input_runs_inside_the_instance_in_every_shell() {
    let known = silo::core::shell::ALL.map(Shell::of);
    let known = known.map(|shell| (shell.program().display().to_string(), shell.script()));
    let sh = ("sh".to_owned(), Shell::BASH.script());
    for (shell, script) in known.into_iter().chain([sh]) {
        let sandbox = Sandbox::new();
        let [web] = free_ports();
        let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
        sandbox.run(&app, ["env", "dev"]).success();
        let (code, stdout, stderr) = piped(&sandbox, &shell, &["app"], script);
        assert_eq!(stdout, format!("dev {web}\n$SANDBOX/projects/app\n"), "{shell}: {stderr}");
        assert_eq!(code, Some(7), "{shell}");
        // Elvish shows a prompt even there.
        assert_eq!(stderr.trim_end_matches("$SANDBOX/projects/app> "), "", "{shell}");
    }
}

#[test]
fn a_shell_is_consent_for_itself_and_trusts_nothing() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let (code, stdout, _) = piped(&sandbox, "sh", &["app"], "silo require && echo inside\n");
    assert_eq!((code, stdout.as_str()), (Some(0), "inside\n"));
    assert!(sandbox.run(&app, ["status", "--json"]).success().stdout.contains(r#""trust": "unknown""#));
    assert_eq!(fs::read_dir(sandbox.path("home")).expect("it is there").count(), 0, "no start file is written");
}

#[test]
fn without_shell_there_is_sh_and_a_shell_that_is_missing_is_named() {
    let sandbox = Sandbox::new();
    sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let (code, stdout, stderr) = piped(&sandbox, "", &["app"], "echo $SILO_ACTIVE\n");
    assert_eq!((code, stdout.as_str()), (Some(0), "1\n"), "{stderr}");
    let mut silo = sandbox.command(SILO, "app");
    silo.arg("shell").env("SHELL", "/no/such/shell");
    sandbox.finish(silo).exit(127).stdout("").stderr_has("`/no/such/shell` was not found");
}

#[test]
fn a_folder_that_is_no_project_has_no_shell() {
    let sandbox = Sandbox::new();
    sandbox.run("", ["shell"]).exit(1).stderr_has("No `silo.toml` in");
    sandbox.run("", ["shell", "nowhere"]).exit(1).stderr_has("nowhere");
}

#[test]
fn silo_is_found_inside_even_where_it_was_called_by_its_path() {
    let sandbox = Sandbox::new();
    sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let mut silo = sandbox.command(SILO, "app");
    silo.arg("shell").env("SHELL", "sh").env("PATH", "/usr/bin:/bin").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = silo.spawn().expect("silo starts");
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(b"silo require && echo found\n").expect("it reads");
    drop(input);
    assert_eq!(child.wait_with_output().expect("it ends").stdout, b"found\n");
}
