//! Which calls of a gated tool plainly need nothing that its gate could bring up: completions at TAB and in start files,
//! help, a client's own version, a look into the kubeconfig. In doubt a call needs its gate.

/// Words that ask a tool about itself, as its first argument.
const ABOUT: [&str; 4] = ["completion", "__complete", "__completeNoDesc", "help"];
/// What prompts ask of kubectl's configuration; it reads a file and no cluster.
const LOOKS: [&str; 5] = ["current-context", "get-clusters", "get-contexts", "get-users", "view"];

/// Whether a tool, called with these arguments, can be left alone. Arguments that are not text are none it knows.
pub fn needs_nothing(tool: &str, arguments: &[Option<&str>]) -> bool {
    let own = arguments.split(|word| *word == Some("--")).next().unwrap_or_default();
    let has = |wanted: &str| own.contains(&Some(wanted));
    let (first, second) = (own.first().copied().flatten(), own.get(1).copied().flatten());
    let known = match (tool, first) {
        ("kubectl", Some("version")) => has("--client") || has("--client=true"),
        ("kubectl", Some("config")) => second.is_some_and(|look| LOOKS.contains(&look)),
        ("helm" | "tilt" | "k9s", Some("version")) => true,
        ("kubectl" | "helm" | "tilt" | "k9s", first) => first.is_some_and(|word| ABOUT.contains(&word)) || has("-h"),
        // Of any other tool only this is known; `-h` is a host to some.
        _ => false,
    };
    known || has("--help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(line: &str) -> bool {
        let mut words = line.split(' ');
        let tool = words.next().expect("a line has words");
        needs_nothing(tool, &words.map(Some).collect::<Vec<_>>())
    }

    #[test]
    fn completions_help_and_versions_need_nothing() {
        for line in [
            "kubectl completion zsh",
            "kubectl __complete get pods ",
            "kubectl __completeNoDesc get ",
            "kubectl help apply",
            "kubectl get --help",
            "kubectl get pods -h",
            "kubectl version --client",
            "kubectl version -o json --client=true",
            "kubectl config current-context",
            "kubectl config view --minify",
            "helm completion bash",
            "helm version --short",
            "tilt version",
            "tilt up -h",
            "k9s version",
            "k9s help",
            "psql --help",
        ] {
            assert!(alone(line), "{line}");
        }
    }

    #[test]
    fn all_else_needs_its_gate() {
        for line in [
            "kubectl get pods",
            "kubectl version",
            "kubectl get completion",
            "kubectl exec web -- tool --help",
            "kubectl exec web -- psql -h db",
            "kubectl exec web -- kubectl version --client",
            "kubectl config set-context --current",
            "helm install help .",
            "k9s",
            "tilt up",
            "psql -h localhost",
            "psql version",
            "make help",
        ] {
            assert!(!alone(line), "{line}");
        }
        assert!(!needs_nothing("kubectl", &[]));
        assert!(!needs_nothing("kubectl", &[None, Some("help")]));
    }
}
