//! Shells with the hook, on terminals, that walk from folder to folder.

use std::time::Duration;

use fastrand::Rng;

use crate::folders;
use crate::pty::{Observed, Session, Shell};
use crate::runs::NEVER;
use crate::world::World;

/// As many of each kind.
pub(crate) fn start(world: &World, shells: u64) -> Vec<Session> {
    let kinds = [Shell::BASH, Shell::ZSH, Shell::FISH].into_iter().cycle();
    (0..shells).zip(kinds).map(|(_, shell)| Session::start(&world.sandbox, shell, world.sandbox.path("home"))).collect()
}

/// Goes here and there until the time is over.
pub(crate) fn wander(world: &World, session: &mut Session, chance: &mut Rng) {
    while !world.is_over() {
        let slot = &folders::pick(world, chance).dir;
        let bystander = &world.bystanders[chance.usize(..world.bystanders.len())].root;
        let line = match chance.u8(..8) {
            0..5 => format!("cd '{}' 2>/dev/null", slot.display()),
            5 => format!("cd '{bystander}'"),
            6 => "cd".to_owned(),
            _ => "true".to_owned(),
        };
        look(world, &line, &session.run(&line));
        world.count("lines typed");
        // Nobody types without a pause, and the machine is to be left to the others too.
        std::thread::sleep(Duration::from_millis(chance.u64(..400)));
    }
}

/// What a shell shows after any line: all of an instance or nothing of it, and no word of a crash or damage.
fn look(world: &World, line: &str, seen: &Observed) {
    if let Some(word) = NEVER.iter().find(|word| seen.told.contains(**word)) {
        world.problem(format!("after `{line}` a shell is told {word:?}: {}", seen.told));
    }
    let all = ["SILO_ACTIVE", "SILO_ROOT", "SILO_ENV_FILE", "SILO_WORKSPACE", "WORKSPACE_NAME", "COMPOSE_PROJECT_NAME"];
    let there = all.iter().filter(|name| seen.var(name).is_some()).count();
    if there != 0 && there != all.len() {
        world.problem(format!("after `{line}` a shell has half an instance: {:?}", seen.environment()));
    }
    let host = seen.var("APP_HOST").map(str::to_owned);
    if let (Some(name), Some(host)) = (seen.var("SILO_WORKSPACE"), host)
        && host != format!("{name}.localhost")
    {
        world.problem(format!("after `{line}` a shell has {host} of another than {name}"));
    }
    if there != 0 {
        world.count("lines that ended inside an instance");
    }
}

/// Every shell still does what it should: in a bystander's folder that instance holds, outside none.
pub(crate) fn assert_sane(world: &World, sessions: &mut [Session]) {
    for (session, bystander) in sessions.iter_mut().zip(world.bystanders.iter().cycle()) {
        session.run("cd").assert_inactive();
        let dir = bystander.root.as_ref();
        session.run(&format!("cd '{}'", bystander.root)).assert_active(&world.sandbox, dir);
        session.run("cd").assert_inactive();
    }
}
