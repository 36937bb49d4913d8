//! Two users on one machine: what one of them cannot read or write is named and left alone, one's trust is not the
//! other's, and a port belongs to whoever has bound it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use crate::machine::{assert_agreed, files_below, registry_path};
use crate::sandbox::Ran;
use crate::users::{ANNA, Anna, STRANGER, give, is_root, mode, owned};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

/// What is there to be lost.
fn all(anna: &Anna) -> Vec<(String, u32, u32, String)> {
    let all = ["state", "data", "projects"].map(|folder| owned(&anna.sandbox.path(folder))).concat();
    // Who waits reads the pid in a lock, and a stamp is a cache.
    all.into_iter().filter(|(name, ..)| !name.contains("/stamp") && !name.ends_with("registry.lock")).collect()
}

/// What a `cd` in a settled project needs not, it does not ask for.
fn forget_stamps(anna: &Anna) {
    let instances = anna.sandbox.path("state/silo/instances");
    for stamp in files_below(&instances) {
        fs::remove_file(instances.join(stamp)).expect("it was written");
    }
}

/// Each command that needs what is not available fails and names it, and the prompt goes on.
#[track_caller]
fn refused(anna: &Anna, app: &Path, commands: &[&[&str]], named: &str) {
    for args in commands {
        anna.run(app, *args).fails_naming(&[named, "Permission denied"]).stdout("");
    }
    let export: Ran = anna.run(app, ["export", "bash"]).goes_on_telling(&[named, "Permission denied"]);
    assert!(!export.stdout.contains("export "), "{export:#?}");
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_nothing_is_lost() {
    let settling: &[&[&str]] = &[&["env"], &["env", "y", "--force"], &["exec", "true"]];
    let every: &[&[&str]] = &[settling[0], settling[1], settling[2], &["status"]];
    let trust: &[&[&str]] = &[&["status"], &["allow"]];
    let cases = [
        ("state/silo/registry.toml", 0o600, every),
        ("state/silo/registry.lock", 0o600, settling),
        ("state/silo", 0o700, every),
        ("projects/app/.silo.lock", 0o644, every),
        ("projects/app/.localnet.env", 0o600, settling),
        ("data/silo", 0o700, trust),
    ];
    for (file, usual, commands) in cases {
        let anna = Anna::new();
        let app = anna.project("app", RANDOM);
        anna.run(&app, ["allow"]).success();
        anna.run(&app, ["env", "x"]).success();
        let ports = anna.sandbox.lockfile_ports(&app);
        forget_stamps(&anna);
        let (path, before) = (anna.sandbox.path(file), all(&anna));
        mode(&path, 0);
        refused(&anna, &app, commands, &format!("$SANDBOX/{file}"));
        mode(&path, usual);
        assert_eq!(all(&anna), before);
        anna.run(&app, ["env"]).success();
        assert_eq!(anna.sandbox.lockfile_ports(&app), ports);
        assert_agreed(&anna.sandbox, &app);
    }
}

#[test]
fn a_user_without_home_or_name_is_told_so() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    for args in [&["env"][..], &["status"], &["export", "bash"]] {
        let mut silo = anna.command(anna.sandbox.path("bin/silo"), &app);
        silo.env_remove("HOME").args(args);
        // A static program that asks for her name where no file knows it would crash.
        let ran = anna.sandbox.finish(silo).stderr_has("Error: HOME is not set to an absolute path");
        ran.exit(i32::from(args[0] != "export"));
    }
}

#[test]
fn trust_that_cannot_be_read_is_no_matter_for_what_was_typed() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    anna.run(&app, ["allow"]).success();
    mode(&anna.sandbox.path("data/silo"), 0);
    anna.run(&app, ["env"]).success();
    anna.run(&app, ["exec", "true"]).success();
    assert_agreed(&anna.sandbox, &app);
    mode(&anna.sandbox.path("data/silo"), 0o700);
    assert!(anna.run(&app, ["export", "bash"]).success().stdout.contains(" A='"));
}

#[test]
fn a_registry_that_others_may_read_is_read_and_closed_at_the_next_write() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    anna.run(&app, ["env", "x"]).success();
    let path = registry_path(&anna.sandbox);
    let bits = || fs::metadata(&path).expect("it is there").permissions().mode() & 0o777;
    for wrong in [0o644, 0o666, 0o400] {
        mode(&path, wrong);
        anna.run(&app, ["env"]).success().stderr("");
        assert_eq!(bits(), wrong, "nothing is written without need");
        anna.run(&app, ["env", &format!("y{wrong}")]).success();
        assert_eq!(bits(), 0o600);
        assert_agreed(&anna.sandbox, &app);
    }
}

/// What `sudo silo` of an older version leaves: a file of root's, that only root may read. Without root: nobody may.
fn take(path: &Path) {
    if is_root() { chown(path, Some(0), Some(0)).expect("root may") } else { mode(path, 0) }
}

#[test]
fn files_that_root_left_in_the_state_folder_are_named_or_replaced() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    anna.run(&app, ["allow"]).success();
    anna.run(&app, ["env", "x"]).success();
    let path = registry_path(&anna.sandbox);
    forget_stamps(&anna);
    take(&path);
    refused(&anna, &app, &[&["env"], &["env", "y"], &["status"]], "$SANDBOX/state/silo/registry.toml");
    mode(&path, 0o444);
    anna.run(&app, ["env", "y"]).success();
    let metadata = fs::metadata(&path).expect("it is there");
    let herself = if is_root() { ANNA } else { rustix::process::geteuid().as_raw() };
    assert_eq!((metadata.uid(), metadata.mode() & 0o777), (herself, 0o600));
    assert_agreed(&anna.sandbox, &app);
    forget_stamps(&anna);
    take(&anna.sandbox.path("state/silo/registry.lock"));
    refused(&anna, &app, &[&["env"], &["env", "z"]], "$SANDBOX/state/silo/registry.lock");
}

#[test]
fn in_a_project_two_users_share_the_instance_is_the_firsts() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    anna.run(&app, ["env", "x"]).success();
    fs::remove_dir_all(anna.sandbox.path("state/silo")).expect("it was written");
    anna.run(&app, ["allow"]).success();
    let before = all(&anna);
    let env_file = app.join(".localnet.env");
    if is_root() {
        give(&env_file, STRANGER);
    } else {
        mode(&env_file, 0);
    }
    refused(&anna, &app, &[&["env"], &["env", "y"]], "$SANDBOX/projects/app/.localnet.env");
    if is_root() {
        give(&env_file, ANNA);
    } else {
        mode(&env_file, 0o600);
    }
    assert_eq!(all(&anna), before);
    assert!(!registry_path(&anna.sandbox).exists(), "a lease for an instance whose files cannot be written");
}

#[test]
fn a_project_that_may_not_be_written_is_named_with_its_folder() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    if is_root() {
        give(&app, STRANGER);
    } else {
        mode(&app, 0o555);
    }
    let export = anna.run(&app, ["export", "bash"]).success().stderr_has("is not trusted");
    assert!(!export.stdout.contains("export "), "another user's project needs a word like any other: {export:#?}");
    anna.run(&app, ["allow"]).success();
    refused(&anna, &app, &[&["env"], &["env", "x"]], "$SANDBOX/projects/app/.localnet.env");
    anna.run(&app, ["env"]).exit(1).stderr_has("`ls -ld $SANDBOX/projects/app $SANDBOX/projects/app/.localnet.env`");
    anna.run(&app, ["status"]).success();
    if is_root() {
        give(&app, ANNA);
    } else {
        mode(&app, 0o755);
    }
    assert_eq!(files_below(&app), ["silo.toml"]);
    anna.run(&app, ["env"]).success();
    assert_agreed(&anna.sandbox, &app);
}

#[test]
fn trust_in_a_repository_does_not_reach_another_users_worktree() {
    let anna = Anna::new();
    let (main, feature) = (anna.sandbox.project("main", RANDOM), anna.sandbox.dir("feature"));
    anna.sandbox.git(&main, ["init", "--quiet"]);
    anna.sandbox.git(&main, ["add", "."]);
    anna.sandbox.git(&main, ["commit", "--quiet", "--message", "first"]);
    anna.sandbox.git(&main, ["worktree", "add", "--quiet", "--detach", feature.to_str().expect("it is UTF-8")]);
    if is_root() {
        give(&main, ANNA);
        give(&feature, ANNA);
    }
    let trust = |dir: &Path| {
        let answer: serde_json::Value =
            serde_json::from_slice(&anna.run(dir, ["status", "--json"]).success().bytes).expect("it is JSON");
        answer["trust"].as_str().expect("it is a word").to_owned()
    };
    anna.run(&main, ["allow"]).success();
    assert_eq!([trust(&main), trust(&feature)], ["allowed", "allowed"]);
    // Without root nobody can be given a file: `store::worktree` proves that part with a made-up user.
    if is_root() {
        for (folder, sees) in
            [(feature.join(".git"), ["allowed", "unknown"]), (main.join(".git"), ["allowed", "unknown"])]
        {
            give(&folder, STRANGER);
            assert_eq!([trust(&main), trust(&feature)], sees, "{}", folder.display());
            give(&folder, ANNA);
        }
        give(&main.join(".git/worktrees"), STRANGER);
        assert_eq!([trust(&main), trust(&feature)], ["allowed", "unknown"]);
    }
}

/// A program that listens and that she cannot look into: another user's, or her own one that lets nobody look.
#[cfg(target_os = "linux")]
mod listener {
    use std::fs;
    use std::io::{BufRead as _, BufReader};
    use std::process::{Child, Stdio};

    use crate::sandbox::{free_ports, toml_with_ports};
    use crate::tools::Tools;
    use crate::users::{ANNA, Anna, give, is_root};

    const LISTENER: &str = "import ctypes, socket, sys; ctypes.CDLL(None).prctl(4, 0, 0, 0, 0); \
        s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('listens', flush=True); sys.stdin.read()";

    fn listen(anna: &Anna, port: u16) -> Child {
        let mut python = anna.sandbox.command("/usr/bin/python3", "");
        python.args(["-c", LISTENER, &port.to_string()]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut listener = python.spawn().expect("python3 is there");
        let mut said = String::new();
        let out = listener.stdout.take().expect("it is piped");
        BufReader::new(out).read_line(&mut said).expect("it can be read");
        assert_eq!(said, "listens\n");
        listener
    }

    fn end(mut listener: Child) {
        drop(listener.stdin.take());
        listener.wait().expect("it ends with its input");
    }

    #[test]
    fn a_port_of_another_users_is_left_to_them() {
        let anna = Anna::new();
        let tools = Tools::install(&anna.sandbox, &["tilt"]);
        // What the stand-in writes lies beside the programs.
        if is_root() {
            give(&anna.sandbox.path("fakes"), ANNA);
        }
        tools.set("tilt.up.garbage", "");
        tools.set("tilt.up.exit", "0");
        let [web, tilt] = free_ports();
        let app = anna.project("app", &toml_with_ports(&[("WEB_PORT", web), ("TILT_PORT", tilt)]));
        fs::write(app.join("Tiltfile"), "").expect("the project is writable");
        let leased = || anna.sandbox.lockfile_ports(&app)["WEB_PORT"];

        let listener = listen(&anna, web);
        anna.run(&app, ["env", "x"])
            .success()
            .stderr_has(&format!("Port {web} is held by a program of another user on 127.0.0.1; "));
        assert_ne!(leased(), web);
        end(listener);
        anna.run(&app, ["env", "--force"]).success();
        assert_eq!(leased(), web);

        let listener = listen(&anna, web);
        let told = format!(
            "Port {web} (WEB_PORT) is held by a program of another user on 127.0.0.1; WEB_PORT gets another one"
        );
        anna.run(&app, ["up"]).success().stderr_has(&told);
        assert_ne!(leased(), web);
        end(listener);
    }
}

#[test]
fn a_home_that_may_not_be_written_is_named_and_not_what_is_missing_in_it() {
    let anna = Anna::new();
    let app = anna.project("app", RANDOM);
    let state = anna.sandbox.path("state");
    if is_root() {
        give(&state, STRANGER);
    } else {
        mode(&state, 0o555);
    }
    anna.run(&app, ["env"]).exit(1).stderr_has("Hint: See who owns it: `ls -ld $SANDBOX/state`\n");
    if is_root() {
        give(&state, ANNA);
    } else {
        mode(&state, 0o755);
    }
}
