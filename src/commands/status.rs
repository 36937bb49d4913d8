//! `silo status`: what is recorded of this project's instance. Nothing is started, asked or written.

use indexmap::IndexMap;
use serde_json::json;

use super::Context;
use crate::core::identity::identity;
use crate::core::source::one_line;
use crate::core::{name, vars};
use crate::failure::Failure;
use crate::store::project::Project;
use crate::store::{registry, trust};
use crate::sys::files;

/// The recorded instance.
struct Recorded {
    name: String,
    profile: Option<String>,
    ports: IndexMap<String, u16>,
}

pub(super) fn run(context: &Context, json: bool) -> Result<u8, Failure> {
    let project = context.project()?;
    let config = project.config()?;
    let trust = trust::judge(&context.dirs, &project)?;
    let Some(recorded) = recorded(context, &project, &config.prefix)? else {
        let text = "No active instance. Run `silo up` to start.\n".to_owned();
        let answer = json!({ "instance": null, "root": project.root_text(), "trust": trust.word() });
        context.ui.answer(&if json { format!("{answer:#}\n") } else { text })?;
        return Ok(0);
    };
    let env_file = project.root.join(&config.output);
    let urls = urls(context, &config, &recorded);
    let here = context.environment.text("SILO_ROOT") == Some(project.root_text());
    if json {
        let answer = json!({
            "instance": recorded.name,
            "profile": recorded.profile,
            "root": project.root_text(),
            "trust": trust.word(),
            "activeHere": here,
            "envFile": env_file,
            "ports": recorded.ports,
            "urls": urls,
        });
        context.ui.answer(&format!("{answer:#}\n"))?;
        return Ok(0);
    }
    let mut text = format!("Instance: {}\n", recorded.name);
    if let Some(profile) = &recorded.profile {
        text.push_str(&format!("Profile: {profile}\n"));
    }
    text.push_str(&format!("Root: {}\nTrust: {}\n", one_line(project.root_text()), trust.word()));
    text.push_str(&format!("This shell: {}\n", if here { "active" } else { "not active" }));
    text.push_str("Ports:\n");
    recorded.ports.iter().for_each(|(name, port)| text.push_str(&format!("  {name}: {port}\n")));
    if !urls.is_empty() {
        text.push_str("URLs:\n");
    }
    urls.iter().for_each(|(name, url)| text.push_str(&format!("  {name}: {url}\n")));
    context.ui.answer(&text)?;
    Ok(0)
}

/// The lockfile is the project's memory; the registry's word on ports counts, for its leases are what others avoid.
fn recorded(context: &Context, project: &Project, prefix: &str) -> Result<Option<Recorded>, Failure> {
    let leases = registry::peek(&context.dirs)?;
    let entry = leases.at(project.root_text()).cloned();
    let lockfile = project.lockfile()?.map(|(lockfile, _)| lockfile.instance);
    // In a copy the lockfile tells of the origin, and its ports are the origin's.
    let copied = lockfile.as_ref().is_some_and(|state| {
        let holder = leases.named(&name::qualified(prefix, &state.name));
        holder.is_some_and(|holder| holder.root != project.root_text() && files::exists(holder.root.as_ref()))
    });
    Ok(match (entry, lockfile.filter(|_| !copied)) {
        (Some(entry), _) => Some(Recorded { name: entry.name, profile: entry.profile, ports: entry.ports }),
        (None, Some(state)) => Some(Recorded { name: state.name, profile: state.profile, ports: state.ports }),
        (None, None) => None,
    })
}

/// The URLs as they would be exported; none when the config has moved on since (`silo env` brings them together).
fn urls(context: &Context, config: &crate::core::config::ConfigFile, recorded: &Recorded) -> IndexMap<String, String> {
    let Some(settings) = config.settings(recorded.profile.as_deref()) else { return IndexMap::new() };
    let mut identity = identity(&config.prefix, &recorded.name, settings.k3d, &context.dirs.home.to_string_lossy());
    let vars = vars::hosts(&settings, &identity).and_then(|hosts| {
        identity.hosts = hosts;
        vars::vars(&settings, &identity, recorded.profile.as_deref(), &recorded.ports)
    });
    let vars = vars.unwrap_or_default();
    vars.section("Derived URLs").map(|(name, url)| (name.to_owned(), url.to_owned())).collect()
}
