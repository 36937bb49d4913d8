//! zsh.

use super::activation::Turns;
use super::description::{Completions, Shell};
use super::launch::{Inside, Launch, Written};
use super::start::{Folder, Start};
use super::{posix, template};

pub(super) static ZSH: Shell = Shell {
    name: "zsh",
    aliases: &[],
    programs: &[],
    about: "zsh, 5 or newer",
    exported: "Commands for zsh",
    quote: posix::quote,
    // Its hook evaluates without aliases.
    commands: |answer| posix::commands("", looked_at, answer),
    marks: posix::MARKS,
    shows_own: false,
    hook,
    called_by: "precmd_functions",
    moves: "",
    named: |_| Vec::new(),
    scripts: &[],
    load: |silo| [b"eval \"$(", silo, b" hook zsh)\""].concat(),
    start: Start {
        others: &[".zshenv", ".zprofile", ".zlogin"],
        ..Start::plain(Folder::Zdotdir, ".zshrc", "~/.zshrc")
    },
    login_path: Some("\"$PATH\""),
    has_job_groups: true,
    launch,
    piped: &[],
    completions: Some(Completions {
        about: "zsh, behind compinit",
        example: "eval \"$(silo completions zsh)\"    # ~/.zshrc, behind compinit",
        script: include_str!("../../../completions/_silo"),
        is_raw: false,
        help: |help| format!(":{}", help.replace('\\', "\\\\")),
    }),
};

/// Whether one is set, other than those which are exported as one string; then the names that were silo's. Where one is a function's
/// own, nothing of the answer is done. The hook says what it has set aside.
fn looked_at(turns: &Turns<'_>, old: &str) -> String {
    let mut kinds = String::new();
    for name in turns.unseen.iter().chain(&turns.seen) {
        kinds.extend(["${(t)", name, "}"]);
    }
    let exported = "scalar-export".repeat(turns.seen.len());
    if !old.is_empty() {
        format!("[[ -z ${{__silo_kept+x}} ]] || __silo_keep '{kinds}' {old} || return 0\n")
    } else if !kinds.is_empty() {
        let usual = format!("$__silo_kept == 0 && {kinds} == '{exported}'");
        format!("[[ -z ${{__silo_kept+x}} || {usual} ]] || __silo_keep here || return 0\n")
    } else {
        String::new()
    }
}

/// Functions defined so keep zsh's own options whenever they run, and show no trace; no alias of the user's is expanded while
/// they are read (zshbuiltins, `emulate -c`).
fn hook(silo: &[u8], _: &[u8]) -> Vec<u8> {
    let text = template::hook(include_str!("../../../shell/silo.zsh"), silo);
    [b"emulate zsh -o no_aliases -o no_xtrace -c ".as_slice(), &posix::quote(&text), b"\n"].concat()
}

/// zsh reads its start files from `ZDOTDIR`; these hand over to the user's own, then load the hook.
const ZSHENV: &str = r"# Written by silo for `silo shell`.
if [[ -n ${__SILO_ZDOTDIR-} ]]; then ZDOTDIR=$__SILO_ZDOTDIR; else unset ZDOTDIR; fi
if [[ -f ${ZDOTDIR-$HOME}/.zshenv ]]; then source ${ZDOTDIR-$HOME}/.zshenv; fi
__SILO_ZDOTDIR=${ZDOTDIR-}
ZDOTDIR=@FOLDER@
";
const ZSHRC: &str = r#"# Written by silo for `silo shell`.
if [[ -n ${__SILO_ZDOTDIR-} ]]; then ZDOTDIR=$__SILO_ZDOTDIR; else unset ZDOTDIR; fi
unset __SILO_ZDOTDIR
if [[ ${HISTFILE-} == @FOLDER@/* ]]; then HISTFILE=${ZDOTDIR-$HOME}/.zsh_history; fi
if [[ -f ${ZDOTDIR-$HOME}/.zshrc ]]; then source ${ZDOTDIR-$HOME}/.zshrc; fi
eval "$(@SILO@ hook zsh)"
"#;

fn launch(inside: &Inside<'_>) -> Launch {
    let (silo, folder) = (posix::quote(inside.silo), posix::quote(inside.folder));
    let values = [("@SILO@", silo.as_slice()), ("@FOLDER@", &folder)];
    let file = |name, text| Written::new(name, template::filled(text, &values));
    let own = inside.zdotdir.map(|own| ("__SILO_ZDOTDIR", own.to_vec()));
    Launch {
        files: vec![file(".zshenv", ZSHENV), file(".zshrc", ZSHRC)],
        variables: own.into_iter().chain([("ZDOTDIR", inside.folder.to_vec())]).collect(),
        ..Launch::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_variables_come_first_and_quotes_hold() {
        assert_eq!(ZSH.quote(b""), b"''");
        assert_eq!(ZSH.sample(), "__silo_s='x'\nexport A='1'\nunset -v B\n");
    }
}
