//! The registry itself: whether it can be read and written, by its owner alone, and whether what it says can be.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use crate::core::leases::{Instance, Leases, block};
use crate::core::text::digest;
use crate::failure::{quoted, shown};
use crate::parts::finding::{Finding, Fix};
use crate::store::registry;
use crate::store::shared;
use crate::sys::dirs::Dirs;
use crate::sys::{files, lock};

/// How often, and how long between, a held lock is looked at before somebody is said to sit on it.
const LOOKS: (u32, Duration) = (20, Duration::from_millis(25));
/// What a registry that cannot be read comes to.
const UNREAD: &str = "Without it no command can tell which ports are leased, so none gives any out";

/// Everything about the registry.
pub(super) fn examine(dirs: &Dirs) -> Vec<Finding> {
    let path = registry::place(dirs);
    let mut found = Vec::new();
    found.extend(folder(dirs));
    found.extend(lock_of(dirs));
    found.extend(outside(dirs, &path));
    match registry::peek(dirs) {
        Ok(leases) => {
            let made = !leases.instances.is_empty() && !files::exists(&path);
            found.extend(made.then(|| {
                Finding::problem("registry-gone", "The registry is gone")
                    .at(&path)
                    .why("What it held is in the lockfiles of all known roots until the next command writes it again")
                    .remedy("silo doctor --fix")
                    .fix(Fix::Rewrite)
            }));
            found.extend(content(&path, &leases));
        }
        // Its permissions or its owner are reported already; what may not be read is not to be moved.
        Err(_) if found.iter().any(|finding| finding.id == "registry-mode" && !may_read(&path)) => {}
        Err(_) if found.iter().any(|finding| finding.id == "registry-owner") && files::is_unreadable(&path) => {}
        Err(failure) if registry::is_newer(dirs) => found.push(
            Finding::problem("registry-newer", failure.what)
                .at(&path)
                .why("A newer silo has written it; this one would forget what it does not know")
                .remedy("Install the newer silo again"),
        ),
        Err(failure) => found.push(
            Finding::problem("registry-unreadable", failure.what)
                .at(&path)
                .why(UNREAD)
                .remedy("silo doctor --fix")
                .fix(Fix::Repair),
        ),
    }
    found
}

/// The state folder, or where it is to be made.
fn folder(dirs: &Dirs) -> Option<Finding> {
    let there = dirs.state.ancestors().find(|folder| files::exists(folder))?;
    (!files::is_writable(there) || !files::is_folder(there)).then(|| {
        Finding::problem("state-unwritable", format!("Nothing can be written in `{}`", shown(there)))
            .at(&dirs.state)
            .why("No port can be leased and nothing remembered; XDG_STATE_HOME names another place")
            .remedy(format!("ls -ld {}", quoted(there)))
    })
}

/// The lock: a plain file that is made once, and held for moments only.
fn lock_of(dirs: &Dirs) -> Option<Finding> {
    let path = registry::lock_path(dirs);
    if !files::exists(&path) {
        return None;
    }
    if !files::is_file(&path) || !files::is_writable(&path) {
        let finding = Finding::problem("registry-lock", "The registry's lock is not a file of this user's")
            .at(&path)
            .why("Without it two runs could give out the same port, so every command that leases refuses");
        return Some(finding.remedy(format!("mv {0} {0}.broken", quoted(&path))));
    }
    let mut holder = lock::holder(&path);
    for _ in 0..LOOKS.0 {
        // Free once is free: silo holds it for moments.
        holder.as_ref()?;
        std::thread::sleep(LOOKS.1);
        holder = lock::holder(&path);
    }
    let finding = Finding::problem("registry-busy", format!("The registry is busy{}", holder?))
        .at(&path)
        .why("Every other run waits for it; silo holds it for milliseconds, unless its process hangs or was stopped");
    Some(finding.remedy(format!("fuser -v {}", quoted(&path))))
}

/// What can be told without reading it.
fn outside(dirs: &Dirs, path: &Path) -> Vec<Finding> {
    let mut found = Vec::new();
    if !files::exists(path) {
        return found;
    }
    if files::is_link(path) && registry::peek(dirs).is_ok() {
        found.push(
            Finding::problem("registry-link", "The registry is a link")
                .at(path)
                .why("silo replaces its files as a whole, so the next change would leave what the link names behind")
                .remedy("silo doctor --fix")
                .fix(Fix::Rewrite),
        );
    }
    let is_plain = files::is_file(path) && !files::is_link(path);
    if is_plain && files::owner(path).is_some_and(|owner| owner != rustix::process::geteuid().as_raw()) {
        found.push(
            Finding::problem("registry-owner", "The registry belongs to another user")
                .at(path)
                .why("silo was run with another user's home, as by `sudo`; that user's runs may fail now")
                .remedy(format!("sudo chown \"$(id -u)\" {}", quoted(path))),
        );
    } else if let Some(mode) = files::mode(path).filter(|mode| is_plain && *mode != 0o600) {
        found.push(
            Finding::problem("registry-mode", format!("The registry has the permissions {mode:04o}, not 0600"))
                .at(path)
                .why("Only its owner should read and write it")
                .remedy(format!("chmod 600 {}", quoted(path)))
                .fix(Fix::Private(path.to_path_buf())),
        );
    }
    found
}

fn may_read(path: &Path) -> bool {
    files::mode(path).is_none_or(|mode| mode & 0o400 != 0)
}

/// What it says.
fn content(path: &Path, leases: &Leases) -> Vec<Finding> {
    let mut found = Vec::new();
    let odd = leases.instances.iter().find(|one| one.id != digest::root_id(one.root.as_bytes()));
    found.extend(odd.map(|one| {
        Finding::problem("registry-id", format!("The entry of `{}` has an id that is not its root's", one.root))
            .at(path)
            .why("The id names the instance's folder in silo's state and its cluster's label")
            .remedy("silo doctor --fix")
            .fix(Fix::Rewrite)
    }));
    let mut names: HashMap<String, &str> = HashMap::new();
    let mut roots: HashMap<&str, usize> = HashMap::new();
    let mut ports: HashMap<u16, (&Instance, String)> = HashMap::new();
    for one in &leases.instances {
        let (root, label) = (Path::new(&one.root), one.qualified());
        *roots.entry(&one.root).or_default() += 1;
        if let Some(other) = names.insert(label.clone(), &one.root) {
            found.push(
                Finding::problem("name-twice", format!("`{other}` and `{}` both have the name `{label}`", one.root))
                    .at(path)
                    .why("Their containers, volumes and clusters would be the same")
                    .remedy(format!("silo env -C {} NEW-NAME", quoted(root))),
            );
        }
        for (variable, port) in one.spread() {
            let variable = block::variable(&variable).to_owned();
            let Some((holder, held)) = ports.insert(port, (one, variable.clone())) else { continue };
            // That of a service which is one for all instances of a repository.
            if held == variable && shared::is_one(&holder.root, &one.root) {
                continue;
            }
            let holder = &holder.name;
            let what = format!("Port {port} is leased to `{holder}` ({held}) and to `{}` ({variable})", one.name);
            found.push(
                Finding::problem("port-twice", what)
                    .at(path)
                    .why("Whichever starts second fails, or is answered by the other")
                    .remedy(format!("silo env -C {} --force", quoted(root))),
            );
        }
    }
    let twice = leases.instances.iter().find(|one| roots[one.root.as_str()] > 1);
    found.extend(twice.map(|one| {
        Finding::problem("root-twice", format!("`{}` has two entries", one.root))
            .at(path)
            .why("It is random which of them holds its leases")
            .remedy(format!("silo down -C {} --clean", quoted(Path::new(&one.root))))
    }));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::leases::Instance;

    #[test]
    fn what_two_entries_share_is_found() {
        let entry = |root: &str, name: &str, port: u16| Instance {
            id: digest::root_id(root.as_bytes()),
            root: root.into(),
            name: name.into(),
            prefix: "localnet".into(),
            ports: [("A".to_owned(), port)].into_iter().collect(),
            ..Instance::default()
        };
        let ids = |instances: Vec<Instance>| -> Vec<&str> {
            let leases = Leases::of(instances);
            content(Path::new("/r"), &leases).iter().map(|finding| finding.id).collect()
        };
        assert_eq!(ids(vec![entry("/a", "a", 1), entry("/b", "b", 2)]), [""; 0]);
        assert_eq!(ids(vec![entry("/a", "a", 1), entry("/b", "a", 1)]), ["name-twice", "port-twice"]);
        assert_eq!(ids(vec![entry("/a", "a", 1), entry("/a", "b", 2)]), ["root-twice"]);
        assert_eq!(ids(vec![Instance { id: "x".into(), ..entry("/a", "a", 1) }]), ["registry-id"]);
    }
}
