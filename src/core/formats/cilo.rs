//! `.cilo/config.yml`, which configures a project for cilo (<https://github.com/sharedco/cilo>): read once, by `silo init`.

use super::yaml::{Id, ROOT, Tree, Unreadable};

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cilo {
    /// The project's name.
    pub project: Option<String>,
    /// The compose files.
    pub files: Vec<String>,
    /// What names end in, as in `.test`.
    pub suffix: Option<String>,
    /// The service that has the instance's own name.
    pub ingress: Option<String>,
    /// Which env files are copied.
    pub copy: Copied,
    /// Files that are not.
    pub ignored: Vec<String>,
    /// The command that makes env files.
    pub init: Option<String>,
    /// Env files whose tokens are filled.
    pub filled: Vec<String>,
    /// What silo has nothing for, each with its line.
    pub left: Vec<(String, usize)>,
}

/// Which env files are copied.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Copied {
    /// All of them.
    #[default]
    All,
    /// None.
    None,
    /// These.
    These(Vec<String>),
}

/// Reads it.
///
/// # Errors
/// [`Unreadable`] for what is not YAML.
pub fn read(text: &str) -> Result<Cilo, Unreadable> {
    let mut cilo = Cilo::default();
    let Some(tree) = Tree::parse(text)? else { return Ok(cilo) };
    for (key, id) in tree.pairs(ROOT) {
        match key.as_str() {
            "project" => cilo.project = word(&tree, id),
            "compose_files" => cilo.files = words(&tree, id),
            "dns_suffix" => cilo.suffix = word(&tree, id),
            "default_ingress_service" => cilo.ingress = word(&tree, id),
            "env" => env(&tree, id, &mut cilo),
            // Said by what each instance is called, and by the compose files themselves.
            "default_environment" | "environments" | "env_files" | "copy_dot_dirs" | "ignore_dot_dirs" => {}
            "build_tool" if word(&tree, id).is_none_or(|tool| tool == "docker") => {}
            "hostnames" if words(&tree, id).is_empty() => {}
            _ => cilo.left.push((key, tree.line(id))),
        }
    }
    Ok(cilo)
}

fn env(tree: &Tree, id: Id, cilo: &mut Cilo) {
    let mut mode = None;
    let mut listed = Vec::new();
    for (key, id) in tree.pairs(id) {
        match key.as_str() {
            "copy_mode" => mode = word(tree, id),
            "copy" => listed = words(tree, id),
            "ignore" => cilo.ignored = words(tree, id),
            "init_hook" => cilo.init = word(tree, id),
            "render" => {
                for rule in tree.items(id) {
                    let of = |name: &str| tree.get(rule, name).and_then(|id| word(tree, id));
                    let (file, has_tokens) = (of("file"), of("tokens").is_some_and(|word| word == "true"));
                    cilo.filled.extend(file.filter(|_| has_tokens));
                    if let Some(replace) = tree.get(rule, "replace") {
                        cilo.left.push(("env.render.replace".to_owned(), tree.line(replace)));
                    }
                }
            }
            _ => cilo.left.push((format!("env.{key}"), tree.line(id))),
        }
    }
    cilo.copy = match mode.as_deref() {
        Some("none") => Copied::None,
        Some("allowlist") => Copied::These(listed),
        _ => Copied::All,
    };
}

/// A text that is more than blanks.
fn word(tree: &Tree, id: Id) -> Option<String> {
    tree.text(id).map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn words(tree: &Tree, id: Id) -> Vec<String> {
    tree.items(id).into_iter().filter_map(|id| word(tree, id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_read_and_the_rest_is_named_with_its_line() {
        let cilo = read(
            "project: shop\nbuild_tool: podman\ncompose_files: [docker-compose.yml]\ndns_suffix: .test\ndefault_ingress_service: nginx\n\
             hostnames: [admin.shop.test]\nenv:\n  copy_mode: allowlist\n  copy: [.env]\n  ignore: [.env.production]\n  \
             init_hook: infisical export > .env\n  render:\n    - file: .env\n      tokens: true\n    - file: plain.env\n      \
             replace:\n        - {from: a, to: b}\n",
        )
        .expect("it is YAML");
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            cilo,
            Cilo {
                project: text("shop"),
                files: words(&["docker-compose.yml"]),
                suffix: text(".test"),
                ingress: text("nginx"),
                copy: Copied::These(words(&[".env"])),
                ignored: words(&[".env.production"]),
                init: text("infisical export > .env"),
                filled: words(&[".env"]),
                left: vec![("build_tool".into(), 2), ("hostnames".into(), 6), ("env.render.replace".into(), 17)],
            }
        );
        assert_eq!(read("").expect("nothing is there"), Cilo::default());
        assert!(read("a: [").is_err());
    }
}
