//! `silo dns --install` and `--uninstall` (D27), on systems that are folders: what is shown is what is written, and goes again. The
//! machine's own resolver is never touched.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Ran, Sandbox};
use crate::users::{Anna, is_root};

/// A system with these files, below a folder.
fn system(sandbox: &Sandbox, files: &[(&str, &str)]) -> PathBuf {
    let root = sandbox.path("system");
    for (file, text) in files {
        let path = root.join(file);
        fs::create_dir_all(path.parent().expect("it lies in a folder")).expect("the sandbox is writable");
        fs::write(path, text).expect("the sandbox is writable");
    }
    root
}

fn silo(sandbox: &Sandbox, words: &[&str]) -> Ran {
    let root = sandbox.path("system");
    let root = root.to_str().expect("it is text");
    sandbox.run("", [&["dns", "--root", root], words].concat())
}

#[test]
fn each_resolver_gets_its_file_and_loses_it_again() {
    for (files, file, lines) in [
        (
            &[("run/systemd/resolve/resolv.conf", "nameserver 192.0.2.1\n")][..],
            "etc/systemd/resolved.conf.d/silo.conf",
            "[Resolve]\nDNS=127.0.0.1:5354\nDomains=~test\n",
        ),
        (
            &[
                ("run/systemd/resolve/resolv.conf", ""),
                ("etc/NetworkManager/NetworkManager.conf", "[main]\ndns = dnsmasq\n"),
            ],
            "etc/NetworkManager/dnsmasq.d/silo.conf",
            "server=/test/127.0.0.1#5354\n",
        ),
        (
            &[("System/Library/CoreServices/SystemVersion.plist", "")],
            "etc/resolver/test",
            "nameserver 127.0.0.1\nport 5354\n",
        ),
    ] {
        let sandbox = Sandbox::new();
        let root = system(&sandbox, files);
        let path = root.join(file);
        let text = format!("# Written by silo; `silo dns --uninstall` removes it.\n{lines}");
        let shown = |sign: char| -> String {
            let lines: Vec<String> = text.lines().map(|line| format!("{sign} {line}")).collect();
            format!("$SANDBOX/system/{file}:\n{}\n", lines.join("\n"))
        };
        // Nobody is there to say yes.
        let asked = silo(&sandbox, &["--install"]).exit(1);
        assert!(asked.stderr.contains("Nothing was changed: there is no terminal to ask on"), "{}", asked.stderr);
        assert_eq!(asked.stdout, shown('+'));
        assert!(!path.exists());

        silo(&sandbox, &["--install", "--yes"]).success().stdout(&shown('+'));
        assert_eq!(fs::read_to_string(&path).expect("it was written"), text);
        silo(&sandbox, &["--install", "--yes"]).success().stdout("");
        assert!(silo(&sandbox, &["status"]).stdout.contains("Asked by the system: "), "{file}");
        assert!(!silo(&sandbox, &["status"]).stdout.contains("Asked by the system: no"), "{file}");

        silo(&sandbox, &["--uninstall", "--yes"]).success().stdout(&shown('-'));
        assert!(!path.exists());
        silo(&sandbox, &["--uninstall", "--yes"]).success().stdout("");
        for (kept, text) in files {
            assert_eq!(&fs::read_to_string(root.join(kept)).expect("it is still there"), text);
        }
    }
}

#[test]
fn another_suffix_leaves_no_file_of_the_one_before() {
    let sandbox = Sandbox::new();
    let root = system(
        &sandbox,
        &[("System/Library/CoreServices/SystemVersion.plist", ""), ("etc/resolver/corp", "nameserver 192.0.2.1\n")],
    );
    let settings = sandbox.path("config/silo/config.toml");
    fs::create_dir_all(settings.parent().expect("it lies in a folder")).expect("the sandbox is writable");
    let there = || {
        let mut names: Vec<String> = fs::read_dir(root.join("etc/resolver"))
            .expect("it is there")
            .map(|entry| entry.expect("it is readable").file_name().into_string().expect("it is text"))
            .collect();
        names.sort();
        names
    };
    silo(&sandbox, &["--install", "--yes"]).success();
    assert_eq!(there(), ["corp", "test"]);
    fs::write(&settings, "[network]\nsuffix = \"internal\"\n").expect("the sandbox is writable");
    let said = silo(&sandbox, &["--install", "--yes"]).success().stdout;
    assert!(said.contains("etc/resolver/test:\n- # Written by silo"), "{said}");
    assert_eq!(there(), ["corp", "internal"]);
    fs::write(&settings, "[network]\nsuffix = \"example\"\n").expect("the sandbox is writable");
    silo(&sandbox, &["--uninstall", "--yes"]).success();
    assert_eq!(there(), ["corp"], "somebody else's stays");
}

#[test]
fn what_others_wrote_and_what_is_not_known_is_left_alone() {
    let sandbox = Sandbox::new();
    let own = "etc/systemd/resolved.conf.d/silo.conf";
    let root = system(&sandbox, &[("run/systemd/resolve/resolv.conf", ""), (own, "[Resolve]\n")]);
    let ran = silo(&sandbox, &["--install", "--yes"]).exit(1);
    assert!(ran.stderr.contains("exists, and silo did not write it"), "{}", ran.stderr);
    silo(&sandbox, &["--uninstall", "--yes"]).success();
    assert_eq!(fs::read_to_string(root.join(own)).expect("it is still there"), "[Resolve]\n");

    let sandbox = Sandbox::new();
    system(&sandbox, &[("etc/resolv.conf", "nameserver 192.0.2.1\n")]);
    let ran = silo(&sandbox, &["--install", "--yes"]).exit(1);
    assert!(ran.stderr.contains("The system's resolver is none that silo knows"), "{}", ran.stderr);
}

#[test]
fn who_may_not_write_gets_the_commands() {
    let anna = Anna::new();
    let sandbox = &anna.sandbox;
    let root = system(sandbox, &[("run/systemd/resolve/resolv.conf", ""), ("etc/x", "")]);
    if !is_root() {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o555);
        fs::set_permissions(root.join("etc"), mode).expect("it is ours");
    }
    let words = ["dns", "--install", "--yes", "--root", root.to_str().expect("it is text")];
    let ran = anna.run("", words).exit(1);
    assert!(ran.stderr.contains("root's to change; nothing was changed"), "{}", ran.stderr);
    for line in ["sudo mkdir -p ", "printf '%s' '# Written by silo; ", "| sudo tee "] {
        assert!(ran.stdout.contains(line), "{line}: {}", ran.stdout);
    }
    assert!(!root.join("etc/systemd").exists());
}
