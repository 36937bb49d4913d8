//! Which names a `silo.toml` may give to variables (D6): a name that changes how a shell,
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
pub const RESERVED: &[&str] = &[
    "WORKSPACE_NAME",
    "COMPOSE_PROJECT_NAME",
    "DOCKER_NETWORK",
    "VOLUME_PREFIX",
    "CONTAINER_PREFIX",
    "K3D_CLUSTER_NAME",
    "K3D_REGISTRY_NAME",
    "KUBECONFIG",
    "LLM_GATEWAY_URL",
    "LLM_GATEWAY_KEY",
    "name",
    "prefix",
];

/// How other names of silo's own begin.
pub const RESERVED_STARTS: &[&str] = &["SILO_", "__SILO", "__silo"];

/// The dangerous names, with a final `*` for whole families and `~` before those meant in any case.
const REFUSED: &str = include_str!("varname/refused.txt");

/// Whether every shell takes a text for a variable's name: `[A-Za-z_][A-Za-z0-9_]*`.
pub fn is_identifier(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Checks a variable name, or says why it is refused.
///
/// # Errors
/// [`Refusal`] names the rule the name breaks.
pub fn check(name: &str) -> Result<(), Refusal> {
    if !is_identifier(name) || name.len() > 256 {
        return Err(Refusal::Malformed);
    }
    if RESERVED.contains(&name) || RESERVED_STARTS.iter().any(|start| name.starts_with(start)) {
        return Err(Refusal::Reserved);
    }
    let upper = name.to_ascii_uppercase();
    if refused().any(|word| {
        let (word, name) = word.strip_prefix('~').map_or((word, name), |word| (word, upper.as_str()));
        word.strip_suffix('*').map_or(word == name, |start| name.starts_with(start))
    }) {
        return Err(Refusal::Dangerous);
    }
    Ok(())
}

/// Every dangerous name; one that ends in `*` stands for all that begin so.
pub fn refused() -> impl Iterator<Item = &'static str> {
    REFUSED.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_change_other_programs_are_refused() {
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
            "POSIXLY_CORRECT",
            "https_proxy",
            "CARGO_BUILD_RUSTC_WRAPPER",
            "path",
            "status",
            "Config",
            "NU_LIB_DIRS",
            "transient_prompt_command",
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
