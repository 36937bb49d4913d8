//! What silo has to know of a kubeconfig: whether it is its own to replace, and where the API server listens.

/// Whether a kubeconfig has nothing but what k3d writes for one cluster, or for none any more: it can be replaced or removed
/// without loss. `kubectl config` and cloud tools add theirs to the file that `KUBECONFIG` names, and a file of the user's own may
/// lie at the same path. What is not in kubectl's block style is taken for somebody's.
/// (Names: <https://github.com/k3d-io/k3d/blob/main/pkg/client/kubeconfig.go>)
pub fn is_only_of(text: &str, cluster: &str) -> bool {
    let own = [format!("k3d-{cluster}"), format!("admin@k3d-{cluster}")];
    let names = values(text, "name").chain(values(text, "current-context")).filter(|name| !is_none(name));
    let lists = ["clusters", "contexts", "users"].map(|list| values(text, list).next());
    let are_lists = lists.iter().all(|list| list.is_some_and(is_none));
    text.trim().is_empty() || are_lists && names.into_iter().all(|name| own.iter().any(|own| own == name))
}

/// The port of the first API server that a kubeconfig names.
pub fn api_port(text: &str) -> Option<u16> {
    values(text, "server").next()?.rsplit_once(':')?.1.trim_end_matches('/').parse().ok()
}

/// The values of a key, at any depth, quotes taken off.
fn values<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    text.lines().filter_map(move |line| {
        let value = line.trim().trim_start_matches("- ").trim_start().strip_prefix(key)?.strip_prefix(':')?;
        Some(value.trim().trim_matches(['"', '\'']))
    })
}

/// Whether a value is empty: a block follows, or nothing is there.
fn is_none(value: &str) -> bool {
    matches!(value, "" | "null" | "[]" | "~")
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "apiVersion: v1\nclusters:\n- cluster:\n    server: https://127.0.0.1:50001\n  name: k3d-localnet-dev\n\
                       contexts:\n- context:\n    cluster: k3d-localnet-dev\n    namespace: mine\n    user: admin@k3d-localnet-dev\n  \
                       name: k3d-localnet-dev\ncurrent-context: k3d-localnet-dev\nkind: Config\nusers:\n\
                       - name: admin@k3d-localnet-dev\n  user:\n    token: x\n";

    #[test]
    fn what_k3d_wrote_for_a_cluster_is_only_of_it() {
        assert!(is_only_of(OWN, "localnet-dev"));
        assert!(!is_only_of(OWN, "localnet-de"));
        assert_eq!(api_port(OWN), Some(50001));
        let emptied =
            "apiVersion: v1\nclusters: null\ncontexts: []\ncurrent-context: \"\"\nkind: Config\nusers: null\n";
        assert!(is_only_of(emptied, "localnet-dev") && is_only_of(" \n", "localnet-dev"));
    }

    #[test]
    fn what_somebody_added_or_wrote_is_not() {
        let added = "- name: arn:aws:eks\n  user:\n    exec:\n      command: aws\n";
        assert!(!is_only_of(&format!("{OWN}{added}"), "localnet-dev"));
        assert!(!is_only_of(
            &OWN.replace("current-context: k3d-localnet-dev", "current-context: prod"),
            "localnet-dev"
        ));
        for other in ["{\"clusters\": [{\"name\": \"prod\"}]}\n", "clusters: [{name: prod}]\n", "my notes\n", "\0"] {
            assert!(!is_only_of(other, "localnet-dev"), "{other}");
        }
    }
}
