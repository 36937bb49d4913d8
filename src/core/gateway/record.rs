//! What happens to a budget, as a line of the journal has it.

use super::amount::{Amount, Money};

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// The first line: which journal this is, counted up each time it is written again in short.
    Start(u64),
    /// A gateway begins, in this start of the machine, at this time. Calls that are open now will not come to an end.
    Open(String, String),
    /// It has ended in order.
    Close,
    /// A key may spend up to this sum without more syncing: after a power failure all of it counts.
    Block(String, Amount),
    /// A call is about to be sent, which may cost this.
    Hold {
        /// The call.
        call: u64,
        /// Whose.
        key: String,
        /// For what; `-` is what a power failure may have lost.
        model: String,
        /// Its worst.
        amount: Amount,
        /// When.
        at: String,
    },
    /// A call has cost this; the word says how that is known.
    Book(u64, Amount, How),
    /// So many calls of a key to a model have cost this in all, in the journal before this one.
    Sum(String, String, u64, Amount),
    /// A call that came to no end has cost this, as the user says.
    Settle(u64, Amount, String),
}

/// How it is known what a call has cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// The provider said so.
    Told,
    /// Nobody knows: its worst.
    Worst,
    /// Nothing was sent, or the provider refused.
    Free,
}

impl How {
    fn word(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Worst => "worst",
            Self::Free => "free",
        }
    }

    fn of(word: &str) -> Option<Self> {
        [Self::Told, Self::Worst, Self::Free].into_iter().find(|how| how.word() == word)
    }
}

impl Record {
    /// Its words, of which none has a space.
    pub(super) fn text(&self) -> String {
        let sum = |amount: &Amount| format!("{} {}", amount.money.0, amount.tokens);
        match self {
            Self::Start(serial) => format!("silo-gateway-1 {serial}"),
            Self::Open(boot, at) => format!("open {boot} {at}"),
            Self::Close => "close".to_owned(),
            Self::Block(key, amount) => format!("block {key} {}", sum(amount)),
            Self::Hold { call, key, model, amount, at } => format!("hold {call} {key} {model} {} {at}", sum(amount)),
            Self::Book(call, amount, how) => format!("book {call} {} {}", sum(amount), how.word()),
            Self::Sum(key, model, calls, amount) => format!("sum {key} {model} {calls} {}", sum(amount)),
            Self::Settle(call, amount, at) => format!("settle {call} {} {at}", sum(amount)),
        }
    }

    /// Reads the words of one.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split(' ').collect();
        let amount = |money: &str, tokens: &str| {
            Some(Amount { money: Money(money.parse().ok()?), tokens: tokens.parse().ok()? })
        };
        let owned = |word: &str| word.to_owned();
        Some(match words[..] {
            ["silo-gateway-1", serial] => Self::Start(serial.parse().ok()?),
            ["open", boot, at] => Self::Open(owned(boot), owned(at)),
            ["close"] => Self::Close,
            ["block", key, money, tokens] => Self::Block(owned(key), amount(money, tokens)?),
            ["hold", call, key, model, money, tokens, at] => Self::Hold {
                call: call.parse().ok()?,
                key: owned(key),
                model: owned(model),
                amount: amount(money, tokens)?,
                at: owned(at),
            },
            ["book", call, money, tokens, how] => Self::Book(call.parse().ok()?, amount(money, tokens)?, How::of(how)?),
            ["sum", key, model, calls, money, tokens] => {
                Self::Sum(owned(key), owned(model), calls.parse().ok()?, amount(money, tokens)?)
            }
            ["settle", call, money, tokens, at] => Self::Settle(call.parse().ok()?, amount(money, tokens)?, owned(at)),
            _ => return None,
        })
    }
}
