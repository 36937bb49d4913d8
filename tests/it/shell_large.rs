//! A `silo.toml` as large as a disk does not hold the prompt: the hook compares its time, or no more of it than silo would read.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use crate::pty::{Session, Shell, each_shell};
use crate::sandbox::{Sandbox, free_ports, toml_with_ports};

each_shell!(a_file_as_large_as_a_disk_does_not_hold_the_prompt);

/// What Elvish has from 0.20 on; in older ones a module of the user's takes its place.
const OS: &str = "use path
fn is-regular {|&follow-symlink=$false file| path:is-regular &follow-symlink=$follow-symlink $file }
fn stat {|&follow-symlink=$false file| put [&size=(num (e:stat -L -c %s $file))] }
";

fn a_file_as_large_as_a_disk_does_not_hold_the_prompt(shell: Shell) {
    let sandbox = Sandbox::new();
    let modules = sandbox.path("config/elvish/lib");
    fs::create_dir_all(&modules).expect("the sandbox is writable");
    fs::write(modules.join("os.elv"), OS).expect("the sandbox is writable");
    let [web] = free_ports();
    let app = sandbox.trusted("app", &toml_with_ports(&[("WEB_PORT", web)]));
    let other = sandbox.project("other", "version = 1\n");
    let large = || {
        let file = File::create(sandbox.path("large")).expect("the sandbox is writable");
        // Holes take no room.
        file.set_len(1 << 36).expect("the disk has holes");
        sandbox.path("large")
    };
    fs::rename(large(), other.join("silo.toml")).expect("the sandbox is writable");
    let mut session = Session::start(&sandbox, shell, &app);
    let start = Instant::now();
    session.run("true").assert_active(&sandbox, &app);
    // At the prompt, and on `cd`.
    let before = fs::read(app.join("silo.toml")).expect("it is there");
    // By the shell itself, so that no look of the prompt before is still on its way.
    let taken = session.run(&format!("/bin/mv -f {} silo.toml", large().display()));
    assert_eq!(taken.var("WEB_PORT"), Some(web.to_string().as_str()), "the last good ones are kept");
    session.run("cd ../other").assert_inactive();
    fs::write(sandbox.path("small"), before).expect("the sandbox is writable");
    fs::rename(sandbox.path("small"), app.join("silo.toml")).expect("the sandbox is writable");
    session.run("cd ../app").assert_active(&sandbox, &app);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
