//! What happened while things were brought back (D31): events, a line of JSON each. When the next try is due, and that none is any
//! more, follows from reading them; nothing else is remembered.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::leases::Wish;
use crate::core::text::digest;

/// How long after a first try the next one is due at least; each further one waits twice as long.
const FIRST: Duration = Duration::from_secs(1);
/// How long at most.
const LONGEST: Duration = Duration::from_mins(5);
/// So many tries …
const TRIES: usize = 5;
/// … within this time are the last: what goes down again and again is for the user to see.
const WITHIN: Duration = Duration::from_mins(10);
/// The share of a wait that is left to chance, so that many do not all try at once.
const JITTER: f64 = 0.2;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// The user has brought the instance up: what was before counts no more.
    Up,
    /// It was found down, and one more try was made to bring it up.
    Tried,
    /// That try failed.
    Failed,
    /// Somebody else had its port. That try is forgotten: the port may be free at any time.
    Taken,
    /// The user has stopped it by the engine itself, as `docker kill` does.
    Killed,
    /// Nobody used the instance for as long as the user has set, and it was stopped.
    Idle,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, in milliseconds since 1970.
    pub at: u64,
    /// The id of the instance; empty for silo's own programs.
    pub id: String,
    /// What happened.
    pub what: What,
    /// To what; none is the whole instance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Wish>,
    /// Why, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// The birth of the process that brings up, for as long as that takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
}

/// Whether a try may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Now.
    Now,
    /// At this time, in milliseconds since 1970, after so many tries.
    At(u64, usize),
    /// Not any more: so many tries have failed. `silo up` lets it be tried again.
    Never(usize),
}

/// Reads events; lines that are none, such as one that was cut off, are left out.
pub fn parse(text: &str) -> Vec<Event> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// An event as a line of the file.
pub fn line(event: &Event) -> String {
    serde_json::to_string(event).expect("strings and numbers serialise") + "\n"
}

/// Whether something of an instance may be tried now.
pub fn due(events: &[Event], id: &str, wish: &Wish, now: u64) -> Due {
    let of_it = |event: &&Event| event.id == id && event.of.as_ref().is_none_or(|of| of == wish);
    let since_up = events.iter().rev().filter(of_it).take_while(|event| event.what != What::Up);
    // The last one first, so that what is said of a try is read before it.
    let mut is_forgotten = false;
    let mut counts = |event: &&Event| match event.what {
        What::Tried => !std::mem::take(&mut is_forgotten),
        what => {
            is_forgotten |= what == What::Taken;
            false
        }
    };
    let tries: Vec<u64> = since_up.filter(|event| counts(event)).map(|event| event.at).collect();
    let within = millis(WITHIN);
    if tries.windows(TRIES).any(|some| some[0].saturating_sub(some[TRIES - 1]) <= within) {
        return Due::Never(tries.len());
    }
    let Some(last) = tries.first() else { return Due::Now };
    let in_a_row = 1 + tries.windows(2).take_while(|two| two[0].saturating_sub(two[1]) <= within).count();
    let times = 1 << u32::try_from(in_a_row - 1).unwrap_or(u32::MAX).min(16);
    let wait = (FIRST * times).min(LONGEST).mul_f64(1.0 + JITTER * chance(id, wish, *last));
    // A clock that was set back since must not make anybody wait for years.
    match last.min(&now) + millis(wait) {
        at if at > now => Due::At(at, in_a_row),
        _ => Due::Now,
    }
}

/// Who brings an instance up just now, as far as the events tell: the birth of a process that may have ended.
pub fn caller<'a>(events: &'a [Event], id: &str) -> Option<&'a str> {
    events.iter().rfind(|event| event.id == id && event.what == What::Up)?.by.as_deref()
}

/// From 0 to 1, the same each time the same events are read.
fn chance(id: &str, wish: &Wish, at: u64) -> f64 {
    let hex = digest::of(format!("{id} {wish} {at}").as_bytes());
    f64::from(u32::from_str_radix(&hex[..8], 16).unwrap_or_default()) / f64::from(u32::MAX)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(at: u64, what: What, of: Option<&str>) -> Event {
        Event { at, id: "i".into(), what, of: of.map(Wish::part), why: None, by: None }
    }

    #[test]
    fn a_try_that_found_its_port_taken_is_forgotten_and_no_other_is() {
        let wish = Wish::part("tilt");
        let mut events = vec![event(1000, What::Tried, Some("tilt")), event(1001, What::Failed, Some("tilt"))];
        for at in 0..20 {
            events.push(event(2000 + at, What::Tried, Some("tilt")));
            events.push(event(2000 + at, What::Tried, Some("other")));
            events.push(event(2000 + at, What::Taken, Some("tilt")));
        }
        assert!(matches!(due(&events, "i", &wish, 1500), Due::At(_, 1)));
        assert_eq!(due(&events, "i", &wish, 5000), Due::Now);
        assert!(matches!(due(&events, "i", &Wish::part("other"), 2020), Due::Never(20)));
    }

    #[test]
    fn each_try_waits_twice_as_long_and_the_fifth_in_ten_minutes_is_the_last() {
        let wish = Wish::part("tilt");
        let mut events = vec![event(0, What::Tried, Some("other"))];
        let mut now = 1_000_000;
        let mut waits = Vec::new();
        let last = loop {
            match due(&events, "i", &wish, now) {
                Due::Now => {
                    events.push(event(now, What::Tried, Some("tilt")));
                    events.push(event(now, What::Failed, Some("tilt")));
                }
                Due::At(at, tries) => {
                    waits.push((at - now) / 1000);
                    assert_eq!(waits.len(), tries);
                    now = at;
                }
                Due::Never(tries) => break tries,
            }
        };
        assert_eq!((waits, last), (vec![1, 2, 4, 8], 5));
        assert_eq!(due(&events, "another", &wish, now), Due::Now);
        assert_eq!(due(&events, "i", &Wish::part("cluster"), now), Due::Now);
        // It stays so, until the user says up.
        assert_eq!(due(&events, "i", &wish, now * 1000), Due::Never(5));
        events.push(event(now, What::Up, None));
        assert_eq!(due(&events, "i", &wish, now), Due::Now);
        events.push(event(now, What::Tried, Some("tilt")));
        assert!(matches!(due(&events, "i", &wish, now), Due::At(_, 1)));
    }

    #[test]
    fn a_try_now_and_then_goes_on_for_ever_and_waits_five_minutes_at_most() {
        let wish = Wish::part("tilt");
        let mut events = Vec::new();
        for nth in 0..200 {
            // Each takes so long that there are never five in ten minutes.
            let now = nth * 180_000;
            events.push(event(now, What::Tried, Some("tilt")));
            match due(&events, "i", &wish, now) {
                Due::At(at, _) => assert!(at - now <= 360_000, "{nth}: {at}"),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(due(&events, "i", &wish, 200 * 180_000 + 360_000), Due::Now);
        // A clock that was set back.
        assert!(matches!(due(&events, "i", &wish, 5), Due::At(at, _) if at < 360_006));
    }

    #[test]
    fn what_is_no_event_is_left_out_and_what_is_comes_back() {
        let mut one = event(7, What::Failed, Some("services:db"));
        one.why = Some("it \"said\" no".into());
        let other = Event { by: Some("7@b+1".into()), ..event(8, What::Up, None) };
        let text = format!("{}{{\"at\":1\nnot json\n\n{}{{\"at\":9,\"id\":\"i\"", line(&one), line(&other));
        assert_eq!(parse(&text), [one, other]);
        assert_eq!(caller(&parse(&text), "i"), Some("7@b+1"));
        assert_eq!(caller(&parse(&text), "j"), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}", at in any::<u64>(), now in any::<u32>()) {
            let _ = parse(&text);
            let events = [event(at, What::Tried, Some("tilt")), event(at / 2, What::Tried, Some("tilt"))];
            let _ = due(&events, "i", &Wish::part("tilt"), now.into());
        }
    }
}
