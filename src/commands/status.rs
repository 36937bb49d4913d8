//! `silo status`: what is recorded of this project's instance, and what is really there. Nothing is started or written;
//! every question has a time limit, and they are asked side by side, so that a hung Docker does not hang the answer.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::elsewhere;
use super::recorded::vars;
use crate::core::instance::trust::Trust;
use crate::core::shell::activation::Undo;
use crate::core::text::source::one_line;
use crate::failure::Failure;
use crate::parts;
use crate::parts::context::Context;
use crate::parts::look::State;
use crate::parts::part::{self, Subject};
use crate::parts::servers::{Served, Servers};
use crate::store::project::Project;
use crate::store::snapshot::{self, Recorded};
use crate::store::trust;
use crate::sys::lock;

pub(super) fn run(context: &Context, json: bool) -> Result<u8, Failure> {
    let project = context.project();
    elsewhere::tell(context, project.as_ref().ok().map(Project::root_text));
    let project = project?;
    let config = project.config()?;
    let trust = trust::judge(&context.dirs, &project)?;
    let Some(recorded) = snapshot::recorded(&context.dirs, &project, &config)? else {
        if json {
            let answer = json!({
                "instance": null,
                "root": project.root_text(),
                "trust": trust.word(),
                "activeRoot": elsewhere::active_root(context, None),
            });
            return context.ui.answer_json(&answer).map(|()| 0);
        }
        // Why a shell has not entered it: nobody has allowed it, or nothing in the shell looks.
        if trust != Trust::Allowed {
            context.ui.step(&format!("`{}` {}", project.shown_name(), trust.said()));
        }
        let settings = config.settings(None).expect("the base is always there");
        let start = match parts::can_run(&settings, &project.root) {
            true => "Run `silo up` to start",
            false => "Run `silo env` to make one",
        };
        context.ui.answer(&format!("No active instance. {start}.\n"))?;
        if trust == Trust::Allowed {
            let enters = "the next prompt enters it where the shell hook is loaded (`silo hook --help`)";
            context.ui.step(&format!("`{}` {}; {enters}", project.shown_name(), trust.said()));
        }
        return Ok(0);
    };
    let vars = vars(context, &config, &recorded);
    let outside = context.outside();
    let settings = config.settings(recorded.profile.as_deref());
    let settings = settings.as_ref();
    let subject = Subject { outside: &outside, root: &project.root, settings, recorded: &recorded, vars: &vars };
    let parts = ask(&subject);
    let runs = parts.iter().any(|(_, report)| report.as_ref().is_some_and(|report| report.runs));
    let is_starting = lock::holder(&context.dirs.up_lock(&project.root)).is_some();
    let servers = Servers::look(&outside, &[(&project.root, &recorded.ports)]);
    let served = servers.served((&config.prefix, &recorded.name), &recorded.ports, &project.root);
    let served = served.believing(Some(&recorded.state), &project.root);
    let kept: Vec<u16> =
        parts.iter().filter_map(|(_, one)| one.as_ref()).flat_map(|one| one.publishes.clone()).collect();
    let by_programs = served.without(&recorded.ports, &kept);
    let told = Report {
        state: State::of(runs, is_starting, &by_programs).word(),
        served,
        shell: Shell::of(context, &project),
        active_root: elsewhere::active_root(context, None),
        urls: vars.urls().collect(),
        env_file: project.root.join(&config.output),
        root: project.root_text(),
        trust,
        recorded: &recorded,
        parts: &parts,
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
    /// What each part says, by its key for programs.
    parts: &'a [(&'static str, Option<part::Report>)],
    state: &'static str,
    /// Who listens on its ports.
    served: Served,
    urls: IndexMap<&'a str, &'a str>,
    root: &'a str,
    env_file: PathBuf,
    trust: Trust,
    shell: Shell,
    /// The root of the instance whose variables are in this shell.
    active_root: Option<String>,
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
        entries.retain(|entry| !entry.holds(&context.environment));
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
        let Self { recorded, .. } = self;
        let mut object = json!({
            "instance": recorded.name,
            "profile": recorded.profile,
            "state": self.state,
            "root": self.root,
            "trust": self.trust.word(),
            "activeHere": matches!(self.shell, Shell::Inside(_)),
            "activeRoot": self.active_root,
        });
        for (key, report) in self.parts {
            object[key] = report.as_ref().map_or(Value::Null, |report| report.value.clone());
        }
        object["envFile"] = json!(self.env_file);
        object["ports"] = json!(recorded.ports);
        object["listening"] = json!(self.served.own);
        object["taken"] = json!(self.served.others);
        object["urls"] = json!(self.urls);
        object
    }

    /// For people.
    fn text(&self) -> String {
        let Self { recorded, .. } = self;
        let mut lines = vec![format!("Instance: {}", recorded.name)];
        lines.extend(recorded.profile.as_ref().map(|profile| format!("Profile: {profile}")));
        lines.push(format!("State: {}", self.state));
        lines.extend(
            self.parts.iter().filter_map(|(_, report)| report.as_ref()).flat_map(|report| report.lines.clone()),
        );
        lines.push(format!("Root: {}", one_line(self.root)));
        let mend = if self.trust == Trust::Allowed { "" } else { "; `silo allow` trusts it" };
        lines.push(format!("Trust: {}{mend}", self.trust.word()));
        lines.push(format!("This shell: {}", self.shell.text()));
        lines.push("Ports:".to_owned());
        let listens = |name: &String| match self.served.others.get(name) {
            Some(who) => format!(" (taken by {who})"),
            None if self.served.own.contains(name) => " (listening)".to_owned(),
            None => String::new(),
        };
        lines.extend(recorded.ports.iter().map(|(name, port)| format!("  {name}: {port}{}", listens(name))));
        if !self.urls.is_empty() {
            lines.push("URLs:".to_owned());
        }
        lines.extend(self.urls.iter().map(|(name, url)| format!("  {name}: {url}")));
        lines.join("\n") + "\n"
    }
}

/// Asks every part at once; what was started last comes first.
fn ask(subject: &Subject<'_>) -> Vec<(&'static str, Option<part::Report>)> {
    let asked = parts::ALL.into_iter().rev().filter_map(|part| Some((part, part.shown()?.key)));
    std::thread::scope(|scope| {
        let reports: Vec<_> = asked.map(|(part, key)| (key, scope.spawn(move || part.report(subject)))).collect();
        reports.into_iter().map(|(key, report)| (key, report.join().ok().flatten())).collect()
    })
}
