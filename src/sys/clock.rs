//! The time, as the files write it.

use std::time::{Duration, SystemTime};

/// A time as the files write it; none for anything else.
pub fn parse(text: &str) -> Option<SystemTime> {
    text.parse::<jiff::Timestamp>().ok().map(SystemTime::from)
}

/// Now, in RFC 3339, UTC, to the second.
pub fn now() -> String {
    written(SystemTime::now())
}

/// A time as the files write it, to the second.
pub fn written(time: SystemTime) -> String {
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::Timestamp::from_second(time.as_second()).unwrap_or(time).to_string()
}

/// Now, in milliseconds since 1970.
pub fn millis() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// How long ago a recorded time was; none for what is not a time, or lies in the future of a clock set back.
pub fn since(text: &str) -> Option<Duration> {
    SystemTime::now().duration_since(parse(text)?).ok()
}
