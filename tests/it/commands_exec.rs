//! `silo exec` and `silo require`: inside the instance, without a shell hook.

use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::Stdio;

use crate::machine::run_with;
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

fn settled(sandbox: &Sandbox, name: &str, port: u16) -> PathBuf {
    let app = sandbox.project(name, &toml_with_ports(&[("WEB_PORT", port)]));
    sandbox.run(&app, ["env", name]).success();
    app
}

#[test]
fn exec_hands_on_every_argument_as_it_is() {
    let sandbox = Sandbox::new();
    let app = settled(&sandbox, "app", 0);
    let words = ["-x", "--help", "", "a b", "it's", "$HOME", "*", "\n", "--"];
    let printed = format!("<{}>", words.join("><"));
    for prefix in [&["exec", "printf", "<%s>"][..], &["exec", "--", "printf", "<%s>"]] {
        sandbox.run(&app, prefix.iter().chain(&words)).success().stdout(&printed).stderr("");
    }
}

#[test]
fn exec_sets_the_whole_instance() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = settled(&sandbox, "app", web);
    let script = r#"echo "$SILO_ACTIVE $SILO_WORKSPACE $SILO_ENV_FILE $SILO_ROOT $WEB_PORT $TILT_HOST $APP_HOST""#;
    let expected =
        format!("1 app $SANDBOX/projects/app/.localnet.env $SANDBOX/projects/app {web} localhost app.localhost\n");
    sandbox.run(&app, ["exec", "sh", "-c", script]).success().stdout(&expected);
    sandbox.run("", ["exec", "-C", "app", "--", "sh", "-c", script]).success().stdout(&expected);
    std::fs::create_dir(app.join("deep")).expect("the project is writable");
    sandbox.run(app.join("deep"), ["exec", "pwd"]).success().stdout("$SANDBOX/projects/app/deep\n");
    sandbox.run("", ["exec", "-C", "app/deep", "pwd"]).success().stdout("$SANDBOX/projects/app/deep\n");
}

#[test]
fn exec_settles_an_instance_on_the_first_use() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let ran = sandbox.run(&app, ["exec", "sh", "-c", "echo $A"]).success();
    ran.stderr("Writing `.localnet.env`\nWriting `.silo.lock`\n")
        .stdout(&format!("{}\n", sandbox.lockfile_ports(&app)["A"]));
}

#[test]
fn exec_ends_as_its_command_ends() {
    let sandbox = Sandbox::new();
    let app = settled(&sandbox, "app", 0);
    for code in [0, 1, 3, 77, 255] {
        sandbox.run(&app, ["exec", "sh", "-c", &format!("exit {code}")]).exit(code).stderr("");
    }
    let mut killed = sandbox.command(SILO, &app);
    killed.args(["exec", "sh", "-c", "kill -TERM $$"]).stdout(Stdio::null());
    assert_eq!(killed.status().expect("it starts").signal(), Some(15));
}

#[test]
fn a_command_that_cannot_run_gives_the_codes_of_shells() {
    let sandbox = Sandbox::new();
    let app = settled(&sandbox, "app", 0);
    sandbox.run(&app, ["exec", "no-such-program"]).exit(127).stdout("").stderr(
        "Error: `no-such-program` was not found\n\
         Hint: Install it, or check PATH: `command -v no-such-program`\n",
    );
    let folder = app.to_str().expect("it is UTF-8");
    sandbox.run(&app, ["exec", folder]).exit(126).stdout("").stderr_has("Cannot run `$SANDBOX/projects/app`");
    std::fs::write(app.join("script"), "#!/no/such/interpreter\n").expect("the project is writable");
    sandbox.run(&app, ["exec", "./script"]).exit(126).stdout("").stderr_has("Cannot run `./script`");
}

#[test]
fn a_whole_line_in_quotes_is_told_how_a_shell_runs_it() {
    let sandbox = Sandbox::new();
    let app = settled(&sandbox, "app", 0);
    let ran = sandbox.run(&app, ["exec", "printenv WORKSPACE_NAME && echo done"]).exit(127).stdout("");
    ran.stderr(
        "Error: `printenv WORKSPACE_NAME && echo done` was not found\n\
         Hint: A line for a shell: `silo exec -- sh -c 'printenv WORKSPACE_NAME && echo done'`\n",
    );
    // With words behind it, it is a program's name with a space in it.
    sandbox.run(&app, ["exec", "no such", "x"]).exit(127).stderr_has("`command -v 'no such'`");
}

#[test]
fn exec_leaves_no_signal_ignored() {
    let sandbox = Sandbox::new();
    let app = settled(&sandbox, "app", 0);
    // With SIGPIPE ignored, `yes` complains of a broken pipe.
    sandbox.run(&app, ["exec", "sh", "-c", "yes | head -n 1"]).success().stdout("y\n").stderr("");
    let mut ours = sandbox.command("sh", &app);
    ours.args(["-c", "grep Sig /proc/self/status | grep -v SigQ"]);
    let ours = sandbox.finish(ours);
    sandbox.run(&app, ["exec", "grep", "-E", "Sig(Pnd|Blk|Ign|Cgt)", "/proc/self/status"]).stdout(&ours.stdout);
}

#[test]
fn a_standard_file_that_is_closed_is_no_file_of_silos() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    let with = |line: &str| {
        let mut sh = sandbox.command("sh", &app);
        sh.args(["-c", line]);
        sandbox.finish(sh).success()
    };
    with("silo env x <&- >&- 2>&-");
    let lockfile = std::fs::read_to_string(app.join(".silo.lock")).expect("it was written");
    assert!(lockfile.starts_with('{') && lockfile.ends_with("}\n"), "{lockfile}");
    with("silo exec sh -c 'test -e /proc/self/fd/0 && echo told' >told <&-");
    assert_eq!(std::fs::read_to_string(app.join("told")).expect("it was written"), "told\n");
    // Nobody reads: a failure with a code, not an end by a signal.
    with("{ silo doc; echo $? >&3; } 3>code | :; test $(cat code) -lt 128");
}

#[test]
fn exec_leaves_another_instance_before_it_enters() {
    let sandbox = Sandbox::new();
    let [web, own] = free_ports();
    let one =
        sandbox.project("one", &format!("version = 1\n[ports]\nWEB_PORT = {web}\nONE_PORT = {own}\n[profiles.p]\n"));
    sandbox.run(&one, ["env", "one", "-p", "p"]).success();
    let two = sandbox.project("two", "version = 1\n[ports]\nWEB_PORT = 0\n[profiles.p]\n");
    sandbox.run(&two, ["env", "two"]).success();
    let script = "echo $SILO_WORKSPACE ${ONE_PORT-unset} ${SILO_PROFILE-unset} $WEB_PORT $BEFORE";
    let nested = ["exec", "silo", "exec", "-C", "../two", "sh", "-c", script];
    let got = sandbox.lockfile_ports(&two)["WEB_PORT"];
    let before = [("BEFORE", "kept"), ("WEB_PORT", "mine")];
    run_with(&sandbox, &one, &before, nested).success().stdout(&format!("two unset unset {got} kept\n")).stderr("");
    let left = "eval \"$(cd ..; silo export bash 2>/dev/null)\"; echo ${SILO_WORKSPACE-unset} $WEB_PORT";
    let nested = ["exec", "silo", "exec", "-C", "../two", "bash", "-c", left];
    run_with(&sandbox, &one, &before, nested).success().stdout("unset mine\n");
}

#[test]
fn require_succeeds_only_inside_this_projects_instance() {
    let sandbox = Sandbox::new();
    let (one, _two) = (settled(&sandbox, "one", 0), settled(&sandbox, "two", 0));
    sandbox.run("", ["require"]).exit(4).stdout("").stderr_has("No `silo.toml` in");
    sandbox.run(&one, ["require"]).exit(4).stdout("").stderr(
        "Error: Not inside an active instance\n\
         Hint: Run `silo exec -- COMMAND`, or `silo shell`, or load the shell hook: `silo hook --help`\n",
    );
    sandbox.run(&one, ["exec", "silo", "require"]).success().stdout("").stderr("");
    sandbox.run(&one, ["exec", "silo", "-C", "../two", "require"]).exit(4).stdout("").stderr(
        "Error: The active instance belongs to `$SANDBOX/projects/one`\n\
         Hint: Run `silo exec -- COMMAND` here\n",
    );
}

#[test]
fn forged_variables_are_no_instance() {
    let sandbox = Sandbox::new();
    let one = settled(&sandbox, "one", 0);
    run_with(&sandbox, &one, &[("SILO_ACTIVE", "1")], ["require"]).exit(4);
    run_with(&sandbox, &one, &[("SILO_ACTIVE", "yes"), ("SILO_ROOT", "/")], ["require"]).exit(4);
    for undo in ["", "1", "1;", "1;/x;PATH=%", "2;/x", "1;/x;A B=1", "1;%00;A=1", "\u{1b}"] {
        let ran = run_with(&sandbox, &one, &[("__SILO_UNDO", undo)], ["exec", "sh", "-c", "echo $SILO_WORKSPACE"]);
        ran.success().stdout("one\n").stderr("");
    }
}

#[test]
fn an_export_that_a_script_evaluates_is_quiet_when_all_is_well() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    for format in ["bash", "zsh", "fish", "json"] {
        let inside = sandbox.run(&app, ["export", format]).success().stderr("");
        assert!(inside.stdout.contains(&format!("{web}")), "{inside:#?}");
    }
    let script =
        r#"eval "$(silo export bash)"; echo "$WEB_PORT"; cd ..; eval "$(silo export bash)"; echo "[${WEB_PORT-}]""#;
    let mut bash = sandbox.command("bash", &app);
    bash.args(["-euc", script]);
    sandbox.finish(bash).success().stdout(&format!("{web}\n[]\n")).stderr("");
    sandbox.run(&app, ["deny"]).success();
    sandbox.run(&app, ["export", "bash"]).success().stderr_has("is denied; `silo allow` trusts it\n");
}
