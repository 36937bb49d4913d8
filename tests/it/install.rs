//! What `release/` makes of a built silo, and what the packages hold. The build itself takes minutes and is not run here.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::sandbox::{Ran, Sandbox, program};

const PACKAGE: &str = env!("CARGO_MANIFEST_DIR");

/// One of the scripts in `release/`, in an environment of its own.
fn release(sandbox: &Sandbox, script: &str) -> Command {
    let mut command = sandbox.command(Path::new(PACKAGE).join("release").join(script), "");
    command.env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

fn read(path: impl AsRef<Path>) -> String {
    let path = Path::new(PACKAGE).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A program that stands in for a built silo.
fn built(sandbox: &Sandbox) -> PathBuf {
    let built = sandbox.path("bin/built");
    program(&built, "#!/bin/sh\necho it runs\n");
    fs::set_permissions(&built, fs::Permissions::from_mode(0o700)).expect("it is ours");
    program(&sandbox.path("bin/silo-proxy"), "#!/bin/sh\necho it serves\n");
    built
}

/// Runs a line of shell in a folder of the sandbox.
fn sh(sandbox: &Sandbox, dir: &Path, line: &str) -> Ran {
    let mut shell = sandbox.command("sh", dir);
    shell.args(["-c", line]);
    sandbox.finish(shell)
}

/// Packs a stand-in as `name`, under a umask.
fn packed(sandbox: &Sandbox, dist: &Path, name: &str, umask: &str) -> Vec<u8> {
    fs::create_dir_all(dist).expect("the sandbox is writable");
    let pack = release(sandbox, "pack");
    let mut shell = sandbox.command("sh", "");
    shell.args(["-c", "umask $1 && shift && \"$@\"", "sh", umask]).arg(pack.get_program()).arg(built(sandbox));
    shell.arg(name).arg(dist).env("SOURCE_DATE_EPOCH", "1700000000");
    sandbox.finish(shell).success();
    fs::read(dist.join(format!("{name}.tar.gz"))).expect("it was packed")
}

#[test]
fn an_archive_is_the_same_bytes_each_time_and_runs_where_it_is_unpacked() {
    let sandbox = Sandbox::new();
    let (one, two) = (sandbox.path("one"), sandbox.path("two"));
    let bytes = packed(&sandbox, &one, "silo-1.2.3-here", "022");
    assert!(bytes == packed(&sandbox, &two, "silo-1.2.3-here", "077"), "the umask is in the archive");

    sh(&sandbox, &one, "tar -xzf silo-*.tar.gz && silo-1.2.3-here/silo").success().stdout("it runs\n");
    sh(&sandbox, &one, "silo-1.2.3-here/silo-proxy").success().stdout("it serves\n");
    let listed = sh(&sandbox, &one, "tar -tvzf silo-*.tar.gz").success().stdout;
    assert!(listed.lines().all(|line| line.contains(" 0/0 ") && line.contains("2023-11-14")), "{listed}");
    let names: Vec<&str> = listed.lines().filter_map(|line| line.split("silo-1.2.3-here/").nth(1)).collect();
    for name in ["silo", "LICENSE", "README.md", "CHANGELOG.md", "docs/install.md", "shell/silo.bash"] {
        assert!(names.contains(&name), "no {name} in {names:?}");
    }
    for folder in ["man", "completions"] {
        let is_here = Path::new(PACKAGE).join(folder).is_dir();
        assert_eq!(names.iter().any(|name| name.starts_with(&format!("{folder}/"))), is_here, "{folder} in {names:?}");
    }
}

#[test]
fn sums_and_formula_fit_the_archives() {
    let sandbox = Sandbox::new();
    let dist = sandbox.path("dist");
    packed(&sandbox, &dist, "silo-1.2.3-here", "022");
    fs::write(dist.join("silo-1.2.3-source.tar.gz"), "source").expect("the sandbox is writable");
    fs::write(dist.join("silo_1.2.3-1_amd64.deb"), "package").expect("the sandbox is writable");
    fs::write(dist.join("silo-1.2.2-here.tar.gz"), "an older one").expect("the sandbox is writable");
    let mut sums = release(&sandbox, "sums");
    sums.arg("1.2.3").arg(&dist).arg("https://example.com/a&b|c/v1.2.3");
    sandbox.finish(sums).success();

    let text = read(dist.join("SHA256SUMS"));
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, ["silo-1.2.3-here.tar.gz", "silo-1.2.3-source.tar.gz", "silo_1.2.3-1_amd64.deb"]);
    let check = "if command -v sha256sum; then sha256sum -c SHA256SUMS; else shasum -a 256 -c SHA256SUMS; fi";
    sh(&sandbox, &dist, check).success();

    let formula = read(dist.join("silo.rb"));
    let source = text.lines().find(|line| line.ends_with("source.tar.gz")).expect("it is there");
    let sum = source.split_whitespace().next().expect("it starts with the sum");
    assert!(formula.starts_with("class Silo < Formula\n"), "{formula}");
    for line in [
        "  url \"https://example.com/a&b|c/v1.2.3/silo-1.2.3-source.tar.gz\"\n",
        "  version \"1.2.3\"\n",
        &format!("  sha256 \"{sum}\"\n"),
    ] {
        assert!(formula.contains(line), "no {line:?} in {formula}");
    }
    assert!(!formula.contains('@'), "{formula}");
}

/// The lines of `release/targets`: target, archive, linking, state.
fn targets() -> Vec<[String; 4]> {
    let text = read("release/targets");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let words = lines.map(|line| line.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>());
    words.map(|words| words.try_into().expect("each line has four words")).collect()
}

#[test]
fn a_target_the_toolchain_does_not_have_is_refused_and_nothing_is_installed() {
    let sandbox = Sandbox::new();
    let rustc =
        "#!/bin/sh\ncase $1 in -vV) echo 'host: x86_64-unknown-linux-gnu' ;; *) echo /no/such/sysroot ;; esac\n";
    let tool = "#!/bin/sh\necho \"$0 $*\" >>\"$HOME/called\"\n";
    for (name, text) in [("rustc", rustc), ("cargo", tool), ("rustup", tool)] {
        program(&sandbox.path("bin").join(name), text);
    }
    let build = |target: &str| {
        let mut build = release(&sandbox, "build");
        build.arg(target);
        sandbox.finish(build).exit(1).stdout("")
    };
    for [target, _, _, state] in targets() {
        let ran = build(&target).stderr_has(&format!("the Rust toolchain here has no standard library for `{target}`"));
        let ran = ran.stderr_has(&format!(
            "Hint: Build on such a machine; or who packages for it adds it first: `rustup target add {target}`"
        ));
        assert_eq!(ran.stderr.contains("has never been built and tried"), state == "never-built", "{}", ran.stderr);
    }
    let ran = build("riscv64gc-unknown-none").stderr_has("`riscv64gc-unknown-none` is not in release/targets");
    for [target, ..] in targets() {
        assert!(ran.stderr.contains(&target), "{}", ran.stderr);
    }
    assert!(!sandbox.path("home/called").exists(), "{}", read(sandbox.path("home/called")));
}

#[test]
fn the_page_says_of_every_target_whether_it_was_tried() {
    let page = read("docs/install.md");
    for [target, archive, linking, state] in targets() {
        let tried = if state == "built" { "yes" } else { "no" };
        let line = format!("| `{target}` | `{archive}` | {linking} | {tried} |");
        assert!(page.contains(&line), "no line {line:?} in docs/install.md");
    }
}

#[test]
fn the_debian_package_has_every_man_page_and_completion() {
    let manifest: toml::Value = toml::from_str(&read("Cargo.toml")).expect("it is TOML");
    let assets = manifest["package"]["metadata"]["deb"]["assets"].as_array().expect("it lists files");
    let has = |from: &str, to: &str| {
        assets.iter().any(|asset| asset[0].as_str() == Some(from) && asset[1].as_str() == Some(to))
    };
    let places = [
        ("man", "man/*.1", "usr/share/man/man1/"),
        ("completions", "completions/silo.bash", "usr/share/bash-completion/completions/silo"),
        ("completions", "completions/_silo", "usr/share/zsh/vendor-completions/"),
        ("completions", "completions/silo.fish", "usr/share/fish/vendor_completions.d/"),
    ];
    for (folder, from, to) in places {
        // `cargo deb` refuses a list with a file that is not there.
        let is_here = Path::new(PACKAGE).join(folder).is_dir();
        let line = format!("[\"{from}\", \"{to}\", \"644\"],");
        assert_eq!(has(from, to), is_here, "[package.metadata.deb] in Cargo.toml needs: {line}");
    }
    for program in ["target/release/silo", "target/release/silo-proxy"] {
        assert!(has(program, "usr/bin/"), "{program}");
    }
    assert!(has("docs/*.md", "usr/share/doc/silo/docs/"));
}

#[test]
fn silo_has_nothing_of_the_proxy_in_it() {
    let words = |program: &str| {
        let bytes = fs::read(program).expect("it is built");
        ["tokio", "hyper"].map(|word| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
    };
    assert_eq!(words(crate::proxy::PROXY), [true, true], "they are found where they are");
    assert_eq!(words(crate::sandbox::SILO), [false, false]);
}
