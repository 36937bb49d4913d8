//! Staying with a transient agent: its output is shown, its end is waited for, and it ends with the `silo` that runs it.

use std::time::{Duration, Instant};

use super::end::{clear_after, end};
use super::order::{GRACE, Order};
use super::outside::Outside;
use super::screens::Screens;
use super::start;
use crate::core::agents::names;
use crate::core::agents::record::Run;
use crate::failure::Failure;
use crate::store::agents::Place;
use crate::sys::attend::{self, Attend, Stream};
use crate::sys::lock;
use crate::sys::signals;

/// How long beyond its time silo's init may take to end an agent, until silo does it.
const LATE: Duration = Duration::from_secs(15);

/// Runs an agent to its end, and gives back the record of that.
///
/// # Errors
/// A [`Failure`] when it cannot be started, or its end not be brought about: what is left is finished by the next `silo agent`.
pub fn run(order: &Order<'_>) -> Result<Run, Failure> {
    let context = order.site.scope.context;
    start::refuse_known(order)?;
    let place = Place::of(&context.dirs, order.id);
    let busy = |holder| {
        Failure::new(format!("The run `{}` is being started or ended{holder}", order.id))
            .hint("Choose another ID: `silo agent run --as ID`")
    };
    lock::hold(&place.lock(), "the agent", &lock::AT_ONCE, busy, || {
        start::refuse_known(order)?;
        let run = match start::make(order) {
            Ok(run) => run,
            Err(failure) => {
                // Nothing of it has run.
                signals::forget();
                clear_after(context, order.id);
                return Err(failure);
            }
        };
        follow(order, &run)?;
        // A signal has asked the agent to end; what it leaves is still brought home.
        signals::forget();
        end(context, run)
    })
}

fn follow(order: &Order<'_>, run: &Run) -> Result<(), Failure> {
    let context = order.site.scope.context;
    let outside = Outside::of(context);
    let container = names::container(&run.id);
    let mut watch = Watch {
        outside: &outside,
        container: &container,
        screens: Screens::new(context.ui),
        time: order.agent.limits.time,
        started: Instant::now(),
        asked: None,
    };
    attend::attend(&outside.docker().attached(&container), &mut watch).map(|_| ())
}

struct Watch<'a> {
    outside: &'a Outside,
    container: &'a str,
    screens: Screens,
    time: Option<Duration>,
    started: Instant,
    /// When it was asked to end.
    asked: Option<Instant>,
}

impl Attend for Watch<'_> {
    fn take(&mut self, stream: Stream, piece: &[u8]) -> Result<(), Failure> {
        self.screens.show(stream, piece)
    }

    fn look(&mut self) -> Result<(), Failure> {
        let is_late = self.time.is_some_and(|time| self.started.elapsed() > time + LATE);
        match self.asked {
            None if signals::asked().is_some() || is_late => {
                self.asked = Some(Instant::now());
                signals::forget();
                self.outside.docker().signal(self.container, "TERM")
            }
            Some(at) if at.elapsed() > Duration::from_secs(2 * GRACE) || signals::asked().is_some() => {
                self.asked = Some(Instant::now());
                signals::forget();
                self.outside.docker().signal(self.container, "KILL")
            }
            _ => Ok(()),
        }
    }
}
