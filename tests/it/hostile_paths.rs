//! One folder under many names: `HOME`, the XDG folders and projects behind links, with dots and slashes; and folders that
//! cannot be folders.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use silo::failure::quoted;

use crate::fleet_doctor::Clinic;
use crate::machine::{assert_agreed, env_file, files_below, registry, run_with};
use crate::pty::{Session, Setup, Shell, each_shell};
use crate::sandbox::{SILO, Sandbox, free_ports, toml_with_ports};

each_shell!(a_project_behind_a_link_is_one_instance, two_spellings_of_a_home_are_one_home);

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";
/// A value that is computed from `HOME`, for the cluster's kubeconfig lies there.
const CLUSTER: &str = "version = 1\n[ports]\nA = 0\nK3D_API_PORT = \"random\"\n[k3d]\nenabled = true\n";

#[test]
fn every_spelling_of_a_folder_for_state_and_trust_is_that_folder() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    symlink(sandbox.path("state"), sandbox.path("link")).expect("the sandbox is writable");
    symlink(sandbox.path("data"), sandbox.path("data-link")).expect("the sandbox is writable");
    let base = sandbox.path("");
    let base = base.to_str().expect("it is UTF-8").trim_end_matches('/');
    let here = || fs::read_dir(base).expect("it is there").count();
    let before = here();
    let spellings = ["state", "state/", "state//", "./state/.", "home/../state", "//state", "link", "link/"];
    let of = |spelling: &str| {
        let state = format!("{base}/{spelling}");
        let data = state.replace("link", "data-link").replace("state", "data");
        (state, data)
    };
    let (state, data) = of("state");
    run_with(&sandbox, &app, &[("XDG_STATE_HOME", &state), ("XDG_DATA_HOME", &data)], ["allow"]).success();
    run_with(&sandbox, &app, &[("XDG_STATE_HOME", &state), ("XDG_DATA_HOME", &data)], ["env", "x"]).success();
    for spelling in spellings {
        let (state, data) = of(spelling);
        let variables = [("XDG_STATE_HOME", state.as_str()), ("XDG_DATA_HOME", data.as_str())];
        run_with(&sandbox, &app, &variables, ["env"]).success().stderr("");
        let export = run_with(&sandbox, &app, &variables, ["export", "bash"]).success();
        assert!(export.stdout.contains(" SILO_WORKSPACE='x' "), "{spelling}: {export:#?}");
    }
    assert_eq!(registry(&sandbox).instances.len(), 1);
    assert_agreed(&sandbox, &app);
    assert_eq!(here(), before, "a spelling made another folder");
}

#[test]
fn folders_that_are_not_there_are_made_for_the_user_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let (state, data) = (sandbox.path("new/a/state"), sandbox.path("new/a/data"));
    let text = |path: &Path| path.to_str().expect("it is UTF-8").to_owned();
    let (state_text, data_text) = (text(&state), text(&data));
    let variables = [("XDG_STATE_HOME", state_text.as_str()), ("XDG_DATA_HOME", data_text.as_str())];
    run_with(&sandbox, &app, &variables, ["status"]).success();
    run_with(&sandbox, &app, &variables, ["export", "bash"]).success();
    run_with(&sandbox, &app, &variables, ["allow"]).success();
    run_with(&sandbox, &app, &variables, ["env"]).success();
    for folder in [sandbox.path("new"), state.join("silo"), data.join("silo/trust")] {
        assert_eq!(fs::metadata(&folder).expect("it was made").permissions().mode() & 0o777, 0o700);
    }
    assert_eq!(files_below(&sandbox.path("home")), [""; 0]);
}

#[test]
fn an_xdg_folder_that_is_a_file_is_named_with_a_way_out() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", RANDOM);
    let file = sandbox.path("home/file");
    fs::write(&file, "mine").expect("the sandbox is writable");
    symlink("nowhere", sandbox.path("home/dangling")).expect("the sandbox is writable");
    let folders = ["home/file", "home/file/below", "home/dangling"].map(|path| sandbox.path(path));
    for folder in folders.iter().map(|folder| folder.to_str().expect("it is UTF-8")) {
        let named = sandbox.redact(folder.as_bytes());
        let state = [("XDG_STATE_HOME", folder)];
        run_with(&sandbox, &app, &state, ["env"]).fails_naming(&[&named]).stdout("");
        run_with(&sandbox, &app, &state, ["status"]).success();
        let data = [("XDG_DATA_HOME", folder)];
        run_with(&sandbox, &app, &data, ["allow"]).fails_naming(&[&named]).stdout("");
        run_with(&sandbox, &app, &data, ["export", "bash"]).success().stderr_has("is not trusted");
    }
    assert_eq!(fs::read(&file).expect("it is there"), b"mine");
    assert_eq!(files_below(&app), ["silo.toml"]);
}

#[test]
fn a_home_with_slashes_and_dots_is_spelled_in_one_way() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", CLUSTER);
    let home = sandbox.path("home");
    let home = home.to_str().expect("it is UTF-8");
    let mut first = None;
    for spelling in [home.to_owned(), format!("{home}/"), format!("{home}//"), format!("{home}/./")] {
        let mut silo = sandbox.command(SILO, &app);
        silo.args(["env", "x"]).env("HOME", spelling).env_remove("XDG_STATE_HOME").env_remove("XDG_DATA_HOME");
        sandbox.finish(silo).success();
        let text = env_file(&app);
        assert!(text.contains(&format!("KUBECONFIG={home}/.kube/localnet-x\n")), "{text}");
        assert_eq!(first.get_or_insert_with(|| text.clone()), &text, "it was written again");
    }
}

fn two_spellings_of_a_home_are_one_home(shell: Shell) {
    let sandbox = Sandbox::new();
    let app = sandbox.trusted("app", CLUSTER);
    let slashed = format!("{}/", sandbox.path("home").display());
    let env = [("HOME", slashed.as_ref())];
    let mut plain = Session::start(&sandbox, shell, &app);
    let mut other = Session::with(&sandbox, shell, &app, &Setup { env: &env, ..Setup::default() });
    let stamp = |sandbox: &Sandbox| {
        let instances = sandbox.path("state/silo/instances");
        let stamp = files_below(&instances).into_iter().find(|file| file.ends_with("/stamp")).expect("it was written");
        fs::read(instances.join(stamp)).expect("it is there")
    };
    let wanted = plain.run(":").var("KUBECONFIG").map(str::to_owned);
    let written = stamp(&sandbox);
    assert_eq!(other.run(":").var("KUBECONFIG").map(str::to_owned), wanted);
    // Neither writes the stamp again: they would chase each other at every prompt.
    assert_eq!((plain.run(":").told, other.run(":").told), (String::new(), String::new()));
    assert_eq!(stamp(&sandbox), written);
}

fn a_project_behind_a_link_is_one_instance(shell: Shell) {
    let sandbox = Sandbox::new();
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    fs::create_dir(app.join("src")).expect("the project is writable");
    symlink(&app, sandbox.dir("link")).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, "");
    session.run("cd link").assert_active(&sandbox, &app);
    session.run("cd src").assert_active(&sandbox, &app);
    session.run("cd ../../app").assert_active(&sandbox, &app);
    assert_eq!(session.run(":").told, "");
    session.run("cd ../link/../link//src/.").assert_active(&sandbox, &app);
    sandbox.run("link", ["env"]).success().stderr("");
    sandbox.run("link/src", ["exec", "silo", "require"]).success();
    assert_eq!(registry(&sandbox).instances.len(), 1);
    // A word on the link is a word on the project.
    sandbox.run("link", ["deny"]).success();
    session.run(":").assert_inactive();
}

#[test]
fn a_path_that_cannot_be_shown_is_told_so_that_it_can_be_pasted() {
    let clinic = Clinic::new();
    let typed = |shell: &str, line: &str| {
        let mut shell = clinic.sandbox.command(shell, "");
        shell.args(["-c", line]);
        clinic.sandbox.finish(shell).success().bytes
    };
    let odd: [&[u8]; 6] =
        [b"a\nb", b"a\tb'c", b"\x1b[31m1\\n$HOME`x`!", "\u{202e}\u{e9}".as_bytes(), b"a\xffb", b"a b'c"];
    for bytes in odd {
        let word = quoted(Path::new(OsStr::from_bytes(bytes)));
        assert!(!word.contains(|c: char| c.is_control() || c == '\u{fffd}' || c == '\u{202e}'), "{word:?}");
        for shell in ["bash", "zsh"] {
            assert_eq!(typed(shell, &format!("printf %s {word}")), bytes, "{shell} {word}");
        }
    }
    assert_eq!(quoted(Path::new("/a/b")), "/a/b");
    let app = clinic.project("we\nird\u{1b}");
    fs::remove_file(app.join(".localnet.env")).expect("it was written");
    let remedy = clinic.only(&app, "env-file-missing").text("fix");
    typed("bash", &remedy);
    assert_eq!(clinic.ids(&app, &[]), [""; 0]);
}
