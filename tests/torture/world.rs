//! What all actors share: the sandbox, the folders they fight over, those nobody may disturb, and what was seen.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

use fastrand::Rng;
use silo::core::leases::Instance;

use crate::machine::registry;
use crate::sandbox::{Sandbox, free_ports};
use crate::stand_in::StandIn;

/// Folders that are changed, copied, moved, removed and made again.
const SLOTS: usize = 56;
/// So many of them begin as git worktrees of one repository.
const WORKTREES: usize = 8;
/// Folders that only calm commands run in: whatever happens around them, name and ports stay.
const BYSTANDERS: usize = 4;
/// How many problems are told.
const TOLD: usize = 20;

/// A place for a project's folder.
pub(crate) struct Slot {
    pub(crate) dir: PathBuf,
    /// Held by whoever changes the folder itself, as a user would not move what is just being copied. Commands do not
    /// ask: they run in a folder while it goes.
    pub(crate) hands: Mutex<()>,
}

impl Slot {
    /// The right to change the folder.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.hands.lock().expect("nobody panics with a folder in hand")
    }
}

/// All there is.
pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) slots: Vec<Slot>,
    /// Roots of the undisturbed instances, and what the registry said of them before.
    pub(crate) bystanders: Vec<Instance>,
    /// Where the stand-in for the engine listens, as `DOCKER_HOST` says it.
    pub(crate) engine: String,
    defaults: [u16; 8],
    seed: u64,
    end: OnceLock<Instant>,
    over: AtomicBool,
    problems: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<String, usize>>,
}

impl World {
    /// Makes the folders, and settles those of the bystanders.
    pub(crate) fn new(seed: u64) -> Self {
        let sandbox = Sandbox::new();
        // Docker of this machine is none of the test's business: this one runs nothing, and says so.
        let socket = sandbox.path("engine");
        StandIn::start(&sandbox.path("bin/docker"), &socket).networks(&["10.224.0.0/18"]);

        let slots = (0..SLOTS).map(|n| Slot { dir: sandbox.dir(format!("slot-{n:02}")), hands: Mutex::default() });
        let mut world = Self {
            slots: slots.collect(),
            bystanders: Vec::new(),
            defaults: free_ports(),
            seed,
            end: OnceLock::new(),
            over: AtomicBool::new(false),
            problems: Mutex::default(),
            counts: Mutex::default(),
            engine: format!("unix://{}", socket.display()),
            sandbox,
        };
        let chance = &mut Rng::with_seed(seed);
        for bystander in 0..BYSTANDERS {
            let dir = world.sandbox.trusted(format!("bystander-{bystander}"), &world.toml(chance));
            world.sandbox.run(&dir, ["env"]).success();
        }
        world.bystanders = registry(&world.sandbox).instances;
        assert_eq!(world.bystanders.len(), BYSTANDERS);
        world.worktrees(chance);
        for slot in &world.slots[WORKTREES..SLOTS * 3 / 4] {
            world.sandbox.project(&slot.dir, &world.toml(chance));
        }
        world
    }

    /// A repository in the first folder, its worktrees in the next.
    fn worktrees(&self, chance: &mut Rng) {
        let main = &self.slots[0].dir;
        self.sandbox.project(main, &self.toml(chance));
        self.sandbox.git(main, ["init", "--quiet"]);
        self.sandbox.git(main, ["add", "silo.toml"]);
        self.sandbox.git(main, ["commit", "--quiet", "-m", "one"]);
        for slot in &self.slots[1..WORKTREES] {
            let name = slot.dir.file_name().expect("it has a name").to_str().expect("it is UTF-8");
            let path = slot.dir.to_str().expect("it is UTF-8");
            self.sandbox.git(main, ["worktree", "add", "--quiet", "-b", name, path]);
        }
    }

    /// A `silo.toml` with one to four ports, most of them defaults that others want too.
    pub(crate) fn toml(&self, chance: &mut Rng) -> String {
        let ports = (0..chance.usize(1..=4)).map(|n| match chance.u8(..4) {
            0 => format!("P{n} = \"random\"\n"),
            _ => format!("P{n} = {}\n", self.defaults[chance.usize(..self.defaults.len())]),
        });
        let ports: String = ports.collect();
        // The stand-in for compose reads no file.
        let network = if chance.bool() { "subnet" } else { "ports" };
        format!(
            "version = 1\n[ports]\n{ports}[hosts]\nAPP_HOST = \"${{name}}.localhost\"\n\
             [compose]\nfiles = [\"silo.toml\"]\nnetwork = \"{network}\"\n"
        )
    }

    /// The choices of one actor: the same for the same seed.
    pub(crate) fn chance(&self, actor: u64) -> Rng {
        Rng::with_seed(self.seed.wrapping_add(actor.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// From now on the time runs.
    pub(crate) fn begin(&self, time: Duration) {
        self.end.set(Instant::now() + time).expect("it begins once");
    }

    /// Whether actors are to stop.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed) || self.end.get().is_none_or(|end| Instant::now() >= *end)
    }

    /// Something that must not be; many of them end the test early.
    pub(crate) fn problem(&self, text: String) {
        let mut problems = self.problems.lock().expect("nobody panics with it in hand");
        problems.push(text);
        self.over.fetch_or(problems.len() >= TOLD, Ordering::Relaxed);
    }

    /// Notes that something happened.
    pub(crate) fn count(&self, what: &str) {
        *self.counts.lock().expect("nobody panics with it in hand").entry(what.to_owned()).or_default() += 1;
    }

    /// Says what happened, and fails where anything did that must not.
    #[expect(clippy::print_stderr, reason = "it tells what the storm was made of")]
    pub(crate) fn report(&self) {
        let counts = self.counts.lock().expect("nobody panics with it in hand");
        for (what, count) in &*counts {
            eprintln!("{count:6} {what}");
        }
        let problems = self.problems.lock().expect("nobody panics with it in hand");
        assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n----\n"));
    }

    /// Every root that is there now.
    pub(crate) fn living(&self) -> Vec<PathBuf> {
        let slots = self.slots.iter().map(|slot| slot.dir.clone());
        let bystanders = self.bystanders.iter().map(|instance| PathBuf::from(&instance.root));
        slots.chain(bystanders).filter(|dir| is_project(dir)).collect()
    }
}

/// Whether a folder is there and has its `silo.toml`.
pub(crate) fn is_project(dir: &Path) -> bool {
    dir.join("silo.toml").is_file()
}
