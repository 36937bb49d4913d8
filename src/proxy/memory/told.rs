//! What goes wrong with a server, in words. What a server says is text of others: one line of it, cut.

use std::error::Error as _;
use std::time::Duration;

use silo::core::text::source::one_line;
use silo::failure::{Failure, reason};
use tokio_postgres::error::{DbError, SqlState};

use super::super::gateway::tls;
use super::guard::{IN_THE_CLEAR, UNASKED};
use super::server::Server;

/// The longest piece of a server's words that is shown, in characters.
const MOST: usize = 300;

fn said(error: &DbError) -> String {
    one_line(&error.message().chars().take(MOST).collect::<String>())
}

/// It does not say a word.
pub(super) fn silent(server: &Server, limit: Duration) -> Failure {
    let (title, address, seconds) = (&server.title, server.address(), limit.as_secs());
    Failure::new(format!("What listens on {address} for {title} does not answer as a Postgres within {seconds} s"))
        .hint("See who listens there: `silo who PORT`; nothing on the disk is lost")
}

/// Nobody is there.
pub(super) fn unreachable(server: &Server, error: &std::io::Error) -> Failure {
    let (title, address, why) = (&server.title, server.address(), reason(error));
    let failure = Failure::new(format!("The memory cannot be reached: {title} ({address}): {why}"));
    failure.hint("Start it, as by `silo up -d`; what waits on the disk is saved by `silo memory sync`")
}

/// It is to be asked over TLS, and has none.
pub(super) fn without_tls(server: &Server) -> Failure {
    Failure::new(format!("{} speaks no TLS", capital(&server.title)))
        .hint("Switch it on there (`ssl = on`), or write `tls = false` in a network of your own")
}

/// It has not shown that it is the one.
pub(super) fn unproved(server: &Server, error: &std::io::Error) -> Failure {
    let why = tls::refused(error).replace("gateway.toml", "memory.toml");
    Failure::new(format!("Nothing was sent to {}, which {why}", server.title))
        .hint("Read about `ca`: `silo doc memory`")
}

fn capital(title: &str) -> String {
    let mut chars = title.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// It does not let silo in.
pub(super) fn not_admitted(server: &Server, error: &tokio_postgres::Error) -> Failure {
    let (title, user) = (&server.title, one_line(&server.user));
    if let Some(said_error) = error.as_db_error() {
        let code = said_error.code();
        if [SqlState::INVALID_PASSWORD, SqlState::INVALID_AUTHORIZATION_SPECIFICATION].contains(code) {
            return Failure::new(format!("{} does not admit `{user}`: {}", capital(title), said(said_error)))
                .hint(&server.password_hint);
        }
        if *code == SqlState::INVALID_CATALOG_NAME {
            let database = one_line(&server.database);
            return Failure::new(format!("There is no database `{database}` in {title}"))
                .hint(format!("Make it: `createdb {database}`, or name another one"));
        }
        return failed(title, error);
    }
    let why = error.source().map(ToString::to_string).unwrap_or_default();
    if why.contains(IN_THE_CLEAR) {
        return Failure::new(format!("{} did not get the password of `{user}`: {IN_THE_CLEAR}", capital(title)))
            .hint("Have it use `scram-sha-256`, which a Postgres since 14 does by itself");
    }
    if why.contains(UNASKED) {
        return Failure::new(format!("{} did not get the password of `{user}`: {UNASKED}", capital(title)))
            .hint("Something else may listen in its place: `silo who PORT`")
            .hint("Where it is set to trust everybody, write `scram-sha-256` in place of `trust` in its `pg_hba.conf`, and reload it")
            .hint(format!("Or remove the password from {}; no agent gets a role of it then", server.password_place));
    }
    if why.contains("password missing") {
        return Failure::new(format!("{} wants a password for `{user}`", capital(title))).hint(&server.password_hint);
    }
    if error.to_string() == "authentication error" {
        return Failure::new(format!("{} cannot prove that it knows the password of `{user}`", capital(title)))
            .hint("Something else may listen in its place: `silo who PORT`");
    }
    Failure::new(format!("What listens on {} for {title} is no Postgres, or hung up", server.address()))
        .hint("See who listens there: `silo who PORT`")
}

/// A statement went wrong.
pub(super) fn failed(title: &str, error: &tokio_postgres::Error) -> Failure {
    let Some(error) = error.as_db_error() else {
        // What a library says of a row that is not as it was asked for.
        let is_strange = ["serializing", "unexpected number"].iter().any(|word| error.to_string().contains(word));
        return match is_strange {
            true => Failure::new(format!(
                "The tables in {title} are not as silo made them: {}",
                one_line(&error.to_string())
            ))
            .hint("Name another `database`, or put them back from a copy"),
            false => Failure::new(format!("The connection to {title} broke off"))
                .hint("Try it again; nothing on the disk is lost"),
        };
    };
    let failure = Failure::new(format!("The memory in {title} failed: {}", said(error)));
    let code = error.code();
    let hint = match code {
        _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => {
            "Its user must own the schema `silo_memory`, or may make it: `CREATE` on the database, and `CREATEROLE` for agents"
        }
        _ if [SqlState::TOO_MANY_CONNECTIONS, SqlState::CANNOT_CONNECT_NOW].contains(code) => {
            "Try it again in a moment; nothing on the disk is lost"
        }
        _ if [SqlState::QUERY_CANCELED, SqlState::LOCK_NOT_AVAILABLE].contains(code) => {
            "See what it is busy with (`SELECT * FROM pg_stat_activity`), and try again"
        }
        _ if *code == SqlState::DISK_FULL => "Make room where its data lies; nothing on silo's disk is lost",
        _ => "Look at its log: `silo logs`, or the server's own",
    };
    failure.hint(hint)
}
