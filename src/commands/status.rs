//! `silo status`: what is recorded of this project's instance, and what is really there. Nothing is started or written;
//! every question has a time limit, and they are asked side by side, so that a hung Docker does not hang the answer.

use std::path::PathBuf;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::elsewhere;
use super::recorded::vars;
use crate::backend::engine::Engine;
use crate::core::instance::trust::Trust;
use crate::core::leases::block;
use crate::core::shell::activation::Undo;
use crate::core::text::columns::{Cell, Tone};
use crate::core::text::source::one_line;
use crate::failure::{Failure, code};
use crate::parts;
use crate::parts::context::Context;
use crate::parts::look::{self, Observed, State};
use crate::parts::moved;
use crate::parts::part::{self, Subject};
use crate::parts::servers::{Served, Servers};
use crate::store::project::Project;
use crate::store::snapshot::{self, Recorded};
use crate::store::{history, proxy, registry, routes, trust};
use crate::sys::{lock, processes};

pub(super) fn run(context: &Context, json: bool, check: bool) -> Result<u8, Failure> {
    let project = context.project();
    elsewhere::tell(context, project.as_ref().ok().map(Project::root_text));
    let project = project?;
    let config = project.config()?;
    let trust = trust::judge(&context.dirs, &project)?;
    // Shown anyway: a script takes the code, and its user the answer.
    let done = |is_there: bool| match (check, trust) {
        (false, _) => 0,
        (true, Trust::Allowed) if is_there => 0,
        (true, Trust::Allowed) => code::NOT_ACTIVE,
        (true, _) => code::NOT_TRUSTED,
    };
    let Some(recorded) = snapshot::recorded(&context.dirs, &project, &config)? else {
        if json {
            let answer = json!({
                "instance": null,
                "root": project.root_text(),
                "trust": trust.word(),
                "activeRoot": elsewhere::active_root(context, None),
            });
            return context.ui.answer_json(&answer).map(|()| done(false));
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
            // Where one was released, no prompt makes another (D110).
            let enters = match history::of(&context.dirs, &project.root) {
                Some(_) => "the next `cd` into the folder, or `silo env`, makes an instance again",
                None => "the next prompt enters it where the shell hook is loaded (`silo hook --help`)",
            };
            context.ui.step(&format!("`{}` {}; {enters}", project.shown_name(), trust.said()));
        }
        return Ok(done(false));
    };
    let vars = vars(context, &project.root, &config, &recorded);
    let outside = context.outside();
    let settings = config.settings(recorded.profile.as_deref());
    let settings = settings.as_ref();
    let subject = Subject { outside: &outside, root: &project.root, settings, recorded: &recorded, vars: &vars };
    let (parts, wanted) = std::thread::scope(|scope| {
        let wanted = scope.spawn(|| wanted(context, &project));
        (ask(&subject), wanted.join().ok().flatten())
    });
    let runs = parts.iter().any(|(_, report)| report.as_ref().is_some_and(|report| report.runs));
    let is_starting = lock::holder(&context.dirs.up_lock(&project.root)).is_some();
    let all = block::spread(&recorded.ports, &recorded.blocks);
    let servers = Servers::look(&outside, &[(&project.root, &all)]);
    let served = servers.served((&config.prefix, &recorded.name), &all, &project.root);
    let served = served.believing(Some(&recorded.state), &project.root);
    let kept: Vec<u16> =
        parts.iter().filter_map(|(_, one)| one.as_ref()).flat_map(|one| one.publishes.clone()).collect();
    let by_programs = served.without(&recorded.ports, &kept);
    let reasons = settings.map(|settings| {
        let mut settings = settings.clone();
        settings.lease_own_ports(|_| true, |_| true);
        let leases = registry::peek(&context.dirs).unwrap_or_default();
        let engine = Engine::of(&outside, &project.root).soon();
        moved::reasons(&leases, &project.root, &settings.ports, &recorded.ports, &|port| engine.container_on(port))
    });
    let told = Report {
        state: State::of(runs, is_starting, &by_programs),
        wanted,
        reasons: reasons.unwrap_or_default(),
        served,
        shell: Shell::of(context, &project),
        active_root: elsewhere::active_root(context, None),
        urls: vars.urls().collect(),
        routes: routed(context, &project),
        env_file: project.root.join(&config.output),
        root: project.root_text(),
        trust,
        recorded: &recorded,
        parts: &parts,
    };
    if json {
        context.ui.answer_json(&told.object())?;
    } else {
        context.ui.lines(&told.lines())?;
    }
    Ok(done(true))
}

/// The instance as it is observed, where something of it is wanted up (D31).
fn wanted(context: &Context, project: &Project) -> Option<Observed> {
    let instance = registry::peek(&context.dirs).ok()?.at(project.root_text()).cloned()?;
    let is_wanted = !instance.wanted.is_nothing();
    is_wanted.then(|| look::observe(context, &parts::ALL, vec![instance], false).pop())?
}

/// All there is to report an instance.
struct Report<'a> {
    recorded: &'a Recorded,
    /// What each part says, by its key for programs.
    parts: &'a [(&'static str, Option<part::Report>)],
    state: State,
    /// The instance as it was observed, where something of it is wanted up.
    wanted: Option<Observed>,
    /// Why ports are not their defaults.
    reasons: IndexMap<String, String>,
    /// Who listens on its ports.
    served: Served,
    urls: IndexMap<&'a str, &'a str>,
    /// The addresses of its routes and where they lead, while a proxy runs.
    routes: IndexMap<String, String>,
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
            "state": self.state.word(),
            "root": self.root,
            "trust": self.trust.word(),
            "activeHere": matches!(self.shell, Shell::Inside(_)),
            "activeRoot": self.active_root,
        });
        for (key, report) in self.parts {
            object[key] = report.as_ref().map_or(Value::Null, |report| report.value.clone());
            for (key, value) in report.iter().flat_map(|report| &report.beside) {
                object[key] = value.clone();
            }
        }
        if let Some(wanted) = &self.wanted {
            let missing = wanted.compared.gaps.iter().map(|gap| (gap.wish.as_str(), &gap.why));
            object["wanted"] = json!(wanted.instance.wanted.now(processes::boot().as_deref()));
            object["missing"] = json!(missing.collect::<IndexMap<_, _>>());
        }
        object["envFile"] = json!(self.env_file);
        object["ports"] = json!(recorded.ports);
        if !recorded.blocks.is_empty() {
            object["blocks"] = json!(recorded.blocks);
        }
        if let Some(subnet) = recorded.subnet {
            object["subnet"] = json!(subnet);
        }
        object["listening"] = json!(self.served.own.keys().collect::<Vec<_>>());
        object["taken"] = json!(self.served.others);
        object["listeners"] = json!(self.served.own);
        object["moved"] = json!(self.reasons);
        object["urls"] = json!(self.urls);
        object["routes"] = json!(self.routes);
        object
    }

    /// For people.
    fn lines(&self) -> Vec<Vec<Cell>> {
        let Self { recorded, .. } = self;
        let said =
            |head: &str, text: &str, tone| vec![Cell::new(head, Tone::Head), Cell::plain(": "), Cell::new(text, tone)];
        let mut lines = vec![said("Instance", &recorded.name, Tone::Plain)];
        lines.extend(recorded.profile.as_ref().map(|profile| said("Profile", profile, Tone::Plain)));
        lines.push(said("State", self.state.word(), self.state.tone()));
        let gaps = self.wanted.iter().flat_map(|wanted| &wanted.compared.gaps);
        let gaps: Vec<String> = gaps.map(|gap| format!("{} ({})", gap.wish.shown(), gap.why)).collect();
        if !gaps.is_empty() {
            let text = format!("{}; `silo heal` brings it back", one_line(&gaps.join(", ")));
            lines.push(said("Wanted and down", &text, Tone::Bad));
        }
        let parts = self.parts.iter().filter_map(|(_, report)| report.as_ref()).flat_map(|report| &report.lines);
        lines.extend(parts.map(|line| match line.split_once(": ") {
            Some((head, rest)) => said(head, rest, Tone::Plain),
            None => vec![Cell::plain(line)],
        }));
        lines.extend(recorded.subnet.map(|subnet| said("Subnet", &subnet.to_string(), Tone::Plain)));
        lines.push(said("Root", self.root, Tone::Plain));
        let (remedy, tone) = match self.trust {
            Trust::Allowed => ("", Tone::Good),
            _ => ("; `silo allow` trusts it", Tone::Bad),
        };
        lines.push(said("Trust", &format!("{}{remedy}", self.trust.word()), tone));
        let tone =
            if matches!(&self.shell, Shell::Inside(other) if other.is_empty()) { Tone::Good } else { Tone::Plain };
        lines.push(said("This shell", &self.shell.text(), tone));
        if !recorded.ports.is_empty() {
            lines.push(vec![Cell::new("Ports", Tone::Head), Cell::plain(":")]);
        }
        lines.extend(recorded.ports.iter().map(|(name, port)| self.port(name, *port)));
        if !self.urls.is_empty() {
            lines.push(vec![Cell::new("URLs", Tone::Head), Cell::plain(":")]);
        }
        lines.extend(self.urls.iter().map(|(name, url)| vec![Cell::plain(&format!("  {name}: {url}"))]));
        if !self.routes.is_empty() {
            lines.push(vec![Cell::new("Routes", Tone::Head), Cell::plain(":")]);
        }
        lines.extend(self.routes.iter().map(|(address, to)| vec![Cell::plain(&format!("  {address}: {to}"))]));
        lines
    }

    /// A port, who listens there, and why it is not its default.
    fn port(&self, name: &str, port: u16) -> Vec<Cell> {
        let listens = match self.served.of(name) {
            (Some(who), _) => Some((format!("taken by {who}"), Tone::Bad)),
            (None, Some(who)) => Some((format!("listening: {who}"), Tone::Good)),
            (None, None) => None,
        };
        let reason = self.reasons.get(name).map(|reason| (reason.clone(), Tone::Faint));
        let mut line = vec![Cell::plain(&format!("  {name}: {}", block::shown(name, port, &self.recorded.blocks)))];
        for (at, (text, tone)) in listens.into_iter().chain(reason).enumerate() {
            line.extend([Cell::plain(if at == 0 { " (" } else { "; " }), Cell::new(&text, tone)]);
        }
        if line.len() > 1 {
            line.push(Cell::plain(")"));
        }
        line
    }
}

/// The addresses of a project's routes through the proxy, and where they lead; none while no proxy runs.
fn routed(context: &Context, project: &Project) -> IndexMap<String, String> {
    let Some(running) = proxy::running(&context.dirs) else { return IndexMap::new() };
    let rows = routes::all(&context.dirs).unwrap_or_default();
    let own = rows.iter().filter(|row| row.root == project.root_text() && row.clash.is_none());
    own.map(|row| (running.address(&row.host), row.to.shown())).collect()
}

/// Asks every part at once; what was started last comes first.
fn ask(subject: &Subject<'_>) -> Vec<(&'static str, Option<part::Report>)> {
    let asked = parts::ALL.into_iter().rev().filter_map(|part| Some((part, part.shown()?.key)));
    std::thread::scope(|scope| {
        let reports: Vec<_> = asked.map(|(part, key)| (key, scope.spawn(move || part.report(subject)))).collect();
        reports.into_iter().map(|(key, report)| (key, report.join().ok().flatten())).collect()
    })
}
