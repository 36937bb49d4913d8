//! What `silo hook --install` must not touch: every other byte, the mode, links, and files that are not the user's to change.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use crate::machine::files_below;
use crate::pty::{Shell, installed_shells};
use crate::sandbox::{SILO, Sandbox};
use crate::start_files::hook;

installed_shells!(every_byte_but_the_marked_lines_stays);

/// A home whose `.bashrc` is to be changed.
fn home(text: &[u8]) -> Sandbox {
    let sandbox = Sandbox::new();
    fs::write(sandbox.path("home/.bashrc"), text).expect("the sandbox is writable");
    sandbox
}

fn every_byte_but_the_marked_lines_stays(shell: Shell) {
    for text in
        [&b"a"[..], b"a\n", b"a\r\nb\r\n", b"a\r\nb", b"\n\n", b"", b"\xff\xfe \0 \x1b[2J\n", b"a \\\n", b"a \\"]
    {
        let sandbox = Sandbox::new();
        let file = sandbox.path(shell.start_file());
        fs::create_dir_all(file.parent().expect("it lies in a folder")).expect("the sandbox is writable");
        fs::write(&file, text).expect("the sandbox is writable");
        let ran = hook(&sandbox, shell, &["--install", "--yes"]).success();
        assert!(!ran.stdout.contains('\x1b'), "{:?}", ran.stdout);
        let with = fs::read(&file).expect("it is there");
        assert!(with.starts_with(text) && with.ends_with(b"\n# <<< silo hook <<<\n"), "{with:?}");
        hook(&sandbox, shell, &["--uninstall", "--yes"]).success();
        assert_eq!(fs::read(&file).expect("it is there"), text);
    }
}

#[test]
fn what_was_written_behind_the_lines_stays() {
    let sandbox = home(b"before");
    hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
    let file = sandbox.path("home/.bashrc");
    let with = fs::read_to_string(&file).expect("it is text");
    fs::write(&file, with + "behind").expect("the sandbox is writable");
    hook(&sandbox, Shell::BASH, &["--uninstall", "--yes"]).success();
    assert_eq!(fs::read_to_string(&file).expect("it is text"), "before\nbehind");
}

#[test]
fn a_file_that_silo_made_goes_again_unless_something_else_is_in_it() {
    let sandbox = Sandbox::new();
    let file = sandbox.path("home/.bashrc");
    let install = || hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
    let uninstall = || hook(&sandbox, Shell::BASH, &["--uninstall", "--yes"]).success();
    install();
    let ran = uninstall().stderr_has("Removed `~/.bashrc`, which held nothing else\n");
    assert!(ran.stdout.starts_with("--- ~/.bashrc\n+++ /dev/null\n"), "{}", ran.stdout);
    assert_eq!(files_below(&sandbox.path("home")), [""; 0]);

    install();
    fs::write(&file, fs::read_to_string(&file).expect("it is text") + "A=1\n").expect("the sandbox is writable");
    uninstall();
    assert_eq!(fs::read_to_string(&file).expect("it is text"), "A=1\n");

    // In a folder of dotfiles it has been moved to, it is somebody's.
    fs::remove_file(&file).expect("it is there");
    install();
    fs::rename(&file, sandbox.path("home/dotfile")).expect("the sandbox is writable");
    symlink("dotfile", &file).expect("the sandbox is writable");
    uninstall();
    assert_eq!(fs::read(&file).expect("it is there"), b"");
}

#[test]
fn what_keeps_the_hook_loaded_is_told_when_the_lines_are_taken_out() {
    let sandbox = home(b"a\n");
    hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
    let file = sandbox.path("home/.bashrc");
    let text = fs::read_to_string(&file).expect("it is text") + "eval \"$(silo hook bash)\"\n";
    fs::write(&file, text).expect("the sandbox is writable");
    let ran = hook(&sandbox, Shell::BASH, &["--uninstall", "--yes"]).success();
    let ran = ran.stderr_has("Line 2 of `~/.bashrc` was written by hand and stays; an editor takes it out\n");
    ran.stderr_has("until they end, or `exec bash`\n");

    hook(&sandbox, Shell::ZSH, &["--install", "--yes"]).success();
    let mut silo = sandbox.command(SILO, "");
    silo.args(["hook", "zsh", "--uninstall", "--yes"]).env("__SILO_UNDO", "{}");
    sandbox.finish(silo).success().stderr_has("or `exec zsh`; leave the project first\n");
}

#[test]
fn mode_and_group_stay() {
    for mode in [0o600, 0o640, 0o666, 0o755, 0o4700] {
        let sandbox = home(b"a\n");
        let file = sandbox.path("home/.bashrc");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("it is ours");
        // A group of ours that is not the one new files get: the last one of root's, the first other one of anybody's.
        let groups = rustix::process::getgroups().unwrap_or_default();
        let own = fs::metadata(&file).expect("it is there").gid();
        let group = if rustix::process::geteuid().is_root() {
            Some(4242)
        } else {
            groups.iter().map(|group| group.as_raw()).find(|group| *group != own)
        };
        std::os::unix::fs::chown(&file, None, group).expect("it is ours");
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("it is ours");
        let before = fs::metadata(&file).expect("it is there");
        hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
        let after = fs::metadata(&file).expect("it is there");
        assert_eq!((after.mode(), after.uid(), after.gid()), (before.mode(), before.uid(), before.gid()));
        assert_ne!(after.ino(), before.ino(), "it was replaced as a whole");
        assert_eq!(files_below(&sandbox.path("home")), [".bashrc"], "nothing is left beside it");
    }
}

#[test]
fn a_link_stays_and_what_it_leads_to_is_changed() {
    let sandbox = Sandbox::new();
    let home = sandbox.path("home");
    fs::create_dir_all(home.join("dotfiles/shell")).expect("the sandbox is writable");
    fs::write(home.join("dotfiles/shell/bashrc"), "a\n").expect("the sandbox is writable");
    symlink("shell/bashrc", home.join("dotfiles/rc")).expect("the sandbox is writable");
    symlink("dotfiles/rc", home.join(".bashrc")).expect("the sandbox is writable");
    let ran = hook(&sandbox, Shell::BASH, &["--install", "--yes"]).success();
    let ran = ran.stderr_has("`~/.bashrc` is a link: the file it leads to, `~/dotfiles/shell/bashrc`, is changed\n");
    assert!(ran.stdout.starts_with("--- ~/dotfiles/shell/bashrc\n"), "{}", ran.stdout);
    let read = |link: &str| fs::read_link(home.join(link)).expect("it is a link still");
    assert_eq!((read(".bashrc"), read("dotfiles/rc")), ("dotfiles/rc".into(), "shell/bashrc".into()));
    assert!(fs::read_to_string(home.join("dotfiles/shell/bashrc")).expect("it is text").contains("hook bash"));
    hook(&sandbox, Shell::BASH, &["--uninstall", "--yes"]).success();
    assert_eq!(fs::read_to_string(home.join(".bashrc")).expect("it is text"), "a\n");
    assert!(home.join(".bashrc").is_symlink());
}

/// `--install` refuses `~/.bashrc`, names it and why, says the line, and changes nothing.
#[track_caller]
fn refused(sandbox: &Sandbox, why: &str) {
    let before = files_below(&sandbox.path("home"));
    let ran = hook(sandbox, Shell::BASH, &["--install", "--yes"]).stdout("");
    let ran = ran.fails_naming(&[why, "~/.bashrc".replacen('~', "$SANDBOX/home", 1).as_str()]);
    ran.stderr_has("Hint: Or add this line by hand: eval \"$('$SILO' hook bash)\"\n");
    assert_eq!(files_below(&sandbox.path("home")), before);
}

#[test]
fn what_is_not_the_users_own_plain_file_is_refused_by_name() {
    let sandbox = home(b"a\n");
    let file = sandbox.path("home/.bashrc");
    fs::set_permissions(&file, Permissions::from_mode(0o444)).expect("it is ours");
    refused(&sandbox, "it is read-only");

    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("it is ours");
    fs::hard_link(&file, sandbox.path("home/second")).expect("the sandbox is writable");
    refused(&sandbox, "it has a second name (a hard link)");

    for target in ["nowhere", ".bashrc"] {
        fs::remove_file(&file).expect("it is there");
        symlink(target, &file).expect("the sandbox is writable");
        refused(&sandbox, "it is a link that leads nowhere");
    }

    fs::remove_file(&file).expect("it is there");
    fs::create_dir(&file).expect("the sandbox is writable");
    refused(&sandbox, "it is not a plain file");

    fs::remove_dir(&file).expect("it is empty");
    nix::unistd::mkfifo(&file, nix::sys::stat::Mode::S_IRWXU).expect("the sandbox is writable");
    refused(&sandbox, "it is not a plain file");

    fs::remove_file(&file).expect("it is there");
    fs::write(&file, vec![b'\n'; 1024 * 1024 + 1]).expect("the sandbox is writable");
    refused(&sandbox, "it is larger than 1024 KiB");
}

#[test]
fn what_belongs_to_somebody_else_is_refused_by_name() {
    let sandbox = home(b"a\n");
    let file = sandbox.path("home/.bashrc");
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&file, Some(4242), None).expect("root may");
        refused(&sandbox, "it belongs to another user (id 4242)");
        fs::remove_file(&file).expect("it is there");
        std::os::unix::fs::chown(sandbox.path("home"), Some(4242), None).expect("root may");
        refused(&sandbox, "it belongs to another user (id 4242): its folder `$SANDBOX/home`");
    } else {
        fs::remove_file(&file).expect("it is there");
        symlink("/etc/passwd", &file).expect("the sandbox is writable");
        refused(&sandbox, "it belongs to another user (id 0)");
    }
}

#[test]
fn marks_that_were_torn_apart_are_refused_by_line() {
    let sandbox = home(b"a\n# >>> silo hook >>>\nb\n");
    refused(&sandbox, "its line 2 is a mark of silo's without its other half");
    hook(&sandbox, Shell::BASH, &["--uninstall", "--yes"]).fails_naming(&["its line 2 is a mark"]);
    let sandbox = home(b"# >>> silo hook >>>\nmine\nand mine\n# <<< silo hook <<<\n");
    refused(&sandbox, "what stands between silo's marks, at line 2, was written by somebody else");
}

#[test]
fn a_folder_that_is_missing_is_made_and_one_that_is_a_file_is_refused() {
    let sandbox = Sandbox::new();
    hook(&sandbox, Shell::FISH, &["--install", "--yes"]).success();
    assert!(sandbox.path("config/fish/config.fish").is_file());
    fs::remove_dir_all(sandbox.path("config/fish")).expect("it is there");
    fs::write(sandbox.path("config/fish"), "").expect("the sandbox is writable");
    hook(&sandbox, Shell::FISH, &["--install", "--yes"]).fails_naming(&["`$SANDBOX/config/fish` is not a folder"]);
}

#[test]
fn a_home_that_is_no_absolute_path_is_refused() {
    let sandbox = Sandbox::new();
    let mut silo = sandbox.command(SILO, "");
    silo.args(["hook", "bash", "--install", "--yes"]).env("HOME", "relative");
    sandbox.finish(silo).fails_naming(&["HOME is not set to an absolute path"]);
    assert_eq!(files_below(Path::new(&sandbox.dir(""))), [""; 0]);
}
