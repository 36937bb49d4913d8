//! Which names a `silo.toml` may give to variables (design D6): a name that changes how a shell,
//! a loader or a language runtime behaves would let a project run code in every program started later.

/// Why a name is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not `[A-Za-z_][A-Za-z0-9_]*`, or longer than 256 characters.
    Malformed,
    /// Changes how shells, loaders or runtimes behave.
    Dangerous,
    /// silo sets it itself.
    Reserved,
}

/// Names silo gives values to; a `silo.toml` cannot redefine them.
const RESERVED: &[&str] = &[
    "WORKSPACE_NAME",
    "COMPOSE_PROJECT_NAME",
    "DOCKER_NETWORK",
    "VOLUME_PREFIX",
    "CONTAINER_PREFIX",
    "K3D_CLUSTER_NAME",
    "K3D_REGISTRY_NAME",
    "KUBECONFIG",
    "name",
    "prefix",
];

const RESERVED_STARTS: &[&str] = &["SILO_", "__SILO", "__silo"];

/// Special to zsh or fish in lower case; zsh ties `path` to `PATH`.
const DANGEROUS_LOWER: &[&str] = &[
    "path",
    "cdpath",
    "fpath",
    "manpath",
    "mailpath",
    "module_path",
    "prompt",
    "psvar",
    "argv",
    "status",
    "pipestatus",
    "signals",
    "options",
    "aliases",
    "functions",
    "commands",
    "parameters",
    "history",
    "historywords",
    "version",
    "umask",
    "watch",
    "hostname",
    "dirstack",
    "histchars",
    "zsh_eval_context",
    "fignore",
    "jobstates",
    "keymaps",
    "widgets",
    "termcap",
    "terminfo",
    "builtins",
    "reswords",
    "modules",
    "nameddirs",
    "userdirs",
    "patchars",
];

const DANGEROUS: &[&str] = &[
    "PATH",
    "CDPATH",
    "FPATH",
    "MANPATH",
    "MODULE_PATH",
    "INFOPATH",
    "ENV",
    "IFS",
    "PROMPT",
    "PROMPT2",
    "PROMPT3",
    "PROMPT4",
    "RPROMPT",
    "RPROMPT2",
    "PROMPT_COMMAND",
    "PROMPT_DIRTRIM",
    "PS0",
    "PS1",
    "PS2",
    "PS3",
    "PS4",
    "RPS1",
    "RPS2",
    "SPROMPT",
    "PSVAR",
    "SHELLOPTS",
    "BASHOPTS",
    "ZDOTDIR",
    "HOME",
    "SHELL",
    "SHLVL",
    "PWD",
    "OLDPWD",
    "DIRSTACK",
    "USER",
    "LOGNAME",
    "USERNAME",
    "UID",
    "EUID",
    "GID",
    "EGID",
    "PPID",
    "GROUPS",
    "HOSTNAME",
    "HOSTTYPE",
    "MACHTYPE",
    "OSTYPE",
    "TERM",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMCAP",
    "TMPDIR",
    "TMPPREFIX",
    "TMUX",
    "TMUX_PANE",
    "HISTFILE",
    "HISTCMD",
    "HISTSIZE",
    "SAVEHIST",
    "HISTIGNORE",
    "HISTCONTROL",
    "GLOBIGNORE",
    "FIGNORE",
    "FUNCNAME",
    "FUNCNEST",
    "LINENO",
    "RANDOM",
    "SECONDS",
    "SRANDOM",
    "EPOCHSECONDS",
    "EPOCHREALTIME",
    "OPTARG",
    "OPTIND",
    "OPTERR",
    "REPLY",
    "MAPFILE",
    "COPROC",
    "PIPESTATUS",
    "ARGC",
    "ARGV0",
    "READNULLCMD",
    "NULLCMD",
    "WORDCHARS",
    "KEYBOARD_HACK",
    "MAIL",
    "MAILCHECK",
    "MAILPATH",
    "COLUMNS",
    "LINES",
    "TMOUT",
    "TIMEFMT",
    "WATCHFMT",
    "EDITOR",
    "VISUAL",
    "FCEDIT",
    "PAGER",
    "MANPAGER",
    "BROWSER",
    "LESS",
    "LESSOPEN",
    "LESSCLOSE",
    "LESSKEY",
    "EXECIGNORE",
    "INPUTRC",
    "INSIDE_EMACS",
    "LOCPATH",
    "NLSPATH",
    "GCONV_PATH",
    "HOSTALIASES",
    "RES_OPTIONS",
    "LOCALDOMAIN",
    "MALLOC_TRACE",
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "PYTHONBREAKPOINT",
    "PYTHONINSPECT",
    "PYTHONUSERBASE",
    "PERL5LIB",
    "PERLLIB",
    "PERL5OPT",
    "PERL5DB",
    "RUBYOPT",
    "RUBYLIB",
    "GEM_HOME",
    "GEM_PATH",
    "BUNDLE_GEMFILE",
    "LUA_INIT",
    "LUA_PATH",
    "LUA_CPATH",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "CLASSPATH",
    "JAVA_HOME",
    "JAVA_TOOL_OPTIONS",
    "_JAVA_OPTIONS",
    "JDK_JAVA_OPTIONS",
    "GROOVY_OPTS",
    "MAVEN_OPTS",
    "GRADLE_OPTS",
    "DOTNET_STARTUP_HOOKS",
    "CORECLR_PROFILER",
    "RUSTC",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "GOFLAGS",
    "GOPATH",
    "CC",
    "CXX",
    "MAKEFLAGS",
    "SSH_ASKPASS",
    "SSH_AUTH_SOCK",
    "GPG_AGENT_INFO",
    "GNUPGHOME",
    "OPENSSL_CONF",
    "OPENSSL_MODULES",
    "DOCKER_CONFIG",
    "KUBECTL_EXTERNAL_DIFF",
    "SUDO_ASKPASS",
    "XAUTHORITY",
    "CI",
    "_",
];

const DANGEROUS_STARTS: &[&str] = &[
    "LD_",
    "DYLD_",
    "BASH_",
    "ZSH_",
    "fish_",
    "__fish",
    "GIT_",
    "XDG_",
    "SUDO_",
    "NPM_CONFIG_",
    "npm_config_",
    "DIRENV_",
    "__MISE",
    "LC_",
];

/// Checks a variable name, or says why it is refused.
///
/// # Errors
/// [`Refusal`] names the rule the name breaks.
pub fn check(name: &str) -> Result<(), Refusal> {
    let mut chars = name.chars();
    let head = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    if !head || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') || name.len() > 256 {
        return Err(Refusal::Malformed);
    }
    if RESERVED.contains(&name) || RESERVED_STARTS.iter().any(|start| name.starts_with(start)) {
        return Err(Refusal::Reserved);
    }
    let dangerous = DANGEROUS.contains(&name) || DANGEROUS_LOWER.contains(&name);
    if dangerous || DANGEROUS_STARTS.iter().any(|start| name.starts_with(start)) {
        return Err(Refusal::Dangerous);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_the_design_lists_is_refused() {
        for name in [
            "PATH",
            "LD_PRELOAD",
            "DYLD_INSERT_LIBRARIES",
            "BASH_ENV",
            "ENV",
            "IFS",
            "PROMPT_COMMAND",
            "PS1",
            "PS4",
            "SHELLOPTS",
            "BASH_FUNC_x",
            "ZDOTDIR",
            "HOME",
            "SHELL",
            "PWD",
            "NODE_OPTIONS",
            "PYTHONPATH",
            "GIT_SSH_COMMAND",
            "path",
            "status",
        ] {
            assert_eq!(check(name), Err(Refusal::Dangerous), "{name}");
        }
    }

    #[test]
    fn malformed_and_reserved_names_are_told_apart() {
        for name in ["", "1A", "A-B", "A B", "É", "A=B", "A\n"] {
            assert_eq!(check(name), Err(Refusal::Malformed), "{name:?}");
        }
        assert_eq!(check("SILO_ACTIVE"), Err(Refusal::Reserved));
        assert_eq!(check("KUBECONFIG"), Err(Refusal::Reserved));
    }

    #[test]
    fn everyday_names_pass() {
        for name in ["WEB_PORT", "DATABASE_URL", "_x", "NODE_ENV", "KEYCLOAK_REALM", "TILT_HOST", "VERSION"] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }
}
