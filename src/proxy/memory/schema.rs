//! The tables: made, and brought up to date, by whoever first needs them. Several at once wait for each other by an advisory lock.

use silo::core::memory::SCHEMA;
use silo::failure::Failure;

use super::connect::Session;
use super::server::Server;
use super::told;

/// The steps to each version, from the first one on.
const STEPS: [&str; 2] = [include_str!("1.sql"), include_str!("2.sql")];
/// The oldest Postgres: before it every role could make tables in any database.
const OLDEST: i32 = 15;
/// The number of the advisory lock: `silo` in ASCII, and a 1.
const LOCK: i64 = 0x7369_6c6f_0001;

/// How the schema stands.
enum Stand {
    /// There is none.
    None,
    /// silo's, of this version.
    Version(i32),
    /// Something else has its name.
    Strange,
}

/// The version of the tables, made up to date where they are there or `writes` asks for them; 0 where they are not.
pub(super) async fn ready(session: &mut Session, server: &Server, writes: bool) -> Result<i32, Failure> {
    let newest = i32::try_from(STEPS.len()).expect("they are few");
    let version = match stand(session).await? {
        Stand::Strange => return Err(strange(server)),
        Stand::None if !writes => return Ok(0),
        Stand::None => 0,
        Stand::Version(version) => version,
    };
    if version > newest {
        return Err(Failure::new(format!(
            "The memory in {} is of version {version}, and this silo knows {newest}",
            server.title
        ))
        .hint("A newer silo has changed it: install that here too"));
    }
    if version < newest {
        fits(session, server).await?;
        let done = bring_up(session).await.map_err(|error| told::failed(&session.title, &error))?;
        return done.ok_or_else(|| strange(server));
    }
    Ok(version)
}

fn strange(server: &Server) -> Failure {
    let database = server.address();
    Failure::new(format!("The schema `{SCHEMA}` in {database} is not silo's, and stays as it is"))
        .hint("Name another `database`, or rename it there: `ALTER SCHEMA silo_memory RENAME TO other`")
}

async fn stand(session: &Session) -> Result<Stand, Failure> {
    stand_of(&session.client).await.map_err(|error| told::failed(&session.title, &error))
}

async fn stand_of(client: &impl tokio_postgres::GenericClient) -> Result<Stand, tokio_postgres::Error> {
    // What only has the names may have other columns: those are looked at before anything is asked of it.
    let asked = "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'silo_memory'), \
                   (SELECT count(*) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = 'silo_memory' AND c.relkind = 'r' AND NOT a.attisdropped AND c.relowner = n.nspowner \
                       AND (c.relname, a.attname) IN (('about', 'version'), ('agents', 'key'), ('agents', 'role'), \
                         ('findings', 'id'), ('findings', 'role'), ('findings', 'body'), ('findings', 'sha256')))";
    let row = client.query_one(asked, &[]).await?;
    let (is_there, columns): (bool, i64) = (row.try_get(0)?, row.try_get(1)?);
    match (is_there, columns) {
        (false, _) => Ok(Stand::None),
        (true, 7) => {
            let row = client.query_opt("SELECT version FROM silo_memory.about", &[]).await?;
            Ok(row.and_then(|row| row.try_get(0).ok()).map_or(Stand::Strange, Stand::Version))
        }
        (true, _) => Ok(Stand::Strange),
    }
}

/// Whether the server and the database are such as silo's tables need.
async fn fits(session: &Session, server: &Server) -> Result<(), Failure> {
    let asked = "SELECT current_setting('server_version_num')::integer / 10000, current_setting('server_encoding')";
    let asked = async {
        let row = session.client.query_one(asked, &[]).await?;
        Ok((row.try_get(0)?, row.try_get(1)?))
    };
    let asked: Result<(i32, String), tokio_postgres::Error> = asked.await;
    let (version, encoding) = asked.map_err(|error| told::failed(&session.title, &error))?;
    if version < OLDEST {
        return Err(Failure::new(format!(
            "The memory needs Postgres {OLDEST} or newer, and {} is {version}",
            server.title
        ))
        .hint("Take a newer image, or move the data to a newer server (`pg_dump`)"));
    }
    if encoding != "UTF8" {
        return Err(Failure::new(format!("The database `{}` is not in UTF-8: {encoding}", server.database))
            .hint("Make one that is: `createdb --encoding UTF8 --template template0 memory`"));
    }
    Ok(())
}

/// Goes the steps that are left, all or none; none where what is there is not silo's.
async fn bring_up(session: &mut Session) -> Result<Option<i32>, tokio_postgres::Error> {
    let transaction = session.client.transaction().await?;
    transaction.execute("SELECT pg_advisory_xact_lock($1)", &[&LOCK]).await?;
    // Another one may have gone them meanwhile.
    let version = match stand_of(&transaction).await? {
        Stand::None => 0,
        Stand::Version(version) => version,
        Stand::Strange => return Ok(None),
    };
    for step in STEPS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        transaction.batch_execute(step).await?;
    }
    let version = version.max(i32::try_from(STEPS.len()).expect("they are few"));
    transaction.commit().await?;
    Ok(Some(version))
}
