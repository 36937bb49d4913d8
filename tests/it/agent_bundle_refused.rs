//! `silo-proxy bundle` where nothing can be bundled, and where there is much.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::agent_bundle::{PROXY, Stage, pipe};

#[test]
fn what_cannot_be_done_is_said_in_a_line_of_json() {
    let stage = Stage::new();
    let refused = |stage: &Stage, more: &[&str], code: i32, reason: &str| {
        let ran = stage.bundle(more).exit(code);
        let told: Value = serde_json::from_str(&ran.stdout).expect("it is JSON");
        assert_eq!(told["reason"], reason, "{told}");
        assert!(told["error"].as_str().is_some_and(|text| !text.is_empty()), "{told}");
        assert!(!stage.sandbox.path("out").exists() && !stage.sandbox.path("out.git").exists());
    };
    stage.bundle(&["--base", "HEAD"]).exit(2).stderr_has("it needs `--base`");
    stage.bundle(&["--branch", "../x"]).exit(2).stderr_has("it needs `--branch`");
    // Objects that are said to lie behind a pipe are waited for without end.
    let info = stage.path(".git/objects/info");
    fs::create_dir_all(&info).expect("made");
    pipe(&info.join("alternates"));
    refused(&stage, &["--deadline", "1"], 124, "time");
    fs::remove_file(info.join("alternates")).expect("it is there");
    let mut chance = 88_172_645_463_325_252_u64;
    let noise = std::iter::repeat_with(|| {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        chance.to_le_bytes()
    });
    fs::write(stage.path("a"), noise.take(250_000).flatten().collect::<Vec<u8>>()).expect("written");
    stage.commit("large");
    refused(&stage, &["--limit", "100000"], 122, "too_large");
    let path = stage.sandbox.dir("agent");
    fs::rename(&path, stage.sandbox.dir("moved")).expect("moved");
    refused(&stage, &[], 1, "gone");
    symlink(stage.sandbox.dir("host"), &path).expect("made");
    refused(&stage, &[], 1, "gone");
    let mut command = stage.sandbox.command(PROXY, "");
    command.args(["bundle", "--repository", "/a", "--out", "/b", "--branch", "agent/a", "--base", &stage.base]);
    command.env("PATH", "/nowhere");
    let ran = stage.sandbox.finish(command).exit(123);
    assert!(ran.stdout.contains("\"reason\":\"no_git\""), "{ran:#?}");
}

#[test]
fn many_files_come_out_in_bounded_time() {
    let stage = Stage::new();
    for folder in 0..20 {
        fs::create_dir(stage.path(&format!("d{folder}"))).expect("made");
        for file in 0..500 {
            stage.write(&format!("d{folder}/f{file}"), &format!("{folder} {file}\n"));
        }
    }
    assert_eq!(stage.told()["commits"], 1);
    assert_eq!(stage.fetched().len(), 10_004);
}
