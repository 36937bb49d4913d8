//! A gate's tool runs once what it needs is ready, or once it is clear that it will not be.

use std::fs;

use crate::lifecycle_up::{Stage, wait_until};
use crate::sandbox::program;

/// A trusted project in which `psql` needs Tilt.
fn stage() -> Stage {
    let stage = Stage::new("[gates]\npsql = \"tilt\"\n");
    stage.tools.set("tilt.up.listen", "");
    program(&stage.sandbox.path("bin/psql"), "#!/bin/sh\necho real psql >>../../fakes/calls\n");
    stage.run("allow").success();
    stage
}

/// How often psql itself has run.
fn ran(stage: &Stage) -> usize {
    stage.tools.calls().iter().filter(|call| *call == "real psql").count()
}

fn asked(stage: &Stage) -> usize {
    stage.tools.calls().iter().filter(|call| *call == "tilt get uiresources -o json").count()
}

#[test]
fn a_tool_runs_when_what_it_needs_is_ready() {
    let stage = stage();
    stage.tools.set("tilt.resources", "(Tiltfile) not_applicable ok\ndb pending in_progress\n");
    let psql = stage.beside("exec -- psql");
    wait_until("look at the resources", || asked(&stage) > 3);
    // Another call comes while the first one waits.
    let second = stage.beside("exec -- psql");
    wait_until("line of the second", || second.told().contains("Waiting until Tilt is ready\n"));
    assert_eq!(ran(&stage), 0, "{:#?}", stage.tools.calls());
    stage.tools.set("tilt.resources", "(Tiltfile) not_applicable ok\ndb ok ok\n");
    for psql in [psql, second] {
        let (code, told) = psql.end();
        assert_eq!(code, Some(0), "{told}");
    }
    assert_eq!(ran(&stage), 2);
    // Once it was ready, the tool is called at once.
    stage.tools.set("tilt.resources", "(Tiltfile) not_applicable ok\ndb error ok\n");
    stage.skip_story();
    stage.run("exec -- psql").success().stderr("");
    assert_eq!(stage.tools.calls(), ["real psql"]);
    stage.run("down").success();
}

#[test]
fn what_will_not_be_ready_is_told_and_the_tool_runs_all_the_same() {
    let stage = stage();
    stage.tools.set("tilt.resources", "(Tiltfile) not_applicable ok\nseed not_applicable error\ndb ok ok\n");
    let told = "Warning: It failed and no longer runs: seed (runtime not_applicable, update error); `psql` runs anyway\n\
                Hint: See why: `silo logs seed`; after an edit of what it is made from Tilt tries again\n";
    stage.run("exec -- psql").success().stderr_has(told);
    assert_eq!(ran(&stage), 1);
    stage.run("exec -- psql").success().stderr("");
    stage.run("down").success();
}

#[test]
fn a_call_while_another_brings_all_up_waits_for_it() {
    let stage = Stage::new("[gates]\npsql = \"tilt\"\n[hooks]\npre-up = [\"echo hook >>../../fakes/calls; cat go\"]\n");
    stage.tools.set("tilt.up.listen", "");
    program(&stage.sandbox.path("bin/psql"), "#!/bin/sh\necho real psql >>../../fakes/calls\n");
    stage.run("allow").success();
    let fifo = stage.app.join("go");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("the project is writable");
    let first = stage.beside("exec -- psql");
    stage.tools.wait_for("hook");
    let second = stage.beside("exec -- psql");
    wait_until("line of the second", || second.told().contains("Waiting for the `silo up` that is on the way\n"));
    fs::write(&fifo, "").expect("somebody reads it");
    for psql in [first, second] {
        let (code, told) = psql.end();
        assert_eq!(code, Some(0), "{told}");
    }
    assert_eq!(ran(&stage), 2);
    assert_eq!(stage.tools.calls().iter().filter(|call| *call == "tilt up").count(), 1);
    stage.run("down").success();
}

#[cfg(target_os = "linux")]
#[test]
fn what_tilt_itself_runs_does_not_wait_for_tilt() {
    let stage = stage();
    // Started inside, its resources meet the gates of the shell.
    let tilt = "#!/bin/sh\ncase $1 in get) exit 1 ;; esac\npsql\n";
    fs::remove_file(stage.sandbox.path("bin/tilt")).expect("it is there");
    program(&stage.sandbox.path("bin/tilt"), tilt);
    stage.run("env").success();
    stage.run("exec -- tilt up").success().stderr("");
    assert_eq!(ran(&stage), 1);
}
