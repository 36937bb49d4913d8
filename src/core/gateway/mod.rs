//! The gateway (D34): what a call of a language model may cost, what it cost, and who has spent what. Values in, values out;
//! `src/proxy/gateway/` asks and sends, `store/gateway/` keeps.

pub mod amount;
pub mod api;
pub mod catalog;
mod content;
pub mod journal;
pub mod keys;
pub mod ledger;
pub mod pace;
pub mod record;
pub mod request;
pub mod stream;
pub mod usage;
