//! The older TypeScript silo's lockfiles: read, kept, and not rewritten without need (D1, D10).

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::machine::{assert_agreed, env_file, registry, value_in};
use crate::sandbox::{Sandbox, free_ports};

/// A project with k3d and the lockfile the older silo wrote for it: the image registry with its port, keys of its own.
fn older(sandbox: &Sandbox, [web, image]: [u16; 2]) -> PathBuf {
    let app = sandbox.project(
        "app",
        &format!(
            "version = 1\n[ports]\nWEB_PORT = {web}\nK3D_REGISTRY_PORT = {image}\n[k3d]\nenabled = true\n[k3d.registry]\nenabled = true\n"
        )
    );
    let home = sandbox.path("home").display().to_string();
    let text = format!(
        r#"{{
  "version": 1,
  "generatedAt": "2024-01-15T10:30:00.000Z",
  "instance": {{
    "name": "feature-x",
    "ports": {{
      "WEB_PORT": {web},
      "K3D_REGISTRY_PORT": {image}
    }},
    "identity": {{
      "name": "feature-x",
      "prefix": "localnet",
      "composeName": "localnet-feature-x",
      "dockerNetwork": "localnet-feature-x",
      "volumePrefix": "localnet-feature-x",
      "containerPrefix": "localnet-feature-x-",
      "hosts": {{
        "APP_HOST": "feature-x.localhost",
        "TILT_HOST": "feature-x.localhost"
      }},
      "k3dClusterName": "localnet-feature-x",
      "k3dRegistryName": "localnet-feature-x-registry.localhost:{image}",
      "kubeconfigPath": "{home}/.kube/localnet-feature-x"
    }},
    "createdAt": "2024-01-15T10:30:00.000Z",
    "k3dClusterCreated": true,
    "tiltPid": 12345,
    "note": {{ "kept": [1, 2.5, null] }}
  }},
  "tool": "silo-ts"
}}"#
    );
    fs::write(app.join(".silo.lock"), text).expect("the project is writable");
    app
}

#[test]
fn a_lockfile_of_the_older_silo_is_taken_as_it_is() {
    let sandbox = Sandbox::new();
    let [web, image] = free_ports();
    let app = older(&sandbox, [web, image]);
    let before = fs::read(app.join(".silo.lock")).expect("it was written");
    let took = "Took over `feature-x` from `.silo.lock`, which the registry did not know (`silo doc migration`)\n";
    sandbox.run(&app, ["env"]).success().stderr(&format!("{took}Writing `.localnet.env`\n"));
    assert_eq!(fs::read(app.join(".silo.lock")).expect("it is there"), before);
    assert_agreed(&sandbox, &app);
    let text = env_file(&app);
    let name = format!("localnet-feature-x-registry.localhost:{image}");
    assert_eq!(value_in(&text, "K3D_REGISTRY_NAME"), Some(name.as_str()));
    sandbox.run(&app, ["env"]).success().stderr("");
    assert_eq!(registry(&sandbox).instances[0].name, "feature-x");
}

#[test]
fn keys_this_silo_does_not_know_survive_a_rewrite_in_their_place() {
    let sandbox = Sandbox::new();
    let app = older(&sandbox, free_ports());
    let before = sandbox.lockfile(&app);
    let told = sandbox.run(&app, ["env", "other", "--rename"]).success().stderr;
    assert!(told.ends_with("Writing `.localnet.env`\nWriting `.silo.lock`\n"), "{told}");
    let after = sandbox.lockfile(&app);
    for pointer in ["/tool", "/instance/note", "/instance/tiltPid", "/instance/createdAt"] {
        assert_eq!(after.pointer(pointer), before.pointer(pointer), "{pointer}");
    }
    assert_eq!(after["instance"]["name"], "other");
    assert_eq!(after["instance"]["k3dClusterCreated"], false, "the cluster that was made has the old name");
    assert_eq!(after["instance"]["identity"]["k3dRegistryName"], "localnet-other-registry.localhost");
    let keys = |value: &Value| value.as_object().expect("an object").keys().cloned().collect::<Vec<_>>();
    let mut sorted = (keys(&before["instance"]), keys(&after["instance"]));
    sorted.0.sort();
    sorted.1.sort();
    assert_eq!(sorted.0, sorted.1);
}

#[test]
fn the_example_of_the_spec_is_a_lockfile() {
    let sandbox = Sandbox::new();
    let app = sandbox.project("app", "version = 1\n[ports]\nA = 0\n[profiles.testnet-local]\n");
    let example = r#"{ "version": 1, "generatedAt": "2024-01-15T10:30:00Z",
        "instance": { "name": "feature-x", "profile": "testnet-local", "ports": {},
        "identity": { "name": "feature-x", "prefix": "localnet" }, "createdAt": "2024-01-15T10:30:00Z",
        "k3dClusterCreated": true } }"#;
    fs::write(app.join(".silo.lock"), example).expect("the project is writable");
    let status = sandbox.run(&app, ["status"]).success();
    assert!(status.stdout.starts_with("Instance: feature-x\nProfile: testnet-local\n"), "{status:?}");
    sandbox.run(&app, ["env"]).success();
    assert_eq!(sandbox.lockfile(&app)["instance"]["createdAt"], "2024-01-15T10:30:00Z");
    assert_agreed(&sandbox, &app);
}

#[test]
fn status_and_version_say_what_scripts_read_as_the_older_silo_did() {
    let sandbox = Sandbox::new();
    let [web, image] = free_ports();
    let app = older(&sandbox, [web, image]);
    let status = sandbox.run(&app, ["status"]).success().stdout;
    let lines: Vec<&str> = status.lines().collect();
    let registry = format!("Registry: localnet-feature-x-registry.localhost:{image}");
    let kubeconfig = "Kubeconfig: $SANDBOX/home/.kube/localnet-feature-x";
    let ports = [format!("  WEB_PORT: {web}"), format!("  K3D_REGISTRY_PORT: {image}")];
    for line in ["Instance: feature-x", "State: stopped", "Tilt: not running", &registry, kubeconfig, "Ports:"] {
        assert!(lines.contains(&line), "{line}\n{status}");
    }
    assert!(ports.iter().all(|port| lines.contains(&port.as_str())), "{status}");
    assert!(status.contains("\nk3d: localnet-feature-x ("), "{status}");
    let version = sandbox.run(&app, ["version"]).success().stdout;
    assert_eq!(version, concat!("silo v", env!("CARGO_PKG_VERSION"), "\n"));
}
