//! `silo agent run T` from a template on a real engine (D32): one template runs several times at once, is never written to, and may be gone
//! before a run ends.

use std::fs;
use std::path::PathBuf;
use std::process::Child;

use crate::engine::until;
use crate::engine_agents::Agents;

/// What the agent of the template does: it shows what was filled, works in its clone, and leaves a finding.
const MAIN: &str = "#!/bin/sh
echo \"image ${SILO_TASK}\"
cat /prompt/text
echo \"$MODE $TASK\"
ls -ld /prompt | cut -c1-10
echo \"$TASK\" >> file
git -c user.name=a -c user.email=a@example.com commit -qam done
echo \"$TASK\" > /findings/found
case \"$TASK\" in *stay*) echo up; while :; do sleep 1; done;; esac
";

const TOML: &str = "version = 1
[agents.universal]
build = 'image'
command = ['sh', '/main']
memory = '64m'
disk = '64m'
mounts = ['prompt:/prompt']
env = { TASK = '${SILO_TASK}', MODE = '${MODE}' }
[workspace]
render = ['image/*', 'prompt/*']
";

/// A project without agents, and the template `universal`.
fn universal() -> (Agents, PathBuf) {
    let agents = Agents::new("[ports]\nWEB_PORT = 3000\n[env]\nMODE = 'calm'\n");
    let folder = agents.engine.sandbox.path("config/silo/templates/universal");
    for (name, text) in [
        ("silo.toml", TOML),
        ("image/Dockerfile", "FROM silo-test-agent\n# ${SILO_TASK}\nCOPY main /main\n"),
        ("image/main", MAIN),
        ("prompt/text", "${SILO_AGENT_ID} in ${WORKSPACE_NAME}: ${SILO_TASK}, ${LLM_GATEWAY_KEY}, ${UNKNOWN}\n"),
    ] {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
        fs::write(path, text).expect("it is ours");
    }
    (agents, folder)
}

fn said(silo: Child) -> String {
    let ended = silo.wait_with_output().expect("it ran");
    assert_eq!(ended.status.code(), Some(0), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8_lossy(&ended.stdout).into_owned()
}

#[test]
fn engine_one_template_is_several_agents_at_once_each_with_a_task_of_its_own() {
    let (agents, folder) = universal();
    let before = fs::read(folder.join("prompt/text")).expect("it is ours");
    let name = agents.silo(&["get", "WORKSPACE_NAME"]).success().stdout.trim().to_owned();
    let all = [("template-1", "look"), ("template-2", "try"), ("template-3", "wait")];
    let started: Vec<_> =
        all.map(|(id, task)| (id, task, agents.spawn(&["universal", task, "--as", id]))).into_iter().collect();
    for (id, task, silo) in started {
        let expected = format!(
            "image {task}\n{id} in {name}: {task}, ${{LLM_GATEWAY_KEY}}, ${{UNKNOWN}}\ncalm {task}\ndrwxr-xr-x\n"
        );
        assert_eq!(said(silo), expected);
    }
    assert_eq!(fs::read(folder.join("prompt/text")).expect("it is ours"), before, "the template is as it was");
    // What is left needs no template.
    fs::remove_dir_all(&folder).expect("it is ours");
    for (id, task) in all {
        let record = agents.record(id).expect("it is recorded");
        assert_eq!((record["agent"].as_str(), record["state"].as_str()), (Some("universal"), Some("ended")));
        assert_eq!(record["template"].as_str().map(PathBuf::from), Some(folder.clone()));
        assert!(!PathBuf::from(record["folder"].as_str().expect("a folder")).join("work").exists());
        assert_eq!(agents.git(&["show", &format!("agent/{id}:file")]).success().stdout, format!("one\n{task}\n"));
        agents.silo(&["agent", "logs", id]).success().stdout_has(&format!("calm {task}\n"));
        agents.silo(&["agent", "findings", id]).success().stdout_has("found");
        agents.silo(&["agent", "rm", "--force", id]).success();
    }
    assert_eq!(agents.left(), "");
}

#[test]
fn engine_a_run_that_was_cut_off_comes_home_though_its_template_is_gone() {
    let (agents, folder) = universal();
    let mut silo = agents.spawn(&["universal", "stay", "--as", "template-cut"]);
    until("the agent is up", || agents.engine.docker(&["logs", "silo-agent-template-cut"]).stdout.ends_with("up\n"));
    silo.kill().expect("it runs");
    silo.wait().expect("it ran");
    fs::remove_dir_all(&folder).expect("it is ours");
    let state =
        || agents.engine.docker(&["inspect", "--format", "{{.State.Status}}", "silo-agent-template-cut"]).stdout;
    until("the agent ends with its silo", || state().trim() == "exited");
    agents.silo(&["agent", "list"]).success();
    assert_eq!(agents.git(&["show", "agent/template-cut:file"]).success().stdout, "one\nstay\n");
    assert!(agents.findings("template-cut").join("found").exists());
    assert_eq!(agents.left(), "");
    let record = agents.record("template-cut").expect("it is recorded");
    assert!(!PathBuf::from(record["folder"].as_str().expect("a folder")).join("work").exists());
}

#[test]
fn engine_a_task_is_no_instruction_of_a_dockerfile() {
    let agents = Agents::new("[ports]\nWEB_PORT = 3000\n");
    let folder = agents.engine.sandbox.path("config/silo/templates/plain");
    fs::create_dir_all(folder.join("image")).expect("it is ours");
    let toml = "version = 1\n[agents.plain]\nbuild = 'image'\ncommand = ['cat', '/said']\nrepository = false\n[workspace]\nrender = ['**']\n";
    fs::write(folder.join("silo.toml"), toml).expect("it is ours");
    let dockerfile = "FROM silo-test-agent\n# ${SILO_TASK}\nCOPY said /said\n";
    fs::write(folder.join("image/Dockerfile"), dockerfile).expect("it is ours");
    fs::write(folder.join("image/said"), "for ${SILO_TASK}\n").expect("it is ours");
    let ran = agents.silo(&["agent", "run", "plain", "x\nRUN false", "--as", "template-4"]).success();
    assert_eq!(ran.stdout, "for x\nRUN false\n");
}
