//! An instance by what people call it.

use std::path::{Path, PathBuf};

use rustix::process::geteuid;

use crate::core::leases::{Instance, Leases};
use crate::core::text::suggest::nearest;
use crate::failure::Failure;
use crate::store::worktree;

/// The instance of a name, with its prefix or without, where that is enough to tell it.
///
/// # Errors
/// A [`Failure`] where none or several have it.
pub fn find<'a>(leases: &'a Leases, name: &str) -> Result<&'a Instance, Failure> {
    if let Some(found) = leases.named(name) {
        return Ok(found);
    }
    let found: Vec<&Instance> = leases.instances.iter().filter(|instance| instance.name == name).collect();
    if let [one] = found[..] {
        return Ok(one);
    }
    if found.len() > 1 {
        return Err(several(name, &found));
    }
    let failure = Failure::new(format!("No instance is named `{name}`"));
    let near = nearest(name, leases.instances.iter().map(|instance| instance.name.as_str()));
    let failure = near.iter().fold(failure, |failure, near| failure.hint(format!("The nearest is `{near}`")));
    Err(failure.hint("List them all: `silo list`"))
}

/// Another instance than the one of `root`: by its name, or else by the last part of that, or by the branch of its folder; those of
/// the same repository come before others.
///
/// # Errors
/// A [`Failure`] where none or several have it.
pub fn other<'a>(leases: &'a Leases, root: &Path, name: &str) -> Result<&'a Instance, Failure> {
    let is_other = |instance: &Instance| Path::new(&instance.root) != root;
    let exact = find(leases, name);
    if let Ok(found) = exact {
        return match is_other(found) {
            true => Ok(found),
            false => Err(Failure::new(format!("`{name}` is this instance")).hint("Name another: `silo list`")),
        };
    }
    let own = repository(root);
    let is_called = |instance: &&Instance| is_other(instance) && self::is_called(instance, name);
    let found: Vec<&Instance> = leases.instances.iter().filter(is_called).collect();
    let is_near = |instance: &&Instance| own.is_some() && repository(Path::new(&instance.root)) == own;
    let near: Vec<&Instance> = found.iter().copied().filter(is_near).collect();
    match if near.is_empty() { &found[..] } else { &near[..] } {
        [one] => Ok(one),
        [] => exact,
        several => Err(self::several(name, several)),
    }
}

/// Whether the instance of `root` is called so itself, in any of these ways.
pub fn is(leases: &Leases, root: &Path, name: &str) -> bool {
    let own = root.to_str().and_then(|root| leases.at(root));
    own.is_some_and(|own| own.qualified() == name || is_called(own, name))
}

fn is_called(instance: &Instance, name: &str) -> bool {
    let last = instance.name.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('-'));
    last || worktree::branch(Path::new(&instance.root), geteuid().as_raw()).as_deref() == Some(name)
}

fn repository(root: &Path) -> Option<PathBuf> {
    worktree::membership(root, geteuid().as_raw()).map(|membership| membership.common_dir)
}

fn several(name: &str, found: &[&Instance]) -> Failure {
    let names: Vec<String> = found.iter().map(|one| format!("`{}`", one.qualified())).collect();
    Failure::new(format!("`{name}` is the name of more than one instance"))
        .hint(format!("Say which: {}", names.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_name_is_enough_where_one_alone_has_it() {
        let instance = |name: &str| Instance {
            name: name.to_owned(),
            prefix: "localnet".to_owned(),
            root: format!("/nowhere/{name}"),
            ..Instance::default()
        };
        let leases = Leases::of(["shop-main", "shop-x", "blog-x", "domain"].map(instance).into());
        let root = Path::new("/nowhere/shop-x");
        let told = |name: &str| match other(&leases, root, name) {
            Ok(found) => found.name.clone(),
            Err(failure) => failure.what,
        };
        assert_eq!(told("main"), "shop-main");
        assert_eq!(told("localnet-blog-x"), "blog-x");
        assert_eq!(told("x"), "blog-x", "the other x is this one");
        assert_eq!(told("shop-x"), "`shop-x` is this instance");
        assert!(is(&leases, root, "x") && is(&leases, root, "localnet-shop-x") && !is(&leases, root, "main"));
        assert_eq!(told("ain"), "No instance is named `ain`");
        let told = other(&leases, Path::new("/elsewhere"), "x").expect_err("there are two");
        assert_eq!(told.hints, ["Say which: `localnet-shop-x` or `localnet-blog-x`"]);
    }
}
