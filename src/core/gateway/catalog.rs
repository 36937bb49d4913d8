//! What providers offer: models, and what these cost.

use super::amount::{Amount, Money};
use super::usage::Usage;

/// The price of one token of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Prices {
    /// Of the prompt.
    pub input: Money,
    /// Of the answer.
    pub output: Money,
    /// Of the prompt, read from the provider's cache.
    pub cache_read: Money,
    /// Of the prompt, written into the provider's cache.
    pub cache_write: Money,
    /// The same, for an hour.
    pub cache_write_hour: Money,
}

/// A model of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// Its name, as it is asked for.
    pub name: String,
    /// What it costs.
    pub prices: Prices,
    /// The most tokens of a prompt.
    pub window: u64,
    /// The most tokens of an answer, where a request does not say.
    pub max_output: Option<u64>,
}

impl Model {
    /// What a call cost.
    pub fn cost(&self, usage: &Usage) -> Amount {
        let Prices { input, output, cache_read, cache_write, cache_write_hour } = self.prices;
        let parts = [
            (input, usage.input),
            (output, usage.output),
            (cache_read, usage.cache_read),
            (cache_write, usage.cache_write),
            (cache_write_hour, usage.cache_write_hour),
        ];
        let costs = parts.into_iter().map(|(price, tokens)| Amount { money: price.times(tokens), tokens });
        costs.fold(Amount::NOTHING, |sum, cost| sum + cost)
    }

    /// The most that a call can cost: so many tokens in, each at the dearest price there is for one, and so many out.
    pub fn worst(&self, input: u64, output: u64) -> Amount {
        let Prices { input: plain, cache_read, cache_write, cache_write_hour, .. } = self.prices;
        let dearest = plain.max(cache_read).max(cache_write).max(cache_write_hour);
        let money = Money(dearest.times(input).0.saturating_add(self.prices.output.times(output).0));
        Amount { money, tokens: input.saturating_add(output) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_is_never_less_than_what_a_call_within_it_costs() {
        let prices = Prices {
            input: Money(3),
            output: Money(15),
            cache_read: Money(1),
            cache_write: Money(4),
            cache_write_hour: Money(6),
        };
        let model = Model { name: "m".into(), prices, window: 100, max_output: None };
        let usage = Usage { input: 10, cache_write: 20, cache_write_hour: 30, cache_read: 40, output: 7 };
        let cost = model.cost(&usage);
        assert_eq!(cost, Amount { money: Money(30 + 80 + 180 + 40 + 105), tokens: 107 });
        let worst = model.worst(100, 7);
        assert_eq!(worst, Amount { money: Money(600 + 105), tokens: 107 });
        assert_eq!(model.worst(u64::MAX, u64::MAX).money, Money(u64::MAX), "no number goes around");
    }
}
