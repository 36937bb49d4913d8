//! What of this machine services mount: paths and devices outside the project that they can change, which are the same in every
//! instance, and paths inside it, which a new worktree may not have (D23).

use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::model::{Model, Service};
use crate::core::formats::compose::SOCKETS;

/// Devices that any number of containers can use at once.
pub(super) const ANYBODYS: [&str; 8] =
    ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/fuse", "/dev/kvm", "/dev/net/tun", "/dev/dri"];

/// Paths of the machine itself, which nobody's containers fight over.
const MACHINES: [&str; 7] =
    ["/proc", "/sys", "/dev", "/lib/modules", "/etc/localtime", "/etc/timezone", "/tmp/.X11-unix"];

/// Something of this machine outside the project that a service can change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outside {
    /// The service.
    pub service: String,
    /// What it is.
    pub kind: Kind,
    /// The path on this machine.
    pub path: String,
}

/// How a service has something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// By a bind mount.
    Bind,
    /// As a volume that is a path.
    Volume,
    /// As a device.
    Device,
}

/// A path inside the project that a service mounts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inside {
    /// The service.
    pub service: String,
    /// The path on this machine.
    pub path: PathBuf,
}

/// What services mount of this machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Binds {
    /// What is outside and is not kept.
    pub outside: Vec<Outside>,
    /// What is inside.
    pub inside: Vec<Inside>,
}

impl Binds {
    /// Those of the services that start; `keep` says what is shared on purpose, `profiles` which are active.
    pub fn of(model: &Model, root: &str, keep: &[String], profiles: &[String]) -> Self {
        let mut binds = Self::default();
        let starts = |service: &Service| {
            let is_active = |profile: &String| profiles.iter().any(|one| one == profile || one == "*");
            service.profiles.is_empty() || service.profiles.iter().any(is_active)
        };
        for (name, service) in model.services.iter().filter(|(_, service)| starts(service)) {
            let outside = |kind, path: &str| Outside { service: name.clone(), kind, path: path.to_owned() };
            for mount in &service.mounts {
                let source = mount.source.as_str();
                if !mount.is_bind {
                    let volume = model.volumes.get(source).filter(|volume| !volume.is_external && mount.is_writable);
                    let device = volume.and_then(|volume| volume.device.as_deref());
                    let is_shared = |device: &&str| is_outside(device, root) && !keep.iter().any(|one| one == source);
                    binds.outside.extend(device.filter(is_shared).map(|device| outside(Kind::Volume, device)));
                } else if Path::new(source).starts_with(root) {
                    binds.inside.push(Inside { service: name.clone(), path: source.into() });
                } else if mount.is_writable && is_outside(source, root) && !is_everybodys(source) {
                    binds.outside.push(outside(Kind::Bind, source));
                }
            }
            let devices = service.devices.iter().filter(|device| !ANYBODYS.contains(&device.as_str()));
            binds.outside.extend(devices.map(|device| outside(Kind::Device, device)));
        }
        binds.outside.retain(|one| !keeps(keep, &one.path));
        binds
    }
}

/// Whether an entry of `keep` is a path, and no volume.
pub(super) fn is_path(entry: &str) -> bool {
    entry.starts_with(['/', '~', '.'])
}

/// An entry of `keep` as compose names such a path; a volume's key stays as it is.
pub fn kept(entry: &str, root: &Path, home: &Path) -> String {
    if !is_path(entry) {
        return entry.to_owned();
    }
    let path = match entry.strip_prefix('~').map(|rest| rest.trim_start_matches('/')) {
        Some(rest) => home.join(rest),
        None => root.join(entry),
    };
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => _ = plain.pop(),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain.to_string_lossy().into_owned()
}

/// Whether a path outside the project, or a device, is one that instances would fight over and that is not kept.
pub fn is_shared(path: &str, root: &str, keep: &[String]) -> bool {
    is_outside(path, root) && !keeps(keep, path) && !ANYBODYS.contains(&path) && !is_everybodys(path)
}

/// Whether a device is one of those, as opposed to a path.
pub fn is_shared_device(device: &str, keep: &[String]) -> bool {
    !ANYBODYS.contains(&device) && !keeps(keep, device)
}

/// Whether a path is kept, or lies below one that is.
pub(super) fn keeps(keep: &[String], path: &str) -> bool {
    keep.iter().any(|one| is_path(one) && Path::new(path).starts_with(one))
}

/// Whether a path is one of this machine's outside the project.
pub(super) fn is_outside(path: &str, root: &str) -> bool {
    path.starts_with('/') && !Path::new(path).starts_with(root)
}

/// Whether nobody fights over a path: the engine's socket, which has a notice of its own, and what is the machine's own.
fn is_everybodys(path: &str) -> bool {
    SOCKETS.iter().any(|socket| path.ends_with(socket)) || MACHINES.iter().any(|one| Path::new(path).starts_with(one))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(keep: &[&str], profiles: &[&str]) -> String {
        let bind = |source: &str| json!({ "type": "bind", "source": source, "target": "/x" });
        let model = json!({
            "services": {
                "db": {
                    "volumes": [
                        bind("/srv/data"), bind("/home/me/app/conf"), bind("/etc/localtime"), bind("/run/docker.sock"),
                        { "type": "bind", "source": "/opt", "target": "/x", "read_only": true },
                        { "type": "volume", "source": "disk", "target": "/y" },
                        { "type": "volume", "source": "plain", "target": "/z" },
                    ],
                    "devices": ["/dev/kvm", "/dev/ttyUSB0:/dev/tty9"],
                },
                "extra": { "profiles": ["more"], "volumes": [bind("/srv/more"), bind("/home/me/app/more")] },
            },
            "volumes": { "disk": { "driver_opts": { "device": "/mnt/disk" } }, "plain": {} },
        });
        let model = Model::parse(&model.to_string()).expect("it is a model");
        let strings = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>();
        let binds = Binds::of(&model, "/home/me/app", &strings(keep), &strings(profiles));
        let outside = binds.outside.iter().map(|one| format!("{} {:?} {}", one.service, one.kind, one.path));
        outside.chain(binds.inside.iter().map(|one| one.path.display().to_string())).collect::<Vec<_>>().join(", ")
    }

    #[test]
    fn what_can_be_changed_outside_and_is_not_kept_is_told_apart_from_what_is_inside() {
        let all = "db Bind /srv/data, db Volume /mnt/disk, db Device /dev/ttyUSB0, /home/me/app/conf";
        assert_eq!(told(&[], &[]), all);
        assert_eq!(told(&["/srv", "disk", "/dev/ttyUSB0"], &[]), "/home/me/app/conf");
        assert_eq!(told(&["data", "/sr"], &["other"]), all);
        assert!(told(&[], &["more"]).ends_with("extra Bind /srv/more, /home/me/app/conf, /home/me/app/more"));
        assert!(told(&[], &["*"]).contains("/srv/more"));
    }

    #[test]
    fn a_kept_path_is_named_as_compose_names_it() {
        let (root, home) = (Path::new("/home/me/app"), Path::new("/home/me"));
        for (entry, expected) in [
            ("data", "data"),
            ("/srv/x/", "/srv/x"),
            ("~/.cache", "/home/me/.cache"),
            ("~", "/home/me"),
            ("../shared", "/home/me/shared"),
            ("./x/../y", "/home/me/app/y"),
            ("/../..", "/"),
        ] {
            assert_eq!(kept(entry, root, home), expected);
        }
    }
}
