//! What a first `silo.toml` takes over from `.cilo/config.yml`: the tokens of its env files keep their names, as variables of the
//! instance.

use super::workspace::DEFAULT_COPY;
use crate::core::formats::cilo::{Cilo, Copied};
use crate::core::text::glob::Glob;

/// What names end in, where cilo does not say.
const SUFFIX: &str = ".test";

/// A text as TOML has it, in which nothing is filled.
fn plain(text: &str) -> String {
    quoted(&text.replace("${", "$${"))
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

fn list<'a>(texts: impl IntoIterator<Item = &'a String>) -> String {
    let texts: Vec<String> = texts.into_iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// The lines for `[compose]`.
pub(super) fn compose(cilo: &Cilo) -> String {
    let ingress = cilo.ingress.as_ref().map_or_else(String::new, |service| format!("ingress = {}\n", quoted(service)));
    format!("network = \"subnet\"\n{ingress}")
}

/// The line for `[urls]`: the address that cilo calls the base.
pub(super) fn url(cilo: &Cilo) -> String {
    format!("CILO_BASE_URL = {}", quoted(&format!("http://${{name}}{}", suffix(cilo).replace("${", "$${"))))
}

fn suffix(cilo: &Cilo) -> String {
    let suffix = cilo.suffix.as_deref().unwrap_or(SUFFIX);
    format!(".{}", suffix.trim_start_matches('.'))
}

/// The tables `[env]` and `[workspace]`.
pub(super) fn tables(cilo: &Cilo) -> String {
    let project = cilo.project.as_deref().map_or_else(|| "\"${prefix}\"".to_owned(), plain);
    let mut text = format!(
        "\n[env]\nCILO_PROJECT = {project}\nCILO_ENV = \"${{name}}\"\nCILO_DNS_SUFFIX = {}\n",
        plain(&suffix(cilo))
    );
    let usable =
        |globs: &[String]| -> Vec<String> { globs.iter().filter(|glob| Glob::parse(glob).is_ok()).cloned().collect() };
    let except: Vec<String> = usable(&cilo.ignored).iter().map(|glob| format!("!{glob}")).collect();
    let copy = match &cilo.copy {
        Copied::None => Some(Vec::new()),
        Copied::These(files) => Some([usable(files), except].concat()),
        Copied::All if except.is_empty() => None,
        Copied::All => Some([vec![DEFAULT_COPY.to_owned()], except].concat()),
    };
    let lines = [
        copy.map(|copy| format!("copy = {}\n", list(&copy))),
        Some(usable(&cilo.filled))
            .filter(|files| !files.is_empty())
            .map(|files| format!("render = {}\n", list(&files))),
        cilo.init.as_ref().map(|act| format!("init = [{}]\n", quoted(act))),
    ];
    let lines: String = lines.into_iter().flatten().collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n[workspace]\n{lines}"));
    }
    text
}
