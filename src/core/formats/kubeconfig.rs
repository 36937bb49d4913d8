//! What silo has to know of a kubeconfig: whether it is its own to replace, and where the API server listens.

use crate::core::formats::yaml::{Id, ROOT, Tree};

/// Whether a kubeconfig has nothing but what k3d writes for one cluster, or for none any more: it can be replaced or removed
/// without loss. `kubectl config` and cloud tools add theirs to the file that `KUBECONFIG` names, and a file of the user's own may
/// lie at the same path. (Names: <https://github.com/k3d-io/k3d/blob/main/pkg/client/kubeconfig.go>)
pub fn is_only_of(text: &str, cluster: &str) -> bool {
    let own = [format!("k3d-{cluster}"), format!("admin@k3d-{cluster}")];
    let is_own = |name: Option<&str>| name.is_some_and(|name| own.iter().any(|own| own == name));
    let tree = match Tree::parse(text) {
        Ok(Some(tree)) => tree,
        Ok(None) => return text.trim().is_empty(),
        Err(_) => return false,
    };
    let named = |item: Id| !tree.repeats(item) && is_own(tree.get(item, "name").and_then(|name| tree.text(name)));
    let has_only_own = |list: &str| {
        let Some(list) = tree.get(ROOT, list) else { return false };
        tree.text(list).is_some_and(is_none) || tree.is_list(list) && tree.items(list).into_iter().all(named)
    };
    let current = tree.get(ROOT, "current-context").and_then(|name| tree.text(name)).filter(|name| !is_none(name));
    // What `cat` puts behind it is another document, or the same keys again.
    tree.is_whole()
        && !tree.repeats(ROOT)
        && ["clusters", "contexts", "users"].into_iter().all(has_only_own)
        && current.is_none_or(|name| is_own(Some(name)))
}

/// The port of the first API server that a kubeconfig names. A gate asks at each call, so that no more is read than the line.
pub fn api_port(text: &str) -> Option<u16> {
    let server = text.lines().find_map(|line| line.trim().strip_prefix("server:"))?;
    server.trim().trim_matches('"').rsplit_once(':')?.1.trim_end_matches('/').parse().ok()
}

/// Whether a value is none.
fn is_none(value: &str) -> bool {
    matches!(value, "" | "null" | "~")
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
        for other in
            ["{\"clusters\": [{\"name\": \"prod\"}]}\n", "clusters: [{name: prod}]\n", "my notes\n", "# notes\n", "\0"]
        {
            assert!(!is_only_of(other, "localnet-dev"), "{other}");
        }
        for by_hand in [
            "- {name: prod, user: {token: x}}\n",
            "- \"name\": prod\n  user: {}\n",
            "- name : prod\n  user: {}\n",
            "-   name: prod\n",
            "- ? name\n  : prod\n",
            "- user: {}\n",
            "---\n{\"clusters\": [{\"name\": \"prod\"}]}\n",
            "--- {\"clusters\": [{\"name\": \"prod\"}]}\n",
            "--- # mine\nclusters: [{name: prod}]\n",
            "...\nclusters: [{name: prod}]\n",
            "clusters: [{name: prod}]\n",
            "- {name: k3d-localnet-dev, name: prod}\n",
            "  - [\n",
        ] {
            assert!(!is_only_of(&format!("{OWN}{by_hand}"), "localnet-dev"), "{by_hand}");
        }
        let deeper =
            |line: &str| if line.starts_with(['-', ' ']) { format!("    {line}\r\n") } else { format!("{line}\r\n") };
        assert!(is_only_of(&OWN.lines().map(deeper).collect::<String>(), "localnet-dev"));
        assert!(is_only_of(&format!("# mine\n---\n{OWN}preferences: {{}}\n...\n"), "localnet-dev"));
    }
}
