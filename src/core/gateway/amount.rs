//! Money and tokens: whole numbers, so that no sum of a million calls is off by anything.

use std::ops::{Add, AddAssign, Sub};

use serde::{Deserialize, Serialize};

/// How many of [`Money`]'s units make one of the currency that prices are in.
const UNIT: u64 = 1_000_000_000_000;
/// The same for the price of one token, where a price is written for a million of them.
const PER_TOKEN: u64 = UNIT / 1_000_000;

/// Money, in millionths of a millionth of the currency that the file's prices are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Money(pub u64);

impl Money {
    /// Reads a sum such as `5` or `0.25`; none for anything else, and for what is larger than any budget.
    pub fn parse(text: &str) -> Option<Self> {
        decimal(text, UNIT).map(Self)
    }

    /// Reads the price of a million tokens as that of one.
    pub fn per_token(text: &str) -> Option<Self> {
        decimal(text, PER_TOKEN).map(Self)
    }

    /// The price of so many.
    #[must_use]
    pub fn times(self, count: u64) -> Self {
        Self(self.0.saturating_mul(count))
    }

    /// With two to six digits behind the point; what is more is rounded up.
    pub fn shown(self) -> String {
        let millionths = self.0.div_ceil(PER_TOKEN);
        let (whole, rest) = (millionths / 1_000_000, millionths % 1_000_000);
        let digits = format!("{rest:06}");
        let kept = digits.trim_end_matches('0').len().max(2);
        format!("{whole}.{}", &digits[..kept])
    }
}

/// A decimal number in units; none where it has more digits than the unit can tell, or is too large.
fn decimal(text: &str, unit: u64) -> Option<u64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let places = usize::try_from(unit.ilog10()).ok()?;
    if whole.is_empty() || !is_digits(whole) || !is_digits(rest) || text.ends_with('.') {
        return None;
    }
    let rest = rest.trim_end_matches('0');
    if rest.len() > places {
        return None;
    }
    let fraction: u64 = format!("{rest:0<places$}").parse().ok()?;
    whole.parse::<u64>().ok()?.checked_mul(unit)?.checked_add(fraction)
}

/// What a call costs, or a key has spent: in money and in tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Amount {
    /// Money.
    pub money: Money,
    /// Tokens of every kind.
    pub tokens: u64,
}

impl Amount {
    /// Nothing.
    pub const NOTHING: Self = Self { money: Money(0), tokens: 0 };

    /// The larger in each.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self { money: self.money.max(other.money), tokens: self.tokens.max(other.tokens) }
    }
}

impl Add for Amount {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let money = Money(self.money.0.saturating_add(other.money.0));
        Self { money, tokens: self.tokens.saturating_add(other.tokens) }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Amount {
    type Output = Self;

    /// Never below nothing.
    fn sub(self, other: Self) -> Self {
        let money = Money(self.money.0.saturating_sub(other.money.0));
        Self { money, tokens: self.tokens.saturating_sub(other.tokens) }
    }
}

/// How much a key may spend in all; a part that is none has no limit, and one of them has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Budget {
    /// Money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money: Option<Money>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Budget {
    /// Reads `5`, `0.25`, or `200000 tokens`, `500k tokens`, `2M tokens`.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let Some(number) = text.strip_suffix("tokens") else {
            return Money::parse(text).map(|money| Self { money: Some(money), tokens: None });
        };
        let number = number.trim_end();
        let (digits, unit) = match number.strip_suffix(['k', 'M']) {
            Some(digits) => (digits, if number.ends_with('k') { 1_000 } else { 1_000_000 }),
            None => (number, 1),
        };
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        let tokens = is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()?;
        Some(Self { money: None, tokens: Some(tokens) })
    }

    /// Reads one or both, with a comma between them.
    pub fn parse_all(text: &str) -> Option<Self> {
        let parts = text.split(',').map(|part| Self::parse(part.trim()));
        parts.reduce(|whole, part| Some(whole?.and(part?))).flatten()
    }

    /// Both limits, the other's where this one has none.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { money: self.money.or(other.money), tokens: self.tokens.or(other.tokens) }
    }

    /// The tighter of both.
    #[must_use]
    pub fn least(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            }
        }
        Self { money: least(self.money, other.money), tokens: least(self.tokens, other.tokens) }
    }

    /// Whether nothing is limited.
    pub fn is_endless(self) -> bool {
        self.money.is_none() && self.tokens.is_none()
    }

    /// Whether an amount lies within.
    pub fn covers(self, amount: Amount) -> bool {
        self.money.is_none_or(|money| amount.money <= money) && self.tokens.is_none_or(|tokens| amount.tokens <= tokens)
    }

    /// A hundredth, what is synced at a time as spent.
    pub fn hundredth(self) -> Amount {
        let money = Money(self.money.map_or(0, |money| money.0 / 100));
        Amount { money, tokens: self.tokens.map_or(0, |tokens| tokens / 100) }
    }

    /// As it is written.
    pub fn shown(self) -> String {
        let money = self.money.map(Money::shown);
        let tokens = self.tokens.map(|tokens| format!("{tokens} tokens"));
        let parts: Vec<String> = money.into_iter().chain(tokens).collect();
        if parts.is_empty() { "no limit".to_owned() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_are_read_and_shown_exactly() {
        for (text, shown) in [
            ("5", "5.00"),
            ("0.25", "0.25"),
            ("0.000001", "0.000001"),
            ("12.3456", "12.3456"),
            ("0.0000001", "0.000001"),
        ] {
            assert_eq!(Money::parse(text).expect("it is a sum").shown(), shown);
        }
        for text in
            ["", ".", "5.", ".5", "-1", "1e3", "+1", "1,5", "99999999999", "0.0000000000001", " 1", "inf", "NaN"]
        {
            assert_eq!(Money::parse(text), None, "{text:?}");
        }
        assert_eq!(Money::per_token("0.0375"), Some(Money(37_500)), "a price has six digits");
        assert_eq!(Money::per_token("3").map(|price| price.times(1_000_000)), Money::parse("3"));
    }

    #[test]
    fn budgets_are_money_or_tokens() {
        let tokens = |text| Budget::parse(text).and_then(|budget| budget.tokens);
        assert_eq!(tokens("200000 tokens"), Some(200_000));
        assert_eq!(tokens("500k tokens"), Some(500_000));
        assert_eq!(tokens("2Mtokens"), Some(2_000_000));
        assert_eq!(Budget::parse("5").and_then(|budget| budget.money), Money::parse("5"));
        for text in
            ["", "tokens", "k tokens", "1.5M tokens", "5 token", "$5", "-5 tokens", "99999999999999999999 tokens"]
        {
            assert_eq!(Budget::parse(text), None, "{text:?}");
        }
        let both = Budget::parse("5").expect("money").and(Budget::parse("9 tokens").expect("tokens"));
        assert_eq!(both.shown(), "5.00, 9 tokens");
        assert!(both.covers(Amount { money: Money::parse("5").expect("a sum"), tokens: 9 }));
        assert!(!both.covers(Amount { money: Money(0), tokens: 10 }));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_shown_is_not_less(text in "\\PC{0,20}", units in 0_u64..u64::MAX / 2) {
            let _ = (Money::parse(&text), Budget::parse(&text));
            let shown = Money::parse(&Money(units).shown()).expect("it is a sum");
            prop_assert!(shown >= Money(units) && shown.0 - units < PER_TOKEN);
        }
    }
}
