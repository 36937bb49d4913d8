//! `silo doctor` on the project's own files (what they fix for every instance, and what git would carry on), and on the
//! tools, the machine and the shell around it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::fleet_doctor::{Clinic, Found};
use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, program_from};

each_shell!(a_hook_is_proved_in_its_own_shell_and_not_in_one_below, the_shell_that_runs_is_the_one_to_be_fixed);

/// Kind and line of each finding in a file of the project.
fn places(clinic: &Clinic, app: &Path) -> Vec<String> {
    let line = |one: &Found| {
        let place = one.text("place");
        format!("{} {}", one.id(), place.strip_prefix(&format!("{}/", app.display())).unwrap_or(&place))
    };
    clinic.found(app, &[]).iter().map(line).collect()
}

#[test]
fn what_compose_files_and_tiltfiles_fix_for_every_instance_is_told_with_file_and_line() {
    let clinic = Clinic::new();
    let app = clinic.sandbox.trusted("app", "version = 1\n[ports]\nPOSTGRES_PORT = 5432\nTILT_PORT = 0\n");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    fs::create_dir(app.join("deploy")).expect("the project is writable");
    let write = |file: &str, text: &str| fs::write(app.join(file), text).expect("the project is writable");
    write(
        "Tiltfile",
        "load('./deploy/Tiltfile', 'x')\n# docker_compose('a')\ndocker_compose(['docker-compose.yml', 'deploy/db.yaml'])\n",
    );
    write("deploy/Tiltfile", "x = 1\ndocker_compose('more.yaml', project_name='all')\ninclude('../Tiltfile')\n");
    write("docker-compose.yml", "name: shop\nservices:\n  web:\n    ports:\n      - \"8080:80\"\n");
    write("compose.override.yml", "services:\n  web:\n    container_name: web\n");
    write("deploy/db.yaml", "services:\n  db:\n    ports: [\"127.0.0.1:5432:5432\"]\nvolumes:\n  d:\n    name: data\n");
    write("deploy/more.yaml", "a: [\n");
    let expected = [
        "compose-bare Tiltfile:3",
        "compose-bare deploy/Tiltfile:2",
        "compose-project docker-compose.yml:1",
        "compose-port docker-compose.yml:5",
        "compose-container-name compose.override.yml:3",
        "compose-port deploy/db.yaml:3",
        "compose-name deploy/db.yaml:6",
        "compose-unreadable deploy/more.yaml:2",
    ];
    assert_eq!(places(&clinic, &app), expected);
    let found = clinic.found(&app, &["--fix"]);
    let remedies: Vec<String> = found[2..7].iter().map(|one| one.text("fix")).collect();
    assert_eq!(
        remedies,
        [
            "Leave the line out, or write: name: ${COMPOSE_PROJECT_NAME}",
            "Write: \"${WEB_PORT}:80\"   (WEB_PORT = 8080 below [ports] in silo.toml)",
            "Leave the line out, or write: container_name: ${CONTAINER_PREFIX}web",
            "Write: \"127.0.0.1:${POSTGRES_PORT}:5432\"",
            "Leave the line out, or write: name: ${VOLUME_PREFIX}-d",
        ]
    );
    // The project's own files are never edited.
    assert_eq!(places(&clinic, &app), expected);
}

#[test]
fn what_varies_is_left_alone_and_so_is_the_example() {
    let clinic = Clinic::new();
    let app = clinic.sandbox.trusted("app", "version = 1\n[ports]\nDB_PORT = 0\n");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    fs::write(app.join("compose.yaml"), "services:\n  db:\n    ports: [\"${DB_PORT}:5432\", \"80\"]\n").expect("ours");
    let name = "docker_compose('compose.yaml', project_name=os.getenv('COMPOSE_PROJECT_NAME'))\n";
    fs::write(app.join("Tiltfile"), name).expect("it is ours");
    assert_eq!(places(&clinic, &app), [""; 0]);
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
    let found: Vec<String> = clinic.ids(&example, &[]).into_iter().filter(|id| id.starts_with("compose")).collect();
    assert_eq!(found, [""; 0]);
}

#[test]
fn hostile_files_are_survived() {
    let clinic = Clinic::new();
    let app = clinic.sandbox.project("app", "version = 1\n[ports]\nA = 0\n");
    let write = |file: &str, bytes: &[u8]| fs::write(app.join(file), bytes).expect("the project is writable");
    write("Tiltfile", &[b"docker_compose(".repeat(5000), vec![0xff; 100]].concat());
    write("compose.yml", &b"[".repeat(200_000));
    write("docker-compose.yml", &b"- ".repeat(300_000));
    write(
        "docker-compose.override.yml",
        b"services: &a\n  x: *a\n  <<: *a\n  \x1b[2J: {container_name: \"\x1b[31m\\n\"}\n",
    );
    write("compose.override.yml", &vec![b'a'; 2 * 1024 * 1024]);
    nix::unistd::mkfifo(&app.join("compose.yaml"), nix::sys::stat::Mode::S_IRWXU).expect("made");
    symlink("/dev/zero", app.join("docker-compose.yaml")).expect("made");
    write(".silo.lock", &b"[".repeat(100_000));
    symlink(".localnet.env", app.join(".localnet.env")).expect("made");
    let start = Instant::now();
    let ran = clinic.doctor(&app, &["--fix"]).exit(1);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    assert!(!ran.bytes.contains(&0x1b), "{ran:#?}");
    assert!(!clinic.found(&app, &[]).is_empty());
    write("silo.toml", &vec![0xff; 300]);
    assert!(clinic.ids(&app, &["--fix"]).contains(&"config-invalid".to_owned()));
}

/// A settled project at the top of a git repository.
fn in_git(clinic: &Clinic) -> PathBuf {
    let app = clinic.project("app");
    clinic.sandbox.git(&app, ["init", "--quiet"]);
    app
}

#[test]
fn files_git_would_carry_on_are_added_to_gitignore() {
    let clinic = Clinic::new();
    let app = in_git(&clinic);
    fs::write(app.join(".gitignore"), "target").expect("the project is writable");
    let ignore = app.join(".gitignore");
    let found = clinic.only_and_fixed(&app, "not-ignored");
    assert_eq!(fs::read_to_string(&ignore).expect("it is there"), "target\n.silo.lock\n.localnet.env\n");
    fs::write(&ignore, "target\n.silo.lock\n").expect("it is ours");
    let remedy = format!("printf '%s\\n' .localnet.env >> {}", ignore.display());
    clinic.only(&app, "not-ignored").tells("`.localnet.env` is not ignored", Some(&ignore), &remedy).remedy(&clinic);
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    found.tells("`.silo.lock` and `.localnet.env` are not ignored by git", Some(&ignore), &found_remedy(&ignore));
    // What a file takes back, no line of silo's changes.
    fs::write(&ignore, ".silo.lock\n.localnet.env\n!.silo.lock\n").expect("it is ours");
    let found = clinic.found(&app, &["--fix"]).remove(0);
    assert!(found.text("failed").contains("takes it back"), "{}", found.text("failed"));
    // Nor is it fixed when git reads the line otherwise: what is told as done was looked for again.
    clinic.sandbox.trusted("odd", "version = 1\noutput = \"#odd.env\"\n[ports]\nA = 0\n");
    clinic.sandbox.git("odd", ["init", "--quiet"]);
    fs::write(clinic.sandbox.dir("odd/.gitignore"), ".silo.lock\n").expect("the project is writable");
    let found = clinic.found("odd", &["--fix"]).remove(0);
    assert_eq!((found.id(), found.text("failed")), ("not-ignored".to_owned(), "it came back".to_owned()));
    // Without git its file is read.
    clinic.program("git", "exit 127");
    fs::write(&ignore, "/.silo.lock\n").expect("it is ours");
    clinic.only_and_fixed(&app, "not-ignored");
}

fn found_remedy(ignore: &Path) -> String {
    format!("printf '%s\\n' .silo.lock .localnet.env >> {}", ignore.display())
}

#[test]
fn a_tracked_lockfile_is_told_and_git_is_not_made_to_run_anything() {
    let clinic = Clinic::new();
    let app = in_git(&clinic);
    fs::write(app.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    clinic.sandbox.git(&app, ["add", "--force", ".silo.lock"]);
    clinic.sandbox.git(&app, ["config", "core.fsmonitor", "touch ran; false"]);
    let remedy = format!("git -C {} rm --cached -- .silo.lock", app.display());
    let found = clinic.only(&app, "tracked").cannot_be_fixed();
    let found = found.tells("git tracks `.silo.lock`", Some(&app.join(".silo.lock")), &remedy);
    assert!(!app.join("ran").exists());
    clinic.sandbox.git(&app, ["config", "core.fsmonitor", "false"]);
    found.remedy(&clinic);
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    assert!(app.join(".silo.lock").exists());
}

/// A partial clone lacks objects and fetches what is needed; here git needs one to list its own files, for the index names
/// only their folder, and the repository says which program fetches.
#[test]
fn a_partial_clone_fetches_nothing_by_a_program_of_its_own_choice() {
    let clinic = Clinic::new();
    let app = in_git(&clinic);
    let git = |words: &str| clinic.sandbox.git(&app, words.split(' '));
    fs::write(app.join(".gitignore"), ".silo.lock\n.localnet.env\n").expect("the project is writable");
    fs::create_dir(app.join("away")).expect("the project is writable");
    fs::write(app.join("away/file"), "").expect("the project is writable");
    git("add .");
    git("commit --quiet -m one");
    git("sparse-checkout set --cone --sparse-index");
    let asked = clinic.sandbox.command("git", &app).args(["rev-parse", "HEAD:away"]).output().expect("git starts");
    let tree = String::from_utf8(asked.stdout).expect("it is hexadecimal");
    let (folder, file) = tree.trim().split_at(2);
    fs::remove_file(app.join(".git/objects").join(folder).join(file)).expect("it was written");
    git("config core.repositoryformatversion 1");
    git("config extensions.partialClone origin");
    git("config remote.origin.promisor true");
    git("config remote.origin.url .");
    clinic.sandbox.git(&app, ["config", "remote.origin.uploadpack", "touch ran;"]);
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
    assert!(!app.join("ran").exists());
    let mut careless = clinic.sandbox.command("git", &app);
    careless.args(["ls-files", "--error-unmatch", "--", ".silo.lock"]).output().expect("git starts");
    assert!(app.join("ran").exists(), "this git would have run it");
}

#[test]
fn tools_that_are_asked_for_must_be_there_new_and_awake() {
    let clinic = Clinic::new();
    let app = clinic.sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n[k3d]\nenabled = true\n");
    clinic.sandbox.run(&app, ["env", "x"]).success();
    clinic.tools.set("tilt.version.garbage", "v0.30.13, built 2022-11-01\n");
    clinic.tools.set("k3d.version.garbage", "k3d version v4.4.8\nk3s version v1.21 (default)\n");
    clinic
        .tools
        .set("docker.version.garbage", "{\"Client\":{\"Version\":\"27.0.1\"},\"Server\":{\"Version\":\"20.10.4\"}}");
    let told = |found: Vec<Found>| -> Vec<String> {
        found.iter().map(|one| format!("{}: {}", one.id(), one.text("what"))).collect()
    };
    let old = [
        "tool-old: `tilt` is 0.30.13, and silo needs 0.31.0 or newer",
        "tool-old: `k3d` is 4.4.8, and silo needs 5.0.0 or newer",
        "tool-old: `docker` is 20.10.4, and silo needs 20.10.5 or newer",
    ];
    assert_eq!(told(clinic.found(&app, &[])), old);
    let elsewhere = clinic.found("", &[]);
    assert_eq!(elsewhere.len(), 3);
    for one in elsewhere {
        one.counts_as_a_note();
    }
    for tool in ["tilt", "k3d", "docker"] {
        clinic.tools.unset(&format!("{tool}.version.garbage"));
    }
    clinic.tools.set("docker.down", "");
    clinic.only(&app, "docker-down").tells("Docker does not answer", None, "docker info");
    clinic.only("", "docker-down").counts_as_a_note();
    clinic.tools.unset("docker.down");

    clinic.tools.set("k3d.version.wait", "");
    let start = Instant::now();
    let found = clinic.only(&app, "tool-silent");
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    found.tells("`k3d` does not tell its version", None, "k3d version");
    clinic.tools.unset("k3d.version.wait");
    clinic.tools.set("kubectl.version.exit", "1");
    clinic.only(&app, "tool-silent").tells("it ended with 1 and said nothing", None, "kubectl version");
    clinic.tools.unset("kubectl.version.exit");

    // No real one is behind the stand-ins.
    let bin = clinic.sandbox.path("bin");
    for tool in ["tilt", "k3d", "docker", "kubectl"] {
        fs::remove_file(bin.join(tool)).expect("it was installed");
    }
    let path = [("PATH", bin.to_str().expect("it is UTF-8"))];
    let found = clinic.found_with(&app, &[], &path);
    let missing: Vec<String> = ["tilt", "k3d", "docker", "kubectl"]
        .map(|tool| format!("tool-missing: `{tool}` is not installed"))
        .into_iter()
        .collect();
    let told = told(found.into_iter().filter(|one| one.id() != "localhost-names").collect());
    assert_eq!(told, missing);
    let mut found = clinic.found_with("", &[], &path);
    found.retain(|one| one.id() != "localhost-names");
    let what = "Not installed, and not asked for so far: `tilt`, `k3d`, `docker`, `kubectl`";
    let remedy = "Install Tilt: https://docs.tilt.dev/install.html; Install k3d: https://k3d.io; Install Docker: \
                https://docs.docker.com/get-docker; Install kubectl: https://kubernetes.io/docs/tasks/tools";
    found.remove(0).counts_as_a_note().tells(what, None, remedy);
}

#[test]
fn names_below_localhost_are_asked_of_the_systems_own_tool() {
    let clinic = Clinic::new();
    clinic.program("getent", "exit 2");
    let remedy = "In URLs that servers and scripts read, write `http://localhost:${PORT}`; or install nss-myhostname";
    clinic.only("", "localhost-names").counts_as_a_note().tells("is not found on this machine", None, remedy);
    clinic.program("getent", "echo 192.0.2.7 \"$2\"");
    clinic.only("", "localhost-names").tells("is found elsewhere than on this machine", None, remedy);
    clinic.program("getent", "echo ::1 \"$2\"");
    assert_eq!(clinic.ids("", &[]), [""; 0]);
}

#[test]
fn a_missing_hook_is_told_with_the_line_for_the_start_file() {
    let clinic = Clinic::new();
    let home = clinic.sandbox.path("home");
    let asked =
        |shell: &str| clinic.found_with("", &[], &[("SHELL", shell), ("__SILO_HOOK", "")]).remove(0).counts_as_a_note();
    let zshrc = home.join(".zshrc");
    let what = "No start file of zsh loads the shell hook";
    asked("/usr/bin/zsh").tells(what, Some(&zshrc), "silo hook zsh --install");
    clinic.sandbox.run("", ["hook", "zsh", "--install", "--yes"]).success();
    let what = "The shell hook of zsh is not loaded in this shell";
    asked("/usr/bin/zsh").tells(what, Some(&zshrc), "exec zsh");
    let fish = clinic.sandbox.path("config/fish/config.fish");
    asked("/usr/bin/fish").tells("No start file of fish", Some(&fish), "silo hook fish --install");
    asked("/bin/bash").tells("of bash is not loaded", Some(&home.join(".bashrc")), "exec bash");
    let rc = clinic.sandbox.path("config/elvish/rc.elv");
    asked("/usr/bin/elvish").tells("No start file of elvish", Some(&rc), "silo hook elvish --install");
    let tcshrc = home.join(".tcshrc");
    asked("/usr/bin/tcsh").tells("No start file of tcsh", Some(&tcshrc), "silo hook tcsh --install");
    clinic.sandbox.run("", ["hook", "tcsh", "--install", "--yes"]).success();
    asked("/usr/bin/tcsh").tells("of tcsh is not loaded", Some(&tcshrc), "exec tcsh");
    let nu = clinic.sandbox.path("config/nushell/config.nu");
    let remedy = format!("\"\\n{}\\n\" | save --append $nu.config-path", Shell::NU.load());
    asked("/usr/bin/nu").tells("No start file of nu", Some(&nu), &remedy);
    fs::create_dir_all(nu.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    fs::write(&nu, "$env.A = 1").expect("the sandbox is writable");
    let mut typed = clinic.sandbox.command(Shell::NU.program(), "");
    typed.args(["-c", &remedy]);
    clinic.sandbox.finish(typed).success();
    asked("/usr/bin/nu").tells("of nu is not loaded", Some(&nu), "exec nu");
    asked("/bin/dash").tells("There is no shell hook for `/bin/dash`", None, "silo exec -- COMMAND");
}

#[test]
fn a_hook_of_another_silo_is_told() {
    let clinic = Clinic::new();
    let other = clinic.sandbox.path("home/silo");
    program_from(&other, File::open("/bin/true").expect("every machine has it"));
    let pid = std::process::id();
    let version = env!("CARGO_PKG_VERSION");
    let asked = |mark: String| clinic.found_with("", &[], &[("__SILO_HOOK", &mark)]).remove(0).counts_as_a_note();
    let gone = format!("{pid} {version} /no/such/silo");
    asked(gone).tells("calls `/no/such/silo`, which is gone", None, "exec bash");
    asked(format!("{pid} 0.0.9 {SILO}")).tells(
        &format!("is that of silo 0.0.9, and this is {version}"),
        None,
        "exec bash",
    );
    asked(format!("{pid} {version} {}", other.display())).tells("which is another silo than this", None, "exec bash");
    // The mark of a process that is not above this one is none.
    asked(format!("1000000000 {version} {SILO}")).tells(
        "is not loaded in this shell",
        Some(&clinic.sandbox.path("home/.bashrc")),
        "exec bash",
    );
}

fn the_shell_that_runs_is_the_one_to_be_fixed(shell: Shell) {
    let clinic = Clinic::new();
    let login = if shell == Shell::ZSH { "/bin/bash" } else { "/bin/zsh" };
    let env = [("SHELL", OsStr::new(login))];
    let setup = Setup { env: &env, unhooked: true, ..Setup::default() };
    let mut session = Session::with(&clinic.sandbox, shell, "", &setup);
    let out = clinic.sandbox.dir("out");
    let mut told = |line: &str| {
        session.run(&format!("{} {} '{}'", shell.call(line), shell.redirect(), out.display()));
        let all: Vec<Value> = serde_json::from_slice(&fs::read(&out).expect("it was written")).expect("it is JSON");
        let hook = all.iter().find(|one| one["id"].as_str().is_some_and(|id| id.starts_with("hook"))).cloned();
        hook.expect("there is none")["what"].as_str().expect("it is text").to_owned()
    };
    let what = told("silo doctor --json");
    assert!(what.contains(&format!(" of {} ", shell.name())), "{what}");
    // A script is none to be fixed.
    let script = told("bash -c 'silo doctor --json; :'");
    let login = login.trim_start_matches("/bin/");
    assert!(script.contains(&format!(" of {login} ")), "{script}");
}

fn a_hook_is_proved_in_its_own_shell_and_not_in_one_below(shell: Shell) {
    let clinic = Clinic::new();
    let path = clinic.sandbox.path("bin");
    let program = shell.program();
    let env = [("SHELL", program.as_os_str())];
    let mut session = Session::with(&clinic.sandbox, shell, "", &Setup { env: &env, ..Setup::default() });
    let out = clinic.sandbox.dir("out");
    let mut hooks = |line: &str| -> Vec<String> {
        let redirected = shell.redirect();
        session.run(&format!("{} {redirected} '{}'", shell.call(line), out.display()));
        let all: Vec<Value> = serde_json::from_slice(&fs::read(&out).expect("it was written")).expect("it is JSON");
        let ids = all.iter().filter_map(|one| one["id"].as_str());
        ids.filter(|id| id.starts_with("hook")).map(str::to_owned).collect()
    };
    assert_eq!(hooks("silo doctor --json"), [""; 0]);
    assert_eq!(hooks("env silo doctor --json"), [""; 0]);
    if [Shell::BASH, Shell::ZSH].contains(&shell) {
        assert_eq!(hooks("(silo doctor --json; :)"), [""; 0], "in a subshell");
    }
    // `sh` inherits the mark, and has no hook.
    let silo = path.join("silo");
    let found = hooks(&format!("sh -c '{} doctor --json; :'", silo.display()));
    assert!(matches!(found[..], [ref id] if id == "hook-missing" || id == "hook-not-loaded"), "{found:?}");
}
