//! What can be wrong with the gateway's file and with `[gateway]` of a `silo.toml`, and the way out of it.

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the fields are the words of the message")]
pub enum ProvidersProblem {
    /// A shape that is none.
    #[error("`{key}` has an invalid value: `{value}`")]
    Shape { key: String, value: String },
    /// An address that cannot be asked.
    #[error("`{key}` cannot be `{value}`: {why}")]
    Url { key: String, value: String, why: &'static str },
    /// No price.
    #[error("`{key}` is not a price: `{value}`")]
    Price { key: String, value: String },
    /// No number, or one that cannot be.
    #[error("`{key}` is not a valid number: `{value}`")]
    Number { key: String, value: String },
    /// No budget.
    #[error("`{key}` is not a budget: `{value}`")]
    Budget { key: String, value: String },
    /// A key that must be there.
    #[error("`{table}` has no `{key}`")]
    Missing { table: String, key: &'static str },
    /// A key twice.
    #[error("`{0}` has both `key` and `key_command`")]
    TwoKeys(String),
    /// A key that no header can carry.
    #[error("The key of `{0}` has characters that cannot be sent")]
    KeyText(String),
    /// A key without encryption on its way.
    #[error("The key of `{0}` would cross a network in the clear")]
    InTheClear(String),
    /// A name of a provider or a model that cannot be one.
    #[error("`{0}` cannot name a provider or model")]
    Name(String),
    /// Two providers of one shape with a model.
    #[error("The model `{model}` is offered by `{first}` and by `{second}`, which have the same shape")]
    Twice { model: String, first: String, second: String },
    /// A time that is none.
    #[error("`{key}` is not a time: `{value}`")]
    Time { key: String, value: String },
}

impl ProvidersProblem {
    /// The way out.
    pub(super) fn hint(&self) -> &'static str {
        match self {
            Self::Shape { .. } => "Write \"openai\" or \"anthropic\": the API that the provider's address speaks",
            Self::Url { .. } => "Write an address such as \"https://api.anthropic.com\"",
            Self::Price { .. } => "Write what a million tokens cost, such as 3 or 0.25",
            Self::Number { .. } => "Write a whole number above 0",
            Self::Budget { .. } => {
                "Write money such as 5 or 0.25, or \"200000 tokens\", \"500k tokens\", \"2M tokens\""
            }
            Self::Missing { .. } => "Add it; `silo doc gateway` has an example",
            Self::TwoKeys(_) => "Remove one of them",
            Self::KeyText(_) => "Copy the key again: it is one word of letters, digits and signs",
            Self::InTheClear(_) => "Write `https://`, or remove the key where the server needs none",
            Self::Name(_) => "Use no spaces and no control characters, and at most 200 characters",
            Self::Twice { .. } => "Remove it from one of them",
            Self::Time { .. } => "Write a time such as `90s` or `10m`",
        }
    }
}
