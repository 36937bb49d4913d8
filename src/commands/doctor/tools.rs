//! Tilt, k3d, Docker and kubectl: installed, new enough, and awake. Asked side by side, past every gate, with limits.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::finding::Finding;
use super::scene::Scene;
use crate::backend::{docker, k3d, kubectl, tilt};
use crate::core::formats::compose;
use crate::core::shell::environment::Environment;
use crate::core::text::version::Version;
use crate::sys::cmd::{self, Cmd};
use crate::sys::{files, together};

/// How long each may take.
const LIMIT: Duration = Duration::from_secs(3);

/// A program silo uses.
#[derive(Debug, Clone, Copy)]
struct Tool {
    name: &'static str,
    install: &'static str,
    /// How it tells its version; nothing of it asks a server or a cluster.
    arguments: &'static [&'static str],
    /// The oldest version silo works with, and why.
    least: Option<(Version, &'static str)>,
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "tilt",
        install: tilt::INSTALL,
        arguments: &["version"],
        // project_name came with 0.30, --timeout with 0.31.
        least: Some((Version(0, 31, 0), "`silo ci --timeout` and compose projects with a name of their own need it")),
    },
    Tool {
        name: "k3d",
        install: k3d::INSTALL,
        arguments: &["version"],
        // The loopback address in --registry-create, and the states of nodes in the JSON.
        least: Some((Version(5, 0, 0), "Older ones put no image registry on loopback and answer in another shape")),
    },
    Tool {
        name: "docker",
        install: docker::INSTALL,
        arguments: &["version", "--format", "{{json .}}"],
        least: Some((Version(20, 10, 5), "k3d 5 makes no working cluster with older ones")),
    },
    Tool { name: "kubectl", install: kubectl::INSTALL, arguments: &["version", "--client", "-o", "json"], least: None },
];

/// What a program answered.
enum Answer {
    Missing,
    /// Not in time, or not at all.
    Silent(String),
    /// With its output.
    Said(String),
}

/// Everything about the tools.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let environment = scene.outside.clone();
    // The limit of each is a little shorter, so that a slow one is told from none.
    let answers = together::ask(TOOLS.to_vec(), LIMIT + Duration::from_secs(1), move |tool| ask(tool, &environment));
    let mut found = Vec::new();
    let mut spare = Vec::new();
    for (tool, answer) in TOOLS.iter().zip(answers) {
        let needed = is_needed(scene, tool.name);
        match answer.unwrap_or_else(|| Answer::Silent("it did not answer in time".to_owned())) {
            Answer::Missing if needed => found.push(
                Finding::problem("tool-missing", format!("`{}` is not installed", tool.name))
                    .why("A project of this user asks for it")
                    .mend(tool.install),
            ),
            Answer::Missing => spare.push(tool),
            Answer::Silent(why) => found.push(
                Finding::problem("tool-silent", format!("`{}` does not tell its version: {why}", tool.name))
                    .only_if(needed)
                    .why("Commands that need it will fail or hang too")
                    .mend(format!("{} version", tool.name)),
            ),
            Answer::Said(text) if tool.name == "docker" => found.extend(docker(tool, &text, needed)),
            Answer::Said(text) => found.extend(Version::find(&text).and_then(|version| old(tool, version, needed))),
        }
    }
    if !spare.is_empty() {
        let names: Vec<String> = spare.iter().map(|tool| format!("`{}`", tool.name)).collect();
        found.push(
            Finding::note("tools-missing", format!("Not installed, and not asked for so far: {}", names.join(", ")))
                .why("`silo up` needs Tilt, and with `[k3d]` the others")
                .mend(spare.iter().map(|tool| tool.install).collect::<Vec<_>>().join("; ")),
        );
    }
    found
}

/// Whether the project here or any instance needs a tool.
fn is_needed(scene: &Scene, tool: &str) -> bool {
    let here = |names: &[&str]| {
        let root = scene.here.as_ref().map(|here| &here.root);
        root.is_some_and(|root| names.iter().any(|name| files::is_file(&root.join(name))))
    };
    scene.wants_cluster()
        || match tool {
            "tilt" => here(&["Tiltfile"]),
            "docker" => here(&compose::NAMES),
            _ => false,
        }
}

fn ask(tool: &Tool, environment: &Environment) -> Answer {
    let Some(path) = cmd::find(tool.name, environment) else { return Answer::Missing };
    let Some(program) = path.to_str() else { return Answer::Silent("its path is not UTF-8".to_owned()) };
    let arguments = tool.arguments.iter().map(Into::into).collect();
    let cmd = Cmd { program, arguments, environment, folder: Path::new("/") };
    match cmd.capture(LIMIT) {
        Err(failure) => Answer::Silent(failure.what),
        // Docker's client tells its own version and fails where the server does not answer.
        Ok(captured) if !captured.stdout.is_empty() => {
            Answer::Said(String::from_utf8_lossy(&captured.stdout).into_owned())
        }
        Ok(captured) => Answer::Silent(format!("it ended with {} and said nothing", captured.ended.code())),
    }
}

fn docker(tool: &Tool, text: &str, needed: bool) -> Option<Finding> {
    let json = text.find('{').and_then(|at| serde_json::from_str::<Value>(text[at..].trim_end()).ok());
    let server = json.as_ref().and_then(|json| json["Server"]["Version"].as_str());
    match server {
        Some(server) => Version::find(server).and_then(|version| old(tool, version, needed)),
        None => Some(
            Finding::problem("docker-down", "Docker does not answer")
                .only_if(needed)
                .why("No cluster, image registry or container can be started or asked")
                .mend("docker info"),
        ),
    }
}

fn old(tool: &Tool, version: Version, needed: bool) -> Option<Finding> {
    let (least, why) = tool.least.filter(|(least, _)| version < *least)?;
    let what = format!("`{}` is {version}, and silo needs {least} or newer", tool.name);
    Some(Finding::problem("tool-old", what).only_if(needed).why(why).mend(tool.install))
}
