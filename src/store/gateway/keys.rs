//! Placeholder keys, under a lock of their own. What is kept of a key is its digest; the key itself is told once, or kept with the
//! instance it is for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::core::config::providers::Allowance;
use crate::core::gateway::amount::Budget;
use crate::core::gateway::keys::{self, Key, Keys, NONE, Wish};
use crate::core::gateway::pace::Limits;
use crate::core::text::digest;
use crate::failure::{Failure, quoted, shown};
use crate::sys::dirs::Dirs;
use crate::sys::lock::{self, Wait};
use crate::sys::writing::{self, Writing};
use crate::sys::{clock, files, random};

/// Largest file of keys, in bytes.
const LIMIT: u64 = 16 * 1024 * 1024;
/// Largest file with an instance's key, in bytes.
const ONE: u64 = 1024;
/// How long another's change is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where they are.
pub fn place(dirs: &Dirs) -> PathBuf {
    dirs.gateway().join("keys.json")
}

/// All keys; none where there is no file.
///
/// # Errors
/// A [`Failure`] that names the path.
pub fn load(dirs: &Dirs) -> Result<Keys, Failure> {
    let path = place(dirs);
    let Some(content) = files::read(&path, LIMIT)? else { return Ok(Keys::default()) };
    serde_json::from_slice(&content.bytes).map_err(|error| {
        Failure::new(format!("The keys in `{}` cannot be read: {error}", shown(&path)))
            .hint(format!("Without it every placeholder is unknown: `mv {0} {0}.broken`", quoted(&path)))
    })
}

/// Changes the keys, one after the other.
///
/// # Errors
/// A [`Failure`] when they cannot be read or written, or of `change`: then nothing is changed.
pub fn change<T>(dirs: &Dirs, change: impl FnOnce(&mut Keys) -> Result<T, Failure>) -> Result<T, Failure> {
    let busy = |holder: String| {
        Failure::new(format!("The gateway's keys are being changed{holder}")).hint("Run the command again")
    };
    let wait = Wait { limit: PATIENCE, tell: &|_| () };
    lock::hold(&dirs.gateway().join("keys.lock"), "the gateway's keys", &wait, busy, || {
        let before = load(dirs)?;
        let mut keys = before.clone();
        let done = change(&mut keys)?;
        if keys != before {
            let text = serde_json::to_string_pretty(&keys).expect("text and numbers always serialise") + "\n";
            writing::replace(&place(dirs), text.as_bytes(), Writing::PRIVATE)?;
        }
        Ok(done)
    })
}

/// Makes a key of these terms, and gives back its text: the one time it is told. Id, digest and time are filled in here.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn make(dirs: &Dirs, terms: Key) -> Result<(String, String), Failure> {
    let text = keys::text(&random::secret()?);
    change(dirs, |keys| {
        let id = keys.next_id();
        keys.keys.push(Key { id: id.clone(), digest: digest::of(text.as_bytes()), created: clock::now(), ..terms });
        Ok((id, text))
    })
}

/// What becomes of a wish: the tighter budget, the models both name. None where nothing is left.
pub fn granted(wish: &Wish, allowance: &Allowance) -> Option<(Vec<String>, Budget)> {
    let both = |model: &&String| allowance.models.contains(model);
    let models = match (allowance.models.is_empty(), wish.models.is_empty()) {
        (true, _) => wish.models.clone(),
        (false, true) => allowance.models.clone(),
        (false, false) => wish.models.iter().filter(both).cloned().collect(),
    };
    let is_nothing = models.is_empty() && !(allowance.models.is_empty() && wish.models.is_empty());
    (!is_nothing).then(|| (models, wish.budget.least(allowance.budget)))
}

/// The key of a root's instance, as it is; a placeholder that opens nothing where it has none.
pub fn peek(dirs: &Dirs, root: &Path) -> String {
    let text = files::read(&dirs.gateway_key(root), ONE).ok().flatten();
    let text = text.and_then(|text| String::from_utf8(text.bytes).ok()).map(|text| text.trim().to_owned());
    text.filter(|text| text.starts_with(keys::START) && text.bytes().all(|byte| byte.is_ascii_graphic()))
        .unwrap_or_else(|| NONE.to_owned())
}

/// Sees to it that a root's instance has the key it may have, and gives it back. What the root has spent stays with it, and one that
/// the user has taken back is not given again.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn ensure(
    dirs: &Dirs,
    root: &Path,
    name: &str,
    wish: &Wish,
    allowance: Option<&Allowance>,
) -> Result<String, Failure> {
    let root_text = root.to_string_lossy().into_owned();
    let Some((models, budget)) = allowance.and_then(|allowance| granted(wish, allowance)) else {
        release(dirs, root)?;
        return Ok(NONE.to_owned());
    };
    let limits = allowance.map(|allowance| allowance.limits).unwrap_or_default();
    let held = peek(dirs, root);
    let held_digest = digest::of(held.as_bytes());
    let is_so = |key: &Key| {
        let terms = key.models == models && key.budget == budget && key.limits == limits && key.name == name;
        terms && key.digest == held_digest && !key.is_released && key.revoked.is_none()
    };
    if load(dirs)?.of_root(&root_text).is_some_and(is_so) {
        return Ok(held);
    }
    let fresh = keys::text(&random::secret()?);
    let text = change(dirs, |all| {
        let at = all.keys.iter().position(|key| key.root.as_deref() == Some(&root_text));
        let Some(at) = at else {
            let id = all.next_id();
            all.keys.push(Key {
                id,
                name: name.to_owned(),
                digest: digest::of(fresh.as_bytes()),
                models,
                budget,
                limits,
                root: Some(root_text),
                agent: None,
                created: clock::now(),
                revoked: None,
                is_released: false,
            });
            return Ok(Some(fresh));
        };
        let key = &mut all.keys[at];
        if key.revoked.is_some() {
            return Ok(None);
        }
        (key.name, key.models, key.budget, key.limits) = (name.to_owned(), models, budget, limits);
        key.is_released = false;
        if key.digest == held_digest {
            return Ok(Some(held));
        }
        key.digest = digest::of(fresh.as_bytes());
        Ok(Some(fresh))
    })?;
    let path = dirs.gateway_key(root);
    let Some(text) = text else {
        files::remove(&path)?;
        return Ok(NONE.to_owned());
    };
    files::make_folder(path.parent().expect("it lies in a folder"))?;
    let writing = Writing { durable: false, ..Writing::PRIVATE };
    let is_there = files::read(&path, ONE).ok().flatten().is_some_and(|old| old.bytes == text.as_bytes());
    if !is_there {
        writing::replace(&path, text.as_bytes(), writing)?;
    }
    Ok(text)
}

/// Releases the key of a root's instance: it opens nothing until the root has an instance again. What it has spent stays.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn release(dirs: &Dirs, root: &Path) -> Result<(), Failure> {
    let path = dirs.gateway_key(root);
    if files::exists(&path) {
        let root_text = root.to_string_lossy();
        change(dirs, |all| {
            let own = all.keys.iter_mut().filter(|key| key.root.as_deref() == Some(&root_text));
            own.for_each(|key| key.is_released = true);
            Ok(())
        })?;
        files::remove(&path)?;
    }
    Ok(())
}

/// Makes the key of an agent, or gives the one it has another text and these terms; gives back its id and its text, which is told this
/// one time. What it has spent stays with the id.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn make_for_agent(
    dirs: &Dirs,
    agent: &str,
    models: &[String],
    budget: Budget,
    limits: Limits,
) -> Result<(String, String), Failure> {
    let text = keys::text(&random::secret()?);
    change(dirs, |all| {
        let at = all.keys.iter().position(|key| key.agent.as_deref() == Some(agent) && key.revoked.is_none());
        let id = match at {
            Some(at) => all.keys[at].id.clone(),
            None => all.next_id(),
        };
        let key = Key {
            id: id.clone(),
            name: agent.to_owned(),
            digest: digest::of(text.as_bytes()),
            models: models.to_vec(),
            budget,
            limits,
            root: None,
            agent: Some(agent.to_owned()),
            created: clock::now(),
            revoked: None,
            is_released: false,
        };
        match at {
            Some(at) => all.keys[at] = key,
            None => all.keys.push(key),
        }
        Ok((id, text))
    })
}

/// Takes back the key of an agent; one that has none, or whose key was taken back, is no error.
///
/// # Errors
/// A [`Failure`] when it cannot be written.
pub fn revoke_agent(dirs: &Dirs, agent: &str) -> Result<(), Failure> {
    let is_open = |key: &Key| key.agent.as_deref() == Some(agent) && key.revoked.is_none();
    if !load(dirs)?.keys.iter().any(is_open) {
        return Ok(());
    }
    change(dirs, |all| {
        let own = all.keys.iter_mut().filter(|key| is_open(key));
        own.for_each(|key| key.revoked = Some(clock::now()));
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::gateway::amount::Money;
    use crate::core::shell::environment::Environment;

    fn wish(models: &[&str], budget: &str) -> Wish {
        Wish {
            models: models.iter().map(ToString::to_string).collect(),
            budget: Budget::parse(budget).unwrap_or_default(),
        }
    }

    fn allowance(models: &[&str], budget: &str) -> Allowance {
        let Wish { models, budget } = wish(models, budget);
        Allowance { budget, models, ..Allowance::default() }
    }

    #[test]
    fn the_user_decides_what_becomes_of_a_wish() {
        let five = Some(Money(5_000_000_000_000));
        for (asked, allowed, expected) in [
            (wish(&[], ""), allowance(&[], "5"), Some((vec![], five))),
            (wish(&["a"], "9"), allowance(&[], "5"), Some((vec!["a"], five))),
            (wish(&[], "9"), allowance(&["b"], "5"), Some((vec!["b"], five))),
            (wish(&["a", "b"], "5"), allowance(&["b", "c"], "9"), Some((vec!["b"], five))),
            (wish(&["a"], "5"), allowance(&["b"], "5"), None),
        ] {
            let got = granted(&asked, &allowed);
            let got = got.as_ref().map(|(models, budget)| (models.iter().map(String::as_str).collect(), budget.money));
            assert_eq!(got, expected);
        }
    }

    #[test]
    fn an_agent_has_one_key_until_it_is_taken_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_str().expect("it is text");
        let environment = Environment::from_iter([("HOME", home), ("XDG_STATE_HOME", home)]);
        let dirs = Dirs::find(&environment).expect("HOME is set");
        let budget = Budget::parse("5").expect("a budget");
        let make =
            || make_for_agent(&dirs, "a-1", &["m".to_owned()], budget, Limits::default()).expect("it is writable");
        let (first, second) = (make(), make());
        assert_eq!((first.0.as_str(), second.0.as_str()), ("k1", "k1"));
        let all = load(&dirs).expect("readable");
        assert_eq!((all.keys.len(), all.find(&first.1)), (1, None));
        assert_eq!(all.find(&second.1).and_then(|key| key.agent.as_deref()), Some("a-1"));
        for _ in 0..2 {
            revoke_agent(&dirs, "a-1").expect("it is writable");
            revoke_agent(&dirs, "nobody").expect("nothing is to do");
        }
        assert!(load(&dirs).expect("readable").keys.iter().all(|key| !key.opens()));
        assert_eq!(make().0, "k2", "what was taken back stays so");
    }

    #[test]
    fn a_root_keeps_its_key_and_what_it_has_spent() {
        let folder = tempfile::tempdir().expect("a folder");
        let home = folder.path().to_str().expect("it is text");
        let environment = Environment::from_iter([("HOME", home), ("XDG_STATE_HOME", home)]);
        let dirs = Dirs::find(&environment).expect("HOME is set");
        let (root, allowed) = (Path::new("/p"), allowance(&[], "5"));
        let get =
            |budget: &str| ensure(&dirs, root, "p", &wish(&["a"], budget), Some(&allowed)).expect("it is writable");
        assert_eq!(peek(&dirs, root), NONE);
        let first = get("3");
        assert!(first.starts_with("sk-silo-") && first.len() == 48, "{first}");
        assert_eq!((get("3"), peek(&dirs, root)), (first.clone(), first.clone()));
        assert_eq!(files::mode(&dirs.gateway_key(root)), Some(0o600));
        assert_eq!(get("4"), first, "other terms are the same key");
        let text = files::read(&place(&dirs), LIMIT).expect("readable").expect("it is there").bytes;
        assert!(!String::from_utf8_lossy(&text).contains(&first), "the digest alone is kept");

        release(&dirs, root).expect("it is writable");
        assert!(load(&dirs).expect("readable").find(&first).is_some_and(|key| !key.opens()));
        let second = get("4");
        let all = load(&dirs).expect("readable");
        assert_ne!(second, first);
        assert_eq!((all.find(&first), all.find(&second).map(|key| key.id.as_str())), (None, Some("k1")));

        change(&dirs, |keys| {
            keys.keys[0].revoked = Some("now".into());
            Ok(())
        })
        .expect("it is writable");
        assert_eq!((get("4"), peek(&dirs, root)), (NONE.to_owned(), NONE.to_owned()), "what was taken back stays so");
        assert_eq!(ensure(&dirs, root, "p", &wish(&[], "1"), None).expect("nothing is to do"), NONE);
    }
}
