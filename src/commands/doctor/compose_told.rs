//! What `silo doctor` says of a place in a compose file that is the same in every instance.

use std::path::Path;

use crate::core::formats::compose::{self, Fixed, HostPort, Kind, Setting};
use crate::core::shell::varname;
use crate::parts::finding::Finding;

/// What is the matter with it, and how to fix it.
pub(super) fn told(path: &Path, fixed: &Fixed, setting: &dyn Fn(&str) -> Setting) -> Finding {
    let Fixed { kind, owner, value, .. } = fixed;
    let same = format!("is {}the same in every instance{}", worth(fixed), because(fixed, setting));
    let finding = match kind {
        Kind::ContainerName => Finding::problem(
            "compose-container-name",
            format!("`container_name: {value}` of the service `{owner}` {same}"),
        )
        .why("A second instance cannot start the service: the name is taken on the whole machine")
        .remedy(rename("container_name", fixed)),
        Kind::HostPort => told_port(fixed, setting),
        Kind::VolumeName | Kind::NetworkName => {
            let noun = if *kind == Kind::VolumeName { "volume" } else { "network" };
            Finding::problem("compose-name", format!("`name: {value}` of the {noun} `{owner}` {same}"))
                .why("Instances share it: what one writes or removes, the others see")
                .remedy(rename("name", fixed))
        }
        Kind::ProjectName => {
            let because = because(fixed, setting);
            Finding::note("compose-project", format!("`name: {value}` names the project the same in every instance{because}"))
                .why("Inside an instance COMPOSE_PROJECT_NAME wins over it; outside, `docker compose` acts on one project for all")
                .remedy(rename("name", fixed))
        }
    };
    finding.at_line(path, fixed.line)
}

fn told_port(fixed: &Fixed, setting: &dyn Fn(&str) -> Setting) -> Finding {
    let Fixed { owner, value, instead, port, .. } = fixed;
    let HostPort { first, many, variable: (variable, is_new), read, .. } =
        port.as_ref().expect("each host port is told with its parts");
    let declare = if *is_new { format!("   ({variable} = {first} below [ports] in silo.toml)") } else { String::new() };
    let remedy = match many {
        // The line stays as it is.
        1 if *is_new && read.as_ref() == Some(variable) => format!("Below [ports] in silo.toml: {variable} = {first}"),
        1 => format!("Write: {instead}{declare}"),
        _ => format!("Give each of the {many} ports a line and a variable of its own, the first: {instead}{declare}"),
    };
    let (noun, is) = if *many == 1 { ("port in", "is") } else { ("ports in", "are") };
    let same = match because(fixed, setting) {
        because if because.is_empty() => format!("{is} fixed"),
        because => format!("{is} {}the same in every instance{because}", worth(fixed)),
    };
    Finding::problem("compose-port", format!("The host {noun} `{value}` of the service `{owner}` {same}"))
        .why("A second instance cannot start the service, or its programs talk to the first one's")
        .remedy(remedy)
}

/// What a text with variables comes to.
fn worth(fixed: &Fixed) -> String {
    if fixed.meant.from.is_empty() { String::new() } else { format!("`{}`, ", fixed.meant.value) }
}

/// Why a text with variables is the same everywhere.
fn because(fixed: &Fixed, setting: &dyn Fn(&str) -> Setting) -> String {
    let from = &fixed.meant.from;
    match from.iter().find(|name| matches!(setting(name), Setting::Shared(_))) {
        Some(shared) => format!(": all worktrees share the file that sets `{shared}`"),
        None => from.first().map_or_else(String::new, |unset| format!(": nothing sets `{unset}`")),
    }
}

/// How a name becomes the instance's own.
fn rename(key: &str, fixed: &Fixed) -> String {
    let own = |name: &&str| varname::check(name).is_ok();
    match compose::whole(&fixed.value).filter(own) {
        Some(variable) => format!("Below [env] in silo.toml: {variable} = \"{}\"", fixed.instead),
        None => format!("Leave the line out, or write: {key}: {}", fixed.instead),
    }
}
