//! `silo cd`: to a workspace, in this very shell.

use crate::pty::{Session, Shell, each_shell};
use crate::workspaces::Repository;

each_shell!(it_goes_to_the_workspace_and_what_is_wrong_is_told);

fn it_goes_to_the_workspace_and_what_is_wrong_is_told(shell: Shell) {
    let repository = Repository::new();
    let sandbox = &repository.sandbox;
    repository.silo("new it's/x").success();
    let folder = sandbox.dir("app.it-s-x");
    let mut session = Session::start(sandbox, shell, "app");
    session.run(":").assert_active(sandbox, &repository.main);
    let unknown = session.run("silo cd nowhere");
    assert!(unknown.told.contains("silo made no workspace called `nowhere`"), "{unknown:?}");
    assert!(shell == Shell::ELVISH || unknown.status != "0", "{unknown:?}");
    unknown.assert_active(sandbox, &repository.main);
    let line = r#"silo cd "it's/x""#;
    if shell == Shell::TCSH {
        // It has no functions, and says what to type.
        let told = session.run(line);
        assert!(told.told.contains(&format!("cd {}", folder.display())), "{told:?}");
        return;
    }
    let there = session.run(line);
    there.assert_active(sandbox, &folder);
    assert!(shell == Shell::ELVISH || there.status == "0", "{there:?}");
    // Everything else of it is the program's.
    let help = session.run("silo cd --help");
    assert!(help.told.contains("Go to a workspace") || help.status == "0", "{help:?}");
    help.assert_active(sandbox, &folder);
}
