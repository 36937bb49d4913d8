//! `silo completions SHELL`: the completion script, as packages install it.

use crate::cli::ShellName;
use crate::failure::Failure;
use crate::ui::Ui;

pub(super) fn run(ui: Ui, shell: ShellName) -> Result<u8, Failure> {
    let script = match shell {
        ShellName::Bash => include_str!("../../completions/silo.bash"),
        ShellName::Zsh => include_str!("../../completions/_silo"),
        ShellName::Fish => include_str!("../../completions/silo.fish"),
    };
    ui.answer_bytes(script.as_bytes())?;
    Ok(0)
}
