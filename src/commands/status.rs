//! `silo status`: what is recorded of this project's instance, and what is really there. Nothing is started or written;
//! every question has a time limit, and they are asked side by side, so that a hung Docker does not hang the answer.

use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::recorded::vars;
use crate::backend::k3d::K3d;
use crate::backend::tilt;
use crate::core::config::{API_PORT, TILT_PORT};
use crate::core::instance::trust::Trust;
use crate::core::shell::activation::Undo;
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::parts::cluster::Names;
use crate::parts::context::Context;
use crate::parts::look::State;
use crate::parts::servers::Servers;
use crate::store::project::Project;
use crate::store::snapshot::{self, Recorded};
use crate::store::trust;
use crate::sys::processes::Process;
use crate::sys::{cmd, lock, net};

/// How long each question may take.
const LIMIT: Duration = Duration::from_secs(3);

/// What was found when the world was asked.
#[derive(Default)]
struct Found {
    tilt: Option<Process>,
    starting: bool,
    cluster: Option<String>,
    registry: Option<String>,
    api: Option<&'static str>,
}

pub(super) fn run(context: &Context, json: bool) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let trust = trust::judge(&context.dirs, &project)?;
    let Some(recorded) = snapshot::recorded(&context.dirs, &project, &config)? else {
        if json {
            let answer = json!({ "instance": null, "root": project.root_text(), "trust": trust.word() });
            return context.ui.answer_json(&answer).map(|()| 0);
        }
        // Why a shell has not entered it: nobody has allowed it, or nothing in the shell looks.
        if trust != Trust::Allowed {
            context.ui.step(&format!("`{}` {}", project.shown_name(), trust.said()));
        }
        context.ui.answer("No active instance. Run `silo up` to start.\n")?;
        if trust == Trust::Allowed {
            let enters = "the next prompt enters it where the shell hook is loaded (`silo hook --help`)";
            context.ui.step(&format!("`{}` {}; {enters}", project.shown_name(), trust.said()));
        }
        return Ok(0);
    };
    let vars = vars(context, &config, &recorded);
    let names = Names::of(&vars);
    let found = found(context, &project, &recorded, names.as_ref());
    let listening = Servers::look().on(&recorded.ports);
    let told = Report {
        state: State::of(found.tilt.is_some(), found.starting, &listening).word(),
        listening,
        shell: Shell::of(context, &project),
        address: recorded.ports.get(TILT_PORT.0).map(|port| vars.tilt_address(*port)),
        urls: vars.urls().collect(),
        registry: vars.get("K3D_REGISTRY_NAME"),
        env_file: project.root.join(&config.output),
        root: project.root_text(),
        trust,
        recorded: &recorded,
        names: names.as_ref(),
        found: &found,
    };
    if json {
        context.ui.answer_json(&told.object())?;
    } else {
        context.ui.answer(&told.text())?;
    }
    Ok(0)
}

/// All there is to tell of an instance.
struct Report<'a> {
    recorded: &'a Recorded,
    found: &'a Found,
    names: Option<&'a Names>,
    state: &'static str,
    /// The variables whose ports somebody listens on.
    listening: Vec<String>,
    /// Where Tilt is found in the browser, whether it runs or not.
    address: Option<String>,
    /// The image registry's name with its port.
    registry: Option<&'a str>,
    urls: IndexMap<&'a str, &'a str>,
    root: &'a str,
    env_file: PathBuf,
    trust: Trust,
    shell: Shell,
}

/// This shell, as far as the instance goes.
enum Shell {
    Outside,
    /// Inside, with variables that something else has set again since.
    Inside(Vec<String>),
}

impl Shell {
    fn of(context: &Context, project: &Project) -> Self {
        if context.environment.text("SILO_ROOT") != Some(project.root_text()) {
            return Self::Outside;
        }
        let undo = Undo::of(&context.environment).filter(|undo| undo.root == project.root_text().as_bytes());
        let mut entries = undo.map(|undo| undo.entries).unwrap_or_default();
        entries
            .retain(|entry| context.environment.get(&entry.name).is_none_or(|value| value.as_bytes() != entry.given));
        Self::Inside(entries.into_iter().map(|entry| entry.name).collect())
    }

    fn text(&self) -> String {
        match self {
            Self::Outside => "not active".to_owned(),
            Self::Inside(other) if other.is_empty() => "active".to_owned(),
            Self::Inside(other) => {
                format!("active, but another value of {} than silo's: `silo diff`", other.join(", "))
            }
        }
    }
}

impl Report<'_> {
    /// For programs.
    fn object(&self) -> Value {
        let Self { recorded, found, .. } = self;
        json!({
            "instance": recorded.name,
            "profile": recorded.profile,
            "state": self.state,
            "root": self.root,
            "trust": self.trust.word(),
            "activeHere": matches!(self.shell, Shell::Inside(_)),
            "tilt": found.tilt.as_ref().map(|tilt| json!({ "pid": tilt.pid, "url": self.address })),
            "k3d": self.names.map(|names| json!({
                "cluster": names.cluster, "state": found.cluster, "apiServer": found.api,
                "registry": self.registry, "registryState": found.registry,
                "kubeconfig": names.kubeconfig,
            })),
            "envFile": self.env_file,
            "ports": recorded.ports,
            "listening": self.listening,
            "urls": self.urls,
        })
    }

    /// For people.
    fn text(&self) -> String {
        let Self { recorded, found, .. } = self;
        let mut lines = vec![format!("Instance: {}", recorded.name)];
        lines.extend(recorded.profile.as_ref().map(|profile| format!("Profile: {profile}")));
        lines.push(format!("State: {}", self.state));
        if let (Some(tilt), Some(address)) = (&found.tilt, &self.address) {
            lines.push(format!("Tilt: pid {} ({address})", tilt.pid));
        }
        if let Some(names) = self.names {
            let or = |state: &Option<String>| state.clone().unwrap_or_else(|| "did not answer".to_owned());
            lines.push(format!("k3d: {} ({})", names.cluster, or(&found.cluster)));
            lines.extend(found.api.map(|api| format!("API server: {api}")));
            lines.extend(self.registry.map(|name| format!("Registry: {name} ({})", or(&found.registry))));
            lines.push(format!("Kubeconfig: {}", shown(&names.kubeconfig)));
        }
        lines.push(format!("Root: {}", one_line(self.root)));
        let mend = if self.trust == Trust::Allowed { "" } else { "; `silo allow` trusts it" };
        lines.push(format!("Trust: {}{mend}", self.trust.word()));
        lines.push(format!("This shell: {}", self.shell.text()));
        lines.push("Ports:".to_owned());
        let listens = |name| if self.listening.contains(name) { " (listening)" } else { "" };
        lines.extend(recorded.ports.iter().map(|(name, port)| format!("  {name}: {port}{}", listens(name))));
        if !self.urls.is_empty() {
            lines.push("URLs:".to_owned());
        }
        lines.extend(self.urls.iter().map(|(name, url)| format!("  {name}: {url}")));
        lines.join("\n") + "\n"
    }
}

/// Asks everybody at once.
fn found(context: &Context, project: &Project, recorded: &Recorded, names: Option<&Names>) -> Found {
    let lock = context.dirs.up_lock(&project.root);
    let mut found = Found {
        tilt: tilt::running(&recorded.state, &project.root),
        starting: lock::holder(&lock).is_some(),
        ..Found::default()
    };
    let Some(names) = names else { return found };
    // Without gates: to look starts nothing.
    let outside = context.outside();
    if cmd::find("k3d", &outside).is_none() {
        found.cluster = Some("k3d is not installed".to_owned());
        found.registry.clone_from(&found.cluster);
        return found;
    }
    let k3d = K3d::new(&outside, &project.root).within(LIMIT);
    let api = recorded.ports.get(API_PORT).copied();
    std::thread::scope(|scope| {
        let cluster = scope.spawn(|| k3d.cluster(&names.cluster).ok());
        let registry = scope.spawn(|| names.registry.as_ref().and_then(|registry| k3d.registry(registry).ok()));
        let api = scope.spawn(|| api.map(|port| net::answers(port, LIMIT)));
        let word = |standing: Option<&'static str>| standing.unwrap_or("not made").to_owned();
        found.cluster = cluster.join().ok().flatten().map(|found| word(found.map(|cluster| cluster.standing().word())));
        let running = |running: bool| if running { "running" } else { "stopped" };
        found.registry =
            registry.join().ok().flatten().map(|found| word(found.map(|node| running(node.state.running))));
        found.api = api.join().ok().flatten().map(|answers| if answers { "answers" } else { "does not answer" });
    });
    found
}
