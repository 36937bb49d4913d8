//! `silo status`: what is recorded of this project's instance, and what is really there. Nothing is started or written;
//! every question has a time limit, and they are asked side by side, so that a hung Docker does not hang the answer.

use std::time::Duration;

use indexmap::IndexMap;
use serde_json::json;

use super::Context;
use super::cluster::Names;
use super::recorded::vars;
use crate::backend::k3d::K3d;
use crate::backend::tilt;
use crate::core::config::{API_PORT, TILT_PORT};
use crate::core::source::one_line;
use crate::core::trust::Trust;
use crate::failure::{Failure, shown};
use crate::store::past::{self, Recorded};
use crate::store::project::Project;
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
    let Some(recorded) = past::recorded(&context.dirs, &project, &config)? else {
        let answer = json!({ "instance": null, "root": project.root_text(), "trust": trust.word() });
        if json {
            return context.ui.answer_json(&answer).map(|()| 0);
        }
        refused(context, &project, trust);
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
    let state = match (&found.tilt, found.starting) {
        (Some(_), _) => "running",
        (None, true) => "starting",
        (None, false) => "stopped",
    };
    let urls: IndexMap<&str, &str> = vars.urls().collect();
    let here = context.environment.text("SILO_ROOT") == Some(project.root_text());
    let address = recorded.ports.get(TILT_PORT.0).map(|port| vars.tilt_address(*port));
    if json {
        let answer = json!({
            "instance": recorded.name,
            "profile": recorded.profile,
            "state": state,
            "root": project.root_text(),
            "trust": trust.word(),
            "activeHere": here,
            "tilt": found.tilt.as_ref().map(|tilt| json!({ "pid": tilt.pid, "url": address })),
            "k3d": names.as_ref().map(|names| json!({
                "cluster": names.cluster, "state": found.cluster, "apiServer": found.api,
                "registry": vars.get("K3D_REGISTRY_NAME"), "registryState": found.registry,
                "kubeconfig": names.kubeconfig,
            })),
            "envFile": project.root.join(&config.output),
            "ports": recorded.ports,
            "urls": urls,
        });
        context.ui.answer_json(&answer)?;
        return Ok(0);
    }
    refused(context, &project, trust);
    let mut lines = vec![format!("Instance: {}", recorded.name)];
    lines.extend(recorded.profile.as_ref().map(|profile| format!("Profile: {profile}")));
    lines.push(format!("State: {state}"));
    if let (Some(tilt), Some(address)) = (&found.tilt, &address) {
        lines.push(format!("Tilt: pid {} ({address})", tilt.pid));
    }
    if let Some(names) = &names {
        let or = |state: &Option<String>| state.clone().unwrap_or_else(|| "did not answer".to_owned());
        lines.push(format!("k3d: {} ({})", names.cluster, or(&found.cluster)));
        lines.extend(found.api.map(|api| format!("API server: {api}")));
        lines.extend(vars.get("K3D_REGISTRY_NAME").map(|name| format!("Registry: {name} ({})", or(&found.registry))));
        lines.push(format!("Kubeconfig: {}", shown(&names.kubeconfig)));
    }
    lines.push(format!("Root: {}", one_line(project.root_text())));
    lines.push(format!("Trust: {}", trust.word()));
    lines.push(format!("This shell: {}", if here { "active" } else { "not active" }));
    lines.push("Ports:".to_owned());
    lines.extend(recorded.ports.iter().map(|(name, port)| format!("  {name}: {port}")));
    if !urls.is_empty() {
        lines.push("URLs:".to_owned());
    }
    lines.extend(urls.iter().map(|(name, url)| format!("  {name}: {url}")));
    context.ui.answer(&(lines.join("\n") + "\n"))?;
    Ok(0)
}

/// Says first why no shell enters the project, and what to type, where nobody has allowed it.
fn refused(context: &Context, project: &Project, trust: Trust) {
    if trust != Trust::Allowed {
        context.ui.step(&format!("`{}` {}", project.shown_name(), trust.said()));
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
