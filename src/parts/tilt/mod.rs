//! Tilt (docs/tilt.md): in silo's terminal, in the background (D18), or once as `tilt ci`.

mod check;
pub mod extension;
mod start;

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::finding::Finding;
use super::part::{
    Declared, How, Inspected, Log, Part, PartState, Pending, Readiness, ReadyCheck, Report, Run, Shown, Stage, Stand,
    Stop, Stopped, Subject, Survey, Tool,
};
use super::ready;
use super::scan::Scan;
use super::scope::{Scope, Site};
use super::starter::Starter;
use crate::backend::tilt;
use crate::core::config::{Gate, Settings, TILT_PORT};
use crate::core::instance::lockfile::{InstanceState, TILT};
use crate::core::leases::{Instance, Wish};
use crate::core::shell::environment::Environment;
use crate::core::text::source::one_line;
use crate::core::text::version::Version;
use crate::failure::Failure;
use crate::sys::cmd::{self, Cmd, Ended};
use crate::sys::files;
use crate::sys::processes::{self, Process};

/// Longest log that is shown after Tilt has ended, in bytes.
const LIMIT: u64 = 64 * 1024 * 1024;

/// How long a failure must last until nothing is expected to change it: between two steps Tilt does nothing for a moment.
const SETTLED: Duration = Duration::from_secs(2);

/// Its column, by which what is wanted names it.
const COLUMN: &str = "tilt";

/// The part.
pub(super) struct Tilt;

const TOOLS: [Tool; 1] = [Tool {
    name: "tilt",
    install: tilt::INSTALL,
    version: &["version"],
    // project_name came with 0.30, --timeout with 0.31.
    least: Some((Version(0, 31, 0), "`silo ci --timeout` and compose projects with a name of their own need it")),
    or: None,
}];

impl Part for Tilt {
    fn shown(&self) -> Option<Shown> {
        Some(Shown { column: COLUMN, key: "tilt" })
    }

    fn title(&self) -> &'static str {
        "Tilt"
    }

    fn stage(&self) -> Stage {
        Stage::Program
    }

    fn declared(&self, settings: &Settings, root: &Path) -> Declared {
        match settings.tilt {
            Some(asked) => asked.into(),
            None if has_tiltfile(root) => Declared::Yes,
            None => Declared::Alone,
        }
    }

    fn tools(&self) -> &'static [Tool] {
        &TOOLS
    }

    fn without_tools(&self) -> Option<&'static str> {
        Some("Ports and variables need no Tilt: `cd` with the shell hook, `silo env`, or `silo exec -- CMD`")
    }

    fn gate(&self) -> Option<Gate> {
        Some(Gate::Tilt)
    }

    fn may_start(&self, scope: &Scope<'_>) -> Result<(), Failure> {
        let root = &scope.project.root;
        let known = running(scope);
        if known.is_some() {
            let name = scope.state.as_ref().map_or("", |state| state.name.as_str());
            return Err(Failure::new(format!("Instance '{name}' already running. Use `silo down` first.")));
        }
        match tilt::outside(known.as_ref(), root) {
            Some(process) => Err(Failure::new("Tilt already running outside silo. Stop it first.")
                .hint(format!("It is process {}: `kill {}`", process.pid, process.pid))),
            None => Ok(()),
        }
    }

    fn lacks_files(&self, settings: &Settings, root: &Path) -> bool {
        // Asked for by name, it is the user's to say where its Tiltfile is.
        settings.tilt != Some(true) && !has_tiltfile(root)
    }

    fn how_to_declare(&self) -> Option<&'static str> {
        Some("For Tilt write a Tiltfile, or `[tilt]` with `enabled = true` where it lies elsewhere")
    }

    fn up(&self, site: &mut Site<'_>, run: Run<'_>) -> Result<u8, Failure> {
        start::start(site, run)
    }

    fn keeps_terminal(&self) -> bool {
        true
    }

    fn runs_once(&self) -> bool {
        true
    }

    fn down(&self, site: &Site<'_>, _: Stop) -> Result<Stopped, Failure> {
        let Scope { context, project, settings, .. } = site.scope;
        let is_there = cmd::find("tilt", &context.environment).is_some() && has_tiltfile(&project.root);
        let has_resources = is_there && self.declared(settings, &project.root) != Declared::No;
        if has_resources {
            let arguments = vec!["down".into()];
            let tilt = Cmd { program: "tilt", arguments, environment: &site.environment, folder: &project.root };
            match tilt.run(|_| Ok(())) {
                Ok(Ended::Code(0)) => {}
                Ok(ended) => {
                    context.ui.warn(&format!("`tilt down` ended with {}; its resources may remain", ended.code()));
                }
                Err(failure) => context.ui.warn(&failure.what),
            }
        }
        let process = running(site.scope);
        if let Some(process) = &process {
            context.ui.step(&format!("Stopping Tilt... (pid {})", process.pid));
            let starter = Starter::of(&context.dirs, project).filter(|starter| starter.keeps(process));
            tilt::stop(process, starter.map(|starter| starter.pid()))?;
        }
        context.note(project, |state| state.record(None))?;
        Ok(if has_resources || process.is_some() { Stopped::Done } else { Stopped::Nothing })
    }

    fn process(&self, state: &InstanceState, root: &Path) -> Option<Process> {
        recorded(state, root).or_else(|| tilt::inside(&tilt::serving(), root))
    }

    fn is_up(&self, scope: &Scope<'_>) -> bool {
        running(scope).is_some()
    }

    fn readiness<'a>(&self, scope: &'a Scope<'a>) -> Result<Option<ReadyCheck<'a>>, Failure> {
        if running(scope).is_none() {
            return Err(Failure::new("No Tilt runs here").hint("Run `silo up -d` first"));
        }
        let site = scope.settle()?;
        let mut before = Vec::new();
        let mut failed_since = None;
        Ok(Some(Box::new(move || match tilt::resources(&site.environment, &scope.project.root) {
            Ok(resources) => {
                let (waiting, failed) = (tilt::unready(&resources, &before), tilt::failed(&resources));
                before = resources;
                failed_since = failed.as_ref().map(|_| failed_since.unwrap_or_else(Instant::now));
                match (waiting, failed) {
                    (_, Some(failed)) if failed_since.is_some_and(|since| since.elapsed() >= SETTLED) => {
                        Err(beyond_hope(&failed))
                    }
                    (Some(waiting), _) => Ok(Readiness::Waiting(Pending { what: waiting.what, log: waiting.first })),
                    (None, _) => Ok(Readiness::Ready),
                }
            }
            Err(_) if !still_runs(scope)? => {
                Err(Failure::new("Tilt has ended").hint("See why: `silo logs`; start it again with `silo up -d`"))
            }
            Err(failure) => Ok(Readiness::Silent(failure)),
        })))
    }

    fn logs(&self, scope: &Scope<'_>, log: Log<'_>) -> Result<Option<u8>, Failure> {
        let root = &scope.project.root;
        if running(scope).is_some() {
            let site = scope.settle()?;
            let mut words = vec!["logs".into()];
            words.extend(log.follow.then(|| "-f".into()));
            words.extend(log.resource.map(Into::into));
            return Err(cmd::exec("tilt".as_ref(), &words, &site.environment, Some(root)));
        }
        let old = files::read(&scope.context.dirs.log(root, TILT), LIMIT)?.filter(|_| log.resource.is_none());
        old.map(|old| scope.context.ui.answer_bytes(&old.bytes).map(|()| 0)).transpose()
    }

    fn survey(&self, _: &Environment, _: &[Instance]) -> Option<Survey> {
        let serving = tilt::serving();
        Some(Box::new(move |instance, state| {
            let root = Path::new(&instance.root);
            let tilt = state.and_then(|state| recorded(state, root)).or_else(|| tilt::inside(&serving, root))?;
            let host = state.and_then(host).unwrap_or_else(|| "localhost".to_owned());
            let url = instance.ports.get(TILT_PORT.0).map(|port| format!("http://{host}:{port}"));
            let value = json!({ "pid": tilt.pid, "url": url });
            let stands = vec![Stand { wish: Wish::part(COLUMN), how: How::Up, mark: String::new() }];
            Some(PartState { runs: true, cell: url.unwrap_or_default(), value, stands, ..PartState::default() })
        }))
    }

    fn report(&self, subject: &Subject<'_>) -> Option<Report> {
        let Subject { root, recorded, vars, .. } = *subject;
        let Some(tilt) = self.process(&recorded.state, root) else {
            // The older silo's word for one that has ended without being stopped.
            let lines = vec!["Tilt: not running".to_owned()];
            let report = Report { runs: false, lines, publishes: Vec::new(), value: Value::Null, beside: Vec::new() };
            return recorded.state.process().map(|_| report);
        };
        let url = recorded.ports.get(TILT_PORT.0).map(|port| vars.tilt_address(*port));
        // The first line alone is the older silo's: scripts take what follows the colon.
        let mut lines = vec![format!("Tilt: pid {}", tilt.pid)];
        lines.extend(url.as_ref().map(|url| format!("Tilt page: {url}")));
        Some(Report {
            runs: true,
            lines,
            publishes: Vec::new(),
            value: json!({ "pid": tilt.pid, "url": url }),
            beside: Vec::new(),
        })
    }

    fn check(&self, subject: &Inspected<'_>) -> Vec<Finding> {
        check::processes(self, subject)
    }

    fn scan(&self, root: &Path) -> Scan {
        check::files(root)
    }
}

/// What will not be ready, whoever waits for it.
fn beyond_hope(failed: &tilt::Waiting) -> Failure {
    let line = ready::logs_line(failed.first.as_deref());
    Failure::new(format!("It failed and no longer runs: {}", one_line(&failed.what)))
        .hint(format!("See why: `{line}`; after an edit of what it is made from Tilt tries again"))
}

/// Whether Tilt would find something to run in a root.
fn has_tiltfile(root: &Path) -> bool {
    files::is_file(&root.join("Tiltfile"))
}

/// The Tilt that the lockfile records, if that very one runs.
fn recorded(state: &InstanceState, root: &Path) -> Option<Process> {
    processes::recorded(&state.process().filter(|record| record.program == TILT)?, root)
}

fn running(scope: &Scope<'_>) -> Option<Process> {
    // One that was started inside needs no lockfile.
    Tilt.process(&scope.state.clone().unwrap_or_default(), &scope.project.root)
}

/// Whether it runs now, whatever the scope remembers.
fn still_runs(scope: &Scope<'_>) -> Result<bool, Failure> {
    let now = scope.project.lockfile()?.map(|(lockfile, _)| lockfile.instance).unwrap_or_default();
    Ok(Tilt.process(&now, &scope.project.root).is_some())
}

/// The host name for Tilt's page in the browser; a lockfile is data, so only what could be a host name counts.
fn host(state: &InstanceState) -> Option<String> {
    let host = state.identity.hosts.get("TILT_HOST")?;
    host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.')).then(|| host.clone())
}
