//! `silo agent run` is killed at moments spread over all of a run (D33): the next call finishes it, nothing is left, and what the agent had
//! committed is there.

use std::time::{Duration, Instant};

use crate::engine::until;
use crate::engine_agents::{Agents, agent};

/// How many moments are tried.
const MOMENTS: u32 = 12;

#[test]
fn engine_a_silo_that_is_killed_anywhere_loses_no_commit_and_leaves_nothing() {
    let line = "echo two >> file; git -c user.name=a -c user.email=a@example.com commit -qam done; echo x > /findings/a; echo committed";
    let agents = Agents::new(&agent("scout", line, ""));
    let start = Instant::now();
    agents.silo(&["agent", "run", "scout", "--as", "whole"]).success();
    let whole = start.elapsed().min(Duration::from_secs(20));
    let mut finished = 0;
    for moment in 1..=MOMENTS {
        let id = format!("cut-{moment}");
        let mut silo = agents.spawn(&["scout", "--as", &id]);
        std::thread::sleep(whole * moment / (MOMENTS + 1));
        let _ = silo.kill();
        silo.wait().expect("it ran");
        // The container ends with its silo; whether it had come to its commit is in its log.
        let container = format!("silo-agent-{id}");
        let state = || agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", &container]).stdout;
        until("the agent ends with its silo", || !matches!(state().trim(), "running" | "restarting"));
        let was_there = !state().trim().is_empty();
        let has_committed = agents.engine.docker(&["logs", &container]).stdout.contains("committed");
        agents.silo(&["agent", "list"]).success();
        let record = agents.record(&id);
        if record.is_some() && (has_committed || !was_there) {
            let file = agents.git(&["show", &format!("agent/{id}:file")]);
            assert_eq!((moment, file.stdout.as_str()), (moment, "one\ntwo\n"), "{}", file.stderr);
            assert!(agents.findings(&id).join("a").exists(), "moment {moment}");
            finished += 1;
        }
        if let Some(record) = record {
            assert_eq!(record["state"], "ended", "moment {moment}");
            let folder = std::path::PathBuf::from(record["folder"].as_str().expect("a folder"));
            assert!(!folder.join("work").exists() && !folder.join("wall.json").exists(), "moment {moment}");
        }
        // An engine that was still making a container has it a moment later; the next call takes it away.
        until("nothing is left", || {
            agents.silo(&["agent", "list"]).success();
            agents.left().trim().is_empty()
        });
    }
    assert!(finished > 0, "some were killed after the commit");
}
