//! `silo allow`: trust this `silo.toml` as it is now (D6).

use std::path::Path;

use similar::TextDiff;

use crate::core::config::{self, ConfigFile, acts};
use crate::core::instance::trust::Trust;
use crate::core::leases::ports::PortSpec;
use crate::core::text::source::{counted, one_line, printable};
use crate::failure::{Failure, shown};
use crate::parts::context::Context;
use crate::parts::services::Former;
use crate::store::project::Project;
use crate::store::{snapshot, trust};

pub(super) fn run(context: &Context, path: Option<&Path>) -> Result<u8, Failure> {
    let project = context.project_named(path)?;
    let config = project.config()?;
    let known = trust::judge(&context.dirs, &project)? == Trust::Allowed;
    let last = if known { None } else { trust::last_allowed(&context.dirs, &project)? };
    let last = last.filter(|last| *last != project.content);
    if let Some(last) = &last {
        let (old, new) = (String::from_utf8_lossy(last), String::from_utf8_lossy(&project.content));
        let diff = TextDiff::from_lines(old.as_ref(), new.as_ref());
        let unified = diff.unified_diff().context_radius(1).header("last allowed", "now").to_string();
        unified.lines().for_each(|line| context.ui.step(&printable(line)));
    }
    // Of what was allowed before, the difference shows the rest.
    if !known && last.is_none() {
        for line in acts::lines(&config) {
            context.ui.step(&one_line(&line));
        }
    }
    let others = trust::allow(&context.dirs, &project)?;
    let also = match others.allowed {
        0 => String::new(),
        many => format!(" (and the same content in {})", counted(many, "other worktree")),
    };
    context.ui.step(&format!(
        "{} `{}`{also}",
        if known { "Allowed already:" } else { "Allowed" },
        shown(&project.file)
    ));
    if others.denied > 0 {
        let stays = if others.denied == 1 { "stays" } else { "stay" };
        let them = counted(others.denied, "other worktree");
        context.ui.step(&format!("{them} {stays} denied: `silo allow` there"));
    }
    tell_of_former(context, &project, &config);
    if let Some(last) = last {
        for (name, port) in kept(context, &project, &config, &last)? {
            context.ui.step(&format!("{name} keeps its lease {port}; `silo env --force` chooses all ports again"));
        }
    }
    Ok(0)
}

/// Says what the project left in Docker before silo. An engine that does not answer, and a registry that cannot be read, say
/// nothing: trust is given anyway.
fn tell_of_former(context: &Context, project: &Project, config: &ConfigFile) {
    let recorded = snapshot::recorded(&context.dirs, project, config).ok().flatten();
    let profile = recorded.as_ref().and_then(|recorded| recorded.profile.as_deref());
    let Some(settings) = config.settings(profile).filter(|settings| settings.compose.is_some()) else { return };
    match Former::of(&context.dirs, &project.root, &settings, &context.outside()) {
        Ok(former) => former.lines().iter().for_each(|line| context.ui.step(line)),
        Err(failure) => context.ui.detail(&failure.what),
    }
}

/// The ports whose default is another than before, and which the instance holds a lease for: an edit moves none.
fn kept(context: &Context, project: &Project, config: &ConfigFile, last: &[u8]) -> Result<Vec<(String, u16)>, Failure> {
    let Some(recorded) = snapshot::recorded(&context.dirs, project, config)? else { return Ok(Vec::new()) };
    let before = config::parse(&String::from_utf8_lossy(last)).ok();
    let wanted = |config: &ConfigFile| config.settings(recorded.profile.as_deref()).map(|settings| settings.ports);
    let (Some(before), Some(now)) = (before.as_ref().and_then(wanted), wanted(config)) else { return Ok(Vec::new()) };
    let kept = now.iter().filter_map(|(name, spec)| {
        let port = *recorded.ports.get(name)?;
        let changed = before.get(name).is_some_and(|before| before != spec);
        (changed && *spec != PortSpec::Default(port)).then(|| (name.clone(), port))
    });
    Ok(kept.collect())
}
