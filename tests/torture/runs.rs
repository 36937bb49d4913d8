//! Runs of silo, some of them killed, and what each of them may say and end with.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use fastrand::Rng;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::folders;
use crate::sandbox::SILO;
use crate::world::World;

/// How long a run may take: silo itself gives up waiting for the registry after half of it.
const DEADLINE: Duration = Duration::from_mins(1);
/// Names that renames fight for.
const NAMES: usize = 20;
/// One of so many runs is killed.
const KILLED: u8 = 6;

/// What no run may ever say: a crash, or a file that only silo writes found otherwise than silo writes it.
pub(crate) const NEVER: [&str; 8] = [
    "panicked",
    "RUST_BACKTRACE",
    "Cannot read the registry",
    "The registry was gone",
    "Cannot read the lockfile",
    "its digest does not fit",
    "not UTF-8",
    "os error",
];

/// What any run may say: its folder was moved or removed under it, or this machine was so busy that its turn never came.
const EXCUSES: [&str; 5] = [
    "No `silo.toml` in",
    "No config file at",
    "No such file or directory",
    "its folder does not exist",
    "The registry is busy",
];

/// One run.
#[derive(Debug, Clone)]
struct Run {
    line: Vec<String>,
    /// Errors that are no fault of its own, besides the excuses of all.
    allowed: &'static [&'static str],
}

/// Does one thing after the other until the time is over.
pub(crate) fn act(world: &World, chance: &mut Rng) {
    while !world.is_over() {
        match chance.u8(..40) {
            0..2 => folders::copy(world, chance),
            2..4 => folders::relocate(world, chance),
            4..6 => folders::remove(world, chance),
            6..10 => folders::recreate(world, chance),
            10..12 => folders::edit(world, chance),
            12 => folders::to_and_fro(world, chance),
            _ => run_somewhere(world, chance),
        }
    }
}

fn run_somewhere(world: &World, chance: &mut Rng) {
    let dir = folders::pick(world, chance).dir.clone();
    let run = match chance.u8(..32) {
        0..2 => run(&["compose"], &["released meanwhile", "silo.toml` is not there"]),
        2..6 => run(&["env"], &[]),
        6..8 => run(&["env", "--force"], &[]),
        8..12 => run(&["env", &format!("name-{}", chance.usize(..NAMES))], &["belongs to `"]),
        12..18 => {
            let shell = ["bash", "zsh", "fish", "json"][chance.usize(..4)];
            run(&["export", shell, "--seen", ""], &[])
        }
        18..21 => run(&["allow"], &[]),
        21 => run(&["deny"], &[]),
        22..25 => run(&["prune", "--yes"], &[]),
        25..27 => run(&["list", "--json"], &[]),
        27 => run(&["down", "--clean"], &["No lockfile found. Nothing to stop."]),
        _ => {
            let bystander = &world.bystanders[chance.usize(..world.bystanders.len())];
            let calm = [&["env"][..], &["export", "bash", "--seen", ""], &["allow"], &["status"]];
            let run = run(calm[chance.usize(..calm.len())], &[]);
            return carry_out(world, chance, bystander.root.as_ref(), &run);
        }
    };
    carry_out(world, chance, &dir, &run);
}

fn run(words: &[&str], allowed: &'static [&'static str]) -> Run {
    Run { line: words.iter().map(|word| (*word).to_owned()).collect(), allowed }
}

fn carry_out(world: &World, chance: &mut Rng, dir: &Path, run: &Run) {
    let mut silo = world.sandbox.command(SILO, dir);
    silo.args(&run.line).env("DOCKER_HOST", &world.engine);
    let killed = chance.u8(..KILLED) == 0;
    // A run takes a few milliseconds, or much longer when it waits for its turn.
    let moment = Duration::from_micros(1 << chance.u32(8..20));
    let Some(child) = start(silo) else { return };
    if killed {
        std::thread::sleep(moment);
        return kill_run(world, child);
    }
    let output = finish(world, child, run);
    judge(world, dir, run, &output);
}

/// Starts a run; none where its folder is gone.
fn start(mut silo: Command) -> Option<Child> {
    match silo.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => Some(child),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => None,
        Err(error) => panic!("cannot start silo: {error}"),
    }
}

fn kill_run(world: &World, mut child: Child) {
    let ended = child.try_wait().expect("it is ours").is_some();
    child.kill().expect("it can be killed, or has ended and not been waited for");
    let output = child.wait_with_output().expect("its pipes are readable");
    world.count(if ended { "runs that had ended before their kill" } else { "runs killed" });
    never(world, "a killed run", &output);
}

/// Waits for a run, in a thread of its own so that two hundred who wait cost nothing.
fn finish(world: &World, child: Child, run: &Run) -> Output {
    let pid = Pid::from_raw(i32::try_from(child.id()).expect("a pid is a pid_t"));
    let (send, receive) = mpsc::channel();
    std::thread::spawn(move || send.send(child.wait_with_output()));
    let output = receive.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        world.problem(format!("`{}` did not end within {DEADLINE:?}", run.line.join(" ")));
        kill(pid, Signal::SIGKILL).expect("it still runs");
        receive.recv().expect("now it ends")
    });
    output.expect("its pipes are readable")
}

fn judge(world: &World, dir: &Path, run: &Run, output: &Output) {
    let (told, code) = (String::from_utf8_lossy(&output.stderr), output.status.code());
    never(world, &run.line.join(" "), output);
    let export = run.line[0] == "export";
    let fine = match code {
        Some(0) => true,
        // `export json` of what nobody trusts.
        Some(3) => run.line[..2] == ["export", "json"],
        Some(1) => !export && EXCUSES.iter().chain(run.allowed).any(|known| told.contains(known)),
        _ => false,
    };
    if !fine {
        let answer = String::from_utf8_lossy(&output.stdout);
        world.problem(format!("`{}` in {} ended with {code:?}:\n{told}{answer}", run.line.join(" "), dir.display()));
    }
    if run.line[0] == "list" && code == Some(0) {
        let listed = serde_json::from_slice::<Vec<Value>>(&output.stdout);
        listed.map_or_else(|error| world.problem(format!("`list --json` is no JSON: {error}")), |_| ());
    }
    world.count(&format!("silo {} {}: {}", run.line[0], code.unwrap_or(-1), first_error(&told)));
}

/// What no run may say.
fn never(world: &World, line: &str, output: &Output) {
    let told = String::from_utf8_lossy(&output.stderr);
    if let Some(word) = NEVER.iter().find(|word| told.contains(**word)) {
        world.problem(format!("`{line}` says {word:?}:\n{told}"));
    }
}

/// The kind of an error: its first line without what stands in backticks.
fn first_error(told: &str) -> String {
    let line = told.lines().find_map(|line| line.strip_prefix("Error: ")).unwrap_or_default();
    let line = line.split(", held by process").next().unwrap_or_default();
    line.split('`').step_by(2).collect::<Vec<_>>().join("…")
}
