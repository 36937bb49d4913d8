//! Reading a folder's branch without asking git: in clones and worktrees as they are, and in those that lie in wait.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use silo::store::worktree::branch;

use crate::sandbox::Sandbox;

fn read(dir: impl AsRef<Path>) -> Option<String> {
    let dir = dir.as_ref().canonicalize().expect("it is there");
    branch(&dir, rustix::process::geteuid().as_raw())
}

fn repository(sandbox: &Sandbox, name: &str) -> PathBuf {
    let main = sandbox.project(name, "version = 1\n[ports]\nA = 0\n");
    sandbox.git(&main, ["init", "--quiet"]);
    sandbox.git(&main, ["add", "."]);
    sandbox.git(&main, ["commit", "--quiet", "--message", "first"]);
    main
}

#[test]
fn clones_and_worktrees_tell_their_branch_and_a_detached_head_none() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "app");
    fs::create_dir_all(main.join("deep/er")).expect("the project is writable");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "feature/日本", "../work"]);
    sandbox.git(&main, ["worktree", "add", "--quiet", "--detach", "../loose"]);
    assert_eq!(read(&main).as_deref(), Some("main"));
    assert_eq!(read(main.join("deep/er")).as_deref(), Some("main"));
    assert_eq!(read(sandbox.dir("work")).as_deref(), Some("feature/日本"));
    assert_eq!(read(sandbox.dir("loose")), None);
    assert_eq!(read(sandbox.path("home")), None);
    assert_eq!(branch(&main, 4_000_000), None, "it belongs to somebody else");
    sandbox.git(sandbox.dir("work"), ["switch", "--quiet", "--create", "next"]);
    assert_eq!(read(sandbox.dir("work")).as_deref(), Some("next"));
    sandbox.git(sandbox.dir("work"), ["switch", "--quiet", "--orphan", "unborn"]);
    assert_eq!(read(sandbox.dir("work")).as_deref(), Some("unborn"));
}

#[test]
fn a_repository_with_reftables_keeps_its_branch_to_itself() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "app");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "feature/login", "../work"]);
    // As such a repository has it for readers that know of no reftables; not every git can make one.
    for head in [".git/HEAD", ".git/worktrees/work/HEAD"] {
        fs::write(main.join(head), "ref: refs/heads/.invalid\n").expect("the repository is writable");
    }
    assert_eq!([read(&main), read(sandbox.dir("work"))], [None, None]);
    sandbox.run("work", ["env"]).success();
    let name = sandbox.instance("work");
    assert!(name.starts_with("app-work-") && name.len() == "app-work-a3f7".len(), "{name}");
}

#[test]
fn a_head_that_lies_in_wait_is_no_branch_and_no_trap() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "app");
    let (head, elsewhere) = (main.join(".git/HEAD"), sandbox.path("elsewhere"));
    fs::write(&elsewhere, "ref: refs/heads/elsewhere\n").expect("the sandbox is writable");
    let texts: [&[u8]; 7] = [
        b"ref: refs/heads/a\x1b[2Jb\n",
        b"ref: refs/heads/a\nforged\n",
        b"ref: refs/heads/\xff\xfe\n",
        b"ref: refs/heads/a\0b\n",
        b"ref: refs/heads/../../../etc/passwd\n",
        b"",
        &vec![b'x'; 100_000],
    ];
    for text in texts {
        fs::write(&head, text).expect("the repository is writable");
        assert_eq!(read(&main), None, "{}", text[..text.len().min(60)].escape_ascii());
    }
    fs::remove_file(&head).expect("it was written");
    symlink(&elsewhere, &head).expect("the repository is writable");
    assert_eq!(read(&main), None, "a link is somebody else's word");
    fs::remove_file(&head).expect("it was made");
    symlink("/dev/zero", &head).expect("the repository is writable");
    assert_eq!(read(&main), None);
    fs::remove_file(&head).expect("it was made");
    nix::unistd::mkfifo(&head, Mode::S_IRWXU).expect("the repository is writable");
    assert_eq!(read(&main), None);
    fs::remove_file(&head).expect("it was made");
    fs::create_dir(&head).expect("the repository is writable");
    assert_eq!(read(&main), None);
}

#[test]
fn a_worktree_whose_files_lie_in_wait_still_has_a_name() {
    let sandbox = Sandbox::new();
    let main = repository(&sandbox, "app");
    sandbox.git(&main, ["worktree", "add", "--quiet", "-b", "feature/login", "../work"]);
    let (work, admin) = (sandbox.dir("work"), main.join(".git/worktrees/work"));
    fs::remove_file(admin.join("HEAD")).expect("git wrote it");
    nix::unistd::mkfifo(&admin.join("HEAD"), Mode::S_IRWXU).expect("the repository is writable");
    sandbox.run(&work, ["env"]).success();
    assert!(sandbox.instance(&work).starts_with("app-work-"), "{}", sandbox.instance(&work));
    for file in ["gitdir", "commondir"] {
        fs::remove_file(admin.join(file)).expect("git wrote it");
        nix::unistd::mkfifo(&admin.join(file), Mode::S_IRWXU).expect("the repository is writable");
        assert_eq!(read(&work), None);
        sandbox.run(&work, ["env"]).success();
    }
    fs::remove_file(work.join(".git")).expect("git wrote it");
    nix::unistd::mkfifo(&work.join(".git"), Mode::S_IRWXU).expect("the worktree is writable");
    assert_eq!(read(&work), None);
    sandbox.run(&work, ["env"]).success();
}
