//! Who imports whom: no two files import each other, not even by way of a third, and no file outside its own names a part.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::tidy::{Source, sources};

/// A module by the names that lead to it; none is the crate itself.
type Module = Vec<String>;

/// What a file imports, module by module.
type Imports = BTreeMap<Module, BTreeSet<Module>>;

fn module_of(source: &Source) -> Module {
    let inside = source.path.trim_start_matches("src/").trim_end_matches(".rs");
    let mut names: Module = inside.split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| last == "mod" || last == "lib") {
        names.pop();
    }
    names
}

/// Every path in a stream of tokens, and those of `use` in full.
fn paths(tokens: TokenStream, found: &mut Vec<Module>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "use" => {
                let end = tokens[at..].iter().position(|token| is(token, ';')).map_or(tokens.len(), |end| at + end);
                use_tree(&tokens[at + 1..end], &[], found);
                at = end;
            }
            TokenTree::Ident(word) => {
                let mut path = vec![word.to_string()];
                while let (true, Some(TokenTree::Ident(next))) = (is_separator(&tokens, at + 1), tokens.get(at + 3)) {
                    path.push(next.to_string());
                    at += 3;
                }
                found.push(path);
                at += 1;
            }
            TokenTree::Group(group) => {
                paths(group.stream(), found);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

fn is(token: &TokenTree, c: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == c)
}

fn is_separator(tokens: &[TokenTree], at: usize) -> bool {
    tokens.get(at).is_some_and(|token| is(token, ':')) && tokens.get(at + 1).is_some_and(|token| is(token, ':'))
}

/// The paths of one `use`, each behind `before`.
fn use_tree(tokens: &[TokenTree], before: &[String], found: &mut Vec<Module>) {
    let mut path = before.to_vec();
    for token in tokens {
        match token {
            TokenTree::Ident(word) if word == "as" => break,
            TokenTree::Ident(word) if word == "self" && !path.is_empty() => {}
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                return inner.split(|token| is(token, ',')).for_each(|part| use_tree(part, &path, found));
            }
            _ => {}
        }
    }
    if path.len() > before.len() || !before.is_empty() && !tokens.is_empty() {
        found.push(path);
    }
}

/// What each file imports: a path leads to the last module on it, whose file has the item.
fn imports(files: &[(Module, TokenStream)]) -> Imports {
    let modules: BTreeSet<Module> = files.iter().map(|(module, _)| module.clone()).collect();
    let of_one = |(module, tokens): &(Module, TokenStream)| {
        let mut found = Vec::new();
        paths(tokens.clone(), &mut found);
        let absolute = |path: &Module| -> Option<Module> {
            let mut at = match path[0].as_str() {
                "crate" => Vec::new(),
                "self" | "super" => module.clone(),
                _ => return None,
            };
            for name in path.iter().skip(usize::from(path[0] != "super")) {
                if name == "super" {
                    at.pop();
                } else {
                    at.push(name.clone());
                }
            }
            Some(at)
        };
        // A name that was imported, and a child, begin a path too.
        let named: BTreeMap<String, Module> =
            found.iter().filter_map(|path| Some((path.last()?.clone(), absolute(path)?))).collect();
        let full = |path: &Module| {
            let child = [module.clone(), vec![path[0].clone()]].concat();
            let start = named.get(&path[0]).or_else(|| modules.get(&child)).filter(|_| path.len() > 1);
            absolute(path).or_else(|| Some([start?.clone(), path[1..].to_vec()].concat()))
        };
        let target =
            |path: Module| (0..path.len()).rev().map(|end| path[..end].to_vec()).find(|at| modules.contains(at));
        let imported = found.iter().filter_map(full).filter(|path| !modules.contains(path)).filter_map(target);
        (module.clone(), imported.filter(|other| other != module).collect())
    };
    files.iter().map(of_one).collect()
}

/// The first way found from a module back to itself.
fn circle(imports: &Imports) -> Option<Vec<String>> {
    let mut done = BTreeSet::new();
    for start in imports.keys() {
        let mut path: Vec<(Module, Vec<Module>)> = vec![(start.clone(), imports[start].iter().cloned().collect())];
        while let Some((at, next)) = path.last_mut() {
            let Some(next) = next.pop() else {
                done.insert(at.clone());
                path.pop();
                continue;
            };
            if let Some(first) = path.iter().position(|(on_path, _)| *on_path == next) {
                let names = path[first..].iter().map(|(module, _)| module.join("/"));
                return Some(names.chain([next.join("/")]).collect());
            }
            if !done.contains(&next) {
                let after = imports.get(&next).into_iter().flatten().cloned().collect();
                path.push((next, after));
            }
        }
    }
    None
}

fn tokens(text: &str) -> TokenStream {
    text.parse().expect("sources are Rust")
}

#[test]
fn no_two_files_import_each_other_not_even_by_way_of_a_third() {
    let all = sources("src").into_iter().filter(|source| !source.path.ends_with("/tests.rs"));
    let files: Vec<_> = all.map(|source| (module_of(&source), tokens(source.product()))).collect();
    let imports = imports(&files);
    assert!(imports.values().map(BTreeSet::len).sum::<usize>() > 500, "imports are found");
    assert_eq!(circle(&imports), None);
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let file = |module: &str, text: &str| (module.split('/').map(str::to_owned).collect::<Module>(), tokens(text));
    let circle_of = |files: &[(Module, TokenStream)]| circle(&imports(files)).map(|names| names.join(" "));
    let a = file("a", "use crate::b::{self, X as Y, c::Z}; fn f() { b::g() }");
    let [b, c] = [file("b", "pub struct X;"), file("b/c", "pub struct Z;")];
    assert_eq!(circle_of(&[a.clone(), b.clone(), c]), None);
    let c = file("b/c", "fn h() -> u8 { super::super::a::f(vec![1]) }");
    assert_eq!(circle_of(&[a.clone(), b, c]).as_deref(), Some("a b/c a"));
    let parent = file("p", "mod q; fn f() { q::g() }");
    assert_eq!(circle_of(&[parent, file("p/q", "use super::f;")]).as_deref(), Some("p p/q p"));
}

/// Files in which a part's programs may be named: its own, its keys, what the files of the project and of silo call it, the
/// command line and the list of pages.
fn knows_tilt(path: &str) -> bool {
    let folders = ["src/parts/tilt/", "src/core/config/"];
    let files = [
        "src/parts/mod.rs",
        "src/backend/mod.rs",
        "src/backend/tilt.rs",
        "src/cli.rs",
        "src/cli/arguments.rs",
        "src/core/formats/mod.rs",
        "src/core/formats/tiltfile.rs",
        "src/core/instance/identity.rs",
        "src/core/instance/lockfile.rs",
        "src/core/instance/vars.rs",
        "src/core/text/pages.rs",
    ];
    files.contains(&path) || folders.iter().any(|folder| path.starts_with(folder))
}

#[test]
fn commands_are_loops_over_the_parts_and_name_none() {
    for source in sources("src") {
        let text = source.product().to_lowercase();
        assert!(knows_tilt(&source.path) || !text.contains("tilt"), "{} names Tilt", source.path);
    }
    let loops = ["up", "down", "status", "list", "wait", "logs", "ci", "gate", "prune"];
    for source in sources("src/commands") {
        let is_loop = loops.iter().any(|name| {
            source.path == format!("src/commands/{name}.rs")
                || source.path.starts_with(&format!("src/commands/{name}/"))
        });
        assert!(!is_loop || !source.product().to_lowercase().contains("k3d"), "{} names k3d", source.path);
    }
}
