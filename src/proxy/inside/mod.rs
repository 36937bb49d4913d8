//! What runs in the containers of agents (D33), where silo-proxy is mounted read-only into any image and nothing else may be there: no
//! shell, no C library, no `/etc`.
//!
//! `init.rs` is the first process of an agent's container, `relay.rs` and `entrance.rs` what is beside it in its network (`named.rs` tells
//! agents on one port apart), `bundle/` what takes the agent's commits out of its folder.

mod bundle;
mod codes;
mod entrance;
mod init;
mod named;
mod options;
mod relay;
mod wall;
mod watch;
mod words;

use std::ffi::OsString;

use silo::core::shell::environment::Environment;
use silo::failure::Failure;
use silo::ui::Ui;

/// Runs one of these to its end, and gives its exit code; none where the word is none of them.
pub(crate) fn run(ui: Ui, environment: &Environment, word: &str, rest: &[OsString]) -> Option<Result<u8, Failure>> {
    match word {
        "init" => Some(init::run(ui, environment, rest)),
        "bundle" => Some(bundle::run(ui, environment, rest)),
        "relay" => Some(relay::run(ui, rest)),
        _ => None,
    }
}
