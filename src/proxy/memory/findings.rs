//! Findings: listed, searched, read whole, saved and removed, as the user who owns the memory.

use silo::core::memory::names::{kind, title};
use silo::core::memory::talk::{Answer, Body, Filter, Found, Run, Status, from_hex, hex};
use silo::failure::Failure;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Error, Row};

use super::connect::Session;
use super::server::Server;
use super::told;

/// What is read of each finding, without what it says.
const COLUMNS: &str = "f.id, f.instance, f.agent, f.run, f.path, f.title, f.kind, f.size::bigint, f.sha256, \
                       to_char(f.created AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), f.role::text";
/// Which findings a filter means; its values are the first five parameters.
const FILTER: &str = "($1::text IS NULL OR f.agent = $1) AND ($2::text IS NULL OR f.run = $2) AND ($3::text IS NULL OR f.instance = $3) \
                      AND ($4::text IS NULL OR f.created >= $4::text::timestamptz)";
/// The most findings of which an export looks at the size at once.
const AHEAD: i64 = 1000;

fn found(row: &Row) -> Result<Found, Error> {
    Ok(Found {
        id: row.try_get(0)?,
        instance: row.try_get(1)?,
        agent: row.try_get(2)?,
        run: row.try_get(3)?,
        path: row.try_get(4)?,
        title: row.try_get(5)?,
        kind: row.try_get(6)?,
        size: row.try_get(7)?,
        sha256: row.try_get(8)?,
        created: row.try_get(9)?,
        role: row.try_get(10)?,
        text: None,
        hex: None,
    })
}

/// With what it says: its text, and its bytes where they are none.
fn whole(row: &Row) -> Result<Found, Error> {
    let bytes: Option<Vec<u8>> = row.try_get(12)?;
    Ok(Found { text: row.try_get(11)?, hex: bytes.map(|bytes| hex(&bytes)), ..found(row)? })
}

/// With the place that has the words.
fn placed(row: &Row) -> Result<Found, Error> {
    Ok(Found { text: row.try_get(11)?, ..found(row)? })
}

/// Each row, as `read` understands it. Tables that only have the names of silo's may hold anything.
fn each<T>(session: &Session, rows: &[Row], read: impl Fn(&Row) -> Result<T, Error>) -> Result<Vec<T>, Failure> {
    let read = rows.iter().map(read).collect::<Result<Vec<T>, Error>>();
    read.map_err(|error| told::failed(&session.title, &error))
}

async fn rows(session: &Session, text: &str, values: &[&(dyn ToSql + Sync)]) -> Result<Vec<Row>, Failure> {
    session.client.query(text, values).await.map_err(|error| told::failed(&session.title, &error))
}

/// What the memory has.
pub(super) async fn status(session: &Session, server: &Server, version: i32) -> Result<Status, Failure> {
    let asked = rows(session, "SELECT current_setting('server_version')", &[]).await?;
    let postgres = each(session, &asked, |row| row.try_get(0))?.pop().unwrap_or_default();
    let status = Status { address: server.address(), postgres, version, ..Status::default() };
    if version == 0 {
        return Ok(status);
    }
    let sums = rows(session, "SELECT count(*), coalesce(sum(size), 0)::bigint FROM silo_memory.findings", &[]).await?;
    let sums = each(session, &sums, |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
    let (findings, bytes) = sums.first().copied().unwrap_or_default();
    let roles = rows(session, "SELECT instance, agent, role::text FROM silo_memory.agents ORDER BY 1, 2", &[]).await?;
    let roles = each(session, &roles, |row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?)))?;
    Ok(Status { findings, bytes, roles, ..status })
}

/// The newest findings; with words, those that have them.
pub(super) async fn list(session: &Session, filter: &Filter) -> Result<Answer, Failure> {
    let Filter { agent, run, instance, since, words, most } = filter;
    let most = i64::from(*most);
    let asked_for = most + 1;
    let found_rows = match words {
        None => {
            let asked =
                format!("SELECT {COLUMNS} FROM silo_memory.findings f WHERE {FILTER} ORDER BY f.id DESC LIMIT $5");
            rows(session, &asked, &[agent, run, instance, since, &asked_for]).await?
        }
        Some(words) => {
            let asked = format!(
                "SELECT {COLUMNS}, ts_headline('pg_catalog.simple', left(f.body, 20000), q, \
                   'MaxFragments=1, MaxWords=20, MinWords=8, StartSel=\"\", StopSel=\"\"') \
                 FROM silo_memory.findings f, websearch_to_tsquery('pg_catalog.simple', $6) q \
                 WHERE {FILTER} AND f.words @@ q ORDER BY ts_rank(f.words, q) DESC, f.id DESC LIMIT $5"
            );
            rows(session, &asked, &[agent, run, instance, since, &asked_for, words]).await?
        }
    };
    let most = usize::try_from(filter.most).unwrap_or(usize::MAX);
    let shown = &found_rows[..most.min(found_rows.len())];
    let read = if words.is_some() { placed } else { found };
    Ok(Answer::Found(each(session, shown, read)?, found_rows.len() > most))
}

/// One finding, whole.
pub(super) async fn show(session: &Session, id: i64) -> Result<Answer, Failure> {
    let asked = format!("SELECT {COLUMNS}, f.body, f.bytes FROM silo_memory.findings f WHERE f.id = $1");
    Ok(Answer::Found(each(session, &rows(session, &asked, &[&id]).await?, whole)?, false))
}

/// Findings below a number, the newest first, up to so many bytes; one in any case.
pub(super) async fn export(
    session: &Session,
    below: Option<i64>,
    bytes: u64,
    filter: &Filter,
) -> Result<Answer, Failure> {
    let Filter { agent, run, instance, since, .. } = filter;
    let below = below.unwrap_or(i64::MAX);
    let asked = format!(
        "SELECT f.id, f.size::bigint FROM silo_memory.findings f WHERE {FILTER} AND f.id < $5 ORDER BY f.id DESC LIMIT $6"
    );
    let sizes = rows(session, &asked, &[agent, run, instance, since, &below, &AHEAD]).await?;
    let sizes: Vec<(i64, i64)> = each(session, &sizes, |row| Ok((row.try_get(0)?, row.try_get(1)?)))?;
    let mut sum = 0_u64;
    let fits = |(_, size): &&(i64, i64)| {
        sum = sum.saturating_add(u64::try_from(*size).unwrap_or(0));
        sum <= bytes
    };
    let mut ids: Vec<i64> = sizes.iter().take_while(fits).map(|(id, _)| *id).collect();
    if let (true, Some((first, _))) = (ids.is_empty(), sizes.first()) {
        ids.push(*first);
    }
    let more = ids.len() < sizes.len() || i64::try_from(sizes.len()).is_ok_and(|number| number == AHEAD);
    let asked = format!(
        "SELECT {COLUMNS}, f.body, f.bytes FROM silo_memory.findings f WHERE f.id = ANY($1) ORDER BY f.id DESC"
    );
    Ok(Answer::Found(each(session, &rows(session, &asked, &[&ids]).await?, whole)?, more))
}

/// Saves findings of a run, all or none; gives back how many were not there yet.
pub(super) async fn save(session: &mut Session, run: &Run, findings: &[Body]) -> Result<u64, Failure> {
    let title = session.title.clone();
    added(session, run, findings).await.map_err(|error| told::failed(&title, &error))
}

async fn added(session: &mut Session, run: &Run, findings: &[Body]) -> Result<u64, Error> {
    let Run { instance, agent, run } = run;
    let transaction = session.client.transaction().await?;
    let adding = transaction
        .prepare(
            "INSERT INTO silo_memory.findings (instance, agent, run, path, title, kind, body, bytes, created) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, coalesce($9::text::timestamptz, now())) \
             ON CONFLICT (instance, run, path, sha256) WHERE role IS NULL DO NOTHING",
        )
        .await?;
    let mut sum = 0;
    for Body { path, text, hex, created } in findings {
        let bytes = hex.as_deref().and_then(from_hex);
        // Postgres knows no NUL in a text, whoever sends one.
        let (path, text) = (path.replace('\0', "\u{fffd}"), text.replace('\0', "\u{fffd}"));
        let is_binary = bytes.is_some();
        let (title, kind) = (title(&path, &text, is_binary), kind(&path, is_binary));
        let values: [&(dyn ToSql + Sync); 9] = [instance, agent, run, &path, &title, &kind, &text, &bytes, created];
        sum += transaction.execute(&adding, &values).await?;
    }
    transaction.commit().await?;
    Ok(sum)
}

/// Removes findings; gives back how many there were.
pub(super) async fn remove(session: &Session, ids: &[i64]) -> Result<u64, Failure> {
    let removed = session.client.execute("DELETE FROM silo_memory.findings WHERE id = ANY($1)", &[&ids]).await;
    removed.map_err(|error| told::failed(&session.title, &error))
}
