//! `silo completions SHELL`: the completion script, as packages install it.

use crate::core::shell::Completions;
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) fn run(ui: Ui, completions: &Completions) -> Result<u8, Failure> {
    ui.answer_bytes(completions.script.as_bytes())?;
    Ok(0)
}
