//! What an agent may write (D33): beyond the limit `silo-proxy init` stops it, however it hides what it has written.

use crate::engine_contained::Contained;
use crate::sandbox::Ran;

/// The exit code where too much was written.
const DISK: i32 = 122;
/// The limit of these tests, in bytes.
const LIMIT: &str = "4000000";

/// Runs an agent that may write below `/work`.
fn agent(stage: &Contained, line: &str) -> Ran {
    let folder = stage.engine.sandbox.path("work");
    let _ = std::fs::create_dir(&folder);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&folder, mode).expect("it is ours");
    let volume = format!("{}:/work", folder.display());
    let options = ["--volume", &volume, "--workdir", "/work"];
    stage.agent(&options, &["--disk", LIMIT, "--measure", "/work", "--deadline", "40"], line)
}

#[test]
fn what_stays_below_the_limit_is_let_be() {
    let stage = Contained::new();
    let line = "busybox mkdir -p a/b && busybox dd if=/dev/zero of=a/b/file bs=1000 count=1000 2>/dev/null && \
                i=0; while [ $i -lt 20 ]; do busybox ln a/b/file a/link$i; i=$((i+1)); done; \
                busybox ln -s /proc link; busybox ln -s .. up; sleep 2.5; echo done";
    agent(&stage, line).success().stdout("done\n").stderr("");
}

#[test]
fn who_writes_more_is_stopped_wherever_it_lies() {
    let more = "busybox dd if=/dev/zero of=$f bs=1000000 count=9 2>/dev/null; sleep 30; echo done";
    let closed = "busybox mkdir -p a/b; f=a/b/file; busybox dd if=/dev/zero of=$f bs=1000000 count=9 2>/dev/null; \
                  busybox chmod 0 a/b a; while :; do sleep 0.1; done";
    let deep = "i=0; while [ $i -lt 1500 ]; do busybox mkdir d; cd d; i=$((i+1)); done; f=file; ";
    let unlinked =
        "exec 3>gone; busybox rm gone; busybox dd if=/dev/zero bs=1000000 count=9 >&3 2>/dev/null; sleep 30; echo done";
    let empty = "i=0; while :; do : >$i; i=$((i+1)); done";
    let cases =
        [format!("f=file; {more}"), closed.to_owned(), format!("{deep}{more}"), unlinked.to_owned(), empty.to_owned()];
    for line in cases {
        let stage = Contained::new();
        // Later it would have come to its end, or to that of its time.
        let ran = agent(&stage, &line);
        assert_eq!(ran.code(), Some(DISK), "{line}: {ran:#?}");
        assert!(ran.stderr.contains("it has written more than 4 MB"), "{line}: {}", ran.stderr);
        assert!(!ran.stdout.contains("done"), "{line}: {ran:#?}");
    }
}

#[test]
fn a_disk_with_little_left_stops_it() {
    let stage = Contained::new();
    let options = ["--tmpfs", "/work:size=4m", "--workdir", "/work", "--user", "0:0"];
    let flags = ["--free", "3000000", "--measure", "/work"];
    stage.agent(&options, &flags, "sleep 1.5; echo done").success().stdout("done\n");
    let line = "busybox dd if=/dev/zero of=file bs=1000000 count=2 2>/dev/null; sleep 30; echo done";
    let ran = stage.agent(&options, &flags, line).exit(DISK);
    assert!(ran.stderr.contains("of the disk of `/work`") && ran.stderr.contains("are to stay so"), "{}", ran.stderr);
}
