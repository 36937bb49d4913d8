//! How many requests and tokens a minute a key may take: two buckets that fill up evenly. What was reserved and not used comes back.

use std::time::Duration;

/// Limits of a key; none is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub struct Limits {
    /// Requests a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u64>,
    /// Tokens a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

/// What is left of a key's minute.
#[derive(Debug, Clone, Default)]
pub struct Pace {
    requests: Bucket,
    tokens: Bucket,
}

/// Which limit is in the way, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TooFast {
    /// Until then.
    Wait(&'static str, Duration),
    /// One call alone takes more tokens than a minute has.
    Never,
}

impl Pace {
    /// Takes a request and its tokens at a time (since any fixed moment).
    ///
    /// # Errors
    /// [`TooFast`]; nothing is taken then.
    pub fn take(&mut self, limits: Limits, tokens: u64, now: Duration) -> Result<(), TooFast> {
        self.requests.fill(limits.requests, now);
        self.tokens.fill(limits.tokens, now);
        if limits.tokens.is_some_and(|limit| tokens > limit) {
            return Err(TooFast::Never);
        }
        for (bucket, limit, amount, what) in
            [(&self.requests, limits.requests, 1, "requests"), (&self.tokens, limits.tokens, tokens, "tokens")]
        {
            if let Some(wait) = bucket.wait(limit, amount) {
                return Err(TooFast::Wait(what, wait));
            }
        }
        self.requests.take(1);
        self.tokens.take(tokens);
        Ok(())
    }

    /// Gives tokens back that were reserved and not used.
    pub fn give_back(&mut self, tokens: u64) {
        self.tokens.level += as_level(tokens);
    }
}

/// A level of tokens or requests.
#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    level: f64,
    filled: Option<Duration>,
}

#[expect(clippy::cast_precision_loss, reason = "beyond 2^53 a token more or less is none")]
fn as_level(count: u64) -> f64 {
    count as f64
}

impl Bucket {
    fn fill(&mut self, limit: Option<u64>, now: Duration) {
        let Some(limit) = limit.map(as_level) else { return };
        let since = self.filled.map(|filled| now.saturating_sub(filled));
        self.level = since.map_or(limit, |since| self.level + limit * since.as_secs_f64() / 60.0).min(limit);
        self.filled = Some(now);
    }

    /// How long until there is enough.
    fn wait(&self, limit: Option<u64>, amount: u64) -> Option<Duration> {
        let limit = as_level(limit?);
        let missing = as_level(amount) - self.level;
        let seconds = missing * 60.0 / limit.max(f64::MIN_POSITIVE);
        (missing > 1e-9).then(|| Duration::from_secs_f64(seconds.clamp(0.0, 3600.0)))
    }

    fn take(&mut self, amount: u64) {
        self.level -= as_level(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_minute_has_so_many_and_no_more() {
        let limits = Limits { requests: Some(3), tokens: Some(100) };
        let mut pace = Pace::default();
        let at = Duration::from_secs;
        assert_eq!(pace.take(limits, 101, at(5)), Err(TooFast::Never));
        assert_eq!(pace.take(limits, 60, at(5)), Ok(()));
        assert_eq!(pace.take(limits, 60, at(5)), Err(TooFast::Wait("tokens", at(12))));
        pace.give_back(50);
        for _ in 0..2 {
            assert_eq!(pace.take(limits, 45, at(5)), Ok(()));
        }
        assert_eq!(pace.take(limits, 0, at(5)), Err(TooFast::Wait("requests", at(20))));
        assert_eq!(pace.take(limits, 0, at(26)), Ok(()));
        let none = Limits::default();
        assert!((0..1000).all(|_| pace.take(none, u64::MAX / 4, at(30)).is_ok()));
    }
}
