//! Bringing back what is down of this folder's instance: look, decide, take the lock that every start takes, look and decide
//! again, then act.

use std::path::Path;

use super::super::consent;
use super::plan::{Plan, part_of, plan, wishes};
use super::report::Report;
use crate::cli::HealArgs;
use crate::core::healing::{self, Due, What};
use crate::core::instance::trust::Trust;
use crate::core::leases::ports::Probe;
use crate::core::leases::{Instance, Wish};
use crate::core::text::source::one_line;
use crate::failure::{Failure, shown};
use crate::parts;
use crate::parts::context::Context;
use crate::parts::gaps::Gap;
use crate::parts::holder::surely_foreign;
use crate::parts::look::{self, Observed};
use crate::parts::scope::{Scope, Site};
use crate::store::ask::{Ask, Occasion};
use crate::store::project::{CONFIG_NAME, Project};
use crate::store::{healing as events, registry, trust};
use crate::sys::{clock, lock, net, signals};

pub(super) fn run(context: &Context, arguments: &HealArgs) -> Result<u8, Failure> {
    let project = context.project()?;
    let (report, now) = heal(context, &project, arguments.how.dry_run)?;
    report.lines(&now, arguments.how.dry_run).iter().for_each(|line| context.ui.step(line));
    if arguments.how.json {
        context.ui.answer_json(&report.object())?;
    }
    let is_down = arguments.how.dry_run && !now.is_empty();
    Ok(if is_down { report.code().max(1) } else { report.code() })
}

/// Heals; and what would be brought back where it is a dry run.
fn heal(context: &Context, project: &Project, is_dry: bool) -> Result<(Report, Vec<Gap>), Failure> {
    let (mut report, now) = judged(context, project, look_again(context, project)?)?;
    if now.is_empty() || is_dry {
        return Ok((report, now));
    }
    signals::watch();
    let busy =
        |holder| Failure { transient: true, ..Failure::new(format!("This instance is being started already{holder}")) };
    let path = context.dirs.up_lock(&project.root);
    let held = lock::hold_as(lock::HEAL, &path, "it", &lock::AT_ONCE, busy, || {
        // Whoever had the lock may have brought it up, or the user have stopped it.
        let Plan { now, report } = look_again(context, project)?;
        let mut acted = report;
        if !now.is_empty() {
            act(context, project, &now, &mut acted)?;
        }
        Ok(acted)
    });
    match held {
        Ok(report) => Ok((report, Vec::new())),
        Err(failure) if failure.transient => {
            report.later.extend(wishes(&now).into_iter().map(|wish| (wish, "it is being started just now".to_owned())));
            Ok((report, Vec::new()))
        }
        Err(failure) => Err(failure),
    }
}

/// What would be brought back of an instance elsewhere, as it was observed.
pub(super) fn would(context: &Context, root: &Path, plan: Plan) -> Result<(Report, Vec<Gap>), Failure> {
    judged(context, &Project::load(root, Some(Path::new(CONFIG_NAME)))?, plan)
}

/// What is planned, as far as the user trusts the project.
fn judged(context: &Context, project: &Project, plan: Plan) -> Result<(Report, Vec<Gap>), Failure> {
    let Plan { now, mut report } = plan;
    if now.is_empty() {
        return Ok((report, now));
    }
    let Some(why) = consent::refusal(context, project, trust::judge(&context.dirs, project)?) else {
        return Ok((report, now));
    };
    report.is_untrusted = true;
    report.skipped = Some(format!("its {} {why}; `silo allow` trusts it", project.shown_name()));
    Ok((report, Vec::new()))
}

/// Why the `silo.toml` of a root may not act, in a sentence; none where it may. Nothing of one that is not trusted is read.
pub(super) fn refusal(context: &Context, root: &Path) -> Option<String> {
    let project = match Project::load(root, Some(Path::new(CONFIG_NAME))) {
        Ok(project) => project,
        Err(failure) => return Some(failure.what),
    };
    match trust::judge(&context.dirs, &project) {
        Ok(Trust::Allowed) => project.config().err().map(|failure| format!("{}: {}", shown(root), failure.what)),
        Ok(word) => Some(format!("Nothing of `{}` is brought back: it {}", shown(root), word.said())),
        Err(failure) => Some(failure.what),
    }
}

fn look_again(context: &Context, project: &Project) -> Result<Plan, Failure> {
    // Without an instance nothing is wanted.
    let Some(instance) = registry::peek(&context.dirs)?.at(project.root_text()).cloned() else {
        let instance = project.root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let report = Report { instance, root: project.root_text().to_owned(), ..Report::default() };
        return Ok(Plan { now: Vec::new(), report });
    };
    Ok(plan(&observe(context, instance), &events::all(&context.dirs), &context.outside(), false))
}

fn observe(context: &Context, instance: Instance) -> Observed {
    look::observe(context, &parts::ALL, vec![instance], false).pop().expect("one was asked for")
}

/// Brings back, part by part in the order in which they are brought up.
fn act(context: &Context, project: &Project, now: &[Gap], report: &mut Report) -> Result<(), Failure> {
    let config = project.config()?;
    let ask = Ask { occasion: Occasion::Cd, up: true, ..Ask::default() };
    let scope = Scope::of(context, project, &config, &ask)?;
    let mut site = Site::new(&scope, context.settle(project, &config, &ask)?);
    let id = scope.id.clone();
    for part in parts::ALL {
        let Some(column) = part.shown().map(|shown| shown.column) else { continue };
        let gaps: Vec<&Gap> = now.iter().filter(|gap| gap.wish.column() == column).collect();
        if gaps.is_empty() {
            continue;
        }
        signals::check()?;
        for gap in &gaps {
            events::add(&context.dirs, &id, What::Tried, Some(&gap.wish), Some(&gap.why))?;
        }
        let names: Vec<String> = gaps.iter().filter_map(|gap| gap.wish.name().map(str::to_owned)).collect();
        let failed = match parts::require(&[part], &context.environment).and_then(|()| part.may_start(&scope)) {
            Ok(()) => part.bring_back(&mut site, &names),
            Err(failure) => vec![(None, failure)],
        };
        signals::check()?;
        let leases = registry::peek(&context.dirs)?;
        let wanted = leases.at(project.root_text()).map(|instance| &instance.wanted);
        for gap in &gaps {
            if wanted.is_none_or(|wanted| !wanted.has(&gap.wish)) {
                report.left.push((gap.wish.clone(), "it was stopped meanwhile, and stays so".to_owned()));
                continue;
            }
            let is_it = |(name, _): &&(Option<String>, Failure)| name.is_none() || name.as_deref() == gap.wish.name();
            match failed.iter().find(is_it) {
                None => report.healed.push(gap.wish.clone()),
                Some((_, failure)) => fail(&site, &gap.wish, failure, report)?,
            }
        }
        // What comes next may need it.
        if !failed.is_empty() {
            break;
        }
    }
    Ok(())
}

/// Says why something could not be brought back, and once it is given up, what it said last; that is for the terminal alone.
fn fail(site: &Site<'_>, wish: &Wish, failure: &Failure, report: &mut Report) -> Result<(), Failure> {
    let (context, id) = (site.scope.context, &site.scope.id);
    // What the program said last tells more than that it failed.
    let last = failure.excerpt.as_ref().and_then(|text| text.lines().last());
    let mut why = one_line(last.map_or(failure.what.as_str(), |line| line.trim_start_matches([' ', '|'])));
    let taken = taken(site, failure);
    let what = if taken.is_some() { What::Taken } else { What::Failed };
    events::add(&context.dirs, id, what, Some(wish), Some(&why))?;
    if let Some((port, said)) = taken {
        why = said;
        report.taken.push((wish.clone(), port));
    }
    let given_up = matches!(healing::due(&events::all(&context.dirs), id, wish, clock::millis()), Due::Never(_));
    if given_up {
        let part = part_of(wish.column());
        let lines = part.zip(wish.name()).map(|(part, name)| part.last_lines(site, name)).unwrap_or_default();
        for line in lines {
            context.ui.step(&format!("  | {line}"));
        }
        why.push_str("; it is given up, and `silo up -d` lets it be tried again");
    }
    report.failed.push((wish.clone(), why));
    Ok(())
}

/// The port of the instance that a failure names and somebody else has; and what is said of it.
fn taken(site: &Site<'_>, failure: &Failure) -> Option<(u16, String)> {
    let root = &site.scope.project.root;
    let told = format!("{} {}", failure.what, failure.excerpt.as_deref().unwrap_or_default());
    let is_named = |port: u16| told.split(|c: char| !c.is_ascii_digit()).any(|word| word.parse() == Ok(port));
    let is_taken = |port: u16| is_named(port) && net::probe(port) == Probe::Busy;
    let mut named = site.settled.known.ports.iter().filter(|(_, port)| is_taken(**port));
    named.find_map(|(name, port)| {
        let who = surely_foreign(&site.scope.context.outside(), root, &site.settled.identity, *port)?;
        Some((*port, format!("port {port} ({name}) is held by {who}: `silo up -d` moves to another one")))
    })
}
