//! `silo completions SHELL`: the completion script, as packages install it.

use crate::cli::CompletedShell;
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) fn run(ui: Ui, shell: CompletedShell) -> Result<u8, Failure> {
    let script = match shell {
        CompletedShell::Bash => include_str!("../../completions/silo.bash"),
        CompletedShell::Zsh => include_str!("../../completions/_silo"),
        CompletedShell::Fish => include_str!("../../completions/silo.fish"),
    };
    ui.answer_bytes(script.as_bytes())?;
    Ok(0)
}
