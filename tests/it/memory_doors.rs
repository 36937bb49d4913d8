//! Servers that let a role in without a password by another way, as another role or to another database than silo comes: no agent gets a
//! role of one, nor of one that does not say.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::memory::{PASSWORD, Postgres, Scene, between, own};
use crate::proxy::server;

/// The first lines of `pg_hba.conf`: each opens one door.
const RULES: &str = "\
    hostnossl hba_clear all 127.0.0.1/32 trust\n\
    hostssl hba_tls all 127.0.0.1/32 trust\n\
    host hba_roles ninth,builder,bypasser,copier,runner,writer,member,silo_stale 127.0.0.1/32 trust\n\
    host postgres lonely 127.0.0.1/32 trust\n\
    host replication copies 127.0.0.1/32 trust\n";

/// The user's file with a server on `localhost`, and lines of its own.
fn team(scene: &Scene, port: u16, database: &str, lines: &str) {
    let url = format!("postgres://postgres:{PASSWORD}@localhost:{port}/{database}");
    let text = format!("[servers.team]\nurl = \"{url}\"\n{lines}\n");
    own(&scene.sandbox.path("config/silo/memory.toml"), text.as_bytes());
}

/// The roles that silo has made.
fn made(postgres: &Postgres) -> String {
    postgres.sql("postgres", "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'silo\\_feature%'").trim().to_owned()
}

#[test]
fn nobody_gets_a_role_where_another_way_another_role_or_another_database_is_open() {
    let postgres = Postgres::ruled("scram-sha-256", RULES);
    let scene = Scene::new("");
    own(&scene.sandbox.path("config/silo/own.pem"), postgres.certificate.as_bytes());
    let open = |role: &str| {
        let told = format!(
            "There is no role for an agent, which could be `{role}` in the server `team` of memory.toml without a password"
        );
        scene.memory(&["role", "scout"]).exit(1).stderr_has(&told);
        assert_eq!(made(&postgres), "0", "{role}");
    };
    for name in ["hba_clear", "hba_tls", "hba_roles", "closed"] {
        postgres.sql("postgres", &format!("CREATE DATABASE {name}"));
    }
    // silo shows its password by one way, and an agent needs none by the other.
    team(&scene, postgres.port, "hba_clear", "tls = true\nca = \"own.pem\"");
    scene.memory(&["status"]).success();
    open("postgres");
    team(&scene, postgres.port, "hba_tls", "");
    open("postgres");

    team(&scene, postgres.port, "hba_roles", "");
    let eight = (1..=8).map(|number| format!("CREATE ROLE a{number} LOGIN SUPERUSER;")).collect::<Vec<_>>().concat();
    postgres.sql("postgres", &eight);
    for (role, how) in [
        ("ninth", "SUPERUSER"),
        ("builder", "CREATEROLE"),
        ("bypasser", "BYPASSRLS"),
        ("copier", "REPLICATION"),
        ("runner", "IN ROLE pg_execute_server_program"),
        ("writer", "IN ROLE pg_write_server_files"),
        ("member", "NOINHERIT IN ROLE a1"),
        ("silo_stale", ""),
    ] {
        let mark = "COMMENT ON ROLE silo_stale IS 'Agent of silo: 0123456789abcdef'";
        let mark = if role == "silo_stale" { mark } else { "" };
        postgres.sql("postgres", &format!("CREATE ROLE {role} LOGIN {how}; {mark}"));
        open(role);
        postgres.sql("postgres", &format!("DROP ROLE {role}"));
    }
    // One without rights of its own, whom agents are not.
    postgres.sql("postgres", "CREATE ROLE builder LOGIN");
    scene.memory(&["role", "scout"]).success();
    scene.memory(&["role", "scout", "--drop"]).success();

    // A superuser has the whole server in every database, and in a copy of it.
    team(&scene, postgres.port, "closed", "");
    for role in ["lonely", "copies"] {
        postgres.sql("hba_roles", &format!("CREATE ROLE {role} LOGIN SUPERUSER"));
        open(role);
        postgres.sql("hba_roles", &format!("DROP ROLE {role}"));
    }
    scene.memory(&["role", "scout"]).success();
    assert_eq!(made(&postgres), "1");

    // More than can be looked at.
    let many = (1..=64).map(|number| format!("CREATE ROLE b{number} LOGIN CREATEDB;")).collect::<Vec<_>>().concat();
    postgres.sql("postgres", &many);
    let told =
        "There is no role for an agent: the server `team` of memory.toml has more than 64 roles with special rights";
    scene.memory(&["role", "other"]).exit(1).stderr_has(told);
    assert_eq!(made(&postgres), "1", "what is there stays");
}

/// Passes bytes both ways between a connection and a port of this machine.
fn pass(stream: &TcpStream, port: u16) {
    let Ok(other) = TcpStream::connect(("127.0.0.1", port)) else { return };
    between(stream, &other, |other| drop(other.shutdown(Shutdown::Write)));
}

#[test]
fn a_server_that_does_not_say_whether_it_is_open_counts_as_open() {
    let postgres = Postgres::shared();
    let database = postgres.database();
    let error = |code: &str| {
        let fields = format!("SFATAL\0C{code}\0Mnot as you think\0\0");
        let length = u32::try_from(fields.len() + 4).expect("it is short").to_be_bytes();
        [b"E", &length[..], fields.as_bytes()].concat()
    };
    for (answer, told) in [
        (error("08P01"), Some("is not known: not as you think (08P01)")),
        (error("3D000"), Some("is not known: not as you think (3D000)")),
        (b"R\0\0\0\x08\0\0\0\x07".to_vec(), Some("is not known: it asks for something else than a password (7)")),
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), Some("is not known: it is no Postgres")),
        (Vec::new(), Some("is not known: ")),
        (error("28000"), None),
    ] {
        // The first one is silo's own session; the others are asked for TLS, which they have not, or greeted.
        let count = Arc::new(AtomicU32::new(0));
        let port = postgres.port;
        let relay = server(move |mut stream| {
            if count.fetch_add(1, Ordering::Relaxed) == 0 {
                return pass(&stream, port);
            }
            let mut first = [0; 8];
            if stream.read_exact(&mut first).is_err() {
                return;
            }
            let is_greeting = first[4..] == [0, 3, 0, 0];
            let _ = stream.write_all(if is_greeting { &answer } else { b"N" });
            let _ = stream.shutdown(Shutdown::Write);
            let _ = stream.read(&mut [0; 1024]);
        });
        let scene = Scene::new("");
        team(&scene, relay, &database, "");
        let ran = scene.memory(&["role", "scout"]);
        match told {
            None => drop(ran.success()),
            Some(told) => {
                ran.exit(1)
                    .stderr_has("There is no role for an agent: whether the server `team` of memory.toml lets `")
                    .stderr_has(told);
            }
        }
    }
}
