//! `silo allow`, `silo deny`, and what `silo export` says to programs about a file nobody trusts (D6).

use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

#[test]
fn allow_shows_what_changed_since_the_last_time() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 1001\nB = 1002\nC = 1003\n");
    let allowed = "Allowed `$SANDBOX/projects/app/silo.toml`\n";
    sandbox.run(&app, ["allow"]).success().stdout("").stderr(allowed);
    sandbox.run(&app, ["trust"]).success().stdout("").stderr("Allowed already: `$SANDBOX/projects/app/silo.toml`\n");
    sandbox.project("app", "version = 1\n[ports]\nA = 1001\nB = 2002\nC = 1003\nD = 0 # \u{1b}[2J\u{7}\n");
    sandbox.run(&app, ["allow"]).exit(1).stderr_has("silo.toml:6:9");
    sandbox.project("app", "version = 1\n[ports]\nA = 1001\nB = 2002\nC = 1003\nD = 0\n");
    sandbox.run(&app, ["allow"]).success().stdout("").stderr(&format!(
        "--- last allowed\n\
         +++ now\n\
         @@ -3,3 +3,4 @@\n \
         A = 1001\n\
         -B = 1002\n\
         +B = 2002\n \
         C = 1003\n\
         +D = 0\n\
         {allowed}"
    ));
}

#[test]
fn what_could_run_code_is_said_by_diff_and_the_first_allow() {
    let sandbox = Sandbox::new();
    let toml = "version = 1\n[ports]\nA = 0\n[hooks]\npre-up = [\"./a\\u001b[2J\"]\n[gates]\npsql = \"cluster\"\n";
    let app = sandbox.project("app", toml);
    let acts = "`silo up` runs `./a\u{fffd}[2J` (hooks.pre-up)\n\
                A gate sits in front of `psql`: it brings up the cluster first\n";
    let diff = sandbox.run(&app, ["diff"]).success();
    assert!(diff.stderr.starts_with(acts) && diff.stdout.starts_with("+ A="), "{diff:#?}");
    assert!(!sandbox.run(&app, ["diff", "--json"]).success().stderr.contains("hooks.pre-up"));
    let allowed = format!("{acts}Allowed `$SANDBOX/projects/app/silo.toml`\n");
    sandbox.run(&app, ["allow"]).success().stdout("").stderr(&allowed);
    // An edit is shown as what it changes.
    sandbox.project("app", &toml.replace("cluster", "env"));
    let again = sandbox.run(&app, ["allow"]).success();
    assert!(!again.stderr.contains("runs `./a") && again.stderr.contains("+psql = \"env\""), "{again:#?}");
}

#[test]
fn allow_and_deny_take_a_folder_or_a_file() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    std::fs::write(app.join("other.toml"), "version = 1\n[ports]\nB = 0\n").expect("the project is writable");
    sandbox.run("", ["allow", "app"]).success().stderr("Allowed `$SANDBOX/projects/app/silo.toml`\n");
    sandbox.run("", ["allow", "app/silo.toml"]).success().stderr_has("Allowed already:");
    sandbox.run("", ["allow", "app/other.toml"]).success().stderr("Allowed `$SANDBOX/projects/app/other.toml`\n");
    let denied = |file: &str, named: &str| {
        format!("Denied `$SANDBOX/projects/{file}`; its leases stay; `silo allow {named}` undoes that\n")
    };
    sandbox.run("", ["deny", "app"]).success().stderr(&denied("app/silo.toml", "app"));
    sandbox.run("", ["allow", "app/other.toml"]).success().stderr_has("Allowed already:");
    // One that is broken can be denied too.
    std::fs::write(app.join("other.toml"), "version = 1\n[").expect("the project is writable");
    sandbox.run("", ["deny", "app/other.toml"]).success().stderr(&denied("app/other.toml", "app/other.toml"));
    sandbox.run("", ["allow", "none"]).exit(1).stderr_has("none");
    sandbox.run("", ["allow", "."]).exit(1).stderr_has("No `silo.toml` in");
}

#[test]
fn allow_says_which_ports_stay_though_their_default_is_another() {
    let sandbox = Sandbox::new();
    let [web, api, new] = free_ports();
    let toml = |web, api| toml_with_ports(&[("WEB_PORT", web), ("API_PORT", api)]);
    let app = sandbox.trusted("app", &toml(web, api));
    sandbox.run(&app, ["env"]).success();
    sandbox.project("app", &toml(new, api));
    let kept = format!("WEB_PORT keeps its lease {web}; `silo env --force` chooses all ports again\n");
    let ran = sandbox.run(&app, ["allow"]).success();
    assert!(ran.stderr.ends_with(&format!("silo.toml`\n{kept}")), "{ran:#?}");
    let ran = sandbox.run(&app, ["allow"]).success();
    assert!(!ran.stderr.contains("keeps"), "nothing has changed since: {ran:#?}");
    sandbox.run(&app, ["env", "--force"]).success();
    assert_eq!(sandbox.lockfile_ports(&app)["WEB_PORT"], new);
    sandbox.project("app", &toml(web, api));
    sandbox.run(&app, ["env", "--force"]).success();
    let ran = sandbox.run(&app, ["allow"]).success();
    assert!(!ran.stderr.contains("keeps"), "it has its default already: {ran:#?}");
}

#[test]
fn a_file_with_a_mistake_is_not_allowed() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nPATH = 1\n");
    sandbox.run(&app, ["allow"]).exit(1).stderr_has("silo.toml:3:1");
    sandbox.run(&app, ["status"]).exit(1);
    sandbox.project("app", "version = 1\n[ports]\nA = 1\n");
    assert!(sandbox.run(&app, ["status", "--json"]).success().stdout.contains(r#""trust": "unknown""#));
}

#[test]
fn deny_holds_until_allowed_again_and_keeps_the_leases() {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    sandbox.run(&app, ["env"]).success();
    let told = "Denied `$SANDBOX/projects/app/silo.toml`; its leases stay; `silo allow` undoes that\n";
    sandbox.run(&app, ["deny"]).success().stdout("").stderr(told);
    sandbox.run(&app, ["revoke"]).success().stdout("").stderr(told);
    let export = sandbox.run(&app, ["export", "bash"]).success();
    assert!(!export.stdout.contains("WEB_PORT"), "{export:?}");
    export.stderr("silo: $SANDBOX/projects/app/silo.toml is denied; `silo allow` trusts it\n");
    sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web), ("B", 0)]));
    sandbox.run(&app, ["export", "bash"]).success().stderr_has("is denied");
    sandbox.run(&app, ["allow"]).success();
    let export = sandbox.run(&app, ["export", "bash"]).success();
    assert!(export.stdout.contains(&format!("WEB_PORT='{web}'")), "{export:?}");
    assert_eq!(sandbox.lockfile_ports(&app)["WEB_PORT"], web);
}

#[test]
fn a_typed_command_is_consent_for_its_run_only() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["exec", "true"]).success();
    let told = "silo: $SANDBOX/projects/app/silo.toml is not trusted; `silo allow` trusts it\n";
    let export = sandbox.run(&app, ["export", "bash"]).success().stderr(told);
    assert!(!export.stdout.contains("export "), "{export:?}");
    sandbox.run(&app, ["export", "json"]).exit(3).stdout("{}\n").stderr(told);
    sandbox.run(&app, ["deny"]).success();
    sandbox.run(&app, ["env"]).success();
    sandbox.run(&app, ["export", "json"]).exit(3).stdout("{}\n");
}

#[test]
fn silo_log_off_silences_the_hook_and_nothing_else() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let quiet = |args: &[&str]| crate::machine::run_with(&sandbox, &app, &[("SILO_LOG", "off")], args);
    quiet(&["export", "bash", "--seen", ""]).success().stderr("");
    quiet(&["env"]).success().stderr("Writing `.localnet.env`\nWriting `.silo.lock`\n");
}

#[test]
fn many_allows_and_exports_at_once_all_succeed() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                let ran = sandbox.run(&app, ["allow"]).success().stderr_has("`$SANDBOX/projects/app/silo.toml`\n");
                assert_eq!(ran.stderr.lines().count(), 1, "{ran:#?}");
            });
            scope.spawn(|| sandbox.run(&app, ["export", "bash"]).success());
        }
    });
    assert!(sandbox.run(&app, ["status", "--json"]).success().stdout.contains(r#""trust": "allowed""#));
    let left: Vec<_> = crate::machine::files_below(&sandbox.path(""));
    assert!(!left.iter().any(|file| file.contains("tmp")), "{left:?}");
}

#[test]
fn a_broken_file_can_be_denied() {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
    let broken = sandbox.project("app", "broken");
    sandbox.run(&broken, ["deny"]).success();
    sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    sandbox.run(&app, ["export", "bash"]).success().stderr_has("is denied");
}
