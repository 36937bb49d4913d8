//! GNU bash.

use super::activation::Turns;
use super::description::{Completions, Shell};
use super::launch::{Inside, Launch, Written};
use super::start::{Folder, Start};
use super::{posix, template};

/// bash reads `~/.bashrc` in every interactive shell that is not a login shell.
pub(super) static BASH: Shell = Shell {
    name: "bash",
    aliases: &[],
    programs: &[],
    about: "GNU bash, 3.2 or newer",
    exported: "Commands for bash",
    quote: posix::quote,
    // It keeps a user's alias from being expanded.
    commands: |answer| posix::commands("\\builtin ", looked_at, answer),
    marks: posix::MARKS,
    shows_own: false,
    hook: |silo, _| template::hook(include_str!("../../../shell/silo.bash"), silo),
    called_by: "PROMPT_COMMAND",
    moves: include_str!("../../../shell/cd.bash"),
    named: |_| Vec::new(),
    scripts: &[],
    load: |silo| [b"eval \"$(", silo, b" hook bash)\""].concat(),
    start: Start {
        reads: &[".bash_aliases"],
        login: &[".bash_profile", ".bash_login", ".profile"],
        shared: &[".profile"],
        guard: "[ -z \"${BASH_VERSION-}\" ] || ",
        ..Start::plain(Folder::Home, ".bashrc", "~/.bashrc, at the end")
    },
    login_path: Some("\"$PATH\""),
    has_job_groups: true,
    launch,
    piped: &[],
    completions: Some(Completions {
        about: "GNU bash",
        example: "eval \"$(silo completions bash)\"   # ~/.bashrc",
        script: include_str!("../../../completions/silo.bash"),
        is_raw: true,
        // It shows none.
        help: |_| String::new(),
    }),
};

/// Whether one has attributes, other than that those which are exported are, or is set though nothing sees it; then the names
/// that were silo's. Where one is a function's own, nothing of the answer is done. The hook says what it has set aside,
/// whether bash tells attributes, and which functions there are.
fn looked_at(turns: &Turns<'_>, old: &str) -> String {
    let Turns { unseen, seen, .. } = turns;
    let (around, end) = ("[[ -z ${__silo_kept+x} || -z ${__silo_in-}", "|| \\builtin return 0\n");
    if unseen.is_empty() && seen.is_empty() {
        return if old.is_empty() { String::new() } else { format!("{around} ]] || __silo_keep '' {old} {end}") };
    }
    let mut asked = String::new();
    for name in unseen {
        asked.extend(["${", name, "@a}${", name, "+=}"]);
    }
    for name in seen {
        asked.extend(["${", name, "@a}"]);
    }
    let exported = "x".repeat(seen.len());
    let usual = format!("$__silo_kept$__silo_asks == 0yes && {asked} == '{exported}'");
    format!("{around} && {usual} ]] || __silo_keep x {old} {end}")
}

const BASHRC: &str = r#"# Written by silo for `silo shell`.
if [[ -f ~/.bashrc ]]; then . ~/.bashrc; fi
eval "$(@SILO@ hook bash)"
"#;

fn launch(inside: &Inside<'_>) -> Launch {
    let text = template::filled(BASHRC, &[("@SILO@", &posix::quote(inside.silo))]);
    Launch {
        files: vec![Written::new("bashrc", text)],
        arguments: vec![b"--rcfile".into(), inside.path("bashrc")],
        ..Launch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_quotes_hold() {
        assert_eq!(BASH.quote(br"it's \"), br"'it'\''s \'");
        assert_eq!(BASH.sample(), "__silo_s='x'\n\\builtin export A='1'\n\\builtin unset -v B\n");
    }
}
