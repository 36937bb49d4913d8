//! `silo env`: settle the instance and print its ports and URLs.

mod moving;

use serde_json::json;

use super::ci;
use crate::cli::EnvArgs;
use crate::core::config::ConfigFile;
use crate::core::instance::lockfile::InstanceState;
use crate::core::leases::block;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::{kept, renaming, strangers, told};
use crate::store::ask::Ask;
use crate::store::instances::Settled;
use crate::store::project::Project;

pub(super) fn run(context: &Context, arguments: &EnvArgs) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let ask = Ask {
        name: arguments.name.as_deref(),
        profile: arguments.profile.as_deref(),
        force: arguments.force,
        ..Ask::default()
    };
    renaming::check(context, &project, &config, ask.name, arguments.rename)?;
    let moving = moving::of(context, (&project, &config), arguments, &ask)?;
    let ask = Ask { lost: &moving.lost, take: &moving.take, ..ask };
    let before = project.lockfile().ok().flatten().map(|(lockfile, _)| lockfile.instance);
    let settled = context.settle(&project, &config, &ask)?;
    tell_how(context, &ask, &config, before.as_ref(), &settled);
    let known = &settled.known;
    for (name, was) in before.iter().flat_map(|before| &before.ports).filter(|(name, _)| moving.lost.contains(name)) {
        let now = known.ports.get(name).copied().unwrap_or_default();
        context.ui.step(&format!("Moved {name} from {was} to {now}; start what uses it again"));
    }
    warn_of_running(context, &project, before, &settled);
    kept::tell_of_earlier(context, &project, &settled);
    strangers::warn(context, &project, &settled, strangers::Asked::Docker);
    ci::export(context, arguments.told.export_ci, &settled)?;
    if arguments.told.json {
        let vars: serde_json::Map<_, _> =
            settled.vars.iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let mut answer = json!({
            "instance": known.name,
            "profile": known.profile,
            "root": project.root_text(),
            "envFile": known.env_file,
            "ports": known.ports,
            "vars": vars,
        });
        if !settled.blocks.is_empty() {
            answer["blocks"] = json!(settled.blocks);
        }
        context.ui.answer_json(&answer)?;
        return Ok(0);
    }
    let mut text = format!("Instance: {}\n", known.name);
    if let Some(profile) = &known.profile {
        text.push_str(&format!("Profile: {profile}\n"));
    }
    if !known.ports.is_empty() {
        text.push_str("Ports:\n");
    }
    for (name, port) in &known.ports {
        text.push_str(&format!("  {name}: {}\n", block::shown(name, *port, &settled.blocks)));
    }
    let mut urls = settled.vars.urls().peekable();
    if urls.peek().is_some() {
        text.push_str("URLs:\n");
    }
    urls.for_each(|(name, url)| text.push_str(&format!("  {name}: {url}\n")));
    context.ui.answer(&text)?;
    Ok(0)
}

/// Says what became of the profile, and with `-v` where all is from.
fn tell_how(context: &Context, ask: &Ask<'_>, config: &ConfigFile, before: Option<&InstanceState>, settled: &Settled) {
    let outside = context.outside();
    let ask = Ask { profile_variable: outside.text("SILO_PROFILE"), ..*ask };
    // Which profile holds is part of the answer.
    match told::profile(before, &ask, settled) {
        Some(line) if settled.known.profile.is_none() => context.ui.step(&line),
        Some(line) => context.ui.detail(&line),
        None => {}
    }
    let settings = config.settings(settled.known.profile.as_deref()).expect("settling has chosen one of the file");
    for line in told::sources(before, &ask, &settings, settled) {
        context.ui.detail(&line);
    }
}

/// What runs goes on with what it was started with, whatever was asked for since.
fn warn_of_running(context: &Context, project: &Project, before: Option<InstanceState>, settled: &Settled) {
    let Some(before) = before else { return };
    let known = &settled.known;
    let moved = before.ports.iter().any(|(name, port)| known.ports.get(name).is_some_and(|now| now != port));
    if !moved && before.name == known.name && before.profile == known.profile {
        return;
    }
    for part in parts::ALL {
        if let Some(process) = part.process(&before, &project.root) {
            context.ui.warn(&format!(
                "{} (pid {}) runs on with what it was started with; `silo down`, then `silo up`, for these",
                part.title(),
                process.pid
            ));
        }
    }
}
