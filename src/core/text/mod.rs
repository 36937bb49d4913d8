//! What is written for people: columns, Markdown, places in files, suggestions; and the digests and versions that stand in it.

pub mod address;
pub mod amount;
pub mod columns;
pub mod digest;
pub mod glob;
pub mod markdown;
pub mod pages;
pub mod percent;
pub mod search;
pub mod secret;
pub mod source;
pub mod span;
pub mod suggest;
pub mod version;
