//! Ports that are written out where programs are started: scripts, processes, recipes, the parts' own files, and settings of
//! emulators. Read, never run.

use std::collections::BTreeMap;
use std::path::Path;

use super::compose;
use super::scene::Scene;
use crate::core::config::starter;
use crate::core::formats::commandline;
use crate::core::formats::scripts::{self, Line, Unreadable};
use crate::core::shell::varname;
use crate::parts::finding::Finding;
use crate::parts::scan::WrittenPort;
use crate::parts::{self, nearby, unread};

/// What comes of a port that only one program can have.
const HELD: &str = "It is the same in every instance: the second one's program finds it taken";
/// What comes of a port that is only named.
const NAMED: &str = "It is the same in every instance: what reads it meets the one that has this port";

/// Everything about the files of the project here.
pub(super) fn examine(scene: &Scene) -> Vec<Finding> {
    let (Some(here), Some(_)) = (&scene.here, scene.settings()) else { return Vec::new() };
    let mut names = Names(compose::names(scene));
    let scans = parts::ALL.iter().map(|part| part.scan(&here.root));
    let mut found: Vec<Finding> = scans.flat_map(|scan| scan.ports).map(|one| of_part(&one, &mut names)).collect();
    let is_wanted = |name: &str| {
        let is_named = ["package.json", "firebase.json", "config.toml"].contains(&name);
        is_named || scripts::is_procfile(name) || scripts::MAKEFILES.contains(&name)
    };
    for path in nearby::look(&here.root, &is_wanted).files {
        match unread::text_within(&here.root, &path) {
            Ok(text) => found.extend(in_file(&path, &text, &mut names)),
            Err(failure) => found.push(unread::finding("file-unreadable", failure, &path)),
        }
    }
    found
}

/// The variables of ports, by their defaults.
struct Names(BTreeMap<String, Option<u16>>);

impl Names {
    /// The variable of a port, and how to declare it where it is new; `wished` is a name for that.
    fn of(&mut self, port: u16, wished: &str) -> (String, String) {
        if let Some((name, _)) = self.0.iter().find(|(_, default)| **default == Some(port)) {
            return (name.clone(), String::new());
        }
        let is_free = |name: &str| !self.0.contains_key(name) && varname::check(name).is_ok();
        let name = if is_free(wished) { wished.to_owned() } else { format!("HOST_PORT_{port}") };
        // One variable is one port.
        self.0.insert(name.clone(), Some(port));
        let declare = format!("   ({name} = {port} below [ports] in silo.toml)");
        (name, declare)
    }
}

fn of_part(one: &WrittenPort, names: &mut Names) -> Finding {
    let WrittenPort { file, line, owner, port, is_held, what, instead } = one;
    let (name, declare) = names.of(*port, &starter::variable(owner.as_deref().unwrap_or("host")));
    Finding::problem("file-port", format!("{what} names the port {port}"))
        .only_if(*is_held)
        .at_line(file, *line)
        .why(if *is_held { HELD } else { NAMED })
        .remedy(format!("Write {} for {port}{declare}", instead.replace("…", &name)))
}

fn in_file(path: &Path, text: &str, names: &mut Names) -> Vec<Finding> {
    let file = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_supabase = path.parent().and_then(Path::file_name).is_some_and(|folder| folder == "supabase");
    let mut told = |lines: &[Line], noun: &str, dollar: &str| -> Vec<Finding> {
        lines.iter().flat_map(|line| of_line(path, line, noun, dollar, names)).collect()
    };
    let read = match file {
        "package.json" => scripts::package(text, commandline::ports).map(|lines| told(&lines, "The script ", "$")),
        "firebase.json" => scripts::firebase(text).map(|lines| emulators(path, &lines)),
        "config.toml" if is_supabase => scripts::supabase(text).map(|lines| emulators(path, &lines)),
        name if scripts::is_procfile(name) => {
            Ok(told(&scripts::procfile(text, commandline::ports), "The process ", "$"))
        }
        name if scripts::MAKEFILES.contains(&name) => Ok(told(&scripts::makefile(text), "", "$$")),
        _ => Ok(Vec::new()),
    };
    read.unwrap_or_else(|unreadable| {
        let Unreadable { line, why } = unreadable;
        let finding = Finding::note("file-unreadable", format!("`{file}` is not what its name says: {why}"));
        vec![finding.at_line(path, line).why(unread::WHY).remedy("Fix the line; until then it is not looked into")]
    })
}

fn of_line(path: &Path, line: &Line, noun: &str, dollar: &str, names: &mut Names) -> Vec<Finding> {
    let told = |written: &commandline::Written| {
        let port = written.port;
        let wished = written.variable.clone().unwrap_or_else(|| starter::variable(&line.owner));
        let (name, declare) = names.of(port, &wished);
        Finding::note("file-port", format!("{noun}`{}` names the port {port}", line.owner))
            .at_line(path, line.line)
            .why(HELD)
            .remedy(format!("Write {dollar}{{{name}:-{port}}} for {port}{declare}"))
    };
    line.ports.iter().map(told).collect()
}

/// One note for all settings of a file that reads no variables.
fn emulators(path: &Path, lines: &[Line]) -> Vec<Finding> {
    let Some(first) = lines.first() else { return Vec::new() };
    let ports = lines.iter().flat_map(|line| line.ports.iter().map(|one| format!("{} ({})", one.port, line.owner)));
    let list: Vec<String> = ports.collect();
    let finding = Finding::note("file-port", format!("The emulators have fixed ports: {}", list.join(", ")));
    vec![
        finding
            .at_line(path, first.line)
            .why(HELD)
            .remedy("Run them for one worktree at a time, or let all worktrees share them"),
    ]
}
