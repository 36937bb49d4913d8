//! Bringing back what is down of several instances: each by a silo of its own, which takes that instance's lock and can be stopped
//! alone; two at a time, those used last first.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::plan::plan;
use super::report::Report;
use super::{one, own};
use crate::cli::HealArgs;
use crate::core::healing::{Event, What};
use crate::core::leases::Instance;
use crate::core::shell::environment::Environment;
use crate::failure::{Failure, code};
use crate::parts;
use crate::parts::context::Context;
use crate::parts::gaps::Gap;
use crate::parts::look::{self, Observed};
use crate::parts::named;
use crate::store::{apart, healing, registry};
use crate::sys::cmd::{Cmd, Ended};
use crate::sys::{program, signals};

/// How many are healed at once.
pub(super) const AT_ONCE: usize = 2;
/// How long one may take: images may have to come over the network.
const LIMIT: Duration = Duration::from_mins(30);

pub(super) fn run(context: &Context, arguments: &HealArgs) -> Result<u8, Failure> {
    signals::watch();
    let events = healing::all(&context.dirs);
    let mut seen = look::observe(context, &parts::ALL, instances(context, arguments)?, false);
    seen.retain(|seen| !arguments.names.is_empty() || !seen.instance.wanted.is_nothing());
    seen.sort_by_key(|seen| std::cmp::Reverse(last_use(seen, &events)));
    let outside = context.outside();
    let healer = Healer::of(context)?;
    let next = AtomicUsize::new(0);
    let answers: Mutex<Vec<(usize, Value, u8)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(seen.len()) {
            scope.spawn(|| {
                while let Some((at, seen)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    seen.get(at).map(|seen| (at, seen))
                } {
                    let plan = plan(seen, &events, &outside, false);
                    let root = Path::new(&seen.instance.root);
                    let done = match plan.now.is_empty() || signals::asked().is_some() {
                        true => Healed::of(&plan.report, &[]),
                        // What was observed is enough to say what would be done.
                        false if arguments.how.dry_run => match one::would(context, root, plan) {
                            Ok((report, now)) => Healed::of(&report, &now),
                            Err(failure) => Healed::failed(root, &failure, context),
                        },
                        false => healer.heal(root, context),
                    };
                    done.lines.iter().for_each(|line| context.ui.step(line));
                    let Healed { answer, code, .. } = done;
                    answers.lock().expect("nobody panics with it in hand").push((at, answer, code));
                }
            });
        }
    });
    if arguments.all
        && let Some(report) = own::heal(context, arguments.how.dry_run, false)?
    {
        report.lines(&[], false).iter().for_each(|line| context.ui.step(line));
        let answer = (seen.len(), report.object(), report.code());
        answers.lock().expect("nobody panics with it in hand").push(answer);
    }
    let mut answers = answers.into_inner().expect("nobody panics with it in hand");
    answers.sort_by_key(|(at, ..)| *at);
    if arguments.how.json {
        context.ui.answer_json(&Value::Array(answers.iter().map(|(_, answer, _)| answer.clone()).collect()))?;
    } else if answers.is_empty() {
        context.ui.step("Nothing is wanted up; `silo up -d` in a project says what is");
    }
    signals::check()?;
    // What failed counts more than what is not trusted.
    let codes = || answers.iter().map(|(_, _, code)| *code).filter(|code| *code != 0);
    Ok(codes().find(|code| *code != code::NOT_TRUSTED).or_else(|| codes().next()).unwrap_or(0))
}

/// The instances that are named, or all.
pub(super) fn instances(context: &Context, arguments: &HealArgs) -> Result<Vec<Instance>, Failure> {
    let leases = apart::without(&context.dirs, registry::peek(&context.dirs)?);
    if arguments.names.is_empty() {
        return Ok(leases.instances);
    }
    arguments.names.iter().map(|name| named::find(&leases, name).cloned()).collect()
}

/// When an instance was last brought up, as far as is known.
fn last_use(seen: &Observed, events: &[Event]) -> u64 {
    events.iter().rfind(|event| event.id == seen.instance.id && event.what == What::Up).map_or(0, |event| event.at)
}

/// What a silo that healed one instance said.
pub(super) struct Healed {
    /// To people.
    pub(super) lines: Vec<String>,
    /// To programs.
    pub(super) answer: Value,
    /// Its exit code.
    pub(super) code: u8,
}

impl Healed {
    /// Of what was observed alone; `now` is what would be brought back.
    fn of(report: &Report, now: &[Gap]) -> Self {
        let code = if now.is_empty() { report.code() } else { report.code().max(code::FAILURE) };
        Self { lines: report.lines(now, !now.is_empty()), answer: report.object(), code }
    }

    /// Says what failed.
    fn failed(root: &Path, failure: &Failure, context: &Context) -> Self {
        context.ui.fail(failure);
        let answer = serde_json::json!({ "root": root, "error": failure.what });
        Self { lines: Vec::new(), answer, code: failure.code }
    }
}

/// What heals one instance.
pub(super) struct Healer {
    silo: String,
    outside: Environment,
}

impl Healer {
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        let silo = program::own_path(&context.environment, &context.program)?;
        Ok(Self { silo: silo.to_string_lossy().into_owned(), outside: context.outside() })
    }

    /// Heals the instance of a root; one that cannot even be started is told about at once.
    pub(super) fn heal(&self, root: &Path, context: &Context) -> Healed {
        self.call(root, "--json", context)
    }

    /// Stops the instance of a root where nobody uses it.
    pub(super) fn rest(&self, root: &Path, context: &Context) -> Healed {
        self.call(root, "--rest", context)
    }

    fn call(&self, root: &Path, word: &str, context: &Context) -> Healed {
        let arguments = vec!["-C".into(), root.into(), "heal".into(), word.into()];
        let cmd = Cmd { program: &self.silo, arguments, environment: &self.outside, folder: Path::new("/") };
        let captured = match cmd.capture(LIMIT) {
            Ok(captured) => captured,
            Err(failure) => return Healed::failed(root, &failure, context),
        };
        let told = String::from_utf8_lossy(&captured.stderr).into_owned();
        let lines = told.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect();
        let answer = serde_json::from_slice(&captured.stdout).unwrap_or(Value::Null);
        let code = if captured.ended == Ended::Code(0) { 0 } else { captured.ended.code() };
        Healed { lines, answer, code }
    }
}
