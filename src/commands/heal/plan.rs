//! What is to be done about what is wanted and not up.

use super::report::Report;
use crate::core::healing::{self, Due, Event};
use crate::core::leases::Wish;
use crate::core::shell::environment::Environment;
use crate::parts;
use crate::parts::gaps::Gap;
use crate::parts::look::{Observed, State};
use crate::parts::part::{How, Part, Stand};
use crate::sys::{clock, processes};

/// What of an instance is to be brought back now, and all else that is to be said of it.
pub(super) struct Plan {
    /// Now.
    pub(super) now: Vec<Gap>,
    /// The rest.
    pub(super) report: Report,
}

/// The part of a column.
pub(super) fn part_of(column: &str) -> Option<&'static dyn Part> {
    parts::ALL.into_iter().find(|part| part.shown().is_some_and(|shown| shown.column == column))
}

/// Decides, and does nothing. `outside` is the environment outside of every instance; who is patient waits until the next try is due.
pub(super) fn plan(seen: &Observed, events: &[Event], outside: &Environment, is_patient: bool) -> Plan {
    let mut report = Report::of(seen);
    let mut now = Vec::new();
    if let State::Gone | State::Unmounted | State::Silent = seen.state {
        report.skipped = Some(match seen.state {
            State::Gone => "its folder is gone; `silo prune` frees what it holds".to_owned(),
            State::Unmounted => "its folder is on a disk that is not mounted".to_owned(),
            _ => "its disk did not answer in time".to_owned(),
        });
        return Plan { now, report };
    }
    for (wish, why) in &seen.compared.unknown {
        report.unknown.push((wish.clone(), why.clone()));
    }
    report.unwell.clone_from(&seen.compared.unwell);
    let open = seen.compared.gaps.iter().map(|gap| (gap, How::Down(gap.why.clone())));
    let ended = seen.compared.ended.iter().map(|gap| (gap, How::Ended));
    let is_brought_up = is_alive(healing::caller(events, &seen.instance.id));
    for (gap, how) in open.chain(ended) {
        let stand = Stand { wish: gap.wish.clone(), how, mark: gap.mark.clone() };
        let left =
            part_of(gap.wish.column()).map_or(Some("this silo has no such part"), |part| part.is_left(outside, &stand));
        match (left, healing::due(events, &seen.instance.id, &gap.wish, clock::millis())) {
            (Some(why), _) => report.left.push((gap.wish.clone(), why.to_owned())),
            _ if is_brought_up => report.later.push((gap.wish.clone(), "it is being brought up just now".to_owned())),
            (None, Due::At(at, tries)) if is_patient => report.later.push((gap.wish.clone(), later(at, tries))),
            (None, Due::Now | Due::At(..)) => now.push(gap.clone()),
            (None, Due::Never(tries)) => report.given_up.push((gap.wish.clone(), given_up(gap, tries))),
        }
    }
    Plan { now, report }
}

/// Whether a process lives by whom something is being brought up.
fn is_alive(birth: Option<&str>) -> bool {
    let pid = birth.and_then(|birth| birth.split_once('@')?.0.parse().ok());
    let process = pid.filter(|pid| *pid != std::process::id()).and_then(processes::look);
    process.zip(birth).is_some_and(|(process, birth)| process.was_born(birth) == Some(true))
}

fn later(at: u64, tries: usize) -> String {
    let seconds = at.saturating_sub(clock::millis()).div_ceil(1000);
    format!("tried {}; the next try is due in {seconds} s", times(tries))
}

fn given_up(gap: &Gap, tries: usize) -> String {
    format!("given up after {tries} tries ({}); `silo up -d` lets it be tried again", gap.why)
}

fn times(count: usize) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The wishes of some gaps.
pub(super) fn wishes(gaps: &[Gap]) -> Vec<Wish> {
    gaps.iter().map(|gap| gap.wish.clone()).collect()
}
