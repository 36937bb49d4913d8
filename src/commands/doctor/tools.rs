//! The tools of every part: installed, new enough, and awake. Asked side by side, past every gate, with limits.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::scene::Scene;
use crate::backend::engine::program;
use crate::core::formats::compose;
use crate::core::shell::environment::Environment;
use crate::core::text::version::Version;
use crate::parts;
use crate::parts::finding::Finding;
use crate::parts::part::{Part, Tool};
use crate::sys::cmd::{self, Cmd};
use crate::sys::{files, together};

/// How long each may take.
const LIMIT: Duration = Duration::from_secs(3);

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
    let mut tools: Vec<Tool> = Vec::new();
    for tool in parts::ALL.iter().rev().flat_map(|part| part.tools()) {
        if tools.iter().all(|other| other.name != tool.name) {
            tools.push(*tool);
        }
    }
    // The limit of each is a little shorter, so that a slow one is told from none.
    let answers = together::ask(tools.clone(), LIMIT + Duration::from_secs(1), move |tool| ask(tool, &environment));
    let mut found = Vec::new();
    let mut spare = Vec::new();
    for (tool, answer) in tools.iter().zip(answers) {
        let needed = is_needed(scene, tool.name);
        match answer.unwrap_or_else(|| Answer::Silent("it did not answer in time".to_owned())) {
            Answer::Missing if needed => found.push(
                Finding::problem("tool-missing", format!("`{}` is not installed", tool.name))
                    .why("A project of this user asks for it")
                    .remedy(tool.install),
            ),
            Answer::Missing => spare.push(tool),
            Answer::Silent(why) => found.push(
                Finding::problem("tool-silent", format!("`{}` does not tell its version: {why}", tool.name))
                    .only_if(needed)
                    .why("Commands that need it will fail or hang too")
                    .remedy(format!("{} version", tool.name)),
            ),
            Answer::Said(text) if tool.name == "docker" => found.extend(docker(tool, &text, needed)),
            Answer::Said(text) => found.extend(Version::find(&text).and_then(|version| old(tool, version, needed))),
        }
    }
    if !spare.is_empty() {
        let names: Vec<String> = spare.iter().map(|tool| format!("`{}`", tool.name)).collect();
        found.push(
            Finding::note("tools-missing", format!("Not installed, and not asked for so far: {}", names.join(", ")))
                .why("Only a part that a project declares needs its tools")
                .remedy(spare.iter().map(|tool| tool.install).collect::<Vec<_>>().join("; ")),
        );
    }
    found
}

/// Whether the project here or any instance needs a tool.
fn is_needed(scene: &Scene, tool: &str) -> bool {
    if tool == "docker" && program(&scene.shell) != tool {
        return scene.wants_cluster();
    }
    let Some(here) = &scene.here else { return scene.wants_cluster() };
    let settings = scene.settings();
    let declares = |part: &&dyn Part| {
        settings.as_ref().is_some_and(|settings| {
            part.tools().iter().any(|own| own.name == tool)
                && parts::has(*part, settings, &here.root)
                && !part.lacks_files(settings, &here.root)
        })
    };
    let has_compose = || compose::NAMES.iter().any(|name| files::is_file(&here.root.join(name)));
    scene.wants_cluster() || parts::ALL.iter().any(declares) || tool == "docker" && has_compose()
}

fn ask(tool: &Tool, environment: &Environment) -> Answer {
    let Some(path) = cmd::find(tool.name, environment) else { return Answer::Missing };
    let Some(program) = path.to_str() else { return Answer::Silent("its path is not UTF-8".to_owned()) };
    let arguments = tool.version.iter().map(Into::into).collect();
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
                .remedy("docker info"),
        ),
    }
}

fn old(tool: &Tool, version: Version, needed: bool) -> Option<Finding> {
    let (least, why) = tool.least.filter(|(least, _)| version < *least)?;
    let what = format!("`{}` is {version}, and silo needs {least} or newer", tool.name);
    Some(Finding::problem("tool-old", what).only_if(needed).why(why).remedy(tool.install))
}
