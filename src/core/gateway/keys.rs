//! Placeholder keys: what each may do. The file has no key, only the digest of each.

use serde::{Deserialize, Serialize};

use super::amount::Budget;
use super::pace::Limits;
use crate::core::text::digest;

/// What every placeholder begins with.
pub const START: &str = "sk-silo-";
/// What stands where an instance is given no key.
pub const NONE: &str = "sk-silo-none";
/// The variables of an instance that asks: where the gateway is, and its key.
pub const VARIABLES: [&str; 2] = ["LLM_GATEWAY_URL", "LLM_GATEWAY_KEY"];

/// A placeholder key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// What it is called by: `k1`, `k2`, … never used twice.
    pub id: String,
    /// Whose it is, in the words of who made it; the instance's name for an instance's.
    pub name: String,
    /// SHA-256 of the key.
    pub digest: String,
    /// The models it may ask; empty is every one of the file.
    #[serde(default)]
    pub models: Vec<String>,
    /// What it may spend in all.
    pub budget: Budget,
    /// What it may take in a minute.
    #[serde(default)]
    pub limits: Limits,
    /// The root of the instance it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The id of the agent it is for: it opens nothing but on that agent's own socket (D34).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When it was made.
    pub created: String,
    /// When it was taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<String>,
    /// The instance it is for was released: it opens nothing until the root has one again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_released: bool,
}

impl Key {
    /// Whether it is in force.
    pub fn opens(&self) -> bool {
        self.revoked.is_none() && !self.is_released
    }

    /// Whether it may ask a model.
    pub fn may_ask(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|one| one == model)
    }
}

/// All keys, as the file has them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keys {
    /// The number of the last one.
    pub last: u64,
    /// All that were made.
    pub keys: Vec<Key>,
}

impl Keys {
    /// The key that a client has sent, revoked ones included.
    pub fn find(&self, sent: &str) -> Option<&Key> {
        // Of the digests it tells nothing how far two are alike.
        let digest = digest::of(sent.as_bytes());
        self.keys.iter().find(|key| key.digest == digest)
    }

    /// The key of a root's instance, in force or not.
    pub fn of_root(&self, root: &str) -> Option<&Key> {
        self.keys.iter().find(|key| key.root.as_deref() == Some(root))
    }

    /// The id of the next one.
    pub fn next_id(&mut self) -> String {
        self.last += 1;
        format!("k{}", self.last)
    }
}

/// What an instance asks for by `[gateway]` of its `silo.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wish {
    /// The models; empty is every one it may have.
    pub models: Vec<String>,
    /// The budget; without limits it is all it may have.
    pub budget: Budget,
}

/// The wish, and what an instance is given for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// What it asks for.
    pub wish: Wish,
    /// Where the gateway is.
    pub url: String,
    /// Its placeholder key; [`NONE`] where it has none.
    pub key: String,
}

/// The text of a key from chance: each byte gives one of 62 letters and digits.
pub fn text(chance: &[u8; 40]) -> String {
    const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let letters = chance.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()]));
    letters.fold(START.to_owned(), |mut text, letter| {
        text.push(letter);
        text
    })
}
