//! A clock that is wrong or was set: times in files decide nothing but whether something changed, and a process is known
//! by more than the clock (D7, D10, D14).

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::machine::{assert_agreed, files_below, registry, registry_path, written};
use crate::pty::{Session, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(prompts_in_a_project_from_any_time_stay_quiet_and_notice_an_edit);

/// Before all clocks, long ago, and after every clock here.
fn times() -> [SystemTime; 3] {
    let hours = Duration::from_hours;
    [SystemTime::UNIX_EPOCH - hours(24), SystemTime::UNIX_EPOCH + hours(1), SystemTime::now() + hours(24 * 365 * 70)]
}

fn set_time(file: &Path, time: SystemTime) {
    let opened = File::options().write(true).open(file).expect("the file is ours");
    opened.set_modified(time).expect("this file system keeps the time");
}

fn prompts_in_a_project_from_any_time_stay_quiet_and_notice_an_edit(shell: Shell) {
    for (time, edited) in times().into_iter().zip([times()[2], times()[0], times()[1]]) {
        let sandbox = Sandbox::new();
        let [web, other] = free_ports();
        let app = sandbox.project("app", &toml_with_ports(&[("WEB_PORT", web)]));
        set_time(&app.join("silo.toml"), time);
        sandbox.run(&app, ["allow"]).success();
        let mut session = Session::start(&sandbox, shell, &app);
        session.run(":").assert_active(&sandbox, &app);
        assert_eq!(session.run(":").told, "");
        fs::write(app.join("silo.toml"), toml_with_ports(&[("WEB_PORT", other)])).expect("the project is writable");
        set_time(&app.join("silo.toml"), edited);
        let told = session.run(":").told;
        assert!(told.contains("has changed"), "{told:?}");
        assert_eq!(session.run(":").told, "");
    }
}

#[test]
fn files_from_another_time_are_read_as_they_are_and_not_written_again() {
    for time in times() {
        let sandbox = Sandbox::new();
        let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
        sandbox.run(&app, ["env", "x"]).success();
        let all = |folder: &Path| files_below(folder).into_iter().map(|file| folder.join(file)).collect::<Vec<_>>();
        let files = [app.clone(), sandbox.path("state"), sandbox.path("data")].map(|folder| all(&folder)).concat();
        for file in &files {
            set_time(file, time);
        }
        let kept: Vec<_> = files.iter().filter(|file| !file.ends_with("registry.lock")).cloned().collect();
        let before = written(&kept);
        sandbox.run(&app, ["env"]).success().stderr("");
        let export = sandbox.run(&app, ["export", "bash"]).success();
        assert!(export.stdout.contains(" SILO_WORKSPACE='x' "), "{export:#?}");
        assert_eq!(written(&kept), before);
        sandbox.run(&app, ["env", "y", "--force"]).success();
        assert_agreed(&sandbox, &app);
    }
}

#[test]
fn times_that_are_recorded_decide_nothing() {
    for time in ["2999-12-31T23:59:59Z", "1901-01-01T00:00:00Z", "soon", ""] {
        let sandbox = Sandbox::new();
        let app = sandbox.trusted("app", "version = 1\n[ports]\nA = 0\n");
        let other = sandbox.project("other", "version = 1\n[ports]\nA = 0\n");
        sandbox.run(&app, ["env", "x"]).success();
        sandbox.run(&other, ["env", "other"]).success();
        let mut leases = registry(&sandbox);
        for instance in &mut leases.instances {
            time.clone_into(&mut instance.created);
            time.clone_into(&mut instance.changed);
        }
        fs::write(registry_path(&sandbox), leases.render()).expect("the sandbox is writable");
        let mut lockfile = sandbox.lockfile(&app);
        lockfile["generatedAt"] = time.into();
        lockfile["instance"]["createdAt"] = time.into();
        fs::write(app.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
        let ports = sandbox.lockfile_ports(&app);
        sandbox.run(&app, ["env"]).success();
        sandbox.run(&app, ["export", "bash", "--seen", ""]).success().stderr(&format!("silo: x · A={}\n", ports["A"]));
        sandbox.run(&app, ["status"]).success();
        assert_eq!(sandbox.lockfile_ports(&app), ports);
        assert_eq!(registry(&sandbox).instances.len(), 2);
        assert_agreed(&sandbox, &app);
        assert_agreed(&sandbox, &other);
    }
}

/// A Tilt in the background, as the kernel sees it: only Linux tells a start that no clock moves.
#[cfg(target_os = "linux")]
mod tilt {
    use std::fs;
    use std::process::Stdio;

    use nix::sys::signal::{Signal, kill};
    use nix::unistd::Pid;
    use serde_json::{Value, json};

    use crate::lifecycle_up::Stage;

    /// A project with its Tilt, which is ended when this is dropped.
    struct Running {
        stage: Stage,
        instance: Value,
    }

    impl Running {
        fn start() -> Self {
            let stage = Stage::new("");
            stage.tools.set("tilt.up.listen", "");
            stage.run("up -d dev").success();
            let instance = stage.instance();
            Self { stage, instance }
        }

        /// One that nobody has started inside, in the words of a lockfile: its environment proves nothing.
        fn by_hand() -> Self {
            let stage = Stage::new("");
            stage.run("env dev").success();
            let mut tilt = stage.sandbox.command("tilt", &stage.app);
            tilt.args(["up", "--port", &stage.tilt.to_string()]).stdout(Stdio::null()).stderr(Stdio::null());
            let started = jiff::Timestamp::now().to_string();
            let mut child = tilt.spawn().expect("the stand-in starts");
            let pid = stage.tools.wait_for_tilt(stage.tilt);
            std::thread::spawn(move || child.wait());
            let read = |path: &str| fs::read_to_string(path).expect("Linux tells");
            let stat = read(&format!("/proc/{pid}/stat"));
            let ticks = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).expect("it tells ticks");
            let boot = read("/proc/sys/kernel/random/boot_id");
            let mut instance = stage.instance();
            instance["tiltPid"] = json!(pid);
            instance["tiltStartedAt"] = json!(started);
            instance["tiltBirth"] = json!(format!("{pid}@{}+{ticks}", boot.trim()));
            let tilt = Self { stage, instance };
            for key in ["tiltPid", "tiltStartedAt", "tiltBirth"] {
                tilt.note(key, tilt.instance[key].clone());
            }
            tilt
        }

        fn pid(&self) -> i64 {
            self.instance["tiltPid"].as_i64().expect("it is recorded")
        }

        /// Changes the lockfile.
        fn note(&self, key: &str, value: Value) {
            let mut lockfile = self.stage.sandbox.lockfile(&self.stage.app);
            lockfile["instance"][key] = value;
            fs::write(self.stage.app.join(".silo.lock"), lockfile.to_string()).expect("the project is writable");
        }

        #[track_caller]
        fn assert_state(&self, state: &str) {
            let status = self.stage.run("status --json").success().stdout;
            assert!(status.contains(&format!("\"state\": \"{state}\"")), "{status}");
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            let pid = i32::try_from(self.pid()).expect("a pid is a pid_t");
            // Most tests have stopped it by then.
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }

    #[test]
    fn it_is_known_and_stopped_after_the_clock_was_set() {
        for hours in [-3, 3] {
            let tilt = Running::start();
            let started = tilt.instance["tiltStartedAt"].as_str().expect("it is text");
            let started: jiff::Timestamp = started.parse().expect("it is a time");
            // What the system says of the start has moved against what was noted.
            tilt.note("tiltStartedAt", json!((started + jiff::SignedDuration::from_hours(hours)).to_string()));
            tilt.assert_state("running");
            tilt.stage.run("up").exit(1).stderr_has("Instance 'dev' already running");
            tilt.stage.run("down").success().stderr_has(&format!("Stopping Tilt... (pid {})", tilt.pid()));
            tilt.stage.assert_cleared();
            assert!(tilt.stage.instance().get("tiltBirth").is_none());
        }
    }

    #[test]
    fn a_birth_of_another_process_is_not_believed_and_one_of_another_pid_does_not_count() {
        let tilt = Running::by_hand();
        tilt.assert_state("running");
        let birth = tilt.instance["tiltBirth"].as_str().expect("it is recorded");
        let (whose, ticks) = birth.rsplit_once('+').expect("it tells ticks");
        let (pid, boot) = whose.split_once('@').expect("it tells the start of the machine");
        assert_eq!(pid, tilt.pid().to_string());
        let later = ticks.parse::<u64>().expect("it is a number") + 1;
        for other in [format!("{whose}+{later}"), format!("{pid}@another-start+{ticks}"), format!("{pid}@")] {
            tilt.note("tiltBirth", json!(other));
            tilt.assert_state("stopped");
            tilt.stage.run("up").exit(1).stderr_has("Tilt already running outside silo");
        }
        // The older TypeScript silo keeps keys it does not know, and writes a pid and a time of its own.
        tilt.note("tiltBirth", json!(format!("1{pid}@{boot}+{ticks}")));
        tilt.assert_state("running");
        tilt.note("tiltBirth", Value::Null);
        tilt.assert_state("running");
        tilt.stage.run("down").success().stderr_has("Stopping Tilt");
    }
}
