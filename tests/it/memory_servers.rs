//! Servers that are not what `memory.toml` says, and databases that are not what silo needs: each is told, nothing of others is changed,
//! and no password is given away.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::memory::{PASSWORD, Postgres, Scene, own};
use crate::proxy::{PROXY, server};
use crate::sandbox::Sandbox;

/// A file with a server on a port, and lines of its own.
fn file(port: u16, database: &str, lines: &str) -> String {
    format!("[servers.team]\nurl = \"postgres://postgres@127.0.0.1:{port}/{database}\"\n{lines}\n")
}

/// The file with the owner's password.
fn usual(port: u16, database: &str) -> String {
    file(port, database, &format!("password = \"{PASSWORD}\""))
}

#[test]
fn a_password_goes_only_to_who_proves_to_know_it() {
    let postgres = Postgres::shared();
    for method in ["password", "md5", "trust"] {
        postgres.sql("postgres", &format!("CREATE DATABASE hba_{method}"));
    }
    let user = "SET password_encryption = 'md5'; CREATE ROLE older LOGIN SUPERUSER PASSWORD 'old-hush'";
    postgres.sql("postgres", user);
    let database = postgres.database();
    let scene = Scene::new(&file(postgres.port, &database, "password = \"wrong-hush\""));
    let told = |file: &str, told: &str| {
        own(&scene.sandbox.path("config/silo/memory.toml"), file.as_bytes());
        let ran = scene.memory(&["status"]).exit(1);
        assert!(ran.stderr.contains(told), "{told}: {ran:#?}");
        assert!(!ran.stderr.contains("hush"), "a password is told: {ran:#?}");
    };
    told(
        &file(postgres.port, &database, "password = \"wrong-hush\""),
        "The server `team` of memory.toml does not admit `postgres`: password authentication failed",
    );
    told(&file(postgres.port, &database, ""), "The server `team` of memory.toml wants a password for `postgres`");
    told(&usual(postgres.port, "nowhere"), "There is no database `nowhere` in the server `team` of memory.toml");
    let clear = "did not get the password of `postgres`: it asks for it in a way that would give it away";
    told(&usual(postgres.port, "hba_password"), clear);
    let older = usual(postgres.port, "hba_md5").replace("postgres@", "older@").replace(PASSWORD, "old-hush");
    told(&older, &clear.replace("`postgres`", "`older`"));
    told(&usual(postgres.port, "hba_trust"), "did not get the password of `postgres`: it asks for none");
    // Where its password is named is another place for each kind of server.
    let ran = scene.memory(&["status"]).exit(1);
    ran.stderr_has("write `scram-sha-256` in place of `trust` in its `pg_hba.conf`")
        .stderr_has("Or remove the password from `[servers.team]` in `$SANDBOX/config/silo/memory.toml`; no agent");
    let service = serde_json::json!({ "service": "db", "host": "127.0.0.1", "port": postgres.port, "database": "hba_trust", "user": "postgres", "password": PASSWORD });
    let request = serde_json::json!({ "to": { "service": service }, "what": "status" }).to_string();
    let mut command = scene.sandbox.command(PROXY, "");
    command.arg("memory").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it can be started");
    child.stdin.take().expect("it has a pipe").write_all(request.as_bytes()).expect("it reads");
    let answer = child.wait_with_output().expect("its pipes are readable").stdout;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let hint = "Or remove the password from `[memory]` (`password_variable` or `password_file`); no agent";
    assert!(answer.contains("it asks for none") && answer.contains(hint), "{answer}");
    // Without a password there is nothing to give away.
    own(&scene.sandbox.path("config/silo/memory.toml"), file(postgres.port, "hba_trust", "").as_bytes());
    scene.memory(&["status"]).success();
    // A command prints the password, and one that fails is not shown.
    let command = format!("password_command = \"echo {PASSWORD}\"");
    own(&scene.sandbox.path("config/silo/memory.toml"), file(postgres.port, &database, &command).as_bytes());
    scene.memory(&["status"]).success();
    let command = "password_command = \"echo some-hush >&2; exit 3\"";
    told(&file(postgres.port, &database, command), "The `password_command` of `team` printed no password");
}

#[test]
fn nobody_gets_a_role_of_a_server_that_lets_roles_in_without_a_password() {
    let postgres = Postgres::new("scram-sha-256");
    for name in ["hba_trust", "hba_mixed"] {
        postgres.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    let scene = Scene::new(&file(postgres.port, "hba_trust", ""));
    let roles = "SELECT count(*) FROM pg_roles WHERE rolname !~ '^(pg_|postgres$)'";
    // Everybody could be the owner.
    let ran = scene.memory(&["role", "scout"]).exit(1);
    ran.stderr_has("There is no role for an agent, which could be `postgres` in the server `team` of memory.toml without a password");
    assert_eq!(postgres.sql("postgres", roles).trim(), "0");
    // The owner has to show a password, and agents do not: each could be any other.
    own(&scene.sandbox.path("config/silo/memory.toml"), usual(postgres.port, "hba_mixed").as_bytes());
    let ran = scene.memory(&["role", "scout"]).exit(1);
    ran.stderr_has("There is no role for an agent, which could be `")
        .stderr_has("Write `scram-sha-256` in place of `trust`");
    assert_eq!(postgres.sql("postgres", roles).trim(), "0", "the role is taken back");
    scene.memory(&["status"]).success();
}

#[test]
fn a_server_with_tls_is_the_one_of_its_certificate_and_a_socket_is_reached_by_its_folder() {
    let postgres = Postgres::shared();
    let database = postgres.database();
    let scene = Scene::new("");
    let path = scene.sandbox.path("config/silo/memory.toml");
    let (own_pem, other_pem) = (scene.sandbox.path("config/silo/own.pem"), scene.sandbox.path("config/silo/other.pem"));
    own(&own_pem, postgres.certificate.as_bytes());
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("it is a name");
    own(&other_pem, other.cert.pem().as_bytes());
    let file = |host: &str, lines: &str| {
        let (port, secret) = (postgres.port, PASSWORD);
        let text =
            format!("[servers.team]\nurl = \"postgres://postgres:{secret}@{host}:{port}/{database}\"\n{lines}\n");
        own(&path, text.as_bytes());
    };
    file("localhost", "tls = true\nca = \"own.pem\"");
    scene.memory(&["status"]).success();
    let address = scene.role("agent");
    assert!(address.ends_with("?sslmode=verify-full"), "it is asked in the same way");
    let not_sent = "Nothing was sent to the server `team` of memory.toml, which has a certificate";
    for (host, lines) in [
        ("localhost", "tls = true"),
        ("localhost", "tls = true\nca = \"other.pem\""),
        ("127.0.0.1", "tls = true\nca = \"own.pem\""),
    ] {
        file(host, lines);
        scene.memory(&["status"]).exit(1).stderr_has(not_sent);
    }
    let without = server(|mut stream| {
        let _ = stream.read(&mut [0; 8]);
        let _ = stream.write_all(b"N");
    });
    own(&path, usual(without, "d").replace("url", "tls = true\nurl").as_bytes());
    scene.memory(&["status"]).exit(1).stderr_has("The server `team` of memory.toml speaks no TLS");
    file(&postgres.socket().display().to_string().replace('/', "%2F"), "");
    scene.memory(&["status"]).success();
}

#[test]
fn what_is_no_postgres_or_does_not_answer_is_told_in_time() {
    let silent = server(|mut stream| {
        // It takes what is said, and says nothing.
        let mut bytes = [0; 1024];
        while stream.read(&mut bytes).is_ok_and(|number| number > 0) {}
    });
    let web = server(|mut stream| {
        let _ = stream.read(&mut [0; 1024]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
    });
    let endless = server(|mut stream| {
        // The length of a message that never comes to its end.
        let _ = stream.write_all(b"R\x7f\xff\xff\xff");
        while stream.write_all(&[0; 4096]).is_ok() {}
    });
    let scene = Scene::new(&usual(silent, "d"));
    let start = Instant::now();
    let told = scene.memory(&["list"]).exit(1);
    assert!(told.stderr.contains("does not answer as a Postgres within 5 s"), "{told:#?}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    for port in [web, endless] {
        own(&scene.sandbox.path("config/silo/memory.toml"), usual(port, "d").as_bytes());
        let told = scene.memory(&["list"]).exit(1);
        assert!(told.stderr.contains("for the server `team` of memory.toml is no Postgres, or hung up"), "{told:#?}");
    }
    own(&scene.sandbox.path("config/silo/memory.toml"), usual(1, "d").as_bytes());
    scene.memory(&["list"]).exit(1).stderr_has("Connection refused");
}

#[test]
fn an_older_schema_is_brought_up_and_one_that_is_not_silos_stays() {
    let postgres = Postgres::shared();
    let (old, strange, new, ascii) =
        (postgres.database(), postgres.database(), postgres.database(), postgres.database());
    // One that an earlier silo has made, with a finding in it.
    postgres.sql(&old, include_str!("../../src/proxy/memory/1.sql"));
    postgres.sql(
        &old,
        "INSERT INTO silo_memory.findings (agent, run, path, title, body) VALUES ('a', 'r', 'p', 't', 'older words')",
    );
    let scene = Scene::new(&postgres.file(&old));
    scene.memory(&["search", "older"]).success().stdout_has("older words");
    assert_eq!(postgres.sql(&old, "SELECT version FROM silo_memory.about").trim(), "2");

    let at = |database: &str| own(&scene.sandbox.path("config/silo/memory.toml"), postgres.file(database).as_bytes());
    postgres.sql(&strange, "CREATE SCHEMA silo_memory; CREATE TABLE silo_memory.findings (mine text); INSERT INTO silo_memory.findings VALUES ('x')");
    at(&strange);
    let folder = scene.left("run-1", "one", &[("a.md", b"x")]);
    for words in [&["list"][..], &["sync"], &["role", "agent"]] {
        scene.memory(words).exit(1).stderr_has("is not silo's, and stays as it is");
    }
    assert!(folder.join("memory.json").exists());
    assert_eq!(postgres.sql(&strange, "SELECT mine FROM silo_memory.findings").trim(), "x");

    // Nor does one hurt that has all the names, and something else behind them.
    let names = "CREATE SCHEMA silo_memory; CREATE TABLE silo_memory.about (version text); INSERT INTO silo_memory.about VALUES ('x'); \
                 CREATE TABLE silo_memory.agents (key int, role int); \
                 CREATE TABLE silo_memory.findings (id text, role text, body text, sha256 int)";
    let alike = postgres.database();
    postgres.sql(&alike, names);
    at(&alike);
    scene.memory(&["list"]).exit(1).stderr_has("is not silo's, and stays as it is");
    postgres.sql(&alike, "ALTER TABLE silo_memory.about ALTER version TYPE integer USING 2");
    for words in
        [&["list"][..], &["status"], &["export", "-"], &["show", "1"], &["search", "x"], &["sync"], &["role", "x"]]
    {
        let told = scene.memory(words).exit(1);
        let how = ["The memory in the server `team` of memory.toml failed: ", "are not as silo made them: "];
        assert!(how.iter().any(|how| told.stderr.contains(how)), "{told:#?}");
    }
    let strange_rows = "ALTER TABLE silo_memory.findings ADD instance text, ADD agent text, ADD run text, ADD path text, ADD title text, \
                        ADD kind text, ADD size int, ADD created timestamptz DEFAULT now(), ADD bytes bytea; \
                        INSERT INTO silo_memory.findings (id) VALUES ('x')";
    postgres.sql(&alike, strange_rows);
    scene
        .memory(&["list"])
        .exit(1)
        .stderr_has("The tables in the server `team` of memory.toml are not as silo made them");

    at(&new);
    scene.memory(&["sync"]).success();
    postgres.sql(&new, "UPDATE silo_memory.about SET version = 99");
    scene.memory(&["list"]).exit(1).stderr_has("is of version 99, and this silo knows 2");

    postgres.sql("postgres", &format!("DROP DATABASE {ascii}"));
    postgres.sql("postgres", &format!("CREATE DATABASE {ascii} ENCODING 'SQL_ASCII' TEMPLATE template0"));
    at(&ascii);
    scene.left("run-2", "two", &[("a.md", b"x")]);
    scene.memory(&["sync"]).exit(1).stderr_has("is not in UTF-8: SQL_ASCII");
    scene.memory(&["list"]).success().stdout("Nothing is found yet\n");
}

#[test]
fn bodies_of_any_bytes_and_sizes_are_saved_or_named() {
    let postgres = Postgres::shared();
    let scene = Scene::new(&postgres.file(&postgres.database()));
    let largest = vec![b'x'; 1024 * 1024];
    let larger = vec![b'x'; 1024 * 1024 + 1];
    // As many short words as there can be: an index entry is full long before the text is.
    let words: String = (0_u32..200_000).map(|word| format!("{word:05x} ")).take(170_000).collect();
    let folder = scene.left(
        "run-1",
        "one",
        &[
            ("largest", &largest),
            ("larger", &larger),
            ("words", words.as_bytes()),
            ("nul", b"\0\0"),
            ("broken", b"caf\xe9 \xf0\x9f"),
            ("odd \x1b[31m\n name.md", b"x"),
            ("quote'\"\\; DROP TABLE x; --", b"'; DROP TABLE silo_memory.findings; --"),
        ],
    );
    std::os::unix::fs::symlink("/etc/hostname", folder.join("findings/link")).expect("it is writable");
    assert!(
        std::process::Command::new("mkfifo").arg(folder.join("findings/pipe")).status().expect("it runs").success()
    );
    let ran = scene.memory(&["sync"]).success();
    assert!(ran.stderr.starts_with("Saved 6 findings of one (run-1)\n"), "{ran:#?}");
    for told in [
        "`larger` of one (run-1) is not saved: it is larger than 1 MiB",
        "`link` of one (run-1) is not saved: it is a link",
        "`pipe` of one (run-1) is not saved: it is not a file that can be read",
    ] {
        assert!(ran.stderr.contains(told), "{told}: {ran:#?}");
    }
    let all = scene.list(&[]);
    assert_eq!(all.len(), 6);
    assert!(all.iter().any(|one| one["kind"] == "binary" && one["path"] == "broken"), "{all:?}");
    let list = scene.memory(&["list"]).success().stdout;
    assert!(!list.contains('\u{1b}') && list.lines().count() == 7, "{list}");
    assert_eq!(
        scene.memory(&["search", "00001"]).success().stdout.lines().count(),
        3,
        "the start of a long text is found"
    );
    let out = scene.sandbox.path("out");
    scene.memory(&["export", &out.display().to_string()]).success();
    let sizes = |name: &str| {
        let found = fs::read_dir(&out)
            .expect("it is there")
            .flatten()
            .find(|entry| entry.file_name().to_string_lossy().contains(name));
        found.expect("it is there").metadata().expect("it is readable").len()
    };
    assert_eq!(
        (sizes("largest"), sizes("words"), sizes("nul"), sizes("broken")),
        (1024 * 1024, words.len() as u64, 2, 7)
    );
}

#[test]
fn the_users_file_must_be_the_users_alone_and_names_what_is_missing() {
    let scene = Scene::new("[servers.other]\nurl = \"postgres://127.0.0.1/x\"\npassword = \"hush\"\n");
    scene.memory(&["list"]).exit(1).stderr_has("has no server `team`").stderr_has("It has `other`");
    let path = scene.sandbox.path("config/silo/memory.toml");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).expect("it is ours");
    scene
        .memory(&["list"])
        .exit(1)
        .stderr_has("Others can read `$SANDBOX/config/silo/memory.toml`, which has passwords");
    own(&path, b"[servers.team]\nurl = \"postgres://u:hush@h/d?x\"\n");
    let told = scene.memory(&["list"]).exit(1);
    assert!(told.stderr.contains("memory.toml:2:7") && !told.stderr.contains("hush"), "{told:#?}");
    fs::remove_file(&path).expect("it is there");
    scene.memory(&["list"]).exit(1).stderr_has("has no server `team`");
}

#[test]
fn nothing_is_asked_for_a_file_that_is_not_trusted() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it is bound").port();
    let scene = Scene::new(&usual(port, "d"));
    let toml = fs::read_to_string(scene.sandbox.dir("app").join("silo.toml")).expect("it is there");
    fs::write(scene.sandbox.dir("app").join("silo.toml"), toml + "\n").expect("it is writable");
    for words in
        [&["list"][..], &["sync"], &["role", "x"], &["search", "x"], &["status"], &["export", "-"], &["rm", "1"]]
    {
        scene.memory(words).exit(3).stderr_has("has changed since it was trusted: its memory is not asked");
    }
    scene.sandbox.run("app", ["deny"]).success();
    scene.memory(&["list"]).exit(3).stderr_has("is denied");
    listener.set_nonblocking(true).expect("it is ours");
    assert!(listener.accept().is_err(), "nobody has asked");
}

#[test]
fn words_that_do_not_fit_are_refused_before_anything_is_asked() {
    let scene = Scene::new("");
    for words in [
        &["search"][..],
        &["list", "x"],
        &["show"],
        &["show", "1", "2"],
        &["show", "x"],
        &["rm"],
        &["rm", "0"],
        &["export"],
        &["role"],
        &["list", "--since", "soon"],
        &["list", "--format", "files"],
        &["status", "--agent", "x"],
        &["list", "--drop"],
        &["export", "-", "--format", "files"],
        &["role", "x", "--drop", "--rotate"],
    ] {
        scene.memory(words).exit(2);
    }
    let plain = Sandbox::new();
    plain.trusted("p", "version = 1\nports.A = 1\n");
    plain.run("p", ["memory", "list"]).exit(1).stderr_has("has no `[memory]`");
}

#[test]
fn the_program_takes_one_request_as_json_and_nothing_else() {
    let sandbox = Sandbox::new();
    let zeros = vec![b'['; 100_000];
    for input in [
        &b""[..],
        b"{",
        b"null",
        b"[1]",
        b"{\"to\":{\"server\":\"x\"}}",
        b"{\"to\":1,\"what\":\"status\"}",
        b"\xff\0",
        &zeros,
    ] {
        let mut command = sandbox.command(PROXY, "");
        command.arg("memory").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("it can be started");
        child.stdin.take().expect("it has a pipe").write_all(input).expect("it reads");
        let out = child.wait_with_output().expect("its pipes are readable");
        let told = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), &out.stdout[..]), (Some(2), &b""[..]), "{told}");
        assert!(told.contains("`silo-proxy memory` is called by `silo memory`"), "{told}");
    }
}
