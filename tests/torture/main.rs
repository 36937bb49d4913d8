//! Two hundred shells and commands at once for a minute, in one sandbox, some of them killed: afterwards everything agrees,
//! and at no moment did it not (D1, D2, D4, D5).
//!
//! A program of its own, so that nothing else runs beside it. The seed it prints repeats every choice, though not how the
//! choices meet: `SILO_TORTURE_SEED=N`, and `SILO_TORTURE_SECONDS=N` for more or less than a minute.

#[path = "../it/drivers/mod.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the other test program uses the rest")]
mod drivers;
#[path = "../it/machine.rs"]
#[allow(dead_code, reason = "the other test program uses the rest")]
mod machine;
#[path = "../it/pty.rs"]
#[allow(dead_code, unused_imports, unused_macros, reason = "the other test program uses the rest")]
mod pty;
#[path = "../it/sandbox.rs"]
#[allow(dead_code, reason = "the other test program uses the rest")]
mod sandbox;
#[path = "../it/stand_in.rs"]
mod stand_in;
#[path = "../it/terminal.rs"]
#[allow(dead_code, reason = "the other test program uses the rest")]
mod terminal;

mod folders;
mod reader;
mod runs;
mod shells;
mod verdict;
mod world;

use std::time::Duration;

use world::World;

/// How many act at once.
const ACTORS: u64 = 200;
/// How many of them are shells on a terminal; the others are commands.
const SHELLS: u64 = 24;

/// A number from a variable, for use by hand.
fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

#[test]
#[expect(clippy::print_stderr, reason = "whoever looks at a failure needs the seed")]
fn two_hundred_shells_and_commands_at_once_leave_everything_in_agreement() {
    let seconds = Duration::from_secs(number("SILO_TORTURE_SECONDS").unwrap_or(60));
    let seed = number("SILO_TORTURE_SEED").unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SILO_TORTURE_SEED={seed}");
    let world = World::new(seed);
    let mut sessions = shells::start(&world, SHELLS);
    world.begin(seconds);
    std::thread::scope(|scope| {
        let world = &world;
        scope.spawn(|| reader::watch(world));
        for (actor, session) in (0..SHELLS).zip(&mut sessions) {
            scope.spawn(move || shells::wander(world, session, &mut world.chance(actor)));
        }
        for actor in SHELLS..ACTORS {
            scope.spawn(move || runs::act(world, &mut world.chance(actor)));
        }
    });
    verdict::look_as_shells_do(&world);
    verdict::settle(&world);
    verdict::look_for_leftovers(&world);
    world.report();
    verdict::pronounce(&world);
    shells::assert_sane(&world, &mut sessions);
}
