//! Every error and warning silo can print stands in `docs/errors.md`, and nothing else does. The texts are read
//! from the sources: what is handed to `Failure::new`, `.warn` and `.hook`, `#[error("…")]`, the problems of `silo.toml`,
//! and the verbs of `Failure::file`. Each placeholder is `…` in the page.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::docs::read;
use crate::tidy::sources;

/// A text as the page must have it, and where the source has it.
type Texts = BTreeMap<String, String>;

/// Closures whose texts end up behind a colon of a [`Failure`](silo::failure::Failure).
const REASONS: [&str; 2] = ["refuse", "broken"];

/// The sources of silo without unit tests: path and text.
pub(crate) fn product() -> Vec<(String, String)> {
    let product = sources("src").into_iter().filter(|source| !source.path.ends_with("/tests.rs"));
    product.map(|source| (source.path.clone(), source.product().to_owned())).collect()
}

/// Calls `see` with each place in a token stream, as the tokens from there on, groups entered.
fn walk(tokens: TokenStream, see: &mut impl FnMut(&[TokenTree])) {
    let trees: Vec<TokenTree> = tokens.into_iter().collect();
    for at in 0..trees.len() {
        see(&trees[at..]);
        if let TokenTree::Group(group) = &trees[at] {
            walk(group.stream(), see);
        }
    }
}

/// The tokens in words, so that they can be compared: `Failure :: new ( … )` is `["Failure", ":", ":", "new", "("]`.
fn words(trees: &[TokenTree]) -> Vec<String> {
    let word = |tree: &TokenTree| match tree {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Parenthesis => "(".to_owned(),
        TokenTree::Group(_) => String::new(),
        other => other.to_string(),
    };
    trees.iter().take(6).map(word).collect()
}

/// The first text in a group, or none.
fn first_text(group: &TokenTree) -> Option<String> {
    let TokenTree::Group(group) = group else { return None };
    let mut found = None;
    walk(group.stream(), &mut |trees| {
        if let (None, TokenTree::Literal(literal)) = (&found, &trees[0]) {
            found = syn::parse_str::<syn::LitStr>(&literal.to_string()).ok().map(|text| text.value());
        }
    });
    found
}

/// Every text in a source.
pub(crate) fn literals(file: &str, code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let tokens = code.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
    walk(tokens, &mut |trees| {
        if let TokenTree::Literal(literal) = &trees[0] {
            found.extend(syn::parse_str::<syn::LitStr>(&literal.to_string()).map(|text| text.value()));
        }
    });
    found
}

/// A format string as people see it: `…` for each placeholder.
fn filled(format: &str) -> String {
    let mut text = String::new();
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.peek() == Some(&c) => text.extend(chars.next()),
            '{' => {
                chars.by_ref().find(|c| *c == '}');
                text.push('…');
            }
            _ => text.push(c),
        }
    }
    text.replace("… …", "…")
}

/// Every text of an error or warning in the sources.
fn texts() -> Texts {
    let mut texts = Texts::new();
    for (file, code) in product() {
        let tokens: TokenStream = code.parse().unwrap_or_else(|error| panic!("{file}: {error}"));
        walk(tokens, &mut |trees| {
            let words = words(trees);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let place = || format!("{file}:{}", trees[0].span().start().line);
            let group = match words[..] {
                ["Failure", ":", ":", "new", "(", ..] => &trees[4],
                ["Self", ":", ":", "new", "(", ..] if file == "src/failure.rs" => &trees[4],
                ["Failure", ":", ":", "file", "(", ..] => {
                    let verb = first_text(&trees[4]).unwrap_or_else(|| panic!("{}: no verb in place", place()));
                    texts.insert(format!("Cannot {verb} `…`: …"), place());
                    return;
                }
                ["ui", ".", "warn" | "hook", "(", ..] => &trees[3],
                ["error", "(", ..] => &trees[1],
                ["write", "!", "(", ..] if file == "src/core/config/problem.rs" => &trees[2],
                [name, "(", ..] if REASONS.contains(&name) => &trees[1],
                // Refusals of the override, which get their place in `silo.toml` later.
                ["refused", "(", ..] if file.starts_with("src/core/services/") => &trees[1],
                ["what", ":", "format", "!", "(", ..] if file.starts_with("src/core/services/") => &trees[4],
                // What gets its place in `silo.toml` on the next line.
                ["let", "what", "=", "format", "!", "(", ..] if file.starts_with("src/parts/") => &trees[5],
                _ => return,
            };
            match first_text(group).map(|text| filled(&text)) {
                // One that is made of others', and the frame of `Failure::file`.
                Some(text) if text.is_empty() || text == "Cannot … `…`: …" => {}
                Some(text) if text.chars().any(char::is_alphabetic) => {
                    texts.insert(text, place());
                }
                // Texts of a core error, which has `#[error]`; what is only handed on; a line without words.
                found => assert!(is_handed_on(group), "{}: write the words in place: {found:?}", place()),
            }
        });
    }
    texts
}

/// Whether a text is not made here: it is another failure's or a core error's, or the line of an activation.
fn is_handed_on(group: &TokenTree) -> bool {
    let group = group.to_string().replace(' ', "");
    ["error.to_string()", "failure.what", "refused.what", "activation_line("].iter().any(|made| group.contains(made))
}

/// The texts the page explains: what stands in bold at the start of an item of its lists.
fn documented() -> Vec<String> {
    let page = read("docs/errors.md");
    let (_, list) = page.split_once("\n## Errors").expect("the lists come after the introduction");
    let items = list.split("\n- **").skip(1);
    let text =
        |item: &str| item.split("**").next().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ");
    items.map(text).collect()
}

#[test]
fn every_error_is_explained_and_no_other() {
    let (texts, documented) = (texts(), documented());
    assert!(texts.len() > 60, "too few were found: {texts:#?}");
    let missing: Vec<String> = texts
        .iter()
        .filter(|(text, _)| !documented.contains(text))
        .map(|(text, at)| format!("- **{text}**: ({at})"))
        .collect();
    assert!(missing.is_empty(), "docs/errors.md does not explain:\n{}", missing.join("\n"));
    let stale: Vec<_> = documented.iter().filter(|text| !texts.contains_key(*text)).collect();
    assert!(stale.is_empty(), "docs/errors.md explains what no source says: {stale:#?}");
}
