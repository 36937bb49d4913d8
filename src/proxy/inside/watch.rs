//! Watching over an agent until it has ended: signals that are passed on, orphans that are taken in, its time, its place on the disk.

use std::future::Future as _;
use std::task::Poll;
use std::time::Duration;

use nix::sys::signal::Signal as Number;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use silo::core::text::source::size;
use silo::failure::{Failure, shown};
use silo::sys::cmd;
use silo::sys::first::First;
use silo::sys::measure::{self, Measuring, Stand};
use silo::ui::Ui;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::codes;
use super::options::Options;

/// Signals that are passed on to the agent.
const PASSED_ON: [Number; 6] =
    [Number::SIGTERM, Number::SIGINT, Number::SIGHUP, Number::SIGQUIT, Number::SIGUSR1, Number::SIGUSR2];
/// How long it takes at least from one measuring to the next.
const PERIOD: Duration = Duration::from_secs(1);
/// How long killed processes may take to be gone; then the end of this one takes them along.
const KILLED: Duration = Duration::from_secs(2);
/// How long a last line may wait for whoever reads it.
const HEARD: Duration = Duration::from_secs(1);
/// How often the standard input is looked at: not everything that may be there reports its end.
const STDIN: Duration = Duration::from_millis(200);
/// How often something is looked at that reports itself by nothing.
const LOOK: Duration = Duration::from_millis(20);

/// What can happen.
enum Event {
    /// A signal came for the agent.
    Signal(Number),
    /// A child has ended.
    Child,
    /// The time has come.
    Time,
}

/// What reports events.
pub(super) struct Events {
    signals: Vec<(Number, Signal)>,
    children: Signal,
    has_stdin: bool,
}

impl Events {
    /// Starts to listen. Nothing that happens from now on is missed.
    pub(super) fn listen(with_stdin: bool) -> Result<Self, Failure> {
        let fail = |error: std::io::Error| Failure::new(format!("Cannot watch over the agent: {error}"));
        let one = |number: Number| Ok((number, signal(SignalKind::from_raw(number as i32)).map_err(fail)?));
        let signals = PASSED_ON.into_iter().map(one).collect::<Result<_, Failure>>()?;
        let children = signal(SignalKind::child()).map_err(fail)?;
        Ok(Self { signals, children, has_stdin: with_stdin })
    }

    /// The next event, at the latest that the time has come or the standard input is to be looked at.
    async fn next(&mut self, until: Instant) -> Event {
        let until = if self.has_stdin { until.min(Instant::now() + STDIN) } else { until };
        let mut sleep = std::pin::pin!(tokio::time::sleep_until(until));
        std::future::poll_fn(|context| {
            if self.children.poll_recv(context).is_ready() {
                return Poll::Ready(Event::Child);
            }
            for (number, signal) in &mut self.signals {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(Event::Signal(*number));
                }
            }
            sleep.as_mut().poll(context).map(|()| Event::Time)
        })
        .await
    }

    /// Whether the other end of the standard input was closed; that is told once.
    fn is_alone(&mut self) -> bool {
        while self.has_stdin {
            match read_away() {
                Said::Nothing => return false,
                // It is not for the agent, and only its end counts.
                Said::Something => {}
                Said::End => {
                    self.has_stdin = false;
                    return true;
                }
            }
        }
        false
    }
}

/// What comes by the standard input.
enum Said {
    Nothing,
    Something,
    End,
}

/// Reads what has come by the standard input, without waiting for anything.
fn read_away() -> Said {
    let stdin = std::io::stdin();
    let mut asked = [PollFd::new(&stdin, PollFlags::IN)];
    match poll(&mut asked, Some(&Timespec::default())) {
        Ok(0) | Err(Errno::INTR) => return Said::Nothing,
        Ok(_) => {}
        Err(_) => return Said::End,
    }
    match rustix::io::read(&stdin, &mut [0; 4096]) {
        Ok(0) => Said::End,
        Ok(_) => Said::Something,
        Err(Errno::INTR | Errno::AGAIN) => Said::Nothing,
        Err(_) => Said::End,
    }
}

/// What there is to measure.
struct Disk<'a> {
    options: &'a Options,
    /// One that is under way, and when it began.
    measuring: Option<(Measuring, Instant)>,
    next: Instant,
}

impl Disk<'_> {
    /// When something is to be measured.
    fn next(&self) -> Option<Instant> {
        (!self.options.measured.is_empty()).then_some(self.next)
    }

    /// Measures a little; why all must end, where too much is taken.
    fn measure(&mut self) -> Option<Failure> {
        let now = Instant::now();
        if self.next > now {
            return None;
        }
        let Some((measuring, since)) = &mut self.measuring else {
            if let Some(least) = self.options.free {
                for folder in &self.options.measured {
                    // One whose disk does not say what is free is still measured itself.
                    if let Some(free) = measure::free(folder).filter(|free| *free < least) {
                        let failure = Failure::new(format!(
                            "The agent was stopped: of the disk of `{}` {} are free, and {} are to stay so",
                            shown(folder),
                            size(free),
                            size(least)
                        ));
                        return Some(failure.hint("Free some space on that disk, then start it again"));
                    }
                }
            }
            match self.options.disk {
                Some(limit) => self.measuring = Some((Measuring::new(&self.options.measured, limit), now)),
                None => self.next = now + PERIOD,
            }
            return None;
        };
        match measuring.go_on() {
            Stand::Going => None,
            Stand::Done(_) => {
                // A tree that takes long to look at is not looked at all the time.
                self.next = now + PERIOD.max(since.elapsed());
                self.measuring = None;
                None
            }
            Stand::Over => {
                let limit = size(self.options.disk.unwrap_or_default());
                let failure = Failure::new(format!("The agent was stopped: it has written more than {limit}"));
                Some(failure.hint("Give it more with `disk` where it is configured"))
            }
            Stand::Unmeasured(reason) => {
                let failure =
                    Failure::new(format!("The agent was stopped: what it writes cannot be measured: {reason}"));
                Some(failure.hint("Look at what it does in its folder; silo measures what `disk` limits"))
            }
        }
    }
}

/// How it ends.
struct End {
    code: u8,
    why: Option<Failure>,
    /// Nothing may be written any more.
    at_once: bool,
}

/// Watches over the agent, then ends all others; gives the exit code.
pub(super) async fn over(ui: Ui, first: First, main: u32, mut events: Events, options: &Options) -> u8 {
    let now = Instant::now();
    let deadline = options.deadline.map(|time| now + time);
    let mut disk = Disk { options, measuring: None, next: now };
    // An agent may send signals without end, so each time round all is looked at.
    let end = loop {
        if let Some(why) = disk.measure() {
            break End { code: codes::DISK, why: Some(why), at_once: true };
        }
        if events.is_alone() {
            let why = Failure::new("The agent was ended: silo, which has started it, is gone");
            break End { code: codes::ALONE, why: Some(why), at_once: false };
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let seconds = options.deadline.unwrap_or_default().as_secs_f64();
            let why = Failure::new(format!("The agent was ended: its time of {seconds} s is over"));
            let why = why.hint("Give it more with `time` where it is configured");
            break End { code: codes::TIME, why: Some(why), at_once: false };
        }
        let far = Instant::now() + Duration::from_hours(1);
        let until = [deadline, disk.next()].into_iter().flatten().min().unwrap_or(far);
        match events.next(until).await {
            Event::Signal(number) => cmd::send(main, number as i32),
            Event::Child => {
                let mut ended = None;
                while let Some((pid, how)) = first.reap() {
                    ended = ended.or((pid == main).then_some(how));
                }
                if let Some(ended) = ended {
                    break End { code: ended.code(), why: None, at_once: false };
                }
            }
            Event::Time => {}
        }
    };
    if end.at_once {
        first.signal_all(Number::SIGSTOP);
    } else {
        first.signal_all(Number::SIGTERM);
        // One that is stopped would not hear it.
        first.signal_all(Number::SIGCONT);
        gone(first, &mut events, options.grace).await;
    }
    first.signal_all(Number::SIGKILL);
    gone(first, &mut events, KILLED).await;
    if let Some(why) = end.why {
        // The agent shares the pipe and may have filled it; it is not there any more, but whoever reads may not be either.
        if ui.is_heard(HEARD) {
            ui.fail(&why);
        }
    }
    end.code
}

/// Waits until all others are gone, for so long at most.
async fn gone(first: First, events: &mut Events, grace: Duration) {
    let until = Instant::now() + grace;
    loop {
        while first.reap().is_some() {}
        let now = Instant::now();
        if !first.has_others() || now >= until {
            return;
        }
        // Some of them are nobody's child here, and their end reports itself by nothing.
        events.next(until.min(now + LOOK)).await;
    }
}
