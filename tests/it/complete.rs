//! What silo answers the completion scripts: `silo __complete SHELL WORD…`.

use std::fs;
use std::path::PathBuf;

use crate::machine::{files_below, hold_registry, registry_path};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

/// Two projects: `app` with two profiles, settled as `feature-x`, and `other`, settled as `feature-y`.
fn projects() -> (Sandbox, PathBuf) {
    let sandbox = Sandbox::new();
    let [web, api] = free_ports();
    let profiles = "[profiles.testnet]\n[profiles.devnet]\n";
    let app = sandbox.project("app", &(toml_with_ports(&[("WEB_PORT", web)]) + profiles));
    let other = sandbox.project("other", &toml_with_ports(&[("API_PORT", api)]));
    sandbox.run(&app, ["env", "feature-x"]).success();
    sandbox.run(&other, ["env", "feature-y"]).success();
    (sandbox, app)
}

/// The answer to a line up to the cursor, as fish's script asks for it; words are split at spaces.
#[track_caller]
fn answer(sandbox: &Sandbox, dir: &str, line: &str) -> String {
    let words = ["__complete", "fish"].into_iter().chain(line.split(' '));
    sandbox.run(dir, words).success().stderr("").stdout
}

/// The values offered for a line.
#[track_caller]
pub(crate) fn values(sandbox: &Sandbox, dir: &str, line: &str) -> Vec<String> {
    let answer = answer(sandbox, dir, line);
    let values = answer.strip_prefix("values\n").unwrap_or_else(|| panic!("{line:?} is not silo's: {answer:?}"));
    values.lines().map(|line| line.split('\t').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_name_is_this_projects_own_or_that_of_a_folder_that_is_gone() {
    let (sandbox, _) = projects();
    for line in ["silo env ", "silo up ", "silo ci fe", "silo -v up -f feat"] {
        assert_eq!(values(&sandbox, "app", line), ["feature-x"], "{line:?}");
    }
    assert_eq!(values(&sandbox, "app", "silo up fex"), [""; 0]);
    assert_eq!(answer(&sandbox, "app", "silo up "), "values\nfeature-x\tthis project's instance\n");
    fs::remove_dir_all(sandbox.dir("other")).expect("the sandbox is writable");
    assert_eq!(
        answer(&sandbox, "app", "silo up "),
        "values\nfeature-x\tthis project's instance\nfeature-y\t$SANDBOX/projects/other is gone\n"
    );
}

#[test]
fn a_profile_is_one_of_the_nearest_silo_toml() {
    let (sandbox, app) = projects();
    fs::create_dir_all(app.join("src/deep")).expect("the project is writable");
    for dir in ["app", "app/src/deep"] {
        assert_eq!(values(&sandbox, dir, "silo up --profile "), ["testnet", "devnet"]);
        assert_eq!(values(&sandbox, dir, "silo env -p de"), ["devnet"]);
        assert_eq!(values(&sandbox, dir, "silo ci --profile=te"), ["--profile=testnet"]);
        assert_eq!(values(&sandbox, dir, "silo ci -pte"), ["-ptestnet"]);
    }
    assert_eq!(values(&sandbox, "other", "silo up --profile "), [""; 0]);
}

#[test]
fn the_folder_and_the_config_file_on_the_line_count() {
    let (sandbox, app) = projects();
    for line in ["silo -C ../app up ", "silo up -C ../app ", "silo up --directory=../app ", "silo -C../app up "] {
        assert_eq!(values(&sandbox, "other", line), ["feature-x"], "{line:?}");
    }
    fs::rename(&app, sandbox.path("home/app")).expect("the sandbox is writable");
    assert_eq!(values(&sandbox, "other", "silo -C ~/app up --profile t"), ["testnet"]);
    let more = "version = 1\n[ports]\nA = 0\n[profiles.more]\n";
    fs::write(sandbox.dir("other/more.toml"), more).expect("the project is writable");
    assert_eq!(values(&sandbox, "other", "silo up -c more.toml -p "), ["more"]);
}

#[test]
fn commands_come_first_and_options_where_one_is_begun() {
    let (sandbox, _) = projects();
    let commands = values(&sandbox, "app", "silo ");
    assert_eq!(commands.first().map(String::as_str), Some("init"));
    assert!(commands.iter().all(|word| !word.starts_with('-')), "{commands:?}");
    assert_eq!(values(&sandbox, "app", "silo prof"), ["profiles"]);
    assert_eq!(values(&sandbox, "app", "silo tru"), ["trust"]);
    assert_eq!(values(&sandbox, "app", "silo completions "), ["bash", "zsh", "fish"]);
    assert_eq!(values(&sandbox, "app", "silo up --de"), ["--detach"]);
    assert_eq!(values(&sandbox, "app", "silo logs -"), values(&sandbox, "app", "silo logs --"));
    assert!(values(&sandbox, "app", "silo status ").contains(&"--json".to_owned()), "there is nothing else");
    assert_eq!(values(&sandbox, "app", "silo up -- --s"), [""; 0], "these are Tilt's");
}

#[test]
fn paths_and_command_lines_are_left_to_the_shell() {
    let (sandbox, _) = projects();
    for (line, left) in [
        ("silo -C ", "folders 0"),
        ("silo up -C..", "folders 2"),
        ("silo shell ", "folders 0"),
        ("silo --config=so", "files 9"),
        ("silo exec ", "command 2"),
        ("silo exec -- ls -", "command 3"),
        ("silo exec -C .. make te", "command 4"),
        ("silo exec git --", "command 2"),
    ] {
        assert_eq!(answer(&sandbox, "app", line), format!("{left}\n"), "{line:?}");
    }
    assert_eq!(values(&sandbox, "app", "silo exec --dir"), ["--directory"]);
    assert_eq!(values(&sandbox, "app", "silo shell --dir"), ["--directory"]);
}

#[test]
fn each_shell_gets_help_in_its_own_way() {
    let (sandbox, _) = projects();
    let answer = |shell| sandbox.run("app", ["__complete", shell, "silo", "ver"]).success().stderr("").stdout;
    assert_eq!(answer("bash"), "values\nversion\n");
    assert_eq!(answer("zsh"), "values\nversion:Print the version\n");
    assert_eq!(answer("fish"), "values\nversion\tPrint the version\n");
    // bash hands on what stands in the line.
    let words = ["__complete", "bash", "silo", "-C", "'../app'", "up", "--profile", "=", "te"];
    sandbox.run("other", words).success().stdout("values\ntestnet\n");
    let words = ["__complete", "bash", "silo", "exec", "A", "=", "b", "make", "C", "=", "d"];
    sandbox.run("other", words).success().stdout("command 2\n");
}

#[test]
fn what_cannot_be_read_has_no_candidates_and_no_words() {
    let (sandbox, app) = projects();
    let nothing = "values\n";
    fs::write(app.join("silo.toml"), "version = 1\n[ports]\nA = \n[profiles.testnet]\n").expect("it is writable");
    assert_eq!(answer(&sandbox, "app", "silo up --profile "), nothing);
    assert_eq!(values(&sandbox, "app", "silo up "), ["feature-x"], "its name is not in there");
    fs::write(registry_path(&sandbox), "version = 1\n[[instance]]\nname = ").expect("it is writable");
    assert!(values(&sandbox, "app", "silo up ").iter().all(|word| word.starts_with('-')), "options are left");
    assert_eq!(answer(&sandbox, "app", "silo up f"), nothing);
    for words in [&["fish"][..], &["tcsh", "silo", ""], &[]] {
        sandbox.run("app", ["__complete"].iter().chain(words)).success().stdout("").stderr("");
    }
    let mut bare = sandbox.command(crate::sandbox::SILO, "app");
    bare.env_clear().args(["__complete", "fish", "silo", "up", "f"]);
    sandbox.finish(bare).success().stderr("").stdout(nothing);
}

#[test]
fn a_hostile_registry_cannot_put_words_into_the_line() {
    let (sandbox, app) = projects();
    let path = registry_path(&sandbox);
    let text = fs::read_to_string(&path).expect("it is there");
    for name in ["feature-x; true", "feature-x\\nmore", "$(true)", "feature\\tx", "`true`", "\\u001b[2J"] {
        fs::write(&path, text.replace("feature-x", name)).expect("it is writable");
        let words = values(&sandbox, "app", "silo up ");
        assert!(words.iter().all(|word| word.starts_with("--")), "{name:?}: {words:?}");
    }
    assert!(app.join(".silo.lock").is_file());
}

#[test]
fn completing_waits_for_no_lock_and_writes_nothing() {
    let (sandbox, app) = projects();
    fs::remove_file(app.join(".silo.lock")).expect("it is there");
    let before = ["home", "state", "data", "config", "projects"].map(|folder| files_below(&sandbox.path(folder)));
    let lock = hold_registry(&sandbox);
    assert_eq!(values(&sandbox, "app", "silo up "), ["feature-x"]);
    assert_eq!(values(&sandbox, "app", "silo up -p t"), ["testnet"]);
    drop(lock);
    let after = ["home", "state", "data", "config", "projects"].map(|folder| files_below(&sandbox.path(folder)));
    assert_eq!(before, after);
}

#[cfg(target_os = "linux")]
#[test]
fn completing_starts_no_program_and_opens_nothing_for_writing() {
    let (sandbox, _) = projects();
    for line in [["up", ""], ["up", "--profile="], ["exec", ""], ["-C", ""]] {
        let trace = sandbox.path("trace");
        let mut strace = sandbox.command("strace", "app");
        strace
            .args(["-f", "-qq", "-e", "signal=none", "-e", "trace=process,network,%file,flock,fcntl", "-o"])
            .arg(&trace);
        strace.arg(crate::sandbox::SILO).args(["__complete", "zsh", "silo"]).args(line);
        sandbox.finish(strace).success().stderr("");
        let log = fs::read_to_string(&trace).expect("strace writes it");
        assert_eq!(log.matches("execve(").count(), 1, "{log}");
        for word in [
            "clone", "fork(", "socket(", "flock(", "F_OFD", "F_SETLK", "O_WRONLY", "O_RDWR", "O_CREAT", "rename",
            "mkdir", "unlink",
        ] {
            assert!(!log.contains(word), "{word} in {log}");
        }
    }
}

#[test]
fn the_scripts_are_printed_as_they_are_packaged() {
    let sandbox = Sandbox::new();
    for (shell, file) in [("bash", "silo.bash"), ("zsh", "_silo"), ("fish", "silo.fish")] {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("completions").join(file);
        let mut silo = sandbox.command(crate::sandbox::SILO, "");
        silo.env_clear().args(["completions", shell]);
        let printed = sandbox.finish(silo).success().stderr("").bytes;
        assert_eq!(printed, fs::read(path).expect("it is there"), "{file}");
    }
}
