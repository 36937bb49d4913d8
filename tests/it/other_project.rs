//! An environment that came from another project: an editor started in one, a shell without the hook in the other.

use std::path::Path;

use crate::fleet_doctor::Clinic;
use crate::sandbox::{Ran, Sandbox};

const RANDOM: &str = "version = 1\n[ports]\nA = 0\n";

/// What a command says in a shell of `b` that has the variables of `a`.
fn from_a(sandbox: &Sandbox, folder: &str, command: &str) -> Ran {
    sandbox.run("a", ["exec", "--", "sh", "-c", &format!("cd {folder} && {command}")])
}

fn told(root: &Path) -> String {
    let root = root.display();
    format!(
        "Warning: The variables in this shell are those of `{root}`: programs started here have its ports; `silo exec -- COMMAND` \
         has this folder's\n"
    )
}

#[test]
fn variables_of_another_project_are_told_first() {
    let sandbox = Sandbox::new();
    let [a, b] = ["a", "b"].map(|name| sandbox.trusted(name, RANDOM));
    let inner = sandbox.trusted("a/inner", RANDOM);
    sandbox.run(&a, ["env"]).success();
    std::fs::create_dir_all(b.join("sub")).expect("the sandbox is writable");
    let told = told(Path::new("$SANDBOX/projects/a"));
    // Also before there is an instance, and where there is no project.
    for folder in ["../b", "../b/sub", "inner"] {
        for command in ["silo status", "silo status --json", "silo diff"] {
            let ran = from_a(&sandbox, folder, command).success();
            assert!(ran.stderr.starts_with(&told), "{folder} {command}: {ran:#?}");
        }
    }
    assert!(from_a(&sandbox, "..", "silo status").exit(1).stderr.starts_with(&told));
    for root in [&b, &inner] {
        sandbox.run(root, ["env"]).success();
    }
    for folder in ["../b", "../b/sub", "inner"] {
        let ran = from_a(&sandbox, folder, "silo status --json").success();
        assert!(ran.stderr.starts_with(&told) && ran.stdout.contains("\"activeHere\": false"), "{ran:#?}");
        assert!(ran.stdout.contains("\"activeRoot\": \"$SANDBOX/projects/a\""), "{ran:#?}");
        assert!(from_a(&sandbox, folder, "silo diff").success().stderr.starts_with(&told));
        from_a(&sandbox, folder, "silo require").exit(4).stderr_has("The active instance belongs to `");
    }
    // Its own, and one that is named from elsewhere.
    for (folder, command) in
        [(".", "silo status"), (".", "silo diff"), (".", "silo status -C ../b"), ("../b", "silo exec -- silo status")]
    {
        assert!(!from_a(&sandbox, folder, command).success().stderr.contains("are those of"), "{folder} {command}");
    }
    sandbox.run(&b, ["status"]).success().stderr("");
}

#[test]
fn variables_of_another_project_are_found_first() {
    let clinic = Clinic::new();
    let [a, b] = ["a", "b"].map(|name| clinic.project(name));
    let elsewhere = [("SILO_ACTIVE", "1"), ("SILO_ROOT", a.to_str().expect("it is UTF-8"))];
    let ran = clinic.doctor_with(&b, &[], &elsewhere).exit(1);
    assert!(
        ran.stdout.starts_with("Problem [shell-elsewhere]: The variables in this shell are those of `"),
        "{ran:#?}"
    );
    assert!(!clinic.doctor_with(&a, &[], &elsewhere).stdout.contains("shell-elsewhere"));
    assert!(!clinic.doctor_with(&a, &["-C", "../b"], &elsewhere).stdout.contains("shell-elsewhere"));
    assert!(clinic.doctor_with("", &[], &elsewhere).stdout.starts_with("Problem [shell-elsewhere]"));
}
