//! Taking over an instance of the older silo while something of it runs: what is its own keeps its port, and only what
//! somebody else holds moves (D3, D14).

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;
use std::{fs, io};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

use crate::lifecycle_up::wait_until;
use crate::machine::{assert_agreed, registry};
use crate::sandbox::{Sandbox, free_ports};
use crate::tools::{ALL, Tools};
use crate::users::{STRANGER, is_root};

/// What the older silo left in a project `app`: a lockfile, and no word in the registry.
struct Older {
    tools: Tools,
    app: PathBuf,
    web: u16,
    tilt: u16,
    sandbox: Sandbox,
}

impl Older {
    fn new(more: &str) -> Self {
        let sandbox = Sandbox::new();
        let tools = Tools::install(&sandbox, ALL);
        tools.set("tilt.up.listen", "");
        let [web, tilt] = free_ports();
        let toml = format!("version = 1\n[ports]\nWEB_PORT = {web}\nTILT_PORT = {tilt}\n{more}");
        let app = sandbox.project("app", &toml);
        fs::write(app.join("Tiltfile"), "").expect("the project is writable");
        let older = Self { tools, app, web, tilt, sandbox };
        older.lock(&json!({}));
        older
    }

    /// Writes the lockfile as the older silo does, with more keys of the instance.
    fn lock(&self, more: &serde_json::Value) {
        let mut instance = json!({
            "name": "feature-x", "ports": { "WEB_PORT": self.web, "TILT_PORT": self.tilt },
            "createdAt": "2024-01-15T10:30:00.000Z", "k3dClusterCreated": false,
        });
        let keys = more.as_object().expect("an object").clone();
        instance.as_object_mut().expect("an object").extend(keys);
        let lockfile = json!({ "version": 1, "generatedAt": "2024-01-15T10:30:00.000Z", "instance": instance });
        fs::write(self.app.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
    }

    /// A Tilt in the project, noted in the lockfile as started at a time.
    fn with_tilt(&self, started: &str) -> Running {
        let mut tilt = self.sandbox.command("tilt", &self.app);
        tilt.args(["up", "--port", &self.tilt.to_string()]);
        let running = Running::start(tilt);
        self.tools.wait_for_tilt(self.tilt);
        self.lock(&json!({ "tiltPid": running.0.id(), "tiltStartedAt": started }));
        running
    }

    /// Writes the kubeconfig of a cluster, as k3d does, to where that of the instance lies.
    fn kubeconfig(&self, cluster: &str, port: u16) {
        let text = format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    server: https://127.0.0.1:{port}\n  name: k3d-{cluster}\n\
             contexts:\n- context:\n    cluster: k3d-{cluster}\n    user: admin@k3d-{cluster}\n  name: k3d-{cluster}\n\
             current-context: k3d-{cluster}\nkind: Config\nusers:\n- name: admin@k3d-{cluster}\n  user:\n    token: x\n"
        );
        let folder = self.sandbox.path("home/.kube");
        fs::create_dir_all(&folder).expect("HOME is writable");
        fs::write(folder.join("localnet-feature-x"), text).expect("HOME is writable");
    }

    /// The ports as they are leased.
    fn ports(&self) -> (u16, u16) {
        let leases = registry(&self.sandbox);
        let ports = &leases.instances[0].ports;
        (ports["WEB_PORT"], ports["TILT_PORT"])
    }

    /// Enters the project as a `cd` does; what the user is told.
    fn enter(&self) -> String {
        self.sandbox.run(&self.app, ["allow"]).success();
        self.sandbox.run(&self.app, ["export", "bash", "--seen", ""]).success().stderr
    }
}

/// A process of the test's own, ended with it.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("it is on PATH"))
    }

    /// Something that listens on a port, started in a folder.
    fn listener(sandbox: &Sandbox, dir: &Path, port: u16) -> Self {
        Self::python(sandbox, dir, port, "time.sleep(600)")
    }

    /// The same, but no process can be found that has the socket: as with one of another user.
    fn unseen_listener(sandbox: &Sandbox, port: u16) -> Self {
        let home = sandbox.path("home");
        let hide = "a, b = socket.socketpair(); socket.send_fds(a, [b'x'], [l.fileno()]); l.close(); \
                    open(f'hidden.{os.getpid()}', 'w').close(); time.sleep(600)";
        let running = Self::python(sandbox, &home, port, hide);
        // It listens a moment before nobody sees it.
        wait_until("a hidden listener", || home.join(format!("hidden.{}", running.0.id())).exists());
        running
    }

    /// The same, really another user's; only root can.
    fn strangers_listener(sandbox: &Sandbox, port: u16) -> Self {
        let mut python = sandbox.command("python3", "/");
        let text = format!(
            "import os, socket, time; os.setgroups([]); os.setgid({STRANGER}); os.setuid({STRANGER}); \
             l = socket.create_server(('127.0.0.1', {port})); a, b = socket.socketpair(); \
             socket.send_fds(a, [b'x'], [l.fileno()]); l.close(); time.sleep(600)"
        );
        python.args(["-c", &text]);
        let running = Self::start(python);
        wait_until("a listener", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        running
    }

    fn python(sandbox: &Sandbox, dir: &Path, port: u16, then: &str) -> Self {
        let mut python = sandbox.command("python3", dir);
        let text =
            format!("import os, socket, time; l = socket.socket(); l.bind(('127.0.0.1', {port})); l.listen(9); {then}");
        python.args(["-c", &text]);
        let running = Self::start(python);
        wait_until("a listener", || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
        running
    }

    fn runs(&mut self) -> bool {
        self.0.try_wait().is_ok_and(|ended| ended.is_none())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _: Result<(), io::Error> =
            kill(Pid::from_raw(self.0.id().cast_signed()), Signal::SIGTERM).map_err(Into::into);
        let _ = self.0.wait();
    }
}

fn now() -> String {
    jiff::Timestamp::try_from(SystemTime::now()).expect("the year has four digits").to_string()
}

const TOOK: &str = "Took over `feature-x` from `.silo.lock`, which the registry did not know (`silo doc migration`)\n";

#[test]
fn while_its_tilt_runs_every_port_stays_and_silo_goes_on_with_it() {
    let older = Older::new("");
    // A server that Tilt has started works wherever it likes.
    let elsewhere = Running::listener(&older.sandbox, &older.sandbox.path("home"), older.web);
    let mut tilt = older.with_tilt(&now());
    let told = format!("{TOOK}Writing `.localnet.env`\nWriting `.silo.lock`\n");
    older.sandbox.run(&older.app, ["env"]).success().stderr(&told);
    assert_eq!(older.ports(), (older.web, older.tilt));
    assert_agreed(&older.sandbox, &older.app);
    older.sandbox.run(&older.app, ["env"]).success().stderr("");
    let status = older.sandbox.run(&older.app, ["status"]).success().stdout;
    assert!(status.contains(&format!("State: running\nTilt: pid {}\n", tilt.0.id())), "{status}");
    let refused = "Error: Instance 'feature-x' already running. Use `silo down` first.\n";
    older.sandbox.run(&older.app, ["up"]).exit(1).stderr(refused);
    drop(elsewhere);
    let stopped = format!("Stopping Tilt... (pid {})\n", tilt.0.id());
    older.sandbox.run(&older.app, ["down"]).success().stderr_has(&stopped);
    assert!(!tilt.runs());
    assert!(older.sandbox.lockfile(&older.app)["instance"].get("tiltPid").is_none());
}

#[test]
fn a_cd_keeps_them_too() {
    let older = Older::new("");
    let _elsewhere = Running::listener(&older.sandbox, &older.sandbox.path("home"), older.web);
    let _tilt = older.with_tilt(&now());
    let told = older.enter();
    assert_eq!(told, format!("silo: feature-x · WEB_PORT={} TILT_PORT={}\n", older.web, older.tilt));
    assert_agreed(&older.sandbox, &older.app);
}

#[test]
fn a_tilt_that_is_not_proved_to_be_the_lockfiles_keeps_no_port_of_strangers() {
    let older = Older::new("");
    let elsewhere = Running::listener(&older.sandbox, &older.sandbox.path("home"), older.web);
    // Its id was used again: the start time does not fit. It works in the project anyway.
    let _tilt = older.with_tilt("2024-01-15T10:30:00.000Z");
    let told = older.sandbox.run(&older.app, ["env"]).success().stderr;
    let (web, tilt) = older.ports();
    assert_eq!(tilt, older.tilt);
    assert_ne!(web, older.web);
    let moved =
        format!("Port {} is held by `python3` (pid {}) on 127.0.0.1; WEB_PORT is {web}\n", older.web, elsewhere.0.id());
    assert_eq!(told, format!("{TOOK}{moved}Writing `.localnet.env`\nWriting `.silo.lock`\n"));
    assert_eq!(told.matches(&older.web.to_string()).count(), 1, "it is told once: {told}");
}

#[test]
fn a_port_that_was_no_default_and_is_lost_is_told_too() {
    let older = Older::new("");
    let [other] = free_ports();
    older.lock(&json!({ "ports": { "WEB_PORT": other, "TILT_PORT": older.tilt } }));
    let _elsewhere = Running::listener(&older.sandbox, &older.sandbox.path("home"), other);
    let told = older.sandbox.run(&older.app, ["env"]).success().stderr;
    assert_eq!(older.ports(), (older.web, older.tilt));
    let lost = format!("Port {other} is no longer available; WEB_PORT is {}\n", older.web);
    assert!(told.starts_with(&format!("{TOOK}{lost}")), "{told}");
}

#[test]
fn without_tilt_what_runs_in_the_project_keeps_its_port() {
    for enter in [true, false] {
        let older = Older::new("");
        let _server = Running::listener(&older.sandbox, &older.app, older.web);
        if enter {
            older.enter();
        } else {
            older.sandbox.run(&older.app, ["env"]).success();
        }
        assert_eq!(older.ports(), (older.web, older.tilt));
    }
}

#[test]
fn its_own_containers_keep_theirs_and_others_do_not() {
    let own = [("com.docker.compose.project", "localnet-feature-x"), ("k3d.cluster", "localnet-feature-x")];
    for (label, kept) in own.map(|label| (label, true)).into_iter().chain([(("k3d.cluster", "other"), false)]) {
        let older = Older::new("");
        older.tools.container("one", &[label], &[older.web]);
        let _proxy = Running::listener(&older.sandbox, &older.sandbox.path("home"), older.web);
        older.sandbox.run(&older.app, ["env"]).success();
        assert_eq!(older.ports().0 == older.web, kept, "{label:?}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_cd_what_nobody_is_seen_to_hold_is_left_to_the_cluster_and_docker_is_not_asked() {
    // What the lockfile says is a stranger's word, unless this user's own kubeconfig of the cluster is there.
    for (made, cluster, kept) in [
        (true, Some("localnet-feature-x"), true),
        (false, Some("localnet-feature-x"), false),
        (true, None, false),
        (true, Some("production"), false),
    ] {
        let older = Older::new("[k3d]\nenabled = true\nargs = [\"--port=${WEB_PORT}:80@loadbalancer\"]\n");
        older.lock(&json!({ "k3dClusterCreated": made }));
        if let Some(cluster) = cluster {
            older.kubeconfig(cluster, older.web);
        }
        let _proxy = Running::unseen_listener(&older.sandbox, older.web);
        older.enter();
        assert_eq!(older.ports().0 == older.web, kept, "{made} {cluster:?}");
        assert_eq!(older.tools.calls(), Vec::<String>::new());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_cd_another_users_port_is_never_the_clusters() {
    let older = Older::new("[k3d]\nenabled = true\nargs = [\"--port=${WEB_PORT}:80@loadbalancer\"]\n");
    older.lock(&json!({ "k3dClusterCreated": true }));
    older.kubeconfig("localnet-feature-x", older.web);
    let root = is_root();
    let listener = if root { Running::strangers_listener } else { Running::unseen_listener };
    let _server = listener(&older.sandbox, older.web);
    older.enter();
    assert_eq!(older.ports().0 != older.web, root);
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_cd_only_what_the_cluster_publishes_is_left_to_it() {
    // No argument of k3d's names the variable.
    let older = Older::new("[k3d]\nenabled = true\n");
    older.lock(&json!({ "k3dClusterCreated": true }));
    older.kubeconfig("localnet-feature-x", older.web);
    let proxy = Running::unseen_listener(&older.sandbox, older.web);
    older.enter();
    assert_ne!(older.ports().0, older.web);
    drop(proxy);
    // The kubeconfig names another API server.
    for own in [true, false] {
        let [api, other] = free_ports();
        let older = Older::new(&format!("K3D_API_PORT = {api}\n[k3d]\nenabled = true\n"));
        older.lock(&json!({ "k3dClusterCreated": true, "ports": { "WEB_PORT": older.web, "K3D_API_PORT": api } }));
        older.kubeconfig("localnet-feature-x", if own { api } else { other });
        let _proxy = Running::unseen_listener(&older.sandbox, api);
        older.enter();
        assert_eq!(registry(&older.sandbox).instances[0].ports["K3D_API_PORT"] == api, own);
    }
}

#[test]
fn force_plans_anew_though_it_runs() {
    let older = Older::new("");
    let _tilt = older.with_tilt(&now());
    older.sandbox.run(&older.app, ["env", "--force"]).success();
    assert_ne!(older.ports().1, older.tilt);
}

#[test]
fn a_copy_of_a_running_project_does_not_take_its_ports() {
    let older = Older::new("");
    let _tilt = older.with_tilt(&now());
    let copy = older.sandbox.project("copy", &fs::read_to_string(older.app.join("silo.toml")).expect("it is there"));
    fs::copy(older.app.join(".silo.lock"), copy.join(".silo.lock")).expect("the project is writable");
    older.sandbox.run(&copy, ["env"]).success();
    assert_ne!(older.sandbox.lockfile_ports(&copy)["TILT_PORT"], older.tilt);
}
