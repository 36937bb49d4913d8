//! Stand-ins for tilt, k3d, kubectl and docker (`tests/fakes`): what silo asked of them, and how they are to answer.
//!
//! They live in the sandbox's `bin` and find the folder `fakes` beside it, so nothing has to be passed to them. A test
//! steers them by files there: `NAME.SUB.exit` (exit code), `.stderr` (told besides), `.garbage` (instead of the
//! answer) and `.wait` (blocks until the file is gone, 30 s at most), where SUB is `up`, `cluster-create`, `get`, …;
//! and `docker.down`, `k3d.listen`, `k3d.cluster-create.noconfigmap`, `kubectl.servers`, `kubectl.pods`,
//! `tilt.up.listen`, `tilt.up.slow`, `tilt.ci.runs`, `tilt.resources` and `tilt.log`. A call they do not know exits 97 and fails the test.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::sandbox::Sandbox;

/// All there are.
pub(crate) const ALL: &[&str] = &["tilt", "k3d", "kubectl", "docker"];

/// How long to wait for a call before the test fails.
const DEADLINE: Duration = Duration::from_mins(1);

/// The stand-ins of one sandbox.
pub(crate) struct Tools {
    fakes: PathBuf,
}

impl Tools {
    /// Puts stand-ins on the sandbox's `PATH`, before any real tool.
    pub(crate) fn install(sandbox: &Sandbox, names: &[&str]) -> Self {
        let fakes = sandbox.path("fakes");
        fs::create_dir(&fakes).expect("tools are installed once");
        for name in names {
            let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fakes").join(name);
            symlink(source, sandbox.path("bin").join(name)).expect("tools are installed once");
        }
        Self { fakes }
    }

    /// The variable that names the folder, for a stand-in that is not started through the sandbox's `bin`.
    pub(crate) fn env(&self) -> (&'static str, OsString) {
        ("FAKES", self.fakes.clone().into())
    }

    /// Where a file that steers or records is.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.fakes.join(file)
    }

    /// Writes a file that steers, such as `k3d.cluster-create.exit`.
    pub(crate) fn set(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("the sandbox is writable");
    }

    /// Removes a file that steers; a call that waits for it goes on.
    pub(crate) fn unset(&self, file: &str) {
        fs::remove_file(self.path(file)).expect("it was set");
    }

    /// A container that k3d did not make, such as one of a compose project. Each port is published on 127.0.0.1.
    pub(crate) fn container(&self, name: &str, labels: &[(&str, &str)], ports: &[u16]) {
        let labels: serde_json::Map<_, _> = labels.iter().map(|(key, value)| ((*key).into(), json!(value))).collect();
        let binds: Vec<_> =
            ports.iter().map(|port| json!({"HostIp": "127.0.0.1", "HostPort": port.to_string()})).collect();
        let container = json!({
            "name": name, "image": "scratch", "state": "running", "created": "2024-01-15T10:30:00Z",
            "labels": labels, "ports": {"80/tcp": binds}, "networks": ["bridge"],
        });
        fs::create_dir_all(self.path("state/containers")).expect("the sandbox is writable");
        self.set(&format!("state/containers/{name}.json"), &container.to_string());
    }

    /// A network or volume (`kind` says which) with its labels.
    pub(crate) fn thing(&self, kind: &str, name: &str, labels: &[(&str, &str)]) {
        let labels: serde_json::Map<_, _> = labels.iter().map(|(key, value)| ((*key).into(), json!(value))).collect();
        fs::create_dir_all(self.path(&format!("state/{kind}s"))).expect("the sandbox is writable");
        self.set(&format!("state/{kind}s/{name}.json"), &json!({ "name": name, "labels": labels }).to_string());
    }

    /// The names of what there is of a kind: `container`, `network` or `volume`.
    pub(crate) fn names_of(&self, kind: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(&format!("state/{kind}s"))).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names.into_iter().filter_map(|name| name.strip_suffix(".json").map(str::to_owned)).collect()
    }

    /// The calls so far in their order, without variables, and the signals a Tilt got as `signal NAME`.
    pub(crate) fn calls(&self) -> Vec<String> {
        let without = |line: String| line.split_once(" | ").map_or(line.clone(), |(call, _)| call.to_owned());
        self.calls_with_env().into_iter().map(without).collect()
    }

    /// The calls so far, each followed by ` | ` and those of `KUBECONFIG TILT_PORT SILO_WORKSPACE` that were set.
    pub(crate) fn calls_with_env(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Waits until there is a call that starts with this, and returns it with its variables.
    pub(crate) fn wait_for(&self, start: &str) -> String {
        self.poll(start, || self.calls_with_env().into_iter().find(|call| call.starts_with(start)))
    }

    /// Waits until a Tilt holds its port and would take a signal; returns its process id.
    pub(crate) fn wait_for_tilt(&self, port: u16) -> i32 {
        self.poll(&format!("a Tilt on port {port}"), || {
            fs::read_to_string(self.path(&format!("state/tilt/{port}"))).ok()?.lines().next()?.parse().ok()
        })
    }

    /// Fails the test when a stand-in was called in a way it does not know.
    pub(crate) fn check(&self) {
        let unknown: Vec<_> = self.calls().into_iter().filter(|call| call.starts_with("UNKNOWN")).collect();
        assert!(unknown.is_empty(), "calls no stand-in knows: {unknown:#?}");
    }

    fn poll<T>(&self, what: &str, look: impl Fn() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(start.elapsed() < DEADLINE, "no {what:?} within {DEADLINE:?}; calls: {:#?}", self.calls());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.check();
        }
    }
}

/// The stand-ins themselves.
mod fakes {
    use std::net::{TcpListener, TcpStream};
    use std::process::{Child, Stdio};

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use serde_json::{Value, json};

    use super::{ALL, Tools, fs};
    use crate::sandbox::{Ran, Sandbox, free_ports};

    /// Runs a stand-in in the sandbox's `projects` folder, from a line of plain words.
    fn run(sandbox: &Sandbox, line: &str) -> Ran {
        let mut words = line.split(' ');
        let mut command = sandbox.command(words.next().expect("a line has words"), "");
        command.args(words).env("LOG_LEVEL", "warn").env("KUBECONFIG", sandbox.path("kubeconfig"));
        sandbox.finish(command)
    }

    fn spawn(sandbox: &Sandbox, line: &str) -> Child {
        let mut words = line.split(' ');
        let mut command = sandbox.command(words.next().expect("a line has words"), "");
        command.args(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it is on PATH")
    }

    fn answer(ran: Ran) -> Value {
        serde_json::from_slice(&ran.success().bytes).expect("it answers in JSON")
    }

    fn send(pid: i32, signal: Signal) {
        kill(Pid::from_raw(pid), signal).expect("it runs");
    }

    #[test]
    fn a_cluster_is_made_listed_stopped_started_and_deleted() {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        let [api, registry] = free_ports();
        assert_eq!(answer(run(&sandbox, "k3d cluster list -o json")), json!([]));
        assert_eq!(answer(run(&sandbox, "k3d registry list -o json")), json!([]));
        let line = format!(
            "k3d cluster create a --kubeconfig-update-default=false --api-port 127.0.0.1:{api} --agents 1 \
             --registry-create a-registry.localhost:127.0.0.1:{registry} --runtime-label silo.instance=a@server:*;agent:*"
        );
        tools.set("k3d.listen", "");
        run(&sandbox, &line).success().stdout("kubectl cluster-info\n").stderr("");
        drop(TcpStream::connect(("127.0.0.1", api)).expect("the API port is held"));
        run(&sandbox, &line).exit(1).stderr_has("because a cluster with that name already exists");

        let listed = answer(run(&sandbox, "k3d cluster list -o json"));
        let cluster = &listed[0];
        assert_eq!(json!([cluster["name"], cluster["serversRunning"], cluster["agentsCount"]]), json!(["a", 1, 1]));
        let roles: Vec<_> = listed[0]["nodes"].as_array().expect("nodes").iter().map(|node| &node["role"]).collect();
        assert_eq!(roles, ["agent", "server", "loadbalancer"]);
        let bind = &listed[0]["nodes"][2]["portMappings"]["6443/tcp"][0];
        assert_eq!(bind, &json!({"HostIp": "127.0.0.1", "HostPort": api.to_string()}));
        assert_eq!(listed[0]["nodes"][1]["runtimeLabels"]["silo.instance"], Value::Null);
        let found = answer(run(&sandbox, "k3d registry list -o json"));
        assert_eq!(json!([found[0]["name"], found[0]["State"]["Status"]]), json!(["a-registry.localhost", "running"]));
        let names = run(&sandbox, "docker ps --filter label=silo.instance=a --format {{.Names}}").success();
        names.stdout("k3d-a-agent-0\nk3d-a-server-0\n");

        let file = sandbox.path("kubeconfig");
        run(&sandbox, &format!("k3d kubeconfig write a -o {}", file.display())).success();
        let got = run(&sandbox, "k3d kubeconfig get a").success();
        assert_eq!(got.stdout, format!("---\n{}", fs::read_to_string(&file).expect("it was written")));
        assert!(got.stdout.contains(&format!("server: https://127.0.0.1:{api}\n  name: k3d-a\n")));
        let map = "kubectl get cm -n kube-public local-registry-hosting -o json";
        let text = answer(run(&sandbox, map))["data"]["localRegistryHosting.v1"].as_str().map(str::to_owned);
        assert!(text.is_some_and(|text| text.starts_with(&format!("host: 127.0.0.1:{registry}\n"))));

        run(&sandbox, "k3d cluster stop a").success();
        TcpStream::connect(("127.0.0.1", api)).expect_err("nobody holds the API port");
        run(&sandbox, map).exit(1).stderr_has(&format!("The connection to the server 127.0.0.1:{api} was refused"));
        assert_eq!(answer(run(&sandbox, "k3d cluster list a -o json"))[0]["serversRunning"], json!(0));
        run(&sandbox, "k3d cluster start a --wait --timeout 60s").success();
        run(&sandbox, "kubectl get --raw /readyz").success().stdout("ok");
        run(&sandbox, "k3d cluster delete a").success();
        run(&sandbox, "k3d cluster delete a").success();
        run(&sandbox, "k3d cluster list a -o json").exit(1);
        run(&sandbox, "docker ps -aq").success().stdout("");
    }

    #[test]
    fn a_create_that_is_killed_leaves_half_a_cluster() {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        let [api] = free_ports();
        tools.set("k3d.cluster-create.wait", "");
        let mut child = spawn(&sandbox, &format!("k3d cluster create a --api-port 127.0.0.1:{api}"));
        tools.poll("a container", || tools.path("state/containers/k3d-a-serverlb.json").exists().then_some(()));
        send(child.id().cast_signed(), Signal::SIGINT);
        assert_eq!(child.wait().expect("it is our child").code(), None);
        let listed = answer(run(&sandbox, "k3d cluster list -o json"));
        let front = &listed[0]["nodes"][1];
        assert_eq!(json!([listed[0]["serversRunning"], front["State"]["Status"]]), json!([1, "created"]));
        tools.set("k3d.cluster-create.exit", "1");
        tools.unset("k3d.cluster-create.wait");
        run(&sandbox, "k3d cluster create b").exit(1).stderr_has("all changes have been rolled back!");
        assert_eq!(answer(run(&sandbox, "k3d cluster list -o json"))[1], Value::Null);
    }

    #[test]
    fn a_config_map_is_applied_and_read_back() {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        let config = "clusters:\n- cluster:\n    server: http://127.0.0.1:1\n  name: other\ncurrent-context: other\n";
        fs::write(sandbox.path("kubeconfig"), config).expect("the sandbox is writable");
        let map = "kubectl get cm -n kube-public local-registry-hosting -o json";
        run(&sandbox, map).exit(1).stderr_has("The connection to the server 127.0.0.1:1 was refused");
        tools.set("kubectl.servers", "http://127.0.0.1:1");
        let missing = "Error from server (NotFound): configmaps \"local-registry-hosting\" not found\n";
        run(&sandbox, map).exit(1).stderr(missing);
        let yaml = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: local-registry-hosting\n  namespace: kube-public\n\
                    data:\n  localRegistryHosting.v1: |\n    host: \"localhost:5000\"\n    help: x\n";
        let input = sandbox.path("yaml");
        for (text, how) in [(yaml, "created"), (yaml, "unchanged"), (&yaml.replace("5000", "5001"), "configured")] {
            fs::write(&input, text).expect("the sandbox is writable");
            let mut apply = sandbox.command("kubectl", "");
            apply.args(["apply", "-f", "-"]).env("KUBECONFIG", sandbox.path("kubeconfig"));
            apply.stdin(fs::File::open(&input).expect("it was written"));
            sandbox.finish(apply).success().stdout(&format!("configmap/local-registry-hosting {how}\n"));
        }
        let text = &answer(run(&sandbox, map))["data"]["localRegistryHosting.v1"];
        assert_eq!(text, "host: \"localhost:5001\"\nhelp: x\n");
    }

    #[test]
    fn tilt_stays_up_until_one_signal_and_refuses_a_busy_port() {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        let [port] = free_ports();
        fs::write(sandbox.dir("Tiltfile"), "").expect("the sandbox is writable");
        tools.set("tilt.up.listen", "");
        tools.set("tilt.resources", "web ok not_applicable\n");
        let session = format!("tilt get session Tiltfile -o json --port {port}");
        run(&sandbox, &session).exit(1).stderr(&format!("Error: No tilt apiserver found: tilt-{port}\n"));
        let mut up = spawn(&sandbox, &format!("tilt up --stream --port {port}"));
        let pid = tools.wait_for_tilt(port);
        assert_eq!(pid, up.id().cast_signed());
        #[cfg(target_os = "linux")]
        assert_eq!(fs::read_to_string(format!("/proc/{pid}/comm")).expect("it runs"), "tilt\n");
        drop(TcpStream::connect(("127.0.0.1", port)).expect("it listens"));
        assert_eq!(answer(run(&sandbox, &session))["status"]["pid"], json!(pid));
        let resources = answer(run(&sandbox, &format!("tilt get uiresources -o json --port {port}")));
        assert_eq!(resources["items"][0]["status"]["runtimeStatus"], json!("ok"));
        run(&sandbox, &format!("tilt up --port={port}")).exit(1).stderr_has("you already have another process on port");
        send(pid, Signal::SIGTERM);
        assert_eq!(up.wait().expect("it is our child").code(), Some(0));
        TcpListener::bind(("127.0.0.1", port)).expect("the port is free again");
        assert_eq!(tools.calls().last().map(String::as_str), Some("signal TERM"));

        tools.unset("tilt.up.listen");
        tools.set("tilt.up.slow", "1.9");
        let mut up = spawn(&sandbox, &format!("tilt up --port {port}"));
        send(tools.wait_for_tilt(port), Signal::SIGINT);
        tools.wait_for("signal INT");
        send(up.id().cast_signed(), Signal::SIGHUP);
        assert_eq!(up.wait().expect("it is our child").code(), Some(1));
        run(&sandbox, "tilt down").success();
        run(&sandbox, &format!("tilt ci --port {port}")).success();
        tools.set("tilt.ci.exit", "1");
        run(&sandbox, "tilt ci").exit(1);
    }

    #[test]
    fn calls_are_noted_and_an_unknown_one_exits_97() {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        for name in ALL {
            let told = format!("fake {name}: unknown call:");
            run(&sandbox, &format!("{name} frobnicate it's")).exit(97).stderr_has(&told);
        }
        let quoted = format!("tilt frobnicate 'it'\\''s' | KUBECONFIG={}", sandbox.path("kubeconfig").display());
        assert_eq!(tools.calls_with_env()[0], quoted);
        assert_eq!(tools.calls()[2..4], ["k3d frobnicate 'it'\\''s'", "UNKNOWN k3d frobnicate 'it'\\''s'"]);
        let mut elsewhere = sandbox.command(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fakes/kubectl"), "");
        elsewhere.args(["version", "--client"]).envs([tools.env()]);
        sandbox.finish(elsewhere).success();
        assert_eq!(tools.calls().last().map(String::as_str), Some("kubectl version --client"));
        std::panic::catch_unwind(|| tools.check()).expect_err("an unknown call fails the test");
        tools.unset("calls");
    }

    #[test]
    fn without_docker_nothing_answers() {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        tools.container("web", &[("com.docker.compose.project", "p")], &[8080]);
        let ps = "docker ps --filter label=com.docker.compose.project=p --format {{.Names}}={{.Ports}}";
        run(&sandbox, ps).success().stdout("web=127.0.0.1:8080->80/tcp\n");
        tools.set("k3d.cluster-list.garbage", "no JSON\n");
        run(&sandbox, "k3d cluster list -o json").success().stdout("no JSON\n");
        tools.set("docker.down", "");
        run(&sandbox, ps).exit(1).stderr_has("Is the docker daemon running?");
        run(&sandbox, "k3d cluster list -o json").exit(1).stderr_has("Is the docker daemon running?");
        assert_eq!(answer(run(&sandbox, "k3d version -o json"))["k3d"], json!("v5.9.0"));
    }
}
