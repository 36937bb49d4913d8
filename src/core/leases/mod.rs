//! The registry's content (D1, D2, D4): every instance of the user and the ports it holds. Pure: reading and
//! writing under the lock is `store::registry`'s.
//!
//! The text carries a digest of itself, because TOML that was cut between two instances, or in which one bit of a port
//! has turned, is still TOML: it would be believed, and a lease forgotten.

pub mod block;
mod entry;
pub mod ports;
pub mod rebuild;
pub mod source;
pub mod subnet;
pub mod used;
mod wanted;

use ::core::net::Ipv4Addr;
use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use crate::core::text::digest;
use subnet::Range;

pub use entry::Instance;
pub use wanted::{Wanted, Wish};

/// The version this silo writes; it reads the ones before, and writes them again with the next change.
pub const VERSION: u32 = 2;
/// The oldest version that is read: without subnets, and without what is wanted.
const OLDEST: u32 = 1;
/// This silo, as it is in what it writes.
const SILO: &str = env!("CARGO_PKG_VERSION");
/// How the text begins.
const HEAD: &str =
    "# silo's registry: every instance of this user and the ports it holds. Written by silo; see `silo doctor`.\n";
/// How it began before it had a digest; such a registry is read, and gets one with the next change.
const OLDER_HEAD: &str =
    "# silo's registry: every instance of this user and the ports it holds. Written by silo.\nversion = 1\n";

/// All instances of the user.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// Format version.
    pub version: u32,
    /// The silo that wrote it, so that an older one can say which is needed.
    #[serde(default)]
    pub silo: String,
    /// Which of silo's own programs are to run, such as `proxy` (D31).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wanted: Vec<String>,
    /// One entry for each project root that has an instance.
    #[serde(default, rename = "instance", skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<Instance>,
}

/// A registry that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeasesError {
    /// Not TOML of the registry's shape.
    #[error("line {line}: {message}")]
    Malformed {
        /// Line, from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// Empty: no silo ever wrote that.
    #[error("it is empty")]
    Empty,
    /// Text that no silo wrote as it is.
    #[error("it was damaged or edited: its digest does not fit")]
    Damaged,
    /// Written by a newer silo.
    #[error("its version is {version}, {}and this silo ({SILO}) reads version {VERSION}", written_by(silo))]
    Version {
        /// The version it has.
        version: i64,
        /// The silo that wrote it, where it says so.
        silo: String,
    },
}

/// Enough of any registry to tell its version.
#[derive(Deserialize)]
struct Head {
    version: i64,
    #[serde(default)]
    silo: String,
}

/// What comes before the first instance.
#[derive(Deserialize)]
struct Own {
    version: i64,
    #[serde(default)]
    wanted: Vec<String>,
}

/// Which silo wrote a registry, in the middle of a sentence; it may say anything.
fn written_by(silo: &str) -> String {
    let is_version = silo.chars().all(|c| c.is_ascii_alphanumeric() || ".-+".contains(c)) && silo.len() < 40;
    if silo.is_empty() || !is_version { String::new() } else { format!("written by silo {silo}, ") }
}

impl Leases {
    /// An empty registry.
    pub fn none() -> Self {
        Self::of(Vec::new())
    }

    /// A registry of these instances, as this silo writes it.
    pub fn of(instances: Vec<Instance>) -> Self {
        Self { version: VERSION, silo: SILO.to_owned(), wanted: Vec::new(), instances }
    }

    /// Reads the registry's text.
    ///
    /// # Errors
    /// [`LeasesError`] for anything that is not a whole registry of this version.
    pub fn parse(text: &str) -> Result<Self, LeasesError> {
        if text.is_empty() {
            return Err(LeasesError::Empty);
        }
        let body = match text.strip_prefix(HEAD).and_then(|rest| rest.split_once('\n')) {
            Some((line, body)) if line == digest_line(body) => body,
            _ if text.starts_with(OLDER_HEAD) => text,
            _ => return Err(newer(text).unwrap_or(LeasesError::Damaged)),
        };
        if let Some(leases) = in_pieces(body) {
            return Ok(leases);
        }
        if let Some(error) = newer(body) {
            return Err(error);
        }
        let read: Self = toml::from_str(body).map_err(|error| LeasesError::Malformed {
            line: error.span().map_or(1, |span| body[..span.start.min(body.len())].matches('\n').count() + 1),
            message: error.message().to_owned(),
        })?;
        Ok(Self { wanted: read.wanted, ..Self::of(read.instances) })
    }

    /// The registry's text.
    pub fn render(&self) -> String {
        let body = toml::to_string(self).expect("strings, numbers and maps always serialise");
        format!("{HEAD}{}\n{body}", digest_line(&body))
    }

    /// The instance of a project root.
    pub fn at(&self, root: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.root == root)
    }

    /// The instance that has a qualified name.
    pub fn named(&self, qualified: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.qualified() == qualified)
    }

    /// Ports leased to instances of other roots.
    pub fn leased_to_others(&self, root: &str) -> HashSet<u16> {
        let others = self.instances.iter().filter(|instance| instance.root != root);
        others.flat_map(Instance::held).collect()
    }

    /// The instance that holds a port.
    pub fn holder(&self, port: u16) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.variable_of(port).is_some())
    }

    /// Puts an instance in place of the one at its root and of those at the roots that are `gone`.
    pub fn claim(&mut self, instance: Instance, gone: &[String]) {
        self.instances.retain(|other| !gone.contains(&other.root) || other.root == instance.root);
        match self.instances.iter_mut().find(|other| other.root == instance.root) {
            Some(own) => *own = instance,
            None => self.instances.push(instance),
        }
    }

    /// Subnets leased to instances of other roots.
    pub fn subnets_of_others(&self, root: &str) -> Vec<Range> {
        self.instances.iter().filter(|one| one.root != root).filter_map(|one| one.subnet).collect()
    }

    /// The instance whose subnet an address is in.
    pub fn holder_of(&self, address: Ipv4Addr) -> Option<&Instance> {
        self.instances.iter().find(|one| one.subnet.is_some_and(|subnet| subnet.has(address)))
    }

    /// The smallest number that no instance of a prefix has, but for those at these roots.
    pub fn free_slot(&self, prefix: &str, but: &[&str]) -> u16 {
        let others = self.instances.iter().filter(|one| one.prefix == prefix && !but.contains(&one.root.as_str()));
        let taken: HashSet<u16> = others.filter_map(|one| one.slot).collect();
        (0..=u16::MAX).find(|slot| !taken.contains(slot)).unwrap_or_default()
    }

    /// Whether an instance of a prefix has a number, but for those at these roots.
    pub fn has_slot(&self, prefix: &str, slot: u16, but: &[&str]) -> bool {
        let has = |one: &Instance| one.prefix == prefix && one.slot == Some(slot) && !but.contains(&one.root.as_str());
        self.instances.iter().any(has)
    }

    /// Gives a variable of the instance at a root another port.
    pub fn move_port(&mut self, root: &str, variable: &str, port: u16, now: &str) {
        if let Some(instance) = self.instances.iter_mut().find(|instance| instance.root == root)
            && let Some(held) = instance.ports.get_mut(variable)
        {
            *held = port;
            now.clone_into(&mut instance.changed);
        }
    }

    /// Frees everything the instance at a root holds.
    pub fn release(&mut self, root: &str) {
        self.instances.retain(|instance| instance.root != root);
    }
}

/// The line that vouches for the text below it.
fn digest_line(body: &str) -> String {
    format!("digest = \"{}\"", &digest::of(body.as_bytes())[..16])
}

/// The instances of a text, read one by one: with the whole port range leased that takes half the time of one large
/// document. None for a text that cannot be cut so, such as one with a root that itself looks like a head.
fn in_pieces(body: &str) -> Option<Leases> {
    let mut pieces = body.split(entry::ENTRY);
    let head: Own = toml::from_str(pieces.next()?).ok()?;
    let instances = pieces.map(entry::read).collect::<Option<Vec<_>>>()?;
    is_read(head.version).then(|| Leases { wanted: head.wanted, ..Leases::of(instances) })
}

/// The version of a text that is none of this silo's, when it tells one.
fn newer(text: &str) -> Option<LeasesError> {
    let Head { version, silo } = toml::from_str(text).ok()?;
    (!is_read(version)).then_some(LeasesError::Version { version, silo })
}

fn is_read(version: i64) -> bool {
    (i64::from(OLDEST)..=i64::from(VERSION)).contains(&version)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instance(root: &str, name: &str, ports: &[u16]) -> Instance {
        Instance {
            root: root.into(),
            name: name.into(),
            prefix: "localnet".into(),
            ports: ports.iter().enumerate().map(|(i, port)| (format!("P{i}"), *port)).collect(),
            ..Instance::default()
        }
    }

    #[test]
    fn the_file_keeps_order_and_comes_back_the_same() {
        let mut leases = Leases::none();
        leases.claim(instance("/p/\"odd\" \u{e9}", "z", &[3000, 49152]), &[]);
        leases.claim(instance("/a", "a", &[1]), &[]);
        leases.claim(instance("/b\n[[instance]]\n[instance.ports]\n", "b", &[2]), &[]);
        assert_eq!(Leases::parse(&leases.render()), Ok(leases));
    }

    #[test]
    fn damage_and_newer_versions_are_told_apart() {
        let newer = |silo: &str| LeasesError::Version { version: 3, silo: silo.to_owned() };
        assert_eq!(Leases::parse("version = 3\n[future]\n"), Err(newer("")));
        assert_eq!(Leases::parse("version = 3\nsilo = \"9.1\"\n"), Err(newer("9.1")));
        assert!(newer("9.1").to_string().contains("written by silo 9.1, "));
        assert!(!newer("9.1\u{1b}[2J").to_string().contains("written by"));
        assert_eq!(Leases::parse("version = 1\nnew = 1\n"), Err(LeasesError::Damaged));
        assert_eq!(Leases::parse(""), Err(LeasesError::Empty));
        let older = |rest: &str| Leases::parse(&format!("{OLDER_HEAD}{rest}"));
        assert_eq!(older(""), Ok(Leases::none()));
        assert!(matches!(older("[[instance]]\nid = "), Err(LeasesError::Malformed { line: 4, .. })));
    }

    #[test]
    fn version_1_is_read_and_written_as_this_one() {
        let body = "version = 1\n\n[[instance]]\nid = \"1\"\nroot = \"/a\"\nname = \"a\"\nprefix = \"p\"\nslot = 2\n\
                    folder = 7\ncreated = \"c\"\nchanged = \"c\"\n\n[instance.ports]\nA = 1\n\n[instance.blocks]\nA = 3\n";
        for body in [body.to_owned(), body.replace("\"/a\"", "'/a'")] {
            let read = Leases::parse(&format!("{HEAD}{}\n{body}", digest_line(&body))).expect("it is an older one");
            let one = &read.instances[0];
            assert_eq!((one.root.as_str(), one.slot, one.folder, one.blocks["A"]), ("/a", Some(2), Some(7), 3));
            assert_eq!((one.subnet, one.addresses.len(), one.wanted.is_nothing()), (None, 0, true));
            assert!(read.render().contains(&format!("\nversion = {VERSION}\nsilo = \"{SILO}\"\n")));
            assert_eq!(Leases::parse(&read.render()), Ok(read));
        }
    }

    #[test]
    fn subnets_and_what_is_wanted_come_back_the_same() {
        let mut one = instance("/a", "a", &[1]);
        one.subnet = "10.224.3.0/24".parse().ok();
        one.addresses = [("db".to_owned(), 10), ("my.web".to_owned(), 11)].into();
        one.wanted.add([Wish::of("services", "db"), Wish::part("tilt")]);
        let instances = vec![one, instance("/b[instance.blocks]\"", "b", &[2])];
        let leases = Leases { wanted: vec!["proxy".into(), "dns".into()], ..Leases::of(instances) };
        assert_eq!(Leases::parse(&leases.render()), Ok(leases.clone()));
        let holder = leases.holder_of([10, 224, 3, 11].into()).expect("it has that subnet");
        assert_eq!(holder.service_at([10, 224, 3, 11].into()), Some("my.web"));
        assert_eq!(leases.subnets_of_others("/a"), []);
        assert_eq!(leases.subnets_of_others("/b").len(), 1);
    }

    #[test]
    fn the_smallest_number_that_no_other_of_the_prefix_has_is_free() {
        let with = |root: &str, prefix: &str, slot| Instance {
            prefix: prefix.into(),
            slot,
            ..instance(root, root.trim_start_matches('/'), &[])
        };
        let instances = vec![
            with("/a", "p", Some(0)),
            with("/b", "p", None),
            with("/c", "p", Some(2)),
            with("/d", "q", Some(1)),
            with("/e", "p", Some(1)),
        ];
        let leases = Leases::of(instances);
        let free = |but: &[&str]| leases.free_slot("p", but);
        assert_eq!((free(&[]), free(&["/a"]), free(&["/c", "/e"])), (3, 0, 1));
        assert!(leases.has_slot("p", 2, &["/a"]) && !leases.has_slot("p", 2, &["/c"]) && !leases.has_slot("q", 0, &[]));
        assert_eq!(Leases::parse(&leases.render()), Ok(leases));
    }

    #[test]
    fn a_moved_root_gives_its_place_to_the_new_one() {
        let mut leases = Leases::of(vec![instance("/old", "x", &[1])]);
        leases.claim(instance("/new", "x", &[1]), &["/old".to_owned()]);
        assert_eq!(leases.instances.iter().map(|i| i.root.as_str()).collect::<Vec<_>>(), ["/new"]);
        assert!(leases.leased_to_others("/new").is_empty());
    }

    #[test]
    fn no_cut_and_no_flipped_bit_goes_unseen() {
        let leases = Leases::of(vec![instance("/a", "a", &[1]), instance("/b", "b", &[2])]);
        let whole = leases.render().into_bytes();
        let read = |bytes: &[u8]| std::str::from_utf8(bytes).ok().and_then(|text| Leases::parse(text).ok());
        assert_eq!(read(&whole), Some(leases));
        for at in 0..whole.len() {
            assert_eq!(read(&whole[..at]), None, "cut at {at}");
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[at] ^= 1 << bit;
                assert_eq!(read(&flipped), None, "bit {bit} of byte {at}");
            }
        }
    }

    proptest! {
        #[test]
        fn release_undoes_claim(roots in proptest::collection::hash_set("/[a-z]{1,6}", 1..8)) {
            let roots: Vec<String> = roots.into_iter().collect();
            let mut leases = Leases::none();
            for root in &roots[1..] {
                leases.claim(instance(root, "n", &[1]), &[]);
            }
            let before = leases.clone();
            leases.claim(instance(&roots[0], "m", &[2]), &[]);
            leases.release(&roots[0]);
            prop_assert_eq!(leases, before);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,200}", cut in 0usize..300) {
            let _ = Leases::parse(&text);
            let whole = Leases::of(vec![instance("/é", "x", &[1, 2])]).render();
            let cut = (0..=cut.min(whole.len())).rev().find(|at| whole.is_char_boundary(*at)).unwrap_or(0);
            let _ = Leases::parse(&whole[..cut]);
        }
    }
}
