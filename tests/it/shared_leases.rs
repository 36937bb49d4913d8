//! The port of a service that is one for all instances of a repository is one lease, which each of them holds (D28).

use crate::sandbox::{Sandbox, free_ports};

fn toml(port: u16, share: &str) -> String {
    format!(
        "version = 1\n[compose]\n{share}\n[compose.ports]\nSEARCH_PORT = \"{port}:search:9200\"\nDB_PORT = \"db:5432\"\n"
    )
}

#[test]
fn worktrees_have_one_number_and_another_repository_another() {
    let sandbox = Sandbox::new();
    let [port, moved] = free_ports();
    let share = "share = [\"search\"]";
    let root = sandbox.project("one", &toml(port, share));
    sandbox.git(&root, ["init", "--quiet"]);
    sandbox.git(&root, ["add", "."]);
    sandbox.git(&root, ["commit", "--quiet", "--message", "first"]);
    sandbox.git(&root, ["worktree", "add", "--quiet", "../two"]);
    sandbox.project("stranger", &toml(port, share));
    let ports = |dir: &str| {
        sandbox.run(dir, ["env"]).success();
        let ports = sandbox.lockfile_ports(dir);
        (ports["SEARCH_PORT"], ports["DB_PORT"])
    };
    let (one, two, stranger) = (ports("one"), ports("two"), ports("stranger"));
    assert_eq!((one.0, two.0), (port, port));
    assert_ne!(one.1, two.1, "what is each one's own is");
    assert_ne!(stranger.0, port, "a copy of the files without the repository is another");
    let told = sandbox.run("one", ["doctor", "--json"]).stdout;
    assert!(!told.contains("port-twice"), "{told}");

    // The one that was made first has the word.
    sandbox.run("two", ["env", "--move", "SEARCH_PORT"]).success();
    assert_eq!((ports("one").0, ports("two").0), (port, port), "the second follows it again");
    sandbox.run("one", ["env", "--move", "SEARCH_PORT"]).success();
    let now = ports("one").0;
    assert_ne!(now, port);
    assert_eq!(ports("two").0, now);

    // No more shared, each has its own again.
    sandbox.project("one", &toml(moved, ""));
    assert_eq!(ports("one").0, moved);
}
