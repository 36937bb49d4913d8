//! Stopping what nobody has used for as long as the user has set (D31): `silo heal --watch` sees who connects, and has a silo of its own
//! stop each instance, under the lock that every start takes. It is no longer wanted; `silo up` or a gate brings it back.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;

use super::super::consent;
use crate::core::healing::What;
use crate::core::leases::used;
use crate::core::text::span;
use crate::failure::{Failure, code};
use crate::parts;
use crate::parts::context::{COMMAND_WAIT, Context};
use crate::parts::look::{self, Observed, State};
use crate::parts::scope::{Scope, Site};
use crate::store::ask::{Ask, Occasion};
use crate::store::{healing, registry, trust, wanted};
use crate::sys::lock::{self, Wait};
use crate::sys::{listeners, signals};

/// How often it is looked who connects: a connection that has ended is seen for a minute.
const LOOK: Duration = Duration::from_secs(30);
/// How often within the time that is set, where that is short.
const PARTS: u32 = 4;

/// Since when instances are not used, as far as one watch has seen.
pub(super) struct Rests {
    limit: Duration,
    looked: Option<Instant>,
    /// When each root was last seen used, or first seen running.
    used: HashMap<String, Instant>,
}

impl Rests {
    /// Those of the settings; none where nothing is to be stopped, or this system does not show who connects, which is said.
    pub(super) fn of(context: &Context) -> Option<Self> {
        let limit = context.settings.idle?;
        if listeners::connections().is_none() {
            context.ui.warn("`idle` does not hold here: this system does not show who connects to what");
            return None;
        }
        Some(Self { limit, looked: None, used: HashMap::new() })
    }

    /// The time that is set, for people.
    pub(super) fn time(&self) -> String {
        span::shown(self.limit)
    }

    /// How long may pass between two looks.
    pub(super) fn every(&self) -> Duration {
        LOOK.min(self.limit / PARTS)
    }

    /// The roots that nobody has used for the whole time, each once.
    pub(super) fn due(&mut self, seen: &[Observed]) -> Vec<String> {
        if self.looked.is_some_and(|looked| looked.elapsed() < self.every()) {
            return Vec::new();
        }
        // What cannot be read now counts as used by everybody.
        let connections = listeners::connections();
        self.looked = Some(Instant::now());
        self.judge(seen, connections.as_deref(), Instant::now())
    }

    fn judge(
        &mut self,
        seen: &[Observed],
        connections: Option<&[(SocketAddr, SocketAddr)]>,
        now: Instant,
    ) -> Vec<String> {
        let mut due = Vec::new();
        let mut there = Vec::new();
        for one in seen.iter().filter(|one| may_rest(one)) {
            let root = one.instance.root.clone();
            let is_used = connections.is_none_or(|all| used::is_used(&one.instance, all));
            let last = self.used.entry(root.clone()).or_insert(now);
            if is_used {
                *last = now;
            } else if now.duration_since(*last) >= self.limit {
                // Where it is not stopped after all, the time begins again.
                *last = now;
                due.push(root.clone());
            }
            there.push(root);
        }
        // What is down, or is being started, begins again.
        self.used.retain(|root, _| there.contains(root));
        due
    }
}

/// Whether an instance runs as it is wanted, and nothing of it but what can rest.
fn may_rest(seen: &Observed) -> bool {
    let mut parts = seen.parts.iter().filter_map(|(_, part)| part.as_ref()).peekable();
    let is_whole = seen.compared.gaps.is_empty() && seen.compared.unknown.is_empty();
    seen.state == State::Running && is_whole && parts.peek().is_some() && parts.all(|part| part.may_rest)
}

/// Stops what this folder's instance runs, unless it turns out to be used.
pub(super) fn run(context: &Context) -> Result<u8, Failure> {
    let project = context.project()?;
    if let Some(why) = consent::refusal(context, &project, trust::judge(&context.dirs, &project)?) {
        context.ui.step(&format!("`{}` {why}", project.shown_name()));
        return Ok(code::NOT_TRUSTED);
    }
    signals::watch();
    let busy = |holder| Failure::new(format!("This instance is being started already{holder}"));
    let why = lock::hold_as(lock::HEAL, &context.dirs.up_lock(&project.root), "it", &lock::AT_ONCE, busy, || {
        let Some(instance) = registry::peek(&context.dirs)?.at(project.root_text()).cloned() else { return Ok(None) };
        let connections = listeners::connections();
        if connections.is_none_or(|all| used::is_used(&instance, &all)) {
            return Ok(Some("somebody is connected again".to_owned()));
        }
        let seen = look::observe(context, &parts::ALL, vec![instance], false).pop();
        if !seen.as_ref().is_some_and(may_rest) {
            return Ok(Some("it does not run as it did".to_owned()));
        }
        let config = project.config()?;
        let ask = Ask { occasion: Occasion::Cd, ..Ask::default() };
        let scope = Scope::of(context, &project, &config, &ask)?;
        let site = Site::new(&scope, context.settle(&project, &config, &ask)?);
        for part in parts::ALL.into_iter().rev() {
            if let Some(why) = part.rest(&site)? {
                return Ok(Some(why));
            }
        }
        // What has been stopped is no crash.
        let wait = Wait { limit: COMMAND_WAIT, tell: &|text| context.ui.step(text) };
        wanted::drop_if(&context.dirs, project.root_text(), &wait, |_| true)?;
        healing::add(&context.dirs, &scope.id, What::Idle, None, None)?;
        Ok(None)
    })?;
    context.ui.answer_json(&json!({ "root": project.root, "inUse": why }))?;
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::leases::Instance;
    use crate::parts::gaps::Compared;
    use crate::parts::part::PartState;
    use crate::parts::servers::Served;

    fn seen(root: &str, may_rest: bool) -> Observed {
        let mut instance = Instance { root: root.to_owned(), ..Instance::default() };
        instance.ports.insert("A".to_owned(), 3000);
        let parts =
            vec![("services", Some(PartState { runs: true, may_rest, ..PartState::default() })), ("tilt", None)];
        let (compared, served) = (Compared::default(), Served::default());
        Observed { instance, state: State::Running, branch: None, parts, compared, served, current: false }
    }

    #[test]
    fn what_nobody_used_for_the_whole_time_is_due_once() {
        let mut rests = Rests { limit: Duration::from_secs(100), looked: None, used: HashMap::new() };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let used = [("127.0.0.1:3000".parse().expect("one"), "127.0.0.1:4000".parse().expect("one"))];
        let (one, kept) = ([seen("/one", true)], [seen("/one", false)]);
        assert_eq!(rests.judge(&one, Some(&[]), at(0)), [""; 0], "it has only been seen");
        assert_eq!(rests.judge(&one, Some(&used), at(60)), [""; 0]);
        assert_eq!(rests.judge(&one, Some(&[]), at(159)), [""; 0]);
        assert_eq!(rests.judge(&one, Some(&[]), at(160)), ["/one"]);
        assert_eq!(rests.judge(&one, Some(&[]), at(161)), [""; 0], "once");
        assert_eq!(rests.judge(&one, None, at(300)), [""; 0], "nothing is known");
        assert_eq!(rests.judge(&kept, Some(&[]), at(350)), [""; 0]);
        assert_eq!(rests.judge(&one, Some(&[]), at(500)), [""; 0], "it begins again");
        assert_eq!(rests.judge(&one, Some(&[]), at(600)), ["/one"]);
    }
}
