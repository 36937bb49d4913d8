//! Two clones of the example up at once: nothing of one is the other's.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::example::usual_ports;
use crate::sandbox::Sandbox;
use crate::tools::{ALL, Tools};

/// Copies the example, hooks and extension included.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("the sandbox is writable");
    for entry in fs::read_dir(from).expect("the example is there").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).expect("the sandbox is writable");
        }
    }
}

#[test]
fn two_instances_of_the_example_share_nothing() {
    let _turn = usual_ports();
    let sandbox = Sandbox::new();
    let tools = Tools::install(&sandbox, ALL);
    tools.set("tilt.up.listen", "");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("example");
    let clones: [PathBuf; 2] = ["one", "two"].map(|name| sandbox.dir(name));
    for clone in &clones {
        copy(&example, clone);
        for left in [".silo.lock", ".localnet.env"] {
            // A developer may have run the example in place.
            let _ = fs::remove_file(clone.join(left));
        }
        sandbox.run(clone, ["up", "-d"]).success();
        assert!(clone.join(".data/seed.txt").is_file(), "the example's own hook ran");
    }
    let status = |clone: &Path| -> Value {
        let ran = sandbox.run(clone, ["status", "--json"]).success();
        serde_json::from_str(&ran.stdout).expect("it is JSON")
    };
    let [one, two] = [status(&clones[0]), status(&clones[1])];
    for (key, at) in [("instance", "/instance"), ("cluster", "/k3d/cluster"), ("registry", "/k3d/registry")] {
        assert_ne!(one.pointer(at), two.pointer(at), "{key}");
        assert!(one.pointer(at).is_some_and(Value::is_string), "{key}: {one:#}");
    }
    assert_ne!(one["k3d"]["kubeconfig"], two["k3d"]["kubeconfig"]);
    assert_eq!((&one["state"], &two["state"]), (&Value::from("running"), &Value::from("running")));
    let ports = |status: &Value| -> BTreeSet<u64> {
        let ports = status["ports"].as_object().expect("ports are an object");
        ports.values().filter_map(Value::as_u64).collect()
    };
    let (first, second) = (ports(&one), ports(&two));
    assert_eq!((first.len(), second.len()), (8, 8), "seven declared, and the API server's");
    assert!(first.is_disjoint(&second), "{first:?} {second:?}");
    let network = |clone: &Path| {
        let text = fs::read_to_string(clone.join(".localnet.env")).expect("it was written");
        text.lines().find(|line| line.starts_with("DOCKER_NETWORK=")).map(str::to_owned)
    };
    assert_ne!(network(&clones[0]), network(&clones[1]));
    for clone in &clones {
        sandbox.run(clone, ["down", "--delete-cluster"]).success();
    }
}
