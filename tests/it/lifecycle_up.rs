//! `silo up`: what is asked of other programs, in which order, and what a failure leaves. The stage here is shared by
//! the other lifecycle tests.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::{Expect, expect};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::sandbox::{Ran, SILO, Sandbox, free_ports};
use crate::tools::{ALL, Tools};

/// How long to look for something before the test fails.
const DEADLINE: Duration = Duration::from_mins(1);

/// Every lifecycle hook notes its name among the calls.
pub(crate) const HOOKS: &str = "[hooks]\n\
    pre-up = [\"echo hook pre-up >>../../fakes/calls\"]\n\
    post-up = [\"echo hook post-up >>../../fakes/calls\"]\n\
    pre-down = [\"echo hook pre-down >>../../fakes/calls\"]\n\
    post-down = [\"echo hook post-down >>../../fakes/calls\"]\n";

/// A project `app` with a Tiltfile, and stand-ins for all tools.
pub(crate) struct Stage {
    pub(crate) tools: Tools,
    pub(crate) app: PathBuf,
    pub(crate) web: u16,
    pub(crate) tilt: u16,
    pub(crate) registry: u16,
    pub(crate) api: u16,
    pub(crate) sandbox: Sandbox,
}

/// A `silo` that runs beside the test.
pub(crate) struct Beside {
    child: Child,
    errors: PathBuf,
}

impl Stage {
    /// Without k3d; `more` is appended to `silo.toml`.
    pub(crate) fn new(more: &str) -> Self {
        Self::with("", more)
    }

    /// With a k3d cluster and its image registry.
    pub(crate) fn with_cluster(more: &str) -> Self {
        let k3d = "[k3d]\nenabled = true\nargs = [\"--agents=1\", \"--port=0:80@loadbalancer\"]\n\
                   [k3d.registry]\nenabled = true\n";
        Self::with(k3d, more)
    }

    fn with(k3d: &str, more: &str) -> Self {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        let [web, tilt, registry, api] = free_ports();
        let cluster = if k3d.is_empty() {
            String::new()
        } else {
            format!("K3D_REGISTRY_PORT = {registry}\nK3D_API_PORT = {api}\n{k3d}")
        };
        let toml = format!("version = 1\n[ports]\nWEB_PORT = {web}\nTILT_PORT = {tilt}\n{cluster}{more}");
        let app = sandbox.project("app", &toml);
        fs::write(app.join("Tiltfile"), "").expect("the project is writable");
        Self { tools, app, web, tilt, registry, api, sandbox }
    }

    /// Runs `silo` in the project, from a line of plain words.
    #[must_use]
    pub(crate) fn run(&self, line: &str) -> Ran {
        self.sandbox.run(&self.app, line.split(' '))
    }

    /// `tilt up` ends by itself, at once, with this exit code.
    pub(crate) fn tilt_ends(&self, code: &str) {
        self.tools.set("tilt.up.garbage", "");
        self.tools.set("tilt.up.exit", code);
    }

    /// Starts `silo` beside the test, from a line of plain words.
    pub(crate) fn beside(&self, line: &str) -> Beside {
        self.beside_with(line, |_| ())
    }

    /// The same, in a process group of its own.
    pub(crate) fn beside_in_group(&self, line: &str) -> Beside {
        self.beside_with(line, |silo| {
            silo.process_group(0);
        })
    }

    /// The same, on a terminal of its own whose keyboard is [`Beside::press_ctrl_c`].
    pub(crate) fn beside_on_a_terminal(&self, line: &str) -> Beside {
        const TERMINAL: &str = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))";
        self.beside_with(line, |silo| {
            let mut terminal = self.sandbox.command("/usr/bin/python3", &self.app);
            terminal.args(["-c", TERMINAL, SILO]).args(silo.get_args()).stdin(Stdio::piped());
            *silo = terminal;
        })
    }

    fn beside_with(&self, line: &str, prepare: impl FnOnce(&mut Command)) -> Beside {
        let errors = tempfile::Builder::new().prefix("stderr-").tempfile_in(self.sandbox.path("home"));
        let (file, errors) = errors.expect("HOME is writable").keep().expect("it stays");
        let mut silo = self.sandbox.command(SILO, &self.app);
        silo.args(line.split(' '));
        prepare(&mut silo);
        silo.stdout(file.try_clone().expect("files are left")).stderr(file);
        Beside { child: silo.spawn().expect("silo starts"), errors }
    }

    /// Waits until a stand-in has written a file.
    pub(crate) fn wait_for_file(&self, file: &str) {
        wait_until(file, || self.tools.path(file).exists());
    }

    /// Waits until the lockfile names no Tilt.
    pub(crate) fn wait_until_cleared(&self) {
        wait_until("a cleared lockfile", || self.instance().get("tiltPid").is_none());
    }

    /// The instance in the lockfile.
    pub(crate) fn instance(&self) -> Value {
        self.sandbox.lockfile(&self.app)["instance"].clone()
    }

    /// The lockfile names no Tilt.
    #[track_caller]
    pub(crate) fn assert_cleared(&self) {
        let instance = self.instance();
        assert!(instance.get("tiltPid").is_none() && instance.get("tiltStartedAt").is_none(), "{instance:#}");
    }

    /// The calls since the last look are these, one a line, ports and paths by their names.
    #[track_caller]
    pub(crate) fn story(&self, expected: &Expect) {
        expected.assert_eq(&self.take_story());
    }

    /// Forgets the calls so far.
    pub(crate) fn skip_story(&self) {
        self.take_story();
    }

    /// Changes a container behind k3d's back.
    pub(crate) fn edit_container(&self, name: &str, edit: impl FnOnce(&mut Value)) {
        let file = format!("state/containers/{name}.json");
        let text = fs::read(self.tools.path(&file)).expect("the container is there");
        let mut container: Value = serde_json::from_slice(&text).expect("it is JSON");
        edit(&mut container);
        self.tools.set(&file, &container.to_string());
    }

    fn take_story(&self) -> String {
        let calls = self.tools.calls();
        if !calls.is_empty() {
            self.tools.unset("calls");
        }
        let mut text = calls.join("\n") + if calls.is_empty() { "" } else { "\n" };
        for (port, name) in [(self.registry, "$REGISTRY"), (self.api, "$API"), (self.tilt, "$TILT"), (self.web, "$WEB")]
        {
            text = text.replace(&port.to_string(), name);
        }
        let id = text.split_once("silo.instance=").and_then(|(_, rest)| rest.split(['@', '"']).next());
        let id = id.filter(|id| !id.is_empty()).map(str::to_owned);
        id.map_or(text.clone(), |id| text.replace(&id, "$ID"))
    }

    /// A second `silo up` ends well: nothing that was left stands in its way.
    #[track_caller]
    pub(crate) fn assert_next_up_works(&self) {
        self.tilt_ends("0");
        self.run("up").success();
        self.assert_cleared();
    }
}

/// Looks until something is so.
pub(crate) fn wait_until(what: &str, so: impl Fn() -> bool) {
    let start = Instant::now();
    while !so() {
        assert!(start.elapsed() < DEADLINE, "no {what} within {DEADLINE:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

impl Beside {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    pub(crate) fn send(&self, signal: Signal) {
        kill(self.pid(), signal).expect("it runs");
    }

    /// On a terminal: what a user does.
    pub(crate) fn press_ctrl_c(&mut self) {
        let keyboard = self.child.stdin.as_mut().expect("it has a keyboard");
        keyboard.write_all(b"\x03").expect("the terminal is open");
    }

    /// Waits for its end; the exit code, none when it ended by a signal, and all it printed.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().expect("it is our child");
        (status.code(), self.told())
    }

    /// What it has printed so far.
    pub(crate) fn told(&self) -> String {
        fs::read_to_string(&self.errors).expect("it is UTF-8")
    }
}

#[test]
fn without_k3d_only_tilt_is_called() {
    let stage = Stage::new(HOOKS);
    stage.tilt_ends("0");
    stage.run("up dev").success().stdout("").stderr(
        "Writing `.localnet.env`\n\
         Writing `.silo.lock`\n\
         Instance: dev\n\
         Running pre-up hook: echo hook pre-up >>../../fakes/calls\n\
         Running post-up hook: echo hook post-up >>../../fakes/calls\n\
         Starting Tilt... http://dev.localhost:$TILT\n"
            .replace("$TILT", &stage.tilt.to_string())
            .as_str(),
    );
    stage.story(&expect![[r#"
        hook pre-up
        hook post-up
        tilt up
    "#]]);
    stage.assert_cleared();
    stage.run("up -- --stream --update-mode=manual").success();
    stage.story(&expect![[r#"
        hook pre-up
        hook post-up
        tilt up --stream --update-mode=manual
    "#]]);
}

#[test]
fn a_cluster_is_made_between_the_hooks_and_used_again() {
    let stage = Stage::with_cluster(HOOKS);
    stage.tilt_ends("0");
    let told = stage.run("up dev").success().stdout("").stderr;
    expect![[r#"
        Writing `.localnet.env`
        Writing `.silo.lock`
        Instance: dev
        Running pre-up hook: echo hook pre-up >>../../fakes/calls
        Creating registry 'localnet-dev-registry.localhost:$REGISTRY'...
        Creating k3d cluster 'localnet-dev'...
        Writing kubeconfig to ~/.kube/localnet-dev
        Checking that the cluster knows its image registry `localnet-dev-registry.localhost`
        Running post-up hook: echo hook post-up >>../../fakes/calls
        Starting Tilt... http://dev.localhost:$TILT
    "#]]
    .assert_eq(&told.replace(&stage.registry.to_string(), "$REGISTRY").replace(&stage.tilt.to_string(), "$TILT"));
    stage.story(&expect![[r#"
        hook pre-up
        k3d cluster list -o json
        k3d registry list -o json
        docker network ls --filter label=app=k3d --format '{{json .Name}}'
        k3d cluster create localnet-dev --kubeconfig-update-default=false --kubeconfig-switch-context=false --api-port 127.0.0.1:$API --registry-create localnet-dev-registry.localhost:127.0.0.1:$REGISTRY --timeout 180s --runtime-label silo.instance=$ID@server:0 --agents=1 --port=0:80@loadbalancer
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        hook post-up
        tilt up
    "#]]);
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
    let config = stage.sandbox.path("home/.kube/localnet-dev");
    let text = fs::read_to_string(&config).expect("the kubeconfig was written");
    assert!(text.contains(&format!("https://127.0.0.1:{}", stage.api)), "{text}");
    assert!(!stage.sandbox.path("home/.kube/config").exists(), "the user's own kubeconfig is not silo's");

    stage.run("up").success().stderr_has("Reusing k3d cluster 'localnet-dev'\n");
    stage.story(&expect![[r#"
        hook pre-up
        k3d cluster list -o json
        docker ps --all --filter label=k3d.cluster=localnet-dev --format '{{json .Names}}	{{json (.Label "silo.instance")}}'
        k3d registry list -o json
        k3d registry list -o json
        k3d kubeconfig get localnet-dev
        kubectl get configmap -n kube-public local-registry-hosting -o json
        hook post-up
        tilt up
    "#]]);
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
}

#[test]
fn every_program_gets_the_instance_and_its_kubeconfig() {
    let stage = Stage::with_cluster("");
    stage.tilt_ends("0");
    stage.run("up dev").success();
    let config = stage.sandbox.path("home/.kube/localnet-dev");
    let env = format!(" | KUBECONFIG={} TILT_PORT={} SILO_WORKSPACE=dev", config.display(), stage.tilt);
    let without: Vec<_> = stage.tools.calls_with_env().into_iter().filter(|call| !call.ends_with(&env)).collect();
    assert_eq!(without, [""; 0]);
}

#[test]
fn the_exit_code_of_tilt_is_passed_on() {
    let stage = Stage::new("");
    for code in ["1", "3", "42"] {
        stage.tilt_ends(code);
        stage.run("up").exit(code.parse().expect("it is a number"));
        stage.assert_cleared();
    }
    stage.assert_next_up_works();
}

#[test]
fn a_hook_that_fails_ends_it_there() {
    let stage = Stage::new("[hooks]\npre-up = [\"true\", \"exit 7\", \"echo never >>../../fakes/calls\"]\n");
    stage.run("up dev").exit(1).stderr_has(
        "Error: The pre-up hook `exit 7` failed with exit code 7\n\
         Hint: Nothing was started; ports and env file are kept. Fix the hook, then run `silo up` again\n",
    );
    stage.story(&expect![[""]]);
    stage.assert_cleared();
    assert!(stage.app.join(".localnet.env").exists());

    let stage = Stage::with_cluster("[hooks]\npost-up = [\"kill -9 $$\"]\n");
    stage.run("up dev").exit(137).stderr_has("Error: The post-up hook `kill -9 $$` ended by signal 9\n");
    assert!(stage.take_story().contains("k3d cluster create") && !stage.take_story().contains("tilt"));
    assert_eq!(stage.instance()["k3dClusterCreated"], true);
    stage.assert_cleared();
}

#[test]
fn a_tool_that_fails_is_named_and_nothing_after_it_is_called() {
    let cases = [
        ("k3d.cluster-list", "k3d cluster list -o json", 0),
        ("k3d.cluster-create", "k3d cluster create localnet-dev", 3),
        ("k3d.kubeconfig-get", "k3d kubeconfig get localnet-dev", 5),
    ];
    for (file, line, before) in cases {
        let stage = Stage::with_cluster(HOOKS);
        stage.tools.set(&format!("{file}.exit"), "1");
        stage.tools.set(&format!("{file}.stderr"), "the fake has had enough\n");
        let ran = stage.run("up dev").exit(1).stdout("").stderr_has("  | the fake has had enough\n");
        assert!(ran.stderr.contains(&format!("Error: `{line}")), "{ran:#?}");
        assert!(ran.stderr.contains("failed with exit code 1"), "{ran:#?}");
        let calls = stage.tools.calls();
        assert!(calls.last().is_some_and(|call| call.starts_with(line)), "{calls:#?}");
        assert_eq!(calls.len(), before + 2, "{calls:#?}");
        stage.assert_cleared();
        stage.tools.unset(&format!("{file}.exit"));
        stage.tools.unset(&format!("{file}.stderr"));
        stage.assert_next_up_works();
        assert_eq!(stage.instance()["k3dClusterCreated"], true, "{file}");
    }
}

#[test]
fn an_api_server_that_refuses_is_tried_again_then_named() {
    let stage = Stage::with_cluster("");
    stage.tools.set("k3d.cluster-create.noconfigmap", "");
    stage.tools.set("kubectl.apply.exit", "1");
    stage.tools.set("kubectl.apply.stderr", "error: forbidden\n");
    stage.run("up dev").exit(1).stderr_has("  | error: forbidden\n").stderr_has("`kubectl apply -f -` failed");
    stage.assert_cleared();
    stage.tools.unset("kubectl.apply.exit");
    stage.assert_next_up_works();
}
