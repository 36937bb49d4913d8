//! Roles of agents: each may read all, write its own, and nothing else. What it may is read back before it is handed out.

use postgres_protocol::password::scram_sha_256;
use silo::core::memory::names::quoted;
use silo::core::memory::talk::{Role, Run};
use silo::core::text::source::one_line;
use silo::failure::Failure;
use tokio_postgres::{Error, Transaction};

use super::connect::Session;
use super::doors::{Doors, Entry};
use super::server::Server;
use super::told;

/// What a role of silo's is marked with, before the key of its agent.
const MARK: &str = "Agent of silo: ";
/// How many connections a role may have.
const CONNECTIONS: u32 = 8;
/// The database that every server has, and in which a superuser has the whole server too.
const USUAL: &str = "postgres";
/// The most roles with special rights that are looked at, and the most of agents.
const MOST_MIGHTY: u32 = 64;
const MOST_AGENTS: u32 = 256;
/// Who can log in and may do more than an agent, or become somebody who may; whether they are an owner or a superuser, and whether they may
/// copy the server.
const MIGHTY: &str = "SELECT r.rolname::text, bool_or(m.rolsuper OR m.owns), bool_or(r.rolsuper OR r.rolreplication) FROM pg_roles r \
    JOIN (SELECT oid, rolsuper, oid IN (SELECT nspowner FROM pg_namespace WHERE nspname = 'silo_memory' \
            UNION SELECT datdba FROM pg_database WHERE datname = current_database() \
            UNION SELECT oid FROM pg_roles WHERE rolname = current_user) AS owns, \
          rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls OR rolname IN ('pg_execute_server_program', \
            'pg_write_server_files', 'pg_read_server_files', 'pg_write_all_data', 'pg_read_all_data', 'pg_signal_backend') AS is_more \
        FROM pg_roles) m ON (m.rolsuper OR m.owns OR m.is_more) AND pg_has_role(r.oid, m.oid, 'MEMBER') \
    WHERE r.rolcanlogin GROUP BY r.rolname ORDER BY r.rolname LIMIT $1";
/// The roles of agents.
const AGENTS: &str = "SELECT rolname::text FROM pg_roles WHERE rolcanlogin \
    AND starts_with(shobj_description(oid, 'pg_authid'), $1) ORDER BY rolname LIMIT $2";

/// An agent.
pub(super) struct Agent<'a> {
    /// What it is known by.
    pub(super) key: &'a str,
    /// What its role is to be called where it is new.
    pub(super) name: &'a str,
    /// Whose findings its are.
    pub(super) run: &'a Run,
}

/// Why there is no role.
enum Refused {
    /// The server failed.
    Failed(Error),
    /// Another role has the name.
    Taken(String),
    /// Whoever has a role may do more than it should.
    TooMuch(String),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Makes the role of an agent, or sets its password and rights again.
pub(super) async fn make(
    session: &mut Session,
    server: &Server,
    agent: &Agent<'_>,
    password: &str,
    cut: bool,
) -> Result<Role, Failure> {
    let title = session.title.clone();
    let failed = |error| told::failed(&title, &error);
    // By a socket of the file system no agent comes.
    let doors = if server.host.starts_with('/') { None } else { Some(Doors::of(server).await?) };
    if let Some(doors) = &doors {
        closed(session, server, doors).await?;
    }
    let made = made(session, &server.database, agent, password, cut).await;
    let (name, is_new) = made.map_err(|refused| match refused {
        Refused::Failed(error) => failed(error),
        Refused::Taken(name) => {
            Failure::new(format!("The role `{}` in {title} is not one that silo has made", one_line(&name)))
                .hint("Rename it there: `ALTER ROLE old RENAME TO new`")
        }
        Refused::TooMuch(what) => Failure::new(format!("Every role in {title} {what}, and so would the agent's"))
            .hint("Take that from PUBLIC there, or give the memory a database of its own"),
    })?;
    // One that was there is looked at before.
    if let Some(doors) = doors.filter(|_| is_new)
        && let Err(open) = doors.are_closed_to(&name, Entry::Database(&server.database)).await
    {
        remove(session, agent.key).await?;
        return Err(open);
    }
    let (host, port, database) = (server.host.clone(), server.port, server.database.clone());
    Ok(Role { name, host, port, database, tls: server.tls.is_some() })
}

/// Makes sure that nobody gets in without a password as one who may do more than an agent, or as another agent.
async fn closed(session: &Session, server: &Server, doors: &Doors<'_>) -> Result<(), Failure> {
    let failed = |error| told::failed(&session.title, &error);
    let own = Entry::Database(&server.database);
    let rows = session.client.query(MIGHTY, &[&(i64::from(MOST_MIGHTY) + 1)]).await.map_err(failed)?;
    if rows.len() > MOST_MIGHTY as usize {
        let title = &session.title;
        return Err(Failure::new(format!(
            "There is no role for an agent: {title} has more than {MOST_MIGHTY} roles with special rights, too many to check"
        ))
        .hint("Give the memory a server of its own"));
    }
    for row in rows {
        let (name, is_all, copies): (String, bool, bool) =
            (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?, row.try_get(2).map_err(failed)?);
        doors.are_closed_to(&name, own).await?;
        if is_all && server.database != USUAL {
            doors.are_closed_to(&name, Entry::Database(USUAL)).await?;
        }
        if copies {
            doors.are_closed_to(&name, Entry::Replication).await?;
        }
    }
    let rows = session.client.query(AGENTS, &[&MARK, &(i64::from(MOST_AGENTS) + 1)]).await.map_err(failed)?;
    if rows.len() > MOST_AGENTS as usize {
        let title = &session.title;
        return Err(Failure::new(format!(
            "There is no role for an agent: {title} has more than {MOST_AGENTS} roles of agents, too many to check"
        ))
        .hint("Remove those of agents that are gone: `silo memory role AGENT --drop`"));
    }
    for row in rows {
        let name: String = row.try_get(0).map_err(failed)?;
        doors.are_closed_to(&name, own).await?;
    }
    Ok(())
}

async fn made(
    session: &mut Session,
    database: &str,
    agent: &Agent<'_>,
    password: &str,
    cut: bool,
) -> Result<(String, bool), Refused> {
    let transaction = session.client.transaction().await?;
    // One after the other: rights to one table cannot be given by two at once. No agent can take this lock.
    transaction.batch_execute("LOCK TABLE silo_memory.agents IN SHARE ROW EXCLUSIVE MODE").await?;
    let known =
        transaction.query_opt("SELECT role::text FROM silo_memory.agents WHERE key = $1", &[&agent.key]).await?;
    let name = known.map_or_else(|| Ok(agent.name.to_owned()), |row| row.try_get(0))?;
    let role = quoted(&name);
    let mark = format!("{MARK}{}", agent.key);
    let asked = "SELECT rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls, shobj_description(oid, 'pg_authid'), \
                 rolcanlogin FROM pg_roles WHERE rolname = $1::text::name";
    let there = transaction.query_opt(asked, &[&name]).await?;
    let mut is_new = true;
    match there {
        None => transaction.batch_execute(&format!("CREATE ROLE {role}")).await?,
        Some(row) => {
            let (is_mighty, comment): (bool, Option<String>) = (row.try_get(0)?, row.try_get(1)?);
            if is_mighty || comment.as_deref() != Some(&mark) {
                return Err(Refused::Taken(name));
            }
            let could_log_in: bool = row.try_get(2)?;
            is_new = !could_log_in;
        }
    }
    // The server gets what it checks a password by, so that no log of its has the password.
    let secret = scram_sha_256(password.as_bytes());
    transaction
        .batch_execute(&format!(
            "COMMENT ON ROLE {role} IS '{mark}';\n\
             ALTER ROLE {role} LOGIN NOINHERIT CONNECTION LIMIT {CONNECTIONS} PASSWORD '{secret}';\n\
             ALTER ROLE {role} SET statement_timeout = '60s';\n\
             ALTER ROLE {role} SET idle_in_transaction_session_timeout = '60s';\n\
             GRANT CONNECT ON DATABASE {database} TO {role};\n\
             GRANT USAGE ON SCHEMA silo_memory TO {role};\n\
             GRANT SELECT ON silo_memory.about, silo_memory.agents, silo_memory.findings TO {role};\n\
             GRANT INSERT (path, title, kind, body, bytes), UPDATE (path, title, kind, body, bytes) ON silo_memory.findings TO {role};\n\
             GRANT EXECUTE ON FUNCTION silo_memory.remove(bigint) TO {role}",
            mark = mark.replace('\'', "''"),
            database = quoted(database)
        ))
        .await?;
    let Run { instance, agent: called, run } = agent.run;
    // A person who asks for a role names no run: the one of its agent stays.
    let noted = "INSERT INTO silo_memory.agents AS a (key, role, instance, agent, run) \
                 VALUES ($1, $2::text::name, $3, $4, coalesce(nullif($5::text, ''), $4)) \
                 ON CONFLICT (key) DO UPDATE SET instance = $3, agent = $4, run = coalesce(nullif($5::text, ''), a.run)";
    transaction.execute(noted, &[&agent.key, &name, instance, called, run]).await?;
    if let Some(what) = too_much(&transaction, &name).await? {
        return Err(Refused::TooMuch(what));
    }
    transaction.commit().await?;
    if cut {
        disconnect(session, &name).await?;
    }
    Ok((name, is_new))
}

/// What a role may do beyond its findings, in the words that go on from "every role".
async fn too_much(transaction: &Transaction<'_>, name: &str) -> Result<Option<String>, Error> {
    let asked = "SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp_' \
                   AND has_schema_privilege($1::text::name, oid, 'CREATE') ORDER BY 1 LIMIT 1";
    if let Some(row) = transaction.query_opt(asked, &[&name]).await? {
        let schema: String = row.try_get(0)?;
        return Ok(Some(format!("may make tables in the schema `{}`", one_line(&schema))));
    }
    let asked = "SELECT has_database_privilege($1::text::name, current_database(), 'CREATE'), \
                   (SELECT count(*) FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE r.rolname = $1::text::name), \
                   has_table_privilege($1::text::name, 'silo_memory.findings', 'DELETE, TRUNCATE, REFERENCES, TRIGGER') \
                     OR has_table_privilege($1::text::name, 'silo_memory.agents', 'INSERT, UPDATE, DELETE, TRUNCATE') \
                     OR has_table_privilege($1::text::name, 'silo_memory.shares', 'INSERT, UPDATE, DELETE, TRUNCATE'), \
                   (SELECT relrowsecurity FROM pg_class WHERE oid = 'silo_memory.findings'::regclass)";
    let row = transaction.query_one(asked, &[&name]).await?;
    let (creates, roles, writes, rows): (bool, i64, bool, bool) =
        (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
    Ok(match (creates, roles, writes || !rows) {
        (true, ..) => Some("may make schemas in the database".to_owned()),
        (_, 1.., _) => Some("is a member of another one".to_owned()),
        (.., true) => Some("may change the findings of others".to_owned()),
        _ => None,
    })
}

/// Cuts off whoever is connected as a role. Who may not do that leaves them until they go: the password is another by now.
async fn disconnect(session: &Session, name: &str) -> Result<(), Error> {
    let asked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1::text::name";
    match session.client.query(asked, &[&name]).await {
        Err(error) if error.as_db_error().is_none() => Err(error),
        _ => Ok(()),
    }
}

/// Removes the role of an agent; its findings stay.
pub(super) async fn remove(session: &mut Session, key: &str) -> Result<u64, Failure> {
    let title = session.title.clone();
    removed(session, key).await.map_err(|error| told::failed(&title, &error))
}

async fn removed(session: &mut Session, key: &str) -> Result<u64, Error> {
    let known = session.client.query_opt("SELECT role::text FROM silo_memory.agents WHERE key = $1", &[&key]).await?;
    let Some(known) = known else { return Ok(0) };
    let name: String = known.try_get(0)?;
    let role = quoted(&name);
    let asked = "SELECT shobj_description(oid, 'pg_authid') FROM pg_roles WHERE rolname = $1::text::name";
    let comment = session.client.query_opt(asked, &[&name]).await?;
    let comment: Option<String> = comment.map(|row| row.try_get(0)).transpose()?.flatten();
    let is_own = comment.as_deref() == Some(&format!("{MARK}{key}"));
    if is_own {
        session.client.batch_execute(&format!("ALTER ROLE {role} NOLOGIN")).await?;
        disconnect(session, &name).await?;
    }
    let transaction = session.client.transaction().await?;
    transaction.batch_execute("LOCK TABLE silo_memory.agents IN SHARE ROW EXCLUSIVE MODE").await?;
    if is_own {
        let asked = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
        let is_super: bool = transaction.query_one(asked, &[]).await?.try_get(0)?;
        if !is_super {
            // Only a member may take away what a role owns, such as a large object.
            transaction.batch_execute(&format!("GRANT {role} TO CURRENT_USER")).await?;
        }
        transaction.batch_execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}")).await?;
    }
    transaction.execute("DELETE FROM silo_memory.agents WHERE key = $1", &[&key]).await?;
    transaction.commit().await?;
    Ok(1)
}
